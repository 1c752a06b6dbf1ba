#![no_main]

use std::sync::LazyLock;

use btfhub_runtime::Bundle;

static BUNDLE: LazyLock<Vec<u8>> = LazyLock::new(btfhub_fuzz::hostile::small_bundle);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let bundle = Bundle::parse(&BUNDLE).expect("a sound bundle");
    btfhub_fuzz::hostile::host(&bundle, data);
});
