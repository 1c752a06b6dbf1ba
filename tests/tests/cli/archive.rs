//! `list`, `check`, `add` and `remove` on small archives made here, and on the real one.

use std::process::Command;

use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::Dir;
use btfhub_tests::shared::{has_tool, shared};
use btfhub_tests::{cli_test, pack};

/// BTF with as many types as only a kernel has, of x86 by its registers.
fn kernel_btf() -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let long = btf.int("long unsigned int", 8, 0);
    btf.structure(
        "pt_regs",
        16,
        &[member("r15", long, 0), member("orig_ax", long, 8)],
    );
    btf.structure("task_struct", 8, &[member("stack", long, 0)]);
    for number in 0..1500 {
        btf.structure(
            &format!("type{number}"),
            8,
            &[member(&format!("m{}", number / 3), long, 0)],
        );
    }
    btf.finish()
}

fn archive(dir: &Dir) {
    for kernel in [
        "debian/11/x86_64/5.10.9-amd64",
        "debian/11/x86_64/5.10.10-amd64",
        "ubuntu/20.04/aarch64/5.4.0-84-generic",
    ] {
        pack::entry(&dir.path("archive"), kernel, b"none");
    }
}

cli_test!(lists_directories_and_anomalies, |dir| {
    archive(&dir);
    dir.write("archive/debian/11/x86_64/5.10.11-amd64.btf.tar.xz", "");
    let text = dir.btfhub(["list", "--archive", "archive"]).ok();
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].starts_with("debian 11    x86_64     2  5.10.9-amd64"),
        "{text}"
    );
    assert!(lines[0].ends_with("… 5.10.10-amd64"), "{text}");
    assert!(
        lines[1].starts_with("ubuntu 20.04 arm64      1  5.4.0-84-generic"),
        "{text}"
    );
    assert!(text.contains("1 anomaly:"), "{text}");
    assert!(
        text.contains("5.10.11-amd64.btf.tar.xz: empty file"),
        "{text}"
    );
});

cli_test!(lists_what_filters_leave, |dir| {
    archive(&dir);
    let list = |more: &[&str]| {
        let base = ["list", "--archive", "archive", "--kernels"];
        dir.btfhub(base.iter().chain(more)).ok()
    };
    assert_eq!(
        list(&["--arch", "aarch64"]),
        "ubuntu/20.04/arm64/5.4.0-84-generic\n"
    );
    assert_eq!(
        list(&["--include", "debian/*", "--exclude", "*5.10.9*"]),
        "debian/11/x86_64/5.10.10-amd64\n"
    );
    assert_eq!(
        list(&["--include", "<5.10"]),
        "ubuntu/20.04/arm64/5.4.0-84-generic\n"
    );
    assert_eq!(list(&["--arch", "all"]).lines().count(), 3);
    let complaint = dir
        .btfhub(["list", "--archive", "archive", "--include", "["])
        .fails(2);
    assert!(
        complaint.contains("--include: kernel filter `[`"),
        "{complaint}"
    );
});

cli_test!(an_archive_is_named_or_missed, |dir| {
    let complaint = dir.btfhub(["list"]).fails(2);
    assert!(complaint.contains("--archive DIR"), "{complaint}");
    let complaint = dir.btfhub(["list", "--archive", "nowhere"]).fails(1);
    assert!(complaint.contains("nowhere"), "{complaint}");
    archive(&dir);
    let named = dir.run(dir.command().arg("list").env("BTFHUB_ARCHIVE", "archive"));
    assert!(named.ok().contains("3 kernels"));
    let as_cargo_calls_it = dir.btfhub(["btfhub", "list", "--archive", "archive"]).ok();
    assert!(
        as_cargo_calls_it.contains("3 kernels"),
        "{as_cargo_calls_it}"
    );
});

cli_test!(usage_errors_exit_with_2, |dir| {
    let _ = dir.btfhub(["no-such-command"]).fails(2);
    let _ = dir.btfhub(["list", "--no-such-option"]).fails(2);
    let _ = dir.btfhub(["add", "x", "--archive", "a"]).fails(2);
});

cli_test!(adds_checks_and_removes, |dir| {
    let btf = kernel_btf();
    dir.write("5.10.0-mine.btf", &btf);
    let add = [
        "add",
        "5.10.0-mine.btf",
        "--archive",
        "a",
        "--distro",
        "acme",
        "--version",
        "1",
    ];
    let text = dir.btfhub(add).ok();
    assert!(
        text.starts_with("added acme/1/x86_64/5.10.0-mine\n"),
        "{text}"
    );
    let packed = std::fs::read(dir.path("a/acme/1/x86_64/5.10.0-mine.btf.tar.xz")).expect("entry");
    let decoded = btfhub_build::archive::decode(&packed, 1 << 30).expect("a good entry");
    assert_eq!(decoded.bytes(), btf);
    assert_eq!(decoded.member, "5.10.0-mine.btf");

    let again = dir.btfhub(add).ok();
    assert!(again.starts_with("already there: acme/1"), "{again}");

    let check = dir.btfhub(["check", "--archive", "a"]).ok();
    assert!(check.contains("1 kernel decoded"), "{check}");
    pack::entry(&dir.path("a"), "acme/1/x86_64/5.10.1-bad", b"no BTF at all");
    let run = dir.btfhub(["check", "--archive", "a", "--json"]);
    assert!(run.stdout.contains("5.10.1-bad"), "{}", run.stdout);
    assert!(
        !run.stdout.contains("btfhub.error"),
        "one document: {}",
        run.stdout
    );
    let _ = run.fails(1);

    let _ = dir
        .btfhub(["remove", "--archive", "a", "acme/1/x86_64/5.10.9"])
        .fails(3);
    let _ = dir
        .btfhub([
            "remove",
            "--archive",
            "a",
            "acme/1/x86_64/5.10.0-mine",
            "acme/1/x86_64/5.10.1-bad",
        ])
        .ok();
    assert_eq!(dir.files("a"), [""; 0]);
});

cli_test!(an_entry_is_not_replaced_unasked, |dir| {
    let btf = kernel_btf();
    dir.write("k.btf", &btf);
    pack::entry(&dir.path("a"), "acme/1/x86_64/5.10.0", b"other");
    let add = [
        "add",
        "k.btf",
        "--archive",
        "a",
        "--distro",
        "acme",
        "--version",
        "1",
        "--release",
        "5.10.0",
    ];
    let complaint = dir.btfhub(add).fails(1);
    assert!(complaint.contains("--replace"), "{complaint}");
    let text = dir.btfhub(add.iter().chain(&["--replace"])).ok();
    assert!(text.starts_with("replaced "), "{text}");
});

cli_test!(names_that_leave_the_archive_are_refused, |dir| {
    dir.write("k.btf", kernel_btf());
    for (distro, release) in [
        ("..", "5.10"),
        ("acme", "../5.10"),
        ("", "5.10"),
        ("a b", "5"),
    ] {
        let run = dir.btfhub([
            "add",
            "k.btf",
            "--archive",
            "a",
            "--distro",
            distro,
            "--version",
            "1",
            "--release",
            release,
        ]);
        let _ = run.fails(2);
    }
    assert!(!dir.has("a"));
});

cli_test!(says_what_an_unusable_file_lacks, |dir| {
    dir.write("text", "hello");
    dir.write("empty", "");
    let add = |file| {
        dir.btfhub([
            "add",
            file,
            "--archive",
            "a",
            "--distro",
            "d",
            "--version",
            "1",
            "--release",
            "5",
        ])
        .fails(1)
    };
    assert!(
        add("text").contains("text: no BTF found"),
        "{}",
        add("text")
    );
    assert!(add("empty").contains("empty file"));
    assert!(add("missing").contains("cannot read missing"));
});

/// Tools that compress as kernel builds do, from stdin.
const PACKERS: [(&str, &[&str]); 6] = [
    ("gzip", &["-n", "-9"]),
    ("xz", &["--check=crc32", "--x86", "--lzma2=dict=32MiB"]),
    ("zstd", &["-22", "--ultra"]),
    ("lz4", &["-l", "-9"]),
    ("bzip2", &["-9"]),
    ("xz", &["--format=lzma", "-9"]),
];

cli_test!(unpacks_every_compression_of_kernels, |dir| {
    let btf = kernel_btf();
    // A flat image: code, the banner, BTF, more code.
    let mut image = vec![0x90; 4096];
    image.extend_from_slice(b"Linux version 5.10.0-30-cloud-amd64 (me@here) #1\n\0");
    image.resize(image.len().next_multiple_of(16), 0);
    image.extend_from_slice(&btf);
    image.resize(image.len() + 9999, 0xcc);
    dir.write("Image", &image);
    for (at, (tool, arguments)) in PACKERS.iter().enumerate() {
        if !has_tool(tool) {
            continue;
        }
        let input = std::fs::File::open(dir.path("Image")).expect("the image");
        let packed = Command::new(tool)
            .args(*arguments)
            .arg("-c")
            .stdin(input)
            .output()
            .expect("a compressor");
        assert!(packed.status.success(), "{tool}");
        let mut vmlinuz = b"MZ boot code ".repeat(100);
        vmlinuz.extend_from_slice(&packed.stdout);
        vmlinuz.extend_from_slice(&u32::try_from(image.len()).expect("small").to_le_bytes());
        vmlinuz.resize(vmlinuz.len() + 1000, 0);
        let name = format!("vmlinuz{at}");
        dir.write(&name, &vmlinuz);
        let out = format!("a{at}");
        let text = dir
            .btfhub([
                "add",
                &name,
                "--archive",
                &out,
                "--distro",
                "d",
                "--version",
                "1",
            ])
            .ok();
        assert!(
            text.starts_with("added d/1/x86_64/5.10.0-30-cloud-amd64"),
            "{tool}: {text}"
        );
        let entry = dir
            .path(out)
            .join("d/1/x86_64/5.10.0-30-cloud-amd64.btf.tar.xz");
        let packed = std::fs::read(entry).expect("an entry");
        let decoded = btfhub_build::archive::decode(&packed, 1 << 30).expect("a good entry");
        assert_eq!(decoded.bytes(), btf, "{tool} {arguments:?}");
    }
});

cli_test!(the_shared_archive, |dir| {
    let Some(shared) = shared() else { return };
    let archive = shared.join("archive");
    let archive = archive.to_str().expect("UTF-8");
    let list = dir.btfhub(["list", "--archive", archive]).ok();
    assert!(list.contains("65 kernels in 13 directories"), "{list}");
    let check = dir
        .btfhub([
            "check",
            "--archive",
            archive,
            "--include",
            "kylin/*",
            "--include",
            "centos/*",
        ])
        .ok();
    assert!(check.contains("3 kernels decoded"), "{check}");
    assert!(check.contains("476 structs task_struct"), "{check}");
});

cli_test!(encodes_dwarf_with_pahole, |dir| {
    if !has_tool("pahole") || !has_tool("cc") {
        return;
    }
    let fields: String = (0..40).map(|n| format!("int field{n};")).collect();
    dir.write(
        "vmlinux.c",
        format!("struct task_struct {{ {fields} }} init_task; int main(void) {{ return 0; }}"),
    );
    let _ = dir
        .run(Command::new("cc").args(["-g", "-o", "vmlinux-6.6.6-mine", "vmlinux.c"]))
        .ok();
    let add = |archive: &str| {
        let mut command = dir.command();
        command.args(["add", "vmlinux-6.6.6-mine", "--archive", archive]);
        command.args(["--distro", "acme", "--version", "1"]);
        command
    };
    let text = dir.run(&mut add("a")).ok();
    assert!(
        text.contains("DWARF of an ELF file, encoded by pahole"),
        "{text}"
    );
    let arch = btfhub_runtime::Arch::new(std::env::consts::ARCH);
    let file = dir.path(format!("a/acme/1/{arch}/6.6.6-mine.btf.tar.xz"));
    let packed = std::fs::read(file).expect("an entry");
    let decoded = btfhub_build::archive::decode(&packed, 1 << 30).expect("a good entry");
    let btf = btfhub_build::btf::Btf::parse(decoded.bytes()).expect("BTF");
    let names: Vec<_> = btf
        .ids()
        .filter_map(|id| btf.ty(id))
        .map(|ty| btf.string(ty.name()))
        .collect();
    assert!(names.contains(&&b"task_struct"[..]));

    // Without pahole, the error says what to install.
    let complaint = dir.run(add("b").env("PATH", dir.path("nowhere"))).fails(1);
    assert!(
        complaint.contains("install the package dwarves"),
        "{complaint}"
    );
    assert!(!dir.has("b"));
});

cli_test!(completions_and_manual, |dir| {
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.btfhub(["completions", shell]).ok();
        assert!(
            script.contains("tailor") && script.contains("cargo-btfhub"),
            "{shell}"
        );
    }
    let page = dir.btfhub(["man"]).ok();
    assert!(
        page.contains(".TH cargo-btfhub 1") && page.contains(".SH EXIT STATUS\n.nf\n"),
        "{page}"
    );
    let _ = dir.btfhub(["man", "--out", "man"]).ok();
    for page in ["", "-tailor", "-atlas", "-atlas-build"] {
        let page = format!("man/cargo-btfhub{page}.1");
        let text = std::fs::read_to_string(dir.path(&page)).expect(&page);
        assert!(text.contains("\\-\\-json"), "{page}: {text}");
    }
    let help = dir.btfhub(["--help"]).ok();
    let list = help.split("Commands:\n").nth(1).expect("commands");
    let commands = (list.lines().take_while(|line| !line.is_empty()))
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty());
    let commands: Vec<&str> = commands.filter(|command| *command != "help").collect();
    assert!(commands.len() >= 16, "{commands:?}");
    for command in commands {
        let help = dir.btfhub([command, "--help"]).ok();
        assert!(
            help.contains("--json") && help.contains(&format!("Usage: cargo btfhub {command}")),
            "{help}"
        );
    }
});

cli_test!(a_tree_of_plain_btf_is_an_archive, |dir| {
    // As btfgen.sh writes it, and as unpacking leaves it.
    dir.write("a/debian/11/x86_64/5.10.9-amd64.btf", kernel_btf());
    dir.write("a/ubuntu/20.04/arm64/5.4.0-84-generic.btf", kernel_btf());
    pack::entry(
        &dir.path("a"),
        "debian/11/x86_64/5.10.10-amd64",
        &kernel_btf(),
    );
    let list = dir.btfhub(["list", "--archive", "a"]).ok();
    assert!(list.contains("3 kernels in 2 directories"), "{list}");
    assert!(!list.contains("anomal"), "{list}");
    let check = dir.btfhub(["check", "--archive", "a"]).ok();
    assert!(check.contains("3 kernels decoded"), "{check}");
    assert!(!check.contains("the tar calls it"), "{check}");

    // The same bundle as from packed entries.
    for kernel in [
        "debian/11/x86_64/5.10.9-amd64",
        "ubuntu/20.04/arm64/5.4.0-84-generic",
    ] {
        pack::entry(&dir.path("packed"), kernel, &kernel_btf());
    }
    pack::entry(
        &dir.path("packed"),
        "debian/11/x86_64/5.10.10-amd64",
        &kernel_btf(),
    );
    let guard = btfhub_tests::objects::own_dir().join("guard.bpf.o");
    std::fs::copy(guard, dir.path("o")).expect("a copy");
    let tailor = |archive: &str, out: &str| {
        let of = [
            "tailor",
            "--archive",
            archive,
            "--object",
            "o",
            "--out",
            out,
        ];
        let _ = dir.btfhub(of).ok();
        dir.files(out)
            .into_iter()
            .map(|file| {
                let bytes = std::fs::read(dir.path(out).join(&file)).expect("a file");
                (file, bytes)
            })
            .collect::<Vec<_>>()
    };
    let tailored = tailor("a", "t");
    assert_eq!(tailored, tailor("packed", "u"));
    assert_eq!(tailored.len(), 3);
    // What `tailor` wrote is such a tree.
    let list = dir.btfhub(["list", "--archive", "t"]).ok();
    assert!(list.contains("3 kernels in 2 directories"), "{list}");

    let _ = dir.btfhub(["lock", "--archive", "a", "--out", "l"]).ok();
    let bundle = ["bundle", "--archive", "a", "--object", "o", "--out", "b"];
    let _ = dir.btfhub(bundle.iter().chain(&["--pin", "lock:l"])).ok();
    dir.write("a/debian/11/x86_64/5.10.9-amd64.btf", "none");
    let complaint = dir.btfhub(bundle).fails(1);
    assert!(
        complaint.contains("5.10.9-amd64.btf: not BTF"),
        "{complaint}"
    );
});
