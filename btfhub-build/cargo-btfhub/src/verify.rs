//! `verify`: compares a bundle with the archive.

use std::collections::BTreeMap;

use btfhub_build::Modules;
use btfhub_build::archive::{self, Archive, Entry};
use btfhub_build::btf::Btf;
use btfhub_build::input;
use btfhub_build::relo::{Outcome, Relocations, resolve};
use btfhub_runtime::{Bundle, ClassId};
use serde::Serialize;

use crate::args;
use crate::failure::{Context, Failure};
use crate::files;
use crate::jobs::parallel;
use crate::kernels::{decoded, objects, scan};
use crate::output::{Lines, Output, count, hex, line};

#[derive(Serialize)]
struct Verified {
    schema: &'static str,
    file: String,
    kernels: usize,
    classes: usize,
    relocations: usize,
    verified: bool,
    differences: Vec<Difference>,
    /// Kernels of the bundle's architectures that are not in it.
    not_in_bundle: usize,
}

#[derive(Serialize)]
struct Difference {
    kernel: String,
    what: String,
}

pub(crate) fn run(args: &args::Verify, output: Output) -> Result<(), Failure> {
    let name = || args.file.display().to_string();
    let data = files::read(&args.file, input::FILE_LIMIT)?;
    let bundle = Bundle::parse(&data).context(name)?;
    let objects = objects(&args.objects)?;
    let relocations = Relocations::from_objects(&objects);
    let provenance = bundle.provenance().context(name)?;
    if provenance.relocations != relocations.fingerprint() {
        return Err(Failure::new(format!(
            "{}: made for different relocations than these objects have (bundle {}, objects {}); \
             regenerate it with `cargo btfhub bundle`",
            name(),
            hex(&provenance.relocations),
            hex(&relocations.fingerprint()),
        )));
    }
    let archives = scan(&args.archive)?;
    let classes = outcomes(&bundle, &relocations).context(name)?;
    let kernels: Vec<(String, String, ClassId)> = (bundle.kernels())
        .map(|entry| {
            entry.map(|entry| {
                let kernel = entry.kernel();
                (
                    kernel.to_string(),
                    kernel.arch.as_str().to_owned(),
                    entry.class(),
                )
            })
        })
        .collect::<Result<_, _>>()
        .context(name)?;
    let entries = by_kernel(&archives);
    let modules = args.objects.modules();

    let progress = output.progress("verifying");
    let checked = parallel(&args.jobs, kernels.len(), &progress, |at| {
        let (kernel, _, class) = kernels.get(at)?;
        let tailored = classes.get(usize::try_from(class.0).ok()?)?;
        let what = match entries.get(kernel.as_str()) {
            None => "is not in the archive".to_owned(),
            Some(entries) => compare(entries, &relocations, &modules, tailored)?,
        };
        Some(Difference {
            kernel: kernel.clone(),
            what,
        })
    });
    drop(progress);
    let differences: Vec<Difference> = checked.into_iter().flatten().collect();
    let served: std::collections::BTreeSet<&str> =
        kernels.iter().map(|(_, arch, _)| arch.as_str()).collect();
    let known: std::collections::BTreeSet<&str> =
        kernels.iter().map(|(kernel, ..)| kernel.as_str()).collect();
    let verified = Verified {
        schema: "btfhub.verify/1",
        file: name(),
        kernels: kernels.len(),
        classes: classes.len(),
        relocations: relocations.list().len(),
        verified: differences.is_empty(),
        not_in_bundle: (entries.iter())
            .filter(|(kernel, entries)| {
                (entries.first()).is_some_and(|entry| served.contains(entry.kernel().arch.as_str()))
                    && !known.contains(kernel.as_str())
            })
            .count(),
        differences,
    };
    output.result(&verified, || text(&verified))?;
    if verified.verified {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{}: {} from the archive",
            verified.file,
            count(
                verified.differences.len(),
                "kernel differs",
                "kernels differ"
            )
        ))
        .told())
    }
}

/// The outcome for the BTF of each class.
fn outcomes(bundle: &Bundle<'_>, relocations: &Relocations) -> Result<Vec<Outcome>, Failure> {
    (0..bundle.class_count()?)
        .map(|class| {
            let btf = Btf::parse(&bundle.btf(ClassId(class))?)
                .context(|| format!("BTF of class {class}"))?;
            Ok(resolve(relocations, &btf)?)
        })
        .collect()
}

/// The entries for each kernel: several archives may have it, or one archive twice.
fn by_kernel(archives: &[Archive]) -> BTreeMap<String, Vec<&Entry>> {
    let mut entries: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in archives.iter().flat_map(Archive::entries) {
        entries
            .entry(entry.kernel().to_string())
            .or_default()
            .push(entry);
    }
    entries
}

/// How the kernel differs from what the bundle holds for it; `None` if some entry of the kernel
/// has the same outcome.
fn compare(
    entries: &[&Entry],
    relocations: &Relocations,
    modules: &Modules,
    tailored: &Outcome,
) -> Option<String> {
    let mut first = None;
    for entry in entries {
        match full(entry, relocations, modules) {
            Ok(outcome) if outcome == *tailored => return None,
            Ok(outcome) => {
                let at = first_difference(relocations, &outcome, tailored);
                first.get_or_insert(format!("relocation {at} resolves differently"));
            }
            Err(failure) => {
                first.get_or_insert(failure.in_a_line());
            }
        }
    }
    first
}

fn full(entry: &Entry, relocations: &Relocations, modules: &Modules) -> Result<Outcome, Failure> {
    let name = || entry.file().display().to_string();
    let decoded = decoded(entry, archive::DEFAULT_LIMIT)
        .and_then(|decoded| decoded)
        .context(name)?;
    let btf = modules.join(decoded, Some(relocations)).context(name)?;
    Ok(resolve(relocations, &btf)?)
}

/// Named as in the source, if resolutions differ; otherwise one whose candidates differ.
fn first_difference(relocations: &Relocations, a: &Outcome, b: &Outcome) -> String {
    (0..relocations.list().len())
        .find(|&at| a.resolution(relocations, at) != b.resolution(relocations, at))
        .and_then(|at| relocations.list().get(at))
        .map_or_else(
            || "(one with several candidates)".to_owned(),
            |relocation| btfhub_build::report::term(relocation, &relocation.root.name),
        )
}

/// How many kernels are named for each difference.
const NAMED: usize = 5;

fn text(verified: &Verified) -> Lines {
    let mut text = Lines::default();
    // One line for all kernels with the same difference; --json lists each.
    let mut by_what: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for difference in &verified.differences {
        let kernels = by_what.entry(&difference.what).or_default();
        kernels.push(&difference.kernel);
    }
    for (what, mut kernels) in by_what {
        kernels.sort_unstable();
        let more = kernels.len().saturating_sub(NAMED);
        kernels.truncate(NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        line!(text, "{}{more}: {what}", kernels.join(", "));
    }
    if verified.verified {
        line!(
            text,
            "{}: {} in {} verified for {}",
            verified.file,
            count(verified.kernels, "kernel", "kernels"),
            count(verified.classes, "class", "classes"),
            count(verified.relocations, "relocation", "relocations"),
        );
    }
    if verified.not_in_bundle > 0 {
        line!(
            text,
            "the archive has {} more of these architectures",
            count(verified.not_in_bundle, "kernel", "kernels")
        );
    }
    text
}
