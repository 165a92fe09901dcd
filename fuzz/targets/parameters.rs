//! Feeds arbitrary input to `seabag_fuzz::parameters`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::parameters(bytes));
