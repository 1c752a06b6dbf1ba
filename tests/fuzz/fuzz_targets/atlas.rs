#![no_main]

use std::sync::LazyLock;

use btfhub_fuzz::rules::{Pair, pairs};

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(pairs);

// The length of the data chooses the program.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let asked = &PAIRS[data.len() % PAIRS.len()].relocations;
    btfhub_fuzz::hostile_atlas::atlas(asked, data);
});
