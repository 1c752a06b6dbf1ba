//! `cargo btfhub`: the archive, tailoring, bundles and the compatibility report from
//! the command line.
//!
//! ```text
//! args      the argument model
//! workspace what Cargo.toml and BTFHUB_ARCHIVE supply for missing options
//! kernels   the kernels and objects that the options select
//! build     options → the library's Builder
//! image     a kernel's or module's file → BTF, for `add`
//! git, checkout  git, kept at arm's length, for `fetch`
//! shell     completion and man pages
//! output    stdout, stderr
//! examples  the ends of the help texts
//! files     read within limits, written whole or not at all
//! failure   exit status and chain of causes
//! <command> one file per command
//! ```

mod add;
mod args;
mod atlas;
mod build;
mod bundle;
mod check;
mod checkout;
mod examples;
mod failure;
mod fetch;
mod files;
mod git;
mod image;
mod inspect;
mod jobs;
mod kernels;
mod known;
mod lints;
mod list;
mod lock;
mod merge;
mod output;
mod remove;
mod report;
mod select;
mod shell;
mod tailor;
mod verify;
mod workspace;

use std::path::Path;
use std::process::ExitCode;

use btfhub_build::Builder;
use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use args::{Cli, Command};
use failure::{Exit, Failure};
use output::{Colour, Output, Paint};

fn main() -> ExitCode {
    // `cargo btfhub …` starts `cargo-btfhub btfhub …`.
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "btfhub") {
        arguments.remove(1);
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misused(error, arguments.iter().any(|word| word == "--json")),
    };
    let output = Output::new(&cli.global);
    let mut command = cli.command;
    let manifest = cli.global.manifest_path.as_deref();
    let done = workspace::complete(&mut command, manifest)
        .and_then(|configured| run(command, configured.as_ref(), output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            fail(&failure, output);
            failure.exit.into()
        }
    }
}

/// `configured` holds the settings of the Cargo.toml, if it was read.
fn run(command: Command, configured: Option<&Builder>, output: Output) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(&args, output),
        Command::Tailor(args) => tailor::run(&args, configured, output),
        Command::Bundle(args) => bundle::run(&args, configured, output),
        Command::Merge(args) => merge::run(&args, output),
        Command::Verify(args) => verify::run(&args, output),
        Command::Report(args) => report::run(&args, configured, output),
        Command::Lock(args) => lock::run(&args, output),
        Command::Inspect(args) => inspect::run(&args, output),
        Command::Select(args) => select::run(&args, output),
        Command::Fetch(args) => fetch::run(&args, output),
        Command::Add(args) => add::run(&args, output),
        Command::Remove(args) => remove::run(&args, output),
        Command::Check(args) => check::run(&args, output),
        Command::Atlas(args) => atlas::run(&args, output),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args, output),
    }
}

/// Ends with clap's output: wrong usage, or the requested help.
fn misused(mut error: clap::Error, json: bool) -> ExitCode {
    if let Some(tip) = tip(&error) {
        // Replaces clap's tip, which takes any word for a misspelling.
        let tips = ContextValue::StyledStrs(vec![tip.into()]);
        let _ = error.insert(ContextKind::Suggested, tips);
    }
    if json && error.use_stderr() {
        let text = error.to_string();
        let (message, _) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message.strip_prefix("error: ").unwrap_or(message);
        document(Exit::Usage, &[message.trim_end().to_owned()]);
    }
    if error.use_stderr() {
        // It quotes the arguments.
        let text = error.to_string();
        let label = Paint::stderr().text(Colour::Bad, "error:");
        output::stderr(&match text.strip_prefix("error:") {
            Some(message) => format!("{label}{message}"),
            None => text,
        });
    } else {
        // Nobody can be told that stdout is gone.
        let _ = error.print();
    }
    match u8::try_from(error.exit_code()) {
        Ok(code) => ExitCode::from(code),
        Err(_) => Exit::Usage.into(),
    }
}

/// Tips for what newcomers try first: `list DIR`, `--object a.o b.o`, `atlas inspect --atlas FILE`.
fn tip(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if error.kind() != clap::error::ErrorKind::UnknownArgument {
        return None;
    }
    if ["--atlas", "--bundle", "--file"].contains(&word.as_str()) {
        return Some("name the file without an option".to_owned());
    }
    if word.starts_with('-') {
        return None;
    }
    let path = Path::new(word);
    Some(if path.is_dir() {
        format!("each archive needs its own option: --archive {word}")
    } else if path.extension().is_some_and(|suffix| suffix == "o") {
        format!("each eBPF object needs its own option: --object {word}")
    } else {
        "name each archive with --archive DIR, each eBPF object with --object FILE".to_owned()
    })
}

fn fail(failure: &Failure, output: Output) {
    if output.json && !failure.is_told {
        document(failure.exit, failure.chain());
    }
    let paint = Paint::stderr();
    let error = paint.text(Colour::Bad, "error:");
    output::stderr(&format!("{error} {failure}\n"));
    if let Some(help) = &failure.help {
        let label = paint.text(Colour::Hint, "help:");
        output::stderr(&format!("{label} {help}\n"));
    }
}

/// The document that is printed instead of a result.
fn document(exit: Exit, error: &[String]) {
    #[derive(serde::Serialize)]
    struct Document<'a> {
        schema: &'static str,
        exit: u8,
        error: &'a [String],
    }
    let document = Document {
        schema: "btfhub.error/1",
        exit: exit.code(),
        error,
    };
    if let Ok(json) = output::json(&document) {
        // If stdout is gone, don't fail a second time.
        let _ = output::stdout(json.as_bytes());
    }
}
