//! What a report says about types of modules.

use std::collections::{BTreeMap, BTreeSet};

use btfhub_build::report::{RelocationRow, Report};
use btfhub_runtime::Printable;

/// Modules named for one type.
const NAMED: usize = 3;

/// One sentence for each type that some of the kernels have in a module, and one for each that
/// none of them has.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let mut types: BTreeMap<&str, Vec<&RelocationRow>> = BTreeMap::new();
    for row in &report.relocations {
        if row.in_no_kernel || !row.modules.is_empty() {
            types.entry(&row.root).or_default().push(row);
        }
    }
    (types.into_iter())
        .map(|(root, rows)| {
            let modules = rows.iter().flat_map(|row| &row.modules);
            let modules: BTreeSet<&str> = modules.map(String::as_str).collect();
            let root = Printable(root);
            if !modules.is_empty() {
                return format!("{root}: {}", within(&modules));
            }
            match rows.first().and_then(|row| row.usual_module) {
                Some(module) => format!(
                    "{root}: in no kernel's BTF; usually a type of module {module} (`add \
                     --modules`)"
                ),
                None => format!(
                    "{root}: in no kernel's BTF; possibly a module's type (`add --modules`)"
                ),
            }
        })
        .collect()
}

fn within(modules: &BTreeSet<&str>) -> String {
    let named: Vec<&str> = modules.iter().take(NAMED).copied().collect();
    let named = named.join(", ");
    let named = Printable(&named);
    match modules.len() {
        1 => format!("in module {named}, if it is loaded"),
        count if count > NAMED => format!(
            "in modules {named} and {} more, if they are loaded",
            count - NAMED
        ),
        _ => format!("in modules {named}, if they are loaded"),
    }
}
