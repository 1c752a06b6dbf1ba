//! Why a host gets no BTF: the two errors, how they are determined, and their texts.

use core::fmt;

use super::exact::{Filter, name};
use super::selection::About;
use super::{bracket, named};
use crate::bundle::Entry;
use crate::host::BTF_VARIABLE;
use crate::printable::Printable;
use crate::{Bundle, BundleError, Host};

/// How many of a bundle's distributions, or versions of one, a message lists.
const HOLDINGS_MAX: usize = 8;

/// The bundle has nothing for a kernel.
#[derive(Debug)]
#[non_exhaustive]
pub struct NotFound {
    /// The host that was asked for.
    pub host: Host,
    /// The entries for its release that the kernel contradicts, as
    /// `distro/version/arch/release`, and how.
    pub ruled_out: Vec<(String, String)>,
    /// The nearest entries below and above it with the same kernel version and flavour, as
    /// `distro/version/arch/release`. Their BTF is **not** this kernel's.
    pub nearest: Vec<String>,
    /// What the bundle has for this architecture: only the host's distribution if that is known
    /// and in the bundle, otherwise all.
    pub holdings: Vec<Holding>,
}

/// What a bundle has for one version of a distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holding {
    /// The distribution and its version, such as `ubuntu/20.04`.
    pub series: String,
    /// How many kernels.
    pub kernels: usize,
}

/// Several classes are possible.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ambiguous {
    /// The host that was asked for.
    pub host: Host,
    /// The candidates, as `distro/version/arch/release`.
    pub candidates: Vec<String>,
}

pub(super) fn not_found(bundle: &Bundle<'_>, host: &Host) -> Result<NotFound, BundleError> {
    let (filter, entries) = Filter::of_release(bundle, host)?;
    let mut ruled_out = Vec::new();
    for entry in &entries {
        if let Some(why) = filter.contradiction(entry) {
            ruled_out.push((name(entry), format!("{why}")));
        }
    }
    Ok(NotFound {
        host: host.clone(),
        ruled_out,
        nearest: nearest(bundle, host)?,
        holdings: holdings(bundle, host)?,
    })
}

/// The neighbours in the series that the host's kernel may belong to.
fn nearest(bundle: &Bundle<'_>, host: &Host) -> Result<Vec<String>, BundleError> {
    let all = bracket::nearest(bundle, host)?;
    let filter = all.filter(host);
    let mut nearest: Vec<&Entry<'_>> = Vec::new();
    for entry in all.entries() {
        if filter.contradiction(entry).is_none() {
            // Inserted in order, because a sort would be code made for many entries. The lower
            // neighbour stays before the upper one.
            let at = nearest.partition_point(|before| bracket::order(before, entry).is_le());
            nearest.insert(at, entry);
        }
    }
    let mut names = Vec::new();
    for entry in nearest {
        names.push(name(entry));
    }
    Ok(names)
}

fn holdings(bundle: &Bundle<'_>, host: &Host) -> Result<Vec<Holding>, BundleError> {
    let mut holdings: Vec<Holding> = Vec::new();
    let mut only_own = false;
    for entry in bundle.kernels() {
        let entry = entry?;
        let kernel = entry.kernel();
        if host.arch().is_some_and(|arch| arch != kernel.arch) {
            continue;
        }
        let is_own = host
            .os_release()
            .is_some_and(|os| named::is_of(os, kernel.distro));
        if is_own && !only_own {
            holdings.clear();
            only_own = true;
        }
        if only_own && !is_own {
            continue;
        }
        let series = format!("{}/{}", kernel.distro, kernel.version);
        match holdings.binary_search_by(|holding| holding.series.cmp(&series)) {
            Ok(at) => holdings[at].kernels += 1,
            Err(at) => holdings.insert(at, Holding { series, kernels: 1 }),
        }
    }
    Ok(holdings)
}

impl Ambiguous {
    pub(super) fn among(candidates: Vec<String>, host: &Host) -> Self {
        Self {
            host: host.clone(),
            candidates,
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no BTF in the bundle for {}", self.host)?;
        for (kernel, why) in &self.ruled_out {
            let (kernel, why) = (Printable(kernel), Printable(why));
            write!(f, "; {kernel:#} is a different kernel ({why:#})")?;
        }
        if !self.nearest.is_empty() {
            f.write_str("; nearest, but different kernels: ")?;
            write_list(f, &self.nearest)?;
        }
        f.write_str("; the bundle serves ")?;
        if self.holdings.is_empty() {
            f.write_str("no kernel of this architecture")?;
        }
        write_holdings(f, &self.holdings)?;
        write!(
            f,
            "; update the bundle, or name a BTF file of this kernel in {BTF_VARIABLE}"
        )?;
        write_host(f, &self.host)
    }
}

/// The log has only one line, so a long list is summed up by distribution, and only a few are
/// named.
fn write_holdings(f: &mut fmt::Formatter<'_>, holdings: &[Holding]) -> fmt::Result {
    let is_long = holdings.len() > HOLDINGS_MAX;
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for Holding { series, kernels } in holdings {
        let distro = series.split('/').next().filter(|_| is_long);
        let name = distro.unwrap_or(series);
        match groups.last_mut() {
            Some((last, sum)) if *last == name => *sum += kernels,
            _ => groups.push((name, *kernels)),
        }
    }
    for (i, (name, kernels)) in groups.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        if i == HOLDINGS_MAX {
            return write!(f, "{comma}{} others", groups.len() - i);
        }
        write!(f, "{comma}{} ({kernels})", Printable(name))?;
    }
    Ok(())
}

/// What was wrong with the kernel's own BTF, and in a full explanation the host.
fn write_host(f: &mut fmt::Formatter<'_>, host: &Host) -> fmt::Result {
    for unusable in host.unusable_btf() {
        write!(f, "; {unusable}")?;
    }
    match f.alternate() {
        true => write!(f, "\n{}", About(host)),
        false => Ok(()),
    }
}

/// `a, b, c`.
fn write_list(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    for (i, name) in names.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(f, "{comma}{:#}", Printable(name))?;
    }
    Ok(())
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "several distributions built {}, each with different types, and nothing says which of \
             them runs here: ",
            self.host
        )?;
        write_list(f, &self.candidates)?;
        f.write_str("; ")?;
        f.write_str(match self.host.os_release() {
            None => {
                "in a container, mount the host's /etc/os-release as /host/etc/os-release or \
                 name it in BTFHUB_OS_RELEASE"
            }
            Some(_) => "the host's os-release names none of them, or more than one",
        })?;
        write!(f, "; or name a BTF file of this kernel in {BTF_VARIABLE}")?;
        write_host(f, &self.host)
    }
}
