//! `inspect`: what is in a bundle.

use std::collections::BTreeMap;

use btfhub_build::input;
use btfhub_runtime::bundle::{self, FailureSets, When};
use btfhub_runtime::{Bundle, Printable};
use serde::Serialize;

use crate::args;
use crate::failure::{Context, Failure};
use crate::files;
use crate::output::{Lines, Output, count, hex, line};

#[derive(Serialize)]
struct Inspected {
    schema: &'static str,
    file: String,
    bytes: usize,
    kernels: u32,
    classes: u32,
    partial: bool,
    digest: String,
    provenance: Provenance,
    parts: Vec<Part>,
    btf_bytes: u64,
    entries: Vec<Entry>,
    class_sizes: Vec<usize>,
    /// The distinct sets, if the bundle has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_programs: Option<Vec<Vec<Failing>>>,
}

#[derive(Serialize)]
struct Provenance {
    tool: String,
    pins: Vec<String>,
    objects: Vec<Object>,
    objects_sha256: String,
    relocations: String,
}

#[derive(Serialize)]
struct Object {
    name: String,
    sha256_start: String,
}

#[derive(Serialize)]
struct Part {
    name: &'static str,
    bytes: usize,
}

#[derive(Serialize)]
struct Entry {
    kernel: String,
    distro: String,
    version: String,
    arch: String,
    release: String,
    class: u32,
    /// Index into `failing_programs`, if the bundle has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<usize>,
}

/// A program that fails on a kernel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Failing {
    object: String,
    program: String,
    /// `always`, `without-kernel-btf`, `with-kernel-btf`.
    when: &'static str,
    reason: String,
}

pub(crate) fn run(args: &args::Inspect, output: Output) -> Result<(), Failure> {
    let data = files::read(&args.file, input::FILE_LIMIT)?;
    let bundle = Bundle::parse(&data).context(|| format!("{}", args.file.display()))?;
    let inspected = look(args, &bundle).context(|| format!("{}", args.file.display()))?;
    output.result(&inspected, || text(&inspected, args.kernels))
}

fn look(args: &args::Inspect, bundle: &Bundle<'_>) -> Result<Inspected, Failure> {
    let provenance = bundle.provenance()?;
    let classes = bundle.class_count()?;
    let class_sizes: Vec<usize> = bundle.all_btf()?.iter().map(Vec::len).collect();
    let failing = bundle.failure_sets()?;
    let mut of_kernels = failing.iter().flat_map(|all| &all.of_kernels).copied();
    let mut entries = Vec::new();
    for entry in bundle.kernels() {
        let entry = entry?;
        let kernel = entry.kernel();
        entries.push(Entry {
            kernel: kernel.to_string(),
            distro: kernel.distro.to_owned(),
            version: kernel.version.to_owned(),
            arch: kernel.arch.as_str().to_owned(),
            release: kernel.release.to_owned(),
            class: entry.class().0,
            failing: of_kernels.next(),
        });
    }
    Ok(Inspected {
        schema: "btfhub.inspect/1",
        file: args.file.display().to_string(),
        bytes: bundle.as_bytes().len(),
        kernels: bundle.kernel_count()?,
        classes,
        partial: bundle.is_partial()?,
        digest: hex(&bundle.digest()),
        provenance: Provenance {
            tool: provenance.tool,
            pins: provenance.pins,
            objects: (provenance.objects.into_iter())
                .map(|object| Object {
                    name: object.name,
                    sha256_start: hex(&object.sha256_start),
                })
                .collect(),
            objects_sha256: hex(&provenance.objects_sha256),
            relocations: hex(&provenance.relocations),
        },
        parts: (bundle.sizes()?.into_iter())
            .map(|part| Part {
                name: part.name,
                bytes: part.bytes,
            })
            .collect(),
        btf_bytes: class_sizes.iter().map(|&size| size as u64).sum(),
        entries,
        class_sizes,
        failing_programs: failing.as_ref().map(sets),
    })
}

fn sets(all: &FailureSets) -> Vec<Vec<Failing>> {
    let failing = |failure: &bundle::Failure| Failing {
        object: failure.object.clone(),
        program: failure.program.clone(),
        when: match failure.when {
            When::Always => "always",
            When::WithoutKernelBtf => "without-kernel-btf",
            When::WithKernelBtf => "with-kernel-btf",
        },
        reason: failure.reason.clone(),
    };
    let set = |set: &Vec<usize>| {
        let failures = set.iter().filter_map(|at| all.failures.get(*at));
        failures.map(failing).collect()
    };
    all.sets.iter().map(set).collect()
}

/// The programs that fail, by object, with the reason and the number of kernels.
fn failing(inspected: &Inspected, sets: &[Vec<Failing>], text: &mut Lines) {
    let mut kernels: BTreeMap<&Failing, usize> = BTreeMap::new();
    for entry in &inspected.entries {
        let set = entry.failing.and_then(|set| sets.get(set));
        for failing in set.into_iter().flatten() {
            *kernels.entry(failing).or_default() += 1;
        }
    }
    if kernels.is_empty() {
        line!(text, "fails       no program is known to fail");
    }
    let mut groups: BTreeMap<(&str, &str, &str, usize), Vec<String>> = BTreeMap::new();
    for (failing, on) in kernels {
        let group = (
            failing.object.as_str(),
            failing.reason.as_str(),
            failing.when,
            on,
        );
        let programs = groups.entry(group).or_default();
        programs.push(shown(&failing.program));
    }
    for ((object, reason, when, on), programs) in groups {
        let when = match when {
            "without-kernel-btf" => " if they expose no BTF of their own",
            "with-kernel-btf" => " if they expose BTF of their own",
            _ => "",
        };
        line!(
            text,
            "fails       {}: {} on {}{when}: {:#}",
            Printable(object),
            programs.join(", "),
            count(on, "kernel", "kernels"),
            Printable(reason),
        );
    }
}

fn text(inspected: &Inspected, kernels: bool) -> Lines {
    let mut text = Lines::default();
    if kernels {
        for entry in &inspected.entries {
            let sets = inspected.failing_programs.iter().flatten();
            let set = entry.failing.and_then(|set| sets.clone().nth(set));
            let names = set.into_iter().flatten();
            let names: Vec<String> = names.map(|it| shown(&it.program)).collect();
            let fails = match names.is_empty() {
                true => String::new(),
                false => format!(" fails: {}", names.join(", ")),
            };
            line!(text, "{} class {}{fails}", entry.kernel, entry.class);
        }
        return text;
    }
    line!(
        text,
        "{}: {}, {}, {} bytes{}",
        inspected.file,
        count(inspected.entries.len(), "kernel", "kernels"),
        count(inspected.class_sizes.len(), "class", "classes"),
        inspected.bytes,
        if inspected.partial {
            "; PARTIAL: a development bundle, not for release"
        } else {
            ""
        }
    );
    line!(text, "sha256      {}", inspected.digest);
    line!(
        text,
        "made by     {}",
        Printable(&inspected.provenance.tool)
    );
    for pin in &inspected.provenance.pins {
        line!(text, "archive     {}", Printable(pin));
    }
    for object in &inspected.provenance.objects {
        line!(
            text,
            "object      {}  sha256 {}…",
            Printable(&object.name),
            object.sha256_start
        );
    }
    line!(
        text,
        "objects     sha256 {} over all of them",
        inspected.provenance.objects_sha256
    );
    line!(text, "relocations {}", inspected.provenance.relocations);
    for part in &inspected.parts {
        line!(
            text,
            "bytes       {:9} {:5.1}%  {}",
            part.bytes,
            percent(part.bytes, inspected.bytes),
            part.name
        );
    }
    line!(
        text,
        "unpacked    {:9} bytes of BTF in all classes",
        inspected.btf_bytes
    );
    if let Some(sets) = &inspected.failing_programs {
        failing(inspected, sets, &mut text);
    }
    let mut groups: BTreeMap<(&str, &str, &str), (usize, Vec<u32>)> = BTreeMap::new();
    for entry in &inspected.entries {
        let group = groups
            .entry((&entry.distro, &entry.version, &entry.arch))
            .or_default();
        group.0 += 1;
        group.1.push(entry.class);
    }
    for ((distro, version, arch), (kernels, mut classes)) in groups {
        classes.sort_unstable();
        classes.dedup();
        line!(
            text,
            "{}/{}/{}: {}, {}",
            Printable(distro),
            Printable(version),
            Printable(arch),
            count(kernels, "kernel", "kernels"),
            count(classes.len(), "class", "classes")
        );
    }
    text
}

/// A name, as it is shown.
fn shown(name: &str) -> String {
    Printable(name).to_string()
}

#[expect(clippy::cast_precision_loss, reason = "a percentage with one decimal")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
