//! Feeds arbitrary input to `seabag_fuzz::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::session(bytes));
