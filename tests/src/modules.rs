//! Debian kernels with all their modules, decoded independently of the code under test.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object as _, ObjectSection as _};

use crate::cli;
use crate::kernels::entries;
use crate::project::workspace;
use crate::shared::{scratch, skip};

/// A kernel and its modules on disk.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The compressed kernel.
    pub image: PathBuf,
    /// The modules as in the package, `.ko` or `.ko.xz`.
    pub modules: PathBuf,
}

/// A module's name, and its split BTF.
pub type Module = (String, Vec<u8>);

/// The newest kernels of these suites and series (`bookworm:6.1`), fetched once; says why if that
/// is not possible.
///
/// # Panics
/// If they can't be fetched but must.
#[must_use]
pub fn kernels(wanted: &[&str]) -> Vec<Kernel> {
    let dir = scratch("kernels-with-modules");
    let fetched = Command::new(workspace().join("tests/modules/fetch"))
        .arg(&dir)
        .args(wanted)
        .output()
        .expect("tests/modules/fetch");
    if !fetched.status.success() {
        let errors = String::from_utf8_lossy(&fetched.stderr);
        skip(&format!("no kernels with modules: {errors}"));
        return Vec::new();
    }
    let lines = String::from_utf8(fetched.stdout).expect("plain text");
    let releases = lines.lines().filter_map(|line| line.split_once(' '));
    releases
        .map(|(_, release)| Kernel {
            release: release.to_owned(),
            image: dir.join(release).join("vmlinuz"),
            modules: dir.join(release).join("modules"),
        })
        .collect()
}

impl Kernel {
    /// The kernel's own BTF, extracted from the image once.
    ///
    /// # Panics
    /// If the image holds none.
    #[must_use]
    pub fn btf(&self) -> Vec<u8> {
        let kept = self.image.with_file_name("vmlinux.btf");
        if let Ok(btf) = fs::read(&kept) {
            return btf;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let added = Command::new(cli::binary())
            .args(["add", "--archive"])
            .arg(dir.path())
            .args(["--distro", "debian", "--version", "0", "--release"])
            .arg(&self.release)
            .arg(&self.image)
            .output()
            .expect("cargo-btfhub");
        let errors = String::from_utf8_lossy(&added.stderr);
        assert!(added.status.success(), "{}: {errors}", self.release);
        let btf = entries(dir.path()).first().expect("an entry").btf();
        // Appears whole: tests run in parallel.
        let new = kept.with_extension(std::process::id().to_string());
        fs::write(&new, &btf)
            .and_then(|()| fs::rename(&new, &kept))
            .expect("kept");
        btf
    }

    /// All modules that have BTF, by name.
    ///
    /// # Panics
    /// If one can't be read.
    #[must_use]
    pub fn modules(&self) -> Vec<Module> {
        let mut modules: Vec<Module> = fs::read_dir(&self.modules)
            .expect("modules")
            .filter_map(|file| btf_of(&file.expect("a file").path()))
            .collect();
        modules.sort();
        modules
    }

    /// Those of these modules that the kernel has as modules.
    #[must_use]
    pub fn named(&self, names: &[&str]) -> Vec<Module> {
        let files = names.iter().filter_map(|name| self.find(name));
        files.filter_map(|path| btf_of(&path)).collect()
    }

    /// The file of a module.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        (self.find(name)).unwrap_or_else(|| panic!("{} has no {name}", self.release))
    }

    /// Whether it is built as a module.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The modules that a module needs loaded before itself.
    ///
    /// # Panics
    /// If it can't be read.
    #[must_use]
    pub fn dependencies(&self, name: &str) -> Vec<String> {
        let elf = unpacked(&self.file(name));
        let elf = object::File::parse(elf.as_slice()).expect("ELF");
        let info = elf.section_by_name(".modinfo").expect("a module's");
        let info = info.data().expect("a section");
        let depends =
            (info.split(|&byte| byte == 0)).find_map(|line| line.strip_prefix(b"depends="));
        let depends = String::from_utf8_lossy(depends.unwrap_or_default()).into_owned();
        let names = depends.split(',').filter(|name| !name.is_empty());
        names.map(|name| name.replace('-', "_")).collect()
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let mut files = fs::read_dir(&self.modules).expect("modules");
        files.find_map(|file| {
            let path = file.expect("a file").path();
            (name_of(&path) == name).then_some(path)
        })
    }
}

/// The kernel's name for the module in a file.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split(".ko").next().unwrap_or_default();
    name.replace('-', "_")
}

/// The module in a file, unpacked.
///
/// # Panics
/// If it can't be read.
#[must_use]
pub fn unpacked(path: &Path) -> Vec<u8> {
    let mut elf = fs::read(path).expect("a module");
    if path.extension().is_some_and(|suffix| suffix == "xz") {
        let mut unpacked = Vec::new();
        let mut xz = xz2::read::XzDecoder::new(elf.as_slice());
        xz.read_to_end(&mut unpacked).expect("xz");
        elf = unpacked;
    }
    elf
}

fn btf_of(path: &Path) -> Option<Module> {
    let elf = unpacked(path);
    let elf = object::File::parse(elf.as_slice()).expect("ELF");
    let section = elf.section_by_name(".BTF")?;
    Some((name_of(path), section.data().expect("a section").to_vec()))
}
