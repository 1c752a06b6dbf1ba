//! The example agents on booted kernels whose own BTF is hidden.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use btfhub_tests::agents::{self, Loader};
use btfhub_tests::cli;
use btfhub_tests::project::{Project, Said, workspace};
use btfhub_tests::shared::{has_tool, scratch, shared};
use btfhub_tests::vm::{self, Case, Kernel};

pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";
/// A single program without shared libraries, as the guest has none.
pub(crate) const STATIC: [&str; 6] = [
    "--target",
    TARGET,
    "--config",
    "target.x86_64-unknown-linux-gnu.rustflags=['-Ctarget-feature=+crt-static']",
    // Debian's directory of libelf.a and libz.a, for libbpf.
    "--config",
    "env.LIBBPF_SYS_LIBRARY_PATH='/usr/lib/x86_64-linux-gnu'",
];

/// Debian 5.10, 6.1 and 6.12, each with BTF from a bundle that has it, from a bundle for other
/// kernels, and from an empty one; and, before the kernel's own BTF is hidden, with that. With
/// their own BTF and the bundle's, also with a program that does not run on 5.10, once left out
/// there and once not.
#[test]
fn agents_on_kernels_without_btf() {
    let tools = ["qemu-system-x86_64", "cpio", "strip"].map(has_tool);
    if tools.contains(&false) || !Path::new("/bin/busybox").exists() {
        return;
    }
    let Some(kernels) = vm::kernels() else {
        return;
    };
    let from = Instant::now();
    let dir = tempfile::tempdir().expect("a directory");
    let initramfs = vm::initramfs(&programs(&kernels, dir.path()), dir.path());
    println!("agents built in {} s", from.elapsed().as_secs());

    let from = Instant::now();
    let mut wrong = Vec::new();
    for kernel in &kernels {
        let cases = vm::cases(&vm::boot(&kernel.image, &initramfs));
        assert_eq!(cases.len(), 16, "{cases:?}");
        for case in cases {
            let what = verdict(kernel, &case).unwrap_or_else(|why| {
                wrong.push(format!("{}: {case:#?}", kernel.release));
                format!("WRONG: {why}")
            });
            println!("{:32} {:16} {what}", kernel.release, case.name);
        }
    }
    println!("three kernels booted in {} s", from.elapsed().as_secs());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What happened, if it is what should have.
fn verdict(kernel: &Kernel, case: &Case) -> Result<String, &'static str> {
    let (_loader, bundle) = case.name.split_once('-').ok_or("no name")?;
    if matches!(bundle, "exits" | "regardless") {
        return with_exits(kernel, case, bundle == "regardless");
    }
    let btf = if bundle == "own" { "own" } else { "hidden" };
    if case.btf != btf {
        return Err("the kernel's BTF is not as it should be");
    }
    let entry = format!("debian/{}/x86_64/{}", kernel.version, kernel.release);
    if bundle == "bundle" || bundle == "own" {
        let source = if bundle == "own" {
            "BTF of the running kernel"
        } else {
            &entry
        };
        if !case.errors.contains(source) {
            return Err("another BTF was selected");
        }
        if case.expected.is_empty() || case.events != [case.expected.clone()] {
            return Err("other values than in the guest's /proc");
        }
        return Ok(format!("right: {}", case.expected));
    }
    if case.status != "1" || !case.events.is_empty() || case.errors.contains("watching") {
        return Err("it ran");
    }
    let refusal = format!("error: no BTF in the bundle for kernel {}", kernel.release);
    let line = case.errors.lines().find(|line| line.starts_with(&refusal));
    line.map(|_| "refused: not found".to_owned())
        .ok_or("another error")
}

/// The same for an agent with a program that does not run on 5.10.
fn with_exits(kernel: &Kernel, case: &Case, regardless: bool) -> Result<String, &'static str> {
    let is_old = kernel.release.starts_with("5.10.");
    let why = "exits of execwatch.bpf.o (tracepoint sched_switch has 3 arguments here, but the \
               program reads argument 4)";
    let told = match is_old {
        true => format!("failing here: {why}"),
        false => "no program is known to fail here".to_owned(),
    };
    if !case.errors.lines().any(|line| line.contains(&told)) {
        return Err("it does not say what fails");
    }
    if is_old && regardless {
        let failed = case.status == "1" && case.events.is_empty();
        return if failed && !case.errors.contains("watching") {
            Ok(format!(
                "BTF {}: without leaving it out, nothing loads",
                case.btf
            ))
        } else {
            Err("it ran")
        };
    }
    if case.expected.is_empty() || case.events != [case.expected.clone()] {
        return Err("other values than in the guest's /proc");
    }
    if case.exited == is_old {
        return Err("the end of a process is seen by the program that 5.10 lacks, and by no other");
    }
    let rest = if is_old {
        "left out, the rest runs"
    } else {
        "both programs run"
    };
    Ok(format!("BTF {}: {rest}", case.btf))
}

/// The static agents: each loader with each bundle.
fn programs(kernels: &[Kernel], dir: &Path) -> Vec<(String, PathBuf)> {
    let others = dir.join("others");
    copy_others(&workspace().join("examples/archive"), &others, kernels);
    let these = with_these(kernels);
    let shared = shared().map(|shared| shared.join("archive"));
    let mut all = vec![others.as_path(), &these];
    all.extend(shared.as_deref());

    let mut programs = Vec::new();
    for loader in Loader::ALL {
        let mut extra = STATIC.to_vec();
        if loader == Loader::Libbpf {
            extra.extend(["--features", "static"]);
        }
        let name = loader.package().trim_start_matches("execwatch-");
        for (bundle, archives) in [("bundle", &all[..]), ("foreign", &all[..1])] {
            let into = dir.join(format!("{name}-{bundle}"));
            fs::create_dir(&into).expect("a directory");
            let program = agents::build(loader, archives, &extra, &into);
            programs.push((format!("{name}-{bundle}"), program));
        }
        let into = dir.join(format!("{name}-none"));
        with_empty_bundle(loader, &into);
        programs.push((format!("{name}-none"), into));
    }
    for (_, program) in &programs {
        let stripped = Command::new("strip").arg(program).status();
        assert!(stripped.expect("strip").success());
    }
    programs
}

/// An archive of only the kernels to boot, made once, as a user makes one for kernels that no
/// archive has.
fn with_these(kernels: &[Kernel]) -> PathBuf {
    let archive = scratch("vm").join("archive");
    for kernel in kernels {
        let file = format!(
            "debian/{}/x86_64/{}.btf.tar.xz",
            kernel.version, kernel.release
        );
        if archive.join(file).exists() {
            continue;
        }
        let added = Command::new(cli::binary())
            .args(["btfhub", "add"])
            .arg(&kernel.image)
            .arg("--archive")
            .arg(&archive)
            .args(["--distro", "debian", "--version", kernel.version])
            .args(["--release", &kernel.release])
            .output();
        let _added = Said::of(&added.expect("cargo-btfhub")).ok();
    }
    archive
}

/// The archive at `from` without `kernels`.
fn copy_others(from: &Path, to: &Path, kernels: &[Kernel]) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the archive") {
        let from = entry.expect("an entry").path();
        let name = from.file_name().expect("a name");
        let is_one = |kernel: &Kernel| *name == *format!("{}.btf.tar.xz", kernel.release);
        if from.is_dir() {
            copy_others(&from, &to.join(name), kernels);
        } else if !kernels.iter().any(is_one) {
            fs::copy(&from, to.join(name)).expect("a copy");
        }
    }
}

/// The same agent in a package whose build script found no archive and embedded an empty bundle.
fn with_empty_bundle(loader: Loader, program: &Path) {
    let example = workspace().join("examples").join(loader.package());
    let execwatch = workspace().join("examples/execwatch");
    let manifest = fs::read_to_string(example.join("Cargo.toml")).expect("the example");
    let (_, dependencies) = manifest.split_once("[dependencies]").expect("a section");
    let (dependencies, _) = dependencies.split_once("[lints]").expect("a section");
    let dependencies = dependencies
        .replace(
            "btfhub-runtime = { workspace = true, features = [\"macros\"] }",
            "btfhub-runtime = { path = RUNTIME, features = [\"macros\"] }",
        )
        .replace(
            "btfhub-build = { workspace = true }",
            "btfhub-build.path = BUILD",
        )
        .replace("\"../execwatch\"", &format!("{execwatch:?}"))
        .replace(
            "libbpf-rs = \"0.27\"",
            "libbpf-rs = { version = \"0.27\", features = [\"static\"] }",
        );
    let project = Project::new(&format!("[dependencies]{dependencies}"));
    project.file(
        "build.rs",
        "fn main() -> Result<(), btfhub_build::Error> {
             let object = std::env::var_os(\"DEP_EXECWATCH_OBJECT\").expect(\"an object\");
             let builder = btfhub_build::Builder::new().object(object);
             builder.archive(\"not-there\").optional().build(\"execwatch\")
         }",
    );
    for entry in fs::read_dir(example.join("src")).expect("the example") {
        let entry = entry.expect("an entry");
        let content = fs::read(entry.path()).expect("a source");
        project.file(Path::new("src").join(entry.file_name()), content);
    }
    // The agents' dependencies are already compiled there.
    let target = scratch("agents");
    let built = project
        .command(&["build"])
        .args(STATIC)
        .env("CARGO_TARGET_DIR", &target)
        .output();
    let _built = Said::of(&built.expect("cargo")).ok();
    let built = target.join(TARGET).join("debug").join(project.name());
    fs::copy(built, program).expect("a copy of the program");
}
