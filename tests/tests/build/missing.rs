//! A pin against an incomplete checkout: which kernels there are is pinned too.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_build::archive::{Archive, Lock, Pin};

use btfhub_build::{Builder, Error, ErrorKind, Generated, Lint, OnBadEntry};
use btfhub_tests::git::git;
use btfhub_tests::{app, pack};

const DEBIAN: &str = "debian/11/x86_64/5.10.0-1-amd64";
const UBUNTU: &str = "ubuntu/20.04/x86_64/5.4.0-80-generic";
const ARM: &str = "debian/11/arm64/5.10.0-1-arm64";
const RENAMED: &str = "ubuntu/bionic/x86_64/4.15.0-20-generic";

struct Checkout(tempfile::TempDir);

impl Checkout {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        let origin = this.path("origin");
        fs::write(this.path("probe.o"), app::object(&["pid"])).unwrap();
        for kernel in [DEBIAN, UBUNTU, ARM, RENAMED] {
            pack::entry(&origin, kernel, &app::kernel(8));
        }
        symlink("bionic", origin.join("ubuntu/18.04")).unwrap();
        // None of this is an entry, though some is named like one.
        pack::write(&origin, "debian/11/x86_64/empty.btf.tar.xz", b"");
        pack::write(&origin, ".github/a/b/hidden.btf.tar.xz", b"x");
        pack::write(&origin, "README.md", b"kernels");
        for build in ["4.4.103-6.33.1-default", "4.4.103-6.33.2-default"] {
            pack::entry(&origin, &format!("sles/12/x86_64/{build}"), &app::kernel(8));
        }
        git(&origin, &["init", "-q", "-b", "main"]);
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "-q", "-m", "kernels"]);
        git(&origin, &["config", "uploadpack.allowFilter", "true"]);
        this
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn entry(&self, kernel: &str) -> PathBuf {
        self.path("origin").join(format!("{kernel}.btf.tar.xz"))
    }

    fn id(&self, revision: &str) -> String {
        git(&self.path("origin"), &["rev-parse", revision])
    }

    fn builder(&self, archive: &str) -> Builder {
        Builder::new()
            .archive(self.path(archive))
            .object(self.path("probe.o"))
            .on_bad_entry(OnBadEntry::Skip)
    }

    fn build(&self, builder: Builder) -> Result<Generated, Error> {
        builder.pin(self.id("HEAD")).generate()
    }

    /// What a build says if something is missing, in each way to pin it.
    fn refused(&self, what: &str) -> String {
        let commit = self.build(self.builder("origin"));
        let tree = self.builder("origin").pin_tree(self.id("HEAD^{tree}"));
        let said = [commit, tree.generate()].map(|built| {
            let error = (built.err()).unwrap_or_else(|| panic!("{what}: it was built"));
            assert_eq!(error.kind(), ErrorKind::Pin, "{what}: {error:?}");
            format!("{error:?}")
        });
        said.concat()
    }
}

fn missing(generated: &Generated) -> Vec<String> {
    let said = generated.diagnostics().into_iter();
    let said = said.filter(|said| said.lint() == Lint::MissingEntries);
    said.map(|said| said.message().to_owned()).collect()
}

#[test]
fn an_entry_that_is_gone_or_none_any_more_is_missed() {
    let checkout = Checkout::new();
    let whole = checkout.build(checkout.builder("origin")).unwrap();
    assert_eq!(whole.kernels().len(), 5);
    assert_eq!(missing(&whole), [""; 0]);
    let file = checkout.entry(UBUNTU);
    let good = fs::read(&file).unwrap();
    let outside = checkout.path("outside");
    fs::write(&outside, &good).unwrap();
    let instead: [(&str, &dyn Fn()); 6] = [
        ("deleted", &|| ()),
        ("empty", &|| fs::write(&file, "").unwrap()),
        ("a directory", &|| fs::create_dir(&file).unwrap()),
        ("a link out", &|| symlink(&outside, &file).unwrap()),
        ("a link to nothing", &|| symlink("nothing", &file).unwrap()),
        ("a pipe", &|| {
            let made = Command::new("mkfifo").arg(&file).status();
            assert!(made.unwrap().success());
        }),
    ];
    for (what, make) in instead {
        fs::remove_file(&file).unwrap();
        make();
        let said = checkout.refused(what);
        assert!(
            said.contains(&format!("lacks 1 entry of commit {}", checkout.id("HEAD"))),
            "{what}: {said}"
        );
        assert!(said.contains(UBUNTU), "{what}: {said}");
        // It is not missed if it is not wanted.
        for builder in [
            checkout.builder("origin").exclude("ubuntu/20.04"),
            checkout.builder("origin").arch("arm64"),
        ] {
            assert!(checkout.build(builder).is_ok(), "{what}");
        }
        let _ = fs::remove_dir(&file);
        fs::write(&outside, &good).unwrap();
        let _ = fs::remove_file(&file);
        fs::write(&file, &good).unwrap();
    }
    fs::remove_dir_all(checkout.path("origin/ubuntu")).unwrap();
    assert!(
        checkout
            .refused("a whole directory")
            .contains("lacks 2 entries")
    );
}

/// Filters match the names that hosts use.
#[test]
fn a_renamed_kernel_is_missed_by_its_number() {
    let checkout = Checkout::new();
    fs::remove_file(checkout.entry(RENAMED)).unwrap();
    let only = |filter| checkout.build(checkout.builder("origin").include(filter));
    let error = only("ubuntu/18.04").unwrap_err();
    assert!(format!("{error:?}").contains("lacks 1 entry"), "{error:?}");
    assert!(only("ubuntu/20.04").is_ok());
}

/// Without the link, the kernel would belong to no Ubuntu release.
#[test]
fn a_link_that_names_kernels_is_missed() {
    let checkout = Checkout::new();
    let link = checkout.path("origin/ubuntu/18.04");
    fs::remove_file(&link).unwrap();
    let said = checkout.refused("no link");
    assert!(said.contains("which is ubuntu/18.04/x86_64/"), "{said}");
    // As git checks it out without support for links.
    fs::write(&link, "bionic").unwrap();
    assert!(checkout.build(checkout.builder("origin")).is_ok());
}

#[test]
fn a_lock_holds_the_names_that_links_give() {
    let checkout = Checkout::new();
    let origin = checkout.path("origin");
    let lock = checkout.path("lock");
    Lock::of(&Archive::scan(&origin).unwrap(), NonZeroUsize::MIN, |_| {
        true
    })
    .unwrap()
    .write_to(&lock)
    .unwrap();
    let text = fs::read_to_string(&lock).unwrap();
    assert!(
        text.contains("  ubuntu/18.04/x86_64/4.15.0-20-generic"),
        "{text}"
    );
    let build = || checkout.builder("origin").lock(&lock).generate();
    assert!(build().is_ok());
    let link = |name: &str| origin.join("ubuntu").join(name);
    fs::rename(link("18.04"), link("20.10")).unwrap();
    assert_eq!(build().unwrap_err().kind(), ErrorKind::Pin);
    fs::remove_file(link("20.10")).unwrap();
    assert_eq!(build().unwrap_err().kind(), ErrorKind::Pin);
    symlink("bionic", link("18.04")).unwrap();
    fs::remove_file(checkout.entry(RENAMED)).unwrap();
    let part = |filter| {
        checkout
            .builder("origin")
            .lock(&lock)
            .include(filter)
            .include("debian")
    };
    assert!(part("ubuntu/18.04").generate().is_err());
    assert!(part("ubuntu/20.04").generate().is_ok());
}

/// A filter matches the names that hosts use, which may differ from file names.
#[test]
fn a_locked_entry_is_missed_by_the_name_that_hosts_use() {
    let checkout = Checkout::new();
    let lock = checkout.path("lock");
    let archive = Archive::scan(checkout.path("origin")).unwrap();
    (Lock::of(&archive, NonZeroUsize::MIN, |_| true).unwrap())
        .write_to(&lock)
        .unwrap();
    for build in ["4.4.103-6.33.1-default", "4.4.103-6.33.2-default"] {
        fs::remove_file(checkout.entry(&format!("sles/12/x86_64/{build}"))).unwrap();
    }
    let build = |filter: &str| {
        let builder = checkout.builder("origin").lock(&lock).include("debian");
        builder.include(filter).generate()
    };
    let error = build("sles/12/x86_64/4.4.103-6.33-default").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pin, "{error:?}");
    assert!(
        format!("{error}").contains("4.4.103-6.33.1-default"),
        "{error}"
    );
    assert!(build("sles/12/x86_64/4.4.103-6.34-default").is_ok());
}

/// A build reports what a sparse checkout lacks, unless it does not want that anyway.
#[test]
fn a_sparse_checkout_says_what_it_lacks() {
    let checkout = Checkout::new();
    let url = format!("file://{}", checkout.path("origin").display());
    let at = |directory: &str, arguments: &[&str]| git(&checkout.path(directory), arguments);
    at("", &["clone", "-q", "--sparse", &url, "whole"]);
    at(
        "",
        &[
            "clone",
            "-q",
            "--sparse",
            "--filter=blob:none",
            &url,
            "no blobs",
        ],
    );
    at("", &["clone", "-q", "--sparse", &url, "no trees"]);
    for name in ["whole", "no blobs", "no trees"] {
        at(name, &["sparse-checkout", "set", "debian"]);
        if name == "no trees" {
            unpack(&checkout.path(name));
            let tree = checkout.id("HEAD:ubuntu");
            let (first, rest) = tree.split_at(2);
            let objects = checkout.path(name).join(".git/objects");
            fs::remove_file(objects.join(first).join(rest)).unwrap();
        }
        let generated = checkout.build(checkout.builder(name)).unwrap();
        assert_eq!(generated.kernels().len(), 2, "{name}");
        let said = missing(&generated).concat();
        assert!(said.contains("lacks "), "{name}: {said}");
        assert!(said.contains("ubuntu"), "{name}: {said}");
        if name != "no trees" {
            assert!(said.contains("lacks 3 entries"), "{name}: {said}");
            let debian = checkout
                .build(checkout.builder(name).include("debian"))
                .unwrap();
            assert_eq!(missing(&debian), [""; 0], "{name}");
        }
        // `verify` always checks that everything is there.
        let archive = Archive::scan(checkout.path(name)).unwrap();
        let pin = Pin::Commit(checkout.id("HEAD"));
        let verify = |distro: Option<&str>| {
            let wanted = |distro: &str, entry: &str| entry == distro;
            pin.verify(&archive, NonZeroUsize::MIN, |entry| {
                distro.is_none_or(|distro| wanted(distro, entry.kernel().distro))
            })
        };
        assert_eq!(verify(None).unwrap_err().kind(), ErrorKind::Pin, "{name}");
        assert_eq!(verify(Some("debian")).is_ok(), name != "no trees", "{name}");
    }
    let worktree = [
        "worktree",
        "add",
        "-q",
        "--no-checkout",
        "--detach",
        "../work",
    ];
    at("origin", &worktree);
    at(
        "work",
        &["sparse-checkout", "set", "--no-cone", "/debian/11/arm64/*"],
    );
    at("work", &["checkout", "-q"]);
    let generated = checkout.build(checkout.builder("work")).unwrap();
    assert_eq!(generated.kernels().len(), 1);
    assert!(missing(&generated).concat().contains("lacks 4 entries"));
    assert!(Path::new(&checkout.path("origin/.git/info")).is_dir());
    assert!(checkout.build(checkout.builder("origin")).is_ok());
}

/// Unpacks a clone's objects, so that each is a file.
fn unpack(clone: &Path) {
    let script = "mv .git/objects/pack/*.pack ..; rm -f .git/objects/pack/*; \
                  for pack in ../*.pack; do git unpack-objects -q < $pack; done";
    let mut shell = Command::new("sh");
    let done = shell.args(["-c", script]).current_dir(clone).status();
    assert!(done.unwrap().success());
}
