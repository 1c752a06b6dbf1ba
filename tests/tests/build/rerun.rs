//! What cargo runs a user's build script again for, beyond the plain cases of
//! `build_script.rs`: nothing that the result depends on may go stale.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use btfhub_tests::app::{self, App};
use btfhub_tests::git::{can_init, git};
use btfhub_tests::pack;
use btfhub_tests::shared::has_tool;

/// Builds once, then checks that nothing runs again.
fn settle(app: &App, what: &str) {
    assert!(app.script_ran(&[]), "{what}: the first time");
    assert!(!app.script_ran(&[]), "{what}: nothing changed");
}

#[test]
fn a_new_object_where_objects_are_looked_for() {
    for objects in ["objects = \"bpf/*.o\"", "objects-in = \"bpf\""] {
        let app = App::new();
        app.project.file("bpf/one.o", app::object(&["pid"]));
        app.configure(&format!("archive = \"archive\"\n{objects}\n"));
        settle(&app, objects);
        let before = app.bundle();
        app.project.file("bpf/two.o", app::object(&["tgid"]));
        assert!(app.script_ran(&[]), "{objects}: a new object");
        assert_ne!(app.bundle(), before, "{objects}");
        assert!(!app.script_ran(&[]), "{objects}");
        fs::remove_file(app.path("bpf/two.o")).unwrap();
        assert!(app.script_ran(&[]), "{objects}: one object less");
        assert_eq!(app.bundle(), before, "{objects}");
    }
}

const TWO_ARCHIVES: &str = r#"
fn main() -> Result<(), btfhub_build::Error> {
    btfhub_build::Builder::new()
        .pinned_archive("archive", btfhub_build::Pin::Lock("btfhub.lock".into()))
        .archive("own")
        .object("probe.o")
        .build("probe")
}
"#;

#[test]
fn each_archive_is_watched_as_what_it_is() {
    let app = App::with(TWO_ARCHIVES);
    app.project.file("btfhub.lock", lock(&app.archive()));
    let own = app.path("own");
    pack::entry(&own, "debian/12/x86_64/6.1.0-7-own", &app::kernel(24));
    settle(&app, "two archives");
    pack::entry(&own, "debian/12/x86_64/6.1.0-8-own", &app::kernel(24));
    assert!(app.script_ran(&[]), "a kernel in the one without a lock");
    assert!(!app.script_ran(&[]));
}

/// cargo follows links, so it would check everything behind them on every build.
#[test]
fn a_link_out_of_an_archive_is_not_watched() {
    let app = App::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "").unwrap();
    for link in ["archive/debian/x", "archive/.hidden"] {
        std::os::unix::fs::symlink(outside.path(), app.path(link)).unwrap();
        app.configure("archive = \"archive\"\nobjects = \"*.o\"\n");
        settle(&app, link);
        fs::write(outside.path().join("file"), link).unwrap();
        assert!(!app.script_ran(&[]), "{link}: what it leads to changed");
        fs::remove_file(app.path(link)).unwrap();
    }
}

/// The same for what git keeps, where no log tells that HEAD moved.
#[test]
fn links_of_git_are_not_watched() {
    let app = App::new();
    let outside = tempfile::tempdir().unwrap();
    let archive = app.archive();
    git(&archive, &["init", "-q", "-b", "main"]);
    git(&archive, &["config", "core.logAllRefUpdates", "false"]);
    commit(&archive);
    git(&archive, &["pack-refs", "--all"]);
    fs::remove_dir_all(archive.join(".git/logs")).unwrap_or_default();
    for link in ["refs/heads", "reftable", "logs"] {
        app.configure("archive = \"archive\"\nobjects = \"*.o\"\n");
        let path = archive.join(".git").join(link);
        fs::remove_dir_all(&path).unwrap_or_default();
        std::os::unix::fs::symlink(outside.path(), &path).unwrap();
        for file in ["HEAD", "file"] {
            fs::write(outside.path().join(file), "").unwrap();
        }
        settle(&app, link);
        for file in ["HEAD", "file"] {
            fs::write(outside.path().join(file), link).unwrap();
        }
        assert!(!app.script_ran(&[]), "{link}: what it leads to changed");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        commit(&archive);
    }
}

/// A lock file for everything in an archive.
fn lock(archive: &Path) -> String {
    use btfhub_build::archive::{Archive, Lock};
    let archive = Archive::scan(archive).unwrap();
    Lock::of(&archive, std::num::NonZeroUsize::MIN, |_| true)
        .unwrap()
        .to_text()
}

/// Commits everything.
fn commit(repository: &Path) {
    git(repository, &["add", "."]);
    git(repository, &["commit", "-q", "--allow-empty", "-m", "more"]);
}

#[test]
fn the_commit_of_any_sort_of_checkout() {
    let app = App::new();
    let kernels = app.archive();
    let make = |name: &str, options: &[&str]| {
        let directory = app.path(name);
        fs::create_dir_all(&directory).unwrap();
        git(
            &directory,
            &[&["init", "-q", "-b", "main"], options].concat(),
        );
        directory
    };
    let fill = |directory: &Path| {
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .arg(kernels.join("debian"))
            .arg(directory)
            .status();
        assert!(copied.unwrap().success());
        commit(directory);
    };
    let plain = make("plain", &[]);
    fill(&plain);
    let silent = make("silent", &[]);
    git(&silent, &["config", "core.logAllRefUpdates", "false"]);
    fill(&silent);
    let reftable = ["--ref-format=reftable"];
    let tables = can_init(&reftable).then(|| make("tables", &reftable));
    if let Some(tables) = &tables {
        fill(tables);
    }
    git(
        &plain,
        &["worktree", "add", "-q", "-b", "other", "../worktree"],
    );
    let worktree = app.path("worktree");
    // A large folder in another repository.
    let around = make("around", &[]);
    for number in 0..257 {
        let kernel = format!("debian/12/x86_64/6.1.0-{number}-amd64");
        pack::entry(&around.join("btf"), &kernel, &app::kernel(0));
    }
    commit(&around);
    let checkouts = [
        ("plain", Some(&plain)),
        ("silent", Some(&silent)),
        ("tables", tables.as_ref()),
        ("worktree", Some(&worktree)),
        ("around/btf", Some(&around)),
    ];
    for (archive, repository) in checkouts {
        let Some(repository) = repository else {
            continue;
        };
        app.configure(&format!("archive = \"{archive}\"\nobjects = \"probe.o\"\n"));
        settle(&app, archive);
        commit(repository);
        assert!(app.script_ran(&[]), "{archive}: a commit");
        assert!(!app.script_ran(&[]), "{archive}: once for a commit");
    }
}

const ODD_PLACE: &str = r#"
use std::os::unix::ffi::OsStrExt;
fn main() -> Result<(), btfhub_build::Error> {
    let odd = std::path::Path::new("odd").join(std::ffi::OsStr::from_bytes(b"\xff"));
    btfhub_build::Builder::new().archive("archive").object(odd.join("probe.o")).build("probe")
}
"#;

#[test]
fn what_no_line_can_name() {
    let app = App::with(ODD_PLACE);
    let odd = app.path("odd").join(OsStr::from_bytes(b"\xff"));
    fs::create_dir_all(&odd).unwrap();
    fs::write(odd.join("probe.o"), app::object(&["pid"])).unwrap();
    settle(&app, "an object whose path is not UTF-8");
    let before = app.bundle();
    fs::write(odd.join("probe.o"), app::object(&["tgid"])).unwrap();
    assert!(app.script_ran(&[]), "it changed");
    assert_ne!(app.bundle(), before);
    assert!(!app.script_ran(&[]));
}

/// As users do it: sources next to the crate, shared with others.
const COMPILES_ELSEWHERE: &str = r#"
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let object = std::env::var("OUT_DIR")? + "/probe.o";
    let clang = std::process::Command::new("clang-19")
        .args(["-target", "bpf", "-O2", "-g", "-c", "SOURCE", "-o", &object])
        .status()?;
    if !clang.success() {
        return Err("clang failed".into());
    }
    btfhub_build::Builder::new().archive("archive").object(&object).build("probe")?;
    Ok(())
}
"#;

#[test]
fn sources_outside_of_the_package() {
    if !has_tool("clang-19") {
        return;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let source = elsewhere.path().join("probe.bpf.c");
    let header = elsewhere.path().join("task.h");
    let asks = |member: &str| {
        format!(
            "struct task {{ int pid; int tgid; }} __attribute__((preserve_access_index));\n\
             #define WANTED {member}\n"
        )
    };
    fs::write(&header, asks("pid")).unwrap();
    fs::write(
        &source,
        "#include \"task.h\"\n\
         __attribute__((section(\"raw_tp/x\"))) int x(struct task *t) { return t->WANTED; }\n",
    )
    .unwrap();
    let script = COMPILES_ELSEWHERE.replace("SOURCE", source.to_str().unwrap());
    let app = App::with(&script);
    settle(&app, "sources outside");
    let before = app.bundle();
    fs::write(&header, asks("tgid")).unwrap();
    assert!(app.script_ran(&[]), "the header");
    assert_ne!(app.bundle(), before);
    assert!(!app.script_ran(&[]));
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text + "\n").unwrap();
    assert!(app.script_ran(&[]), "the source");
    assert!(!app.script_ran(&[]));
}

#[test]
fn a_variable_of_cargos_configuration() {
    let app = App::new();
    let partial = |app: &App| app.run().ok().stdout.starts_with("partial true\n");
    app.project
        .file(".cargo/config.toml", "[env]\nBTFHUB_PARTIAL = \"1\"\n");
    assert!(partial(&app));
    app.project
        .file(".cargo/config.toml", "[env]\nBTFHUB_PARTIAL = \"0\"\n");
    assert!(!partial(&app), "it says otherwise now");
    fs::remove_file(app.path(".cargo/config.toml")).unwrap();
    assert!(!partial(&app));
    app.project
        .file(".cargo/config.toml", "[env]\nBTFHUB_PARTIAL = \"1\"\n");
    assert!(partial(&app), "it is back");
}
