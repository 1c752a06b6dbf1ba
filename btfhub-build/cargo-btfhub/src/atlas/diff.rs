//! `atlas diff`: what was added, removed and changed.

use std::collections::BTreeSet;
use std::path::Path;

use btfhub_build::atlas::{Atlas, Change, KernelNumber, Side, diff};
use serde::Serialize;

use super::{kernel, open};
use crate::args::atlas as args;
use crate::failure::Failure;
use crate::output::{Lines, Output, line};

#[derive(Serialize)]
struct Differences {
    schema: &'static str,
    kernels: Titles,
    definitions: Titles,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
}

#[derive(Default, Serialize)]
struct Titles {
    came: Vec<String>,
    went: Vec<String>,
    changed: Vec<String>,
}

/// An atlas, or a kernel of one: FILE or FILE:DISTRO/VERSION/ARCH/RELEASE.
struct Named {
    atlas: Atlas,
    kernel: Option<KernelNumber>,
}

impl Named {
    fn new(text: &str) -> Result<Self, Failure> {
        if let Some((file, name)) = text.rsplit_once(':') {
            if name.matches('/').count() == 3 && !Path::new(text).exists() {
                let atlas = open(Path::new(file))?;
                let kernel = Some(kernel(&atlas, name)?);
                return Ok(Self { atlas, kernel });
            }
        }
        Ok(Self {
            atlas: open(Path::new(text))?,
            kernel: None,
        })
    }

    fn side(&self) -> Side<'_> {
        Side {
            atlas: &self.atlas,
            kernel: self.kernel,
        }
    }
}

pub(crate) fn run(args: &args::AtlasDiff, output: Output) -> Result<(), Failure> {
    let (before, after) = (Named::new(&args.before)?, Named::new(&args.after)?);
    let wanted = |name: &str| args.types.is_empty() || args.types.iter().any(|t| t == name);
    let changes = diff(before.side(), after.side(), wanted)?;
    let kernels = if before.kernel.is_none() && after.kernel.is_none() {
        kernels(&before.atlas, &after.atlas)
    } else {
        Titles::default()
    };
    let mut definitions = Titles::default();
    let mut lines = Vec::new();
    for change in &changes {
        let list = match (change.before.is_empty(), change.after.is_empty()) {
            (true, _) => &mut definitions.came,
            (_, true) => &mut definitions.went,
            _ => &mut definitions.changed,
        };
        list.push(match super::in_modules(&change.modules) {
            Some(of_module) => format!("{}, {of_module}", change.title),
            None => change.title.clone(),
        });
        if !args.types.is_empty() {
            lines.extend(
                change
                    .lines()
                    .into_iter()
                    .map(|(mark, line)| format!("{mark}{line}")),
            );
        }
    }
    let differences = Differences {
        schema: "btfhub.atlas.diff/1",
        kernels,
        definitions,
        lines,
    };
    output.result(&differences, || text(&differences, &changes))
}

/// Kernels by name and by the file they were made from.
fn kernels(before: &Atlas, after: &Atlas) -> Titles {
    let set = |atlas: &Atlas| -> BTreeSet<(String, String)> {
        atlas
            .kernels()
            .filter_map(|(number, kernel)| {
                let digest = atlas.source(number)?.digest.to_string();
                Some((kernel.to_string(), digest))
            })
            .collect()
    };
    let (before, after) = (set(before), set(after));
    let names = |set: &BTreeSet<(String, String)>| -> BTreeSet<String> {
        set.iter().map(|(name, _)| name.clone()).collect()
    };
    let (old, new) = (names(&before), names(&after));
    Titles {
        came: new.difference(&old).cloned().collect(),
        went: old.difference(&new).cloned().collect(),
        changed: (after.difference(&before))
            .map(|(name, _)| name.clone())
            .filter(|name| old.contains(name))
            .collect(),
    }
}

fn text(differences: &Differences, changes: &[Change]) -> Lines {
    if !differences.lines.is_empty() {
        return differences.lines.iter().cloned().collect();
    }
    let mut out = Lines::default();
    for (what, titles) in [
        ("kernels", &differences.kernels),
        ("definitions", &differences.definitions),
    ] {
        for (mark, list) in [
            ('+', &titles.came),
            ('-', &titles.went),
            ('~', &titles.changed),
        ] {
            for title in list {
                line!(out, "{mark} {title}");
            }
        }
        line!(
            out,
            "{what}: {} added, {} removed, {} changed",
            titles.came.len(),
            titles.went.len(),
            titles.changed.len()
        );
    }
    if changes.is_empty() && differences.kernels.changed.is_empty() {
        line!(out, "no definition differs");
    }
    out
}
