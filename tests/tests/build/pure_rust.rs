//! What an agent links compiles for static targets without a C compiler.

use btfhub_tests::agents;
use btfhub_tests::project::Said;
use btfhub_tests::shared::skip;

#[test]
fn runtime_builds_for_musl_without_a_c_compiler() {
    for target in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        let built = agents::cargo(&["build", "-p", "btfhub-runtime", "--target", target])
            .env("CC", "/bin/false")
            .output();
        let said = Said::of(&built.expect("cargo"));
        if said.stderr.contains("can't find crate for `core`") {
            return skip(&format!("`rustup target add {target}` was not done"));
        }
        let _built = said.ok();
    }
}

/// This is what the feature `lzma-rust2` is for.
#[test]
fn build_compiles_without_a_c_compiler() {
    let pure = ["--no-default-features", "--features", "lzma-rust2"];
    let built = agents::cargo(&["build", "-p", "btfhub-build"])
        .args(pure)
        .env("CC", "/bin/false")
        .output();
    let _built = Said::of(&built.expect("cargo")).ok();
}
