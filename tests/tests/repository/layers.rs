//! The modules are in the order that `docs/architecture.md` lists, and no two modules use each
//! other. This reads the paths in the sources, except for tests at the end of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use btfhub_tests::project::workspace;

/// Sources, and the heading on the page under which their layers are listed, if any.
const CRATES: [(&str, Option<&str>); 4] = [
    ("btfhub-build/src", Some("### btfhub-build")),
    ("btfhub-runtime/src", Some("### btfhub-runtime")),
    ("btfhub-macros/src", None),
    ("btfhub-build/cargo-btfhub/src", None),
];

/// The names from the crate's root down to a module.
type Module = Vec<String>;

/// Which child of a module uses which sibling, and one place that does.
type Uses = BTreeMap<Module, BTreeMap<(String, String), String>>;

#[test]
fn each_layer_uses_those_above_it() {
    let page = fs::read_to_string(workspace().join("docs/architecture.md")).expect("the page");
    let mut wrong = Vec::new();
    for (sources, heading) in CRATES {
        let Some(heading) = heading else {
            continue;
        };
        let layers = layers(&page, heading);
        let uses = uses(&workspace().join(sources));
        let modules: BTreeSet<&str> = uses[&Module::new()]
            .keys()
            .flat_map(|(from, to)| [from.as_str(), to.as_str()])
            .collect();
        for module in modules {
            assert!(
                layers.iter().any(|layer| layer == module),
                "docs/architecture.md, {heading}: no line for `{module}`"
            );
        }
        let place = |name: &String| layers.iter().position(|layer| layer == name);
        for ((from, to), example) in &uses[&Module::new()] {
            if place(to) >= place(from) {
                wrong.push(format!("{from} uses {to}, which is below it: {example}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_modules_use_each_other() {
    let mut circles = Vec::new();
    for (sources, _) in CRATES {
        for (parent, pairs) in uses(&workspace().join(sources)) {
            let circular = pairs.keys().filter(|(from, to)| reaches(&pairs, to, from));
            circles.extend(circular.map(|pair| {
                let example = &pairs[pair];
                format!(
                    "{sources}/{}: {} → {}: {example}",
                    parent.join("/"),
                    pair.0,
                    pair.1
                )
            }));
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// Whether a module uses another, directly or through others.
fn reaches(pairs: &BTreeMap<(String, String), String>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        let used = pairs.keys().filter(|(user, _)| user == at);
        open.extend(
            used.map(|(_, used)| used.as_str())
                .filter(|used| seen.insert(used)),
        );
    }
    seen.contains(to) && from != to
}

/// The first words of the lines in the block below a heading.
fn layers(page: &str, heading: &str) -> Vec<String> {
    let block = page.split_once(heading).expect("the heading").1;
    let block = block.split("```").nth(1).expect("a block");
    let lines = block.lines().skip(1);
    lines
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

fn uses(root: &Path) -> Uses {
    let modules = modules(root);
    assert!(!modules.is_empty(), "{}", root.display());
    let mut uses = Uses::from([(Module::new(), BTreeMap::new())]);
    for (module, file) in &modules {
        let text = fs::read_to_string(file).expect("a source");
        for path in paths(&text) {
            let Some(used) = resolve(module, &path, &modules) else {
                continue;
            };
            let shared = (module.iter().zip(&used))
                .take_while(|(a, b)| a == b)
                .count();
            // A module counts as part of its parent.
            let (Some(from), Some(to)) = (module.get(shared), used.get(shared)) else {
                continue;
            };
            uses.entry(module[..shared].to_vec())
                .or_default()
                .entry((from.clone(), to.clone()))
                .or_insert_with(|| format!("{} names {path}", module.join("/")));
        }
    }
    uses
}

fn modules(root: &Path) -> BTreeMap<Module, PathBuf> {
    let mut modules = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for item in fs::read_dir(&directory).expect("sources") {
            let path = item.expect("a directory entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                let below = path.strip_prefix(root).expect("below").with_extension("");
                let mut module: Module = (below.iter())
                    .map(|part| part.to_string_lossy().into_owned())
                    .collect();
                if ["mod", "lib", "main"].contains(&module.last().expect("a name").as_str()) {
                    module.pop();
                }
                modules.insert(module, path);
            }
        }
    }
    modules
}

/// The module that a path in this one refers to.
fn resolve(module: &Module, path: &str, modules: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let mut parts = path.split("::").peekable();
    let mut at = match parts.peek().copied()? {
        "crate" => {
            parts.next();
            Module::new()
        }
        "super" => {
            let mut at = module.clone();
            while parts.next_if_eq(&"super").is_some() {
                at.pop();
            }
            at
        }
        "self" => {
            parts.next();
            module.clone()
        }
        _ => module.clone(),
    };
    let start = at.len();
    let relative = !["crate", "super", "self"].contains(&path.split("::").next()?);
    for part in parts {
        at.push(part.to_owned());
        if !modules.contains_key(&at) {
            at.pop();
            break;
        }
    }
    // Any other path refers to a child, or to another crate.
    (!relative || at.len() > start).then_some(at)
}

/// All paths in a source: those of `use`, one for each name, and those in the code.
fn paths(text: &str) -> BTreeSet<String> {
    let text = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let code: String = (text.lines())
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut paths = BTreeSet::new();
    for statement in code.split(';') {
        let start = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
            .iter()
            .find_map(|start| {
                let at = statement.rfind(&format!("\n{start}"))?;
                statement.get(at + 1 + start.len()..)
            });
        if let Some(tree) = start {
            expand("", tree, &mut paths);
        }
    }
    let is_of_a_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in code.split(|c: char| !is_of_a_path(c)) {
        if ["crate::", "super::", "self::"]
            .iter()
            .any(|start| word.starts_with(start))
        {
            paths.insert(word.trim_end_matches(':').to_owned());
        }
    }
    paths
}

/// `a::{b, c::{d, e}}`, one path at a time.
fn expand(before: &str, tree: &str, paths: &mut BTreeSet<String>) {
    let tree = tree.trim();
    let Some((start, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        paths.insert(format!("{before}{path}"));
        return;
    };
    let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut from) = (0, 0);
    let before = format!("{before}{}", start.trim());
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = inner[from..at].trim();
                if !item.is_empty() {
                    expand(&before, item, paths);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}
