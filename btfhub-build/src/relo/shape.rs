//! What compatibility checks read from a local type, by value.
//!
//! libbpf walks the local and the target type side by side. Which local types it can reach, and
//! how deep, depends only on the local type. So that part is unrolled here into a tree, with
//! libbpf's depth limits as leaves.

use super::kind::Errno;
use crate::btf::{Btf, Kind, TypeId, essential_name};

/// What `bpf_core_fields_are_compat` reads of a local field's type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldShape {
    /// A struct or union: fits any struct or union.
    Composite,
    /// A pointer: fits any pointer.
    Ptr,
    /// A float: fits any float.
    Float,
    /// An integer: fits any whose `BTF_INT_OFFSET` is 0, as its own is.
    Int,
    /// A forward declaration and its essential name.
    Fwd(Vec<u8>),
    /// An ENUM or ENUM64 and its essential name.
    Enum(Vec<u8>),
    /// An array: its elements must fit.
    Array(Box<FieldShape>),
    /// Anything else fits nothing.
    Other,
}

/// What `bpf_core_types_are_compat` reads of a local type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompatShape {
    /// Void, struct, union, forward declaration: the kind must be equal.
    Leaf(u8),
    /// ENUM or ENUM64: fits either.
    Enum,
    /// An integer: fits any whose `BTF_INT_OFFSET` is 0, as its own is.
    Int,
    /// A pointer: what it points at must fit.
    Ptr(Box<CompatShape>),
    /// An array: its elements must fit.
    Array(Box<CompatShape>),
    /// A function prototype: as many parameters, each must fit, and the result.
    FuncProto {
        /// The parameters' types.
        params: Vec<CompatShape>,
        /// The result's type.
        result: Box<CompatShape>,
    },
    /// Anything else fits nothing.
    Other,
    /// Deeper than libbpf follows: `-EINVAL` once reached.
    TooDeep,
}

impl CompatShape {
    /// Two types are compatible if both have the same outline; `None` if nothing is compatible
    /// with it.
    pub(crate) fn outline(&self) -> Option<String> {
        Some(match self {
            Self::Leaf(kind) => format!("{kind};"),
            Self::Enum => "e".to_owned(),
            Self::Int => "i".to_owned(),
            Self::Ptr(inner) => format!("*{}", inner.outline()?),
            Self::Array(inner) => format!("[{}", inner.outline()?),
            Self::FuncProto { params, result } => {
                let params: Option<String> = params.iter().map(Self::outline).collect();
                format!("({}){}", params?, result.outline()?)
            }
            Self::Other | Self::TooDeep => return None,
        })
    }
}

/// What `bpf_core_types_match` reads of a local type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchShape {
    /// The essential name; empty fits only empty.
    pub name: Vec<u8>,
    /// The rest.
    pub body: MatchBody,
}

/// The part of a [`MatchShape`] after the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchBody {
    /// `void`.
    Void,
    /// A forward declaration.
    Fwd {
        /// Whether it is for a union rather than a struct.
        union: bool,
        /// Whether it is behind a pointer: then the full type fits too.
        behind_ptr: bool,
    },
    /// A struct or union behind a pointer: kind and name only.
    Opaque {
        /// A union, not a struct.
        union: bool,
    },
    /// A struct or union: each local member must match one of the target.
    Composite {
        /// A union, not a struct.
        union: bool,
        /// The members' essential names and types; sorted where their order
        /// changes no answer.
        members: Vec<MatchMember>,
    },
    /// ENUM or ENUM64: equal size, and each local enumerator's name.
    Enum {
        /// Bytes.
        size: u32,
        /// Essential names of the enumerators, sorted.
        names: Vec<Vec<u8>>,
    },
    /// An integer of equal size and signedness.
    Int {
        /// Bytes.
        size: u32,
        /// `BTF_INT_SIGNED`.
        signed: bool,
    },
    /// A pointer.
    Ptr(Box<MatchShape>),
    /// An array of as many elements.
    Array {
        /// Number of elements.
        nelems: u32,
        /// Their type.
        element: Box<MatchShape>,
    },
    /// A function prototype.
    FuncProto {
        /// The parameters' types.
        params: Vec<MatchShape>,
        /// The result's type.
        result: Box<MatchShape>,
    },
    /// Anything else fits nothing.
    Other,
    /// Deeper than libbpf follows: `-EINVAL` once reached.
    TooDeep,
}

/// A member of [`MatchBody::Composite`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchMember {
    /// Essential name of the member; empty for an anonymous one.
    pub name: Vec<u8>,
    /// Its type.
    pub shape: MatchShape,
}

impl MatchShape {
    /// Whether libbpf's limits on depth cut a branch off.
    fn is_cut_off(&self) -> bool {
        match &self.body {
            MatchBody::TooDeep => true,
            MatchBody::Composite { members, .. } => {
                members.iter().any(|member| member.shape.is_cut_off())
            }
            MatchBody::Ptr(inner) | MatchBody::Array { element: inner, .. } => inner.is_cut_off(),
            MatchBody::FuncProto { params, result } => {
                result.is_cut_off() || params.iter().any(Self::is_cut_off)
            }
            MatchBody::Void
            | MatchBody::Fwd { .. }
            | MatchBody::Opaque { .. }
            | MatchBody::Enum { .. }
            | MatchBody::Int { .. }
            | MatchBody::Other => false,
        }
    }
}

/// libbpf's limit on steps along one path, and on nested calls.
const MAX_DEPTH: u32 = 32;
/// Dimensions of one array type; libbpf has no limit, and never returns for an array of itself.
const MAX_DIMENSIONS: u32 = 256;
/// Nodes and enumerators of one shape: far above any real type, so that a
/// hostile object can't make an exponential tree.
const MAX_NODES: u32 = 1 << 16;

/// What `bpf_core_types_are_compat` reads of the type of a function or variable, if it is one that
/// libbpf can read. Those of real ones have some ten nodes, so fewer are allowed here: there may be
/// thousands.
pub(crate) fn compat_shape(btf: &Btf, id: TypeId) -> Option<CompatShape> {
    let mut shaper = Shaper::new(btf);
    shaper.nodes = MAX_NODES - 4096;
    shaper.compat(id).ok()
}

/// Unrolls local types.
pub(super) struct Shaper<'a> {
    btf: &'a Btf,
    nodes: u32,
}

impl<'a> Shaper<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        Self { btf, nodes: 0 }
    }

    fn count(&mut self, nodes: u32) -> Result<(), Errno> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Errno::TooBig);
        }
        Ok(())
    }

    /// # Errors
    /// `Invalid` for a cycle of typedefs, `TooBig` for more than 65,536 nodes:
    /// libbpf does not come back from either.
    pub(super) fn field(&mut self, id: TypeId) -> Result<FieldShape, Errno> {
        self.field_at(id, MAX_DIMENSIONS)
    }

    fn field_at(&mut self, id: TypeId, dimensions: u32) -> Result<FieldShape, Errno> {
        self.count(1)?;
        let (_, ty) = self.btf.skip_modifiers(id).ok_or(Errno::Invalid)?;
        let name = || essential_name(self.btf.string(ty.name())).to_vec();
        Ok(match ty.kind() {
            Kind::Struct | Kind::Union => FieldShape::Composite,
            Kind::Ptr => FieldShape::Ptr,
            Kind::Float => FieldShape::Float,
            Kind::Int if ty.int().offset() == 0 => FieldShape::Int,
            Kind::Fwd => FieldShape::Fwd(name()),
            Kind::Enum | Kind::Enum64 => FieldShape::Enum(name()),
            Kind::Array => {
                let dimensions = dimensions.checked_sub(1).ok_or(Errno::TooBig)?;
                FieldShape::Array(Box::new(self.field_at(ty.array().element, dimensions)?))
            }
            Kind::Void
            | Kind::Int
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::DataSec
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => FieldShape::Other,
        })
    }

    /// # Errors
    /// As [`Shaper::field`].
    pub(super) fn compat(&mut self, id: TypeId) -> Result<CompatShape, Errno> {
        self.compat_at(id, MAX_DEPTH, MAX_DEPTH)
    }

    /// `depth` steps are left along this path, `level` nested calls.
    fn compat_at(&mut self, id: TypeId, depth: u32, level: u32) -> Result<CompatShape, Errno> {
        self.count(1)?;
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(CompatShape::TooDeep);
        };
        let (_, ty) = self.btf.skip_modifiers(id).ok_or(Errno::Invalid)?;
        Ok(match ty.kind() {
            kind @ (Kind::Void | Kind::Struct | Kind::Union | Kind::Fwd) => {
                CompatShape::Leaf(kind.number())
            }
            Kind::Enum | Kind::Enum64 => CompatShape::Enum,
            Kind::Int if ty.int().offset() == 0 => CompatShape::Int,
            Kind::Ptr => {
                CompatShape::Ptr(Box::new(self.compat_at(ty.referenced(), depth, level)?))
            }
            Kind::Array => CompatShape::Array(Box::new(self.compat_at(
                ty.array().element,
                depth,
                level,
            )?)),
            Kind::FuncProto => CompatShape::FuncProto {
                params: ty
                    .params()
                    .map(|param| match level.checked_sub(1) {
                        None => Ok(CompatShape::TooDeep),
                        Some(level) => self.compat_at(param.ty, MAX_DEPTH, level),
                    })
                    .collect::<Result<_, _>>()?,
                result: Box::new(self.compat_at(ty.referenced(), depth, level)?),
            },
            Kind::Int
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::Var
            | Kind::DataSec
            | Kind::Float
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => CompatShape::Other,
        })
    }

    /// # Errors
    /// As [`Shaper::field`].
    pub(super) fn matching(&mut self, id: TypeId) -> Result<MatchShape, Errno> {
        self.match_call(id, false, MAX_DEPTH)
    }

    /// A call of `__bpf_core_types_match` with `level`.
    fn match_call(
        &mut self,
        id: TypeId,
        behind_ptr: bool,
        level: u32,
    ) -> Result<MatchShape, Errno> {
        if level == 0 {
            return Ok(too_deep());
        }
        self.match_at(id, behind_ptr, MAX_DEPTH, level)
    }

    fn match_at(
        &mut self,
        id: TypeId,
        behind_ptr: bool,
        depth: u32,
        level: u32,
    ) -> Result<MatchShape, Errno> {
        self.count(1)?;
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(too_deep());
        };
        let (_, ty) = self.btf.skip_modifiers(id).ok_or(Errno::Invalid)?;
        let body = match ty.kind() {
            Kind::Void => MatchBody::Void,
            Kind::Fwd => MatchBody::Fwd {
                union: ty.kind_flag(),
                behind_ptr,
            },
            kind @ (Kind::Struct | Kind::Union) => {
                let union = kind == Kind::Union;
                if behind_ptr {
                    MatchBody::Opaque { union }
                } else {
                    let mut members = Vec::new();
                    for member in ty.members() {
                        members.push(MatchMember {
                            name: essential_name(self.btf.string(member.name)).to_vec(),
                            shape: self.match_call(member.ty, behind_ptr, level - 1)?,
                        });
                    }
                    // Each must match, so their order matters only if libbpf may give up on one
                    // of them.
                    if !members.iter().any(|member| member.shape.is_cut_off()) {
                        members.sort_unstable();
                    }
                    MatchBody::Composite { union, members }
                }
            }
            Kind::Enum | Kind::Enum64 => {
                self.count(ty.vlen())?;
                let mut names: Vec<Vec<u8>> = ty
                    .enumerators()
                    .map(|enumerator| essential_name(self.btf.string(enumerator.name)).to_vec())
                    .collect();
                names.sort_unstable();
                MatchBody::Enum {
                    size: ty.size(),
                    names,
                }
            }
            Kind::Int => MatchBody::Int {
                size: ty.size(),
                signed: ty.int().is_signed(),
            },
            Kind::Ptr => MatchBody::Ptr(Box::new(self.match_at(
                ty.referenced(),
                true,
                depth,
                level,
            )?)),
            Kind::Array => {
                let array = ty.array();
                MatchBody::Array {
                    nelems: array.nelems,
                    element: Box::new(self.match_at(array.element, behind_ptr, depth, level)?),
                }
            }
            Kind::FuncProto => MatchBody::FuncProto {
                params: ty
                    .params()
                    .map(|param| self.match_call(param.ty, behind_ptr, level - 1))
                    .collect::<Result<_, _>>()?,
                result: Box::new(self.match_at(ty.referenced(), behind_ptr, depth, level)?),
            },
            Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::Var
            | Kind::DataSec
            | Kind::Float
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => MatchBody::Other,
        };
        Ok(MatchShape {
            name: essential_name(self.btf.string(ty.name())).to_vec(),
            body,
        })
    }
}

fn too_deep() -> MatchShape {
    MatchShape {
        name: Vec::new(),
        body: MatchBody::TooDeep,
    }
}
