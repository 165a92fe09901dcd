//! Feeds arbitrary input to `seabag_fuzz::archive_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::archive_bytes(bytes));
