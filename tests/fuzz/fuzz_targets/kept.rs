#![no_main]

use std::sync::LazyLock;

use btfhub_fuzz::rules::{Pair, pairs};

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(pairs);

// The first byte chooses the program and its kernel, the rest is mutations.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((choice, mutations)) = data.split_first() {
        let pair = &PAIRS[usize::from(*choice) % PAIRS.len()];
        btfhub_fuzz::hostile_atlas::kept(&pair.relocations, &pair.kernel, mutations);
    }
});
