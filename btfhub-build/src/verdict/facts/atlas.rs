//! The facts of kernels in an atlas, without the BTF of each.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;

use super::{ENUMS, Facts, FunctionList, SIGN_FUNCTIONS, STATIC_FUNCTIONS, STRUCTS, Wanted};
use crate::atlas::Atlas;
use crate::btf::{Btf, Kind, essential_name};

/// What is asked of every definition of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Any<'w> {
    Function,
    Tracepoint,
    Family(&'w str),
}

impl Facts {
    /// What the kernels of an atlas have of what is wanted: each distinct answer once, and
    /// for each kernel which it is. They are those of [`Facts::of`] for the BTF that the atlas
    /// was made from, where it [has](Atlas::has_functions) functions.
    pub(in super::super) fn of_atlas(
        atlas: &Atlas,
        wanted: &Wanted,
    ) -> Result<(Vec<Self>, Vec<usize>), Box<dyn Error + Send + Sync>> {
        let names = names(wanted);
        let scope = atlas.scope(names.iter().map(|(kind, name)| (*kind, name.as_slice())))?;
        let by_btf = (0..scope.len())
            .map(|number| Ok(Self::of(&Btf::parse(&scope.btf(number)?)?, None, wanted)))
            .collect::<Result<Vec<_>, Box<dyn Error + Send + Sync>>>()?;
        let any = atlas.answers(|kind, name| any(kind, name, wanted))?;
        let mut distinct = Vec::new();
        let mut known: HashMap<(usize, Vec<Any<'_>>), usize> = HashMap::new();
        let kernels = scope.of_kernels().iter().copied().zip(any);
        let numbers = kernels.filter_map(|key| {
            let facts = by_btf.get(key.0)?;
            Some(*known.entry(key).or_insert_with_key(|(_, any)| {
                distinct.push(facts.with(any));
                distinct.len() - 1
            }))
        });
        let numbers = numbers.collect();
        Ok((distinct, numbers))
    }

    /// These, and what any definition answers.
    fn with(&self, any: &[Any<'_>]) -> Self {
        let mut facts = self.clone();
        for any in any {
            match any {
                Any::Function => {
                    if facts.list == FunctionList::None {
                        facts.list = FunctionList::Externals;
                    }
                }
                Any::Tracepoint => facts.lists_tracepoints = true,
                Any::Family(family) => facts.families.push((*family).to_owned()),
            }
        }
        facts.families.sort_unstable();
        facts.families.dedup();
        facts
    }
}

/// Kinds and essential names of what is looked at by name.
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

/// What any definition of this kind and name answers.
fn any<'w>(kind: Kind, name: &[u8], wanted: &'w Wanted) -> Vec<Any<'w>> {
    match kind {
        Kind::Func => {
            let families = wanted.families.iter();
            let its = families.filter(|family| name.starts_with(family.as_bytes()));
            let mut any = vec![Any::Function];
            any.extend(its.map(|family| Any::Family(family)));
            any
        }
        Kind::Typedef if name.starts_with(b"btf_trace_") => vec![Any::Tracepoint],
        _ => Vec::new(),
    }
}
