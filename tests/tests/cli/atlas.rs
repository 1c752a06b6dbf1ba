//! `--atlas`: an atlas gives the same results as its archive.

use std::collections::BTreeMap;

use btfhub_tests::cli::Dir;
use btfhub_tests::cli_test;

const EXECWATCH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/execwatch/src/execwatch.bpf.o"
);
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/archive");

/// Writes `kernels.atlas` of the example's archive, and returns its digest.
fn atlas(dir: &Dir) -> String {
    let build = ["atlas", "build", "--archive", EXAMPLES, "--json", "--fast"];
    let text = dir
        .btfhub(build.into_iter().chain(["--out", "kernels.atlas"]))
        .ok();
    let built: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    built["digest"].as_str().expect("a digest").to_owned()
}

cli_test!(an_atlas_gives_what_the_archive_gives, |dir| {
    let digest = atlas(&dir);
    let with = |source: [&str; 2], rest: &[&str]| {
        let arguments = [rest, &source, &["--object", EXECWATCH]].concat();
        dir.btfhub(arguments).ok()
    };
    let sources = [["--archive", EXAMPLES], ["--atlas", "kernels.atlas"]];

    let tree = |out: &str| -> BTreeMap<String, Vec<u8>> {
        let files = dir.files(out).into_iter();
        let contents = files.map(|file| {
            let bytes = std::fs::read(dir.path(out).join(&file)).expect("a file");
            (file, bytes)
        });
        contents.collect()
    };
    let trees = sources.map(|source| {
        let out = source[0].trim_start_matches('-');
        let _ = with(source, &["tailor", "--out", out]);
        tree(out)
    });
    assert_eq!(trees[0].len(), 8);
    assert!(trees[0] == trees[1], "the tailored trees differ");

    let [archive, of_atlas] = sources.map(|source| with(source, &["report", "--json"]));
    assert!(archive == of_atlas, "the reports differ");

    let kernels = sources.map(|source| {
        let _ = with(source, &["bundle", "--out", "b"]);
        dir.btfhub(["inspect", "b", "--kernels"]).ok()
    });
    assert_eq!(kernels[0], kernels[1]);

    // Both: each kernel once.
    let both = ["bundle", "--out", "b", "--archive", EXAMPLES];
    let text = with(sources[1], &both);
    assert!(text.starts_with("b: 8 kernels, "), "{text}");

    // Its pin is its digest.
    let pinned = |pin: &str| {
        let bundle = ["bundle", "--out", "p", "--atlas", "kernels.atlas"];
        let rest = ["--object", EXECWATCH, "--pin", pin];
        dir.btfhub(bundle.into_iter().chain(rest))
    };
    let _ = pinned(&digest).ok();
    let shown = dir.btfhub(["inspect", "p"]).ok();
    assert!(shown.contains(&format!("atlas {digest}")), "{shown}");
    let complaint = pinned(&digest.replace(['0', '1', '2'], "3")).fails(1);
    assert!(complaint.contains("not the pinned atlas"), "{complaint}");
    let complaint = dir
        .btfhub(["bundle", "--out", "q", "--atlas", "kernels.atlas"])
        .fails(2);
    assert!(complaint.contains("no object"), "{complaint}");
    let nothing = ["bundle", "--out", "q", "--atlas", "kernels.atlas"];
    let rest = ["--object", EXECWATCH, "--include", "gentoo"];
    let complaint = dir.btfhub(nothing.into_iter().chain(rest)).fails(3);
    assert!(complaint.contains("there are 8"), "{complaint}");
});

cli_test!(a_manifest_names_an_atlas, |dir| {
    let digest = atlas(&dir);
    std::fs::copy(EXECWATCH, dir.path("execwatch.bpf.o")).expect("a copy");
    dir.write("src/lib.rs", "");
    let configure = |table: &str| {
        let package = "[package]\nname = \"agent\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
        let objects = "objects = \"execwatch.bpf.o\"\narch = \"x86_64\"\n";
        let table = format!("{package}[package.metadata.btfhub]\n{objects}{table}");
        dir.write("Cargo.toml", table);
    };
    let atlas = "atlas = \"kernels.atlas\"\n";
    configure(&format!("{atlas}pin = \"{digest}\"\n"));
    let text = dir.btfhub(["bundle", "--out", "b"]).ok();
    assert!(text.starts_with("b: 5 kernels, "), "{text}");
    let shown = dir.btfhub(["inspect", "b"]).ok();
    assert!(shown.contains(&format!("atlas {digest}")), "{shown}");

    configure(&format!("{atlas}pin = \"0123\"\n"));
    let complaint = dir.btfhub(["bundle", "--out", "b"]).fails(1);
    assert!(complaint.contains("not the pinned atlas"), "{complaint}");
    let archive = format!("archive = \"{EXAMPLES}\"\n");
    configure(&format!("{archive}{atlas}pin = \"{digest}\"\n"));
    let complaint = dir.btfhub(["bundle", "--out", "b"]).fails(2);
    assert!(complaint.contains("one archive or atlas"), "{complaint}");

    // The limit for entries applies here too, and an option overrides it.
    configure(&format!("{archive}entry-limit = 1000\n"));
    let complaint = dir.btfhub(["bundle", "--out", "c"]).fails(1);
    assert!(complaint.contains("1000 bytes"), "{complaint}");
    let text = dir
        .btfhub(["bundle", "--out", "c", "--entry-limit", "100000000"])
        .ok();
    assert!(text.starts_with("c: 5 kernels, "), "{text}");
});
