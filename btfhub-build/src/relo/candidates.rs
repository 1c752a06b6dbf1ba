//! Target types that a local type may mean (`bpf_core_add_cands`).

use std::collections::HashMap;

use super::local::{Root, candidate_kind};
use super::trace::{Halt, Trace};
use crate::btf::{Btf, Kind, NameFilter, TypeId, essential_name};

/// The candidates of one root, in id order.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    /// Those that libbpf finds.
    pub(super) ids: Vec<TypeId>,
    /// Those that aya-obj finds and libbpf does not.
    pub(super) aya: Vec<TypeId>,
}

/// Essential name and kind.
type Key<'a> = (&'a [u8], u8);

/// Finds the candidates of many roots in one walk over the target. Each root
/// comes with the names under which aya-obj looks for it instead.
///
/// # Errors
/// Only for names so long that reading them takes all the steps there are.
pub(super) fn find_candidates<'a>(
    btf: &Btf,
    roots: &[(&'a Root, Vec<&'a [u8]>)],
    trace: &mut Trace,
) -> Result<Vec<Candidates>, Halt> {
    let mut kinds = 0u32;
    let mut filter = NameFilter::new();
    // By name and kind: which root, and whether for aya-obj.
    let mut by_name: HashMap<Key<'_>, Vec<(usize, bool)>> = HashMap::new();
    for (number, (root, aya_names)) in roots.iter().enumerate() {
        kinds |= 1u32.checked_shl(u32::from(root.kind)).unwrap_or(0);
        let names = aya_names.iter().map(|&name| (name, true));
        for (name, aya) in names.chain([(root.name.as_slice(), false)]) {
            filter.insert(name);
            by_name
                .entry((name, root.kind))
                .or_default()
                .push((number, aya));
        }
    }
    if kinds & 1 << Kind::Enum.number() != 0 {
        kinds |= 1 << Kind::Enum64.number();
    }

    let mut named = Vec::new();
    btf.find_named(kinds, &filter, &mut named);
    let mut candidates = vec![Candidates::default(); roots.len()];
    for id in named {
        let Some(ty) = btf.ty(id) else { continue };
        let name = btf.string(ty.name());
        trace.name_read(name)?;
        if name.is_empty() {
            continue;
        }
        let key = (essential_name(name), candidate_kind(ty.kind()).number());
        for &(number, aya) in by_name.get(&key).into_iter().flatten() {
            if let Some(candidates) = candidates.get_mut(number) {
                if aya {
                    candidates.aya.push(id);
                } else {
                    candidates.ids.push(id);
                }
            }
        }
    }
    Ok(candidates)
}
