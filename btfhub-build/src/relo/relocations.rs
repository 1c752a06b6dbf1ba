//! The distinct relocations of a set of objects, and their fingerprint.

use std::collections::BTreeSet;

use hmac_sha256::Hash;

use super::candidates::Search;
use super::kind::{Errno, ReloKind};
use super::local::{Accessor, Local, LocalLoad, LocalValue, Relocation, Root, Spec, localize};
use super::shape::{CompatShape, FieldShape, MatchBody, MatchShape};
use super::value::LoadClass;
use crate::btf::{Btf, TypeId};
use crate::object::Object;

/// What a set of objects needs from every kernel.
///
/// It holds only what a kernel's answer can depend on: no offsets or values of the objects' own
/// types, no type ids, no instructions, and not the order or number of the objects. Two builds
/// of a program with the same relocations are equal and have the same
/// [fingerprint](Relocations::fingerprint), even if they were compiled with different
/// `vmlinux.h`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Relocations {
    relocations: Vec<Relocation>,
    /// How their candidates are found.
    search: Search,
}

/// What one record of an object needs, independent of any kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordMeaning {
    /// Kernels decide.
    Relocation {
        /// Into [`Relocations::list`].
        index: usize,
        /// What the instruction was compiled with.
        local: LocalValue,
    },
    /// `TypeIdLocal`: this id, for any kernel.
    LocalTypeId(TypeId),
    /// libbpf refuses the object on every kernel, with this error, unless an earlier candidate
    /// causes a different one.
    Refused(Errno),
}

impl Relocations {
    /// The distinct relocations of `objects`.
    pub fn from_objects<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let mut distinct = BTreeSet::new();
        for object in objects {
            // Compilers write one record per access; most repeat an earlier one.
            let mut seen = BTreeSet::new();
            for record in object.records() {
                let relo = &record.relo;
                if !seen.insert((relo.type_id, relo.access_str, relo.kind)) {
                    continue;
                }
                if let Ok(Local::Relocation(relocation, _)) = localize(object.btf(), relo) {
                    distinct.insert(relocation);
                }
            }
        }
        let relocations: Vec<Relocation> = distinct.into_iter().collect();
        Self {
            search: Search::new(&relocations),
            relocations,
        }
    }

    pub(super) fn search(&self) -> &Search {
        &self.search
    }

    /// Determines which modules of a kernel these relocations need, by their split BTF.
    pub(crate) fn modules_needed(&self, kernel: &Btf) -> impl Fn(&Btf) -> bool + use<'_> {
        self.search.has_candidate(kernel)
    }

    /// Types of modules that would be candidates if they were the kernel's own.
    pub(crate) fn shadowed(&self, btf: &Btf) -> Vec<TypeId> {
        self.search.shadowed(btf)
    }

    /// Whether any relocation looks for types of this essential name.
    pub(crate) fn look_for(&self, name: &[u8]) -> bool {
        self.search.has_name(name)
    }

    /// The relocations, those with the same candidates next to each other.
    pub fn list(&self) -> &[Relocation] {
        &self.relocations
    }

    /// The relocation of each record of `object`, in the object's order. A relocation that is
    /// not in this set counts as refused, so pass an object that [`Relocations::from_objects`]
    /// was given.
    pub fn meanings(&self, object: &Object) -> Vec<RecordMeaning> {
        let mut known = std::collections::HashMap::new();
        object
            .records()
            .iter()
            .map(|record| {
                let relo = &record.relo;
                *known
                    .entry((relo.type_id, relo.access_str, relo.kind))
                    .or_insert_with(|| match localize(object.btf(), relo) {
                        Err(errno) => RecordMeaning::Refused(errno),
                        Ok(Local::TypeId(id)) => RecordMeaning::LocalTypeId(id),
                        Ok(Local::Relocation(relocation, local)) => self
                            .relocations
                            .binary_search(&relocation)
                            .map_or(RecordMeaning::Refused(Errno::Invalid), |index| {
                                RecordMeaning::Relocation { index, local }
                            }),
                    })
            })
            .collect()
    }

    /// Whether any relocation is a `TypeMatches`, which compares names and pointed-at types
    /// that no other kind reads.
    pub(crate) fn has_type_matches(&self) -> bool {
        self.relocations
            .iter()
            .any(|relocation| relocation.kind == ReloKind::TypeMatches)
    }

    /// SHA-256 over everything: equal for equal relocations, even if the programs changed
    /// otherwise. Equal fingerprints give the same tailored BTF, byte for byte, and the same
    /// [`Outcome`](super::Outcome) on every kernel.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut out = Encoder(Hash::new());
        out.bytes(b"btfhub relocations 2");
        out.count(self.relocations.len());
        for relocation in &self.relocations {
            out.relocation(relocation);
        }
        out.0.finalize()
    }
}

/// Feeds values to the digest so that different ones give different bytes:
/// every string and list with its length, every choice with a number.
struct Encoder(Hash);

impl Encoder {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn relocation(&mut self, relocation: &Relocation) {
        let Relocation {
            root: Root { name, kind },
            aya_name,
            kind: relo_kind,
            spec,
            load: LocalLoad { size, class },
        } = relocation;
        self.bytes(name);
        self.number(u64::from(*kind));
        self.bytes(aya_name.as_deref().unwrap_or_default());
        self.number(*relo_kind as u64);
        self.spec(spec);
        self.number(u64::from(*size));
        self.number(match class {
            LoadClass::Pointer => 0,
            LoadClass::Unsigned => 1,
            LoadClass::Other => 2,
        });
    }

    fn spec(&mut self, spec: &Spec) {
        match spec {
            Spec::Field(accessors) => {
                self.number(0);
                self.count(accessors.len());
                for accessor in accessors {
                    match accessor {
                        Accessor::Index(index) => {
                            self.number(0);
                            self.number(u64::from(*index));
                        }
                        Accessor::Member { name, shape } => {
                            self.number(1);
                            self.bytes(name);
                            self.field_shape(shape);
                        }
                    }
                }
            }
            Spec::Enumerator(name) => {
                self.number(1);
                self.bytes(name);
            }
            Spec::Type(shape) => {
                self.number(2);
                self.compat_shape(shape);
            }
            Spec::TypeMatch(shape) => {
                self.number(3);
                self.match_shape(shape);
            }
        }
    }

    fn field_shape(&mut self, shape: &FieldShape) {
        match shape {
            FieldShape::Composite => self.number(0),
            FieldShape::Ptr => self.number(1),
            FieldShape::Float => self.number(2),
            FieldShape::Int => self.number(3),
            FieldShape::Fwd(name) => {
                self.number(4);
                self.bytes(name);
            }
            FieldShape::Enum(name) => {
                self.number(5);
                self.bytes(name);
            }
            FieldShape::Array(element) => {
                self.number(6);
                self.field_shape(element);
            }
            FieldShape::Other => self.number(7),
        }
    }

    fn compat_shape(&mut self, shape: &CompatShape) {
        match shape {
            CompatShape::Leaf(kind) => {
                self.number(0);
                self.number(u64::from(*kind));
            }
            CompatShape::Enum => self.number(1),
            CompatShape::Int => self.number(2),
            CompatShape::Ptr(inner) => {
                self.number(3);
                self.compat_shape(inner);
            }
            CompatShape::Array(inner) => {
                self.number(4);
                self.compat_shape(inner);
            }
            CompatShape::FuncProto { params, result } => {
                self.number(5);
                self.count(params.len());
                for param in params {
                    self.compat_shape(param);
                }
                self.compat_shape(result);
            }
            CompatShape::Other => self.number(6),
            CompatShape::TooDeep => self.number(7),
        }
    }

    fn match_shape(&mut self, shape: &MatchShape) {
        self.bytes(&shape.name);
        match &shape.body {
            MatchBody::Void => self.number(0),
            MatchBody::Fwd { union, behind_ptr } => {
                self.number(1);
                self.number(u64::from(*union) | u64::from(*behind_ptr) << 1);
            }
            MatchBody::Opaque { union } => {
                self.number(2);
                self.number(u64::from(*union));
            }
            MatchBody::Composite { union, members } => {
                self.number(3);
                self.number(u64::from(*union));
                self.count(members.len());
                for member in members {
                    self.bytes(&member.name);
                    self.match_shape(&member.shape);
                }
            }
            MatchBody::Enum { size, names } => {
                self.number(4);
                self.number(u64::from(*size));
                self.count(names.len());
                for name in names {
                    self.bytes(name);
                }
            }
            MatchBody::Int { size, signed } => {
                self.number(5);
                self.number(u64::from(*size));
                self.number(u64::from(*signed));
            }
            MatchBody::Ptr(inner) => {
                self.number(6);
                self.match_shape(inner);
            }
            MatchBody::Array { nelems, element } => {
                self.number(7);
                self.number(u64::from(*nelems));
                self.match_shape(element);
            }
            MatchBody::FuncProto { params, result } => {
                self.number(8);
                self.count(params.len());
                for param in params {
                    self.match_shape(param);
                }
                self.match_shape(result);
            }
            MatchBody::Other => self.number(9),
            MatchBody::TooDeep => self.number(10),
        }
    }
}
