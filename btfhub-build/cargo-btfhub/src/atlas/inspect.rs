//! `atlas inspect`: what an atlas holds, and where its bytes go.

use serde::Serialize;

use super::open;
use crate::args::atlas as args;
use crate::failure::Failure;
use crate::output::{Lines, Output, count, line};

#[derive(Serialize)]
struct Inspected {
    schema: &'static str,
    file: String,
    digest: String,
    bytes: usize,
    kernels: usize,
    definitions: u32,
    names: u32,
    functions: bool,
    parts: Vec<Part>,
    list: Vec<String>,
    modules: Vec<String>,
    text: Vec<String>,
}

#[derive(Serialize)]
struct Part {
    name: &'static str,
    bytes: u64,
}

pub(crate) fn run(args: &args::AtlasInspect, output: Output) -> Result<(), Failure> {
    let atlas = open(&args.file)?;
    let kernel = (args.kernel.as_deref())
        .map(|name| super::kernel(&atlas, name))
        .transpose()?;
    let text = if args.types.is_empty() {
        Vec::new()
    } else {
        let texts = atlas.texts(kernel, |name| {
            args.types.iter().any(|wanted| wanted == name)
        })?;
        let lines = texts.into_iter().flat_map(|text| {
            let of_module = super::in_modules(&text.modules);
            let comment = of_module.map(|of_module| format!("/* {of_module} */"));
            comment.into_iter().chain(text.lines)
        });
        lines.collect()
    };
    let list = if args.kernels {
        atlas
            .kernels()
            .map(|(number, kernel)| match atlas.modules(number).len() {
                0 => kernel.to_string(),
                modules => format!("{kernel}, {}", count(modules, "module", "modules")),
            })
            .collect()
    } else {
        Vec::new()
    };
    let modules = match kernel {
        Some(kernel) if args.types.is_empty() => atlas.modules(kernel).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let inspected = Inspected {
        schema: "btfhub.atlas.inspect/1",
        file: args.file.display().to_string(),
        digest: atlas.digest().to_string(),
        bytes: atlas.file_len(),
        kernels: atlas.kernels().len(),
        definitions: atlas.definition_count(),
        names: atlas.group_count(),
        functions: atlas.has_functions(),
        parts: (atlas.parts().into_iter())
            .map(|(name, bytes)| Part { name, bytes })
            .collect(),
        list,
        modules,
        text,
    };
    output.result(&inspected, || {
        let mut out = Lines::default();
        if [&inspected.text, &inspected.list, &inspected.modules]
            .iter()
            .all(|lines| lines.is_empty())
        {
            line!(out, "digest      {}", inspected.digest);
            line!(out, "kernels     {}", inspected.kernels);
            let (definitions, names) = (inspected.definitions, inspected.names);
            line!(out, "definitions {definitions}, of {names} names");
            line!(out, "bytes       {}", inspected.bytes);
            for part in &inspected.parts {
                line!(out, "  {:<28}{:>10}", part.name, part.bytes);
            }
        }
        let (list, modules) = (&inspected.list, &inspected.modules);
        for line in list.iter().chain(modules).chain(&inspected.text) {
            out.push(line.as_str());
        }
        out
    })
}
