//! `report`: kernels × relocations, in several formats.

mod changes;
mod complaint;
mod html;
mod json;
mod markdown;
mod modules;
mod support;
mod text;
mod wording;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use btfhub_build::Modules;
use btfhub_build::archive;
use btfhub_build::object::Object;
use btfhub_build::report::{Deny, KernelAnswer, Report, Survey};
use btfhub_build::support::{Changes, Support};
use btfhub_build::symbols::Symbols;
use btfhub_build::{Builder, Level, Lint};

use crate::args::{self, Format};
use crate::failure::Failure;
use crate::files;
use crate::jobs::parallel;
use crate::kernels::{Source, Sources, Wanted, decoded, objects};
use crate::lints;
use crate::output::{Output, Paint, count, shown, stdout};

/// The limit for pages and baselines.
const PAGE: u64 = 256 << 20;

pub(crate) fn run(
    args: &args::Report,
    configured: Option<&Builder>,
    output: Output,
) -> Result<(), Failure> {
    let format = match (args.format, output.json) {
        (None | Some(Format::Json), true) => Format::Json,
        (Some(Format::Support), true) => Format::SupportJson,
        (Some(_), true) => {
            return Err(Failure::usage(
                "--json goes only with --format json or --format support; leave out one of the two",
            ));
        }
        (format, false) => {
            (format.or_else(|| by_name(args.out.as_deref()?))).unwrap_or(Format::Text)
        }
    };
    let denied = (args.deny.iter())
        .map(|deny| Deny::parse(deny).map_err(|error| Failure::usage(format!("--deny: {error}"))))
        .collect::<Result<Vec<_>, _>>()?;
    if args.baseline.is_none() && denied.iter().any(Deny::is_about_changes) {
        return Err(Failure::usage("--deny lost needs a --baseline"));
    }
    if (args.check.is_some() || args.into.is_some()) && format != Format::Support {
        return Err(Failure::usage(
            "--check and --into are for --format support",
        ));
    }
    let baseline = args.baseline.as_deref().map(baseline).transpose()?;
    let objects = objects(&args.objects)?;
    let report = make(args, &objects, output)?;
    let lints = lints::configure(Builder::new(), configured)
        // The report itself.
        .lint(Lint::FailingRelocations, Level::Allow);
    let found = btfhub_build::diagnose(&objects, &report, lints.known_loader());
    let warnings = lints::tell(&lints, &found, output)?;
    let changes = baseline.map(|before| Changes::between(&before, &report.support()));
    let exceeded: Vec<Option<Vec<String>>> = (denied.iter())
        .map(|deny| match &changes {
            Some(changes) if deny.is_about_changes() => {
                let is_exceeded = deny.is_exceeded(changes.lost().len(), changes.kernels_before());
                is_exceeded.then(|| changes::complaint(changes, *deny))
            }
            _ => (deny.exceeded(&report))
                .map(|kernels| complaint::complaint(&report, *deny, &kernels)),
        })
        .collect();
    let changes = changes.as_ref();
    let paint = match args.out {
        Some(_) => Paint::none(),
        None => Paint::stdout(),
    };
    let rendered = match format {
        Format::Text => text::render(&report, changes, paint).shown(paint),
        Format::Json => {
            let denied = denied.iter().zip(&exceeded);
            json::render(
                &report,
                changes,
                warnings,
                denied.map(|(deny, told)| (*deny, told.is_some())),
            )?
        }
        Format::Html => html::render(&report, changes)?,
        Format::Markdown => shown(&markdown::render(&report, changes), paint),
        Format::Support => shown(&support::markdown(&report.support()), paint),
        Format::SupportJson => json::support(&report)?,
    };
    let mut complaints: Vec<String> = exceeded.into_iter().flatten().flatten().collect();
    match &args.out {
        _ if args.check.is_some() || args.into.is_some() => {
            let Format::Support = format else {
                return Err(Failure::usage(
                    "--check and --into are for --format support",
                ));
            };
            complaints.extend(in_page(args, &rendered, output)?.unwrap_or_default());
        }
        Some(out) => {
            files::write(out, rendered.as_bytes())?;
            output.note(&format!("wrote {}", out.display()));
        }
        None => stdout(rendered.as_bytes())?,
    }
    if !args.source.skip_bad && !report.unreadable.is_empty() {
        complaints.push(format!(
            "{} of the archive cannot be used (--skip-bad leaves them out):",
            count(report.unreadable.len(), "entry", "entries"),
        ));
        let bad = report.unreadable.iter();
        complaints.extend(bad.map(|bad| format!("  {}: {}", bad.kernel, bad.error)));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let failure = Failure::of_lines(complaints);
    // Two documents on stdout would not be valid JSON.
    Err(if args.out.is_none() {
        failure.told()
    } else {
        failure
    })
}

/// Writes the table into the page of `--into`; for `--check`, returns how the page's table differs.
fn in_page(
    args: &args::Report,
    table: &str,
    output: Output,
) -> Result<Option<Vec<String>>, Failure> {
    if let Some(file) = &args.into {
        let page = page(file)?;
        let new = support::within(&page, table).map_err(|failure| failure.at(file))?;
        if new != page {
            files::write(file, new.as_bytes())?;
            output.note(&format!("wrote the table in {}", file.display()));
        }
    }
    let Some(file) = &args.check else {
        return Ok(None);
    };
    let differs = support::check(&page(file)?, table).map_err(|failure| failure.at(file))?;
    Ok(differs.map(|[has, is]| {
        let what = format!(
            "--check: the table in {} does not match the archive; --into {0} rewrites it",
            file.display()
        );
        vec![what, has, is]
    }))
}

fn page(file: &Path) -> Result<String, Failure> {
    let bytes = files::read(file, PAGE)?;
    String::from_utf8(bytes).map_err(|_| Failure::new(format!("{}: not UTF-8", file.display())))
}

/// The format that a file's name implies.
fn by_name(out: &Path) -> Option<Format> {
    match out.extension()?.to_str()? {
        "html" | "htm" => Some(Format::Html),
        "json" => Some(Format::Json),
        "md" => Some(Format::Markdown),
        _ => None,
    }
}

/// The baseline in a file.
fn baseline(file: &Path) -> Result<Support, Failure> {
    Support::from_json(&page(file)?)
        .map_err(|error| Failure::new(format!("--baseline {}: {error}", file.display())))
}

fn make(args: &args::Report, objects: &[Object], output: Output) -> Result<Report, Failure> {
    let sources = Sources::open(&args.archive, &args.source)?;
    let kernels = sources.wanted(&Wanted::new(&args.filter)?)?;
    let modules = args.objects.modules();
    let limit = args.source.entry_limit.unwrap_or(archive::DEFAULT_LIMIT);
    let mut survey = Survey::new(objects);
    for (program, target) in args.known.targets()? {
        if !survey.set_target(program, target) {
            return Err(Failure::usage(format!("--target: no program {program}")));
        }
    }
    for (filter, has) in args.known.own_btf()? {
        let filter = (archive::Filter::new(filter))
            .map_err(|error| Failure::usage(format!("--own-btf: {error}")))?;
        survey.set_own_btf(filter, has);
    }
    let progress = output.progress("resolving");
    let answers = parallel(&args.jobs, kernels.len(), &progress, |at| {
        kernels
            .get(at)
            .map(|kernel| ask(&survey, *kernel, limit, &modules))
    });
    drop(progress);
    let answers: Vec<_> = answers.into_iter().flatten().collect::<Result<_, _>>()?;
    let answers = kernels.iter().zip(answers).map(|(kernel, answer)| {
        (
            kernel.kernel(),
            answer.map_err(|failure| failure.in_a_line()),
        )
    });
    let mut report = survey.report(answers);
    if args.path_prefix.is_empty() {
        report.shorten_paths(&packages(&args.objects.objects));
    } else {
        report.shorten_paths(&args.path_prefix);
    }
    Ok(report)
}

/// The packages that the files are in.
fn packages(files: &[PathBuf]) -> Vec<String> {
    let package = |file: &PathBuf| {
        let file = std::path::absolute(file).ok()?;
        let is_package = |directory: &&Path| directory.join("Cargo.toml").is_file();
        Some(file.ancestors().find(is_package)?.display().to_string())
    };
    let packages: BTreeSet<String> = files.iter().filter_map(package).collect();
    packages.into_iter().collect()
}

/// The inner failure is the kernel's, the outer one the machine's.
fn ask(
    survey: &Survey,
    kernel: Source<'_>,
    limit: u64,
    modules: &Modules,
) -> Result<Result<KernelAnswer, Failure>, Failure> {
    let kernel = match kernel {
        Source::Entry(entry) => decoded(entry, limit)?.and_then(|decoded| {
            let symbols = Symbols::of(&decoded)?;
            let btf = modules.join(decoded, Some(survey.relocations()))?;
            Ok((btf, symbols))
        }),
        Source::Atlas(atlas, number, _) => {
            let read = atlas.read(number, modules, Some(survey.relocations()));
            read.map(|btf| (btf, None)).map_err(Failure::from)
        }
    };
    Ok(kernel.and_then(|(btf, symbols)| Ok(survey.ask_with_symbols(&btf, symbols.as_ref())?)))
}
