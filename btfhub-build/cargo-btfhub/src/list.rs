//! `list`: what an archive holds, according to its names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use btfhub_build::archive::{self, Entry};
use btfhub_runtime::Printable;
use serde::Serialize;

use crate::args;
use crate::failure::Failure;
use crate::jobs::parallel;
use crate::kernels::{Wanted, no_kernel_fits, scan};
use crate::output::{Lines, Output, count, line};

#[derive(Serialize)]
struct Listing {
    schema: &'static str,
    archives: Vec<String>,
    groups: Vec<Group>,
    kernels: Vec<Kernel>,
    anomalies: Vec<Anomaly>,
}

/// One directory of kernels.
#[derive(Serialize)]
struct Group {
    distro: String,
    version: String,
    arch: String,
    kernels: usize,
    bytes: u64,
    oldest: String,
    newest: String,
}

#[derive(Serialize)]
struct Kernel {
    kernel: String,
    distro: String,
    version: String,
    arch: String,
    release: String,
    path: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbols: Option<bool>,
}

#[derive(Serialize)]
struct Anomaly {
    path: String,
    what: String,
}

pub(crate) fn run(args: &args::List, output: Output) -> Result<(), Failure> {
    let filter = Wanted::new(&args.filter)?;
    let archives = scan(&args.archive)?;
    let mut listing = Listing {
        schema: "btfhub.list/1",
        archives: (archives.iter())
            .map(|archive| archive.root().display().to_string())
            .collect(),
        groups: Vec::new(),
        kernels: (archives.iter())
            .flat_map(|archive| archive.entries())
            .filter(|entry| filter.takes(&entry.kernel()))
            .map(|entry| {
                let kernel = entry.kernel();
                Kernel {
                    kernel: kernel.to_string(),
                    distro: kernel.distro.to_owned(),
                    version: kernel.version.to_owned(),
                    arch: kernel.arch.as_str().to_owned(),
                    release: kernel.release.to_owned(),
                    path: entry.file().display().to_string(),
                    bytes: entry.size(),
                    modules: None,
                    symbols: None,
                }
            })
            .collect(),
        anomalies: (archives.iter())
            .flat_map(|archive| {
                (archive.anomalies().iter()).map(|anomaly| Anomaly {
                    path: archive.root().join(anomaly.path()).display().to_string(),
                    what: anomaly.to_string(),
                })
            })
            .collect(),
    };
    listing.groups = groups(&listing.kernels);
    if args.modules {
        let entries = (archives.iter()).flat_map(|archive| archive.entries());
        let entries: Vec<_> = entries
            .filter(|entry| filter.takes(&entry.kernel()))
            .collect();
        let progress = output.progress("reading");
        let contents = parallel(&args.jobs, entries.len(), &progress, |at| {
            entries.get(at).map(|entry| contents_of(entry))
        });
        drop(progress);
        for (kernel, contents) in listing.kernels.iter_mut().zip(contents) {
            (kernel.modules, kernel.symbols) = contents.transpose()?.unzip();
        }
    }
    for archive in archives
        .iter()
        .filter(|archive| archive.entries().is_empty())
    {
        let empty = archive.no_entries();
        output.note(&format!("note: {empty}"));
        if let Some(help) = empty.help_text() {
            output.note(&format!("note: {help}"));
        }
    }
    output.result(&listing, || text(&listing, args.kernels || args.modules))?;
    if listing.kernels.is_empty() && archives.iter().any(|archive| !archive.entries().is_empty()) {
        return Err(no_kernel_fits(&archives).told());
    }
    Ok(())
}

/// The names of the modules in an entry, and whether it holds symbols.
fn contents_of(entry: &Entry) -> Result<(Vec<String>, bool), Failure> {
    let decoded = entry.decode(&entry.read()?, archive::DEFAULT_LIMIT)?;
    let modules = decoded.modules.into_iter().map(|module| module.name);
    Ok((modules.collect(), decoded.symbols.is_some()))
}

fn groups(kernels: &[Kernel]) -> Vec<Group> {
    let mut by_directory: BTreeMap<(&str, &str, &str), Vec<&Kernel>> = BTreeMap::new();
    for kernel in kernels {
        by_directory
            .entry((&kernel.distro, &kernel.version, &kernel.arch))
            .or_default()
            .push(kernel);
    }
    (by_directory.into_iter())
        .map(|((distro, version, arch), mut kernels)| {
            kernels.sort_by(|a, b| natural(&a.release).cmp(&natural(&b.release)));
            let release = |kernel: Option<&&Kernel>| {
                kernel
                    .map(|kernel| kernel.release.clone())
                    .unwrap_or_default()
            };
            Group {
                distro: distro.to_owned(),
                version: version.to_owned(),
                arch: arch.to_owned(),
                kernels: kernels.len(),
                bytes: kernels.iter().map(|kernel| kernel.bytes).sum(),
                oldest: release(kernels.first()),
                newest: release(kernels.last()),
            }
        })
        .collect()
}

/// Orders `5.10.9` before `5.10.10`: digits as numbers, the rest as text.
pub(crate) fn natural(text: &str) -> Vec<(u64, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let other = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (word, tail) = tail.split_at(other);
        parts.push((number.parse().unwrap_or(0), word));
        rest = tail;
    }
    parts
}

fn text(listing: &Listing, kernels: bool) -> Lines {
    let mut text = Lines::default();
    if kernels {
        for kernel in &listing.kernels {
            let symbols = match kernel.symbols {
                Some(true) => " (with symbols)",
                Some(false) | None => "",
            };
            line!(text, "{}{symbols}", kernel.kernel);
            for module in kernel.modules.iter().flatten() {
                line!(text, "  {}", Printable(module));
            }
        }
        return text;
    }
    let widths = |column: fn(&Group) -> &str| {
        (listing.groups.iter())
            .map(|group| column(group).len())
            .max()
            .unwrap_or(0)
    };
    let (distro, version) = (widths(|g| &g.distro), widths(|g| &g.version));
    let (arch, oldest) = (widths(|g| &g.arch), widths(|g| &g.oldest));
    for group in &listing.groups {
        let mut row = format!(
            "{:distro$} {:version$} {:arch$} {:5}  {:oldest$}",
            group.distro, group.version, group.arch, group.kernels, group.oldest,
        );
        if group.kernels > 1 {
            let _ = write!(row, " … {}", group.newest);
        }
        text.push(row.trim_end());
    }
    let bytes: u64 = listing.kernels.iter().map(|kernel| kernel.bytes).sum();
    line!(
        text,
        "{} in {}, {} bytes",
        count(listing.kernels.len(), "kernel", "kernels"),
        count(listing.groups.len(), "directory", "directories"),
        bytes,
    );
    if !listing.anomalies.is_empty() {
        line!(
            text,
            "{}:",
            count(listing.anomalies.len(), "anomaly", "anomalies")
        );
        for anomaly in &listing.anomalies {
            line!(text, "  {}", anomaly.what);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_order_as_numbers() {
        let mut releases = ["5.10.10-a", "5.9.1-a", "5.10.9-b", "5.10.9-a"];
        releases.sort_by(|a, b| natural(a).cmp(&natural(b)));
        assert_eq!(releases, ["5.9.1-a", "5.10.9-a", "5.10.9-b", "5.10.10-a"]);
    }
}
