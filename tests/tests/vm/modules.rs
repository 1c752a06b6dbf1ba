//! Agents that read types of modules, on booted kernels with these modules loaded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_tests::cli;
use btfhub_tests::modules::{Kernel, kernels, unpacked};
use btfhub_tests::project::{Project, Said, workspace};
use btfhub_tests::shared::{has_tool, scratch};
use btfhub_tests::vm::{self, Case};

use crate::boot::{STATIC, TARGET};

/// (suite and series, version of Debian)
const KERNELS: [(&str, &str); 2] = [("bookworm:6.1", "12"), ("trixie-backports:7", "13")];

/// The modules to load, dependencies first; the first ones may be built in.
const LOADED: [&str; 4] = ["crc32c_generic", "nf_conntrack", "psample", "openvswitch"];

/// With the BTF of kernel and modules hidden: with BTF from a bundle with the kernel's modules, from
/// one without, and without any; and before hiding it, with the kernel's.
#[test]
fn agents_that_read_types_of_modules() {
    let tools = ["qemu-system-x86_64", "cpio", "clang-19", "gcc"].map(has_tool);
    if tools.contains(&false) {
        return;
    }
    let kernels = kernels(&KERNELS.map(|(suite, _)| suite));
    if kernels.is_empty() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let loaded: Vec<_> = kernels.iter().map(to_load).collect();
    let agents = agents(dir.path(), &kernels, &loaded);
    let traffic = dir.path().join("traffic");
    let compiled = Command::new("gcc")
        .args(["-static", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&traffic)
        .arg(workspace().join("tests/vm/modules/traffic.c"))
        .status();
    assert!(compiled.expect("gcc").success());

    let mut wrong = Vec::new();
    for ((kernel, loaded), (_, version)) in kernels.iter().zip(&loaded).zip(KERNELS) {
        let dir = tempfile::tempdir().expect("a directory");
        let init = workspace().join("tests/vm/modules/init");
        let root = vm::root(dir.path(), Path::new("/bin/busybox"), &init);
        vm::put(&traffic, &root.join("bin/traffic"));
        for name in ["agents", "modules"] {
            fs::create_dir(root.join(name)).expect("a directory");
        }
        for (name, program) in &agents {
            vm::put(program, &root.join("agents").join(name));
        }
        let mut order = String::new();
        for name in loaded {
            let file = format!("/modules/{name}.ko");
            let module = unpacked(&kernel.file(name));
            fs::write(root.join(&file[1..]), module).expect("a module");
            let options = if name == "nf_conntrack" {
                " acct=1 enable_hooks=1"
            } else {
                ""
            };
            let _ = writeln!(order, "{file}{options}");
        }
        fs::write(root.join("modules/order"), order).expect("their order");
        let console = vm::boot(&kernel.image, &vm::pack(&root, dir.path()));
        let cases = vm::cases(&console);
        assert_eq!(cases.len(), 8, "{console}");
        for case in cases {
            let what = verdict(kernel, version, &case);
            println!(
                "{:24} {:16} {:8} {}",
                kernel.release,
                case.name,
                case.btf,
                match &what {
                    Ok(what) => what.clone(),
                    Err(why) => format!("WRONG, {why}: {case:?}"),
                }
            );
            wrong.extend(
                what.err()
                    .map(|why| format!("{}: {why}: {case:#?}", kernel.release)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What happened, if it is what should have.
fn verdict(kernel: &Kernel, version: &str, case: &Case) -> Result<String, &'static str> {
    if !case.expected.starts_with("port_no=42") {
        return Err("no traffic");
    }
    let is_right = case.status == "0" && case.events == [case.expected.clone()];
    match (case.name.as_str(), case.btf.as_str()) {
        (_, "hidden") if case.name.ends_with("-modules") => {
            let entry = format!("debian/{version}/x86_64/{}", kernel.release);
            if !case.errors.contains(&entry) {
                return Err("another BTF was selected");
            }
            let right = is_right.then(|| format!("right: {}", case.expected));
            right.ok_or("other values than there were")
        }
        // libbpf reads the BTF of modules by itself, if the kernel exposes it.
        ("libbpf-none", "own") if is_right => Ok(format!("right: {}", case.expected)),
        _ if is_right => Err("right without BTF of the modules"),
        ("aya-none", "hidden") if case.status == "0" => {
            Ok(format!("not relocated: {}", case.events.join("")))
        }
        _ if case.status == "0" => Err("it ran"),
        _ => Ok("refused".to_owned()),
    }
}

/// The modules to load, in order.
fn to_load(kernel: &Kernel) -> Vec<String> {
    let mut order = Vec::new();
    for name in LOADED.iter().filter(|name| kernel.has(name)) {
        put_behind_dependencies(kernel, name, &mut order);
    }
    order
}

fn put_behind_dependencies(kernel: &Kernel, name: &str, order: &mut Vec<String>) {
    if order.iter().any(|known| known == name) {
        return;
    }
    for dependency in kernel.dependencies(name) {
        put_behind_dependencies(kernel, &dependency, order);
    }
    order.push(name.to_owned());
}

/// The static agents, one for each loader.
fn agents(dir: &Path, kernels: &[Kernel], loaded: &[Vec<String>]) -> Vec<(String, PathBuf)> {
    for ((kernel, loaded), (_, version)) in kernels.iter().zip(loaded).zip(KERNELS) {
        let modules = dir.join("modules").join(&kernel.release);
        fs::create_dir_all(&modules).expect("a directory");
        for name in loaded {
            let file = kernel.file(name);
            fs::copy(&file, modules.join(file.file_name().expect("a name"))).expect("a copy");
        }
        for (archive, with) in [("modules", Some(&modules)), ("kernel", None)] {
            let mut add = Command::new(cli::binary());
            add.args([
                "add",
                "--distro",
                "debian",
                "--version",
                version,
                "--archive",
            ])
            .arg(dir.join("archives").join(archive))
            .args(["--release", &kernel.release]);
            if let Some(modules) = with {
                add.arg("--modules").arg(modules);
            }
            let added = add.arg(&kernel.image).output().expect("cargo-btfhub");
            let _added = Said::of(&added).ok();
        }
    }
    let dependencies = BTreeMap::from([
        ("aya", "aya = \"0.14\""),
        (
            "libbpf",
            "libbpf-rs = { version = \"0.27\", features = [\"static\"] }",
        ),
    ]);
    let sources = workspace().join("tests/vm/modules");
    let mut agents = Vec::new();
    for (loader, dependency) in dependencies {
        let project = Project::new(&format!(
            "[dependencies]\n{dependency}\n\
             btfhub-runtime = {{ path = RUNTIME, features = [\"macros\"] }}\n\
             [build-dependencies]\nbtfhub-build.path = BUILD\n"
        ));
        for (from, to) in [
            ("reader.bpf.c", "reader.bpf.c"),
            ("build.rs", "build.rs"),
            ("main.rs", "src/main.rs"),
            (&format!("{loader}.rs"), "src/loader.rs"),
        ] {
            project.file(to, fs::read(sources.join(from)).expect("a source"));
        }
        std::os::unix::fs::symlink(dir.join("archives"), project.path().join("archives"))
            .expect("a link");
        // The example agents' dependencies are already compiled there.
        let target = scratch("agents");
        let built = project
            .command(&["build"])
            .args(STATIC)
            .env("CARGO_TARGET_DIR", &target)
            .output();
        let _built = Said::of(&built.expect("cargo")).ok();
        let program = dir.join(loader);
        let built = target.join(TARGET).join("debug").join(project.name());
        fs::copy(built, &program).expect("a copy of the program");
        let stripped = Command::new("strip").arg(&program).status();
        assert!(stripped.expect("strip").success());
        agents.push((loader.to_owned(), program));
    }
    agents
}
