//! `check`: decodes every entry of an archive.

use btfhub_build::Modules;
use btfhub_build::archive::{self, Decoded, Entry};
use btfhub_build::btf::Kind;
use btfhub_build::symbols::Symbols;
use btfhub_runtime::Printable;
use serde::Serialize;

use crate::args;
use crate::failure::Failure;
use crate::jobs::parallel;
use crate::kernels::{Wanted, decoded, scan, wanted};
use crate::output::{Lines, Output, count, line};

#[derive(Serialize)]
struct Checked {
    schema: &'static str,
    kernels: usize,
    modules: usize,
    bytes: u64,
    bad: Vec<Bad>,
    remarks: Vec<Remark>,
    anomalies: Vec<String>,
}

#[derive(Serialize)]
struct Bad {
    path: String,
    error: Vec<String>,
}

/// A usable entry that is unusual.
#[derive(Serialize)]
struct Remark {
    path: String,
    what: String,
}

struct Looked {
    modules: usize,
    bytes: u64,
    remarks: Vec<String>,
}

pub(crate) fn run(args: &args::Check, output: Output) -> Result<(), Failure> {
    let archives = scan(&args.archive)?;
    let entries = wanted(&archives, &Wanted::new(&args.filter)?)?;
    let progress = output.progress("checking");
    let looked = parallel(&args.jobs, entries.len(), &progress, |at| {
        entries.get(at).map(|entry| look(entry))
    });
    drop(progress);
    let looked: Vec<_> = looked.into_iter().flatten().collect::<Result<_, _>>()?;
    let mut checked = Checked {
        schema: "btfhub.check/1",
        kernels: entries.len(),
        modules: 0,
        bytes: 0,
        bad: Vec::new(),
        remarks: Vec::new(),
        anomalies: (archives.iter())
            .flat_map(|archive| archive.anomalies())
            .map(ToString::to_string)
            .collect(),
    };
    for (entry, looked) in entries.iter().zip(looked) {
        let path = entry.file().display().to_string();
        match looked {
            Ok(looked) => {
                checked.modules += looked.modules;
                checked.bytes += looked.bytes;
                checked
                    .remarks
                    .extend((looked.remarks.into_iter()).map(|what| Remark {
                        path: path.clone(),
                        what,
                    }));
            }
            Err(failure) => checked.bad.push(Bad {
                path,
                error: failure.chain().to_vec(),
            }),
        }
    }
    output.result(&checked, || text(&checked))?;
    if checked.bad.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{} cannot be used",
            count(checked.bad.len(), "entry", "entries")
        ))
        .told())
    }
}

fn look(entry: &Entry) -> Result<Result<Looked, Failure>, Failure> {
    Ok(decoded(entry, archive::DEFAULT_LIMIT)?.and_then(|decoded| remarks(entry, decoded)))
}

fn remarks(entry: &Entry, decoded: Decoded) -> Result<Looked, Failure> {
    let mut remarks = Vec::new();
    let release = entry.kernel().release;
    let modules = decoded.modules.len();
    let is_alone = modules == 0 && !decoded.member.is_empty();
    if is_alone && decoded.member != format!("{release}.btf") {
        remarks.push(format!("the tar calls it {}", Printable(&decoded.member)));
    }
    if Symbols::of(&decoded)?.is_some() {
        remarks.push("symbols".to_owned());
    }
    let of_modules = decoded.modules.iter().map(|module| module.btf.len() as u64);
    let bytes = decoded.len as u64 + of_modules.sum::<u64>();
    let btf = Modules::All.join(decoded, None)?;
    let count_of = |kind: Kind, name: &[u8]| {
        (btf.ids_of_kernel().filter_map(|id| btf.ty(id)))
            .filter(|ty| ty.kind() == kind && btf.string(ty.name()) == name)
            .count()
    };
    match count_of(Kind::Struct, b"task_struct") {
        0 => remarks.push("no struct task_struct: not the BTF of a kernel?".into()),
        1 => {}
        n => remarks.push(format!("{n} structs task_struct, where one is usual")),
    }
    Ok(Looked {
        modules,
        bytes,
        remarks,
    })
}

fn text(checked: &Checked) -> Lines {
    let mut text = Lines::default();
    for bad in &checked.bad {
        line!(text, "bad   {}: {}", bad.path, bad.error.join(": "));
    }
    for remark in &checked.remarks {
        line!(text, "odd   {}: {}", remark.path, remark.what);
    }
    for anomaly in &checked.anomalies {
        line!(text, "name  {anomaly}");
    }
    line!(
        text,
        "{}{} decoded, {} bytes of BTF, {} bad",
        count(checked.kernels - checked.bad.len(), "kernel", "kernels"),
        match checked.modules {
            0 => String::new(),
            modules => format!(" with {}", count(modules, "module", "modules")),
        },
        checked.bytes,
        checked.bad.len()
    );
    text
}
