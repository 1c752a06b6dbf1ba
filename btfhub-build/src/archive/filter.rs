//! Which kernels of an archive to take.

use std::fmt;

use btfhub_runtime::Printable;

use btfhub_runtime::KernelId;
use glob::Pattern;

/// A condition on kernels, by path or by kernel version.
///
/// * A glob over `<distro>/<version>/<arch>/<release>`, where `*` also matches
///   `/`: `ubuntu/20.04/*`, `*/x86_64/*`, `*-generic`. A glob that matches a directory matches
///   everything in it: `ubuntu/20.04`, `debian/1?`. `arm64` and `aarch64` are the same
///   architecture here too.
/// * Comparisons of the release's leading numbers, all of which must hold:
///   `>=4.18`, `>=5.4, <5.11`, `=5.10`. Numbers missing on the right side are not compared, so
///   `=5.10` means every 5.10 kernel, and `<=5.10` includes them too.
///
/// ```
/// use btfhub_build::archive::Filter;
/// use btfhub_runtime::{Arch, KernelId};
/// let kernel = KernelId {
///     arch: Arch::new("x86_64"),
///     release: "4.18.0-348.7.1.el8_5.x86_64",
///     distro: "centos",
///     version: "8",
/// };
/// let matches = |filter: &str| Filter::new(filter).map(|filter| filter.matches(&kernel));
/// assert_eq!(matches("centos/8/*"), Ok(true));
/// assert_eq!(matches(">=4.18, <5"), Ok(true));
/// assert_eq!(matches(">4.18"), Ok(false));
/// assert!(matches(">=four").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Filter(Condition);

#[derive(Clone, Debug)]
enum Condition {
    Path(Pattern),
    Release(Vec<Comparison>),
}

#[derive(Clone, Debug)]
struct Comparison {
    operator: Operator,
    version: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// A filter that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    filter: String,
    why: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kernel filter `{}`: {:#}",
            Printable(&self.filter),
            Printable(&self.why)
        )
    }
}

impl std::error::Error for FilterError {}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// When it is neither a glob nor a list of comparisons.
    pub fn new(filter: &str) -> Result<Self, FilterError> {
        let wrong = |why: String| FilterError {
            filter: filter.to_owned(),
            why,
        };
        if filter.trim_start().starts_with(['<', '=', '>']) {
            let comparisons = filter.split(',').map(|part| {
                comparison(part.trim()).ok_or_else(|| {
                    wrong(format!(
                        "`{}` is not a comparison like `>=4.18` or `<5.10.2`",
                        part.trim()
                    ))
                })
            });
            return Ok(Self(Condition::Release(
                comparisons.collect::<Result<_, _>>()?,
            )));
        }
        if filter.trim().is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let glob = Pattern::new(filter).map_err(|error| wrong(error.msg.to_owned()))?;
        Ok(Self(Condition::Path(glob)))
    }

    /// Whether the kernel meets the condition.
    pub fn matches(&self, kernel: &KernelId<'_>) -> bool {
        match &self.0 {
            Condition::Path(glob) => {
                let matches = |arch: &str| {
                    let directory = format!("{}/{}", kernel.distro, kernel.version);
                    let below = format!("{directory}/{arch}");
                    let path = format!("{below}/{}", kernel.release);
                    [kernel.distro, &directory, &below, &path]
                        .iter()
                        .any(|path| glob.matches(path))
                };
                let arch = kernel.arch.as_str();
                matches(arch) || (arch == "arm64" && matches("aarch64"))
            }
            Condition::Release(comparisons) => {
                let release = numbers(kernel.release);
                comparisons
                    .iter()
                    .all(|comparison| comparison.holds(&release))
            }
        }
    }
}

impl Comparison {
    fn holds(&self, release: &[u32]) -> bool {
        let padded =
            (self.version.iter().enumerate()).map(|(at, _)| release.get(at).copied().unwrap_or(0));
        let order = padded.cmp(self.version.iter().copied());
        match self.operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Greater => order.is_gt(),
        }
    }
}

fn comparison(text: &str) -> Option<Comparison> {
    let (operator, version) = if let Some(rest) = text.strip_prefix("<=") {
        (Operator::LessOrEqual, rest)
    } else if let Some(rest) = text.strip_prefix(">=") {
        (Operator::GreaterOrEqual, rest)
    } else if let Some(rest) = text.strip_prefix('<') {
        (Operator::Less, rest)
    } else if let Some(rest) = text.strip_prefix('>') {
        (Operator::Greater, rest)
    } else {
        (Operator::Equal, text.strip_prefix('=')?)
    };
    let version: Option<Vec<u32>> = (version.trim().split('.'))
        .map(|part| part.parse().ok())
        .collect();
    Some(Comparison {
        operator,
        version: version?,
    })
}

/// The leading dotted numbers of a release, at most three: 4.18.0 of
/// `4.18.0-348.7.1.el8_5.x86_64`.
fn numbers(release: &str) -> Vec<u32> {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.');
    (release
        .get(..end.unwrap_or(release.len()))
        .unwrap_or_default())
    .split('.')
    .map_while(|part| part.parse().ok())
    .take(3)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{Filter, numbers};
    use btfhub_runtime::{Arch, KernelId};

    fn matches(filter: &str, release: &str) -> bool {
        let kernel = KernelId {
            arch: Arch::new("x86_64"),
            release,
            distro: "ubuntu",
            version: "20.04",
        };
        Filter::new(filter)
            .unwrap_or_else(|error| panic!("{error}"))
            .matches(&kernel)
    }

    #[test]
    fn leading_numbers() {
        assert_eq!(numbers("4.18.0-348.7.1.el8_5.x86_64"), [4, 18, 0]);
        assert_eq!(numbers("6.12.94+deb13-amd64"), [6, 12, 94]);
        assert_eq!(numbers("6.6-rc1"), [6, 6]);
        assert_eq!(numbers("4.14.106.79.1"), [4, 14, 106]);
        assert_eq!(numbers("99999999999.1"), [0u32; 0]);
    }

    #[test]
    fn comparisons() {
        assert!(matches(">=5.4", "5.4.0-84-generic"));
        assert!(matches(">=5.4", "5.11.0-1023-azure"));
        assert!(!matches(">=5.4", "5.3.18-59.10-default"));
        assert!(matches("=5.4", "5.4.0-84-generic"));
        assert!(!matches("=5.4.1", "5.4.0-84-generic"));
        assert!(matches("<5.10", "5.4.0"));
        assert!(!matches("<5.10", "5.10.0"));
        assert!(matches("<=5.10", "5.10.7"));
        assert!(matches(">=5.4, <5.11", "5.10.7"));
        assert!(!matches(">=5.4, <5.10", "5.10.7"));
    }

    #[test]
    fn globs_cross_directories() {
        assert!(matches("ubuntu/20.04/*", "5.4.0-84-generic"));
        assert!(matches("*-generic", "5.4.0-84-generic"));
        assert!(matches("*/x86_64/*", "5.4.0"));
        assert!(!matches("ubuntu/18.04/*", "5.4.0"));
    }

    #[test]
    fn a_directory_means_what_is_in_it() {
        for filter in [
            "ubuntu",
            "ubuntu/2?.04",
            "ubuntu/20.04",
            "ubuntu/20.04/x86_64",
        ] {
            assert!(matches(filter, "5.4.0-84-generic"), "{filter}");
        }
        assert!(!matches("ubuntu/20", "5.4.0"));
        assert!(!matches("20.04", "5.4.0"));
    }

    #[test]
    fn arm64_under_either_name() {
        let kernel = KernelId {
            arch: Arch::new("aarch64"),
            release: "5.4.17-2011.el8uek.aarch64",
            distro: "ol",
            version: "8",
        };
        for filter in ["ol/8/arm64", "ol/8/aarch64/*", "*/arm64/*"] {
            assert!(
                Filter::new(filter).is_ok_and(|filter| filter.matches(&kernel)),
                "{filter}"
            );
        }
    }

    #[test]
    fn nonsense_says_why() {
        for (filter, message) in [
            ("", "kernel filter ``: it is empty"),
            (
                ">=4.x",
                "kernel filter `>=4.x`: `>=4.x` is not a comparison like `>=4.18` or `<5.10.2`",
            ),
            (
                ">=4,5",
                "kernel filter `>=4,5`: `5` is not a comparison like `>=4.18` or `<5.10.2`",
            ),
        ] {
            let error = Filter::new(filter)
                .map(|_| ())
                .map_err(|error| error.to_string());
            assert_eq!(error, Err(message.to_owned()));
        }
        assert!(Filter::new("ubuntu/[").is_err());
    }
}
