//! Feeds arbitrary input to `seabag_fuzz::host_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::host_answer(bytes));
