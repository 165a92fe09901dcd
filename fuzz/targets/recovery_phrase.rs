//! Feeds arbitrary input to `seabag_fuzz::recovery_phrase`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::recovery_phrase(bytes));
