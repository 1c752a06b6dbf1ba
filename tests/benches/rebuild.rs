//! The cost of several builds in one run: `cargo bench -p btfhub-tests --bench rebuild`, with the
//! real archive in `BTFHUB_SHARED`.
//!
//! The build script is compiled unoptimised, as cargo does by default. The last column compares
//! with the cold build; other load on the machine affects both.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use btfhub_tests::app::App;
use btfhub_tests::git::git;
use btfhub_tests::project::{Said, workspace};
use btfhub_tests::shared::shared;

const CONFIGURATION: &str = "archive = \"archive\"\nobjects = \"objects/*.o\"\n";

fn main() {
    let Some(shared) = shared() else {
        return;
    };
    let app = App::new();
    fs::remove_dir_all(app.archive()).expect("the made-up archive");
    for source in
        glob::glob(shared.join("archive/*/*/*/*.xz").to_str().expect("UTF-8")).expect("a pattern")
    {
        let source = source.expect("an entry");
        let below = source
            .strip_prefix(shared.join("archive"))
            .expect("an entry below");
        let target = app.archive().join(below);
        fs::create_dir_all(target.parent().expect("a directory")).expect("directories");
        symlink(&source, target).expect("a link");
    }
    let late = app
        .archive()
        .join("debian/13/x86_64/7.3.4+deb13-amd64.btf.tar.xz");
    let late_target = fs::read_link(&late).expect("a real kernel");
    fs::remove_file(&late).expect("a link");
    git(&app.archive(), &["init", "-q", "-b", "main"]);

    let tests = workspace().join("tests/bpf");
    let object =
        fs::read(workspace().join("examples/execwatch/src/execwatch.bpf.o")).expect("an object");
    app.project.file("objects/probe.o", object);
    let cache = app.path("cache");
    // Everything except the build script's own work is done beforehand.
    app.configure("archive = \"none\"\noptional = true\nobjects = \"objects/*.o\"\n");
    for profile in ["dev", "release"] {
        let _compiled = timed(&app, &cache, profile);
    }
    pin(&app);

    println!("| build | seconds | of the cold one | entries decoded |");
    println!("|---|---|---|---|");
    let (cold, decoded) = timed(&app, &cache, "dev");
    row("cold", cold, decoded, cold);
    let (time, decoded) = timed(&app, &cache, "dev");
    row("nothing changed", time, decoded, cold);
    // Another program with the same relocations.
    fs::copy(app.path("objects/probe.o"), app.path("objects/second.o")).expect("a copy");
    let (time, decoded) = timed(&app, &cache, "dev");
    row("programs changed, relocations not", time, decoded, cold);
    fs::copy(tests.join("field.bpf.o"), app.path("objects/third.o"))
        .expect("an object of the tests");
    let (time, decoded) = timed(&app, &cache, "dev");
    row("relocations added", time, decoded, cold);
    symlink(late_target, late).expect("a link");
    pin(&app);
    let (time, decoded) = timed(&app, &cache, "dev");
    row("pin changed, one new kernel", time, decoded, cold);
    let (time, decoded) = timed(&app, &cache, "release");
    row("the other profile", time, decoded, cold);
}

/// Commits the archive and pins the commit.
fn pin(app: &App) {
    git(&app.archive(), &["add", "."]);
    git(
        &app.archive(),
        &["commit", "-q", "--allow-empty", "-m", "kernels"],
    );
    let head = git(&app.archive(), &["rev-parse", "HEAD"]);
    app.configure(&format!("{CONFIGURATION}pin = \"{head}\"\n"));
}

fn timed(app: &App, cache: &Path, profile: &str) -> (Duration, Option<String>) {
    let mut cargo = app.project.command(&["build", "-v", "--profile", profile]);
    cargo
        .env("BTFHUB_CACHE_DIR", cache)
        .env("BTFHUB_VERBOSE", "1");
    let from = Instant::now();
    let said = Said::of(&cargo.output().expect("cargo")).ok();
    let time = from.elapsed();
    // If the script does not run, cargo repeats the warnings of its last run.
    let name = format!("/{}-", app.project.name());
    let ran = (said.stderr.lines())
        .any(|line| line.contains("/build-script-build`") && line.contains(&name));
    let summary = said.stderr.lines().rev().filter(|_| ran).find_map(|line| {
        let (_, decoded) = line.rsplit_once(" bytes; ")?;
        Some(decoded.split(' ').next()?.to_owned())
    });
    (time, summary)
}

fn row(case: &str, time: Duration, decoded: Option<String>, cold: Duration) {
    let decoded = decoded.unwrap_or_else(|| "the script did not run".to_owned());
    let (seconds, ratio) = (time.as_secs_f64(), time.as_secs_f64() / cold.as_secs_f64());
    println!("| {case} | {seconds:.2} | {ratio:.3} | {decoded} |");
}
