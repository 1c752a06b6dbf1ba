//! `select`: what a host would get from a bundle, and why.

use std::collections::BTreeMap;
use std::path::Path;

use btfhub_build::input;
use btfhub_runtime::{Bundle, Error, Host, OsRelease, Policy, Selection};
use serde::Serialize;

use crate::args;
use crate::failure::{Context, Exit, Failure};
use crate::files;
use crate::output::{Lines, Output, json, say, stdout};

#[derive(Serialize)]
struct Selected {
    schema: &'static str,
    /// `None` if the BTF is not from the bundle.
    kernel: Option<String>,
    distro: Option<String>,
    version: Option<String>,
    arch: Option<String>,
    release: Option<String>,
    class: Option<u32>,
    inferred: bool,
    revision_unverified: bool,
    decision: BTreeMap<&'static str, String>,
    reasoning: Vec<String>,
}

#[derive(Serialize)]
struct Unselected<'a> {
    schema: &'static str,
    kernel: Option<String>,
    exit: u8,
    error: String,
    candidates: &'a [String],
    nearest: &'a [String],
    reasoning: Vec<String>,
}

pub(crate) fn run(args: &args::Select, output: Output) -> Result<(), Failure> {
    let data = files::read(&args.file, input::FILE_LIMIT)?;
    let bundle = Bundle::parse(&data).context(|| format!("{}", args.file.display()))?;
    let host = host(args, output)?;
    let policy = if args.embedded {
        Policy::EMBEDDED_ONLY
    } else {
        Policy::PREFER_KERNEL
    };
    match btfhub_runtime::select(&bundle, &host, policy.bracketed(args.bracketed)) {
        Ok(selection) => {
            if let Some(out) = &args.out {
                files::write(out, &selection.bytes()?)?;
            }
            tell(&bundle, &selection, output)
        }
        Err(error) => Err(explain(error, output)?),
    }
}

/// The host that the options describe, or this machine if they describe none.
fn host(args: &args::Select, output: Output) -> Result<Host, Failure> {
    let is_described = args.release.is_some()
        || args.version_string.is_some()
        || args.machine.is_some()
        || args.os_release.is_some()
        || args.root.is_some();
    if !is_described {
        return Ok(Host::detect()?);
    }
    let mut host = match &args.root {
        Some(root) if !root.is_dir() => {
            return Err(Failure::usage(format!(
                "--root {}: not a directory",
                root.display()
            )));
        }
        Some(root) => Host::detect_under(root),
        None => Host::default(),
    };
    if let Some(release) = &args.release {
        if host.release() != release {
            // The BTF in the directory is a different kernel's.
            host = host.with_kernel_btf(None);
        }
        host = host.with_release(release);
    }
    if let Some(version) = &args.version_string {
        host = host.with_version(version);
    }
    if let Some(machine) = &args.machine {
        host = host.with_machine(machine);
    }
    match &args.os_release {
        Some(file) => with_os_release(host, file, output),
        None => Ok(host),
    }
}

/// The limit that also applies to a host's own file.
const LONGEST_OS_RELEASE: u64 = 64 << 10;

fn with_os_release(host: Host, file: &Path, output: Output) -> Result<Host, Failure> {
    let content = files::read(file, LONGEST_OS_RELEASE)?;
    if OsRelease::parse(&content).id().is_none() {
        // As on a host, it then breaks no tie.
        output.note(&format!(
            "note: {} has no ID line, so it names no distribution",
            file.display()
        ));
        return Ok(host);
    }
    // A pipe can be read only once.
    match host.clone().with_os_release_file(file) {
        Ok(described) => Ok(described),
        Err(_) => Ok(host.with_os_release(&content)),
    }
}

fn tell(bundle: &Bundle<'_>, selection: &Selection<'_>, output: Output) -> Result<(), Failure> {
    if bundle.knows_failures()? {
        // The selection reports these itself.
        selection.failing_programs()?;
    }
    let kernel = selection.kernel();
    let reasoning = lines(&format!("{selection:#}"));
    let selected = Selected {
        schema: "btfhub.select/1",
        kernel: kernel.map(|kernel| kernel.to_string()),
        distro: kernel.map(|kernel| kernel.distro.to_owned()),
        version: kernel.map(|kernel| kernel.version.to_owned()),
        arch: kernel.map(|kernel| kernel.arch.as_str().to_owned()),
        release: kernel.map(|kernel| kernel.release.to_owned()),
        class: selection.class().map(|class| class.0),
        inferred: selection.is_inferred(),
        revision_unverified: selection.is_revision_unverified(),
        decision: selection.fields().into_iter().collect(),
        reasoning,
    };
    output.result(&selected, || {
        let first = match &selected.kernel {
            Some(kernel) => kernel.clone(),
            // The file that serves the host.
            None => (selection.path()).map_or(String::new(), |path| path.display().to_string()),
        };
        (std::iter::once(first).chain(selected.reasoning.iter().cloned())).collect::<Lines>()
    })
}

/// Ends a selection without a result: exit status, candidates, reasoning.
fn explain(error: Error, output: Output) -> Result<Failure, Failure> {
    let exit = match &error {
        Error::NotFound(_) => Exit::NotFound,
        Error::Ambiguous(_) => Exit::Ambiguous,
        Error::UnknownRelease => {
            return Ok(Failure::usage(
                "the host's kernel release is not known: give --release, or a --root with \
                 proc/sys/kernel/osrelease",
            ));
        }
        _ => return Ok(error.into()),
    };
    let (candidates, nearest): (&[String], &[String]) = match &error {
        Error::NotFound(error) => (&[], &error.nearest),
        Error::Ambiguous(error) => (&error.candidates, &[]),
        _ => (&[], &[]),
    };
    let mut reasoning = lines(&format!("{error:#}"));
    // The first line is the error itself.
    let message = error.to_string();
    reasoning.drain(..message.lines().count().min(reasoning.len()));
    if output.json {
        let document = Unselected {
            schema: "btfhub.select/1",
            kernel: None,
            exit: exit.code(),
            error: message.clone(),
            candidates,
            nearest,
            reasoning,
        };
        stdout(json(&document)?.as_bytes())?;
    } else {
        for line in &reasoning {
            say(line);
        }
    }
    for candidate in candidates {
        say(&format!("candidate: {candidate}"));
    }
    Ok(Failure::new(message).with_exit(exit).told())
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
