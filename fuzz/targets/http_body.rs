//! Feeds arbitrary input to `seabag_fuzz::http_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::http_body(bytes));
