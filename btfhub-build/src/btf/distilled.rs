//! A module's BTF that was split from a distilled base (`.BTF.base`). The base has the few
//! kernel types that the module refers to, by name and size, so that the module fits kernels
//! other than the one it was built for.
//!
//! Resolved like libbpf 1.7.0 and the kernel (`btf_relocate.c`, which they share).

use std::fmt;
use std::sync::Arc;

use btfhub_runtime::Printable;

use foldhash::{HashMap, HashMapExt as _};

use super::error::BtfError;
use super::references::{self, Reference};
use super::types::Type;
use super::{Btf, Kind, TypeId};

/// Why a module with a distilled base does not fit a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistilledError(Cause);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Base(BtfError),
    Split(BtfError),
    /// Something that a distilled base never holds.
    Kind(u32),
    /// Name and size.
    Missing(String, u32),
    Several(String, u32),
    /// A string of a distilled base that is not a type's name.
    Name(u32),
    UnknownKind(u32),
    TooBig,
}

impl fmt::Display for DistilledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Base(error) => write!(f, ".BTF.base: {error}"),
            Cause::Split(error) => write!(f, ".BTF on top of .BTF.base: {error}"),
            Cause::Kind(id) => write!(
                f,
                ".BTF.base: type [{id}] is of a kind that no distilled base holds (integers, floats, \
                 enums, structs, unions and forward declarations with a name)"
            ),
            Cause::Missing(name, size) => write!(
                f,
                "was built for a kernel with a type `{}` of {size} bytes, which this kernel \
                 does not have",
                Printable(name)
            ),
            Cause::Several(name, size) => write!(
                f,
                "refers to a type `{}` of {size} bytes, and this kernel has several of that \
                 name and size",
                Printable(name)
            ),
            Cause::Name(offset) => write!(
                f,
                "its BTF uses the string at byte {offset} of .BTF.base, which is not a type's name"
            ),
            Cause::UnknownKind(id) => {
                write!(f, ".BTF: type [{id}] is of a kind that is unknown here")
            }
            Cause::TooBig => f.write_str("its BTF on top of this kernel's takes more than 4 GiB"),
        }
    }
}

impl std::error::Error for DistilledError {}

impl Btf {
    /// The split BTF of a module with a distilled base, made to refer to the
    /// kernel's BTF itself (libbpf's `btf__relocate`). `split` and `distilled`
    /// are the sections `.BTF` and `.BTF.base` of the module.
    ///
    /// # Errors
    /// Where libbpf and the kernel refuse it.
    pub fn relocate(
        split: &[u8],
        distilled: &[u8],
        kernel: Arc<Btf>,
    ) -> Result<Btf, DistilledError> {
        let fail = |why| Err(DistilledError(why));
        let base = Btf::parse(distilled).map_err(|error| DistilledError(Cause::Base(error)))?;
        let base = Arc::new(base);
        let mut module = Btf::parse_split(split, Arc::clone(&base))
            .map_err(|error| DistilledError(Cause::Split(error)))?;
        let map = Map::new(&module, &base, &kernel).map_err(DistilledError)?;

        let (old_id, old_string) = (module.first_id, module.first_string);
        let (new_id, new_string) = (kernel.type_count(), kernel.strings_len());
        let types = u64::from(new_id) + module.index.len() as u64;
        let strings = u64::from(new_string) + u64::from(module.strings_len());
        if u32::try_from(types.max(strings)).is_err() {
            return fail(Cause::TooBig);
        }
        let mut lost = None;
        let words = module.words.get_mut(..module.types_end).unwrap_or_default();
        for (id, (&pos, next)) in (old_id..)
            .zip((module.index.iter()).zip(module.index.iter().skip(1).map(Some).chain([None])))
        {
            let record = references::record(words, pos, next);
            if !record
                .get(1)
                .is_some_and(|&info| references::are_known(info))
            {
                return fail(Cause::UnknownKind(id));
            }
            references::each(record, |reference| match reference {
                Reference::Type(id) if *id >= old_id => *id = *id - old_id + new_id,
                Reference::Type(id) if *id != 0 => *id = map.id(*id),
                Reference::String(at) if *at >= old_string => *at = *at - old_string + new_string,
                Reference::String(at) if *at != 0 => match map.strings.get(at) {
                    Some(&new) => *at = new,
                    None => lost = Some(*at),
                },
                _ => {}
            });
            if let Some(offset) = lost {
                return fail(Cause::Name(offset));
            }
        }
        (module.first_id, module.first_string) = (new_id, new_string);
        module.base = Some(kernel);
        Ok(module)
    }
}

/// From a distilled base to the kernel.
struct Map {
    /// By the id in the distilled base.
    ids: Vec<Option<u32>>,
    strings: HashMap<u32, u32>,
}

impl Map {
    fn id(&self, id: u32) -> u32 {
        self.ids.get(id as usize).copied().flatten().unwrap_or(0)
    }

    /// `btf_relocate_map_distilled_base`.
    fn new(module: &Btf, base: &Btf, kernel: &Btf) -> Result<Self, Cause> {
        let mut by_name: HashMap<&[u8], Vec<u32>> = HashMap::new();
        for id in base.ids() {
            let ty = base.ty(id).ok_or(Cause::Kind(id.0))?;
            let name = base.string(ty.name());
            let fits = matches!(
                ty.kind(),
                Kind::Int | Kind::Float | Kind::Enum | Kind::Struct | Kind::Union | Kind::Fwd
            );
            // libbpf asks for an offset, not for a name.
            if !fits || ty.name().0 == 0 {
                return Err(Cause::Kind(id.0));
            }
            by_name.entry(name).or_default().push(id.0);
        }
        let embedded = embedded(module, base);
        let mut of_name: HashMap<u32, u32> = HashMap::new();
        for ty in kernel.ids().filter_map(|id| kernel.ty(id)) {
            if ty.kind().is_composite() && ty.name().0 != 0 {
                *of_name.entry(ty.name().0).or_default() += 1;
            }
        }
        let mut map = Self {
            ids: vec![None; base.type_count() as usize],
            strings: HashMap::new(),
        };
        for id in kernel.ids() {
            let Some(ty) = kernel.ty(id).filter(|ty| ty.name().0 != 0) else {
                continue;
            };
            let needs_size = match ty.kind() {
                Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 => true,
                Kind::Fwd => false,
                Kind::Struct | Kind::Union => {
                    of_name.get(&ty.name().0).is_some_and(|&count| count > 1)
                }
                _ => continue,
            };
            let name = kernel.string(ty.name());
            for &distilled in by_name.get(name).into_iter().flatten() {
                let Some(wanted) = base.ty(TypeId(distilled)) else {
                    continue;
                };
                let is_embedded = embedded.get(distilled as usize) == Some(&true);
                if needs_size && size(ty) != size(wanted) || !fits(wanted, ty, is_embedded) {
                    continue;
                }
                let Some(slot) = map.ids.get_mut(distilled as usize) else {
                    continue;
                };
                if slot.is_some() {
                    return Err(Cause::Several(lossy(name), size(wanted)));
                }
                *slot = Some(id.0);
                map.strings.insert(wanted.name().0, ty.name().0);
            }
        }
        for id in base.ids() {
            if map.id(id.0) == 0 {
                let ty = base.ty(id).ok_or(Cause::Kind(id.0))?;
                return Err(Cause::Missing(lossy(base.string(ty.name())), size(ty)));
            }
        }
        Ok(map)
    }
}

/// Whether a type of the kernel can be the one that a type in a distilled base means.
fn fits(wanted: Type<'_>, ty: Type<'_>, is_embedded: bool) -> bool {
    match (wanted.kind(), ty.kind()) {
        (Kind::Fwd, Kind::Fwd) => wanted.kind_flag() == ty.kind_flag(),
        // As in the kernel: the flag of a struct says whether it has bitfields.
        (Kind::Fwd, Kind::Struct) => !ty.kind_flag(),
        (Kind::Fwd, Kind::Union) => ty.kind_flag(),
        (Kind::Int, Kind::Int) => wanted.int().encoding() == ty.int().encoding(),
        (Kind::Float, Kind::Float) => true,
        // Both kinds of enum are written as ENUM.
        (Kind::Enum, Kind::Enum | Kind::Enum64) => true,
        // Of any kind: anything with its name may match a distilled struct.
        (Kind::Struct | Kind::Union, _) => !is_embedded || ty.size() == wanted.size(),
        _ => false,
    }
}

/// What libbpf compares as a size: 31 bits of the third word, even if that is not a size.
fn size(ty: Type<'_>) -> u32 {
    ty.size() & 0x7fff_ffff
}

/// By id in the distilled base: the structs and unions that a struct or union of the module
/// contains by value (`btf_mark_embedded_composite_type_ids`).
fn embedded(module: &Btf, base: &Btf) -> Vec<bool> {
    let mut embedded = vec![false; base.type_count() as usize];
    for id in module.first_id..module.type_count() {
        let Some(ty) = module.ty(TypeId(id)).filter(|ty| ty.kind().is_composite()) else {
            continue;
        };
        for member in ty.members() {
            let mut next = member.ty;
            // A chain that comes back to itself embeds nothing.
            for _ in 0..module.type_count() {
                let Some(ty) = module.ty(next) else { break };
                next = match ty.kind() {
                    Kind::Array => ty.array().element,
                    kind if kind.is_modifier_or_typedef() => ty.referenced(),
                    _ => break,
                };
            }
            let is_composite = (module.ty(next)).is_some_and(|ty| ty.kind().is_composite());
            if let Some(slot) = embedded.get_mut(next.0 as usize).filter(|_| is_composite) {
                *slot = true;
            }
        }
    }
    embedded
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
