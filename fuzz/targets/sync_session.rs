//! Feeds arbitrary input to `seabag_fuzz::sync_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|any: seabag_fuzz::AnySync| seabag_fuzz::sync_session(any));
