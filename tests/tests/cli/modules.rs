//! Kernels with modules: `add --modules`, and what bundles and reports make of them.

use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::Dir;
use btfhub_tests::cli_test;
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::pack::{self, Member};

/// A kernel's BTF; `build` tells two apart.
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

/// A module with `struct vport` of its own, whose member `port` is at `at`, of `size` bytes.
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
    // As /sys/kernel/btf has it, and something that is no module.
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
    // Not for one whose hosts do not load it.
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
    assert!(text.contains("not as in the archive"), "{text}");

    // Adding the same again changes nothing; without modules it is the entry it was.
    let text = dir.btfhub(add(&["--modules", "btf"])).ok();
    assert!(text.contains("already there"), "{text}");
    let _ = dir.btfhub(add(&["--replace"])).ok();
    assert!(plain == std::fs::read(dir.path(ENTRY)).unwrap());
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
        let _ = std::fs::remove_dir_all(dir.path("btf"));
        dir.write("btf/odd name\u{1b}[1m", btf);
        let text = dir.btfhub(add(&["--modules", "btf"])).fails(1);
        assert!(text.contains(what), "{what}: {text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!dir.has(ENTRY));
    };
    // Of kernels with shorter and with longer names, and with more types.
    for build in ["st", "stack_and_more_of_it"] {
        refused(module(&self::kernel(build), 16, 4), "another build");
    }
    let mut more = kernel.clone();
    for _ in 0..40 {
        more.pointer(1);
    }
    refused(module(&more, 16, 4), "does not exist");
    refused(vec![0x9f, 0xeb, 1, 0, 24, 0], "truncated");
    // A kernel's own BTF is no module's.
    refused(self::kernel("stack").finish(), "complete in itself");
    // Types that lead from one to the other and back.
    let mut cycle = BtfBuilder::split(&kernel);
    let next = cycle.next_id() + 1;
    cycle.typedef("a", next);
    cycle.typedef("b", next - 1);
    dir.write("cycle/m", cycle.finish());
    let _ = dir.btfhub(add(&["--modules", "cycle"])).ok();

    std::fs::create_dir(dir.path("empty")).unwrap();
    let text = dir.btfhub(add(&["--modules", "empty"])).fails(1);
    assert!(text.contains("no module with BTF"), "{text}");
    dir.write("twice/x/m", module(&kernel, 16, 4));
    dir.write("twice/y/m", module(&kernel, 16, 4));
    let text = dir.btfhub(add(&["--modules", "twice"])).fails(1);
    assert!(text.contains("module m is there twice"), "{text}");
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
        assert!(text.contains("1 module"), "{text}");
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
    let mut many = vec![Member::file("vmlinux", &vmlinux)];
    let names: Vec<String> = (0..10_000).map(|number| format!("m{number}")).collect();
    many.extend(names.iter().map(|name| Member::file(name, &split)));
    put(&many);
    let text = check().ok();
    assert!(text.contains("10000 modules"), "{text}");
});
