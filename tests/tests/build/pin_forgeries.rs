//! A pin against attackers who can write to the checkout, its repository or its configuration:
//! a build uses only what was pinned, and runs nothing of theirs.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_build::archive::{Archive, Pin};
use btfhub_build::{Builder, Error, ErrorKind, OnBadEntry};
use btfhub_tests::git::git;
use btfhub_tests::{app, cli, derive, pack};

/// How many kernels a checkout has: more than a build reads ahead.
const KERNELS: usize = 8;

/// The kernel that is forged, the last of them.
const FORGED: &str = "debian/11/x86_64/5.10.0-7-amd64";

/// A checkout `archive`, and an object next to it.
struct Checkout {
    directory: tempfile::TempDir,
    commit: String,
    tree: String,
    good: Vec<u8>,
}

impl Checkout {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("archive");
        fs::write(directory.path().join("probe.o"), app::object(&["pid"])).unwrap();
        for number in 0..KERNELS {
            let kernel = format!("debian/11/x86_64/5.10.0-{number}-amd64");
            pack::entry(&archive, &kernel, &app::kernel(8 * (number as u32 % 2)));
        }
        git(&archive, &["init", "-q", "-b", "main"]);
        git(&archive, &["add", "."]);
        git(&archive, &["commit", "-q", "-m", "one"]);
        let mut this = Self {
            commit: git(&archive, &["rev-parse", "HEAD"]),
            tree: git(&archive, &["rev-parse", "HEAD^{tree}"]),
            good: Vec::new(),
            directory,
        };
        this.good = this.build(|builder| builder).unwrap();
        this
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.path("archive"), arguments)
    }

    fn entry(&self) -> PathBuf {
        self.path("archive").join(format!("{}.btf.tar.xz", FORGED))
    }

    /// Another kernel's BTF in place of the second entry.
    fn forge(&self) {
        pack::entry(&self.path("archive"), FORGED, &app::kernel(99));
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .archive(self.path("archive"))
            .object(self.path("probe.o"))
            .jobs(NonZeroUsize::MIN)
            .on_bad_entry(OnBadEntry::Skip)
    }

    fn build(&self, with: impl Fn(Builder) -> Builder) -> Result<Vec<u8>, Error> {
        let pinned = with(self.builder()).pin(&self.commit);
        pinned
            .generate()
            .map(|generated| generated.bundle().to_vec())
    }

    /// A build accepts neither the commit nor the tree.
    fn refused(&self, what: &str) {
        let by_tree = self.builder().pin_tree(&self.tree);
        let by_tree = by_tree
            .generate()
            .map(|generated| generated.bundle().to_vec());
        for built in [self.build(|builder| builder), by_tree] {
            let error = built
                .err()
                .unwrap_or_else(|| panic!("{what}: it was built"));
            assert_eq!(error.kind(), ErrorKind::Pin, "{what}: {error:?}");
            assert!(format!("{error:?}").contains(FORGED), "{what}: {error:?}");
        }
    }

    /// The bundle is right, whatever was done.
    fn right(&self, what: &str) {
        let built = self.build(|builder| builder);
        let built = built.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(built == self.good, "{what}: another bundle");
    }
}

/// A script that leaves a mark if it runs.
fn marking(directory: &Path) -> (String, impl Fn() -> bool + use<>) {
    let (script, mark) = (directory.join("script"), directory.join("mark"));
    let text = format!("#!/bin/sh\ntouch {}\ncat\n", mark.display());
    fs::write(&script, text).unwrap();
    let made = Command::new("chmod").arg("+x").arg(&script).status();
    assert!(made.unwrap().success());
    (script.display().to_string(), move || mark.exists())
}

#[test]
fn a_file_replaced_while_the_build_reads() {
    let checkout = Checkout::new();
    let pinned = checkout.builder().pin(&checkout.commit);
    let built = pinned.generate_with(|progress| {
        if progress.done == 1 {
            checkout.forge();
        }
    });
    let error = built.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pin, "{error:?}");
}

#[test]
fn a_work_tree_elsewhere() {
    let checkout = Checkout::new();
    let clean = checkout.path("clean");
    let mut copy = Command::new("cp");
    let copied = copy.arg("-r").arg(checkout.path("archive")).arg(&clean);
    assert!(copied.status().unwrap().success());
    checkout.forge();
    checkout.git(&["config", "core.worktree", clean.to_str().unwrap()]);
    checkout.refused("core.worktree");
}

/// The same size and time as the good file, which is all that git compares here.
#[test]
fn a_file_with_the_same_times() {
    let mut checkout = Checkout::new();
    let file = checkout.entry();
    for (option, value) in [("core.trustctime", "false"), ("core.checkStat", "minimal")] {
        checkout.git(&["config", option, value]);
    }
    let good = fs::read(&file).unwrap();
    checkout.forge();
    let bad = fs::read(&file).unwrap();
    let len = good.len().max(bad.len()).next_multiple_of(4);
    let write = |mut bytes: Vec<u8>| {
        // The padding of xz.
        bytes.resize(len, 0);
        fs::write(&file, bytes).unwrap();
        let open = fs::File::options().write(true).open(&file).unwrap();
        open.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    write(good);
    checkout.git(&["commit", "-q", "-a", "-m", "padded"]);
    checkout.commit = checkout.git(&["rev-parse", "HEAD"]);
    checkout.tree = checkout.git(&["rev-parse", "HEAD^{tree}"]);
    assert!(checkout.build(|builder| builder).is_ok());
    write(bad);
    assert_eq!(
        checkout.git(&["status", "--porcelain"]),
        "",
        "git is misled"
    );
    checkout.refused("times");
}

#[test]
fn an_index_that_lies() {
    let checkout = Checkout::new();
    let name = format!("{}.btf.tar.xz", FORGED);
    let id = |revision: &str| {
        let hex = checkout.git(&["rev-parse", revision]);
        let digits = hex.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect::<Vec<u8>>()
    };
    let good = id(&format!("HEAD:{name}"));
    checkout.forge();
    // Long ago, or git would compare the bytes.
    let file = fs::File::options().write(true).open(checkout.entry());
    file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    checkout.git(&["add", &name]);
    let bad = id(&format!(":{name}"));
    let index = checkout.path("archive/.git/index");
    let mut bytes = fs::read(&index).unwrap();
    let at = bytes.windows(bad.len()).position(|window| window == bad);
    bytes[at.unwrap()..][..bad.len()].copy_from_slice(&good);
    // No checksum.
    let end = bytes.len() - 20;
    bytes[end..].fill(0);
    fs::write(&index, bytes).unwrap();
    assert_eq!(
        checkout.git(&["status", "--porcelain"]),
        "",
        "git is misled"
    );
    checkout.refused("index");
}

/// A tree or the commit, with different content under the good id.
#[test]
fn objects_that_are_not_what_their_names_say() {
    for what in ["HEAD", "HEAD^{tree}", "HEAD:debian/11/x86_64"] {
        let checkout = Checkout::new();
        let loose = |id: &str| {
            let (first, rest) = id.split_at(2);
            checkout.path("archive/.git/objects").join(first).join(rest)
        };
        let good = checkout.git(&["rev-parse", what]);
        checkout.forge();
        checkout.git(&["commit", "-q", "-a", "-m", "forged"]);
        let bad = fs::read(loose(&checkout.git(&["rev-parse", what]))).unwrap();
        checkout.git(&["update-ref", "HEAD", &checkout.commit]);
        fs::remove_file(loose(&good)).unwrap();
        fs::write(loose(&good), bad).unwrap();
        let error = checkout.build(|builder| builder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pin, "{what}: {error:?}");
        let text = format!("{error:?}");
        assert!(text.contains(&format!("object {good}")), "{what}: {text}");
        let tree = checkout.builder().pin_tree(&checkout.tree);
        assert!(tree.generate().is_err(), "{what}");

        // A good one elsewhere still works.
        let restored = checkout.path("restored/objects");
        fs::create_dir_all(restored.join(&good[..2])).unwrap();
        let elsewhere = Checkout::new();
        let (first, rest) = good.split_at(2);
        let from = elsewhere
            .path("archive/.git/objects")
            .join(first)
            .join(rest);
        fs::copy(from, restored.join(first).join(rest)).unwrap();
        let info = checkout.path("archive/.git/objects/info");
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join("alternates"), format!("{}\n", restored.display())).unwrap();
        checkout.refused(what);
        fs::copy(elsewhere.entry(), checkout.entry()).unwrap();
        checkout.right(what);
    }
}

#[test]
fn what_stands_in_for_objects() {
    let checkout = Checkout::new();
    checkout.forge();
    checkout.git(&["commit", "-q", "-a", "-m", "forged"]);
    let forged = checkout.git(&["rev-parse", "HEAD"]);
    checkout.git(&["replace", &checkout.commit, &forged]);
    let git_directory = checkout.path("archive/.git");
    fs::write(
        git_directory.join("info/grafts"),
        format!("{} {forged}\n", checkout.commit),
    )
    .unwrap();
    fs::write(git_directory.join("HEAD"), format!("{}\n", checkout.commit)).unwrap();
    checkout.refused("replacements");
}

/// A link whose name becomes the version of the directory next to it.
#[test]
fn a_link_that_renames_kernels() {
    let checkout = Checkout::new();
    let archive = checkout.path("archive");
    let kernel = "ubuntu/bionic/x86_64/4.15.0-20-generic";
    pack::entry(&archive, kernel, &app::kernel(8));
    symlink("bionic", archive.join("ubuntu/18.04")).unwrap();
    checkout.git(&["add", "."]);
    checkout.git(&["commit", "-q", "-m", "a codename"]);
    let commit = checkout.git(&["rev-parse", "HEAD"]);
    let build = || checkout.builder().pin(&commit).generate();
    let generated = build().unwrap();
    let mut kernels = generated.kernels().iter();
    assert!(
        kernels.any(|kernel| kernel.id().to_string() == "ubuntu/18.04/x86_64/4.15.0-20-generic")
    );
    fs::rename(archive.join("ubuntu/18.04"), archive.join("ubuntu/20.04")).unwrap();
    let error = build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pin, "{error:?}");
    assert!(format!("{error:?}").contains("bionic"), "{error:?}");
}

#[test]
fn nothing_of_theirs_is_run() {
    let checkout = Checkout::new();
    let (script, ran) = marking(&checkout.path(""));
    let git_directory = checkout.path("archive/.git");
    fs::write(
        git_directory.join("info/attributes"),
        "* filter=x diff=x merge=x\n",
    )
    .unwrap();
    for (key, value) in [
        ("filter.x.clean", script.as_str()),
        ("filter.x.smudge", &script),
        ("filter.x.process", &script),
        ("core.fsmonitor", &script),
        ("core.sshCommand", &script),
        ("core.alternateRefsCommand", &script),
        ("core.pager", &script),
        ("credential.helper", &script),
        ("remote.origin.url", "ext::sh -c true"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.uploadpack", &script),
        ("protocol.ext.allow", "always"),
        ("include.path", "../../included"),
    ] {
        checkout.git(&["-c", "core.fsmonitor=false", "config", key, value]);
    }
    fs::write(
        checkout.path("included"),
        format!("[core]\n\thooksPath = {script}\n"),
    )
    .unwrap();
    // The times in the index don't match, and an object is missing.
    fs::write(checkout.entry(), fs::read(checkout.entry()).unwrap()).unwrap();
    checkout.right("configuration");
    let bundle = Command::new(cli::binary())
        .args(["btfhub", "bundle", "--pin", &checkout.commit, "--archive"])
        .arg(checkout.path("archive"))
        .arg("--object")
        .arg(checkout.path("probe.o"))
        .arg("--out")
        .arg(checkout.path("out"))
        .output();
    assert!(bundle.unwrap().status.success());
    assert!(fs::read(checkout.path("out")).unwrap() == checkout.good);
    let blob = checkout.git(&["-c", "core.fsmonitor=false", "rev-parse", "HEAD:debian"]);
    let (first, rest) = blob.split_at(2);
    fs::remove_file(git_directory.join("objects").join(first).join(rest)).unwrap();
    assert!(
        checkout.build(|builder| builder).is_err(),
        "it would have to be fetched"
    );
    assert!(!ran());
}

/// A build needs no other program at all.
#[test]
fn a_pin_needs_no_git() {
    let checkout = Checkout::new();
    let bundle = Command::new(cli::binary())
        .args(["btfhub", "bundle", "--pin", &checkout.commit, "--archive"])
        .arg(checkout.path("archive"))
        .arg("--object")
        .arg(checkout.path("probe.o"))
        .arg("--out")
        .arg(checkout.path("out"))
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert!(
        bundle.status.success(),
        "{}",
        String::from_utf8_lossy(&bundle.stderr)
    );
    assert!(fs::read(checkout.path("out")).unwrap() == checkout.good);
}

/// In place of objects, something that would block, or take all memory.
#[test]
fn objects_that_wear_down() {
    let checkout = Checkout::new();
    let (first, rest) = checkout.tree.split_at(2);
    let objects = checkout.path("archive/.git/objects");
    let tree = objects.join(first).join(rest);
    let good = fs::read(&tree).unwrap();
    let instead = |make: &dyn Fn(&Path)| {
        fs::remove_file(&tree).unwrap();
        make(&tree);
        let error = checkout.build(|builder| builder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pin, "{error:?}");
    };
    let mkfifo = |path: &Path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    instead(&mkfifo);
    instead(&|path| symlink("/dev/zero", path).unwrap());
    instead(&|path| symlink("/proc/kmsg", path).unwrap());
    instead(&|path| {
        let bomb = fs::File::create(path).unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(bomb, flate2::Compression::best());
        std::io::Write::write_all(&mut zlib, b"tree 67108864\0").unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..64 {
            std::io::Write::write_all(&mut zlib, &zeros).unwrap();
        }
        zlib.finish().unwrap();
    });
    instead(&|path| fs::File::create(path).unwrap().set_len(6 << 30).unwrap());
    instead(&|path| fs::write(path, &good[..good.len() / 2]).unwrap());
    fs::write(&tree, good).unwrap();
    let packs = objects.join("pack");
    fs::create_dir_all(&packs).unwrap();
    for name in ["pack-1.idx", "pack-1.pack", "pack-2.pack"] {
        mkfifo(&packs.join(name));
    }
    symlink("/dev/zero", packs.join("pack-2.idx")).unwrap();
    let random: Vec<u8> = {
        let mut random = derive::Random::new(3);
        (0..5000).map(|_| random.below(256) as u8).collect()
    };
    fs::write(packs.join("pack-3.pack"), &random).unwrap();
    let index = [&b"\xfftOc\0\0\0\x02"[..], &random].concat();
    fs::write(packs.join("pack-3.idx"), index).unwrap();
    // One that says that the tree is beyond the end of any file.
    let id = (checkout.tree.as_bytes().chunks(2))
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    let id: Vec<u8> = id.collect();
    let counts = (0..=255u8).map(|first| u32::from(first >= id[0]).to_be_bytes());
    let index = [
        &b"\xfftOc\0\0\0\x02"[..],
        &counts.collect::<Vec<_>>().concat(),
        &id,
        // The checksum, and which of the large offsets.
        &[0, 0, 0, 0, 0x80, 0, 0, 0],
        &[0xff; 8],
    ];
    fs::write(packs.join("pack-4.idx"), index.concat()).unwrap();
    fs::write(packs.join("pack-4.pack"), "PACK").unwrap();
    let info = objects.join("info");
    fs::create_dir_all(&info).unwrap();
    mkfifo(&info.join("alternates"));
    checkout.right("objects beside it");
    fs::remove_file(info.join("alternates")).unwrap();
    fs::write(
        info.join("alternates"),
        ".\n..\n/dev\n./pack\n\n/proc/self\n",
    )
    .unwrap();
    checkout.right("alternates");
}

/// Each object is looked for in every pack.
#[test]
fn packs_without_number() {
    const PACKS: usize = 20_000;
    let checkout = Checkout::new();
    for number in 0..40 {
        let kernel = format!("debian/{}/x86_64/6.1.0-{number}-amd64", 20 + number);
        pack::entry(&checkout.path("archive"), &kernel, &app::kernel(8));
    }
    checkout.git(&["add", "."]);
    checkout.git(&["commit", "-q", "-m", "more"]);
    let commit = checkout.git(&["rev-parse", "HEAD"]);
    let build = || checkout.builder().pin(&commit).generate();
    assert!(build().is_ok());
    let packs = checkout.path("archive/.git/objects/pack");
    fs::create_dir_all(&packs).unwrap();
    // An id that begins with each byte, and nothing of them.
    let counts: Vec<u8> = (1..=256u32).flat_map(u32::to_be_bytes).collect();
    let index = [&b"\xfftOc\0\0\0\x02"[..], &counts, &[0; 256 * 28]].concat();
    fs::write(packs.join("p.idx"), index).unwrap();
    fs::write(packs.join("p.pack"), "PACK").unwrap();
    for number in 0..PACKS {
        for suffix in ["idx", "pack"] {
            let name = packs.join(format!("p{number}.{suffix}"));
            fs::hard_link(packs.join(format!("p.{suffix}")), name).unwrap();
        }
    }
    let error = build().unwrap_err();
    assert!(format!("{error:?}").contains("too much work"), "{error:?}");
}

/// With a cache, the ids of the pin's blobs suffice: no file is read.
#[test]
fn what_is_known_of_a_blob_needs_no_file() {
    let checkout = Checkout::new();
    let cache = checkout.path("cache");
    let build = |builder: Builder| builder.cache_dir(&cache);
    assert!(checkout.build(build).unwrap() == checkout.good);
    checkout.forge();
    let generated = build(checkout.builder())
        .pin(&checkout.commit)
        .generate()
        .unwrap();
    assert!(
        generated.bundle() == checkout.good,
        "what was pinned, whatever lies there"
    );
    assert_eq!(generated.decoded_entries(), 0);
    // The cache never learns the forged file's content for any blob, nor under another pin.
    checkout.git(&["commit", "-q", "-a", "-m", "forged"]);
    let forged = checkout.git(&["rev-parse", "HEAD"]);
    let generated = build(checkout.builder()).pin(forged).generate().unwrap();
    assert!(generated.bundle() != checkout.good);
    assert_eq!(generated.decoded_entries(), 1);
}

/// The error names the usual causes of a file that differs from its blob.
#[test]
fn a_mismatch_says_what_it_usually_means() {
    let checkout = Checkout::new();
    let file = checkout.entry();
    let good = fs::read(&file).unwrap();
    let said = || format!("{:?}", checkout.build(|builder| builder).unwrap_err());
    let dos: Vec<u8> = good
        .iter()
        .flat_map(|&byte| {
            if byte == b'\n' {
                vec![b'\r', b'\n']
            } else {
                vec![byte]
            }
        })
        .collect();
    if dos != good {
        fs::write(&file, dos).unwrap();
        assert!(said().contains("line endings"), "{}", said());
    }
    fs::write(
        &file,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    )
    .unwrap();
    assert!(said().contains("a Git LFS pointer is there"), "{}", said());
    checkout.forge();
    assert!(said().contains("it was modified"), "{}", said());

    let wrong = |builder: Builder| format!("{:?}", builder.generate().map(|_| ()).unwrap_err());
    let tree = wrong(checkout.builder().pin(&checkout.tree));
    assert!(
        tree.contains("is the id of a tree, not of a commit"),
        "{tree}"
    );
    assert!(tree.contains("pin_tree"), "{tree}");
    let commit = wrong(checkout.builder().pin_tree(&checkout.commit));
    assert!(
        commit.contains("is the id of a commit, not of a tree"),
        "{commit}"
    );
}

/// The commit has pointers, and they say what the files are.
#[test]
fn git_lfs() {
    let checkout = Checkout::new();
    let file = checkout.entry();
    let good = fs::read(&file).unwrap();
    let sum = Command::new("sha256sum").arg(&file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
        &sum[..64],
        good.len()
    );
    fs::write(&file, &pointer).unwrap();
    checkout.git(&["commit", "-q", "-a", "-m", "a pointer"]);
    let commit = checkout.git(&["rev-parse", "HEAD"]);
    let build = |policy| {
        checkout
            .builder()
            .on_bad_entry(policy)
            .pin(&commit)
            .generate()
    };
    // The pointer alone is not what was pinned: no policy leaves the kernel out.
    for policy in [OnBadEntry::Fail, OnBadEntry::Skip] {
        let error = build(policy).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pin, "{error:?}");
        let text = format!("{error:?}");
        assert!(text.contains("is a Git LFS pointer"), "{text}");
        assert!(text.contains("git lfs pull"), "{text}");
    }
    fs::write(&file, &good).unwrap();
    assert_eq!(build(OnBadEntry::Fail).unwrap().kernels().len(), KERNELS);
    checkout.forge();
    let error = build(OnBadEntry::Skip).unwrap_err();
    assert!(
        format!("{error:?}").contains("its Git LFS pointer names"),
        "{error:?}"
    );
}

/// Objects in packs with deltas of every depth, and in repositories of SHA-256.
#[test]
fn packs_and_hashes() {
    for format in ["sha1", "sha256"] {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("archive");
        fs::create_dir(&archive).unwrap();
        fs::write(directory.path().join("probe.o"), app::object(&["pid"])).unwrap();
        let option = format!("--object-format={format}");
        git(&archive, &["init", "-q", "-b", "main", &option]);
        let mut commits = Vec::new();
        for number in 0..60 {
            for patch in 0..3 {
                let kernel = format!("debian/11/x86_64/5.10.{number}-{patch}-amd64");
                pack::entry(&archive, &kernel, &app::kernel(8 * (number % 3)));
            }
            git(&archive, &["add", "."]);
            git(&archive, &["commit", "-q", "-m", &number.to_string()]);
            commits.push(git(&archive, &["rev-parse", "HEAD"]));
        }
        let all_pinned = |what: &str| {
            for commit in commits.iter().step_by(7) {
                git(&archive, &["checkout", "-q", commit]);
                let scanned = Archive::scan(&archive).unwrap();
                let pin = Pin::Commit(commit.clone());
                let bytes = pin.verify(&scanned, NonZeroUsize::MIN, |_| true);
                let bytes = bytes.unwrap_or_else(|error| panic!("{format} {what}: {error:?}"));
                let sizes = scanned.entries().iter().map(|entry| entry.size());
                assert_eq!(bytes, sizes.sum::<u64>());
                let tree = git(&archive, &["rev-parse", "HEAD^{tree}"]);
                let tree = Pin::Tree(tree).verify(&scanned, NonZeroUsize::MIN, |_| true);
                assert_eq!(tree.unwrap(), bytes);
            }
        };
        all_pinned("loose");
        git(
            &archive,
            &["repack", "-q", "-adf", "--depth=4000", "--window=250"],
        );
        let packs = fs::read_dir(archive.join(".git/objects/pack")).unwrap();
        assert!(packs.count() >= 2, "a pack and its index");
        let chains = git(
            &archive,
            &["verify-pack", "-v", &{
                let packs = fs::read_dir(archive.join(".git/objects/pack")).unwrap();
                let mut names = packs.map(|file| file.unwrap().path().display().to_string());
                names.find(|name| name.ends_with(".idx")).unwrap()
            }],
        );
        assert!(chains.contains("chain length = 5: "), "deltas to deltas");
        all_pinned("packed");
        git(
            &archive,
            &[
                "-c",
                "repack.useDeltaBaseOffset=false",
                "repack",
                "-q",
                "-adf",
            ],
        );
        all_pinned("packed with bases by name");
        git(&archive, &["multi-pack-index", "write"]);
        git(&archive, &["pack-refs", "--all"]);
        all_pinned("with other indices");
    }
}

/// As many packs as a checkout collects in years of fetching.
#[test]
fn more_packs_than_files_may_be_open() {
    let checkout = Checkout::new();
    for number in 0..40 {
        fs::write(checkout.path("archive/README"), number.to_string()).unwrap();
        checkout.git(&["add", "."]);
        checkout.git(&["commit", "-q", "-m", "more"]);
        checkout.git(&["repack", "-q", "-d"]);
    }
    let packs = fs::read_dir(checkout.path("archive/.git/objects/pack")).unwrap();
    // Not every git writes a reverse index next to each.
    let packs = packs.filter(|file| {
        let path = file.as_ref().expect("a file").path();
        path.extension().is_some_and(|suffix| suffix == "pack")
    });
    assert!(packs.count() >= 40);
    let bundle = Command::new("sh")
        .args(["-c", "ulimit -n 32; exec \"$0\" \"$@\""])
        .arg(cli::binary())
        .args(["btfhub", "bundle", "--jobs", "1", "--pin"])
        .arg(checkout.git(&["rev-parse", "HEAD"]))
        .arg("--archive")
        .arg(checkout.path("archive"))
        .arg("--object")
        .arg(checkout.path("probe.o"))
        .arg("--out")
        .arg(checkout.path("out"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&bundle.stderr);
    assert!(bundle.status.success(), "{said}");
}

/// A tree that git itself would not make: duplicate, unsorted or impossible names, or more entries
/// than any archive has.
#[test]
fn trees_that_git_does_not_make_are_refused() {
    let checkout = Checkout::new();
    let debian = checkout.git(&["rev-parse", "HEAD:debian"]);
    let item = |mode: &str, name: &str| {
        let digits = debian.as_bytes().chunks(2);
        let id = digits.map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap()
        });
        let mut bytes = format!("{mode} {name}\0").into_bytes();
        bytes.extend(id);
        bytes
    };
    let directory = |name: &str| item("40000", name);
    let many: Vec<u8> = (0..40_000)
        .flat_map(|number| directory(&format!("d{number:05}")))
        .collect();
    for (bytes, said) in [
        (
            [directory("debian"), directory("debian")].concat(),
            "a name in it occurs twice",
        ),
        (
            [item("100644", "debian"), directory("debian")].concat(),
            "a name in it occurs twice",
        ),
        (
            [directory("ubuntu"), directory("debian")].concat(),
            "not in git's order",
        ),
        (directory("debian/11"), "names a file `debian/11`"),
        (directory(""), "names a file ``"),
        (directory(&"d".repeat(256)), "which no checkout may have"),
        (many, "is larger than any archive's"),
    ] {
        fs::write(checkout.path("tree"), bytes).unwrap();
        let tree = ["hash-object", "-t", "tree", "-w", "--literally", "../tree"];
        let tree = checkout.git(&tree);
        let commit = checkout.git(&["commit-tree", "-m", "odd", &tree]);
        checkout.git(&["update-ref", "HEAD", &commit]);
        let error = checkout.builder().pin(&commit).generate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pin, "{error:?}");
        assert!(format!("{error:?}").contains(said), "{said}: {error:?}");
    }
}
