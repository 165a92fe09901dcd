//! Feeds arbitrary input to `seabag_fuzz::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::envelope(bytes));
