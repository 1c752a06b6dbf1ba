//! What is found out about a machine, and where.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::os_release::{OS_RELEASE_MAX, OsRelease, is_sound};
use super::root::{Root, read_regular};
use super::{BTF_VARIABLE, OS_RELEASE_VARIABLE, btf_file, environment_is_trusted, machine};
use crate::error::{Error, FileError};
use crate::policy::{POLICY_VARIABLE, Source};
use crate::printable::shown;

/// Where the kernel exposes its own BTF, if it was built with it.
const KERNEL_BTF: &str = "sys/kernel/btf/vmlinux";
/// Where libbpf looks next for the BTF of release `R`, in its order
/// (`btf__load_vmlinux_btf`).
const DISK_BTF: [&str; 7] = [
    "boot/vmlinux-R",
    "lib/modules/R/vmlinux-R",
    "lib/modules/R/build/vmlinux",
    "usr/lib/modules/R/kernel/vmlinux",
    "usr/lib/debug/boot/vmlinux-R",
    "usr/lib/debug/boot/vmlinux-R.debug",
    "usr/lib/debug/lib/modules/R/vmlinux",
];
/// The initial pid namespace (`PROC_PID_INIT_INO` of the kernel).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Longer than any line of `/proc/sys/kernel`.
const PROC_LINE_MAX: u64 = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) release: String,
    pub(super) version: String,
    pub(super) machine: Option<String>,
    pub(super) os_releases: Vec<OsReleaseFile>,
    /// Where the kernel exposes its BTF, or why that can't be used.
    pub(super) kernel_btf: Option<Result<PathBuf, Unusable>>,
    /// The first of [`DISK_BTF`] that can be used.
    pub(super) disk_btf: Option<PathBuf>,
    /// Those before it that exist but can't be used.
    pub(super) disk_unusable: Vec<Unusable>,
    pub(super) operator_btf: Option<PathBuf>,
    pub(super) operator_source: Option<Source>,
    /// The operator's variables that were ignored.
    pub(super) ignored: Vec<&'static str>,
}

/// A BTF file that exists but can't be used, and why.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    path: PathBuf,
    why: String,
}

/// An os-release file that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct OsReleaseFile {
    pub(crate) origin: Origin,
    path: PathBuf,
    /// The content, or why there is none.
    pub(crate) content: Result<OsRelease, String>,
}

/// Which system an os-release file describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The host, according to the operator or the caller.
    Given,
    /// The host: found where its root is mounted for containers.
    HostMount,
    /// Process 1 in the initial pid namespace.
    Init,
    /// This process's own root, which may be a container image.
    Own,
}

impl Origin {
    /// Whether the file is known to describe the system that the kernel belongs to,
    /// rather than a container image.
    pub(crate) fn is_hosts(self) -> bool {
        self != Self::Own
    }
}

impl Facts {
    /// What the kernel, the file system and the environment tell this process.
    pub(super) fn of_this_process() -> Result<Self, Error> {
        let root = Root::new(Path::new("/"));
        let mut facts = Self::under(&root);
        let machine;
        [facts.release, facts.version, machine] = uname();
        if let Some(machine) = machine::of_kernel(&machine) {
            facts.machine = Some(machine);
        }
        facts.find_btf(&root);
        if let Some(path) = facts.operators(OS_RELEASE_VARIABLE) {
            facts.take_os_release_file(path.into())?;
        }
        if let Some(path) = facts.operators(BTF_VARIABLE) {
            facts.take_operator_btf(path.into())?;
        }
        if let Some(name) = facts.operators(POLICY_VARIABLE) {
            let name = name.to_string_lossy().into_owned();
            let source = Source::by_name(&name).ok_or(Error::UnknownPolicy(name))?;
            facts.operator_source = Some(source);
        }
        Ok(facts)
    }

    /// The value of an operator's variable, unless it is ignored.
    fn operators(&mut self, variable: &'static str) -> Option<std::ffi::OsString> {
        let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
        if environment_is_trusted() {
            return Some(value);
        }
        self.ignored.push(variable);
        None
    }

    /// Everything except what [`find_btf`](Self::find_btf) finds.
    pub(super) fn under(root: &Root) -> Self {
        let line = |name: &str| {
            let path = format!("proc/sys/kernel/{name}");
            let content = root.read(&path, PROC_LINE_MAX).ok()?;
            let line = String::from_utf8_lossy(&content).trim().to_owned();
            Some(line).filter(|line| is_sound(line))
        };
        let mut host = Self {
            release: line("osrelease").unwrap_or_default(),
            version: line("version").unwrap_or_default(),
            // Since Linux 6.1.
            machine: line("arch"),
            ..Self::default()
        };
        host.add_os_release(root, "host", Origin::HostMount);
        let in_initial_namespace = root
            .link("proc/self/ns/pid")
            .is_ok_and(|namespace| namespace.as_os_str() == INITIAL_PID_NAMESPACE);
        if in_initial_namespace {
            host.add_os_release(root, "proc/1/root", Origin::Init);
        }
        host.add_os_release(root, "", Origin::Own);
        host
    }

    /// The kernel's own BTF, or BTF on disk if that can't be used.
    pub(super) fn find_btf(&mut self, root: &Root) {
        self.kernel_btf = usable_btf(root, KERNEL_BTF);
        let is_named = !self.release.is_empty() && !self.release.contains('/');
        if matches!(self.kernel_btf, Some(Ok(_))) || !is_named {
            return;
        }
        for pattern in DISK_BTF {
            match usable_btf(root, &pattern.replace('R', &self.release)) {
                Some(Ok(path)) => {
                    self.disk_btf = Some(path);
                    return;
                }
                Some(Err(unusable)) => self.disk_unusable.push(unusable),
                None => {}
            }
        }
    }

    fn add_os_release(&mut self, root: &Root, below: &str, origin: Origin) {
        const FILES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
        let mut place = FILES[0];
        let mut content = Err("not there".to_owned());
        for file in FILES {
            match root.read_below(below, file, OS_RELEASE_MAX) {
                Ok(text) => {
                    (place, content) = (file, Ok(OsRelease::parse(&text)));
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => (place, content) = (file, Err(format!("{error}"))),
            }
        }
        self.os_releases.push(OsReleaseFile {
            origin,
            path: root.path(below).join(place),
            content,
        });
    }

    pub(super) fn take_os_release_file(&mut self, path: PathBuf) -> Result<(), Error> {
        let content = read_regular(&path, OS_RELEASE_MAX).map(|text| OsRelease::parse(&text));
        let content = content.and_then(|content| match content.id() {
            Some(_) => Ok(content),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it has no ID line, so it names no distribution",
            )),
        });
        match content {
            Ok(content) => self.take_os_release(path, content),
            Err(error) => return Err(FileError::new("the os-release file", path, error).into()),
        }
        Ok(())
    }

    /// Puts what was given ahead of what was found, and replaces what was given
    /// earlier.
    pub(super) fn take_os_release(&mut self, path: PathBuf, content: OsRelease) {
        let given = OsReleaseFile {
            origin: Origin::Given,
            path,
            content: Ok(content),
        };
        match self.os_releases.first_mut() {
            Some(first) if first.origin == Origin::Given => *first = given,
            _ => self.os_releases.insert(0, given),
        }
    }

    pub(super) fn take_operator_btf(&mut self, path: PathBuf) -> Result<(), Error> {
        if let Err(error) = btf_file::check(&path) {
            return Err(FileError::new("the BTF file", path, error).into());
        }
        self.operator_btf = Some(path);
        Ok(())
    }
}

/// `uname -r`, `-v` and `-m`.
#[cfg(unix)]
fn uname() -> [String; 3] {
    let uname = rustix::system::uname();
    [uname.release(), uname.version(), uname.machine()]
        .map(|text| text.to_string_lossy().into_owned())
}

/// Nothing: [`Host::detect`] works only on Linux.
#[cfg(not(unix))]
fn uname() -> [String; 3] {
    [const { String::new() }; 3]
}

/// The BTF file at `path`, as a user would name it; `None` if there is none.
fn usable_btf(root: &Root, path: &str) -> Option<Result<PathBuf, Unusable>> {
    let found = root.resolve(path).and_then(|path| btf_file::check(&path));
    let path = root.path(path);
    match found {
        Ok(()) => Some(Ok(path)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => None,
            _ => Some(Err(Unusable {
                path,
                why: format!("{error}"),
            })),
        },
    }
}

/// `/sys/kernel/btf/vmlinux can't be used: why`.
impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can't be used: {}", shown(&self.path), self.why)
    }
}

/// One line of a full explanation.
impl fmt::Display for OsReleaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "os-release {}: ", shown(&self.path))?;
        match &self.content {
            Ok(content) => write!(f, "{content}")?,
            Err(error) => return f.write_str(error),
        }
        f.write_str(match self.origin {
            Origin::Given => ", given as the host's",
            Origin::HostMount => ", the host's",
            Origin::Init => ", the host's init's",
            Origin::Own => ", perhaps a container image's: does not break ties",
        })
    }
}
