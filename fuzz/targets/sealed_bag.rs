//! Feeds arbitrary input to `seabag_fuzz::sealed_bag`.
#![no_main]

libfuzzer_sys::fuzz_target!(|any: seabag_fuzz::AnyBag| seabag_fuzz::sealed_bag(any));
