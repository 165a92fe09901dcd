//! Feeds arbitrary input to `seabag_fuzz::archive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|any: seabag_fuzz::AnyArchive| seabag_fuzz::archive(any));
