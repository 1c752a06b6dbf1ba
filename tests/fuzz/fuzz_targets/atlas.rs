#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| btfhub_fuzz::hostile_atlas::atlas(data));
