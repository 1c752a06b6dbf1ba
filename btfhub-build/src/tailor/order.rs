//! Determines whether it matters which module was loaded first.
//!
//! If candidates agree on offset and value, libbpf takes the size of the first
//! (`bpf_core_calc_relo_insn`), and modules come in the order in which they were loaded.

use super::TailorError;
use crate::btf::Btf;
use crate::relo::{Relocations, TracedGroup};

/// # Errors
/// [`TailorError::Order`] if it does.
pub(super) fn must_not_matter(
    relocations: &Relocations,
    groups: &[TracedGroup],
    btf: &Btf,
) -> Result<(), TailorError> {
    for group in groups {
        for number in 0..group.relocations.len() {
            let found = group.candidates.iter().filter_map(|candidate| {
                let found = candidate.results.get(number)?.as_ref()?.ok()?;
                Some((btf.module_of(candidate.id)?, found))
            });
            let mut found = found.peekable();
            let Some(&(first, one)) = found.peek() else {
                continue;
            };
            let differs = found.find(|(module, other)| {
                *module != first
                    && (other.bit_offset, other.value) == (one.bit_offset, one.value)
                    && other != &one
            });
            if let Some((other, _)) = differs {
                let relocation = relocations.list().get(group.relocations.start + number);
                let name = relocation.map_or(&b""[..], |relocation| &relocation.root.name);
                return Err(TailorError::Order {
                    name: String::from_utf8_lossy(name).into_owned(),
                    modules: [first.to_owned(), other.to_owned()],
                });
            }
        }
    }
    Ok(())
}
