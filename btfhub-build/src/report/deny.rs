//! Thresholds for results that a team does not accept.

use std::fmt;

use btfhub_runtime::Printable;

use crate::verdict::Outcome;

use super::{Effect, Kernel, Report, Status, Verdict};

/// On how many kernels something may occur before it counts as a failure.
///
/// ```
/// use btfhub_build::report::Deny;
/// assert!(Deny::parse("unloadable").is_ok());
/// assert!(Deny::parse("absent>5%").is_ok());
/// assert!(Deny::parse("ambigous>3").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deny {
    what: What,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Some program does not load or attach, or libbpf refuses the whole object.
    Unloadable,
    /// A relocation finds nothing and nothing guards it, so a program does not load.
    Unguarded,
    /// Some relocation has this status, guarded or not.
    Status(Status),
    /// A program ran there according to a baseline, and is no longer expected to.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Kernels(usize),
    /// Hundredths of a percent of all kernels.
    Percent(usize),
}

/// A threshold that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyError(String);

impl fmt::Display for DenyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a threshold: write one of unloadable, unguarded, absent, incompatible, \
             truncated, ambiguous, refused or lost, optionally followed by >N (kernels) or >N% \
             (of the kernels)",
            Printable(&self.0)
        )
    }
}

impl std::error::Error for DenyError {}

impl Deny {
    /// Reads `KIND`, `KIND>N` or `KIND>N%`.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Self, DenyError> {
        let error = || DenyError(text.to_owned());
        let (what, limit) = match text.split_once('>') {
            None => (text, None),
            Some((what, limit)) => (what, Some(limit.trim())),
        };
        let what = match what.trim() {
            "unloadable" => What::Unloadable,
            "unguarded" => What::Unguarded,
            "absent" => What::Status(Status::Absent),
            "incompatible" => What::Status(Status::Incompatible),
            "truncated" => What::Status(Status::Truncated),
            "ambiguous" => What::Status(Status::Ambiguous),
            "refused" => What::Status(Status::Refused),
            "lost" => What::Lost,
            _ => return Err(error()),
        };
        let limit = match limit {
            None => Limit::Kernels(0),
            Some(limit) => match limit.strip_suffix('%') {
                None => Limit::Kernels(limit.parse().map_err(|_| error())?),
                Some(percent) => Limit::Percent(hundredths(percent.trim_end()).ok_or_else(error)?),
            },
        };
        Ok(Self { what, limit })
    }

    /// The kernels on which it occurs, if they are more than the threshold.
    pub fn exceeded<'r>(&self, report: &'r Report) -> Option<Vec<&'r Kernel>> {
        let shown: Vec<&Kernel> = (report.kernels.iter())
            .filter(|kernel| self.shown_on(report, kernel))
            .collect();
        (self.is_exceeded(shown.len(), report.kernels.len())).then_some(shown)
    }

    /// Whether `shown` of `all` kernels are more than the threshold.
    pub fn is_exceeded(&self, shown: usize, all: usize) -> bool {
        match self.limit {
            Limit::Kernels(limit) => shown > limit,
            Limit::Percent(limit) => shown.saturating_mul(10_000) > all.saturating_mul(limit),
        }
    }

    /// Whether it counts kernels that were lost since a baseline
    /// ([`Changes::lost`](crate::support::Changes::lost)).
    pub fn is_about_changes(&self) -> bool {
        self.what == What::Lost
    }

    fn shown_on(&self, report: &Report, kernel: &Kernel) -> bool {
        match self.what {
            What::Unloadable => matches!(report.outcome_on(kernel), Outcome::Fails(_)),
            _ => (report.verdicts_of(kernel)).any(|verdict| self.shows(verdict)),
        }
    }

    /// Whether it is about programs, and not about relocations.
    pub fn is_about_programs(&self) -> bool {
        self.what == What::Unloadable
    }

    /// Whether it counts this verdict on a relocation.
    pub fn shows(&self, verdict: &Verdict) -> bool {
        match self.what {
            What::Unloadable => verdict.effect.fails(),
            What::Unguarded => {
                verdict.effect == Effect::ProgramFails
                    && matches!(verdict.status, Status::Absent | Status::Incompatible)
            }
            What::Status(status) => verdict.status == status,
            What::Lost => false,
        }
    }
}

/// `2`, `2.5`, `0.25` in hundredths.
fn hundredths(percent: &str) -> Option<usize> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
    if part.len() > 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: usize = whole.parse().ok()?;
    let part: usize = format!("{part:0<2}").parse().ok()?;
    whole.checked_mul(100)?.checked_add(part)
}

impl fmt::Display for Deny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.what {
            What::Unloadable => "unloadable",
            What::Unguarded => "unguarded",
            What::Status(status) => status.name(),
            What::Lost => "lost",
        })?;
        match self.limit {
            Limit::Kernels(kernels) => write!(f, ">{kernels}"),
            Limit::Percent(percent) if percent % 100 == 0 => write!(f, ">{}%", percent / 100),
            Limit::Percent(percent) => write!(f, ">{}.{:02}%", percent / 100, percent % 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Deny;

    #[test]
    fn reads_and_writes() {
        for (text, written) in [
            ("unloadable", "unloadable>0"),
            ("absent>3", "absent>3"),
            ("ambiguous > 5%", "ambiguous>5%"),
            ("unguarded>0.5%", "unguarded>0.50%"),
        ] {
            let deny = Deny::parse(text).map(|deny| deny.to_string());
            assert_eq!(deny.as_deref(), Ok(written));
        }
        for text in ["", "absent>", "absent>-1", "absent>x%", "absent<3", "fine"] {
            assert!(Deny::parse(text).is_err(), "{text}");
        }
    }
}
