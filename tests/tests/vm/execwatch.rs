//! The example agents: the checked-in object, what `--explain` shows, and what they print on a
//! running system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_runtime::{Arch, Host};
use btfhub_tests::agents::{self, Loader};
use btfhub_tests::live::{Agent, Marked, may_load_programs};
use btfhub_tests::oracle::modes::{OpenObject, Target, walk};
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::project::{Said, workspace};
use btfhub_tests::shared::{has_tool, skip};
use btfhub_tests::{kernels, pack};

/// The checked-in object is what clang makes of the source.
#[test]
fn checked_in_object_is_what_clang_makes_of_the_source() {
    if !has_tool("clang-19") || !has_tool("llvm-strip-19") {
        return;
    }
    let build = agents::cargo(&[
        "build",
        "-p",
        "execwatch",
        "--message-format=json-render-diagnostics",
    ])
    .env("BTFHUB_EXAMPLE_CLANG", "1")
    .output();
    let said = Said::of(&build.expect("cargo")).ok();
    let out_dir = said
        .stdout
        .lines()
        .filter(|line| line.contains("\"build-script-executed\"") && line.contains("execwatch"))
        .find_map(|line| Some(line.split_once("\"out_dir\":\"")?.1.split_once('"')?.0))
        .map(PathBuf::from)
        .expect("the build script's directory");
    let compiled = fs::read(out_dir.join("execwatch.bpf.o")).expect("the compiled object");
    let checked_in = workspace().join("examples/execwatch/src/execwatch.bpf.o");
    assert!(
        compiled == fs::read(checked_in).expect("the checked-in object"),
        "execwatch.bpf.o is not what clang-19 makes of execwatch.bpf.c: \
         copy {} over it",
        out_dir.join("execwatch.bpf.o").display()
    );
}

/// `BPF_CORE_FIELD_BYTE_OFFSET` and `BPF_CORE_ENUMVAL_VALUE`.
const FIELD_BYTE_OFFSET: u32 = 0;
const ENUMVAL_VALUE: u32 = 11;

/// libbpf changes every offset and value of the object on every kernel, so right output proves that
/// the program was relocated.
#[test]
fn nothing_in_the_object_is_right_by_luck() {
    let elf = workspace().join("examples/execwatch/src/execwatch.bpf.o");
    let elf = fs::read(elf).expect("the object");
    let object = LocalObject::parse("execwatch.bpf.o", &elf).expect("an eBPF object");
    let object = OpenObject::open(object).expect("its BTF");
    let mut archives = vec![workspace().join("examples/archive")];
    archives.extend(std::env::var_os("BTFHUB_SHARED").map(|dir| Path::new(&dir).join("archive")));
    let (mut kernels, mut moved) = (0, 0);
    for entry in archives
        .iter()
        .flat_map(|archive| kernels::entries(archive))
    {
        let target = Target::parse(&entry.btf()).expect("a kernel's BTF");
        let fresh = walk(&object, &target).fresh;
        for (answer, record) in fresh.iter().zip(&object.object.records) {
            let verdict = answer.unwrap_or_else(|e| panic!("{}: {record:?}: {e}", entry.name));
            let placed = [FIELD_BYTE_OFFSET, ENUMVAL_VALUE].contains(&record.kind);
            if placed && !verdict.poison {
                assert_ne!(
                    verdict.orig_val, verdict.new_val,
                    "{}: {record:?}",
                    entry.name
                );
                moved += 1;
            }
        }
        kernels += 1;
    }
    println!("{kernels} kernels, {moved} offsets and values, each other than compiled");
    assert!(moved >= kernels * 13, "{moved} on {kernels} kernels");
}

/// The kernels of examples/archive for this machine's architecture.
fn example_kernels() -> Vec<String> {
    let arch = Arch::new(std::env::consts::ARCH);
    let root = workspace().join("examples/archive/debian");
    let mut found = Vec::new();
    for version in fs::read_dir(root).unwrap().map(|entry| entry.unwrap()) {
        let Ok(files) = fs::read_dir(version.path().join(arch.as_str())) else {
            continue;
        };
        for file in files {
            let name = file.unwrap().file_name().into_string().unwrap();
            let release = name.strip_suffix(".btf.tar.xz").unwrap();
            let version = version.file_name().into_string().unwrap();
            found.push(format!("debian/{version}/{arch}/{release}"));
        }
    }
    found.sort();
    found
}

fn explain(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).arg("--explain").args(args).output();
    Said::of(&output.expect("the agent")).ok().stdout
}

/// The README's first command, for both loaders.
#[test]
fn explains_every_kernel_of_the_example_archive() {
    let dir = tempfile::tempdir().unwrap();
    let expected = example_kernels();
    assert!(expected.len() >= 3, "{expected:?}");
    for loader in Loader::ALL {
        let program = agents::build(loader, &[], &[], dir.path());
        let shown = explain(&program, &[]);
        let mut listed: Vec<_> = shown
            .lines()
            .filter_map(|line| Some(line.strip_prefix("  ")?.to_owned()))
            .filter(|line| line.starts_with("debian/"))
            .collect();
        listed.sort();
        assert_eq!(listed, expected, "{shown}");
        assert!(
            shown.contains(&format!("bundle: {} kernels in", expected.len())),
            "{shown}"
        );

        for kernel in &expected {
            let release = kernel.rsplit('/').next().unwrap();
            let shown = explain(&program, &["--release", release]);
            assert!(
                shown.contains(&format!("\nBTF of {kernel}: the only candidate")),
                "{shown}"
            );
        }
        let shown = explain(&program, &["--release", "5.10.0-46-generic"]);
        assert!(
            shown.contains("\nno BTF in the bundle for kernel 5.10.0-46-generic"),
            "{shown}"
        );
    }
}

/// An archive of this machine's kernel alone.
fn archive_of_this_kernel(root: &Path, host: &Host) {
    let arch = host.arch().expect("an architecture");
    let btf = fs::read("/sys/kernel/btf/vmlinux").expect("the kernel's BTF");
    pack::entry(root, &format!("local/1/{arch}/{}", host.release()), &btf);
}

/// On this kernel, with embedded BTF, each event agrees with /proc.
#[test]
fn prints_what_proc_says() {
    let host = Host::detect().expect("a host");
    if !may_load_programs() {
        return skip("loading eBPF programs takes root");
    }
    if host.kernel_btf().is_none() {
        return skip("this kernel shows no BTF to make an archive of");
    }
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    archive_of_this_kernel(&archive, &host);
    let archives = [&*archive, &workspace().join("examples/archive")];
    for loader in Loader::ALL {
        let program = agents::build(loader, &archives, &[], dir.path());
        let agent = Agent::start(&program, &["--embedded"]);
        let marked = Marked::start();
        let event = agent.event(|event| event["pid"] == marked.pid() && event["comm"] == "sleep");
        let facts = marked.facts();
        println!("{}: {event:?}", loader.package());
        for (key, fact) in &facts {
            assert_eq!(event[key], *fact, "{}: {key}", loader.package());
        }
        assert!("RSD".contains(&event["parent_state"]), "{event:?}");

        let agent = Agent::start(&program, &["--embedded", "--count", "3"]);
        let _events = [Marked::start(), Marked::start()];
        let (lines, success) = agent.finish();
        assert!(success && lines.len() == 3, "{lines:#?}");
    }
}

/// A bundle without this kernel: refused before anything is loaded.
#[test]
fn refuses_a_kernel_that_the_bundle_does_not_hold() {
    let host = Host::detect().expect("a host");
    if example_kernels()
        .iter()
        .any(|kernel| kernel.ends_with(host.release()))
    {
        return skip("the example's archive holds this machine's kernel");
    }
    let dir = tempfile::tempdir().unwrap();
    for loader in Loader::ALL {
        let program = agents::build(loader, &[], &[], dir.path());
        let output = Command::new(program)
            .args(["--embedded", "--count", "1"])
            .output();
        let said = Said::of(&output.expect("the agent")).failed();
        let refused = format!("error: no BTF in the bundle for kernel {}", host.release());
        assert!(said.stderr.starts_with(&refused), "{}", said.stderr);
        assert_eq!(said.stdout, "");
    }
}
