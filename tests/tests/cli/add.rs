//! `add`: the name under which a kernel is filed, what is not accepted as a kernel, and how much
//! an image may cost.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use btfhub_build::archive::{DEFAULT_LIMIT, decode};
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::{Dir, Run, binary};
use btfhub_tests::shared::has_tool;
use btfhub_tests::{cli_test, pack};

const RELEASE: &str = "5.3.18-24.102-default";

/// BTF that passes for a kernel's, of x86 by its registers.
fn kernel() -> BtfBuilder {
    let mut btf = BtfBuilder::new();
    let long = btf.int("long unsigned int", 8, 0);
    let registers = [member("r15", long, 0), member("orig_ax", long, 8)];
    btf.structure("pt_regs", 16, &registers);
    btf.structure("task_struct", 8, &[member("stack", long, 0)]);
    btf
}

fn add(dir: &Dir, file: &str, more: &[&str]) -> Run {
    let base = [
        "add",
        file,
        "--archive",
        "a",
        "--distro",
        "d",
        "--version",
        "1",
    ];
    dir.btfhub(base.iter().chain(more))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

cli_test!(files_are_called_as_kernels_are, |dir| {
    let btf = kernel().finish();
    let entry = {
        pack::entry(&dir.path("made"), "d/1/x86_64/vmlinux", &btf);
        std::fs::read(dir.path("made/d/1/x86_64/vmlinux.btf.tar.xz")).expect("an entry")
    };
    for (name, content) in [
        ("R.btf", &btf),
        ("vmlinux-R", &btf),
        ("vmlinux-R.btf", &btf),
        ("vmlinux-R.debug", &btf),
        ("R.vmlinux", &btf),
        ("R.vmlinux.btf", &btf),
        ("R.btf.gz", &gzip(&btf)),
        ("vmlinux-R.btf.gz", &gzip(&btf)),
        ("R.btf.xz", &pack::xz(&btf)),
        ("R.vmlinux.btf.xz", &pack::xz(&btf)),
        ("R.btf.tar.xz", &entry),
        ("vmlinux-R.btf.tar.xz", &entry),
        ("usr/lib/modules/R/vmlinux", &btf),
        ("lib/modules/R/build/vmlinux", &btf),
    ] {
        let name = name.replace('R', RELEASE);
        dir.write(&name, content);
        let run = add(&dir, &name, &[]);
        assert_eq!(run.stderr, "", "{name}");
        let added = run.ok();
        assert!(
            added.contains(&format!(" d/1/x86_64/{RELEASE}\n")),
            "{name}: {added}"
        );
    }
    dir.write("named.btf", &btf);
    std::os::unix::fs::symlink(format!("{RELEASE}.btf"), dir.path("vmlinux")).expect("a link");
    assert!(add(&dir, "vmlinux", &[]).ok().contains(RELEASE));
    let complaint = add(&dir, "named.btf", &[]).fails(2);
    assert!(complaint.contains("give --release"), "{complaint}");
    assert_eq!(dir.files("a").len(), 1);
});

cli_test!(what_an_image_says_wins_over_its_name, |dir| {
    // A flat image with a banner.
    let mut image = vec![0x90; 4096];
    image.extend_from_slice(b"Linux version 6.1.0-47-amd64 (me@here) #1\n\0");
    image.resize(image.len().next_multiple_of(16), 0);
    let mut btf = kernel();
    for number in 0..1500 {
        btf.structure(&format!("type{number}"), 0, &[]);
    }
    image.extend_from_slice(&btf.finish());
    dir.write("vmlinuz-5.10.0-renamed", gzip(&image));
    let run = add(&dir, "vmlinuz-5.10.0-renamed", &[]);
    assert!(
        run.stderr.contains("calls itself 6.1.0-47-amd64") && run.stderr.contains("5.10.0-renamed"),
        "{}",
        run.stderr
    );
    assert!(run.ok().starts_with("added d/1/x86_64/6.1.0-47-amd64\n"));
});

cli_test!(this_machines_own_btf_has_its_release, |dir| {
    let own = "/sys/kernel/btf/vmlinux";
    if !std::path::Path::new(own).exists() {
        println!("skipped: this kernel has no BTF");
        return;
    }
    let uname = dir.run(Command::new("uname").arg("-r")).ok();
    for file in [own, "link"] {
        let _ = std::os::unix::fs::symlink(own, dir.path("link"));
        let added = add(&dir, file, &[]).ok();
        let first = added.lines().next().expect("a line");
        assert!(first.ends_with(&format!("/{}", uname.trim())), "{added}");
    }
});

cli_test!(btf_that_cannot_be_read_is_explained, |dir| {
    let whole = kernel().finish();
    let mut unknown = whole.clone();
    unknown[24 + 7] = 0x1f;
    let mut split = BtfBuilder::new();
    split.int("int", 4, 1);
    let mut split = split.finish();
    // A module's strings continue its kernel's, so they don't start with an empty one.
    let strings = split.len()
        - usize::try_from(u32::from_le_bytes(
            split[20..24].try_into().expect("four bytes"),
        ))
        .expect("small");
    split[strings] = b'x';
    for (name, content, expected) in [
        (
            "truncated",
            &whole[..100],
            "are needed, but it has 100 (at byte 0x64)",
        ),
        ("unknown", &unknown, "type [1] has kind 31"),
        ("module", &split, "is this a module's BTF without its base?"),
        ("header", &whole[..10], "at byte 0xa"),
    ] {
        for (file, content) in [
            (format!("{name}.btf"), content.to_vec()),
            (format!("{name}.btf.gz"), gzip(content)),
            (format!("{name}.btf.tar.xz"), {
                pack::entry(&dir.path("made"), &format!("d/1/x/{name}"), content);
                let entry = dir.path(format!("made/d/1/x/{name}.btf.tar.xz"));
                std::fs::read(entry).expect("an entry")
            }),
        ] {
            dir.write(&file, content);
            let complaint = add(&dir, &file, &["--release", "5.10.0"]).fails(1);
            assert!(complaint.contains(expected), "{file}: {complaint}");
            assert!(complaint.contains("(at byte 0x"), "{file}: {complaint}");
            assert!(
                !complaint.contains("not BTF, not ELF"),
                "{file}: {complaint}"
            );
        }
    }
    assert!(!dir.has("a"));
});

cli_test!(what_is_no_kernel_is_refused, |dir| {
    let release = ["--release", "5.10.0"];
    dir.write("void.btf", BtfBuilder::new().finish());
    let complaint = add(&dir, "void.btf", &release).fails(1);
    assert!(complaint.contains("no struct task_struct"), "{complaint}");
    assert!(complaint.contains("0 types"), "{complaint}");

    // A declaration is not enough.
    let mut declared = BtfBuilder::new();
    let int = declared.int("int", 4, 1);
    declared.structure("task_struct", 0, &[]);
    declared.structure("other", 4, &[member("x", int, 0)]);
    dir.write("declared.btf", declared.finish());
    let complaint = add(&dir, "declared.btf", &release).fails(1);
    assert!(complaint.contains("no struct task_struct"), "{complaint}");

    if has_tool("cc") {
        dir.write(
            "user.c",
            "struct point { int x, y; } p; int main(void) { return p.x; }",
        );
        let cc = |arguments: &[&str]| dir.run(Command::new("cc").args(arguments)).ok();
        let _ = cc(&["-g", "-o", "program", "user.c"]);
        let _ = cc(&["-g", "-c", "-o", "module.ko", "user.c"]);
        let complaint = add(&dir, "module.ko", &release).fails(1);
        assert!(complaint.contains("a kernel module"), "{complaint}");
        if has_tool("pahole") {
            let complaint = add(&dir, "program", &release).fails(1);
            assert!(complaint.contains("no struct task_struct"), "{complaint}");
            assert!(complaint.contains("DWARF"), "{complaint}");
        }
    }
    assert!(!dir.has("a"));
});

cli_test!(byte_order_and_architecture_agree, |dir| {
    let mut btf = BtfBuilder::big_endian();
    let int = btf.int("int", 4, 1);
    btf.structure("task_struct", 4, &[member("pid", int, 0)]);
    dir.write("5.10.0.btf", btf.finish());
    let complaint = add(&dir, "5.10.0.btf", &["--arch", "x86_64"]).fails(2);
    assert!(
        complaint.contains("the BTF is big-endian, but x86_64 is little-endian"),
        "{complaint}"
    );
    let _ = add(&dir, "5.10.0.btf", &["--arch", "s390x"]).ok();
    dir.write("5.10.1.btf", kernel().finish());
    let complaint = add(&dir, "5.10.1.btf", &["--arch", "s390x"]).fails(2);
    assert!(
        complaint.contains("the kernel is for x86_64"),
        "{complaint}"
    );
});

cli_test!(pahole_is_quoted, |dir| {
    if !has_tool("cc") {
        return;
    }
    dir.write("user.c", "int main(void) { return 0; }");
    let _ = dir
        .run(Command::new("cc").args(["-g", "-o", "vmlinux-5.10.0", "user.c"]))
        .ok();
    let encode = |script: &str| {
        let pahole = format!("#!/bin/sh\n[ \"$1\" = --version ] && echo v1.99 && exit\n{script}");
        dir.write("bin/pahole", pahole);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path("bin/pahole"), executable).expect("permissions");
        let path = format!("{}:/usr/bin:/bin", dir.path("bin").display());
        let mut command = dir.command();
        command.args(["add", "vmlinux-5.10.0", "--archive", "a", "--distro", "d"]);
        dir.run(command.args(["--version", "1"]).env("PATH", path))
            .fails(1)
    };
    let complaint = encode("echo 'die__process: cannot follow alt' >&2");
    assert!(
        complaint.contains("pahole v1.99")
            && complaint.contains("succeeded, but wrote no BTF: die__process: cannot follow alt"),
        "{complaint}"
    );
    let complaint = encode("exit 0");
    assert!(
        complaint.contains("wrote no BTF, and printed nothing"),
        "{complaint}"
    );
    let complaint = encode("echo broken; exit 3");
    assert!(complaint.contains("exit status: 3: broken"), "{complaint}");
    let complaint = encode("echo junk > /dev/stdin");
    assert!(
        complaint.contains("the output of pahole v1.99"),
        "{complaint}"
    );
});

/// Far less than without a budget: even an unoptimised build exhausts it within seconds.
const LONGEST: Duration = Duration::from_secs(60);

cli_test!(an_image_has_one_budget, |dir| {
    let zeros = gzip(&vec![0; 8 << 20]);
    for (name, content) in [
        ("lz4", [2u8, 0x21, 0x4c, 0x18].repeat(100_000)),
        ("gzip", zeros.repeat((8 << 20) / zeros.len())),
        ("bzip2", b"BZh9".repeat(250_000)),
        ("zstd", [0x28u8, 0xb5, 0x2f, 0xfd].repeat(250_000)),
        ("btf", {
            let mut header = vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
            header.extend([0; 12]);
            header.extend((4u32 << 20).to_le_bytes());
            [&b"flat"[..], &header.repeat(200_000)].concat()
        }),
    ] {
        dir.write(name, content);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 2097152; exec \"$0\" \"$@\""]);
        command.arg(btfhub_tests::cli::binary());
        command.args([
            "add",
            name,
            "--archive",
            "a",
            "--distro",
            "d",
            "--version",
            "1",
        ]);
        let started = Instant::now();
        let complaint = dir.run(command.args(["--release", "5.10.0"])).fails(1);
        assert!(
            complaint.contains("no kernel found in the first 512 MiB"),
            "{name}: {complaint}"
        );
        assert!(
            started.elapsed() < LONGEST,
            "{name}: {:?}",
            started.elapsed()
        );
    }
});

// Each of thousands of modules may be a bomb.
cli_test!(modules_cost_what_their_size_is_worth, |dir| {
    dir.write("vmlinux-5.10.0", kernel().finish());
    let mut module = b"\x7fELF\x02\x01\x01".to_vec();
    module.resize(64 << 20, 0);
    dir.write("modules/one.ko.gz", gzip(&module));
    let said = add(&dir, "vmlinux-5.10.0", &["--modules", "modules"]).fails(1);
    assert!(said.contains("more than 64 times its size"), "{said}");
});

/// A kernel that lists these functions.
fn kernel_of(functions: &[&str]) -> Vec<u8> {
    let mut btf = kernel();
    let proto = btf.prototype(0, &[]);
    for name in functions {
        btf.raw(name, 12 << 24, proto, &[]);
    }
    btf.finish()
}

// What lies in the archive decides neither where the entry is written, nor is it waited for.
cli_test!(nothing_is_written_out_of_the_archive, |dir| {
    dir.write("vmlinux-5.10.0", kernel().finish());
    dir.write("outside/file", "theirs");
    std::fs::create_dir_all(dir.path("a/d/1/x86_64")).expect("directories");
    let entry = "a/d/1/x86_64/5.10.0.btf.tar.xz";
    for (link, target) in [
        (entry, "../../../../outside/file"),
        (entry, "../../../../outside/none"),
        ("a/d/1/x86_64", "../../../outside"),
        ("a/d/1/x86_64", "../../../nowhere"),
        ("a/d/1", "../../outside"),
        ("a/d", "../outside"),
    ] {
        let path = dir.path(link);
        std::fs::remove_dir_all(&path).unwrap_or_default();
        symlink(target, &path).expect("a link");
        for more in [&[][..], &["--replace"]] {
            let run = add(&dir, "vmlinux-5.10.0", more);
            let said = run.fails(1);
            assert!(said.contains("a/d"), "{link} {target}: {said}");
        }
        assert_eq!(dir.files("outside"), ["file"], "{link} {target}");
        assert_eq!(
            std::fs::read(dir.path("outside/file")).expect("it"),
            b"theirs"
        );
        std::fs::remove_file(&path).expect("the link");
        std::fs::create_dir_all(dir.path("a/d/1/x86_64")).expect("directories");
    }
    let _ = dir.run(Command::new("mkfifo").arg(entry)).ok();
    let mut timeout = Command::new("timeout");
    timeout
        .arg("60")
        .arg(binary())
        .args(["add", "vmlinux-5.10.0", "--archive", "a"]);
    let said = dir.run(timeout.args(["--distro", "d", "--version", "1", "--replace"]));
    let said = said.fails(1);
    assert!(said.contains("not a regular file"), "{said}");
    std::fs::remove_file(dir.path(entry)).expect("the pipe");
    // A link within the archive is another name of its target.
    symlink("1", dir.path("a/d/one")).expect("a link");
    let one = ["--distro", "d", "--version", "one"];
    let _ = dir
        .btfhub(
            ["add", "vmlinux-5.10.0", "--archive", "a"]
                .iter()
                .chain(&one),
        )
        .ok();
    assert!(dir.has(entry));
});

// Stores what the BTF does not show, as text that is pinned and hashed with the entry.
cli_test!(symbols_of_a_kernel, |dir| {
    let many: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
    let mut functions: Vec<&str> = many.iter().map(String::as_str).collect();
    functions.extend(["inlined", "notrace", "twice", "alias"]);
    pack::write(&dir.path("."), "6.1.0-x.btf", &kernel_of(&functions));
    let lines = |address: &dyn Fn(usize) -> usize| {
        let names = (many.iter().map(String::as_str)).chain(["notrace", "twice", "twice"]);
        let names = names.chain(["renamed.isra.0", "nothing"]);
        let mut lines: String = (1..)
            .zip(names)
            .map(|(at, name)| format!("{:016x} t {name}\n", address(at)))
            .collect();
        lines += &format!("{:016x} T alias\n", address(1));
        lines += &format!("{:016x} d data\n", address(99));
        lines + &format!("{:016x} t of_module\t[module]\n", address(100))
    };
    let traceable = many.join("\n") + "\ntwice\nrenamed.isra.0\nof_module [module]\n";
    pack::write(&dir.path("."), "shown", lines(&|at| at * 16).as_bytes());
    pack::write(&dir.path("."), "hidden", lines(&|_| 0).as_bytes());
    pack::write(&dir.path("."), "traceable", traceable.as_bytes());
    let member = |kallsyms: &str| {
        let more = [
            "--symbols",
            kallsyms,
            "--traceable",
            "traceable",
            "--replace",
        ];
        let said = add(&dir, "6.1.0-x.btf", &more).ok();
        assert!(said.contains(" in addition to those in the BTF"), "{said}");
        let packed = std::fs::read(dir.path("a/d/1/x86_64/6.1.0-x.btf.tar.xz")).expect("an entry");
        let decoded = decode(&packed, DEFAULT_LIMIT).expect("an entry");
        assert!(decoded.modules.is_empty());
        String::from_utf8(decoded.symbols.expect("symbols")).expect("text")
    };
    assert_eq!(
        member("hidden"),
        "btfhub symbols 1\nh alias\n- inlined\nh nothing\nh notrace\nt renamed.isra.0\nt2 twice\n"
    );
    assert_eq!(
        member("shown"),
        "btfhub symbols 1\n- inlined\nn nothing\nn notrace\nt renamed.isra.0\nt2 twice\n"
    );
    let checked = dir.btfhub(["check", "--archive", "a"]).ok();
    assert!(checked.contains("symbols"), "{checked}");
    let listed = dir.btfhub(["list", "--archive", "a", "--modules"]).ok();
    assert_eq!(listed, "d/1/x86_64/6.1.0-x (with symbols)\n");
    let built = dir.btfhub(["atlas", "build", "--archive", "a", "--out", "atlas"]);
    assert!(
        built
            .stderr
            .contains("note: 1 entry has symbols; an atlas keeps none"),
        "{}",
        built.stderr
    );
    let _ = built.ok();
    // From another kernel; not a list of symbols; damaged in the entry.
    pack::write(&dir.path("."), "foreign", b"0000 t other\n");
    pack::write(&dir.path("."), "odd", b"<html>\n");
    for (kallsyms, complaint) in [
        ("foreign", "another kernel's"),
        ("odd", "line 1 is not a line of"),
    ] {
        let more = [
            "--symbols",
            kallsyms,
            "--traceable",
            "traceable",
            "--replace",
        ];
        let said = add(&dir, "6.1.0-x.btf", &more).fails(1);
        assert!(said.contains(complaint), "{said}");
    }
    let running = ["--symbols", "/proc/kallsyms", "--traceable", "traceable"];
    let said = add(&dir, "6.1.0-x.btf", &running).fails(2);
    assert!(said.contains("the running kernel"), "{said}");
});

// As on arm64: marks in the code, functions of modules and programs, and two names for one
// address.
cli_test!(symbols_of_an_arm64_kernel, |dir| {
    let mut btf = BtfBuilder::new();
    let long = btf.int("long unsigned int", 8, 0);
    btf.structure("pt_regs", 16, &[member("pstate", long, 0)]);
    btf.structure("task_struct", 8, &[member("stack", long, 0)]);
    let proto = btf.prototype(0, &[]);
    let functions = ["__arm64_sys_openat", "do_el0_svc", "memcpy", "vfs_open"];
    for name in functions {
        btf.raw(name, 12 << 24, proto, &[]);
    }
    let kallsyms = "ffff800008010000 T _text
ffff800008010000 t $x
ffff800008010004 t $d
ffff800008010010 T do_el0_svc
ffff800008010020 t __arm64_sys_openat
ffff800008010030 W memcpy
ffff800008010030 T __pi_memcpy
ffff800008010040 T vfs_open
ffff800008010050 t vfs_open.part.0
ffff800008010060 t __kvm_nvhe_handle_trap
ffff800008010070 t $x.17
ffff800009000000 d sys_call_table
ffff800001000000 t $x\t[veth]
ffff800001000010 t veth_open\t[veth]
ffff800001200000 t bpf_prog_6deef7357e7b4530\t[bpf]
";
    let traceable =
        "do_el0_svc\n__arm64_sys_openat\n__pi_memcpy\nvfs_open.part.0\nveth_open [veth]\n";
    pack::write(&dir.path("."), "6.1.0-x.btf", &btf.finish());
    pack::write(&dir.path("."), "kallsyms", kallsyms.as_bytes());
    pack::write(&dir.path("."), "traceable", traceable.as_bytes());
    let more = ["--symbols", "kallsyms", "--traceable", "traceable"];
    let said = add(&dir, "6.1.0-x.btf", &more).ok();
    assert!(said.contains("added d/1/arm64/6.1.0-x"), "{said}");
    let packed = std::fs::read(dir.path("a/d/1/arm64/6.1.0-x.btf.tar.xz")).expect("an entry");
    let decoded = decode(&packed, DEFAULT_LIMIT).expect("an entry");
    assert_eq!(
        String::from_utf8(decoded.symbols.expect("symbols")).expect("text"),
        "btfhub symbols 1\nn __kvm_nvhe_handle_trap\nt __pi_memcpy\nn _text\nn vfs_open\n\
         t vfs_open.part.0\n"
    );
    let listed = dir.btfhub(["list", "--archive", "a", "--modules"]).ok();
    assert_eq!(listed, "d/1/arm64/6.1.0-x (with symbols)\n");
});
