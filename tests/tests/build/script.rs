//! A user's crate from one build to the next: what cargo runs again, what is
//! embedded, what the cache saves.

use std::fs;
use std::path::Path;

use btfhub_tests::app::{self, App};
use btfhub_tests::cli;
use btfhub_tests::git::git;
use btfhub_tests::pack;
use btfhub_tests::project::{Project, Said};
use btfhub_tests::shared::skip;

/// The number of entries that the build decoded, from its line on demand.
fn decoded(app: &App, arguments: &[&str], variables: &[(&str, &str)]) -> usize {
    let variables = [&[("BTFHUB_VERBOSE", "1")], variables].concat();
    let warnings = app.warnings(&variables, arguments);
    let (_, rest) = warnings.rsplit_once("; ").expect("a summary");
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_program_holds_the_kernels_of_its_target() {
    let app = App::new();
    pack::entry(
        &app.archive(),
        "debian/11/arm64/5.10.0-1-arm64",
        &app::kernel(8),
    );
    let said = app.run().ok().stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "partial false");
    assert!(lines[1].starts_with("pin content "), "{said}");
    assert_eq!(
        lines[2..],
        [
            "debian/11/x86_64/5.10.0-1-amd64 in class 0",
            "debian/11/x86_64/5.10.0-2-amd64 in class 0",
            "debian/12/x86_64/6.1.0-1-amd64 in class 1",
        ]
    );

    let target = ["--target", "aarch64-unknown-linux-musl"];
    let other = app.project.cargo(&[&["check"][..], &target].concat());
    if other.stderr.contains("can't find crate for `core`") {
        return skip("`rustup target add aarch64-unknown-linux-musl` was not done");
    }
    let _checked = other.ok();
    let sizes: Vec<usize> = (app.bundles().iter())
        .map(|bundle| {
            let data = fs::read(bundle).unwrap();
            let bundle = btfhub_runtime::Bundle::parse(&data).unwrap();
            bundle.kernels().count()
        })
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 4, "{sizes:?}");
}

#[test]
fn runs_again_when_and_only_when_something_changed() {
    let app = App::new();
    let usual = "archive = \"archive\"\nobjects = \"probe.o\"\n";
    assert!(app.script_ran(&[]));
    assert!(!app.script_ran(&[]), "nothing changed");
    for unrelated in ["README.md", "src/main.rs", "src/unrelated.c"] {
        let text = fs::read_to_string(app.path(unrelated)).unwrap_or_default();
        app.project.file(unrelated, text + "\n");
        assert!(!app.script_ran(&[]), "{unrelated}");
    }
    app.project.file("probe.o", app::object(&["tgid"]));
    assert!(app.script_ran(&[]), "the object");
    app.configure(&format!("{usual}include = \"debian\"\n"));
    assert!(app.script_ran(&[]), "the configuration");
    pack::entry(
        &app.archive(),
        "debian/12/x86_64/6.1.0-2-amd64",
        &app::kernel(16),
    );
    assert!(app.script_ran(&[]), "a new kernel in a small plain archive");
    assert!(app.script_ran(&[("BTFHUB_PARTIAL", "1")]), "a variable");
    assert!(app.script_ran(&[]), "the variable is gone");

    let file = "debian/12/x86_64/6.1.0-2-amd64.btf.tar.xz";
    app.project.file("btfhub.lock", lock(&app.archive()));
    app.configure(&format!("{usual}lock = \"btfhub.lock\"\n"));
    assert!(app.script_ran(&[]));
    assert!(!app.script_ran(&[]));
    fs::remove_file(app.archive().join(file)).unwrap();
    app.project.file("btfhub.lock", lock(&app.archive()));
    assert!(app.script_ran(&[]), "the lock file");

    let archive = app.archive();
    git(&archive, &["init", "-q", "-b", "main"]);
    git(&archive, &["add", "."]);
    git(&archive, &["commit", "-q", "-m", "one"]);
    let one = git(&archive, &["rev-parse", "HEAD"]);
    app.configure(&format!("{usual}pin = \"{one}\"\n"));
    assert!(app.script_ran(&[]));
    assert!(!app.script_ran(&[]));
    assert!(
        app.run()
            .ok()
            .stdout
            .contains(&format!("pin commit {one}\n"))
    );
    // As under a git hook: variables of another repository, which must not matter.
    let elsewhere = [("GIT_DIR", "/nowhere"), ("GIT_WORK_TREE", "/nowhere")];
    app.configure(&format!("{usual}pin = \"{one}\"\nexclude = \"ubuntu\"\n"));
    assert!(app.script_ran(&elsewhere));
    git(&archive, &["commit", "-q", "--allow-empty", "-m", "two"]);
    let complaint = app.complaint(&[], &[]);
    assert!(
        complaint.contains("is at commit"),
        "the archive's commit: {complaint}"
    );
}

/// A lock file for everything in an archive.
fn lock(archive: &Path) -> String {
    use btfhub_build::archive::{Archive, Lock};
    let archive = Archive::scan(archive).unwrap();
    Lock::of(&archive, std::num::NonZeroUsize::MIN, |_| true)
        .unwrap()
        .to_text()
}

/// Makes its object itself, as clang would, from a source and a header.
const COMPILES: &str = r#"
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chosen = std::fs::read_to_string("src/probe.bpf.c")?;
    let header = std::fs::read_to_string("src/bpf/probe.h")?;
    let object = OBJECT;
    std::fs::copy(format!("objects/{}{}.o", chosen.trim(), header.trim()), &object)?;
    println!("cargo::rerun-if-changed=build.rs");
    btfhub_build::Builder::new().archive("archive").object(&object).build("probe")?;
    Ok(())
}
"#;

#[test]
fn what_the_script_compiles_itself_never_goes_stale() {
    for object in [
        "std::env::var(\"OUT_DIR\")? + \"/probe.o\"",
        "\"src/bpf/probe.o\".to_owned()",
    ] {
        let app = App::with(&COMPILES.replace("OBJECT", object));
        app.project
            .file("objects/p.o", app::object(&["pid"]))
            .file("objects/pt.o", app::object(&["pid", "tgid"]))
            .file("objects/t.o", app::object(&["tgid"]))
            .file("src/probe.bpf.c", "p")
            .file("src/bpf/probe.h", "");
        assert!(app.script_ran(&[]));
        assert!(
            !app.script_ran(&[]),
            "what it writes is not what it waits for: {object}"
        );
        let before = app.bundle();
        app.project.file("src/bpf/probe.h", "t");
        assert!(app.script_ran(&[]), "a header: {object}");
        assert_ne!(app.bundle(), before);
        app.project
            .file("src/bpf/probe.h", "")
            .file("src/probe.bpf.c", "t");
        assert!(app.script_ran(&[]), "the source: {object}");
        assert!(!app.script_ran(&[]));
    }
}

#[test]
fn what_is_known_is_not_decoded_again() {
    let app = App::new();
    // A separate cache from the one that other tests fill.
    let own = app.path("cache");
    let cache = [("BTFHUB_CACHE_DIR", own.to_str().unwrap())];
    let decoded = |app: &App, arguments: &[&str]| decoded(app, arguments, &cache);
    assert_eq!(decoded(&app, &[]), 3, "cold");
    let first = app.bundle();
    let other_program = app::object_with_programs(&["pid"], 2);
    assert_ne!(other_program, app::object(&["pid"]));
    app.project.file("probe.o", other_program);
    assert_eq!(
        decoded(&app, &[]),
        0,
        "another program, the same relocations"
    );
    app.project.file("probe.o", app::object(&["pid"]));
    assert_eq!(decoded(&app, &["--release"]), 0, "another profile");
    assert_eq!(decoded(&app, &[]), 0);
    for bundle in app.bundles() {
        assert_eq!(fs::read(bundle).unwrap(), first);
    }
    pack::entry(
        &app.archive(),
        "debian/12/x86_64/6.1.0-2-amd64",
        &app::kernel(24),
    );
    assert_eq!(decoded(&app, &[]), 1, "one new kernel");
    // It may be moved, and still works.
    let moved = app.path("moved");
    fs::rename(&own, &moved).unwrap();
    let cache = [("BTFHUB_CACHE_DIR", moved.to_str().unwrap())];
    assert_eq!(self::decoded(&app, &[], &cache), 0, "a moved cache");
}

#[test]
fn a_partial_bundle_is_marked_and_never_a_release() {
    let app = App::new();
    for number in 10..30 {
        let kernel = format!("debian/12/x86_64/6.1.0-{number}-amd64");
        pack::entry(&app.archive(), &kernel, &app::kernel(number));
    }
    let partial = [("BTFHUB_PARTIAL", "1")];
    let mut command = app.project.command(&["run"]);
    let said = Said::of(&command.envs(partial).output().unwrap()).ok();
    assert!(said.stdout.starts_with("partial true\n"), "{}", said.stdout);
    assert_eq!(said.stdout.matches(" in class ").count(), 8);
    let mut command = app.project.command(&["run", "--release"]);
    let said = Said::of(&command.envs(partial).output().unwrap()).ok();
    assert!(
        said.stdout.starts_with("partial false\n"),
        "{}",
        said.stdout
    );
    assert_eq!(said.stdout.matches(" in class ").count(), 23);
}

/// For cargo, every profile that inherits from `release` is a release. For us, every profile that
/// optimises is one too.
#[test]
fn nothing_that_may_be_shipped_is_partial() {
    let app = App::new();
    for number in 10..30 {
        let kernel = format!("debian/12/x86_64/6.1.0-{number}-amd64");
        pack::entry(&app.archive(), &kernel, &app::kernel(number));
    }
    for (level, holds) in [("1", 8), ("2", 23), ("\"s\"", 23)] {
        let profile = format!("profile.dev.opt-level={level}");
        let mut command = app.project.command(&["run", "--config", &profile]);
        let said = Said::of(&command.env("BTFHUB_PARTIAL", "1").output().unwrap()).ok();
        let kernels = said.stdout.matches(" in class ").count();
        assert_eq!(kernels, holds, "opt-level {level}: {}", said.stdout);
    }
    let project = Project::new("[profile.dist]\ninherits = \"release\"\nopt-level = 0\n");
    project.file("src/lib.rs", "").file(
        "build.rs",
        "fn main() { println!(\"cargo::warning=PROFILE={}\", std::env::var(\"PROFILE\").unwrap()) }",
    );
    let said = project.cargo(&["build", "--profile", "dist"]).ok().stderr;
    assert!(said.contains("PROFILE=release"), "{said}");
}

#[test]
fn without_an_archive() {
    let app = App::new();
    let _built = app.run().ok();
    app.project.file("btf/probe.btfhub", app.bundle());
    fs::rename(app.archive(), app.path("away")).unwrap();
    app.configure("prepared = \"btf/probe.btfhub\"\nobjects = \"probe.o\"\n");
    assert_eq!(app.run().ok().stdout.matches(" in class ").count(), 3);
    for source in ["archive", "atlas"] {
        let optional = format!("{source} = \"archive\"\noptional = true\nobjects = \"probe.o\"\n");
        app.configure(&optional);
        assert_eq!(app.run().ok().stdout, "partial false\n");
        // What can't be looked at is not taken for missing.
        std::os::unix::fs::symlink("archive", app.archive()).unwrap();
        app.configure(&optional);
        let said = app.complaint(&[], &[]);
        assert!(said.contains("symbolic links"), "{source}: {said}");
        fs::remove_file(app.archive()).unwrap();
    }
}

/// As with snapshot tests.
#[test]
fn a_prepared_bundle_is_made_anew() {
    let app = App::new();
    pack::entry(
        &app.archive(),
        "debian/12/arm64/6.1.0-1-arm64",
        &app::kernel(24),
    );
    let configure = |object: &str| {
        app.configure(&format!(
            "archive = \"archive\"\noptional = true\nprepared = \"btf/probe.btfhub\"\n\
             objects = \"{object}\"\n"
        ));
    };
    let bundle = app.path("btf/probe.btfhub");
    let update = [("BTFHUB_UPDATE", "1"), ("BTFHUB_PARTIAL", "1")];
    configure("probe.o");
    let missing = app.complaint(&[], &[]);
    assert!(missing.contains("BTFHUB_UPDATE=1"), "{missing}");
    assert!(app.script_ran(&update));
    // What the command line writes, for every architecture.
    let file = app.path("by-hand.btfhub");
    let made = cli::Dir::new().btfhub([
        "bundle",
        "--manifest-path",
        app.path("Cargo.toml").to_str().unwrap(),
        "--out",
        file.to_str().unwrap(),
    ]);
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    assert_eq!(fs::read(&bundle).unwrap(), fs::read(&file).unwrap());
    assert_eq!(app.run().ok().stdout.matches(" in class ").count(), 4);

    // Left alone if nothing changed.
    let written = fs::metadata(&bundle).unwrap().modified().unwrap();
    assert!(app.script_ran(&update));
    assert_eq!(fs::metadata(&bundle).unwrap().modified().unwrap(), written);

    // Other relocations.
    app.project.file("more.o", app::object(&["pid", "tgid"]));
    configure("more.o");
    let stale = app.complaint(&[], &[]);
    assert!(
        stale.contains("is stale") && stale.contains("BTFHUB_UPDATE=1"),
        "{stale}"
    );
    assert!(app.script_ran(&update));
    let _embedded = app.run().ok();

    // A missing archive makes no bundle, and removes none.
    fs::rename(app.archive(), app.path("away")).unwrap();
    let none = app.complaint(&update, &[]);
    assert!(none.contains("no BTF archive at"), "{none}");
    let _embedded = app.run().ok();
}

const SEVERAL: &str = r#"
use std::os::unix::ffi::OsStrExt;
fn main() -> Result<(), btfhub_build::Error> {
    let odd = std::path::Path::new("an odd place").join(std::ffi::OsStr::from_bytes(b"\xff"));
    let builder = btfhub_build::Builder::new().archive(odd.join("the archive")).cache_dir(odd.join("cache"));
    builder.clone().object(odd.join("probe.o")).build("probe")?;
    builder.object("probe.o").object(odd.join("*.o").with_file_name("probe.o")).build("both")
}
"#;

#[test]
fn several_bundles_from_odd_places() {
    use std::os::unix::ffi::OsStrExt as _;
    let app = App::with(SEVERAL);
    let odd = app
        .path("an odd place")
        .join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::create_dir_all(&odd).unwrap();
    fs::rename(app.archive(), odd.join("the archive")).unwrap();
    fs::write(odd.join("probe.o"), app::object(&["tgid"])).unwrap();
    assert_eq!(app.run().ok().stdout.matches(" in class ").count(), 3);
    let relocations = |name: &str| {
        let [file] = app.project.outputs(name).try_into().unwrap();
        let data: Vec<u8> = fs::read(file).unwrap();
        btfhub_runtime::Bundle::parse(&data)
            .unwrap()
            .provenance()
            .unwrap()
            .objects
            .len()
    };
    assert_eq!(
        (relocations("probe.btfhub"), relocations("both.btfhub")),
        (1, 2)
    );
    assert!(odd.join("cache/tailored").is_dir());
}

/// As any crate that wraps liblzma declares.
const CLASHING: &str = "[package]\nname = \"other-lzma\"\nversion = \"0.0.0\"\n\
                        edition = \"2021\"\nlinks = \"lzma\"\n";

#[test]
fn beside_another_liblzma() {
    let manifest = |features: &str| {
        format!(
            "[dependencies]\nother-lzma.path = \"other\"\nbtfhub-runtime.path = RUNTIME\n\
             [build-dependencies]\nbtfhub-build = {{ path = BUILD, {features} }}\n"
        )
    };
    let project = |features: &str| {
        let project = Project::new(&manifest(features));
        project
            .file("other/Cargo.toml", CLASHING)
            .file("other/build.rs", "fn main() {}")
            .file("other/src/lib.rs", "")
            .file("src/main.rs", "static BTF: btfhub_runtime::Bundle = btfhub_runtime::include_bundle!(\"probe\"); fn main() { println!(\"{}\", BTF.kernels().count()) }")
            .file("build.rs", "fn main() -> Result<(), btfhub_build::Error> { btfhub_build::Builder::new().archive(\"archive\").object(\"probe.o\").build(\"probe\") }")
            .file("probe.o", app::object(&["pid"]));
        let archive = project.path().join("archive");
        pack::entry(&archive, "debian/11/x86_64/5.10.0-1-amd64", &app::kernel(8));
        project
    };
    let clash = project("features = [\"manifest\"]")
        .cargo(&["run"])
        .failed();
    assert!(
        clash.stderr.contains("links to the native library `lzma`"),
        "{}",
        clash.stderr
    );
    let pure = project("default-features = false, features = [\"lzma-rust2\"]");
    assert_eq!(pure.cargo(&["run"]).ok().stdout, "1\n");
}
