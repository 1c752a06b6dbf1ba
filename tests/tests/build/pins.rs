//! Pins with every form of checkout that git has.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use btfhub_build::archive::{Archive, Lock};
use btfhub_build::{Builder, Error, ErrorKind, Pin};
use btfhub_runtime::Bundle;
use btfhub_tests::app;
use btfhub_tests::git::{can_init, git};
use btfhub_tests::pack;

const FIRST: &str = "debian/11/x86_64/5.10.0-1-amd64";
const SECOND: &str = "ubuntu/20.04/x86_64/5.4.0-80-generic";

struct Repository {
    directory: tempfile::TempDir,
}

impl Repository {
    /// A repository `origin` with an archive at its top, and an object next to it.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let this = Self { directory };
        fs::write(this.path("probe.o"), app::object(&["pid"])).unwrap();
        let origin = this.path("origin");
        pack::entry(&origin, FIRST, &app::kernel(8));
        pack::entry(&origin, SECOND, &app::kernel(16));
        pack::write(&origin, "README.md", b"kernels");
        git(&origin, &["init", "-q", "-b", "main"]);
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "-q", "-m", "one"]);
        git(&origin, &["config", "uploadpack.allowFilter", "true"]);
        this
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(self.directory.path(), arguments)
    }

    fn head(&self) -> String {
        git(&self.path("origin"), &["rev-parse", "HEAD"])
    }

    fn builder(&self, archive: &str) -> Builder {
        Builder::new()
            .archive(self.path(archive))
            .object(self.path("probe.o"))
    }

    /// The pin that the archive's bundle records, if the archive is at the commit.
    fn pinned(&self, archive: &str) -> Result<String, Error> {
        pin_of(&self.builder(archive).pin(self.head()))
    }
}

fn pin_of(builder: &Builder) -> Result<String, Error> {
    let generated = builder.generate()?;
    let bundle = Bundle::parse(generated.bundle()).unwrap();
    Ok(bundle.provenance().unwrap().pins.join(";"))
}

fn refusal(result: Result<String, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pin, "{error:?}");
    format!("{error:?}")
}

#[test]
fn every_form_of_checkout_is_at_its_commit() {
    let repository = Repository::new();
    let head = repository.head();
    let url = format!("file://{}", repository.path("origin").display());
    let at_commit = |archive: &str| {
        let pinned = repository
            .pinned(archive)
            .unwrap_or_else(|error| panic!("{archive}: {error:?}"));
        assert_eq!(pinned, format!("commit {head}"), "{archive}");
    };
    at_commit("origin");
    let upper = repository.builder("origin").pin(head.to_uppercase());
    assert_eq!(pin_of(&upper).unwrap(), format!("commit {head}"));

    repository.git(&["clone", "-q", "--depth", "1", &url, "shallow"]);
    at_commit("shallow");
    repository.git(&[
        "-C",
        "origin",
        "worktree",
        "add",
        "-q",
        "--detach",
        "../worktree",
    ]);
    assert!(repository.path("worktree/.git").is_file());
    at_commit("worktree");
    repository.git(&["init", "-q", "-b", "main", "super"]);
    repository.git(&["-C", "super", "submodule", "--quiet", "add", &url, "btf"]);
    assert!(repository.path("super/btf/.git").is_file());
    at_commit("super/btf");
    repository.git(&["clone", "-q", "--filter=blob:none", &url, "lazy"]);
    at_commit("lazy");

    repository.git(&[
        "clone",
        "-q",
        "--filter=blob:none",
        "--sparse",
        &url,
        "sparse",
    ]);
    repository.git(&["-C", "sparse", "sparse-checkout", "set", "debian"]);
    at_commit("sparse");
    let generated = repository.builder("sparse").generate().unwrap();
    assert_eq!(generated.kernels().len(), 1);

    // Objects in other places and other forms.
    let reftable = ["--ref-format=reftable"];
    for (name, options) in [
        ("shared", &["--shared"][..]),
        ("reftable", &reftable),
        ("bare-refs", &["-c", "core.logAllRefUpdates=false"]),
    ] {
        if options == reftable && !can_init(&reftable) {
            continue;
        }
        repository.git(&[&["clone", "-q"], options, &["origin", name]].concat());
        at_commit(name);
    }
    assert!(
        repository
            .path("shared/.git/objects/info/alternates")
            .is_file()
    );
    repository.git(&["-C", "super", "submodule", "--quiet", "absorbgitdirs"]);
    at_commit("super/btf");

    // The copied index has different times and inodes from the copied files.
    let copied = std::process::Command::new("cp")
        .args(["-r", "origin", "copied"])
        .current_dir(repository.directory.path())
        .status();
    assert!(copied.unwrap().success());
    at_commit("copied");
}

#[test]
fn a_lazy_clone_is_not_fetched_from() {
    let repository = Repository::new();
    let url = format!("file://{}", repository.path("origin").display());
    repository.git(&[
        "clone",
        "-q",
        "--filter=tree:0",
        "--no-checkout",
        &url,
        "lazy",
    ]);
    for kernel in [FIRST, SECOND] {
        pack::entry(&repository.path("lazy"), kernel, &app::kernel(8));
    }
    let head = git(&repository.path("lazy"), &["rev-parse", "HEAD"]);
    // With or without a remote to fetch from.
    for origin in ["there", "gone"] {
        let refused = refusal(pin_of(&repository.builder("lazy").pin(&head)));
        assert!(
            refused.contains("the repository has no object"),
            "{origin}: {refused}"
        );
        assert!(
            refused.contains("a build fetches nothing"),
            "{origin}: {refused}"
        );
        let _ = fs::rename(repository.path("origin/.git"), repository.path("gone"));
    }
}

#[test]
fn what_git_is_told_not_to_look_at_is_not_trusted() {
    let repository = Repository::new();
    let origin = repository.path("origin");
    let file = format!("{FIRST}.btf.tar.xz");
    for (blind, seeing) in [
        ("--assume-unchanged", "--no-assume-unchanged"),
        ("--skip-worktree", "--no-skip-worktree"),
    ] {
        git(&origin, &["update-index", blind, &file]);
        pack::entry(&origin, FIRST, &app::kernel(99));
        assert_eq!(git(&origin, &["status", "--porcelain"]), "", "git is blind");
        let refused = refusal(repository.pinned("origin"));
        assert!(refused.contains("it was modified"), "{refused}");
        let others = repository.builder("origin").exclude("debian");
        assert!(pin_of(&others.pin(repository.head())).is_ok());
        git(&origin, &["update-index", seeing, &file]);
        git(&origin, &["checkout", "-q", "--", &file]);
        assert!(repository.pinned("origin").is_ok());
    }
}

#[test]
fn a_commit_is_what_its_id_says_whatever_replaces_it() {
    let repository = Repository::new();
    let origin = repository.path("origin");
    let first = repository.head();
    pack::entry(&origin, FIRST, &app::kernel(99));
    git(&origin, &["commit", "-q", "-a", "-m", "two"]);
    let second = repository.head();
    git(&origin, &["reset", "-q", "--soft", &first]);
    git(&origin, &["replace", &first, &second]);
    assert_eq!(
        git(&origin, &["status", "--porcelain"]),
        "",
        "git is misled"
    );
    let refused = refusal(repository.pinned("origin"));
    assert!(refused.contains("it was modified"), "{refused}");
}

#[test]
fn used_files_are_the_commits_and_others_do_not_matter() {
    let repository = Repository::new();
    let origin = repository.path("origin");
    fs::write(origin.join("README.md"), "changed").unwrap();
    assert!(repository.pinned("origin").is_ok());

    let file = origin.join(format!("{FIRST}.btf.tar.xz"));
    let bytes = fs::read(&file).unwrap();
    // The same size and time, which a careless comparison misses.
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&file, changed).unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let refused = refusal(repository.pinned("origin"));
    let blob = git(&origin, &["rev-parse", &format!("HEAD:{FIRST}.btf.tar.xz")]);
    let now = git(&origin, &["hash-object", file.to_str().unwrap()]);
    let both = format!("{FIRST}.btf.tar.xz is {now}, but the pin says {blob}: it was modified");
    assert!(refused.contains(&both), "{refused}");
    let excluded = repository
        .builder("origin")
        .exclude("debian")
        .pin(repository.head());
    assert!(pin_of(&excluded).is_ok(), "a file that is not used");
    fs::write(&file, bytes).unwrap();
    assert!(repository.pinned("origin").is_ok());

    let staged = "debian/11/x86_64/5.10.0-9-amd64";
    pack::entry(&origin, staged, &app::kernel(8));
    assert!(
        refusal(repository.pinned("origin")).contains(staged),
        "untracked"
    );
    git(&origin, &["add", "."]);
    assert!(
        refusal(repository.pinned("origin")).contains(staged),
        "staged"
    );
    git(&origin, &["reset", "-q"]);
    fs::write(origin.join(".git/info/exclude"), "*.xz").unwrap();
    assert!(
        refusal(repository.pinned("origin")).contains(staged),
        "ignored"
    );
}

#[test]
fn a_linked_in_directory_is_not_in_the_commit() {
    let repository = Repository::new();
    let origin = repository.path("origin");
    pack::entry(
        &repository.path("outside"),
        "10/x86_64/4.19.0-1-amd64",
        &app::kernel(0),
    );
    std::os::unix::fs::symlink("../outside", origin.join("linked")).unwrap();
    git(&origin, &["add", "linked"]);
    git(&origin, &["commit", "-q", "-m", "a link"]);
    assert!(repository.pinned("origin").is_ok(), "it is left out");
    let followed = repository.builder("origin").follow_links();
    let refused = refusal(pin_of(&followed.pin(repository.head())));
    assert!(refused.contains("linked/10/x86_64"), "{refused}");
}

#[test]
fn a_folder_of_another_repository_has_a_tree() {
    let repository = Repository::new();
    let mono = repository.path("mono");
    let folder = mono.join("third party/btf");
    pack::entry(&folder, FIRST, &app::kernel(8));
    git(&mono, &["init", "-q", "-b", "main"]);
    git(&mono, &["add", "."]);
    git(&mono, &["commit", "-q", "-m", "one"]);
    let tree = git(&mono, &["rev-parse", "HEAD:third party/btf"]);
    let builder = repository.builder("mono/third party/btf");
    assert_eq!(
        pin_of(&builder.clone().pin_tree(&tree)).unwrap(),
        format!("tree {tree}")
    );

    // The rest of the repository changes; the tree stays the same.
    pack::write(&mono, "src/main.rs", b"fn main() {}");
    git(&mono, &["add", "."]);
    git(&mono, &["commit", "-q", "-m", "two"]);
    assert!(pin_of(&builder.clone().pin_tree(&tree)).is_ok());
    let head = git(&mono, &["rev-parse", "HEAD"]);
    let refused = refusal(pin_of(&builder.clone().pin(head)));
    assert!(refused.contains(&tree), "it says what to pin: {refused}");
    pack::entry(&folder, SECOND, &app::kernel(8));
    git(&mono, &["add", "."]);
    git(&mono, &["commit", "-q", "-m", "three"]);
    let refused = refusal(pin_of(&builder.pin_tree(&tree)));
    let now = git(&mono, &["rev-parse", "HEAD:third party/btf"]);
    assert!(
        refused.contains(&tree) && refused.contains(&now),
        "both values: {refused}"
    );

    let whole = git(&repository.path("origin"), &["rev-parse", "HEAD^{tree}"]);
    assert!(pin_of(&repository.builder("origin").pin_tree(whole)).is_ok());
}

#[test]
fn a_lock_knows_every_entry() {
    let repository = Repository::new();
    let origin = repository.path("origin");
    let archive = Archive::scan(&origin).unwrap();
    let all = Lock::of(&archive, NonZeroUsize::MIN, |_| true).unwrap();
    assert_eq!(all.len(), 2);
    let file = repository.path("btfhub.lock");
    all.write_to(&file).unwrap();
    assert_eq!(Lock::read(&file).unwrap(), all);
    let locked = |builder: Builder| pin_of(&builder.lock(&file));
    let builder = || repository.builder("origin");
    assert_eq!(
        locked(builder()).unwrap(),
        format!("lock {}", all.fingerprint())
    );
    assert!(
        locked(builder().include("debian")).is_ok(),
        "a part of what is locked"
    );

    let entry = origin.join(format!("{FIRST}.btf.tar.xz"));
    let bytes = fs::read(&entry).unwrap();
    fs::remove_file(&entry).unwrap();
    let refused = refusal(locked(builder()));
    assert!(refused.contains("1 locked entry is missing"), "{refused}");
    assert!(locked(builder().include("ubuntu")).is_ok(), "not missed");
    pack::entry(&origin, FIRST, &app::kernel(9));
    let refused = refusal(locked(builder()));
    assert!(
        refused.contains(FIRST) && refused.contains("but the lock says"),
        "{refused}"
    );
    // A policy for damaged entries does not apply to foreign ones.
    let skipping = builder().on_bad_entry(btfhub_build::OnBadEntry::Skip);
    assert!(refusal(locked(skipping)).contains(FIRST));
    fs::write(&entry, bytes).unwrap();
    pack::entry(&origin, "debian/11/x86_64/5.10.0-9-amd64", &app::kernel(8));
    let refused = refusal(locked(builder()));
    assert!(refused.contains("1 is not locked"), "{refused}");
}

#[test]
fn without_a_pin_the_bundle_says_what_was_used() {
    let repository = Repository::new();
    let pin = pin_of(&repository.builder("origin")).unwrap();
    assert!(pin.starts_with("content "), "{pin}");
    repository.git(&["clone", "-q", "origin", "clone"]);
    fs::remove_dir_all(repository.path("clone/.git")).unwrap();
    assert_eq!(
        pin_of(&repository.builder("clone")).unwrap(),
        pin,
        "on any path"
    );
    pack::entry(&repository.path("clone"), FIRST, &app::kernel(9));
    assert_ne!(pin_of(&repository.builder("clone")).unwrap(), pin);
}

#[test]
fn several_archives_have_a_pin_each() {
    let repository = Repository::new();
    let (one, other) = (repository.path("origin"), repository.path("own"));
    pack::entry(&other, "own/1/x86_64/6.9.0-own", &app::kernel(8));
    let head = repository.head();
    let builder = || Builder::new().object(repository.path("probe.o"));
    let misconfigured = |builder: &Builder| {
        let error = builder.generate().expect_err("it makes no sense");
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        error.to_string()
    };

    // Which archive the pin is for would depend on an order, or on a variable.
    for named in [
        builder().archive(&one).archive(&other).pin(&head),
        builder().pin(&head).archive(&one).archive(&other),
        builder().archive(&other).pin(&head).archive(&one),
    ] {
        let refused = misconfigured(&named);
        assert!(
            refused.contains("pins one archive, but 2 are named"),
            "{refused}"
        );
    }
    let refused = misconfigured(&builder().pin(&head));
    assert!(refused.contains("no BTF archive was named"), "{refused}");

    let commit = || Pin::Commit(head.clone());
    let pinned = builder().pinned_archive(&one, commit()).archive(&other);
    assert!(pin_of(&pinned).is_ok(), "{:?}", pin_of(&pinned));
    let refused = refusal(pin_of(
        &builder().archive(&one).pinned_archive(&other, commit()),
    ));
    assert!(refused.contains("is not in a git checkout"), "{refused}");
    let twice = builder().pinned_archive(&one, commit()).pin(&head);
    assert!(misconfigured(&twice).contains("a second time"));
}
