//! Kernels with modules: `add --modules`, and how bundles and reports use them.

use std::fs::File;
use std::process::Command;

use btfhub_build::archive::Archive;
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::Dir;
use btfhub_tests::cli_test;
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::modules::{kernels, unpacked};
use btfhub_tests::oracle::libbpf;
use btfhub_tests::pack::{self, Member};
use btfhub_tests::shared::has_tool;

/// A kernel's BTF; `build` makes two differ.
fn kernel(build: &str) -> BtfBuilder {
    let mut btf = BtfBuilder::new();
    let long = btf.int("long unsigned int", 8, 0);
    btf.structure(
        "pt_regs",
        16,
        &[member("r15", long, 0), member("orig_ax", long, 8)],
    );
    btf.structure("task_struct", 8, &[member(build, long, 0)]);
    btf
}

/// A module with its own `struct vport` of `size` bytes, whose member `port` is at `at`.
fn module(kernel: &BtfBuilder, at: u32, size: u32) -> Vec<u8> {
    let mut btf = BtfBuilder::split(kernel);
    let int = btf.int("port_t", size, 0);
    btf.structure("vport", 32, &[member("port", int, at)]);
    btf.finish()
}

/// Reads `vport->port`.
fn reader() -> Vec<u8> {
    let mut local = BtfBuilder::new();
    let int = local.int("unsigned int", 4, 0);
    let vport = local.structure("vport", 4, &[member("port", int, 0)]);
    let relos = [(0, "0:0"), (8, "0")].map(|(kind, access)| Relo {
        program: 0,
        type_id: vport,
        access: access.to_owned(),
        kind,
    });
    object(&local, &relos, false)
}

fn add<'a>(modules: &'a [&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "add",
        "--archive",
        "archive",
        "--distro",
        "d",
        "--version",
        "1",
    ];
    arguments.extend(["--release", "6.1.0-1", "--arch", "x86_64", "vmlinux"]);
    arguments.extend(modules);
    arguments
}

const ENTRY: &str = "archive/d/1/x86_64/6.1.0-1.btf.tar.xz";

fn prepare(dir: &Dir) -> BtfBuilder {
    let kernel = kernel("stack");
    dir.write("vmlinux", kernel.finish());
    dir.write("reader.bpf.o", reader());
    kernel
}

cli_test!(a_type_of_a_module, |dir| {
    let kernel = prepare(&dir);
    dir.write("btf/open-vswitch", module(&kernel, 16, 4));
    // As in /sys/kernel/btf, and something that is not a module.
    dir.write("btf/vmlinux", kernel.finish());
    dir.write("btf/modules.dep", "kernel/net/openvswitch.ko:");

    let _ = dir.btfhub(add(&[])).ok();
    let report = |arguments: &[&str]| {
        let mut all = vec!["report", "--archive", "archive", "--object", "reader.bpf.o"];
        all.extend(arguments);
        dir.btfhub(all).ok()
    };
    let text = report(&[]);
    assert!(
        text.contains("no struct vport, which is a type of module openvswitch"),
        "{text}"
    );
    let sentence = "vport: in no kernel's BTF; usually a type of module openvswitch";
    assert!(text.contains(sentence), "{text}");
    assert!(report(&["--format", "markdown"]).contains(sentence));
    assert!(
        report(&["--format", "html"]).contains(r#""in_no_kernel":{"usual_module":"openvswitch"}"#)
    );
    let plain = std::fs::read(dir.path(ENTRY)).unwrap();

    let text = dir.btfhub(add(&["--modules", "btf", "--replace"])).ok();
    assert!(text.contains("1 module\n"), "{text}");
    let text = report(&[]);
    assert!(text.contains("vport: in module open_vswitch"), "{text}");
    let json = report(&["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let relocation = &json["relocations"][0];
    assert_eq!(
        relocation["modules"],
        serde_json::json!(["open_vswitch"]),
        "{relocation}"
    );
    let list = ["list", "--archive", "archive", "--modules"];
    let text = dir.btfhub(list).ok();
    assert_eq!(text, "d/1/x86_64/6.1.0-1\n  open_vswitch\n");
    let markdown = report(&["--format", "markdown"]);
    assert!(markdown.contains("vport: in module open"), "{markdown}");
    // Not if its hosts don't load the module.
    let text = report(&["--module", "nf_conntrack"]);
    assert!(text.contains("no struct vport"), "{text}");

    let bundle = [
        "bundle",
        "--archive",
        "archive",
        "--object",
        "reader.bpf.o",
        "--out",
        "b",
    ];
    let _ = dir.btfhub(bundle).ok();
    let verify = [
        "verify",
        "b",
        "--archive",
        "archive",
        "--object",
        "reader.bpf.o",
    ];
    let _ = dir.btfhub(verify).ok();
    let mut without = verify.to_vec();
    without.extend(["--module", "nf_conntrack"]);
    let text = dir.btfhub(without).fails(1);
    assert!(text.contains("from the archive"), "{text}");

    // Adding the same again changes nothing; without modules, it is the original entry.
    let text = dir.btfhub(add(&["--modules", "btf"])).ok();
    assert!(text.contains("already there"), "{text}");
    let _ = dir.btfhub(add(&["--replace"])).ok();
    assert!(plain == std::fs::read(dir.path(ENTRY)).unwrap());
});

cli_test!(an_atlas_has_what_the_archive_has, |dir| {
    let kernel = prepare(&dir);
    let _ = dir.btfhub(add(&[])).ok();
    let build = |archive: &str, out: &str| {
        let build = ["atlas", "build", "--archive", archive, "--out", out];
        dir.btfhub(build).ok()
    };
    let _ = build("archive", "plain");
    let plain = std::fs::read(dir.path("plain")).unwrap();
    assert_eq!(plain[12], 0, "no modules");

    dir.write("btf/openvswitch", module(&kernel, 16, 4));
    dir.write("btf/other", module(&kernel, 8, 4));
    let _ = dir.btfhub(add(&["--modules", "btf", "--replace"])).ok();
    let text = build("archive", "atlas");
    assert!(
        text.contains("1 kernel (1 decoded with 2 modules)"),
        "{text}"
    );
    let verify = ["atlas", "verify", "atlas", "--archive", "archive"];
    assert!(dir.btfhub(verify).ok().contains("1 kernel, 0 different"));
    // An older one as the base gives the same file.
    let based = ["atlas", "build", "--archive", "archive", "--base", "atlas"];
    let _ = dir.btfhub([&based[..], &["--out", "again"]].concat()).ok();
    let [first, again] = ["atlas", "again"].map(|file| std::fs::read(dir.path(file)).unwrap());
    assert!(first == again);

    let inspect = |arguments: &[&str]| {
        let inspect = ["atlas", "inspect", "atlas"];
        dir.btfhub([&inspect[..], arguments].concat()).ok()
    };
    const KERNEL: &str = "d/1/x86_64/6.1.0-1";
    assert_eq!(inspect(&["--kernel", KERNEL]), "openvswitch\nother\n");
    let text = inspect(&["--kernels"]);
    assert_eq!(text, format!("{KERNEL}, 2 modules\n"));
    let text = inspect(&["--kernel", KERNEL, "--type", "vport"]);
    assert!(
        text.contains("/* in module openvswitch */\nstruct vport {"),
        "{text}"
    );

    // The report and the bundle equal those from the archive, also without a module that hosts
    // don't load.
    for modules in [&["--module", "openvswitch"][..], &["--module", "absent"]] {
        let [of_archive, of_atlas] = [["--archive", "archive"], ["--atlas", "atlas"]].map(|from| {
            let report = ["report", "--object", "reader.bpf.o", "--format", "json"];
            let report = dir.btfhub([&report[..], &from, modules].concat()).ok();
            let bundle = ["bundle", "--object", "reader.bpf.o", "--out", "b"];
            let _ = dir.btfhub([&bundle[..], &from, modules].concat()).ok();
            let report: serde_json::Value = serde_json::from_str(&report).unwrap();
            (report["relocations"].clone(), report["verdicts"].clone())
        });
        assert_eq!(of_archive, of_atlas);
    }
    // Both have a vport, with different offsets: using all modules is an error.
    let bundle = [
        "bundle",
        "--atlas",
        "atlas",
        "--object",
        "reader.bpf.o",
        "--out",
        "b",
    ];
    let _ = dir.btfhub(bundle).ok();

    dir.write("btf/openvswitch", module(&kernel, 24, 4));
    let _ = dir.btfhub(add(&["--modules", "btf", "--replace"])).ok();
    let _ = build("archive", "new");
    let diff = ["atlas", "diff", "--type", "vport", "--"];
    let sides = ["atlas", "new"].map(|atlas| format!("{atlas}:{KERNEL}"));
    let sides = sides.each_ref().map(String::as_str);
    let text = dir.btfhub([&diff[..], &sides].concat()).ok();
    assert!(
        text.contains("-    port_t port; /* 16 */\n+    port_t port; /* 24 */"),
        "{text}"
    );
    let text = dir.btfhub([&["atlas", "diff"][..], &sides].concat()).ok();
    assert!(
        text.contains("~ struct vport, in module openvswitch\n"),
        "{text}"
    );
    let text = dir
        .btfhub([&verify[..2], &["new"], &verify[3..]].concat())
        .ok();
    assert!(text.contains("0 different"), "{text}");
    let text = dir.btfhub(verify).fails(1);
    assert!(text.contains("differs from the archive"), "{text}");
});

cli_test!(two_modules_that_disagree, |dir| {
    let kernel = prepare(&dir);
    dir.write("btf/a", module(&kernel, 16, 4));
    dir.write("btf/b", module(&kernel, 16, 8));
    let _ = dir.btfhub(add(&["--modules", "btf"])).ok();
    let bundle = |arguments: &[&str]| {
        let mut all = vec!["bundle", "--archive", "archive", "--object", "reader.bpf.o"];
        all.extend(["--out", "b"]);
        all.extend(arguments);
        dir.btfhub(all)
    };
    let text = bundle(&[]).fails(1);
    assert!(
        text.contains("modules a and b each have a type `vport`"),
        "{text}"
    );
    for order in ["a", "b,a"] {
        let _ = bundle(&["--module", order]).ok();
    }
});

cli_test!(modules_that_do_not_belong, |dir| {
    let kernel = prepare(&dir);
    let refused = |btf: Vec<u8>, what: &str| {
        for (name, what) in [
            ("odd name é\"", what),
            ("odd\u{1b}[1m", "control characters in its name"),
        ] {
            let _ = std::fs::remove_dir_all(dir.path("btf"));
            dir.write(format!("btf/{name}"), &btf);
            let text = dir.btfhub(add(&["--modules", "btf"])).fails(1);
            assert!(text.contains(what), "{what}: {text}");
            assert!(!text.contains('\u{1b}'), "{text}");
            assert!(!dir.has(ENTRY));
        }
    };
    // From kernels with shorter and longer names, and with more types.
    for build in ["st", "stack_and_more_of_it"] {
        refused(module(&self::kernel(build), 16, 4), "another build");
    }
    let mut more = kernel.clone();
    for _ in 0..40 {
        more.pointer(1);
    }
    refused(module(&more, 16, 4), "does not exist");
    refused(vec![0x9f, 0xeb, 1, 0, 24, 0], "truncated");
    // A kernel's own BTF is not a module's.
    refused(self::kernel("stack").finish(), "is self-contained");
    // Types that refer to each other.
    let mut cycle = BtfBuilder::split(&kernel);
    let next = cycle.next_id() + 1;
    cycle.typedef("a", next);
    cycle.typedef("b", next - 1);
    dir.write("cycle/m", cycle.finish());
    let _ = dir.btfhub(add(&["--modules", "cycle"])).ok();
    let bundle = [
        "bundle",
        "--archive",
        "archive",
        "--object",
        "reader.bpf.o",
        "--out",
        "b",
    ];
    let _ = dir.btfhub(bundle).ok();
    let atlas = ["atlas", "build", "--archive", "archive", "--out", "atlas"];
    let _ = dir.btfhub(atlas).ok();
    // Structs that hold each other.
    let mut cycle = BtfBuilder::split(&kernel);
    let next = cycle.next_id() + 1;
    cycle.structure("vport", 8, &[member("port", next, 0)]);
    cycle.structure("b", 8, &[member("a", next - 1, 0)]);
    dir.write("cycle/m", cycle.finish());
    let _ = dir.btfhub(add(&["--modules", "cycle", "--replace"])).ok();
    let _ = dir.btfhub(bundle).ok();
    let _ = dir.btfhub(atlas).ok();
    std::fs::remove_file(dir.path(ENTRY)).unwrap();

    std::fs::create_dir(dir.path("empty")).unwrap();
    let text = dir.btfhub(add(&["--modules", "empty"])).fails(1);
    assert!(text.contains("no module with BTF"), "{text}");
    dir.write("twice/x/m", module(&kernel, 16, 4));
    dir.write("twice/y/m", module(&kernel, 16, 4));
    let text = dir.btfhub(add(&["--modules", "twice"])).fails(1);
    assert!(text.contains("module m appears twice"), "{text}");
});

cli_test!(entries_of_others_with_modules, |dir| {
    let kernel = prepare(&dir);
    let (vmlinux, split) = (kernel.finish(), module(&kernel, 16, 4));
    let foreign = module(&self::kernel("st"), 16, 4);
    let put = |members: &[Member<'_>]| dir.write(ENTRY, pack::xz(&pack::tar(members)));
    let check = || dir.btfhub(["check", "--archive", "archive"]);
    for name in ["vmlinux", "6.1.0-1.btf"] {
        put(&[Member::file("vport", &split), Member::file(name, &vmlinux)]);
        let text = check().ok();
        assert!(text.contains("1 kernel with 1 module decoded"), "{text}");
    }
    put(&[
        Member::file("vmlinux", &vmlinux),
        Member::file("a/m-x.btf", &split),
        Member::file("b/m_x", &split),
    ]);
    let text = check();
    assert!(
        format!("{text:?}").contains("holds module m_x twice"),
        "{text:?}"
    );
    put(&[
        Member::file("vmlinux", &vmlinux),
        Member::file("m", &foreign),
    ]);
    let text = check();
    assert!(format!("{text:?}").contains("another build"), "{text:?}");
    put(&[
        Member::file("vmlinux", &vmlinux),
        Member::file("m\u{1b}[1m", &split),
    ]);
    let text = format!("{:?}", check());
    assert!(text.contains("a name with control characters"), "{text}");
    let mut many = vec![Member::file("vmlinux", &vmlinux)];
    let names: Vec<String> = (0..10_000).map(|number| format!("m{number}")).collect();
    many.extend(names.iter().map(|name| Member::file(name, &split)));
    put(&many);
    let text = check().ok();
    assert!(text.contains("10000 modules"), "{text}");
    let text = dir
        .btfhub(["list", "--archive", "archive", "--modules"])
        .ok();
    assert_eq!(text.lines().count(), 10_001, "{text}");
    let atlas = ["atlas", "build", "--archive", "archive", "--out", "atlas"];
    let text = dir.btfhub(atlas).ok();
    assert!(text.contains("10000 modules"), "{text}");
    assert!(dir.path("atlas").metadata().unwrap().len() < 100_000);
});

/// Debian's modules in every compression that distributions use, and with their own distilled
/// base: the entry holds what libbpf makes of that.
#[test]
fn modules_as_distributions_ship_them() {
    let tools = ["objcopy", "xz", "zstd", "gzip"].map(has_tool);
    let Some(kernel) = kernels(&["trixie-backports:7"]).pop() else {
        return;
    };
    if tools.contains(&false) {
        return;
    }
    let dir = Dir::new();
    let btf = kernel.btf();
    dir.write("vmlinux", &btf);
    let base = libbpf::Btf::target(&btf).expect("libbpf reads it");
    let packings: [(&str, &[&str]); 4] = [
        ("", &["cat"]),
        (".gz", &["gzip", "-9"]),
        (".xz", &["xz", "--check=crc32", "--lzma2=dict=1MiB"]),
        (".zst", &["zstd", "-19"]),
    ];
    let names = ["openvswitch", "nf_conntrack", "veth", "bridge"];
    let mut expected = Vec::new();
    for (name, (suffix, tool)) in names.iter().zip(packings) {
        let (_, split) = kernel.named(&[name]).pop().expect("a module with BTF");
        let plain = format!("plain/{name}.ko");
        dir.write(&plain, unpacked(&kernel.file(name)));
        let pack = |from: &str, to: &str| {
            let mut packed = Command::new(tool[0]);
            packed.args(&tool[1..]);
            let packed = packed.stdin(File::open(dir.path(from)).unwrap()).output();
            let packed = packed.expect("a compressor");
            assert!(packed.status.success(), "{packed:?}");
            dir.write(to, packed.stdout);
        };
        pack(&plain, &format!("packed/kernel/{name}.ko{suffix}"));

        // Once more, with its own base.
        let module = libbpf::Btf::split(&split, &base).expect("libbpf reads it");
        let (distilled, own) = module.distill().expect("libbpf distills it");
        dir.write("base", &distilled);
        dir.write("split", &own);
        let out_of_tree = format!("plain/{name}-distilled.ko");
        let copied = Command::new("objcopy")
            .current_dir(dir.path("."))
            .args([
                "--update-section",
                ".BTF=split",
                "--add-section",
                ".BTF.base=base",
            ])
            .args([&plain, &out_of_tree])
            .status();
        assert!(copied.expect("objcopy").success());
        pack(
            &out_of_tree,
            &format!("packed/updates/{name}-distilled.ko{suffix}"),
        );
        let on = libbpf::Btf::target(&distilled).expect("libbpf reads it");
        let theirs = libbpf::Btf::split(&own, &on).expect("libbpf reads it");
        theirs.relocate(&base).expect("libbpf resolves it");
        expected.push(((*name).to_owned(), split));
        expected.push((format!("{name}_distilled"), theirs.bytes()));
    }
    expected.sort();
    let add = |release: &str| {
        let add = [
            "add",
            "--archive",
            "archive",
            "--distro",
            "debian",
            "--version",
            "13",
        ];
        let of = [
            "--release",
            release,
            "--arch",
            "x86_64",
            "vmlinux",
            "--modules",
            "packed",
        ];
        dir.btfhub(add.iter().chain(&of))
    };
    let text = add(&kernel.release).ok();
    assert!(text.contains("8 modules"), "{text}");
    let archive = Archive::scan(dir.path("archive")).expect("an archive");
    let entry = archive.entries().first().expect("an entry");
    let decoded = entry.decode(&entry.read().expect("read"), 1 << 28);
    let found = decoded.expect("decoded").modules.into_iter();
    let found: Vec<_> = found.map(|module| (module.name, module.btf)).collect();
    assert!(found == expected);

    // A release that the modules were not built for, and a kernel that lacks a type of the
    // distilled base.
    let text = add("7.3.4-other").fails(1);
    assert!(
        text.contains(&format!("built for {}", kernel.release)),
        "{text}"
    );
    dir.write("vmlinux", self::kernel("stack").finish());
    std::fs::remove_dir_all(dir.path("packed/kernel")).unwrap();
    let text = add(&kernel.release).fails(1);
    assert!(
        text.contains("was built for a kernel with a type `"),
        "{text}"
    );
}
