//! Which BTF a host gets, and why.
//!
//! ```text
//! mod        the order in which things are tried: start here
//! exact      the bundle's entries for the host's release → one, none or several
//!   marks      what the kernel says about its origin, and which entries that rules out
//!   ubuntu     the same for Ubuntu, which builds one release several times
//!   named      which entries an os-release names
//! bracket    the neighbours of a release that the bundle does not hold
//! distros    what is known about distributions
//! order      the order of releases
//! failing    the programs that fail on the kernel, as text
//! selection  the decision, and its reasons
//! left_out   which programs fail on the kernel of a selection
//! refusal    why there is no BTF
//! ```

mod bracket;
mod choice;
mod distros;
mod exact;
mod failing;
mod left_out;
mod marks;
mod named;
mod order;
mod refusal;
mod selection;
mod ubuntu;

pub(crate) use choice::Choice;
use exact::Exact;
pub use failing::{FailingProgram, FailingPrograms};
pub use refusal::{Ambiguous, Holding, NotFound};
pub use selection::Selection;

use crate::error::Error;
use crate::policy::Source;
use crate::{Bundle, BundleError, Host, Policy};

/// Decides which BTF `host` gets. Pure: depends only on its arguments.
///
/// 1. A BTF file that the operator named.
/// 2. Depending on the [`Policy`], the kernel's own BTF.
/// 3. The bundle's entries for this architecture and release, except those that the kernel
///    itself contradicts (`uname -v` names another Ubuntu version, or the release has another
///    distribution's tag). If all are in one class, that class, whoever published it.
/// 4. If they are in several classes, the entry that the host's os-release names. A file that
///    may be a container image's is ignored (see [`Host::detect`]).
/// 5. Depending on the [`Policy`], BTF for this release on disk, where libbpf looks for it.
/// 6. If the policy allows it, the class of the [neighbours](Policy::bracketed).
///
/// If these steps don't decide, the result is an error. The BTF of a similar kernel would load
/// too, and the program would then read garbage.
///
/// A policy that the operator set ([`Host::detect`]) overrides `policy`.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Ambiguous`], or what is wrong with the bundle
/// or with the description of the host.
pub fn select<'a>(
    bundle: &Bundle<'a>,
    host: &Host,
    policy: Policy,
) -> Result<Selection<'a>, Error> {
    // Passed as a function, so that a program that never infers does not contain it.
    let infer = match policy.bracketed {
        true => Some(bracket::infer as Infer),
        false => None,
    };
    select_from(bundle, host.clone(), policy.source, infer)
}

/// Uses the default [`Policy`].
pub(crate) fn select_by_default<'a>(
    bundle: &Bundle<'a>,
    host: Host,
) -> Result<Selection<'a>, Error> {
    select_from(bundle, host, Source::default(), None)
}

type Infer = for<'a> fn(&Bundle<'a>, &Host) -> Result<Option<bracket::Pair<'a>>, BundleError>;

fn select_from<'a>(
    bundle: &Bundle<'a>,
    host: Host,
    source: Source,
    infer: Option<Infer>,
) -> Result<Selection<'a>, Error> {
    let choice = choose(bundle, &host, source, infer)?;
    Ok(Selection::new(*bundle, host, choice))
}

fn choose<'a>(
    bundle: &Bundle<'a>,
    host: &Host,
    source: Source,
    infer: Option<Infer>,
) -> Result<Choice<'a>, Error> {
    let source = host.operator_source().unwrap_or(source);
    let has_own = host.kernel_btf().is_some();
    if host.operator_btf().is_some() {
        return Ok(Choice::Operator);
    }
    if has_own && source == Source::PreferKernel {
        return Ok(Choice::Kernel);
    }
    let exact = exact::find(bundle, host)?;
    if let Exact::One(entry, reason) = exact {
        return Ok(Choice::Embedded { entry, reason });
    }
    if source != Source::EmbeddedOnly {
        if has_own {
            return Ok(Choice::Kernel);
        }
        if host.disk_btf().is_some() {
            return Ok(Choice::Disk);
        }
    }
    if host.release().is_empty() {
        return Err(Error::UnknownRelease);
    }
    if let Exact::Several = exact {
        return Err(Ambiguous::among(exact::candidates(bundle, host)?, host).into());
    }
    if let Some((below, above)) = match infer {
        Some(infer) => infer(bundle, host)?,
        None => None,
    } {
        return Ok(Choice::Inferred { below, above });
    }
    Err(refusal::not_found(bundle, host)?.into())
}
