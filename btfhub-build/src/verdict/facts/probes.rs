//! What a kernel's symbols show about wanted functions.

use std::collections::{BTreeMap, BTreeSet};

use crate::symbols::{Symbol, Symbols};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Probes {
    /// The wanted functions that the kernel has, sorted by name.
    pub(super) known: Vec<(String, Symbol)>,
    /// Functions that the compiler renamed: `f` and `f.isra.0`.
    pub(super) renamed: Vec<(String, String)>,
    /// Whether the kernel refuses kprobes on what can't be traced (`within_notrace_func`).
    pub(in super::super) refuses_notrace: bool,
    /// Whether it refuses kprobes on a name of several functions (`count_symbols`).
    pub(in super::super) refuses_several: bool,
}

/// Functions that show which probes the kernel refuses.
const NOTRACE: [&str; 2] = ["within_notrace_func", "__within_notrace_func"];
const SEVERAL: &str = "count_symbols";
/// All of them.
pub(super) const SIGN_FUNCTIONS: [&str; 3] = [NOTRACE[0], NOTRACE[1], SEVERAL];

impl Probes {
    /// From the symbols; functions that only the BTF has count as traceable.
    pub(super) fn of(
        symbols: &Symbols,
        wanted: &BTreeSet<String>,
        btf_has: impl Fn(&str) -> bool,
    ) -> Self {
        let is_wanted = |name: &str| wanted.contains(name) || SIGN_FUNCTIONS.contains(&name);
        let once = Symbol {
            count: 1,
            is_traceable: true,
            may_be_alias: false,
        };
        let mut known: BTreeMap<&str, Symbol> = BTreeMap::new();
        let asked = wanted.iter().map(String::as_str).chain(SIGN_FUNCTIONS);
        known.extend(asked.filter(|name| btf_has(name)).map(|name| (name, once)));
        let mut renamed = Vec::new();
        for (name, symbol) in symbols.iter() {
            if is_wanted(name) {
                known.insert(name, symbol);
            } else if let Some((base, _)) = name.split_once('.') {
                if symbol.is_traceable && symbol.count == 1 && wanted.contains(base) {
                    renamed.push((base.to_owned(), name.to_owned()));
                }
            }
        }
        known.retain(|_, symbol| symbol.count > 0);
        let has = |name: &str| known.contains_key(name);
        Self {
            refuses_notrace: NOTRACE.into_iter().any(has),
            refuses_several: has(SEVERAL),
            known: (known.iter())
                .filter(|(name, _)| wanted.contains(**name))
                .map(|(name, symbol)| ((*name).to_owned(), *symbol))
                .collect(),
            renamed,
        }
    }

    /// A wanted function, if the kernel has it.
    pub(in super::super) fn get(&self, name: &str) -> Option<Symbol> {
        let at = self
            .known
            .binary_search_by(|known| known.0.as_str().cmp(name));
        self.known.get(at.ok()?).map(|known| known.1)
    }

    /// The name that the compiler gave a wanted function.
    pub(in super::super) fn renamed(&self, name: &str) -> Option<&str> {
        let found = self.renamed.iter().find(|(base, _)| base == name);
        found.map(|(_, name)| name.as_str())
    }
}
