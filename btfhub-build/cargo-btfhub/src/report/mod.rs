//! `report`: kernels × relocations, in four formats.

mod complaint;
mod html;
mod json;
mod markdown;
mod text;

use btfhub_build::archive;
use btfhub_build::atlas::Atlas;
use btfhub_build::btf::Btf;
use btfhub_build::report::{Deny, KernelAnswer, Report, Survey};

use crate::args::{self, Format};
use crate::failure::Failure;
use crate::files;
use crate::jobs::parallel;
use crate::kernels::{Source, Sources, Wanted, decoded, objects};
use crate::output::{Output, Paint, count, stdout};

pub(crate) fn run(args: &args::Report, output: Output) -> Result<(), Failure> {
    let format = match (args.format, output.json) {
        (None | Some(Format::Json), true) => Format::Json,
        (Some(_), true) => {
            return Err(Failure::usage(
                "--json is --format json; leave it out, or the other format",
            ));
        }
        (format, false) => format.unwrap_or(Format::Text),
    };
    let denied = (args.deny.iter())
        .map(|deny| Deny::parse(deny).map_err(|error| Failure::usage(format!("--deny: {error}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let report = make(args, output)?;
    let exceeded: Vec<_> = denied.iter().map(|deny| deny.exceeded(&report)).collect();
    let paint = match args.out {
        Some(_) => Paint::none(),
        None => Paint::stdout(),
    };
    let rendered = match format {
        Format::Text => text::render(&report, paint),
        Format::Json => {
            let denied = denied.iter().zip(&exceeded);
            json::render(
                &report,
                denied.map(|(deny, shown)| (*deny, shown.is_some())),
            )?
        }
        Format::Html => html::render(&report)?,
        Format::Markdown => markdown::render(&report),
    };
    match &args.out {
        Some(out) => {
            files::write(out, rendered.as_bytes())?;
            output.note(&format!("wrote {}", out.display()));
        }
        None => stdout(rendered.as_bytes())?,
    }
    let mut complaints: Vec<String> = (denied.iter().zip(&exceeded))
        .filter_map(|(deny, shown)| {
            (shown.as_ref()).map(|kernels| complaint::complaint(&report, *deny, kernels))
        })
        .collect();
    if !args.source.skip_bad && !report.unreadable.is_empty() {
        let bad = report
            .unreadable
            .iter()
            .map(|bad| format!("\n  {}: {}", bad.kernel, bad.error));
        complaints.push(format!(
            "{} of the archive cannot be used (--skip-bad leaves them out):{}",
            count(report.unreadable.len(), "entry", "entries"),
            bad.collect::<String>()
        ));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(complaints.join("\n"));
    // A second document on stdout would be none.
    Err(if args.out.is_none() {
        failure.told()
    } else {
        failure
    })
}

fn make(args: &args::Report, output: Output) -> Result<Report, Failure> {
    let objects = objects(&args.objects)?;
    let sources = Sources::open(&args.archive, &args.source)?;
    let kernels = sources.wanted(&Wanted::new(&args.filter)?)?;
    let limit = args.source.entry_limit.unwrap_or(archive::DEFAULT_LIMIT);
    let mut survey = Survey::new(&objects);
    for target in &args.target {
        let (program, target) = pair("--target", "PROGRAM=TARGET", target)?;
        if !survey.set_target(program, target) {
            return Err(Failure::usage(format!("--target: no program {program}")));
        }
    }
    for said in &args.own_btf {
        let (filter, answer) = pair("--own-btf", "FILTER=yes|no", said)?;
        let has = match answer {
            "yes" => true,
            "no" => false,
            _ => {
                return Err(Failure::usage(format!(
                    "--own-btf: `{answer}` is not yes or no"
                )));
            }
        };
        let filter = (archive::Filter::new(filter))
            .map_err(|error| Failure::usage(format!("--own-btf: {error}")))?;
        survey.set_own_btf(filter, has);
    }
    let progress = output.progress("resolving");
    let answers = parallel(&args.jobs, kernels.len(), &progress, |at| {
        kernels.get(at).map(|kernel| ask(&survey, *kernel, limit))
    });
    drop(progress);
    let answers: Vec<_> = answers.into_iter().flatten().collect::<Result<_, _>>()?;
    let answers = kernels.iter().zip(answers).map(|(kernel, answer)| {
        (
            kernel.kernel(),
            answer.map_err(|failure| failure.chain.join(": ")),
        )
    });
    Ok(survey.report(answers))
}

/// The two sides of the last `=`.
fn pair<'t>(option: &str, form: &str, text: &'t str) -> Result<(&'t str, &'t str), Failure> {
    (text.rsplit_once('='))
        .ok_or_else(|| Failure::usage(format!("{option}: `{text}` is not {form}")))
}

/// The failure inside is one kernel's, the one outside the machine's.
fn ask(
    survey: &Survey,
    kernel: Source<'_>,
    limit: u64,
) -> Result<Result<KernelAnswer, Failure>, Failure> {
    let btf = match kernel {
        Source::Entry(entry) => decoded(entry, limit)?
            .and_then(|decoded| Ok(Btf::from_words(decoded.words, decoded.len)?)),
        Source::Atlas(atlas, number, _) => extracted(atlas, number),
    };
    Ok(btf.and_then(|btf| Ok(survey.ask(&btf)?)))
}

fn extracted(atlas: &Atlas, kernel: usize) -> Result<Btf, Failure> {
    Ok(Btf::parse(&atlas.extract(kernel)?)?)
}
