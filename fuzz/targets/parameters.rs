#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::parameters(bytes));
