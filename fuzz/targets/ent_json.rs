//! Feeds arbitrary input to `seabag_fuzz::ent_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::ent_json(bytes));
