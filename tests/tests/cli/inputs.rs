//! Files that are not what they seem, in an archive and wherever a command takes one: pipes,
//! devices, files of the kernel, holes of gigabytes.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::process::Command;

use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::{Dir, Run, binary};
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::{cli_test, pack};

const KERNEL: &str = "debian/11/x86_64/5.10.0-1-amd64";

/// An archive `a` with one kernel, and an object `o`.
fn prepare(dir: &Dir) {
    let elf = std::fs::read(own_dir().join("guard.after.btf.o")).expect("an object");
    let btf = LocalObject::parse("after", &elf).expect("an object").btf;
    pack::entry(&dir.path("a"), KERNEL, &btf);
    std::fs::copy(own_dir().join("guard.bpf.o"), dir.path("o")).expect("a copy");
}

/// A command that would be killed if it waited, or took more than a gigabyte.
fn bounded(dir: &Dir, arguments: &str) -> Run {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -v 1048576; exec timeout 60 \"$0\" \"$@\""])
        .arg(binary())
        .args(arguments.split(' '))
        .env_remove("BTFHUB_ARCHIVE");
    dir.run(&mut shell)
}

fn mkfifo(dir: &Dir, path: &str) {
    let _ = dir.run(Command::new("mkfifo").arg(path)).ok();
}

const COMMANDS: [&str; 6] = [
    "list --archive a",
    "check --archive a",
    "lock --archive a --out lock",
    "bundle --archive a --object o --out b",
    "report --archive a --object o --format json",
    "atlas build --archive a --out atlas",
];

cli_test!(nothing_is_waited_for_in_an_archive, |dir| {
    prepare(&dir);
    for (number, target) in [
        "/proc/self/pagemap",
        "/proc/kmsg",
        "/dev/zero",
        "/dev/tty",
        "/proc",
        "/proc/self/fd",
    ]
    .iter()
    .enumerate()
    {
        symlink(target, dir.path(format!("a/debian/{number}"))).expect("a link");
        let entry = format!("a/debian/11/x86_64/6.1.{number}.btf.tar.xz");
        symlink(target, dir.path(entry)).expect("a link");
    }
    for pipe in ["a/debian/pipe", "a/debian/11/x86_64/6.2.0.btf.tar.xz"] {
        mkfifo(&dir, pipe);
    }
    for command in COMMANDS {
        let _ = bounded(&dir, command).ok();
    }
    let list = bounded(&dir, "list --archive a --kernels").ok();
    assert_eq!(list, format!("{KERNEL}\n"));
    // Not even if links are followed.
    for command in COMMANDS {
        let run = bounded(&dir, &format!("{command} --follow-links"));
        assert!(
            matches!(run.status, Some(0 | 1)),
            "{command}: {:?} {}",
            run.status,
            run.stderr
        );
    }
});

cli_test!(a_link_out_of_an_archive_is_followed_when_asked, |dir| {
    prepare(&dir);
    std::fs::rename(dir.path("a"), dir.path("store")).expect("a move");
    std::fs::create_dir_all(dir.path("a/debian/11/x86_64")).expect("directories");
    let name = format!("{KERNEL}.btf.tar.xz");
    symlink(
        dir.path(format!("store/{name}")),
        dir.path(format!("a/{name}")),
    )
    .expect("a link");
    let bundle = "bundle --archive a --object o --out b";
    let complaint = bounded(&dir, bundle).fails(3);
    assert!(complaint.contains("--follow-links"), "{complaint}");
    let _ = bounded(&dir, &format!("{bundle} --follow-links")).ok();
    let listed = bounded(&dir, "list --archive a --json").ok();
    assert!(listed.contains("link out of the archive"), "{listed}");
    // A link that stays inside the archive works like a file.
    std::fs::rename(dir.path("store"), dir.path("a/.store")).expect("a move");
    std::fs::remove_file(dir.path(format!("a/{name}"))).expect("the link");
    symlink(
        format!("../../../.store/{name}"),
        dir.path(format!("a/{name}")),
    )
    .expect("a link");
    let _ = bounded(&dir, bundle).ok();
});

cli_test!(a_hole_takes_no_memory, |dir| {
    prepare(&dir);
    let _ = dir
        .btfhub("bundle --archive a --object o --out b".split(' '))
        .ok();
    let _ = dir.btfhub("lock --archive a --out lock".split(' ')).ok();
    let hole = |path: &str| {
        let _ = dir
            .run(Command::new("truncate").args(["-s", "6G", path]))
            .ok();
    };
    hole("hole");
    for command in [
        "atlas inspect hole",
        "merge hole --out b2",
        "inspect hole",
        "verify hole --archive a --object o",
        "select hole --release 5.10.0",
        "select b --release 5.10.0 --os-release hole",
        "bundle --archive a --object hole --out b2",
        "bundle --archive a --object o --pin lock:hole --out b2",
        "bundle --atlas hole --object o --out b2",
        "report --archive a --object hole --format json",
    ] {
        let complaint = bounded(&dir, command).fails(1);
        assert!(
            complaint.contains("6442450944 bytes long"),
            "{command}: {complaint}"
        );
    }
    hole("a/debian/11/x86_64/6.1.0.btf.tar.xz");
    for command in [
        "check --archive a",
        "lock --archive a --out lock",
        "bundle --archive a --object o --out b2",
        "bundle --archive a --object o --out b2 --pin lock:lock",
        "report --archive a --object o --format json",
        "atlas build --archive a --out atlas",
    ] {
        let run = bounded(&dir, command);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.status, Some(1), "{command}: {said}");
        let locked = said.contains("1 is not locked");
        assert!(locked || said.contains("6442450944 bytes long"), "{said}");
    }
    let skipping = "bundle --archive a --object o --out b2 --skip-bad";
    let _ = bounded(&dir, skipping).ok();
});

/// An ELF file whose sections all lie in its hole.
fn elf_with_sections(sections: &[(&str, u32, u64)]) -> Vec<u8> {
    const HOLE: u64 = 1 << 20;
    let mut names = vec![0];
    let header = |name: u32, kind: u32, at: u64, size: u64, entry: u64| {
        let mut header = Vec::new();
        header.extend([name, kind].map(u32::to_le_bytes).concat());
        // Flags, address, offset, size.
        header.extend([0, 0, at, size].map(u64::to_le_bytes).concat());
        header.extend([0u32, 0].map(u32::to_le_bytes).concat());
        header.extend([1, entry].map(u64::to_le_bytes).concat());
        header
    };
    let mut headers = header(0, 0, 0, 0, 0);
    for (name, kind, size) in sections {
        let at = u32::try_from(names.len()).expect("a short table");
        names.extend(name.bytes().chain([0]));
        headers.extend(header(at, *kind, HOLE, *size, 24));
    }
    let at = u32::try_from(names.len()).expect("a short table");
    names.extend(b".shstrtab\0");
    headers.extend(header(at, 3, 64, names.len() as u64, 0));
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    elf.extend([2u16, 62].map(u16::to_le_bytes).concat());
    elf.extend(1u32.to_le_bytes());
    let table = 64 + names.len() as u64;
    elf.extend([0, 0, table].map(u64::to_le_bytes).concat());
    elf.extend(0u32.to_le_bytes());
    let count = u16::try_from(sections.len() + 2).expect("few");
    let sizes = [64, 0, 0, 64, count, count - 1];
    elf.extend(sizes.map(u16::to_le_bytes).concat());
    elf.extend(names);
    elf.extend(headers);
    elf
}

cli_test!(a_hole_in_a_kernels_image_takes_no_memory, |dir| {
    const SIZE: u64 = 5 << 30;
    let image = |sections: &[(&str, u32, u64)]| {
        dir.write("vmlinux", elf_with_sections(sections));
        let _ = dir
            .run(Command::new("truncate").args(["-s", "6G", "vmlinux"]))
            .ok();
    };
    let add = "add vmlinux --archive a --distro d --version 1 --release 5.10.0";
    for (sections, complaint) in [
        (&[(".BTF", 1, SIZE)][..], "longer than 256 MiB"),
        (&[(".symtab", 2, SIZE)], "longer than 256 MiB"),
        (&[(".dynsym", 11, SIZE)], "longer than 256 MiB"),
        (&[(".BTF", 1, 200 << 20)], "section .BTF"),
        (&[(".rodata", 1, SIZE)], "neither a .BTF section nor DWARF"),
        // pahole would open what is named there: a pipe, a device, another machine's file.
        (
            &[(".debug_info", 1, 64), (".gnu_debugaltlink", 1, 64)],
            "take the image that has all of it",
        ),
    ] {
        image(sections);
        let said = bounded(&dir, add).fails(1);
        assert!(said.contains(complaint), "{sections:?}: {said}");
    }
    // Nor does what it says of compressed DWARF, which pahole would believe.
    image(&[(".zdebug_info", 1, 1000)]);
    let file = std::fs::File::options()
        .write(true)
        .open(dir.path("vmlinux"));
    let head = [&b"ZLIB"[..], &(3u64 << 30).to_be_bytes()].concat();
    (file.expect("a file").write_all_at(&head, 1 << 20)).expect("bytes");
    let said = bounded(&dir, add).fails(1);
    assert!(said.contains("unpacks to more than any kernel's"), "{said}");
    // Nor does an image that is only a hole, or modules that are.
    let hole = |size: &str, path: &str| {
        let _ = dir
            .run(Command::new("truncate").args(["-s", size, path]))
            .ok();
    };
    hole("6G", "hole");
    let said = bounded(&dir, &add.replace("vmlinux", "hole")).fails(1);
    assert!(said.contains("6442450944 bytes long"), "{said}");
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, 1);
    btf.structure("task_struct", 4, &[member("pid", int, 0)]);
    let kernel = btf.finish();
    dir.write("vmlinux", &kernel);
    for number in 0..8 {
        let module = format!("modules/m{number}");
        dir.write(&module, &kernel[..24]);
        hole("200M", &module);
    }
    let modules = format!("{add} --arch x86_64 --modules modules");
    let said = bounded(&dir, &modules).fails(1);
    assert!(said.contains("more than the 256 MiB"), "{said}");
});

cli_test!(what_git_says_takes_no_memory, |dir| {
    let says = "yes 'remote: more' | head -c 1500000000 >&2; exit 1";
    dir.write("bin/git", format!("#!/bin/sh\n{says}\n"));
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path("bin/git"), executable).expect("a mode");
    let path = std::env::var("PATH").expect("a path");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -v 1048576; exec timeout 60 \"$0\" \"$@\""])
        .arg(binary())
        .args(["fetch", "--out", "a", "--url", "file:///nowhere", "--pin"])
        .arg("0".repeat(40))
        .env("PATH", format!("{}:{path}", dir.path("bin").display()));
    let said = dir.run(&mut shell).fails(1);
    assert!(said.contains("more lines"), "{said}");
    assert!(said.len() < 8192, "{} bytes", said.len());
});

cli_test!(any_number_of_jobs_is_taken, |dir| {
    prepare(&dir);
    let jobs = "4294967296";
    for command in [
        "check --archive a",
        "list --archive a --modules",
        "lock --archive a --out lock",
        "bundle --archive a --object o --out b",
        "bundle --archive a --object o --out s --shard 1/1",
        "tailor --archive a --object o --out t",
        "verify b --archive a --object o",
        "report --archive a --object o --format json",
        "atlas build --archive a --out atlas",
        "atlas verify atlas --archive a",
    ] {
        let _ = bounded(&dir, &format!("{command} --jobs {jobs}")).ok();
    }
});
