//! Where a user's crate is built: a workspace, a package to publish, a machine
//! without network or git, with few jobs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_tests::app::{self, App};
use btfhub_tests::cli;
use btfhub_tests::git::git;
use btfhub_tests::pack;
use btfhub_tests::project::{Project, Said, with_paths, workspace};
use btfhub_tests::shared::skip;

/// The same command, started through another.
fn under(wrapper: &[&str], cargo: &Command) -> Command {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]);
    command.arg(cargo.get_program()).args(cargo.get_args());
    for (name, value) in cargo.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(cargo.get_current_dir().unwrap_or(Path::new(".")));
    command
}

#[test]
fn without_a_network() {
    let app = App::new();
    let archive = app.archive();
    git(&archive, &["init", "-q", "-b", "main"]);
    git(&archive, &["add", "."]);
    git(&archive, &["commit", "-q", "-m", "kernels"]);
    let head = git(&archive, &["rev-parse", "HEAD"]);
    app.configure(&format!(
        "archive = \"archive\"\npin = \"{head}\"\nobjects = \"probe.o\"\n"
    ));
    let alone = ["unshare", "-rn"];
    let probe = Command::new(alone[0]).args([alone[1], "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip("this process may make no network namespace (`unshare -rn`)");
    }
    let mut command = under(&alone, &app.project.command(&["run"]));
    let said = Said::of(&command.output().unwrap()).ok();
    assert!(said.stdout.contains(&format!("pin commit {head}\n")));
    assert_eq!(said.stdout.matches(" in class ").count(), 3);
}

/// A directory with only these programs.
fn tools(directory: &Path, names: &[&str]) -> PathBuf {
    let bin = directory.join("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    for name in names {
        let found = std::env::split_paths(&path).map(|directory| directory.join(name));
        if let Some(tool) = found.into_iter().find(|tool| tool.exists()) {
            symlink(tool, bin.join(name)).unwrap();
        }
    }
    bin
}

/// An archive that is a checkout, without git to ask for its commit.
#[test]
fn without_git() {
    let app = App::new();
    let archive = app.archive();
    git(&archive, &["init", "-q", "-b", "main"]);
    git(&archive, &["add", "."]);
    git(&archive, &["commit", "-q", "-m", "kernels"]);
    let rust = Path::new(env!("CARGO")).parent().unwrap();
    if rust.join("git").exists() {
        return skip("rustc and git are in one directory");
    }
    let tools = tools(app.project.path(), &["cc", "gcc", "ld", "as", "ar"]);
    let path = std::env::join_paths([rust, &tools]).unwrap();
    let path = [("PATH", path.to_str().unwrap())];
    assert!(app.script_ran(&path));
    assert!(!app.script_ran(&path), "nothing changed");
    git(&archive, &["commit", "-q", "--allow-empty", "-m", "more"]);
    assert!(app.script_ran(&path), "a commit");
}

/// Returns the largest number of threads.
const COUNTS_THREADS: &str = r#"
use std::sync::atomic::{AtomicBool, Ordering};
static DONE: AtomicBool = AtomicBool::new(false);
fn main() -> Result<(), btfhub_build::Error> {
    let most = std::thread::spawn(|| {
        let mut most = 0;
        while !DONE.load(Ordering::Relaxed) {
            most = most.max(std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count));
        }
        most
    });
    let built = btfhub_build::Builder::new().archive("archive").object("probe.o").build("probe");
    DONE.store(true, Ordering::Relaxed);
    println!("cargo::warning=threads {}", most.join().unwrap());
    built
}
"#;

#[test]
fn no_more_threads_than_jobs() {
    let app = App::with(COUNTS_THREADS);
    fs::remove_dir_all(app.archive()).unwrap();
    let kernels = workspace().join("examples/archive/debian");
    let found = glob::glob(kernels.join("*/x86_64/*.xz").to_str().unwrap()).unwrap();
    for (number, file) in found.map(Result::unwrap).enumerate() {
        for copy in ["a", "b"] {
            let name = format!("archive/debian/12/x86_64/6.1.{number}-{copy}.btf.tar.xz");
            app.project.file(name, fs::read(&file).unwrap());
        }
    }
    for jobs in ["1", "2", "3"] {
        let cache = app.path(format!("cache-{jobs}"));
        let cache = [("BTFHUB_CACHE_DIR", cache.to_str().unwrap())];
        let warnings = app.warnings(&cache, &["-j", jobs]);
        let mut lines = warnings.lines();
        let threads = lines.find_map(|line| line.strip_prefix("threads "));
        let threads: usize = threads.unwrap().parse().unwrap();
        // The script's own thread and the one that counts.
        assert_eq!(threads, jobs.parse::<usize>().unwrap() + 2, "-j {jobs}");
    }
}

const MEMBER: &str = "[package]\nname = \"NAME\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                      [dependencies]\nbtfhub-runtime.path = RUNTIME\n\
                      [build-dependencies]\nbtfhub-build.path = BUILD\n";

const MEMBER_LIB: &str = "pub static BTF: btfhub_runtime::Bundle = \
                          btfhub_runtime::include_bundle!(\"probe\");\n";

const MEMBER_SCRIPT: &str = "fn main() -> Result<(), btfhub_build::Error> { \
                             btfhub_build::Builder::new().archive(\"../archive\")\
                             .object(\"probe.o\").build(\"probe\") }\n";

#[test]
fn several_crates_of_one_workspace() {
    let project = Project::new("[dependencies]\none.path = \"one\"\ntwo.path = \"two\"\n");
    // In a shared target directory, packages must not have the names of other tests' packages.
    let named = |name: &str| format!("{}-{name}", project.name());
    let manifest = fs::read_to_string(project.path().join("Cargo.toml")).unwrap();
    let manifest = ["one", "two"].into_iter().fold(manifest, |text, name| {
        text.replace(
            &format!("{name}.path"),
            &format!(
                "{name} = {{ package = \"{}\", path = \"{name}\" }} #",
                named(name)
            ),
        )
    });
    project.file("Cargo.toml", manifest).file(
        "src/main.rs",
        "fn main() { for btf in [&one::BTF, &two::BTF] {\n\
         println!(\"{} {}\", btf.kernels().count(), btf.provenance().unwrap().objects.len()); } }\n",
    );
    for (name, members) in [("one", &["pid"][..]), ("two", &["pid", "tgid"])] {
        project
            .file(
                format!("{name}/Cargo.toml"),
                with_paths(MEMBER).replace("NAME", &named(name)),
            )
            .file(format!("{name}/src/lib.rs"), MEMBER_LIB)
            .file(format!("{name}/build.rs"), MEMBER_SCRIPT)
            .file(format!("{name}/probe.o"), app::object(members));
    }
    let archive = project.path().join("archive");
    pack::entry(&archive, "debian/11/x86_64/5.10.0-1-amd64", &app::kernel(8));
    pack::entry(&archive, "debian/12/x86_64/6.1.0-1-amd64", &app::kernel(16));
    assert_eq!(project.cargo(&["run"]).ok().stdout, "2 1\n2 1\n");
}

/// `cargo package` builds what it packed, as users of the crate from the registry do: without the
/// archive.
#[test]
fn a_crate_to_publish() {
    let app = App::new();
    let _built = app.run().ok();
    app.project.file("probe.btfhub", app.bundle());
    app.configure("prepared = \"probe.btfhub\"\nobjects = \"probe.o\"\n");
    let versions = fs::read_to_string(app.path("Cargo.toml"))
        .unwrap()
        .replace(
            "edition =",
            "license = \"MIT\"\nexclude = [\"/archive\"]\nedition =",
        )
        .replace("btfhub-runtime.path", "btfhub-runtime.version = \"0.1\"\n#")
        .replace(
            "btfhub-build = { path = ",
            "btfhub-build = { version = \"0.1\", features = [\"manifest\"] } #",
        );
    app.project.file("Cargo.toml", versions);
    let patch = with_paths(
        "[patch.crates-io]\nbtfhub-build.path = BUILD\nbtfhub-runtime.path = RUNTIME\n\
         btfhub-macros.path = MACROS\n",
    );
    app.project.file(".cargo/config.toml", patch);
    let said = app.project.cargo(&["package", "--allow-dirty"]).ok();
    assert!(said.stderr.contains("Verifying"), "{}", said.stderr);
    let listed = app
        .project
        .cargo(&["package", "--allow-dirty", "--list"])
        .ok();
    assert!(listed.stdout.lines().any(|file| file == "probe.btfhub"));
    assert!(!listed.stdout.contains("archive/"), "{}", listed.stdout);
}

/// cargo tags a target directory that it makes. The cache also works in one that already existed,
/// such as a container's volume.
#[test]
fn a_target_directory_without_a_tag_has_the_cache() {
    let app = App::new();
    app.configure("archive = \"archive\"\nobjects = \"probe.o\"\n");
    let target = app.path("volume");
    fs::create_dir(&target).unwrap();
    assert!(app.script_ran(&[("CARGO_TARGET_DIR", target.to_str().unwrap())]));
    assert!(!target.join("CACHEDIR.TAG").exists(), "cargo makes it now");
    assert!(target.join("btfhub/atlas").is_dir());
}

/// `[package.metadata.btfhub]` means the same to the build script and to the
/// command line.
#[test]
fn the_command_line_agrees() {
    let app = App::new();
    let arm = "debian/11/arm64/5.10.0-1-arm64";
    pack::entry(&app.archive(), arm, &app::kernel(8));
    pack::entry(
        &app.archive(),
        "ubuntu/20.04/x86_64/5.4.0-1",
        &app::kernel(0),
    );
    git(&app.archive(), &["init", "-q", "-b", "main"]);
    git(&app.archive(), &["add", "."]);
    git(&app.archive(), &["commit", "-q", "-m", "kernels"]);
    let head = git(&app.archive(), &["rev-parse", "HEAD"]);
    app.configure(&format!(
        "archive = \"archive\"\npin = \"{head}\"\nobjects-in = \".\"\narch = \"x86_64\"\n\
         include = [\"debian\", \">=5.10\"]\nexclude = \"debian/11/*/5.10.0-2-*\"\n"
    ));
    let _built = app.run().ok();
    let by_hand = Command::new(cli::binary())
        .current_dir(app.project.path())
        .args(["btfhub", "bundle", "--out", "by-hand.btfhub"])
        // As in a build script, the table takes precedence.
        .env("BTFHUB_ARCHIVE", "/nowhere")
        .output();
    let _said = Said::of(&by_hand.unwrap()).ok();
    assert_eq!(
        fs::read(app.path("by-hand.btfhub")).unwrap(),
        app.bundle(),
        "one configuration, one bundle"
    );

    let own = app.path("own");
    pack::entry(&own, "debian/12/x86_64/6.1.0-7-own", &app::kernel(24));
    let both = std::env::join_paths([app.archive(), own]).unwrap();
    app.configure("objects = \"probe.o\"\narch = \"x86_64\"\n");
    let both = [("BTFHUB_ARCHIVE", both.to_str().unwrap())];
    assert!(app.script_ran(&both));
    let by_hand = Command::new(cli::binary())
        .current_dir(app.project.path())
        .args(["btfhub", "bundle", "--out", "by-hand.btfhub"])
        .envs(both)
        .output();
    let _said = Said::of(&by_hand.unwrap()).ok();
    assert_eq!(
        fs::read(app.path("by-hand.btfhub")).unwrap(),
        app.bundle(),
        "one variable, one bundle"
    );
}

/// No dependency of a crate, with all features and in the lock file's versions, needs a newer Rust
/// than the crate declares. (Clippy checks the crate's own code.)
#[test]
fn the_rust_that_is_named_is_enough() {
    let metadata = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["metadata", "--offline", "--locked", "--all-features"])
        .args(["--format-version", "1"])
        .output();
    let metadata = Said::of(&metadata.unwrap()).ok();
    let metadata: serde_json::Value = serde_json::from_str(&metadata.stdout).unwrap();
    let list = |value: &serde_json::Value| value.as_array().unwrap().clone();
    let packages = list(&metadata["packages"]);
    let nodes = list(&metadata["resolve"]["nodes"]);
    let package = |id: &str| packages.iter().find(|package| package["id"] == id).unwrap();
    let rust = |package: &serde_json::Value| -> Vec<u32> {
        let version = package["rust_version"].as_str().unwrap_or("0");
        version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect()
    };
    for name in [
        "btfhub-build",
        "btfhub-macros",
        "btfhub-runtime",
        "cargo-btfhub",
    ] {
        let ours = packages.iter().find(|package| package["name"] == name);
        let ours = ours.unwrap();
        let named = rust(ours);
        assert_eq!(named.len(), 2, "{name} names a Rust");
        let mut pending = vec![ours["id"].as_str().unwrap().to_owned()];
        let mut seen = Vec::new();
        while let Some(id) = pending.pop() {
            if seen.contains(&id) {
                continue;
            }
            let needs = rust(package(&id));
            assert!(
                needs[..needs.len().min(2)] <= named[..],
                "{name}: {id} needs {needs:?}"
            );
            let node = nodes.iter().find(|node| node["id"] == id.as_str()).unwrap();
            for dependency in list(&node["deps"]) {
                let kinds = list(&dependency["dep_kinds"]);
                if kinds.iter().any(|kind| kind["kind"] != "dev") {
                    pending.push(dependency["pkg"].as_str().unwrap().to_owned());
                }
            }
            seen.push(id);
        }
        assert!(seen.len() > 3, "{name}: {seen:?}");
    }
}
