//! What this machine reports about itself.

mod btf_file;
mod facts;
mod machine;
mod os_release;
mod privilege;
mod root;

use core::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use btf_file::read as read_btf;
use facts::Facts;
pub(crate) use facts::{Origin, OsReleaseFile, Unusable};
pub use os_release::OsRelease;
pub(crate) use privilege::environment_is_trusted;
use root::Root;

use crate::error::Error;
use crate::kernel::Arch;
use crate::policy::Source;
use crate::printable::Printable;

/// Names the host's os-release file; see [`Host::detect`].
pub const OS_RELEASE_VARIABLE: &str = "BTFHUB_OS_RELEASE";
/// Names a BTF file that is used regardless of the bundle; see [`Host::detect`].
pub const BTF_VARIABLE: &str = "BTFHUB_BTF";

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

impl Host {
    /// A machine with this `uname -r` and `uname -m`, about which nothing else is
    /// known.
    pub fn new(release: impl Into<String>, machine: impl Into<String>) -> Self {
        Self::default().with_release(release).with_machine(machine)
    }

    fn of(facts: Facts) -> Self {
        Self {
            facts: Arc::new(facts),
        }
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
        Facts::of_this_process().map(Self::of)
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
        Self::of(facts)
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

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = Some(self.release()).filter(|release| !release.is_empty());
        let machine = self.arch().map(Arch::as_str);
        write!(f, "kernel {}", Printable(release.unwrap_or("(unknown)")))?;
        write!(f, " {}", Printable(machine.unwrap_or("(unknown)")))?;
        match self.os_release() {
            Some(os) => write!(f, " on {os}"),
            None => Ok(()),
        }
    }
}
