//! What this machine says of itself.

mod machine;
mod os_release;
mod privilege;
mod root;

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use os_release::OS_RELEASE_MAX;
pub use os_release::OsRelease;
pub(crate) use privilege::environment_is_trusted;
pub(crate) use root::read_regular;
use root::{Root, read_start};

use crate::Arch;

/// Names the os-release file of the host; see [`Host::detect`].
pub const OS_RELEASE_VARIABLE: &str = "BTFHUB_OS_RELEASE";
/// Names a BTF file that is used whatever the bundle holds; see [`Host::detect`].
pub const BTF_VARIABLE: &str = "BTFHUB_BTF";

/// Where the kernel shows its own BTF, when it was built with it.
const KERNEL_BTF: &str = "sys/kernel/btf/vmlinux";
/// The initial pid namespace (`PROC_PID_INIT_INO` of the kernel).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Longer than any line of `/proc/sys/kernel`.
const PROC_LINE_MAX: u64 = 4096;

/// What is known of a machine: its kernel, its distribution, and whether its
/// kernel has BTF of its own.
///
/// Mostly [`detect`](Host::detect)ed; a machine that is described elsewhere
/// (a support ticket, a test) is put together with [`new`](Host::new) or
/// [`detect_under`](Host::detect_under) and the `with_` methods.
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
    /// Shared by whoever has to tell of it: selections and errors.
    facts: Arc<Facts>,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    release: String,
    version: String,
    machine: Option<String>,
    os_releases: Vec<OsReleaseFile>,
    kernel_btf: Option<PathBuf>,
    operator_btf: Option<PathBuf>,
    /// Variables of the operator's that do not count.
    ignored: Vec<&'static str>,
}

/// An os-release file that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct OsReleaseFile {
    pub(crate) origin: Origin,
    path: PathBuf,
    /// The content, or why there is none.
    pub(crate) content: Result<OsRelease, String>,
}

/// Whose os-release a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Named by the operator or given by the caller as the host's.
    Given,
    /// Found where the host's root is mounted for containers to see.
    HostMount,
    /// That of process 1 in the initial pid namespace.
    Init,
    /// That of this process's own root, perhaps a container image's.
    Own,
}

impl Origin {
    /// Whether the file is known to describe what the kernel was installed
    /// with, and not a container image.
    pub(crate) fn is_hosts(self) -> bool {
        self != Self::Own
    }
}

impl Host {
    /// A machine with this `uname -r` and `uname -m`, of which nothing else is
    /// known.
    pub fn new(release: impl Into<String>, machine: impl Into<String>) -> Self {
        Self::default().with_release(release).with_machine(machine)
    }

    fn facts(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.facts)
    }

    /// This machine.
    ///
    /// Kernel: `uname(2)`; the machine is the kernel's own also under the
    /// personality that shows 32-bit programs another (`setarch i686`).
    /// Distribution: the os-release files of, in this order,
    /// 1. the environment variable `BTFHUB_OS_RELEASE` (a path),
    /// 2. `/host`, where containers like to mount the host's root,
    /// 3. process 1 (`/proc/1/root`), if this process is in the initial pid
    ///    namespace, so that process 1 is the host's init. It takes root or
    ///    `CAP_SYS_PTRACE` to read it.
    /// 4. this process. Shown in explanations, never decisive: in a container
    ///    it describes the image.
    ///
    /// Below each, `etc/os-release`, else `usr/lib/os-release`.
    ///
    /// The environment variable `BTFHUB_BTF` names a BTF file to be used
    /// whatever the bundle holds: the way out for whoever supports a machine
    /// that no bundle serves. Both variables are ignored when empty, and when
    /// the process gained rights as it was started (`AT_SECURE`: set-user-ID,
    /// file capabilities) or, without `/proc`, can't tell. `{:#}` of what
    /// [`select`](crate::select()) answers says so.
    ///
    /// # Errors
    /// Only when a file that one of the two variables names can't be used.
    pub fn detect() -> Result<Self, HostError> {
        let mut host = Self::detect_under("/");
        // Nobody shares it yet.
        if let Some(facts) = Arc::get_mut(&mut host.facts) {
            facts.add_of_this_process()?;
        }
        Ok(host)
    }

    /// The machine whose root directory, with its `proc` and `sys`, is `root`.
    ///
    /// The same files as [`detect`](Host::detect) looks at, with
    /// `proc/sys/kernel/{osrelease,version,arch}` in the place of `uname(2)`,
    /// and without the environment variables; links that lead out of `root`
    /// are followed as if it were `/`. What is not there stays unknown.
    ///
    /// Whether `root` is a machine's or a container image's can't be seen: its
    /// own os-release breaks no tie. Who knows that it is the machine's says so
    /// with [`with_os_release_file`](Host::with_os_release_file).
    pub fn detect_under(root: impl AsRef<Path>) -> Self {
        Facts::under(root.as_ref()).shared()
    }

    /// With this `uname -r`.
    pub fn with_release(mut self, release: impl Into<String>) -> Self {
        self.facts().release = release.into();
        self
    }

    /// With this `uname -v`.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.facts().version = version.into();
        self
    }

    /// With this `uname -m`.
    pub fn with_machine(mut self, machine: impl Into<String>) -> Self {
        self.facts().machine = Some(machine.into());
        self
    }

    /// With an os-release content that is known to be the host's. It goes
    /// before all that were found.
    pub fn with_os_release(mut self, content: &[u8]) -> Self {
        self.facts()
            .take_os_release("given".into(), OsRelease::parse(content));
        self
    }

    /// With an os-release file that is known to be the host's.
    ///
    /// # Errors
    /// When it can't be read, or names no distribution.
    pub fn with_os_release_file(mut self, path: impl Into<PathBuf>) -> Result<Self, HostError> {
        self.facts().take_os_release_file(path.into())?;
        Ok(self)
    }

    /// With the kernel's own BTF at this path, or none.
    pub fn with_kernel_btf(mut self, kernel_btf: Option<PathBuf>) -> Self {
        self.facts().kernel_btf = kernel_btf;
        self
    }

    /// With a BTF file that is to be used whatever the bundle holds.
    ///
    /// # Errors
    /// When it can't be read, or is no BTF file.
    pub fn with_operator_btf(mut self, path: impl Into<PathBuf>) -> Result<Self, HostError> {
        self.facts().take_operator_btf(path.into())?;
        Ok(self)
    }

    /// `uname -r`; empty when unknown.
    pub fn release(&self) -> &str {
        &self.facts.release
    }

    /// `uname -v`; empty when unknown.
    pub fn version(&self) -> &str {
        &self.facts.version
    }

    /// The architecture that `uname -m` names, if known.
    pub fn arch(&self) -> Option<Arch<'_>> {
        self.facts.machine.as_deref().map(Arch::new)
    }

    /// The os-release that describes the host; none when there is only this
    /// process's own, which may be a container image's.
    pub fn os_release(&self) -> Option<&OsRelease> {
        self.hosts_os_releases().next()
    }

    /// Where the kernel shows its own BTF.
    pub fn kernel_btf(&self) -> Option<&Path> {
        self.facts.kernel_btf.as_deref()
    }

    /// The BTF file that the operator gave.
    pub fn operator_btf(&self) -> Option<&Path> {
        self.facts.operator_btf.as_deref()
    }

    /// What may break a tie: what was given, and else what was found.
    pub(crate) fn hosts_os_releases(&self) -> impl Iterator<Item = &OsRelease> {
        let given = |file: &OsReleaseFile| file.origin == Origin::Given;
        let any_given = self.facts.os_releases.iter().any(given);
        self.facts
            .os_releases
            .iter()
            .filter(move |file| file.origin.is_hosts() && given(file) == any_given)
            .filter_map(|file| file.content.as_ref().ok())
    }

    /// The operator's variables that were set and did not count.
    pub(crate) fn ignored_variables(&self) -> &[&'static str] {
        &self.facts.ignored
    }

    pub(crate) fn os_release_files(&self) -> &[OsReleaseFile] {
        &self.facts.os_releases
    }
}

impl Facts {
    /// The path in a variable of the operator's, if that counts.
    fn operators(&mut self, variable: &'static str) -> Option<PathBuf> {
        let path = std::env::var_os(variable).filter(|path| !path.is_empty())?;
        if environment_is_trusted() {
            return Some(path.into());
        }
        self.ignored.push(variable);
        None
    }

    /// What the kernel and the environment say to this process.
    fn add_of_this_process(&mut self) -> Result<(), HostError> {
        let uname = rustix::system::uname();
        self.release = uname.release().to_string_lossy().into_owned();
        self.version = uname.version().to_string_lossy().into_owned();
        if let Some(machine) = machine::of_kernel(&uname.machine().to_string_lossy()) {
            self.machine = Some(machine);
        }
        if let Some(path) = self.operators(OS_RELEASE_VARIABLE) {
            self.take_os_release_file(path)?;
        }
        if let Some(path) = self.operators(BTF_VARIABLE) {
            self.take_operator_btf(path)?;
        }
        Ok(())
    }

    fn shared(self) -> Host {
        Host {
            facts: Arc::new(self),
        }
    }

    fn under(root: &Path) -> Self {
        let root = Root::new(root);
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
            kernel_btf: kernel_btf(&root),
            ..Self::default()
        };
        host.add_os_release(&root, "host", Origin::HostMount);
        let in_initial_namespace = root
            .link("proc/self/ns/pid")
            .is_ok_and(|namespace| namespace.as_os_str() == INITIAL_PID_NAMESPACE);
        if in_initial_namespace {
            host.add_os_release(&root, "proc/1/root", Origin::Init);
        }
        host.add_os_release(&root, "", Origin::Own);
        host
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

    fn take_os_release_file(&mut self, path: PathBuf) -> Result<(), HostError> {
        let cause = match read_regular(&path, OS_RELEASE_MAX) {
            Ok(content) => {
                let content = OsRelease::parse(&content);
                if content.id().is_some() {
                    self.take_os_release(path, content);
                    return Ok(());
                }
                Cause::NoId
            }
            Err(error) => Cause::Io(error),
        };
        Err(HostError {
            what: "the os-release file",
            path,
            cause,
        })
    }

    /// Puts what was given before all that was found, in the place of what was
    /// given before.
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

    fn take_operator_btf(&mut self, path: PathBuf) -> Result<(), HostError> {
        let cause = match read_start(&path) {
            Ok(start) if is_btf(start) => {
                self.operator_btf = Some(path);
                return Ok(());
            }
            Ok(_) => Cause::NoBtf,
            Err(error) => Cause::Io(error),
        };
        Err(HostError {
            what: "the BTF file",
            path,
            cause,
        })
    }
}

/// Whether a text may go into a log line.
fn is_sound(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Without the kernel's BTF there is no such file; hidden, it is empty.
fn kernel_btf(root: &Root) -> Option<PathBuf> {
    let start = root.read_start(KERNEL_BTF).ok()?;
    is_btf(start).then(|| root.path(KERNEL_BTF))
}

/// `BTF_MAGIC` in either byte order.
pub(crate) fn is_btf(start: [u8; 2]) -> bool {
    matches!(u16::from_le_bytes(start), 0xeb9f | 0x9feb)
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

/// A line of a full explanation.
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
            Origin::Own => ", perhaps a container image's: breaks no tie",
        })
    }
}

/// A file that the operator named can't be used.
pub struct HostError {
    what: &'static str,
    path: PathBuf,
    cause: Cause,
}

enum Cause {
    Io(io::Error),
    NoId,
    NoBtf,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.what, self.path.display())?;
        match &self.cause {
            Cause::Io(error) => write!(f, "{error}"),
            Cause::NoId => f.write_str("it has no ID line, so it names no distribution"),
            Cause::NoBtf => f.write_str(
                "it does not start with the BTF magic; give raw BTF, as \
                 `pahole --btf_encode_detached` writes it",
            ),
        }
    }
}

/// The text: what is printed when `main` returns it.
impl fmt::Debug for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for HostError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::NoId | Cause::NoBtf => None,
        }
    }
}
