//! What booted kernels do with each program of many objects: whether it loads and attaches, and
//! why not.
//!
//! The results are stored as tables in `tests/fixtures/verdicts`, with the kernel's exact package;
//! `cargo run -p btfhub-tests --bin judge` regenerates them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use btfhub_build::archive::{Archive, DEFAULT_LIMIT, decode};
use btfhub_build::btf::Btf;
use btfhub_build::symbols::Symbols;

use crate::objects::{ObjectFile, carved, libbpf_tools, objects_in, own_dir};
use crate::project::workspace;
use crate::shared::{has_tool, preparing, scratch, skip};
use crate::vm;

/// A kernel to boot, whose BTF is in the examples' archive.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// The Debian suite that has its package.
    pub suite: &'static str,
    /// `uname -r`.
    pub release: &'static str,
    /// `x86_64` or `arm64`.
    pub arch: &'static str,
}

impl Guest {
    /// Debian's version, as in the archive.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.suite {
            "bullseye-security" => "11",
            "bookworm-security" => "12",
            _ => "13",
        }
    }
}

/// All kernels that have tables.
pub const GUESTS: [Guest; 5] = [
    guest("bullseye-security", "5.10.0-46-cloud-amd64", "x86_64"),
    guest("bookworm-security", "6.1.0-56-amd64", "x86_64"),
    guest("trixie-security", "6.12.117+deb13-amd64", "x86_64"),
    guest("trixie-backports", "7.3.4+deb13-cloud-amd64", "x86_64"),
    guest("bookworm-security", "6.1.0-56-cloud-arm64", "arm64"),
];

const fn guest(suite: &'static str, release: &'static str, arch: &'static str) -> Guest {
    Guest {
        suite,
        release,
        arch,
    }
}

/// The result for one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// For example `libbpf-tools/opensnoop`.
    pub object: String,
    /// The program.
    pub program: String,
    /// Its section.
    pub section: String,
    /// `enum bpf_prog_type` and `bpf_attach_type`, as libbpf derives them from the section.
    pub types: (u32, u32),
    /// 0 or an errno.
    pub load: Option<i32>,
    /// 0 or an errno; `None` if it did not load, or libbpf can't attach it.
    pub attach: Option<i32>,
    /// The last line of the log, if something failed.
    pub log: String,
}

/// `EOPNOTSUPP`: libbpf does not attach such programs by itself.
const NOT_BY_LIBBPF: i32 = 95;

impl Line {
    /// Whether it loaded and, if libbpf attaches it, attached.
    #[must_use]
    pub fn ran(&self) -> bool {
        self.load == Some(0) && matches!(self.attach, None | Some(0 | NOT_BY_LIBBPF))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('\t');
        let mut next = || fields.next().map(str::to_owned);
        let errno = |field: &str| (field != "-").then(|| field.parse().expect("an errno"));
        // An object that libbpf does not open has no programs.
        let number = |field: &str| {
            if field == "-" {
                Some(0)
            } else {
                field.parse().ok()
            }
        };
        Some(Self {
            object: next()?,
            program: next()?,
            section: next()?,
            types: (number(&next()?)?, number(&next()?)?),
            load: errno(&next()?),
            attach: errno(&next()?),
            log: next().unwrap_or_default(),
        })
    }

    fn text(&self) -> String {
        let errno = |errno: Option<i32>| errno.map_or("-".to_owned(), |errno| errno.to_string());
        format!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            self.object,
            self.program,
            self.section,
            self.types.0,
            self.types.1,
            errno(self.load),
            errno(self.attach),
            self.log
        )
    }
}

/// The results of all programs on a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The version of the kernel's package.
    pub package: String,
    /// In the order of objects and programs.
    pub lines: Vec<Line>,
}

impl Table {
    fn path(guest: &Guest) -> PathBuf {
        workspace().join(format!("tests/fixtures/verdicts/{}.tsv", guest.release))
    }

    /// The stored table of a kernel.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn stored(guest: &Guest) -> Self {
        let text = fs::read_to_string(Self::path(guest)).expect("a table");
        let mut package = String::new();
        let mut lines = Vec::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                if let Some((_, version)) = comment.split_once("package ") {
                    version.clone_into(&mut package);
                }
            } else {
                lines.push(Line::parse(line).unwrap_or_else(|| panic!("{line}")));
            }
        }
        Self { package, lines }
    }

    /// Stores it.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn store(&self, guest: &Guest) {
        let mut text = format!(
            "# Each program by itself, loaded and attached by libbpf {}: made by\n\
             # `cargo run -p btfhub-tests --bin judge`, read by docs/verdicts.md's tests.\n\
             # {} {}, Debian package {}\n\
             # object, program, section, program type, attach type, errno of load, of attach, log\n",
            libbpf_version(),
            guest.release,
            guest.arch,
            self.package
        );
        for line in &self.lines {
            let _ = writeln!(text, "{}", line.text());
        }
        let path = Self::path(guest);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a table");
    }
}

/// The version of libbpf that the tests are built with.
#[must_use]
pub fn libbpf_version() -> String {
    // SAFETY: both only return numbers.
    let (major, minor) = unsafe {
        (
            libbpf_sys::libbpf_major_version(),
            libbpf_sys::libbpf_minor_version(),
        )
    };
    format!("{major}.{minor}")
}

/// The objects whose programs are run: Debian's libbpf-tools, our fixtures, the examples'. Says
/// what is missing, if anything.
#[must_use]
pub fn objects(arch: &str) -> Option<Vec<ObjectFile>> {
    let mut tools = if arch == "x86_64" {
        libbpf_tools()
    } else {
        carved(&foreign_root()?.join("usr/sbin"))
    };
    if tools.is_empty() {
        return None;
    }
    for tool in &mut tools {
        let name = tool.name.trim_end_matches("#0");
        tool.name = format!("{}.o", name.replace('#', "-"));
    }
    for mut object in objects_in(&own_dir(), ".bpf.o") {
        object.name = format!("fixtures/{}", object.name);
        tools.push(object);
    }
    let examples = workspace().join("examples/execwatch/src");
    for mut object in objects_in(&examples, ".bpf.o") {
        object.name = format!("examples/{}", object.name);
        tools.push(object);
    }
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    Some(tools)
}

/// Debian's arm64 packages that an arm64 guest needs, unpacked once.
fn foreign_root() -> Option<PathBuf> {
    let _alone = preparing();
    let dir = scratch("judge-arm64");
    let root = dir.join("root");
    if !root.exists() {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let suite = (release.lines())
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .unwrap_or("bookworm")
            .to_owned();
        let script = "set -e; cd \"$1\"
            \"$2\" apt arm64 \"$3\" update
            \"$2\" apt arm64 \"$3\" download libbpf-tools busybox-static libelf-dev zlib1g-dev
            rm -rf new; for deb in *.deb; do dpkg-deb -x \"$deb\" new; done; mv new root";
        let fetched = Command::new("bash")
            .args(["-c", script, "-"])
            .arg(&dir)
            .arg(workspace().join("tests/vm/apt"))
            .arg(&suite)
            .output()
            .expect("bash");
        if !fetched.status.success() {
            let errors = String::from_utf8_lossy(&fetched.stderr);
            skip(&format!("no packages for arm64: {errors}"));
            return None;
        }
    }
    Some(root)
}

/// The BTF of a kernel in the examples' archive.
///
/// # Panics
/// If it does not exist.
#[must_use]
pub fn btf(guest: &Guest) -> Btf {
    let archive = Archive::scan(workspace().join("examples/archive")).expect("an archive");
    let entry = (archive.entries().iter())
        .find(|entry| entry.kernel().release == guest.release)
        .expect("an entry");
    let packed = fs::read(entry.file()).expect("an entry");
    let decoded = decode(&packed, DEFAULT_LIMIT).expect("an entry");
    Btf::from_words(decoded.words, decoded.len).expect("BTF")
}

/// The stored symbols of a kernel, if there are any.
///
/// # Panics
/// If they are damaged.
#[must_use]
pub fn symbols(guest: &Guest) -> Option<Symbols> {
    let packed = fs::read(symbols_path(guest)).ok()?;
    let mut member = Vec::new();
    xz2::read::XzDecoder::new(packed.as_slice())
        .read_to_end(&mut member)
        .expect("xz");
    Some(Symbols::parse(&member).expect("symbols"))
}

fn symbols_path(guest: &Guest) -> PathBuf {
    workspace().join(format!(
        "tests/fixtures/verdicts/{}.symbols.xz",
        guest.release
    ))
}

/// The files in which a booted kernel lists its symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolFiles {
    /// `/proc/kallsyms`.
    pub kallsyms: String,
    /// `available_filter_functions` of tracefs.
    pub traceable: String,
}

impl SymbolFiles {
    /// Stores what an entry would hold of them, next to the tables.
    ///
    /// # Panics
    /// If they are another kernel's, or can't be written.
    pub fn store(&self, guest: &Guest) {
        let symbols = Symbols::make(&self.kallsyms, &self.traceable, &btf(guest));
        let symbols = symbols.expect("the kernel's symbols");
        let mut packed = xz2::write::XzEncoder::new(Vec::new(), 9);
        packed.write_all(symbols.as_bytes()).expect("xz");
        let packed = packed.finish().expect("xz");
        fs::write(symbols_path(guest), packed).expect("symbols");
    }

    /// From the guest's console.
    fn parse(console: &str) -> Self {
        let mut files = console.split("@file ").skip(1).map(|file| {
            let (_, packed) = file.split_once('\n').expect("a name");
            let packed = packed.split('@').next().unwrap_or_default();
            unpack(packed)
        });
        let mut next = || files.next().expect("two files");
        Self {
            kallsyms: next(),
            traceable: next(),
        }
    }
}

/// Unpacks the output of the guest's `gzip -c | base64`.
fn unpack(packed: &str) -> String {
    let mut child = Command::new("sh")
        .args(["-c", "tr -d '\\r' | base64 -d | gzip -d"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut stdin = child.stdin.take().expect("piped");
    let packed = packed.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(packed.as_bytes()));
    let output = child.wait_with_output().expect("gzip");
    writer.join().expect("a thread").expect("gzip reads");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("plain text")
}

/// Boots a kernel and runs the programs; says why if it can't.
///
/// # Panics
/// If the guest does not finish.
#[must_use]
pub fn ask(guest: &Guest, objects: &[ObjectFile]) -> Option<(Table, SymbolFiles)> {
    let (qemu, compiler) = match guest.arch {
        "x86_64" => ("qemu-system-x86_64", "gcc"),
        _ => ("qemu-system-aarch64", "aarch64-linux-gnu-gcc"),
    };
    let tools = [qemu, compiler, "cpio"].map(has_tool);
    if tools.contains(&false) {
        return None;
    }
    let kernel = vm::fetch(&[format!("{}:{}", guest.suite, guest.release)])?
        .pop()
        .expect("one");
    let (busybox, libraries) = match guest.arch {
        "x86_64" => (PathBuf::from("/bin/busybox"), None),
        _ => {
            let root = foreign_root()?;
            (root.join("bin/busybox"), Some(root.join("usr")))
        }
    };
    let dir = tempfile::tempdir().expect("a directory");
    let judge = compile(compiler, libraries.as_deref(), dir.path());
    let root = vm::root(
        dir.path(),
        &busybox,
        &workspace().join("tests/vm/judge/init"),
    );
    vm::put(&judge, &root.join("judge"));
    for object in objects {
        let path = root.join("objects").join(&object.name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, &object.elf).expect("an object");
    }
    let console = vm::boot_on(guest.arch, &kernel.image, &vm::pack(&root, dir.path()));
    assert!(console.contains("@done"), "{}: {console}", guest.release);
    let lines = console.lines().filter_map(|line| {
        let line = line.trim_end_matches('\r').strip_prefix("@ ")?;
        Some(Line::parse(line).unwrap_or_else(|| panic!("{line}")))
    });
    let table = Table {
        package: kernel.package,
        lines: lines.collect(),
    };
    Some((table, SymbolFiles::parse(&console)))
}

/// The judge: a single program without shared libraries.
fn compile(compiler: &str, libraries: Option<&Path>, dir: &Path) -> PathBuf {
    let sources = libbpf_sources();
    let headers = dir.join("include/bpf");
    fs::create_dir_all(&headers).expect("a directory");
    for (name, text) in libbpf_sys::API_HEADERS {
        fs::write(headers.join(name), text).expect("a header");
    }
    let judge = dir.join("judge");
    let mut command = Command::new(compiler);
    command
        .args([
            "-static",
            "-O1",
            "-w",
            "-D_LARGEFILE64_SOURCE",
            "-D_FILE_OFFSET_BITS=64",
            "-I",
        ])
        .arg(dir.join("include"));
    for include in ["include", "include/uapi", "src"] {
        command.arg("-I").arg(sources.join(include));
    }
    if let Some(usr) = libraries {
        command.arg("-I").arg(usr.join("include"));
        command.arg("-L").arg(usr.join("lib/aarch64-linux-gnu"));
    }
    command.arg(workspace().join("tests/vm/judge/judge.c"));
    let files = fs::read_dir(sources.join("src")).expect("libbpf's sources");
    let files = files.map(|file| file.expect("a file").path());
    command.args(files.filter(|file| file.extension().is_some_and(|ending| ending == "c")));
    let made = command.args(["-lelf", "-lz", "-o"]).arg(&judge).output();
    let made = made.expect("a compiler");
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{errors}");
    judge
}

/// libbpf's sources in the package libbpf-sys.
fn libbpf_sources() -> PathBuf {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(workspace())
        .output()
        .expect("cargo");
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.stdout).expect("cargo's metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages
        .iter()
        .find(|package| package["name"] == "libbpf-sys");
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    Path::new(manifest.expect("libbpf-sys")).with_file_name("libbpf")
}

/// The results by object and program.
#[must_use]
pub fn by_program(table: &Table) -> BTreeMap<(&str, &str), &Line> {
    let lines = table.lines.iter();
    lines
        .map(|line| ((line.object.as_str(), line.program.as_str()), line))
        .collect()
}
