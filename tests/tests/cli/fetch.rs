//! `fetch` from a local repository over file://.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use btfhub_tests::cli::{Dir, binary};
use btfhub_tests::shared::{has_tool, skip};
use btfhub_tests::{cli_test, pack};

fn git(dir: &Dir, repository: &str, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(dir.path(repository));
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").args(arguments);
    dir.run(&mut git).ok()
}

/// An archive in a repository: three kernels, a codename link, a second commit that adds a
/// kernel. Returns the commits.
fn upstream(dir: &Dir) -> [String; 2] {
    let root = dir.path("upstream");
    for (kernel, content) in [
        ("debian/10/x86_64/4.19.0-27-amd64", "one"),
        ("ubuntu/18.04/x86_64/4.15.0-20-generic", "two"),
        ("ubuntu/20.04/arm64/5.4.0-84-generic", "three"),
    ] {
        pack::entry(&root, kernel, content.repeat(1000).as_bytes());
    }
    symlink("18.04", root.join("ubuntu/bionic")).expect("a link");
    dir.write("upstream/README.md", "an archive");
    git(dir, "upstream", &["init", "-q", "-b", "main"]);
    // As on public hosts.
    git(
        dir,
        "upstream",
        &["config", "uploadpack.allowFilter", "true"],
    );
    git(
        dir,
        "upstream",
        &["config", "uploadpack.allowAnySHA1InWant", "true"],
    );
    git(dir, "upstream", &["add", "-A"]);
    git(dir, "upstream", &["commit", "-qm", "three kernels"]);
    let first = git(dir, "upstream", &["rev-parse", "HEAD"])
        .trim()
        .to_owned();
    pack::entry(&root, "ubuntu/20.04/x86_64/5.4.0-90-generic", b"four");
    git(dir, "upstream", &["add", "-A"]);
    git(dir, "upstream", &["commit", "-qm", "one more"]);
    let second = git(dir, "upstream", &["rev-parse", "HEAD"])
        .trim()
        .to_owned();
    [first, second]
}

fn url(dir: &Dir) -> String {
    format!("file://{}", dir.path("upstream").display())
}

/// How many of the commit's blobs the checkout holds.
fn blobs(dir: &Dir, repository: &str) -> usize {
    git(
        dir,
        repository,
        &[
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objecttype)",
        ],
    )
    .lines()
    .filter(|kind| *kind == "blob")
    .count()
}

cli_test!(kernels_go_by_the_number_that_a_link_gives, |dir| {
    if !has_tool("git") {
        return;
    }
    let root = dir.path("upstream");
    pack::entry(&root, "ubuntu/bionic/x86_64/4.15.0-20-generic", b"one");
    pack::entry(&root, "ubuntu/20.04/x86_64/5.4.0-84-generic", b"two");
    symlink("bionic", root.join("ubuntu/18.04")).expect("a link");
    git(&dir, "upstream", &["init", "-q", "-b", "main"]);
    git(&dir, "upstream", &["add", "-A"]);
    git(&dir, "upstream", &["commit", "-qm", "a codename"]);
    let head = git(&dir, "upstream", &["rev-parse", "HEAD"]);
    let (url, pin) = (url(&dir), head.trim());
    let fetch = ["fetch", "--pin", pin, "--out", "out", "--url", &url];
    let text = dir.btfhub([&fetch[..], &["--include", "ubuntu/18.04"]].concat());
    assert!(text.ok().starts_with("1 kernel, "));
    assert_eq!(
        dir.files("out"),
        [
            "ubuntu/18.04",
            "ubuntu/bionic/x86_64/4.15.0-20-generic.btf.tar.xz"
        ]
    );
});

cli_test!(fetches_only_what_is_included, |dir| {
    if !has_tool("git") {
        return;
    }
    let [first, _] = upstream(&dir);
    let url = url(&dir);
    let fetch = |include: &str| {
        dir.btfhub([
            "fetch",
            "--pin",
            &first,
            "--out",
            "out",
            "--url",
            &url,
            "--include",
            include,
        ])
    };
    let text = fetch("ubuntu/18.04/*").ok();
    assert!(text.starts_with("1 kernel, "), "{text}");
    assert!(text.contains(&first), "{text}");
    assert_eq!(
        dir.files("out"),
        [
            "ubuntu/18.04/x86_64/4.15.0-20-generic.btf.tar.xz",
            "ubuntu/bionic"
        ]
    );
    assert_eq!(
        blobs(&dir, "out"),
        2,
        "the entry and the link, no other content"
    );

    let list = dir.btfhub(["list", "--archive", "out", "--kernels"]).ok();
    assert_eq!(list, "ubuntu/18.04/x86_64/4.15.0-20-generic\n");

    // More patterns later: only what is missing is requested.
    let text = fetch("ubuntu/*").ok();
    assert!(
        text.contains("2 kernels, ") && text.contains("(1 file requested now)"),
        "{text}"
    );
    let text = fetch("ubuntu/*").ok();
    assert!(text.contains("(0 files requested now)"), "{text}");
    let _ = fetch("fedora/*").fails(3);
});

cli_test!(moves_to_another_pin, |dir| {
    if !has_tool("git") {
        return;
    }
    let [first, second] = upstream(&dir);
    let url = url(&dir);
    let fetch = |pin: &str| dir.btfhub(["fetch", "--pin", pin, "--out", "out", "--url", &url]);
    assert!(fetch(&first).ok().starts_with("3 kernels"));
    assert!(!dir.has("out/README.md"), "entries and links only");
    assert!(fetch(&second).ok().starts_with("4 kernels"));
    assert_eq!(git(&dir, "out", &["rev-parse", "HEAD"]).trim(), second);
    assert!(fetch(&first).ok().starts_with("3 kernels"));
    assert!(!dir.has("out/ubuntu/20.04/x86_64"));

    // A failed fetch leaves nothing behind.
    let nowhere = format!("{url}-nowhere");
    let other = [
        "fetch", "--pin", &first, "--out", "other", "--url", &nowhere,
    ];
    let complaint = dir.btfhub(other).fails(1);
    assert!(complaint.contains("is --url right"), "{complaint}");
    assert!(!dir.has("other"));
    let complaint = fetch(&"0".repeat(40)).fails(3);
    assert!(complaint.contains("has no commit 0000"), "{complaint}");
    let complaint = fetch("main").fails(2);
    assert!(complaint.contains("not a full commit id"), "{complaint}");
    let complaint = fetch(&first[..12]).fails(2);
    assert!(complaint.contains("not a full commit id"), "{complaint}");
});

cli_test!(goes_on_after_an_interruption, |dir| {
    if !has_tool("git") {
        return;
    }
    let [first, _] = upstream(&dir);
    let url = url(&dir);
    let fetch = || {
        dir.btfhub([
            "fetch", "--pin", &first, "--out", "out", "--url", &url, "--json",
        ])
    };
    // What a killed run leaves: a repository with the commit, but no checkout.
    std::fs::create_dir(dir.path("out")).expect("a directory");
    git(&dir, "out", &["init", "-q"]);
    git(&dir, "out", &["config", "btfhub.fetch", "true"]);
    git(
        &dir,
        "out",
        &[
            "fetch",
            "-q",
            "--depth=1",
            "--filter=blob:none",
            &url,
            &first,
        ],
    );
    let json = fetch().ok();
    assert!(json.contains(r#""kernels": 3"#), "{json}");
    // A file that went missing comes back.
    let lost = dir.path("out/debian/10/x86_64/4.19.0-27-amd64.btf.tar.xz");
    std::fs::remove_file(&lost).expect("a file");
    let _ = fetch().ok();
    assert!(lost.exists());
    // A changed file does not pass as the commit's.
    std::fs::write(&lost, "other").expect("a write");
    let complaint = fetch().fails(1);
    assert!(complaint.contains("4.19.0-27-amd64"), "{complaint}");
});

cli_test!(leaves_other_directories_alone, |dir| {
    if !has_tool("git") {
        return;
    }
    let [first, _] = upstream(&dir);
    dir.write("out/mine", "keep");
    let url = url(&dir);
    let complaint = dir
        .btfhub(["fetch", "--pin", &first, "--out", "out", "--url", &url])
        .fails(2);
    assert!(complaint.contains("name a new directory"), "{complaint}");
    assert_eq!(dir.files("out"), ["mine"]);
    // The user's own repository, at any commit.
    git(&dir, "out", &["init", "-q"]);
    git(
        &dir,
        "out",
        &["remote", "add", "origin", "https://example.org/mine"],
    );
    for commits in 0..2 {
        let before = std::fs::read(dir.path("out/.git/config")).expect("a configuration");
        let complaint = dir
            .btfhub(["fetch", "--pin", &first, "--out", "out", "--url", &url])
            .fails(2);
        assert!(
            complaint.contains("name a new directory"),
            "{commits}: {complaint}"
        );
        assert_eq!(dir.files("out"), ["mine"]);
        assert_eq!(
            std::fs::read(dir.path("out/.git/config")).expect("it"),
            before
        );
        git(&dir, "out", &["add", "-A"]);
        git(&dir, "out", &["commit", "-qm", "mine", "--allow-empty"]);
    }
    // An incomplete one, inside another.
    std::fs::create_dir_all(dir.path("out/below/.git")).expect("a directory");
    let inner = [
        "fetch",
        "--pin",
        &first,
        "--out",
        "out/below",
        "--url",
        &url,
    ];
    assert!(dir.btfhub(inner).ok().starts_with("3 kernels"));
    assert_eq!(
        git(&dir, "out", &["config", "remote.origin.url"]).trim(),
        "https://example.org/mine"
    );
    // A GIT_DIR of the caller has no effect.
    let run = dir.run(
        dir.command()
            .args(["fetch", "--pin", &first, "--out", "new", "--url", &url])
            .env("GIT_DIR", dir.path("elsewhere")),
    );
    let _ = run.ok();
    assert!(dir.has("new/.git") && !dir.has("elsewhere"));
});

/// Links and pipes in places where git writes, reads or cleans up.
#[test]
fn nothing_is_written_through_what_others_left() {
    let dir = Dir::new();
    if !has_tool("git") {
        return;
    }
    let [first, second] = upstream(&dir);
    let url = url(&dir);
    let fetch = |pin: &str| {
        let mut timeout = Command::new("timeout");
        timeout.arg("60").arg(binary()).args(["btfhub", "fetch"]);
        dir.run(timeout.args(["--pin", pin, "--out", "out", "--url", &url]))
    };
    let _ = fetch(&first).ok();
    let victim = dir.path("victim");
    let instead = |path: &str, make: &dyn Fn(&Path)| {
        let path = dir.path(format!("out/.git/{path}"));
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(&path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        make(&path);
    };
    let link = |path: &Path| symlink(&victim, path).expect("a link");
    let pipe = |path: &Path| {
        let _ = dir.run(Command::new("mkfifo").arg(path)).ok();
    };
    // A shell that reads the log as a script would run the name of the branch.
    dir.write("victim", "");
    instead("logs/HEAD", &link);
    dir.write("out/.git/HEAD", "ref: refs/heads/x;touch${IFS}ran;\n");
    let _ = fetch(&second).ok();
    assert_eq!(std::fs::read(&victim).expect("the file"), b"");
    for path in ["HEAD", "shallow", "packed-refs", "objects/pack/x"] {
        for make in [&link as &dyn Fn(&Path), &pipe] {
            instead(path, make);
            let _ = fetch(&second).ok();
            assert_eq!(std::fs::read(&victim).expect("the file"), b"", "{path}");
        }
    }
    std::fs::remove_file(&victim).expect("the file");
    let _ = fetch(&first).ok();
    for path in ["objects/pack", "info", "refs", "refs/heads", "logs"] {
        dir.write("victim/tmp_precious", "");
        dir.write("victim/sparse-checkout.lock", "");
        // Without its objects, nothing tells what an earlier run wrote.
        instead(path, &link);
        let _ = fetch(&second).ok();
        let _ = fetch(&first).ok();
        let there = dir.files("victim");
        assert_eq!(there, ["sparse-checkout.lock", "tmp_precious"], "{path}");
    }
    instead("index", &pipe);
    let _ = fetch(&second).ok();
}

/// The index of `out`, with added files of any name.
fn hostile_index(dir: &Dir, files: &[(&str, &str)]) -> Vec<u8> {
    const IS_EXTENDED: u16 = 0x4000;
    const SKIP_WORKTREE: u16 = 0x4000;
    let honest = std::fs::read(dir.path("out/.git/index")).expect("an index");
    let (head, honest) = honest.split_at(12);
    let mut index = b"DIRC\0\0\0\x03".to_vec();
    index.extend([head[8], head[9], head[10], head[11] + files.len() as u8]);
    for (name, content) in files {
        dir.write("blob", content);
        let id = git(
            dir,
            "out",
            &["hash-object", "--no-filters", "-w", "../blob"],
        );
        let mut entry = vec![0; 40];
        entry[24..28].copy_from_slice(&0o100_755_u32.to_be_bytes());
        entry.extend(u8_of_hex(id.trim()));
        entry.extend((name.len() as u16 | IS_EXTENDED).to_be_bytes());
        entry.extend(SKIP_WORKTREE.to_be_bytes());
        entry.extend(name.bytes());
        entry.resize(entry.len() / 8 * 8 + 8, 0);
        index.extend(entry);
    }
    // They come first, because entries are sorted. git does not check the hash at the end.
    index.extend(honest);
    index
}

fn u8_of_hex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("digits")
    });
    pairs.collect()
}

/// Anyone who had the directory in between may have left anything in it.
#[test]
fn nothing_that_others_left_is_run_or_believed() {
    let dir = Dir::new();
    if !has_tool("git") {
        return;
    }
    let [first, second] = upstream(&dir);
    // No excluded files.
    git(&dir, "upstream", &["rm", "-q", "README.md"]);
    git(&dir, "upstream", &["commit", "-qm", "entries only"]);
    let head = git(&dir, "upstream", &["rev-parse", "HEAD"]);
    let whole = head.trim().to_owned();
    let url = url(&dir);
    let fetch = |pin: &str| dir.btfhub(["fetch", "--pin", pin, "--out", "out", "--url", &url]);
    let _ = fetch(&first).ok();

    let script = dir.path("script").display().to_string();
    dir.write("script", format!("#!/bin/sh\ntouch {script}.ran\ncat\n"));
    let _ = dir.run(Command::new("chmod").args(["+x", "script"])).ok();
    let poison = || {
        for hook in [
            "post-checkout",
            "post-index-change",
            "reference-transaction",
            "pre-auto-gc",
            "fsmonitor-watchman",
            "post-merge",
        ] {
            std::fs::create_dir_all(dir.path("out/.git/hooks")).expect("a directory");
            std::fs::copy(&script, dir.path(format!("out/.git/hooks/{hook}"))).expect("a hook");
        }
        for (key, value) in [
            ("core.fsmonitor", script.as_str()),
            ("core.hooksPath", ".git/hooks"),
            ("core.sshCommand", &script),
            ("core.gitProxy", &script),
            ("core.askPass", &script),
            ("core.worktree", "/nowhere"),
            ("core.alternateRefsCommand", &script),
            ("core.autocrlf", "true"),
            ("credential.helper", &script),
            ("remote.origin.uploadpack", &script),
            ("remote.origin.vcs", "x"),
            ("url.file:///nowhere/.insteadOf", "file://"),
            ("filter.x.smudge", &script),
            ("filter.x.clean", &script),
            ("filter.x.process", &script),
            ("submodule.recurse", "true"),
            ("extensions.worktreeConfig", "true"),
            ("include.path", "included"),
            ("gc.auto", "1"),
            ("gc.recentObjectsHook", &script),
        ] {
            let config = ["config", "--file", "out/.git/config", key, value];
            let _ = dir.run(Command::new("git").args(config)).ok();
        }
        let fsmonitor = format!("[core]\n\tfsmonitor = {script}\n");
        dir.write("out/.git/included", &fsmonitor);
        dir.write("out/.git/config.worktree", &fsmonitor);
        dir.write("out/.git/info/attributes", "* filter=x text eol=crlf\n");
        dir.write("out/.gitattributes", "* filter=x text eol=crlf\n");
        dir.write("out/.git/info/grafts", "");
        dir.write("out/.git/remotes/origin", "URL: /nowhere\n");
        dir.write("out/.git/objects/info/alternates", "/nowhere\n");
    };
    let filter = format!("[filter \"x\"]\n\tsmudge = {script}\n");
    for pin in [&second, &first, &first, &whole, &whole] {
        let index = hostile_index(
            &dir,
            &[
                ("../outside", "theirs"),
                (".git/config.worktree", &filter),
                (".git/info/attributes", "* filter=x\n"),
            ],
        );
        poison();
        dir.write("out/.git/index", index);
        let lost = dir.path("out/debian/10/x86_64/4.19.0-27-amd64.btf.tar.xz");
        std::fs::remove_file(lost).expect("an entry");
        let before = std::fs::metadata(dir.path("script.ran")).is_ok();
        assert!(!before);
        let kernels = if *pin == first {
            "3 kernels"
        } else {
            "4 kernels"
        };
        let run = fetch(pin);
        assert!(!dir.has("outside"), "something was written elsewhere");
        assert!(!dir.has("script.ran"), "something of theirs was run");
        let text = run.ok();
        assert!(text.starts_with(kernels), "{text}");
        let built = dir.btfhub(["lock", "--archive", "out", "--out", "lock"]);
        let _ = built.ok();
    }
    // A link in place of the configuration is not written through.
    dir.write(
        "mine",
        std::fs::read(dir.path("out/.git/config")).expect("it"),
    );
    let mine = std::fs::read(dir.path("mine")).expect("it");
    std::fs::remove_file(dir.path("out/.git/config")).expect("it");
    symlink(dir.path("mine"), dir.path("out/.git/config")).expect("a link");
    let other = format!("{url}/.git");
    let _ = dir
        .btfhub(["fetch", "--pin", &first, "--out", "out", "--url", &other])
        .ok();
    assert_eq!(std::fs::read(dir.path("mine")).expect("it"), mine);
}

/// Who owns the directory can change the configuration after it was cleaned.
#[test]
fn a_directory_of_another_user_is_refused() {
    let dir = Dir::new();
    let id = dir.run(Command::new("id").arg("-u")).ok();
    if !has_tool("git") || !has_tool("setpriv") || id != "0\n" {
        return skip("only root can give a directory to somebody else");
    }
    let [first, _] = upstream(&dir);
    let url = url(&dir);
    let fetch_first = ["fetch", "--pin", &first, "--out", "out", "--url", &url];
    let fetch = || dir.btfhub(fetch_first);
    let chown = |user: &str, path: &str| {
        let _ = dir.run(Command::new("chown").args([user, path])).ok();
    };
    let _ = dir.run(Command::new("mkdir").arg("out")).ok();
    // Nor is a process of theirs waited for.
    let sleep = dir.path("git-sleeps");
    std::fs::copy("/bin/sleep", &sleep).expect("a copy");
    let public = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(""), public).expect("permissions");
    let mut process = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(sleep)
        .arg("600")
        .current_dir(dir.path("out"))
        .spawn()
        .expect("a process");
    std::thread::sleep(Duration::from_millis(200));
    let said = dir.run(
        Command::new("timeout")
            .arg("60")
            .arg(binary())
            .args(fetch_first),
    );
    process.kill().expect("a process");
    process.wait().expect("a process");
    assert!(!said.stderr.contains("waiting"), "{}", said.stderr);
    let _ = said.ok();
    for path in ["out", "out/.git"] {
        chown("nobody", path);
        let said = fetch().fails(2);
        assert!(said.contains("belongs to another user"), "{said}");
        chown("root", path);
        let _ = fetch().ok();
    }
}

/// An index that names the good id for a bad file, and a tree under the id of another.
#[test]
fn forged_files_and_objects_are_refused() {
    let dir = Dir::new();
    if !has_tool("git") {
        return;
    }
    let [first, _] = upstream(&dir);
    let url = url(&dir);
    let fetch = || dir.btfhub(["fetch", "--pin", &first, "--out", "out", "--url", &url]);
    let _ = fetch().ok();
    // A file that git is told not to look at.
    let file = "ubuntu/18.04/x86_64/4.15.0-20-generic.btf.tar.xz";
    let good = std::fs::read(dir.path("out").join(file)).expect("an entry");
    let _ = git(&dir, "out", &["update-index", "--assume-unchanged", file]);
    dir.write(format!("out/{file}"), "another");
    let complaint = fetch().fails(1);
    assert!(complaint.contains("it was modified"), "{complaint}");
    dir.write(format!("out/{file}"), good);
    let _ = fetch().ok();

    // Under the good ids: trees without a file, with another's, and the empty tree.
    for (what, bad) in [
        ("", "HEAD:debian"),
        (":ubuntu", "HEAD:debian"),
        (":debian", ""),
    ] {
        let _ = std::fs::remove_dir_all(dir.path("out"));
        let _ = fetch().ok();
        let id = |what: &str| {
            let id = git(&dir, "out", &["rev-parse", what]);
            id.trim().to_owned()
        };
        let good = id(&format!(
            "HEAD{}",
            if what.is_empty() { "^{tree}" } else { what }
        ));
        let tree = if bad.is_empty() {
            git(&dir, "out", &["mktree", "--missing"]).trim().to_owned()
        } else {
            id(bad)
        };
        // All loose, so that git finds the forged one.
        let loose = "cd out && mv .git/objects/pack ../aside && \
             for pack in ../aside/*.pack; do git unpack-objects -q < $pack; done";
        let _ = dir.run(Command::new("sh").args(["-c", loose])).ok();
        let path = |id: &str| {
            let (first, rest) = id.split_at(2);
            dir.path("out/.git/objects").join(first).join(rest)
        };
        let bad = std::fs::read(path(&tree)).expect("a tree");
        std::fs::remove_file(path(&good)).expect("the good one");
        std::fs::write(path(&good), bad).expect("a forged tree");
        let complaint = fetch().fails(1);
        let said = format!("something else as git's object {good}");
        assert!(complaint.contains(&said), "{what}: {complaint}");
        std::fs::remove_dir_all(dir.path("aside")).expect("it");
    }
}

/// A pinned tree may be anything, and git makes trees with any name.
#[test]
fn trees_that_lead_out_are_refused() {
    let dir = Dir::new();
    if !has_tool("git") {
        return;
    }
    let [first, _] = upstream(&dir);
    let entries = git(&dir, "upstream", &["ls-tree", &first]);
    for name in ["..", ".", ".git", ".GIT"] {
        let debian = git(&dir, "upstream", &["rev-parse", &format!("{first}:debian")]);
        dir.write(
            "tree",
            format!("{entries}040000 tree {}\t{name}\n", debian.trim()),
        );
        let tree = dir
            .run(Command::new("sh").args(["-c", "git -C upstream mktree <tree"]))
            .ok();
        let commit = git(&dir, "upstream", &["commit-tree", "-mx", tree.trim()]);
        let out = format!("out{name}");
        let fetch = [
            "fetch",
            "--pin",
            commit.trim(),
            "--url",
            &url(&dir),
            "--out",
            &out,
        ];
        let complaint = dir.btfhub(fetch).fails(1);
        let said = format!("names a file `{name}`, which no checkout may have");
        assert!(complaint.contains(&said), "{complaint}");
    }
}

/// Killed with everything that it started, or alone so that its git goes on: the next call
/// finishes either way. `BTFHUB_KILLS` says how often.
#[test]
fn killed_at_any_moment() {
    let dir = Dir::new();
    if !has_tool("git") {
        return;
    }
    let root = dir.path("upstream");
    let mut random = btfhub_tests::derive::Random::new(7);
    for number in 0..300 {
        let content: Vec<u8> = (0..3000).map(|_| random.below(256) as u8).collect();
        pack::entry(&root, &format!("debian/11/x86_64/5.10.{number}"), &content);
    }
    git(&dir, "upstream", &["init", "-q"]);
    for option in ["allowFilter", "allowAnySHA1InWant"] {
        git(
            &dir,
            "upstream",
            &["config", &format!("uploadpack.{option}"), "true"],
        );
    }
    git(&dir, "upstream", &["add", "-A"]);
    git(&dir, "upstream", &["commit", "-qm", "many"]);
    let pin = git(&dir, "upstream", &["rev-parse", "HEAD"]);
    let url = url(&dir);
    let fetch = |out: &str| {
        let mut command = dir.command();
        command.args(["fetch", "--pin", pin.trim(), "--url", &url, "--out", out]);
        command
    };
    let begin = Instant::now();
    let _ = dir.run(&mut fetch("whole")).ok();
    let whole = begin.elapsed();
    let files = dir.files("whole");
    assert_eq!(files.len(), 300);

    let kills: u32 = (std::env::var("BTFHUB_KILLS").ok())
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(16);
    let mut unfinished = 0;
    for kill in 0..kills {
        let out = format!("out{}", kill / 4);
        let mut running = fetch(&out)
            .current_dir(dir.path(""))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("it starts");
        std::thread::sleep(whole * (random.below(100) as u32) / 100);
        let alone = kill % 2 == 0;
        let target = format!("{}{}", if alone { "" } else { "-" }, running.id());
        let _ = dir.run(Command::new("kill").args(["-9", "--", &target]));
        unfinished += u32::from(!running.wait().expect("its end").success());
        // Four kills in a row, then to the end.
        if kill % 4 == 3 {
            let text = dir.run(&mut fetch(&out)).ok();
            assert!(text.starts_with("300 kernels, "), "{text}");
            assert_eq!(dir.files(&out), files);
            let status = git(&dir, &out, &["status", "--porcelain"]);
            assert_eq!(status, "");
            let left = Command::new("find")
                .arg(dir.path(&out).join(".git"))
                .args(["-name", "*.lock", "-o", "-name", "tmp_pack*"])
                .output();
            assert_eq!(left.expect("find").stdout, b"");
        }
    }
    println!("{kills} killed, {unfinished} of them before the end");
    assert!(unfinished > 0);
}
