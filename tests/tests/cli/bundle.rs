//! `tailor`, `bundle`, `inspect`, `verify`, `select` and `lock`.

use std::path::{Path, PathBuf};

use btfhub_tests::cli::Dir;
use btfhub_tests::kernels::entries;
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::modes::{OpenObject, Target, walk};
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::shared::shared;
use btfhub_tests::{cli_test, pack};

const EXECWATCH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/execwatch/src/execwatch.bpf.o"
);
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/archive");

/// A made-up kernel's BTF.
fn variant(name: &str) -> Vec<u8> {
    let elf = std::fs::read(own_dir().join(format!("guard.{name}.btf.o"))).expect("an object");
    LocalObject::parse(name, &elf).expect("an object").btf
}

/// An archive of made-up kernels, and an object.
fn made_up(dir: &Dir) -> PathBuf {
    let root = dir.path("archive");
    for (kernel, btf) in [
        ("ubuntu/18.04/x86_64/5.4.0-80-generic", "before"),
        ("ubuntu/20.04/x86_64/5.4.0-80-generic", "after"),
        ("centos/8/aarch64/4.18.0-147.el8.aarch64", "neither"),
        ("rhel/8/arm64/4.18.0-147.el8.aarch64", "neither"),
        ("debian/11/x86_64/5.10.0-9-amd64", "after"),
    ] {
        pack::entry(&root, kernel, &variant(btf));
    }
    own_dir().join("guard.bpf.o")
}

fn bundle(dir: &Dir) -> PathBuf {
    let object = made_up(dir);
    let object = object.to_str().expect("UTF-8");
    let text = dir
        .btfhub([
            "bundle",
            "--archive",
            "archive",
            "--object",
            object,
            "--out",
            "b.btfhub",
        ])
        .ok();
    assert!(
        text.starts_with("b.btfhub: 5 kernels, 3 classes, "),
        "{text}"
    );
    dir.path("b.btfhub")
}

/// libbpf's core on every file of a tailored tree, against the full BTF.
fn same_for_libbpf(archive: &Path, tree: &Dir, out: &str, object: &str) -> usize {
    let elf = std::fs::read(object).expect("an object");
    let local = LocalObject::parse("object", &elf).expect("an object");
    let object = OpenObject::open(local).expect("libbpf reads it");
    let entries = entries(archive);
    for entry in &entries {
        let name = entry
            .name
            .replace("/aarch64/", "/arm64/")
            .replace(".tar.xz", "");
        let tailored = std::fs::read(tree.path(out).join(&name)).expect(&name);
        let full = Target::parse(&entry.btf()).expect("libbpf reads the full BTF");
        let tailored = Target::parse(&tailored).expect("libbpf reads the tailored BTF");
        assert_eq!(
            walk(&object, &tailored).comparable(&object),
            walk(&object, &full).comparable(&object),
            "{name}"
        );
    }
    entries.len()
}

cli_test!(tailors_the_examples_as_libbpf_wants_them, |dir| {
    let text = dir
        .btfhub([
            "tailor",
            "--archive",
            EXAMPLES,
            "--object",
            EXECWATCH,
            "--out",
            "out",
        ])
        .ok();
    let kernels = same_for_libbpf(Path::new(EXAMPLES), &dir, "out", EXECWATCH);
    assert!(
        text.starts_with(&format!("{kernels} kernels in out, ")),
        "{text}"
    );
    assert_eq!(
        dir.files("out").len(),
        kernels,
        "one file per kernel, nothing else"
    );
});

cli_test!(tailors_the_shared_archive_as_libbpf_wants_it, |dir| {
    let Some(shared) = shared() else { return };
    let archive = shared.join("archive");
    let root = archive.to_str().expect("UTF-8");
    let _ = dir
        .btfhub([
            "tailor",
            "--archive",
            root,
            "--object",
            EXECWATCH,
            "--out",
            "out",
        ])
        .ok();
    let kernels = same_for_libbpf(&archive, &dir, "out", EXECWATCH);
    println!("{kernels} kernels: libbpf's core sees the same through the tailored tree");
});

cli_test!(the_tree_is_the_same_at_any_number_of_jobs, |dir| {
    let object = made_up(&dir);
    let object = object.to_str().expect("UTF-8");
    let tailor = |out: &str, jobs: &str| {
        dir.btfhub([
            "tailor",
            "--archive",
            "archive",
            "--object",
            object,
            "--out",
            out,
            "--jobs",
            jobs,
        ])
        .ok()
    };
    let _ = tailor("one", "1");
    let _ = tailor("many", "7");
    let files = dir.files("one");
    assert_eq!(
        files,
        [
            "centos/8/arm64/4.18.0-147.el8.aarch64.btf",
            "debian/11/x86_64/5.10.0-9-amd64.btf",
            "rhel/8/arm64/4.18.0-147.el8.aarch64.btf",
            "ubuntu/18.04/x86_64/5.4.0-80-generic.btf",
            "ubuntu/20.04/x86_64/5.4.0-80-generic.btf",
        ]
    );
    assert_eq!(files, dir.files("many"));
    for file in files {
        let read = |tree: &str| std::fs::read(dir.path(tree).join(&file)).expect("a file");
        assert_eq!(read("one"), read("many"), "{file}");
    }
});

cli_test!(arch_and_filters_choose, |dir| {
    let object = made_up(&dir);
    let object = object.to_str().expect("UTF-8");
    let files = |more: &[&str]| {
        let out = format!("out{}", more.join("").replace(['/', '*', '-'], ""));
        let base = [
            "tailor",
            "--archive",
            "archive",
            "--object",
            object,
            "--out",
            &out,
        ];
        let _ = dir.btfhub(base.iter().chain(more)).ok();
        dir.files(out)
    };
    assert_eq!(files(&["--arch", "arm64"]).len(), 2);
    assert_eq!(files(&["--arch", "aarch64"]).len(), 2);
    assert_eq!(files(&["--arch", "all"]).len(), 5);
    assert_eq!(files(&["--include", "ubuntu/*"]).len(), 2);
    assert_eq!(
        files(&[
            "--include",
            "ubuntu/*",
            "--include",
            "debian/*",
            "--exclude",
            "*/18.04/*"
        ])
        .len(),
        2
    );
    let base = [
        "tailor",
        "--archive",
        "archive",
        "--object",
        object,
        "--out",
        "none",
    ];
    let run = dir.btfhub(base.iter().chain(&["--arch", "riscv64"]));
    assert!(
        run.status == Some(3) && run.stderr.contains("arm64 (2), x86_64 (3)"),
        "{}",
        run.stderr
    );
    assert!(!dir.has("none"), "nothing is left behind");
});

cli_test!(bad_input_is_named_and_nothing_left, |dir| {
    let object = made_up(&dir);
    let object = object.to_str().expect("UTF-8");
    dir.write("archive/debian/11/x86_64/5.10.1-bad.btf.tar.xz", "not xz");
    dir.write("text.o", "hello");
    let tailor = |object: &str, more: &[&str]| {
        let base = [
            "tailor",
            "--archive",
            "archive",
            "--object",
            object,
            "--out",
            "out",
        ];
        dir.btfhub(base.iter().chain(more))
    };
    let complaint = tailor(object, &[]).fails(1);
    assert!(complaint.contains("5.10.1-bad"), "{complaint}");
    assert!(!dir.has("out"));
    let complaint = tailor("text.o", &[]).fails(1);
    assert!(
        complaint.contains("text.o: not a 64-bit ELF file"),
        "{complaint}"
    );
    let complaint = tailor("missing.o", &[]).fails(1);
    assert!(complaint.contains("missing.o"), "{complaint}");
    let run = tailor(object, &["--skip-bad"]);
    assert!(run.stderr.contains("left out: "), "{}", run.stderr);
    let _ = run.ok();
    assert_eq!(dir.files("out").len(), 5);
    let _ = dir
        .btfhub(["tailor", "--archive", "archive", "--object", object])
        .fails(2);
    let _ = dir
        .btfhub(["tailor", "--archive", "archive", "--out", "out"])
        .fails(2);
});

cli_test!(another_vmlinux_h_makes_no_bundle_stale, |dir| {
    let [first, second] = ["a", "b"].map(|name| own_dir().join(format!("offset_{name}.bpf.o")));
    let args = |command: &[&str], object: &Path| {
        let object = object.to_str().expect("UTF-8").to_owned();
        let mut args: Vec<String> = command.iter().map(|&arg| arg.to_owned()).collect();
        args.extend(["--archive".to_owned(), EXAMPLES.to_owned()]);
        args.extend(["--object".to_owned(), object]);
        args
    };
    let _ = dir
        .btfhub(args(&["bundle", "--out", "b.btfhub"], &first))
        .ok();
    let text = dir.btfhub(args(&["verify", "b.btfhub"], &second)).ok();
    assert!(text.contains("for 1 relocation"), "{text}");
    for (out, object) in [("first", &first), ("second", &second)] {
        let _ = dir.btfhub(args(&["tailor", "--out", out], object)).ok();
    }
    let files = dir.files("first");
    assert!(!files.is_empty());
    for file in files {
        let read = |tree: &str| std::fs::read(dir.path(tree).join(&file)).expect("a file");
        assert_eq!(read("first"), read("second"), "{file}");
    }
});

// Each option takes one value, so that arguments can be in any order.
cli_test!(options_and_files_in_any_order, |dir| {
    let file = bundle(&dir);
    let object = own_dir().join("guard.bpf.o");
    let (file, object) = (
        file.to_str().expect("UTF-8"),
        object.to_str().expect("UTF-8"),
    );
    let options = ["--archive", "archive", "--object", object];
    let _ = dir
        .btfhub(["verify"].iter().chain(&options).chain(&[file]))
        .ok();
    let _ = dir.btfhub(["verify", file].iter().chain(&options)).ok();
    // What newcomers try.
    let complaint = dir.btfhub(["list", "archive"]).fails(2);
    assert!(complaint.contains("--archive archive"), "{complaint}");
    // `select` accepts both options for an architecture.
    for word in ["--machine", "--arch"] {
        let release = "5.10.0-9-amd64";
        let text = dir
            .btfhub(["select", file, "--release", release, word, "x86_64"])
            .ok();
        assert!(text.starts_with("debian/11/x86_64/"), "{text}");
    }
    // A kernel by the archive's own path.
    let args = ["atlas", "build", "--archive", "archive", "--out", "a.atlas"];
    let _ = dir.btfhub(args).ok();
    for arch in ["arm64", "aarch64"] {
        let kernel = format!("centos/8/{arch}/4.18.0-147.el8.aarch64");
        let args = ["atlas", "extract", "a.atlas", &kernel, "--out", "k.btf"];
        let _ = dir.btfhub(args).ok();
    }
});

cli_test!(differences_are_told_together, |dir| {
    let file = bundle(&dir);
    let object = own_dir().join("guard.bpf.o");
    pack::entry(
        &dir.path("wrong"),
        "debian/9/x86_64/4.9.0-1-amd64",
        &variant("after"),
    );
    let object = object.to_str().expect("UTF-8");
    let file = file.to_str().expect("UTF-8");
    let run = dir.btfhub(["verify", file, "--archive", "wrong", "--object", object]);
    assert_eq!(
        run.stdout.lines().next(),
        Some(
            "centos/8/arm64/4.18.0-147.el8.aarch64, debian/11/x86_64/5.10.0-9-amd64, \
             rhel/8/arm64/4.18.0-147.el8.aarch64, ubuntu/18.04/x86_64/5.4.0-80-generic, \
             ubuntu/20.04/x86_64/5.4.0-80-generic: is not in the archive"
        )
    );
    let _ = run.fails(1);
});

cli_test!(inspects_what_was_bundled, |dir| {
    let file = bundle(&dir);
    let file = file.to_str().expect("UTF-8");
    let text = dir.btfhub(["inspect", file]).ok();
    assert!(text.contains("object      guard.bpf.o  sha256 "), "{text}");
    assert!(
        text.contains("ubuntu/18.04/x86_64: 1 kernel, 1 class"),
        "{text}"
    );
    let kernels = dir.btfhub(["inspect", file, "--kernels"]).ok();
    assert_eq!(kernels.lines().count(), 5, "{kernels}");
    let json = dir.btfhub(["inspect", file, "--json"]).ok();
    let bytes = std::fs::metadata(file).expect("a file").len();
    for expected in [
        "\"kernels\": 5,".to_owned(),
        "\"classes\": 3,".to_owned(),
        format!("\"bytes\": {bytes},"),
        "\"kernel\": \"rhel/8/arm64/4.18.0-147.el8.aarch64\"".to_owned(),
    ] {
        assert!(json.contains(&expected), "{expected} is not in {json}");
    }
    dir.write("text", "hello");
    let complaint = dir.btfhub(["inspect", "text"]).fails(1);
    assert!(complaint.contains("text"), "{complaint}");
});

cli_test!(verifies_what_is_and_refuses_what_is_not, |dir| {
    let file = bundle(&dir);
    let file = file.to_str().expect("UTF-8");
    let object = own_dir().join("guard.bpf.o");
    let object = object.to_str().expect("UTF-8");
    let verify =
        |object: &str| dir.btfhub(["verify", file, "--archive", "archive", "--object", object]);
    let text = verify(object).ok();
    assert!(text.contains("5 kernels in 3 classes verified"), "{text}");
    let complaint = verify(EXECWATCH).fails(1);
    assert!(
        complaint.contains("made for different relocations"),
        "{complaint}"
    );

    pack::entry(
        &dir.path("archive"),
        "debian/11/x86_64/5.10.0-9-amd64",
        &variant("before"),
    );
    let run = verify(object);
    assert!(
        run.stdout
            .contains("debian/11/x86_64/5.10.0-9-amd64: relocation ")
            && run.stdout.contains("resolves differently"),
        "{}",
        run.stdout
    );
    let _ = run.fails(1);
    std::fs::remove_file(dir.path("archive/debian/11/x86_64/5.10.0-9-amd64.btf.tar.xz"))
        .expect("it");
    let run = verify(object);
    assert!(
        run.stdout.contains("is not in the archive"),
        "{}",
        run.stdout
    );
    let _ = run.fails(1);
});

cli_test!(selects_and_says_why, |dir| {
    let file = bundle(&dir);
    let file = file.to_str().expect("UTF-8");
    dir.write("focal", "ID=ubuntu\nVERSION_ID=\"20.04\"\n");
    let select = |more: &[&str]| dir.btfhub(["select", file].iter().chain(more));
    let first = |more: &[&str]| {
        let text = select(more).ok();
        text.lines().next().expect("a line").to_owned()
    };
    let clash = ["--release", "5.4.0-80-generic", "--machine", "x86_64"];
    assert_eq!(
        first(&["--release", "5.10.0-9-amd64", "--machine", "x86_64"]),
        "debian/11/x86_64/5.10.0-9-amd64"
    );
    let hwe = [
        "--version-string",
        "#90~18.04.1-Ubuntu SMP Tue Jul 13 19:40:02 UTC 2021",
    ];
    assert_eq!(
        first(&[&clash[..], &hwe].concat()),
        "ubuntu/18.04/x86_64/5.4.0-80-generic"
    );
    assert_eq!(
        first(&[&clash[..], &["--os-release", "focal"]].concat()),
        "ubuntu/20.04/x86_64/5.4.0-80-generic"
    );
    // Two publishers, one class: the first entry of it.
    assert_eq!(
        first(&[
            "--release",
            "4.18.0-147.el8.aarch64",
            "--machine",
            "aarch64"
        ]),
        "centos/8/arm64/4.18.0-147.el8.aarch64"
    );

    let run = select(&clash);
    assert_eq!(run.stdout, "");
    let complaint = run.fails(4);
    assert!(
        complaint.contains("ubuntu/18.04/x86_64/5.4.0-80-generic"),
        "{complaint}"
    );
    assert!(
        complaint.contains("ubuntu/20.04/x86_64/5.4.0-80-generic"),
        "{complaint}"
    );
    let complaint = select(&["--release", "5.4.0-81-generic", "--machine", "x86_64"]).fails(3);
    assert!(complaint.contains("no BTF in the bundle"), "{complaint}");
    let _ = select(&["--machine", "x86_64"]).fails(2);
});

cli_test!(selects_for_a_root_directory_and_writes_the_btf, |dir| {
    let file = bundle(&dir);
    let file = file.to_str().expect("UTF-8");
    dir.write("root/proc/sys/kernel/osrelease", "5.4.0-80-generic\n");
    dir.write("root/proc/sys/kernel/arch", "x86_64\n");
    dir.write("root/proc/sys/kernel/version", "#90-Ubuntu SMP\n");
    dir.write(
        "root/host/etc/os-release",
        "ID=ubuntu\nVERSION_ID=\"20.04\"\n",
    );
    let text = dir
        .btfhub(["select", file, "--root", "root", "--out", "got.btf"])
        .ok();
    assert!(
        text.starts_with("ubuntu/20.04/x86_64/5.4.0-80-generic\n"),
        "{text}"
    );
    let object = own_dir().join("guard.bpf.o");
    let _ = dir
        .btfhub([
            "tailor",
            "--archive",
            "archive",
            "--out",
            "out",
            "--object",
            object.to_str().expect("UTF-8"),
        ])
        .ok();
    assert_eq!(
        std::fs::read(dir.path("got.btf")).expect("written"),
        std::fs::read(dir.path("out/ubuntu/20.04/x86_64/5.4.0-80-generic.btf")).expect("tailored")
    );
    // The options override the root's files.
    let _ = dir
        .btfhub(["select", file, "--root", "root", "--release", "9.9"])
        .fails(3);
    let json = dir
        .btfhub(["select", file, "--root", "root", "--json"])
        .ok();
    assert!(
        json.contains("\"kernel\": \"ubuntu/20.04/x86_64/5.4.0-80-generic\""),
        "{json}"
    );
});

cli_test!(locks_and_pins, |dir| {
    let object = made_up(&dir);
    let object = object.to_str().expect("UTF-8");
    let text = dir.btfhub(["lock", "--archive", "archive"]).ok();
    assert!(
        text.starts_with("btfhub.lock: 5 entries, fingerprint "),
        "{text}"
    );
    assert!(
        dir.btfhub(["lock", "--archive", "archive"])
            .ok()
            .contains("unchanged")
    );
    let _ = dir.btfhub(["lock", "--archive", "archive", "--check"]).ok();
    let pinned = || {
        dir.btfhub([
            "bundle",
            "--archive",
            "archive",
            "--object",
            object,
            "--out",
            "b",
            "--pin",
            "lock:btfhub.lock",
        ])
    };
    let _ = pinned().ok();
    let pin = dir.btfhub(["inspect", "b"]).ok();
    assert!(pin.contains("archive     lock "), "{pin}");

    pack::entry(
        &dir.path("archive"),
        "debian/11/x86_64/5.10.0-9-amd64",
        &variant("before"),
    );
    let _ = dir
        .btfhub(["lock", "--archive", "archive", "--check"])
        .fails(1);
    std::fs::remove_file(dir.path("b")).expect("a bundle");
    let complaint = pinned().fails(1);
    assert!(complaint.contains("5.10.0-9-amd64"), "{complaint}");
    assert!(!dir.has("b"));
});

cli_test!(a_manifest_stands_for_options, |dir| {
    let object = made_up(&dir);
    std::fs::copy(object, dir.path("guard.bpf.o")).expect("a copy");
    let package = |name: &str, table: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
             [package.metadata.btfhub]\n{table}"
        )
    };
    let table = "archive = \"../archive\"\nobjects = \"../*.bpf.o\"\nexclude = [\"ubuntu/*\"]\n";
    dir.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"agent\", \"other\"]\nresolver = \"2\"\n",
    );
    dir.write("agent/Cargo.toml", package("agent", table));
    dir.write("agent/src/lib.rs", "");
    dir.write(
        "other/Cargo.toml",
        "[package]\nname = \"other\"\nversion = \"0.1.0\"\n",
    );
    dir.write("other/src/lib.rs", "");

    // From the root, the only package with the table is used.
    let text = dir.btfhub(["bundle", "--out", "b"]).ok();
    assert!(text.starts_with("b: 3 kernels, 2 classes, "), "{text}");
    let list = dir.btfhub(["list", "--kernels"]).ok();
    assert_eq!(list.lines().count(), 3, "{list}");
    // Another member does not use it.
    let mut other = dir.command();
    other.args(["bundle", "--out", "b"]);
    let complaint = dir.run_in("other", &mut other).fails(2);
    assert!(complaint.contains("no archive"), "{complaint}");
    // Options override it.
    let text = dir
        .btfhub(["bundle", "--out", "b", "--exclude", "rhel/*"])
        .ok();
    assert!(text.starts_with("b: 4 kernels, "), "{text}");
    assert!(dir.btfhub(["report"]).ok().contains(", on 3 kernels"));

    dir.write("other/Cargo.toml", package("other", table));
    let complaint = dir.btfhub(["list"]).fails(2);
    assert!(complaint.contains("--manifest-path"), "{complaint}");
    let list = dir
        .btfhub(["list", "--kernels", "--manifest-path", "other/Cargo.toml"])
        .ok();
    assert_eq!(list.lines().count(), 3, "{list}");
    // The table's architectures apply unless others are given.
    let archs = format!("{table}arch = [\"x86_64\"]\n");
    dir.write("other/Cargo.toml", package("other", &archs));
    let of_arch = |more: &[&str]| {
        let base = ["list", "--kernels", "--manifest-path", "other/Cargo.toml"];
        dir.btfhub(base.iter().chain(more)).ok().lines().count()
    };
    assert_eq!(of_arch(&[]), 1);
    assert_eq!(of_arch(&["--arch", "arm64"]), 2);
    assert_eq!(of_arch(&["--arch", "all"]), 3);
    let mut there = dir.command();
    there.args(["list", "--kernels"]);
    let list = dir.run_in("agent", &mut there).ok();
    assert_eq!(list.lines().count(), 3, "{list}");
    dir.write("other/Cargo.toml", package("other", "archvie = \"x\"\n"));
    let complaint = dir
        .btfhub(["list", "--manifest-path", "other/Cargo.toml"])
        .fails(2);
    assert!(complaint.contains("archvie"), "{complaint}");
});
