//! Shards: joined, they are the bundle of one build. Nothing else can be joined, and no shard
//! passes for a bundle.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use btfhub_build::archive::{Archive, Lock};
use btfhub_build::atlas::AtlasBuilder;
use btfhub_build::shard::{self, Shard, ShardFile};
use btfhub_build::{Builder, OnBadEntry, Pin};
use btfhub_runtime::Bundle;
use btfhub_tests::cli::Dir;
use btfhub_tests::project::workspace;
use btfhub_tests::{app, pack};

struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// Seventeen kernels with five layouts.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bench = Self { directory };
        for number in 0..17 {
            let kernel = format!("debian/12/x86_64/6.1.0-{number}-amd64");
            bench.kernel("archive", &kernel, number % 5);
        }
        fs::write(bench.path("probe.o"), app::object(&["pid"])).unwrap();
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn kernel(&self, archive: &str, kernel: &str, layout: u32) {
        pack::entry(&self.path(archive), kernel, &app::kernel(layout));
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .archive(self.path("archive"))
            .object(self.path("probe.o"))
    }
}

/// The shards of a bundle, as read from their files.
fn shards(builder: &Builder, of: u32) -> Vec<ShardFile> {
    (1..=of)
        .map(|number| made(builder, number, of, &format!("{number}-of-{of}")))
        .collect()
}

fn made(builder: &Builder, number: u32, of: u32, name: &str) -> ShardFile {
    let shard = builder
        .generate_shard(Shard::new(number, of).unwrap(), |_| ())
        .unwrap();
    ShardFile::parse(name, &shard.to_bytes()).unwrap()
}

fn refused(shards: &[ShardFile]) -> String {
    shard::merge(shards).unwrap_err().to_string()
}

#[test]
fn joined_they_are_the_bundle_of_one_build() {
    let bench = Bench::new();
    // Several archives, pinned and unpinned; a kernel in both; one twice.
    bench.kernel("own", "debian/12/x86_64/6.1.0-3-amd64", 7);
    bench.kernel("own", "own/1/arm64/6.6.6", 8);
    bench.kernel("twice", "own/1/arm64/6.6.6", 8);
    bench.kernel("twice", "own/1/aarch64/6.6.6", 8);
    let scan = Archive::scan(bench.path("archive")).unwrap();
    Lock::of(&scan, NonZeroUsize::MIN, |_| true)
        .unwrap()
        .write_to(bench.path("lock"))
        .unwrap();
    let entries = Archive::scan(bench.path("own")).unwrap();
    let atlas = AtlasBuilder::new()
        .build(entries.entries(), |_, _| ())
        .unwrap();
    fs::write(bench.path("own.atlas"), atlas.file).unwrap();
    let pinned = bench.builder().lock(bench.path("lock"));
    let configurations = [
        ("plain", bench.builder()),
        (
            "filtered",
            bench.builder().include("*-amd64").exclude("*-1?-*"),
        ),
        ("pinned", pinned.clone()),
        (
            "archives",
            Builder::new()
                .pinned_archive(bench.path("archive"), Pin::Lock(bench.path("lock")))
                .archive(bench.path("own"))
                .archive(bench.path("twice"))
                .object(bench.path("probe.o")),
        ),
        ("atlas", pinned.atlas(bench.path("own.atlas"))),
    ];
    for (what, builder) in configurations {
        let whole = builder.generate().unwrap();
        for of in [1, 3, 40] {
            let mut shards = shards(&builder, of);
            assert!(
                shards
                    .iter()
                    .all(|shard| shard.kernels_in_all() == whole.kernels().len())
            );
            shards.reverse();
            let merged = shard::merge(&shards).unwrap();
            assert!(merged.bundle() == whole.bundle(), "{what}, {of} shards");
            assert_eq!(merged.kernel_count(), whole.kernels().len());
            assert_eq!(merged.class_count(), whole.class_count());
        }
    }
}

#[test]
fn entries_that_cannot_be_used_are_as_in_one_build() {
    let bench = Bench::new();
    pack::write(
        &bench.path("archive"),
        "debian/12/x86_64/6.1.0-50-amd64.btf.tar.xz",
        b"no xz",
    );
    let shard = |number| Shard::new(number, 6).unwrap();
    let results: Vec<_> = (1..=6)
        .map(|k| bench.builder().generate_shard(shard(k), |_| ()))
        .collect();
    let failed: Vec<String> = results
        .into_iter()
        .filter_map(|result| result.err())
        .map(|error| error.to_string())
        .collect();
    assert!(
        failed.len() == 1 && failed[0].contains("6.1.0-50-amd64"),
        "{failed:?}"
    );

    let skipping = bench.builder().on_bad_entry(OnBadEntry::Skip);
    let whole = skipping.generate().unwrap();
    let merged = shard::merge(&shards(&skipping, 6)).unwrap();
    assert!(merged.bundle() == whole.bundle());
    let left_out = whole.bad_entries().iter().map(ToString::to_string);
    assert_eq!(merged.bad_entries(), left_out.collect::<Vec<_>>());

    // A single shard without usable kernels is fine; if all are, it is an error.
    let only_bad = skipping.include("*-50-*");
    assert!(only_bad.generate().is_err());
    assert!(refused(&shards(&only_bad, 2)).contains("6.1.0-50-amd64"));
}

#[test]
fn two_entries_for_one_kernel_are_told_when_joined() {
    let bench = Bench::new();
    bench.kernel("twice", "ol/8/arm64/5.4.17", 0);
    bench.kernel("twice", "ol/8/aarch64/5.4.17", 4);
    let builder = Builder::new()
        .archive(bench.path("twice"))
        .object(bench.path("probe.o"));
    let whole = builder.generate().unwrap_err().to_string();
    assert_eq!(refused(&shards(&builder, 2)), whole);
}

#[test]
fn missing_and_double_shards_are_named() {
    let bench = Bench::new();
    let all = shards(&bench.builder(), 5);
    let without: Vec<_> = [0, 2, 3].map(|at| all[at].clone()).into();
    assert_eq!(refused(&without), "of 5 shards these are missing: 2, 5");
    let twice: Vec<_> = all.iter().chain([&all[3]]).cloned().collect();
    assert_eq!(refused(&twice), "4-of-5 and 4-of-5 are both shard 4/5");
    assert_eq!(refused(&[]), "no shard was named");
}

#[test]
fn shards_of_another_bundle_are_named() {
    let bench = Bench::new();
    let first = made(&bench.builder(), 1, 2, "first");
    let refused = |other: &ShardFile, what: &str| {
        let said = refused(&[other.clone(), first.clone()]);
        assert!(
            said.starts_with(&format!("the shards are not of one bundle: {what}\n")),
            "{said}"
        );
        assert!(
            said.contains("\n  first: ") && said.contains("\n  other: "),
            "{said}"
        );
        said
    };
    refused(
        &made(&bench.builder(), 3, 3, "other"),
        "their number differs",
    );

    fs::write(bench.path("other.o"), app::object(&["tgid"])).unwrap();
    let objects = Builder::new()
        .archive(bench.path("archive"))
        .object(bench.path("other.o"));
    let said = refused(
        &made(&objects, 2, 2, "other"),
        "they were made for other objects",
    );
    assert!(said.contains("other: other.o (SHA-256 "), "{said}");

    let scan = Archive::scan(bench.path("archive")).unwrap();
    let lock = Lock::of(&scan, NonZeroUsize::MIN, |_| true).unwrap();
    lock.write_to(bench.path("lock")).unwrap();
    let pinned = bench.builder().lock(bench.path("lock"));
    let said = refused(
        &made(&pinned, 2, 2, "other"),
        "they were made from other archives",
    );
    let pin = format!("other: lock {}", lock.fingerprint());
    assert!(
        said.contains(&pin) && said.contains("first: without a pin"),
        "{said}"
    );

    let fewer = bench.builder().exclude("*-9-*");
    let said = refused(
        &made(&fewer, 2, 2, "other"),
        "the archive held other kernels",
    );
    assert!(
        said.contains("16 kernels") && said.contains("17 kernels"),
        "{said}"
    );
    // The same names, one of them for a different file, in any shard.
    let changed = "debian/12/x86_64/6.1.0-0-amd64";
    pack::write(
        &bench.path("archive"),
        format!("{changed}.btf.tar.xz"),
        b"changed",
    );
    let skipping = bench.builder().on_bad_entry(OnBadEntry::Skip);
    refused(
        &made(&skipping, 2, 2, "other"),
        "the archive held other kernels",
    );
}

#[test]
fn damaged_and_foreign_files_are_named() {
    let bench = Bench::new();
    let whole = made(&bench.builder(), 1, 2, "it").to_bytes();
    let refused = |bytes: &[u8]| ShardFile::parse("it", bytes).unwrap_err().to_string();
    for at in (8..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        assert_eq!(
            refused(&damaged),
            "it is damaged: its digest does not match"
        );
    }
    for len in 0..whole.len() {
        let said = refused(&whole[..len]);
        assert!(said.starts_with("it is "), "{said}");
    }
    let bundle = bench.builder().generate().unwrap();
    assert_eq!(refused(bundle.bundle()), "it is not a shard of a bundle");

    // What a digest can't detect: written that way, by another release or on purpose.
    let sealed = |content: &[u8]| [content, blake3::hash(content).as_bytes()].concat();
    let content = &whole[..whole.len() - 32];
    assert!(ShardFile::parse("it", &sealed(content)).is_ok());
    let version = content
        .windows(6)
        .position(|text| text == b"build ")
        .unwrap()
        + 6;
    let mut other = content.to_vec();
    other[version] = b'9';
    let said = refused(&sealed(&other));
    assert!(
        said.starts_with("it was written by btfhub-build 9."),
        "{said}"
    );
    let second = made(&bench.builder(), 2, 2, "second");
    for at in (version + 40..content.len()).step_by(5) {
        let mut other = content.to_vec();
        other[at] ^= 0x81;
        // Joined with the other shard, it may at most cause an error.
        if let Ok(shard) = ShardFile::parse("it", &sealed(&other)) {
            if let Ok(merged) = shard::merge(&[shard, second.clone()]) {
                Bundle::parse(merged.bundle()).unwrap();
            }
        }
    }
}

#[test]
fn nothing_takes_a_shard_for_a_bundle() {
    let bench = Bench::new();
    let shard = made(&bench.builder(), 1, 1, "it");
    shard.write_to(bench.path("one.shard")).unwrap();
    let refused = Bundle::parse(&shard.to_bytes()).unwrap_err();
    assert!(refused.is_foreign());
    let why = "not a bundle but a shard of one: join all shards with `cargo btfhub merge`";
    assert_eq!(refused.to_string(), why);

    let dir = Dir::new();
    let path = |name| bench.path(name).display().to_string();
    let (shard, archive, object) = (path("one.shard"), path("archive"), path("probe.o"));
    let release = ["--release", "6.1.0-1-amd64", "--machine", "x86_64"];
    for arguments in [
        &["inspect", &shard][..],
        &["verify", &shard, "--archive", &archive, "--object", &object],
        &[&["select", &shard], &release[..]].concat(),
    ] {
        let said = dir.btfhub(arguments).fails(1);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}

/// One of several jobs, on the real kernels of the examples.
fn job(dir: &Dir, number: u32, of: u32) -> Child {
    let examples = workspace().join("examples");
    let mut command = dir.command();
    command
        .args(["bundle", "--jobs", "1", "--archive"])
        .arg(examples.join("archive"))
        .arg("--object")
        .arg(examples.join("execwatch/src/execwatch.bpf.o"))
        .arg("--shard")
        .arg(format!("{number}/{of}"))
        .arg("--out")
        .arg(dir.path(format!("{number}.shard")))
        .stdout(Stdio::null());
    command.spawn().expect("a job")
}

#[test]
fn jobs_at_once_one_of_them_killed_and_run_again() {
    const JOBS: u32 = 3;
    let dir = Dir::new();
    let examples = workspace().join("examples");
    let text = |path: &Path| path.display().to_string();
    let (archive, object) = (
        text(&examples.join("archive")),
        text(&examples.join("execwatch/src/execwatch.bpf.o")),
    );
    let _ = dir
        .btfhub([
            "bundle",
            "--archive",
            &archive,
            "--object",
            &object,
            "--out",
            "whole",
        ])
        .ok();
    let whole = fs::read(dir.path("whole")).unwrap();

    let merge = || dir.btfhub(["merge", "3.shard", "1.shard", "2.shard", "--out", "merged"]);
    for milliseconds in [5, 60, 250] {
        let mut jobs: Vec<Child> = (1..=JOBS).map(|number| job(&dir, number, JOBS)).collect();
        thread::sleep(Duration::from_millis(milliseconds));
        jobs[1].kill().expect("a process to kill");
        let ended: Vec<bool> = jobs
            .iter_mut()
            .map(|job| job.wait().expect("an end").success())
            .collect();
        assert!(ended[0] && ended[2]);
        if !ended[1] {
            // No half-written file is left.
            assert!(!dir.has("2.shard"));
            assert!(merge().fails(1).contains("2.shard"));
            let said = dir
                .btfhub(["merge", "3.shard", "1.shard", "--out", "merged"])
                .fails(1);
            assert!(said.contains("of 3 shards these are missing: 2"), "{said}");
            assert!(!dir.has("merged"));
            assert!(job(&dir, 2, JOBS).wait().expect("an end").success());
        }
        let said = merge().ok();
        assert!(said.starts_with("merged: 8 kernels, 7 classes, "), "{said}");
        assert!(fs::read(dir.path("merged")).unwrap() == whole);
        for file in ["1.shard", "2.shard", "3.shard", "merged"] {
            fs::remove_file(dir.path(file)).unwrap();
        }
    }
}
