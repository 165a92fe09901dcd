//! Feeds arbitrary input to `seabag_fuzz::Script`.
#![no_main]

libfuzzer_sys::fuzz_target!(|script: seabag_fuzz::Script| seabag_fuzz::room(script));
