//! What this machine reports about itself.

mod btf_file;
mod machine;
mod os_release;
mod privilege;
mod root;

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use btf_file::read as read_btf;
use os_release::OS_RELEASE_MAX;
pub use os_release::OsRelease;
pub(crate) use privilege::environment_is_trusted;
use root::{Root, read_regular};

use crate::error::{Error, FileError};
use crate::kernel::Arch;
use crate::policy::POLICY_VARIABLE;
use crate::policy::Source;
use crate::printable::Printable;

/// Names the host's os-release file; see [`Host::detect`].
pub const OS_RELEASE_VARIABLE: &str = "BTFHUB_OS_RELEASE";
/// Names a BTF file that is used regardless of the bundle; see [`Host::detect`].
pub const BTF_VARIABLE: &str = "BTFHUB_BTF";

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

/// What is known about a machine: its kernel, its distribution, and whether its
/// kernel has its own BTF.
///
/// Usually [`detect`](Host::detect)ed. To describe another machine (from a support
/// ticket, in a test), use [`new`](Host::new) or [`detect_under`](Host::detect_under)
/// and the `with_` methods.
///
/// ```
/// use btfhub_runtime::Host;
/// let host = Host::new("5.4.0-80-generic", "x86_64")
///     .with_version("#90~18.04.1-Ubuntu SMP Tue Jul 13 19:40:02 UTC 2021")
///     .with_os_release(b"ID=ubuntu\nVERSION_ID=\"18.04\"\n");
/// assert_eq!(host.to_string(), "kernel 5.4.0-80-generic x86_64 on ubuntu 18.04");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Shared by selections and errors, which describe it.
    facts: Arc<Facts>,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    release: String,
    version: String,
    machine: Option<String>,
    os_releases: Vec<OsReleaseFile>,
    /// Where the kernel exposes its BTF, or why that can't be used.
    kernel_btf: Option<Result<PathBuf, Unusable>>,
    /// The first of [`DISK_BTF`] that can be used.
    disk_btf: Option<PathBuf>,
    /// Those before it that exist but can't be used.
    disk_unusable: Vec<Unusable>,
    operator_btf: Option<PathBuf>,
    operator_source: Option<Source>,
    /// The operator's variables that were ignored.
    ignored: Vec<&'static str>,
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

impl Host {
    /// A machine with this `uname -r` and `uname -m`, about which nothing else is
    /// known.
    pub fn new(release: impl Into<String>, machine: impl Into<String>) -> Self {
        Self::default().with_release(release).with_machine(machine)
    }

    fn facts(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.facts)
    }

    /// This machine.
    ///
    /// The kernel comes from `uname(2)`. The machine is the kernel's own, even under the
    /// personality that shows 32-bit programs a different one (`setarch i686`).
    ///
    /// The distribution comes from the first of these os-release files:
    /// 1. the one that the environment variable `BTFHUB_OS_RELEASE` names (a path),
    /// 2. below `/host`, where containers often mount the host's root,
    /// 3. below process 1's root (`/proc/1/root`), if this process is in the initial pid
    ///    namespace, so that process 1 is the host's init. Reading it takes root or
    ///    `CAP_SYS_PTRACE`.
    /// 4. this process's own. It appears in explanations but never decides: in a
    ///    container it describes the image.
    ///
    /// Below each root, the file is `etc/os-release`, or else `usr/lib/os-release`.
    ///
    /// BTF comes from `/sys/kernel/btf/vmlinux`. If that is missing or damaged, it comes
    /// from the files for this release that libbpf looks for: `/boot/vmlinux-R`,
    /// `/lib/modules/R/vmlinux-R`, `/lib/modules/R/build/vmlinux`,
    /// `/usr/lib/modules/R/kernel/vmlinux`, `/usr/lib/debug/boot/vmlinux-R`,
    /// the same with `.debug`, `/usr/lib/debug/lib/modules/R/vmlinux`; raw BTF,
    /// or ELF with a `.BTF` section. The header and lengths are checked.
    ///
    /// The operator can set three environment variables:
    /// * `BTFHUB_OS_RELEASE`: see above.
    /// * `BTFHUB_BTF` names a BTF file that is used regardless of the bundle. It helps on a
    ///   machine that no bundle serves.
    /// * `BTFHUB_POLICY` overrides the program's policy: `prefer-kernel`, `prefer-embedded`,
    ///   or `embedded-only`, which rehearses the bundle on a kernel that has BTF.
    ///
    /// They are ignored if empty, and if the process gained privileges when it started
    /// (`AT_SECURE`: set-user-ID, file capabilities) or can't read `/proc/self/auxv` to find
    /// out. The `{:#}` output of what [`select`](crate::select()) returns says so.
    ///
    /// # Errors
    /// If one of the three variables can't be used. Always on systems other than Linux
    /// ([`Error::NotLinux`]).
    pub fn detect() -> Result<Self, Error> {
        if !cfg!(target_os = "linux") {
            return Err(Error::NotLinux);
        }
        Facts::of_this_process().map(Facts::shared)
    }

    /// The machine whose root directory, including its `proc` and `sys`, is `root`.
    ///
    /// Reads the same files as [`detect`](Host::detect), but with
    /// `proc/sys/kernel/{osrelease,version,arch}` instead of `uname(2)`, and without
    /// the environment variables. Links that lead out of `root` are followed as if
    /// `root` were `/`. What is missing stays unknown.
    ///
    /// `root` may be a machine's or a container image's; nothing shows which. So its own
    /// os-release does not break ties. If you know that it is the machine's, pass the file
    /// to [`with_os_release_file`](Host::with_os_release_file).
    pub fn detect_under(root: impl AsRef<Path>) -> Self {
        let root = Root::new(root.as_ref());
        let mut facts = Facts::under(&root);
        facts.find_btf(&root);
        facts.shared()
    }

    /// Sets `uname -r`. What is known about BTF stays, and may belong to another
    /// kernel (see [`with_kernel_btf`](Host::with_kernel_btf)).
    pub fn with_release(mut self, release: impl Into<String>) -> Self {
        self.facts().release = release.into();
        self
    }

    /// Sets `uname -v`.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.facts().version = version.into();
        self
    }

    /// Sets `uname -m`.
    pub fn with_machine(mut self, machine: impl Into<String>) -> Self {
        self.facts().machine = Some(machine.into());
        self
    }

    /// Sets the content of an os-release file that is known to be the host's. It takes
    /// precedence over all files that were found.
    pub fn with_os_release(mut self, content: &[u8]) -> Self {
        self.facts()
            .take_os_release("given".into(), OsRelease::parse(content));
        self
    }

    /// Sets an os-release file that is known to be the host's.
    ///
    /// # Errors
    /// If it can't be read or names no distribution.
    pub fn with_os_release_file(mut self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        self.facts().take_os_release_file(path.into())?;
        Ok(self)
    }

    /// Sets the path of the kernel's own BTF, or that there is none; clears BTF on disk.
    pub fn with_kernel_btf(mut self, kernel_btf: Option<PathBuf>) -> Self {
        let facts = self.facts();
        facts.kernel_btf = kernel_btf.map(Ok);
        (facts.disk_btf, facts.disk_unusable) = (None, Vec::new());
        self
    }

    /// Sets a BTF file that is used regardless of the bundle.
    ///
    /// # Errors
    /// If it can't be read or is not a complete BTF file.
    pub fn with_operator_btf(mut self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        self.facts().take_operator_btf(path.into())?;
        Ok(self)
    }

    /// `uname -r`; empty if unknown.
    pub fn release(&self) -> &str {
        &self.facts.release
    }

    /// `uname -v`; empty if unknown.
    pub fn version(&self) -> &str {
        &self.facts.version
    }

    /// The architecture that `uname -m` names, if known.
    pub fn arch(&self) -> Option<Arch<'_>> {
        self.facts.machine.as_deref().map(Arch::new)
    }

    /// The os-release that describes the host. `None` if only this process's own was
    /// found, which may be a container image's.
    pub fn os_release(&self) -> Option<&OsRelease> {
        self.hosts_os_releases().next()
    }

    /// Where the kernel exposes its own BTF, if that can be used.
    pub fn kernel_btf(&self) -> Option<&Path> {
        self.facts.kernel_btf.as_ref()?.as_deref().ok()
    }

    /// The file on disk with the BTF of this release that libbpf would find.
    pub fn disk_btf(&self) -> Option<&Path> {
        self.facts.disk_btf.as_deref()
    }

    /// Files with the kernel's BTF that exist but can't be used.
    pub(crate) fn unusable_btf(&self) -> impl Iterator<Item = &Unusable> {
        let kernels = self.facts.kernel_btf.as_ref();
        let kernels = kernels.and_then(|found| found.as_ref().err());
        kernels.into_iter().chain(&self.facts.disk_unusable)
    }

    /// The BTF file that the operator gave.
    pub fn operator_btf(&self) -> Option<&Path> {
        self.facts.operator_btf.as_deref()
    }

    /// The policy that the operator set.
    pub(crate) fn operator_source(&self) -> Option<Source> {
        self.facts.operator_source
    }

    /// What may break a tie: what was given, or else what was found.
    pub(crate) fn hosts_os_releases(&self) -> impl Iterator<Item = &OsRelease> {
        let given = |file: &OsReleaseFile| file.origin == Origin::Given;
        let any_given = self.facts.os_releases.iter().any(given);
        self.facts
            .os_releases
            .iter()
            .filter(move |file| file.origin.is_hosts() && given(file) == any_given)
            .filter_map(|file| file.content.as_ref().ok())
    }

    /// The operator's variables that were set but ignored.
    pub(crate) fn ignored_variables(&self) -> &[&'static str] {
        &self.facts.ignored
    }

    pub(crate) fn os_release_files(&self) -> &[OsReleaseFile] {
        &self.facts.os_releases
    }
}

impl Facts {
    /// What the kernel, the file system and the environment tell this process.
    fn of_this_process() -> Result<Self, Error> {
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

    fn shared(self) -> Host {
        Host {
            facts: Arc::new(self),
        }
    }

    /// Everything except what [`find_btf`](Self::find_btf) finds.
    fn under(root: &Root) -> Self {
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
    fn find_btf(&mut self, root: &Root) {
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

    fn take_os_release_file(&mut self, path: PathBuf) -> Result<(), Error> {
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
    fn take_os_release(&mut self, path: PathBuf, content: OsRelease) {
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

    fn take_operator_btf(&mut self, path: PathBuf) -> Result<(), Error> {
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

/// Whether a text may go into a log line.
fn is_sound(text: &str) -> bool {
    !text.is_empty() && Printable(text).is_plain()
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
        write!(f, "{} can't be used: {}", self.path.display(), self.why)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = Some(self.release()).filter(|release| !release.is_empty());
        let machine = self.arch().map(Arch::as_str);
        write!(f, "kernel {}", release.unwrap_or("(unknown)"))?;
        write!(f, " {}", machine.unwrap_or("(unknown)"))?;
        match self.os_release() {
            Some(os) => write!(f, " on {os}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OsRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id().unwrap_or("(no ID)"))?;
        match self.version_id().or(self.version_codename()) {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

/// One line of a full explanation.
impl fmt::Display for OsReleaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "os-release {}: ", self.path.display())?;
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
