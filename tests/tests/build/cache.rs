//! The cache: whatever happens to it, it never causes a wrong bundle.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_build::atlas::Atlas;
use btfhub_build::{Builder, Generated};
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, member};
use btfhub_tests::objects::{objects_in, own_dir};
use btfhub_tests::{app, pack};

struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// Forty kernels with ten layouts.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..40 {
            let kernel = format!("debian/12/x86_64/6.1.0-{number}-amd64");
            let archive = directory.path().join("archive");
            // Different files even if the layout is the same.
            let member = format!("{number}.btf");
            let packed = pack::tar(&[pack::Member::file(&member, &app::kernel(number % 10))]);
            pack::write(&archive, format!("{kernel}.btf.tar.xz"), &pack::xz(&packed));
        }
        fs::write(directory.path().join("probe.o"), app::object(&["pid"])).unwrap();
        Self { directory }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .archive(self.path("archive"))
            .object(self.path("probe.o"))
    }

    fn cached(&self) -> Generated {
        self.builder()
            .cache_dir(self.path("cache"))
            .generate()
            .unwrap()
    }

    fn results(&self) -> Vec<PathBuf> {
        self.files("cache/tailored/*/*.results")
    }

    fn atlases(&self) -> Vec<PathBuf> {
        self.files("cache/atlas/*/*.atlas")
    }

    fn files(&self, pattern: &str) -> Vec<PathBuf> {
        let files = glob::glob(self.path(pattern).to_str().unwrap()).unwrap();
        files.map(Result::unwrap).collect()
    }

    /// Deletes all results, or all definitions.
    fn forget(&self, what: &str) {
        fs::remove_dir_all(self.path("cache").join(what)).unwrap();
    }

    fn ask_for(&self, members: &[&str]) {
        fs::write(self.path("probe.o"), app::object(members)).unwrap();
    }
}

#[test]
fn any_jobs_any_state_one_bundle() {
    let bench = Bench::new();
    let clean = bench.builder().generate().unwrap();
    assert_eq!((clean.kernels().len(), clean.class_count()), (40, 10));
    assert_eq!(clean.decoded_entries(), 40);
    for jobs in [1, 2, 3, 8] {
        let jobs = NonZeroUsize::new(jobs).unwrap();
        let again = bench.builder().jobs(jobs).generate().unwrap();
        assert_eq!(again.bundle(), clean.bundle());
    }
    let cold = bench.cached();
    assert_eq!(
        (cold.decoded_entries(), cold.bundle()),
        (40, clean.bundle())
    );
    let warm = bench.cached();
    assert_eq!((warm.decoded_entries(), warm.bundle()), (0, clean.bundle()));
    for (kernel, other) in clean.kernels().iter().zip(warm.kernels()) {
        assert_eq!(
            clean.outcome(kernel),
            warm.outcome(other),
            "{}",
            kernel.id()
        );
    }
}

#[test]
fn changed_relocations_are_another_set() {
    let bench = Bench::new();
    let first = bench.cached();
    bench.ask_for(&["pid", "tgid"]);
    let clean = bench.builder().generate().unwrap();
    let more = bench.cached();
    assert_eq!((more.decoded_entries(), more.bundle()), (0, clean.bundle()));
    assert_ne!(more.bundle(), first.bundle());
    bench.forget("atlas");
    for members in [&["pid"][..], &["pid", "tgid"]] {
        bench.ask_for(members);
        assert_eq!(bench.cached().decoded_entries(), 0, "both are kept");
    }
    for number in 0..30 {
        bench.ask_for(&[&format!("member{number}")]);
        let _built = bench.cached();
    }
    let sets = fs::read_dir(bench.path("cache/tailored")).unwrap().count();
    assert!(sets <= 16, "{sets} sets are kept");
}

/// The directory may be one of the user's, or hold links to one.
#[test]
fn what_others_keep_there_stays() {
    let bench = Bench::new();
    let mine = ["cache/atlas", "cache/tailored", "cache/facts", "home"];
    fs::create_dir_all(bench.path("cache")).unwrap();
    fs::write(bench.path("cache/digests"), "mine").unwrap();
    for directory in mine {
        for number in 0..30 {
            let own = bench.path(directory).join(format!("mine-{number}.atlas"));
            fs::create_dir_all(own.parent().unwrap()).unwrap();
            fs::write(own, "mine").unwrap();
        }
    }
    // Named like a file of the cache, but behind a link.
    for number in 0..30 {
        let set = bench.path("home").join(format!("{number:032x}"));
        fs::create_dir(&set).unwrap();
        fs::write(set.join(format!("{number:032x}.results")), "mine").unwrap();
    }
    fs::rename(bench.path("cache/tailored"), bench.path("tailored")).unwrap();
    std::os::unix::fs::symlink(bench.path("home"), bench.path("cache/tailored")).unwrap();
    let _built = bench.cached();
    let count = |directory: &str| {
        let listing = fs::read_dir(bench.path(directory)).unwrap().flatten();
        let is_mine = |name: &str| name.starts_with("mine-") || name.starts_with("0000");
        listing
            .filter(|item| is_mine(item.file_name().to_str().unwrap()))
            .count()
    };
    assert_eq!(count("cache/atlas"), 30);
    assert_eq!(count("cache/facts"), 30);
    assert_eq!(count("home"), 60);
    assert_eq!(fs::read(bench.path("cache/digests")).unwrap(), b"mine");
}

/// They are neither waited for nor read endlessly.
#[test]
fn pipes_and_devices_are_not_read() {
    let bench = Bench::new();
    let clean = bench.cached();
    let digests = bench.path("cache/digests");
    let results = bench.results().remove(0);
    for place in [&digests, &results] {
        let _ = fs::remove_file(place);
        let made = Command::new("mkfifo").arg(place).status();
        assert!(made.unwrap().success());
        assert_eq!(bench.cached().bundle(), clean.bundle());
        let _ = fs::remove_file(place);
        std::os::unix::fs::symlink("/dev/zero", place).unwrap();
        assert_eq!(bench.cached().bundle(), clean.bundle());
    }
}

#[test]
fn damage_anywhere_is_noticed_and_healed() {
    let bench = Bench::new();
    let clean = bench.builder().generate().unwrap();
    let _cold = bench.cached();
    let [file] = bench.results().try_into().unwrap();
    let whole = fs::read(&file).unwrap();
    let mut damages: Vec<Vec<u8>> =
        vec![Vec::new(), b"x".to_vec(), whole[..whole.len() / 2].to_vec()];
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        damages.push(damaged);
    }
    for damaged in damages {
        fs::write(&file, &damaged).unwrap();
        bench.forget("atlas");
        let built = bench.cached();
        assert_eq!(built.bundle(), clean.bundle());
        assert_eq!(
            built.decoded_entries(),
            40,
            "nothing of a damaged file is believed"
        );
        assert_eq!(fs::read(&file).unwrap(), whole, "and it is written anew");
    }
    let digests = bench.path("cache/digests");
    fs::write(&digests, b"damaged").unwrap();
    let built = bench.cached();
    assert_eq!(
        (built.bundle(), built.decoded_entries()),
        (clean.bundle(), 0)
    );
}

#[test]
fn a_false_result_is_not_believed() {
    let bench = Bench::new();
    let clean = bench.builder().generate().unwrap();
    let _cold = bench.cached();
    let [file] = bench.results().try_into().unwrap();
    bench.forget("atlas");
    // Well-formed, but with the tailored BTF of another kernel.
    let whole = fs::read(&file).unwrap();
    let mut content = whole[..whole.len() - 32].to_vec();
    let row = content.len() - 72;
    assert!(content[row + 32] < 10, "the number of a class");
    content[row + 32] = (content[row + 32] + 1) % 10;
    let digest = blake3::hash(&content);
    content.extend(digest.as_bytes());
    fs::write(&file, content).unwrap();
    let built = bench.cached();
    assert_eq!(
        (built.bundle(), built.decoded_entries()),
        (clean.bundle(), 1)
    );
}

#[test]
fn where_nothing_can_be_written() {
    let bench = Bench::new();
    let clean = bench.builder().generate().unwrap();
    // A file in place of the directory: no user can write below it.
    fs::write(bench.path("cache"), "a file").unwrap();
    assert_eq!(bench.cached().bundle(), clean.bundle());
    fs::remove_file(bench.path("cache")).unwrap();

    fs::create_dir(bench.path("cache")).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k,nr_inodes=8", "tmpfs"])
        .arg(bench.path("cache"))
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: a full disk needs root and `mount`");
        return;
    }
    let full = bench.cached();
    let again = bench.cached();
    let left = files_below(&bench.path("cache"));
    let unmounted = Command::new("umount").arg(bench.path("cache")).status();
    assert!(unmounted.unwrap().success());
    assert_eq!(full.bundle(), clean.bundle());
    assert_eq!(again.bundle(), clean.bundle());
    assert!(left.iter().all(|name| !name.ends_with(".tmp")), "{left:?}");
}

fn files_below(directory: &Path) -> Vec<String> {
    let files = glob::glob(directory.join("**/*").to_str().unwrap()).unwrap();
    files
        .map(|path| path.unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_file_that_changed_is_read_again() {
    let bench = Bench::new();
    let _cold = bench.cached();
    let file = bench.path("archive/debian/12/x86_64/6.1.0-7-amd64.btf.tar.xz");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let other = fs::read(bench.path("archive/debian/12/x86_64/6.1.0-8-amd64.btf.tar.xz")).unwrap();
    fs::write(&file, other).unwrap();
    // Even if somebody resets its time.
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let clean = bench.builder().generate().unwrap();
    let built = bench.cached();
    assert_eq!(
        (built.bundle(), built.decoded_entries()),
        (clean.bundle(), 0)
    );
}

#[test]
fn a_failed_build_keeps_what_it_found_out() {
    let bench = Bench::new();
    let bad = "archive/debian/12/x86_64/6.1.0-99-amd64.btf.tar.xz";
    pack::write(bench.directory.path(), bad, b"no xz");
    let builder = bench.builder().cache_dir(bench.path("cache"));
    assert!(builder.generate().is_err());
    fs::remove_file(bench.path(bad)).unwrap();
    assert_eq!(bench.cached().decoded_entries(), 0);
}

#[test]
fn two_entries_for_one_kernel_differ_from_the_cache_too() {
    let bench = Bench::new();
    let twice = bench.path("twice");
    pack::entry(&twice, "ol/8/arm64/5.4.17.aarch64", &app::kernel(0));
    pack::entry(&twice, "ol/8/aarch64/5.4.17.aarch64", &app::kernel(4));
    let builder = Builder::new().archive(&twice).object(bench.path("probe.o"));
    let cached = builder.clone().cache_dir(bench.path("cache"));
    let clean = builder.generate().unwrap_err().to_string();
    for _ in 0..2 {
        assert_eq!(cached.generate().unwrap_err().to_string(), clean);
    }
}

#[test]
fn real_kernels_give_one_bundle_whatever_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
    let cache = dir.path().join("cache");
    let objects = objects_in(&own_dir(), ".bpf.o");
    // Each set has different relocations.
    for (number, objects) in objects.chunks(6).enumerate() {
        let mut builder = Builder::new().archive(&examples);
        for object in objects {
            builder = builder.object(own_dir().join(&object.name));
        }
        let clean = builder.generate().unwrap();
        let built = builder.cache_dir(&cache).generate().unwrap();
        let decoded = if number == 0 {
            clean.kernels().len()
        } else {
            0
        };
        assert_eq!(built.decoded_entries(), decoded, "set {number}");
        assert!(
            built.bundle() == clean.bundle(),
            "set {number}: other bytes"
        );
    }
}

#[test]
fn a_damaged_atlas_is_noticed_and_healed() {
    let bench = Bench::new();
    let clean = bench.builder().generate().unwrap();
    let _cold = bench.cached();
    let [file] = bench.atlases().try_into().unwrap();
    Atlas::open(&file, None).unwrap().check().unwrap();
    let whole = fs::read(&file).unwrap();
    let mut damages: Vec<Vec<u8>> = vec![Vec::new(), b"x".to_vec()];
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        damages.push(whole[..at].to_vec());
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        damages.push(damaged);
    }
    // A good one under the name of another, and something that is not a file.
    let other = file.with_file_name(format!("{}.atlas", "0".repeat(32)));
    fs::write(&other, &whole).unwrap();
    fs::create_dir(file.with_file_name(format!("{}.atlas", "1".repeat(32)))).unwrap();
    for damaged in damages {
        fs::write(&file, &damaged).unwrap();
        bench.forget("tailored");
        let built = bench.cached();
        assert_eq!(
            (built.decoded_entries(), built.bundle()),
            (40, clean.bundle())
        );
        assert_eq!(fs::read(&file).unwrap(), whole, "it is written anew");
        assert!(!other.exists());
    }
    bench.forget("tailored");
    assert_eq!(bench.cached().decoded_entries(), 0, "it healed");
}

#[test]
fn only_new_kernels_are_decoded_and_files_stay_few() {
    let bench = Bench::new();
    let _cold = bench.cached();
    for number in 40..70 {
        let kernel = format!("archive/debian/12/x86_64/6.1.0-{number}-amd64.btf.tar.xz");
        let packed = pack::tar(&[pack::Member::file(
            &format!("{number}.btf"),
            &app::kernel(number % 13),
        )]);
        pack::write(bench.directory.path(), kernel, &pack::xz(&packed));
        // The definitions of the old ones are known, nothing of the new one.
        bench.ask_for(&[&format!("member{number}")]);
        assert_eq!(bench.cached().decoded_entries(), 1);
        let files = bench.atlases().len();
        assert!(files <= 6, "{files} files");
    }
    bench.ask_for(&["tgid"]);
    let clean = bench.builder().generate().unwrap();
    let built = bench.cached();
    assert_eq!(
        (built.decoded_entries(), built.bundle()),
        (0, clean.bundle())
    );
}

#[test]
fn made_of_many_an_atlas_is_the_same() {
    let bench = Bench::new();
    let all = bench.path("archive/debian/12/x86_64");
    let later = bench.path("later");
    fs::create_dir(&later).unwrap();
    let files = fs::read_dir(&all).unwrap().map(|file| file.unwrap());
    let mut names: Vec<_> = files.map(|file| file.file_name()).collect();
    names.sort();
    for name in &names[8..] {
        fs::rename(all.join(name), later.join(name)).unwrap();
    }
    let _few = bench.cached();
    for names in names[8..].chunks(8) {
        for name in names {
            fs::rename(later.join(name), all.join(name)).unwrap();
        }
        assert_eq!(bench.cached().decoded_entries(), names.len());
    }
    let joined = bench.atlases();
    assert_eq!(joined.len(), 1);
    bench.forget("atlas");
    bench.forget("tailored");
    let _cold = bench.cached();
    // Their names are their digests.
    assert_eq!(joined, bench.atlases());
}

#[test]
fn a_cache_may_move_with_its_archive() {
    let bench = Bench::new();
    let _cold = bench.cached();
    fs::rename(bench.path("cache"), bench.path("moved")).unwrap();
    fs::create_dir_all(bench.path("other/debian")).unwrap();
    fs::rename(
        bench.path("archive/debian/12"),
        bench.path("other/debian/11"),
    )
    .unwrap();
    bench.ask_for(&["tgid"]);
    let builder = Builder::new()
        .archive(bench.path("other"))
        .object(bench.path("probe.o"));
    let built = builder.cache_dir(bench.path("moved")).generate().unwrap();
    assert_eq!((built.kernels().len(), built.decoded_entries()), (40, 0));
}

#[test]
fn what_no_atlas_can_hold_is_decoded_every_time() {
    let bench = Bench::new();
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    btf.structure("task", 8, &[member("pid", int, 4)]);
    // A pointer to itself.
    let next = btf.next_id();
    btf.pointer(next);
    btf.structure("endless", 8, &[member("p", next, 0)]);
    let archive = bench.path("archive");
    pack::entry(&archive, "debian/12/x86_64/6.1.0-99-amd64", &btf.finish());
    let _cold = bench.cached();
    for members in [&["pid", "tgid"][..], &["tgid"]] {
        bench.ask_for(members);
        let clean = bench.builder().generate().unwrap();
        let built = bench.cached();
        assert_eq!(
            (built.decoded_entries(), built.bundle()),
            (1, clean.bundle())
        );
    }
}
