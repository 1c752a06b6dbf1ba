//! Which programs fail on the kernel of a selection.

use core::fmt;

use super::choice::Choice;
use super::exact::{self, Exact};
use super::failing::{FailingProgram, FailingPrograms, Told};
use super::selection::Selection;
use crate::bundle::{Entry, Failure, When};
use crate::{BundleError, Host};

impl Selection<'_> {
    /// The programs of the bundle's objects that fail on this kernel, so that the loader can
    /// leave them out. Once asked for, they are part of what the selection prints and of its
    /// [`fields`](Self::fields).
    ///
    /// ```no_run
    /// # use btfhub_runtime::{Bundle, Error, for_this_host};
    /// # static BTF: Bundle = Bundle::EMPTY;
    /// # fn main() -> Result<(), Error> {
    /// let selection = for_this_host(&BTF)?;
    /// let failing = selection.failing_programs()?;
    /// let is_left_out = |program: &str| failing.get("probe.bpf.o", program).is_some();
    /// // libbpf-rs: if is_left_out(name) { program.set_autoload(false) }
    /// // aya: if !is_left_out(name) { program.load()? }
    /// eprintln!("{selection}"); // names them, and says why
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// They are known where the bundle holds exactly this kernel and was made to keep them
    /// (`Builder::failing_programs` of btfhub-build): also where the BTF that was selected is
    /// the kernel's own or lies on disk, not where it was inferred or the operator gave it.
    /// Where several entries may be this kernel's, a program counts that fails on all.
    ///
    /// # Errors
    /// When the bundle is damaged.
    pub fn failing_programs(&self) -> Result<&FailingPrograms, BundleError> {
        if let Some(told) = self.told().get() {
            return Ok(&told.programs);
        }
        let programs = match self.entries()? {
            Some(entries) => self.failing_on(&entries)?,
            None => FailingPrograms::UNKNOWN,
        };
        let show: fn(&FailingPrograms, &mut fmt::Formatter<'_>) -> _ = fmt::Display::fmt;
        Ok(&self.told().get_or_init(|| Told { programs, show }).programs)
    }

    /// The entries of the bundle that may be the running kernel's, if it is known which.
    fn entries(&self) -> Result<Option<Vec<Entry<'_>>>, BundleError> {
        let (bundle, host) = (self.bundle(), self.host());
        let class = match self.choice() {
            // It may hold other types, and the kernel between two may be like neither.
            Choice::Operator | Choice::Inferred { .. } => return Ok(None),
            Choice::Embedded { entry, .. } => entry.class(),
            Choice::Kernel | Choice::Disk => match exact::find(bundle, host)? {
                Exact::One(entry, _) => entry.class(),
                Exact::None | Exact::Several => return Ok(None),
            },
        };
        let mut entries = exact::left(bundle, host)?;
        entries.retain(|entry| entry.class() == class);
        Ok(Some(entries))
    }

    /// What fails on the kernels of all entries.
    fn failing_on(&self, entries: &[Entry<'_>]) -> Result<FailingPrograms, BundleError> {
        let mut all: Option<Vec<FailingProgram>> = None;
        for entry in entries {
            let Some(mut failures) = self.bundle().failures(&entry.kernel())? else {
                return Ok(FailingPrograms::UNKNOWN);
            };
            failures.retain(|failure| happens(failure.when, self.host()));
            all = Some(match all {
                None => failures.into_iter().map(program).collect(),
                Some(mut all) => {
                    all.retain(|it| {
                        let mut failures = failures.iter();
                        failures.any(|f| f.object == it.object && f.program == it.program)
                    });
                    all
                }
            });
        }
        Ok(all.map_or(FailingPrograms::UNKNOWN, FailingPrograms::known))
    }
}

fn program(failure: Failure) -> FailingProgram {
    FailingProgram {
        object: failure.object,
        program: failure.program,
        reason: failure.reason,
    }
}

/// Whether the condition is one of this machine.
fn happens(when: When, host: &Host) -> bool {
    let shows = host.kernel_btf().is_some();
    match when {
        When::Always => true,
        When::WithKernelBtf => shows,
        // BTF that is there and can't be read, or on disk, leaves it open.
        When::WithoutKernelBtf => {
            !shows && host.disk_btf().is_none() && host.unusable_btf().next().is_none()
        }
    }
}
