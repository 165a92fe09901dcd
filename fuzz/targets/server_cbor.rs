//! Feeds arbitrary input to `seabag_fuzz::server_cbor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seabag_fuzz::server_cbor(bytes));
