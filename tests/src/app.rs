//! A user's crate: a build script that only reads configuration, and a program that prints what
//! was embedded.

use std::fs;
use std::path::{Path, PathBuf};

use crate::btf_builder::{BtfBuilder, INT_SIGNED, member};
use crate::elf_builder::{self, Relo};
use crate::pack;
use crate::project::{Project, Said};

/// Configured by `[package.metadata.btfhub]`, so that changing the configuration needs no
/// compilation.
const BUILD_SCRIPT: &str = r#"
fn main() -> Result<(), btfhub_build::Error> {
    btfhub_build::Builder::from_manifest()?.build("probe")
}
"#;

const PROGRAM: &str = r#"
use btfhub_runtime::{Bundle, include_bundle};
static BTF: Bundle = include_bundle!("probe");
fn main() {
    let origin = BTF.provenance().unwrap();
    println!("partial {}", origin.partial);
    for pin in origin.pins {
        println!("pin {pin}");
    }
    for kernel in BTF.kernels() {
        let kernel = kernel.unwrap();
        println!("{} in class {}", kernel.kernel(), kernel.class());
    }
}
"#;

/// The crate, with a made-up archive and a made-up object next to it.
#[derive(Debug)]
pub struct App {
    /// The cargo project.
    pub project: Project,
}

/// The object's relocations: `int` members of `struct task` by name.
#[must_use]
pub fn object(members: &[&str]) -> Vec<u8> {
    object_with_programs(members, 1)
}

/// Like [`object()`], with each relocation in this many programs.
#[must_use]
pub fn object_with_programs(members: &[&str], programs: usize) -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let mut offset = 0;
    let members: Vec<_> = (members.iter())
        .map(|name| {
            offset += 4;
            member(name, int, offset - 4)
        })
        .collect();
    let task = btf.structure("task", offset, &members);
    let relos: Vec<Relo> = (0..programs)
        .flat_map(|program| (0..members.len()).map(move |index| (program, index)))
        .map(|(program, index)| Relo {
            program,
            type_id: task,
            access: format!("0:{index}"),
            kind: 0,
        })
        .collect();
    elf_builder::object(&btf, &relos, false)
}

/// A kernel whose `struct task` has `pid` and `tgid` after `before` bytes of something else.
#[must_use]
pub fn kernel(before: u32) -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let members = [member("pid", int, before), member("tgid", int, before + 4)];
    btf.structure("task", before + 8, &members);
    btf.finish()
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// With three kernels of two classes in `archive`, and `probe.o`, which reads `pid`.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn new() -> Self {
        Self::with(BUILD_SCRIPT)
    }

    /// With another build script.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn with(build_script: &str) -> Self {
        let app = Self {
            project: Project::new(MANIFEST),
        };
        app.project
            .file("build.rs", build_script)
            .file("src/main.rs", PROGRAM)
            .file("probe.o", object(&["pid"]));
        let archive = app.archive();
        pack::entry(&archive, "debian/11/x86_64/5.10.0-1-amd64", &kernel(8));
        pack::entry(&archive, "debian/11/x86_64/5.10.0-2-amd64", &kernel(8));
        pack::entry(&archive, "debian/12/x86_64/6.1.0-1-amd64", &kernel(16));
        app.configure("archive = \"archive\"\nobjects = \"probe.o\"\n");
        app
    }

    /// The path of its archive.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.path("archive")
    }

    /// A path in the crate.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.project.path().join(path)
    }

    /// Replaces the content of `[package.metadata.btfhub]`.
    ///
    /// # Panics
    /// If the Cargo.toml can't be written.
    pub fn configure(&self, table: &str) -> &Self {
        const HEAD: &str = "[package.metadata.btfhub]\n";
        let file = self.path("Cargo.toml");
        let text = fs::read_to_string(&file).expect("a Cargo.toml");
        let package = text.split(HEAD).next().unwrap_or(&text);
        fs::write(&file, format!("{package}{HEAD}{table}")).expect("a Cargo.toml");
        self
    }

    /// Builds it and runs it.
    #[must_use]
    pub fn run(&self) -> Said {
        self.project.cargo(&["run"])
    }

    /// Builds, and returns whether cargo ran the build script.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn script_ran(&self, variables: &[(&str, &str)]) -> bool {
        let mut command = self.project.command(&["build", "-v"]);
        command.envs(variables.iter().copied());
        let said = Said::of(&command.output().expect("cargo")).ok();
        let name = format!("/{}-", self.project.name());
        (said.stderr.lines())
            .any(|line| line.contains("/build-script-build`") && line.contains(&name))
    }

    /// What the user reads when the build script fails.
    ///
    /// # Panics
    /// If it does not fail.
    #[must_use]
    pub fn complaint(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let mut command = self.project.command(&[&["build"], arguments].concat());
        command.envs(variables.iter().copied());
        let said = Said::of(&command.output().expect("cargo")).failed();
        let stderr = said.stderr;
        let (_, complaint) = (stderr.split_once("--- stderr\n"))
            .unwrap_or_else(|| panic!("the build script did not fail: {stderr}"));
        // Without cargo's own messages, which vary.
        let (complaint, _) =
            (complaint.split_once("\nwarning: build failed")).unwrap_or((complaint, ""));
        self.neutral(complaint)
    }

    /// The warnings of a successful build.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn warnings(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let mut command = self.project.command(&[&["build"], arguments].concat());
        command.envs(variables.iter().copied());
        let said = Said::of(&command.output().expect("cargo")).ok();
        let prefix = format!("warning: {}@0.0.0: ", self.project.name());
        let warnings = said
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix));
        self.neutral(&warnings.collect::<Vec<_>>().join("\n"))
    }

    /// The bundle that the last build left.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        let [bundle] = self.bundles().try_into().expect("one bundle");
        fs::read(bundle).expect("a bundle")
    }

    /// Every bundle below the crate's target directory.
    ///
    /// # Panics
    /// If a directory can't be read.
    #[must_use]
    pub fn bundles(&self) -> Vec<PathBuf> {
        self.project.outputs("probe.btfhub")
    }

    /// A message without the parts that differ between machines and runs.
    fn neutral(&self, message: &str) -> String {
        let path = self.project.path().to_string_lossy().into_owned();
        numbered(&message.trim().replace(&path, "CRATE"))
    }
}

/// Replaces what depends on compression: digests and commit ids by numbers in the order of their
/// first mention, and the size of a bundle by `N`.
fn numbered(message: &str) -> String {
    let mut text = message.to_owned();
    if let Some((before, after)) = message.split_once(" bytes; ") {
        let before = before.trim_end_matches(|c: char| c.is_ascii_digit());
        text = format!("{before}N bytes; {after}");
    }
    let mut known = 0;
    let words = message.split(|c: char| !c.is_ascii_hexdigit());
    let mut ids: Vec<&str> = words.filter(|word| word.len() >= 40).collect();
    ids.retain(|id| !id.starts_with("0123456789") && !id.starts_with("00000000"));
    for id in ids {
        if text.contains(id) {
            known += 1;
            text = text.replace(id, &format!("<id {known}>"));
        }
    }
    text
}

const MANIFEST: &str = "
[dependencies]
btfhub-runtime.path = RUNTIME

[build-dependencies]
btfhub-build = { path = BUILD, features = [\"manifest\"] }
";
