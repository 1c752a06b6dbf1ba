//! `include_bundle!` in real crates: what it embeds, and the compiler's message if it can't.

use btfhub_runtime::bundle::Provenance;
use btfhub_runtime::bundle::write::{SHARD_MAGIC, Writer};
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::project::Project;

/// Magic, version, codec and length; then the digest.
const LENGTH_AT: usize = 12;
const DIGEST_AT: usize = 16;

fn bundle() -> Vec<u8> {
    let mut writer = Writer::new(Provenance::default());
    let kernel = KernelId {
        arch: Arch::new("x86_64"),
        release: "5.4.0-80-generic",
        distro: "ubuntu",
        version: "20.04",
    };
    writer.add_kernel(kernel, b"BTF").expect("a kernel");
    writer.finish().expect("a bundle")
}

fn crate_with(source: &str) -> Project {
    let project = Project::new("[dependencies]\nbtfhub-runtime.path = RUNTIME\n");
    project.file("src/main.rs", source);
    project
}

const NAMED: &str = "use btfhub_runtime::{Bundle, include_bundle};\n\
                     static BTF: Bundle = include_bundle!(\"probe\");\n\
                     fn main() { println!(\"{}\", BTF.kernel_count().unwrap()) }\n";

const AT_PATH: &str = "use btfhub_runtime::{Bundle, include_bundle};\n\
                       static BTF: Bundle = include_bundle!(path = \"btf/probe.btfhub\");\n\
                       fn main() { println!(\"{}\", BTF.kernel_count().unwrap()) }\n";

/// A build script that leaves its crate's `btf/probe.btfhub` under `name`.
fn copying_build_script(name: &str) -> String {
    format!(
        "fn main() {{\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         std::fs::copy(\"btf/probe.btfhub\", out + \"/{name}\").unwrap();\n    \
         println!(\"cargo::rerun-if-changed=btf/probe.btfhub\");\n}}\n"
    )
}

/// What the compiler says at the macro, with its line and the marked code.
fn message(project: &Project) -> String {
    let stderr = project.cargo(&["check"]).failed().stderr;
    let from = stderr.find("error: ").expect("an error");
    let to = stderr.find("error: could not compile").expect("the end");
    let message = stderr[from..to].trim();
    assert_eq!(stderr.matches("\nerror").count(), 2, "one error: {stderr}");
    message.replace(&project.path().to_string_lossy().into_owned(), "CRATE")
}

/// The message at the macro's literal in line 2.
fn assert_message(project: &Project, text: &str, marked: &str) {
    let said = message(project);
    assert!(said.contains(text), "expected {text:?} in\n{said}");
    assert!(said.contains("src/main.rs:2:"), "{said}");
    let marks = "^".repeat(marked.len());
    let at_literal = said.contains(marked) && said.contains(&format!(" {marks}\n"));
    assert!(at_literal || said.ends_with(&marks), "{said}");
}

#[test]
fn embeds_what_the_build_script_made() {
    let project = crate_with(NAMED);
    project
        .file("btf/probe.btfhub", bundle())
        .file("build.rs", copying_build_script("probe.btfhub"));
    assert_eq!(project.cargo(&["run"]).ok().stdout, "1\n");

    // A new bundle makes a new program.
    let empty = Writer::new(Provenance::default()).finish().unwrap();
    project.file("btf/probe.btfhub", empty);
    assert_eq!(project.cargo(&["run"]).ok().stdout, "0\n");
}

#[test]
fn embeds_a_checked_in_file() {
    let project = crate_with(AT_PATH);
    project.file("btf/probe.btfhub", bundle());
    assert_eq!(project.cargo(&["run"]).ok().stdout, "1\n");
    let empty = Writer::new(Provenance::default()).finish().unwrap();
    project.file("btf/probe.btfhub", empty);
    assert_eq!(project.cargo(&["run"]).ok().stdout, "0\n");
}

#[test]
fn works_under_another_name_and_through_a_reexport() {
    let project = Project::new(
        "[dependencies]\nkernels = { package = \"btfhub-runtime\", path = RUNTIME }\n",
    );
    project.file("btf/probe.btfhub", bundle()).file(
        "src/main.rs",
        "mod again { pub use kernels::include_bundle; }\n\
         fn main() {\n    let btf = again::include_bundle!(path = \"btf/probe.btfhub\",);\n    \
         println!(\"{}\", btf.kernel_count().unwrap())\n}\n",
    );
    assert_eq!(project.cargo(&["run"]).ok().stdout, "1\n");
}

#[test]
fn says_that_there_is_no_build_script() {
    let project = crate_with(NAMED);
    assert_message(
        &project,
        "this crate has no build script, so there is no bundle \"probe\"",
        "\"probe\"",
    );
}

#[test]
fn says_that_the_build_script_made_no_such_bundle() {
    let project = crate_with(NAMED);
    project.file("build.rs", "fn main() {}\n");
    assert_message(
        &project,
        "build.rs made no bundle \"probe\" (it made none)",
        "\"probe\"",
    );

    project
        .file("btf/probe.btfhub", bundle())
        .file("build.rs", copying_build_script("prob.btfhub"));
    assert_message(
        &project,
        "build.rs made no bundle \"probe\" (it made \"prob\")",
        "\"probe\"",
    );
}

#[test]
fn says_that_there_is_no_such_file() {
    assert_message(
        &crate_with(AT_PATH),
        "no bundle at CRATE/btf/probe.btfhub: `path` is relative to the crate's Cargo.toml",
        "\"btf/probe.btfhub\"",
    );
}

#[test]
fn says_what_is_wrong_with_the_file() {
    let whole = bundle();
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    let mut truncated = whole.clone();
    truncated.pop();
    let last = whole.len() - 1;

    let project = crate_with(AT_PATH);
    for (bytes, text) in [
        (b"\x7fELF and more".to_vec(), "is not a btfhub bundle"),
        (Vec::new(), "is not a btfhub bundle"),
        (
            SHARD_MAGIC.to_vec(),
            "is not a bundle but a shard of one: join all shards with `cargo btfhub merge`",
        ),
        (
            with(8, 9),
            "is a bundle of format version 9, and this btfhub-runtime reads version",
        ),
        (truncated.clone(), "is damaged: "),
        (whole[..DIGEST_AT].to_vec(), "is damaged: "),
        (whole[..LENGTH_AT].to_vec(), "is cut off after 12 bytes"),
        (
            with(last, !whole[last]),
            "its SHA-256 digest does not match",
        ),
        (
            with(DIGEST_AT, !whole[DIGEST_AT]),
            "its SHA-256 digest does not match",
        ),
    ] {
        project.file("btf/probe.btfhub", bytes);
        assert_message(&project, text, "\"btf/probe.btfhub\"");
    }
}

/// However the bundle got into a crate, with or without a build script.
#[test]
fn a_partial_bundle_is_for_development() {
    let partial = Writer::new(Provenance {
        partial: true,
        ..Provenance::default()
    });
    let project = crate_with(AT_PATH);
    project.file("btf/probe.btfhub", partial.finish().unwrap());
    assert_eq!(project.cargo(&["run"]).ok().stdout, "0\n");
    let refused = project.cargo(&["check", "--release"]).failed().stderr;
    assert!(refused.contains("btf/probe.btfhub is partial"), "{refused}");
    assert!(refused.contains("src/main.rs:2:"), "{refused}");
    let silent = ["check", "--config", "profile.dev.debug-assertions=false"];
    let refused = project.cargo(&silent).failed().stderr;
    assert!(refused.contains("btf/probe.btfhub is partial"), "{refused}");
    project.file("btf/probe.btfhub", bundle());
    let _checked = project.cargo(&["check", "--release"]).ok();
}

#[test]
fn says_how_it_is_used() {
    for (input, text, marked) in [
        (
            "probe",
            "expected the name given to `Builder::build`",
            "probe",
        ),
        (
            "file = \"x\"",
            "expected the name given to `Builder::build`",
            "file",
        ),
        (
            "\"btf/probe.btfhub\"",
            "is not the name of a bundle",
            "\"btf/probe.btfhub\"",
        ),
        ("\"\"", "is not the name of a bundle", "\"\""),
        (
            "\"a\" \"b\"",
            "expected the name given to `Builder::build`",
            "\"b\"",
        ),
    ] {
        let project = crate_with(&NAMED.replace("\"probe\"", input));
        assert_message(&project, text, marked);
    }
    // Nothing to point at but the macro.
    let project = crate_with(&NAMED.replace("\"probe\"", ""));
    let said = message(&project);
    assert!(
        said.contains("expected the name given to `Builder::build`"),
        "{said}"
    );
    assert!(said.contains("src/main.rs:2:"), "{said}");
}
