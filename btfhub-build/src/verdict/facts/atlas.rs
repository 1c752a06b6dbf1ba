//! The facts of kernels in an atlas, without the BTF of each.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;

use super::{ENUMS, Facts, FunctionList, SIGN_FUNCTIONS, STATIC_FUNCTIONS, STRUCTS, Wanted};
use crate::atlas::Atlas;
use crate::btf::{Btf, Kind, essential_name};

/// What a definition shows about its kernel by its kind and name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Evidence<'w> {
    Function,
    Tracepoint,
    Family(&'w str),
}

impl Facts {
    /// The facts of an atlas's kernels: each distinct one once, and the number of each
    /// kernel's. They equal those of [`Facts::of`] for the BTF that the atlas was made from, if
    /// it [has](Atlas::has_functions) functions.
    pub(in super::super) fn of_atlas(
        atlas: &Atlas,
        wanted: &Wanted,
    ) -> Result<(Vec<Self>, Vec<usize>), Box<dyn Error + Send + Sync>> {
        let names = names(wanted);
        let scope = atlas.scope(names.iter().map(|(kind, name)| (*kind, name.as_slice())))?;
        let by_btf = (0..scope.len())
            .map(|number| Ok(Self::of(&Btf::parse(&scope.btf(number)?)?, None, wanted)))
            .collect::<Result<Vec<_>, Box<dyn Error + Send + Sync>>>()?;
        let evidence = atlas.answers(|kind, name| evidence(kind, name, wanted))?;
        let mut distinct = Vec::new();
        let mut known: HashMap<(usize, Vec<Evidence<'_>>), usize> = HashMap::new();
        let kernels = scope.of_kernels().iter().copied().zip(evidence);
        let numbers = kernels.filter_map(|key| {
            let facts = by_btf.get(key.0)?;
            Some(*known.entry(key).or_insert_with_key(|(_, evidence)| {
                distinct.push(facts.with(evidence));
                distinct.len() - 1
            }))
        });
        let numbers = numbers.collect();
        Ok((distinct, numbers))
    }

    /// Adds what the other definitions show.
    fn with(&self, evidence: &[Evidence<'_>]) -> Self {
        let mut facts = self.clone();
        for one in evidence {
            match one {
                Evidence::Function => {
                    if facts.list == FunctionList::None {
                        facts.list = FunctionList::Externals;
                    }
                }
                Evidence::Tracepoint => facts.lists_tracepoints = true,
                Evidence::Family(family) => facts.families.push((*family).to_owned()),
            }
        }
        facts.families.sort_unstable();
        facts.families.dedup();
        facts
    }
}

/// Kinds and essential names of what is looked up by name.
fn names(wanted: &Wanted) -> BTreeSet<(Kind, Vec<u8>)> {
    let of = |kind: Kind| move |name: &str| (kind, essential_name(name.as_bytes()).to_vec());
    let functions = wanted.functions.iter().map(String::as_str);
    let functions = functions.chain(SIGN_FUNCTIONS).chain(STATIC_FUNCTIONS);
    let tracepoints = (wanted.tracepoints.iter()).map(|name| format!("btf_trace_{name}"));
    let structs = wanted.structs.iter().map(String::as_str).chain(STRUCTS);
    let variables = wanted.variables.iter().map(String::as_str);
    (functions.map(of(Kind::Func)))
        .chain(tracepoints.map(|name| of(Kind::Typedef)(&name)))
        .chain(structs.map(of(Kind::Struct)))
        .chain(variables.map(of(Kind::Var)))
        .chain(ENUMS.into_iter().map(of(Kind::Enum)))
        .collect()
}

/// What a definition of this kind and name shows.
fn evidence<'w>(kind: Kind, name: &[u8], wanted: &'w Wanted) -> Vec<Evidence<'w>> {
    match kind {
        Kind::Func => {
            let families = wanted.families.iter();
            let its = families.filter(|family| name.starts_with(family.as_bytes()));
            let mut evidence = vec![Evidence::Function];
            evidence.extend(its.map(|family| Evidence::Family(family)));
            evidence
        }
        Kind::Typedef if name.starts_with(b"btf_trace_") => vec![Evidence::Tracepoint],
        _ => Vec::new(),
    }
}
