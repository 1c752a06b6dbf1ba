//! The decision, and its reasons.

use core::fmt;
use std::path::Path;
use std::sync::OnceLock;

use super::bracket;
use super::choice::{Choice, Reason};
use super::exact::Filter;
use super::failing::Told;
use super::named::Name;
use crate::bundle::Entry;
use crate::printable::{Printable, shown};
use crate::{Bundle, ClassId, Host, KernelId};

/// The BTF that a host gets.
///
/// `{}` prints one line for the log: what was chosen, and why. `{:#}` prints the full
/// reasoning, for people who support the machine.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    bundle: Bundle<'a>,
    host: Host,
    choice: Choice<'a>,
    /// The programs that fail, once they were asked for.
    told: OnceLock<Told>,
}

impl<'a> Selection<'a> {
    pub(super) fn new(bundle: Bundle<'a>, host: Host, choice: Choice<'a>) -> Self {
        Self {
            bundle,
            host,
            choice,
            told: OnceLock::new(),
        }
    }

    pub(super) fn told(&self) -> &OnceLock<Told> {
        &self.told
    }

    pub(crate) fn choice(&self) -> &Choice<'a> {
        &self.choice
    }

    pub(crate) fn bundle(&self) -> &Bundle<'a> {
        &self.bundle
    }

    /// The host in question.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The bundle's entry that serves the host. If several entries of one class do, the first;
    /// if the class was inferred, the lower neighbour. `None` if the BTF is not from the
    /// bundle.
    pub fn kernel(&self) -> Option<KernelId<'_>> {
        self.entry().map(Entry::kernel)
    }

    /// The bundle's class that serves the host. `None` if the BTF is not from the bundle.
    pub fn class(&self) -> Option<ClassId> {
        self.entry().map(Entry::class)
    }

    fn entry(&self) -> Option<&Entry<'a>> {
        match &self.choice {
            Choice::Embedded { entry, .. } | Choice::Inferred { below: entry, .. } => Some(entry),
            Choice::Operator | Choice::Kernel | Choice::Disk => None,
        }
    }

    /// The file that serves the host. `None` if the BTF is from the bundle.
    pub fn path(&self) -> Option<&Path> {
        match &self.choice {
            Choice::Operator => self.host.operator_btf(),
            Choice::Kernel => self.host.kernel_btf(),
            Choice::Disk => self.host.disk_btf(),
            Choice::Embedded { .. } | Choice::Inferred { .. } => None,
        }
    }

    /// Whether this is the kernel's own BTF, which loaders find by themselves.
    pub fn is_kernels_own(&self) -> bool {
        matches!(self.choice, Choice::Kernel)
    }

    /// Whether the bundle lacks this release, and the class of its neighbours was chosen
    /// ([`Policy::bracketed`](super::Policy::bracketed)).
    pub fn is_inferred(&self) -> bool {
        matches!(self.choice, Choice::Inferred { .. })
    }

    /// Whether the distribution publishes several package revisions under this release, so that
    /// the bundle may hold another one. Debian does: its `uname -v` has the revision, but the
    /// archive's entries don't.
    pub fn is_revision_unverified(&self) -> bool {
        self.kernel()
            .is_some_and(|kernel| kernel.distro == "debian")
    }

    /// The decision as keys and values, for structured logs. The keys are `btf` (`operator`,
    /// `kernel`, `disk`, `embedded` or `inferred`), `release`, `decided_by`; and, when they
    /// apply, `arch`, `kernel`, `class`, `os_release`, `path`, `revision`, `unusable` if the
    /// kernel has its own BTF but it can't be used, and `programs` once
    /// [`failing_programs`](Self::failing_programs) was called.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let btf = match &self.choice {
            Choice::Operator => "operator",
            Choice::Kernel => "kernel",
            Choice::Disk => "disk",
            Choice::Embedded { .. } => "embedded",
            Choice::Inferred { .. } => "inferred",
        };
        let mut fields = vec![
            ("btf", btf.to_owned()),
            ("release", Printable(self.host.release()).to_string()),
            ("decided_by", Decided(self).to_string()),
        ];
        let arch = self.host.arch();
        fields.extend(arch.map(|arch| ("arch", arch.to_string())));
        let path = self.path();
        fields.extend(path.map(|path| ("path", shown(path))));
        fields.extend(self.kernel().map(|kernel| ("kernel", kernel.to_string())));
        fields.extend(self.class().map(|class| ("class", class.to_string())));
        fields.extend(
            self.host
                .os_release()
                .map(|os| ("os_release", os.to_string())),
        );
        if self.is_revision_unverified() {
            fields.push(("revision", "unverified".to_owned()));
        }
        let unusable = self.host.unusable_btf();
        fields.extend(unusable.map(|file| ("unusable", file.to_string())));
        let told = self.told.get();
        fields.extend(told.map(|told| ("programs", told.to_string())));
        fields
    }
}

impl fmt::Display for Selection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shown(self.path().unwrap_or(Path::new("")));
        match (&self.choice, self.entry()) {
            (_, Some(entry)) => write!(f, "BTF of {}: ", entry.kernel())?,
            (Choice::Operator, _) => write!(f, "BTF file {path}: ")?,
            (Choice::Disk, _) => write!(f, "BTF of this release on disk, {path}: ")?,
            (_, None) => write!(f, "BTF of the running kernel, {path}: ")?,
        }
        write!(f, "{}", Decided(self))?;
        if self.is_revision_unverified() {
            f.write_str("; package revision unverified")?;
        }
        for unusable in self.host.unusable_btf() {
            write!(f, "; {unusable}")?;
        }
        if let Some(told) = self.told.get() {
            write!(f, "; {told}")?;
        }
        if f.alternate() {
            write!(f, "\n{}", About(&self.host))?;
            self.write_considered(f)?;
        }
        Ok(())
    }
}

/// What decided.
struct Decided<'s, 'a>(&'s Selection<'a>);

impl fmt::Display for Decided<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.choice {
            Choice::Operator => f.write_str("given by the operator"),
            Choice::Kernel => f.write_str("the kernel has its own BTF"),
            Choice::Disk => f.write_str("neither the kernel nor the bundle has any"),
            Choice::Embedded { reason, .. } => match reason {
                Reason::Only => f.write_str("the only candidate"),
                Reason::Consensus { count } => write!(f, "all {count} candidates agree"),
                Reason::OsRelease { by, count } => {
                    let by = match by {
                        Name::Id => "",
                        Name::Like(_) => " (its ID_LIKE)",
                    };
                    write!(
                        f,
                        "the host's os-release{by} decides among {count} candidates"
                    )
                }
            },
            Choice::Inferred { below, above } => write!(
                f,
                "inferred: {} lies between {} and {}, which share a class",
                Printable(self.0.host.release()),
                Printable(below.kernel().release),
                Printable(above.kernel().release)
            ),
        }
    }
}

impl Selection<'_> {
    /// Every entry that was considered. The bundle was read without errors before; if reading
    /// it fails now, the list ends.
    fn write_considered(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(taken) = self.entry() else {
            return Ok(());
        };
        let Ok((filter, entries)) = Filter::of_release(&self.bundle, &self.host) else {
            return Ok(());
        };
        for entry in &entries {
            let (kernel, class) = (entry.kernel(), entry.class());
            write!(f, "\n  entry {kernel} (class {class}): ")?;
            match filter.contradiction(entry) {
                Some(why) => write!(f, "ruled out, {why}"),
                None if kernel == taken.kernel() => f.write_str("taken"),
                None if class == taken.class() => f.write_str("agrees"),
                None => f.write_str("not named by os-release"),
            }?;
        }
        if self.is_inferred() {
            let Ok(nearest) = bracket::nearest(&self.bundle, &self.host) else {
                return Ok(());
            };
            for entry in nearest.entries() {
                let (kernel, class) = (entry.kernel(), entry.class());
                write!(f, "\n  neighbour {kernel} (class {class})")?;
            }
        }
        Ok(())
    }
}

/// What is known about the host, one line per fact.
pub(super) struct About<'h>(pub(super) &'h Host);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0;
        write!(f, "  host: {host}")?;
        if !host.version().is_empty() {
            write!(f, "\n  uname -v: {}", Printable(host.version()))?;
        }
        let kernels = host.kernel_btf();
        let mut unusable = host.unusable_btf().peekable();
        match (kernels.or(host.disk_btf()), unusable.peek()) {
            (Some(path), _) => write!(f, "\n  the kernel's own BTF: {}", shown(path))?,
            (None, Some(_)) => {}
            (None, None) => f.write_str("\n  the kernel's own BTF: none")?,
        }
        for unusable in unusable {
            write!(f, "\n  the kernel's own BTF: {unusable}")?;
        }
        if let Some(source) = host.operator_source() {
            write!(f, "\n  policy of the operator: {}", source.name())?;
        }
        for file in host.os_release_files() {
            write!(f, "\n  {file}")?;
        }
        for name in host.ignored_variables() {
            write!(
                f,
                "\n  {name}: set, but ignored: this process gained privileges when it started, or \
                 can't read /proc/self/auxv to find out"
            )?;
        }
        Ok(())
    }
}
