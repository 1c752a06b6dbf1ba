//! What is kept → BTF bytes, in one order for everything that does not matter.
//!
//! NamedType types come first, sorted by essential name, kind, and the kernel's order among those,
//! so that candidates of one relocation keep their order. Types without a name follow, in the
//! order in which a depth-first walk over the named ones completes them; equal ones are written
//! once. Strings are in order of first use.

use std::rc::Rc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::keep::{Keep, Long, Spot};
use super::nesting::{self, KeptMember, MAX_NESTING, is_empty_array};
use crate::btf::{Btf, BtfWriter, Kind, Type, TypeId, TypeRecord, essential_name};
use crate::relo::{Duplicates, MemberUse, Step};

/// `None` for types nested deeper than any compiler nests them.
pub(super) fn emit(btf: &Btf, keep: &Keep, duplicates: &Duplicates) -> Option<Vec<u8>> {
    let mut replaced = Replaced::new();
    loop {
        let (bytes, more) = emit_without(btf, keep, duplicates, &replaced)?;
        if more.is_empty() {
            return Some(bytes);
        }
        replaced.extend(more);
    }
}

/// Types that are not candidates and are not written, each with its replacement, if anything
/// refers to it.
///
/// A nameless member may be of a named struct (-fms-extensions). Once its members have moved to
/// the struct around it, nothing may refer to it any more. And of two structs with the same
/// name, nothing but the name may be left; a pointer can then mean either.
type Replaced = HashMap<TypeId, Option<TypeId>>;

/// Writes everything except what is replaced. Also returns what else could be replaced.
fn emit_without(
    btf: &Btf,
    keep: &Keep,
    duplicates: &Duplicates,
    replaced: &Replaced,
) -> Option<(Vec<u8>, Replaced)> {
    let mut named = Vec::new();
    for &id in keep.types.union(&keep.roots) {
        if replaced.contains_key(&id) {
            continue;
        }
        let ty = btf.ty(id)?;
        let name = btf.string(ty.name());
        if !name.is_empty() {
            named.push(NamedType {
                name,
                source: Origin::Type(id, ty),
            });
        }
    }
    match keep.long {
        Some(Long::Plain(bytes)) => named.push(NamedType {
            name: b"long",
            source: Origin::Long(bytes),
        }),
        Some(Long::Kernels(id)) if !keep.types.contains(&id) && !keep.roots.contains(&id) => {
            let ty = btf.ty(id)?;
            named.push(NamedType {
                name: btf.string(ty.name()),
                source: Origin::Type(id, ty),
            });
        }
        _ => {}
    }
    named.sort_by(|a, b| a.key().cmp(&b.key()));

    let mut emitter = Emitter {
        btf,
        keep,
        duplicates,
        replaced,
        ids: HashMap::new(),
        anonymous: Vec::new(),
        known: HashMap::new(),
        references: HashMap::new(),
        open: HashSet::new(),
        referred: HashSet::new(),
        first_anonymous: u32::try_from(named.len()).ok()?.checked_add(1)?,
    };
    for (number, named) in (1..).zip(&named) {
        if let Origin::Type(id, _) = named.source {
            emitter.ids.insert(id, TypeId(number));
        }
    }
    let mut records = Vec::new();
    for named in &named {
        records.push(match named.source {
            Origin::Long(bytes) => Record {
                name: named.name,
                kind: Kind::Int,
                kind_flag: false,
                size_or_type: bytes,
                body: Body::Words(vec![int_data(1, 0, bytes)]),
            },
            Origin::Type(id, ty) => {
                let spot = Spot::named(id);
                emitter.record(spot, ty, named.name, keep.is_sized(spot), 0)?
            }
        });
    }

    let mut writer = BtfWriter::new(btf.endian());
    let anonymous = emitter.anonymous.iter().map(AsRef::as_ref);
    for record in records.iter().chain(anonymous) {
        record.write(&mut writer);
    }
    let is_fixed = |id: &TypeId| keep.roots.contains(id) || keep.long == Some(Long::Kernels(*id));
    let mut more = Replaced::new();
    let mut first = HashMap::new();
    for (named, record) in named.iter().zip(&records) {
        let Origin::Type(id, _) = named.source else {
            continue;
        };
        if is_fixed(&id) {
            continue;
        }
        if !emitter.referred.contains(&id) {
            more.insert(id, None);
        } else if let Some(&first) = first.get(record) {
            more.insert(id, Some(first));
        } else {
            first.insert(record, id);
        }
    }
    Some((writer.finish().ok()?, more))
}

/// A type with a name.
struct NamedType<'a> {
    name: &'a [u8],
    source: Origin<'a>,
}

enum Origin<'a> {
    /// The kernel's.
    Type(TypeId, Type<'a>),
    /// The INT that gives the pointer size.
    Long(u32),
}

impl NamedType<'_> {
    fn key(&self) -> (&[u8], u8, TypeId) {
        let (kind, id) = match self.source {
            Origin::Type(id, ty) => (ty.kind(), id),
            Origin::Long(_) => (Kind::Int, TypeId::VOID),
        };
        // Candidates for the same relocation have a fixed order.
        (essential_name(self.name), kind.core_kind().number(), id)
    }
}

/// A type as it will be written, its strings by value so that equal ones are
/// equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Record<'a> {
    name: &'a [u8],
    kind: Kind,
    kind_flag: bool,
    size_or_type: u32,
    body: Body<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Body<'a> {
    Words(Vec<u32>),
    /// Name, type, offset word.
    Members(Vec<(&'a [u8], TypeId, u32)>),
    /// Name, value.
    Enumerators(Vec<(&'a [u8], u64)>),
}

impl Record<'_> {
    fn write(&self, writer: &mut BtfWriter) {
        let name = writer.string(self.name);
        let mut words = Vec::new();
        match &self.body {
            Body::Words(plain) => words.extend_from_slice(plain),
            Body::Members(members) => {
                words.reserve(3 * members.len());
                for (name, ty, offset) in members {
                    words.extend_from_slice(&[writer.string(name).0, ty.0, *offset]);
                }
            }
            Body::Enumerators(enumerators) => {
                for (name, value) in enumerators {
                    words.push(writer.string(name).0);
                    // The two halves of a value.
                    #[allow(clippy::cast_possible_truncation)]
                    words.push(*value as u32);
                    if self.kind == Kind::Enum64 {
                        #[allow(clippy::cast_possible_truncation)]
                        words.push((*value >> 32) as u32);
                    }
                }
            }
        }
        writer.push(
            &TypeRecord::new(self.kind, name)
                .kind_flag(self.kind_flag)
                .size(self.size_or_type)
                .body(words),
        );
    }
}

struct Emitter<'a> {
    btf: &'a Btf,
    keep: &'a Keep,
    duplicates: &'a Duplicates,
    replaced: &'a Replaced,
    /// New ids of named types.
    ids: HashMap<TypeId, TypeId>,
    anonymous: Vec<Rc<Record<'a>>>,
    known: HashMap<Rc<Record<'a>>, TypeId>,
    /// Caches references: there are exponentially many paths from type to type.
    references: HashMap<(Spot, MemberUse, bool), TypeId>,
    /// Nameless types that are being written: one inside itself is no
    /// compiler's.
    open: HashSet<Spot>,
    /// Types that another one refers to.
    referred: HashSet<TypeId>,
    first_anonymous: u32,
}

impl<'a> Emitter<'a> {
    /// The id of a type without a name; equal ones are one.
    fn anonymous(&mut self, record: Record<'a>) -> Option<TypeId> {
        if let Some(&id) = self.known.get(&record) {
            return Some(id);
        }
        let id = TypeId(
            self.first_anonymous
                .checked_add(u32::try_from(self.anonymous.len()).ok()?)?,
        );
        let record = Rc::new(record);
        self.known.insert(Rc::clone(&record), id);
        self.anonymous.push(record);
        Some(id)
    }

    /// The new id of the target of a member, element or typedef. `how` says what about it
    /// matters, `length` whether the length of an array does.
    fn reference(
        &mut self,
        spot: Spot,
        how: MemberUse,
        length: bool,
        depth: u32,
    ) -> Option<TypeId> {
        let asked = (spot, how, length);
        if let Some(&new) = self.references.get(&asked) {
            return Some(new);
        }
        let new = self.new_reference(spot, how, length, depth)?;
        self.references.insert(asked, new);
        Some(new)
    }

    /// [`Emitter::reference`] for the first time.
    fn new_reference(
        &mut self,
        spot: Spot,
        how: MemberUse,
        length: bool,
        depth: u32,
    ) -> Option<TypeId> {
        let depth = depth.checked_add(1).filter(|&depth| depth < MAX_NESTING)?;
        let (mut spot, mut ty) = spot.skip_modifiers(self.btf, self.duplicates)?;
        // One that was replaced may itself have been replaced later.
        while let Some(&Some(first)) = self.replaced.get(&spot.id) {
            spot = Spot::named(first);
            ty = self.btf.ty(first)?;
        }
        let keep = self.keep;
        let step = |step, id| keep.step(spot, step, id);
        let whole = MemberUse::default();
        let plain = |kind: Kind, size_or_type: u32, words: Vec<u32>| Record {
            name: b"",
            kind,
            kind_flag: false,
            size_or_type,
            body: Body::Words(words),
        };
        match ty.kind() {
            Kind::Void => Some(TypeId::VOID),
            Kind::Int if self.keep.exact => {
                self.referred.insert(spot.id);
                self.ids.get(&spot.id).copied()
            }
            Kind::Int => {
                let size = if how.size { ty.size() } else { 4 };
                let encoding = match ty.int().encoding() {
                    encoding if encoding & 1 != 0 && how.sign => encoding,
                    _ => 0,
                };
                let data = int_data(encoding, ty.int().offset(), size);
                self.anonymous(plain(Kind::Int, size, vec![data]))
            }
            Kind::Float => {
                let size = if how.size { ty.size() } else { 8 };
                self.anonymous(plain(Kind::Float, size, Vec::new()))
            }
            Kind::Ptr => {
                let target = if keep.follows(spot) {
                    self.reference(step(Step::Pointee, ty.referenced()), whole, true, depth)?
                } else {
                    TypeId::VOID
                };
                self.anonymous(plain(Kind::Ptr, target.0, Vec::new()))
            }
            Kind::Array => {
                let array = ty.array();
                let element = self.reference(spot.of(array.element), how, length, depth)?;
                let counts = length || how.size || self.keep.exact;
                let nelems = if counts { array.nelems } else { 1 };
                self.anonymous(plain(Kind::Array, 0, vec![element.0, 0, nelems]))
            }
            Kind::FuncProto => {
                let mut words = Vec::new();
                let mut result = TypeId::VOID;
                if keep.follows(spot) {
                    for (number, param) in (0..).zip(ty.params()) {
                        let param = step(Step::Param(number), param.ty);
                        words.extend([0, self.reference(param, whole, true, depth)?.0]);
                    }
                    let returned = step(Step::Result, ty.referenced());
                    result = self.reference(returned, whole, true, depth)?;
                }
                self.anonymous(plain(Kind::FuncProto, result.0, words))
            }
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => {
                if spot.is_named() {
                    self.referred.insert(spot.id);
                    return self.ids.get(&spot.id).copied();
                }
                if !self.open.insert(spot) {
                    return None;
                }
                let sized = how.size || keep.is_sized(spot);
                let record = self.record(spot, ty, b"", sized, depth)?;
                self.open.remove(&spot);
                self.anonymous(record)
            }
            Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::Var
            | Kind::DataSec
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => None,
        }
    }

    /// The record of a struct, union, enum, forward declaration, or of a
    /// candidate of another kind.
    fn record(
        &mut self,
        spot: Spot,
        ty: Type<'a>,
        name: &'a [u8],
        sized: bool,
        depth: u32,
    ) -> Option<Record<'a>> {
        let kind = ty.kind();
        let mut kind_flag = ty.kind_flag();
        let (size_or_type, body) = match kind {
            Kind::Struct | Kind::Union => {
                let members = self.members(spot, ty, depth)?;
                kind_flag = members.iter().any(|member| member.bits > 0);
                if kind_flag && members.iter().any(|member| member.offset >= 1 << 24) {
                    return None;
                }
                let members = members
                    .into_iter()
                    .map(|member| (member.name, member.ty, member.offset | member.bits << 24))
                    .collect();
                (if sized { ty.size() } else { 0 }, Body::Members(members))
            }
            Kind::Enum | Kind::Enum64 => {
                let kept = self.keep.enumerators_of(spot, ty);
                let has_value = kept.values().any(|&counts| counts);
                let enumerators = kept.iter().filter_map(|(&index, &counts)| {
                    let enumerator = ty.enumerator(index)?;
                    let value = if counts { enumerator.value } else { 0 };
                    Some((self.btf.string(enumerator.name), value))
                });
                let enumerators = enumerators.collect();
                let size = match (kind, ty.size()) {
                    (_, size) if sized || self.keep.exact => size,
                    // No loader reads it, but it shows that values may have lost their upper
                    // half (`report::Status::Truncated`).
                    (Kind::Enum, 8) if has_value => 8,
                    (Kind::Enum, _) => 4,
                    _ => 8,
                };
                (size, Body::Enumerators(enumerators))
            }
            Kind::Fwd => (0, Body::Words(Vec::new())),
            Kind::Typedef => {
                let how = MemberUse {
                    size: sized,
                    sign: sized,
                    offset: false,
                };
                let target = self.reference(spot.of(ty.referenced()), how, true, depth)?;
                (target.0, Body::Words(Vec::new()))
            }
            Kind::Int => (ty.size(), Body::Words(vec![ty.int().0])),
            Kind::Float => (ty.size(), Body::Words(Vec::new())),
            Kind::Void
            | Kind::Ptr
            | Kind::Array
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::DataSec
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => return None,
        };
        Some(Record {
            name,
            kind,
            kind_flag,
            size_or_type,
            body,
        })
    }

    /// The members to write.
    fn members(&mut self, spot: Spot, ty: Type<'a>, depth: u32) -> Option<Vec<NewMember<'a>>> {
        let kept = nesting::members(self.btf, self.keep, self.duplicates, spot, ty);
        let mut members = Vec::new();
        let mut may_become_flexible = false;
        for kept in kept {
            let KeptMember {
                owner,
                index,
                base,
                how,
            } = kept;
            let vlen = self.btf.ty(owner.id)?.vlen();
            let member = self.btf.ty(owner.id)?.member(index)?;
            let indexed = self.keep.is_indexed(owner, index);
            let ty = self.keep.step(owner, Step::Member(index), member.ty);
            let ty = self.reference(ty, how, indexed, depth)?;
            let (offset, bits) = if how.offset {
                (base.checked_add(member.bit_offset)?, member.bitfield_size)
            } else {
                (0, 0)
            };
            let name = self.btf.string(member.name);
            members.push(NewMember {
                name,
                ty,
                offset,
                bits,
            });
            may_become_flexible = indexed
                && index.checked_add(1) != Some(vlen)
                && is_empty_array(self.btf, member.ty)?;
        }
        // A nameless member without a type is never found.
        if may_become_flexible || self.keep.has_one_more(spot) {
            members.push(NewMember {
                name: b"",
                ty: TypeId::VOID,
                offset: 0,
                bits: 0,
            });
        }
        Some(members)
    }
}

/// A member to write.
struct NewMember<'a> {
    name: &'a [u8],
    ty: TypeId,
    offset: u32,
    bits: u32,
}

/// The word after an INT; its number of bits is the whole size.
fn int_data(encoding: u32, offset: u32, size: u32) -> u32 {
    encoding << 24 | offset << 16 | size.saturating_mul(8).min(255)
}
