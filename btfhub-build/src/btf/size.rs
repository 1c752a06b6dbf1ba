//! Skipping modifiers, sizes, the pointer size: what libbpf derives from types.

use super::TypeId;
use super::kind::Kind;
use super::read::Btf;
use super::types::Type;

/// Why a type has no size (libbpf's `btf__resolve_size`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeError {
    /// `-EINVAL`: void, a forward declaration, a function, or a chain of more
    /// than 32 steps.
    Invalid,
    /// `-E2BIG`: an array of more than 2³² bytes.
    TooBig,
}

/// `MAX_RESOLVE_DEPTH`.
const MAX_RESOLVE_DEPTH: usize = 32;

impl Btf {
    /// The type behind typedefs and qualifiers, and its id (libbpf's `skip_mods_and_typedefs`).
    /// `None` for an id beyond the last type, and for a cycle of typedefs, in which libbpf
    /// would loop forever.
    pub fn skip_modifiers(&self, id: TypeId) -> Option<(TypeId, Type<'_>)> {
        self.skip_counting(id).0
    }

    /// The same, and how many types it stepped over.
    pub(crate) fn skip_counting(&self, id: TypeId) -> (Option<(TypeId, Type<'_>)>, u32) {
        let mut id = id;
        let mut steps = 0;
        while let Some(ty) = self.ty(id) {
            if !ty.kind().is_modifier_or_typedef() {
                return (Some((id, ty)), steps);
            }
            steps += 1;
            if steps > self.type_count() {
                break;
            }
            id = ty.referenced();
        }
        (None, steps)
    }

    /// Bytes of a type (libbpf's `btf__resolve_size`). Without a `long` to give the pointer
    /// size, pointers have 8 bytes: every kernel this library tailors for is loaded by a 64-bit
    /// process, or has a `long`.
    ///
    /// # Errors
    /// [`SizeError`], if libbpf returns an error.
    pub fn resolve_size(&self, id: TypeId) -> Result<u32, SizeError> {
        let mut ty = self.ty(id);
        let mut nelems: u32 = 1;
        for _ in 0..MAX_RESOLVE_DEPTH {
            let Some(current) = ty else {
                return Err(SizeError::Invalid);
            };
            let next = match current.kind() {
                Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::DataSec
                | Kind::Float => {
                    return current.size().checked_mul(nelems).ok_or(SizeError::TooBig);
                }
                Kind::Ptr => {
                    return self
                        .pointer_size()
                        .unwrap_or(8)
                        .checked_mul(nelems)
                        .ok_or(SizeError::TooBig);
                }
                Kind::Typedef
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::Var
                | Kind::DeclTag
                | Kind::TypeTag => current.referenced(),
                Kind::Array => {
                    let array = current.array();
                    nelems = nelems.checked_mul(array.nelems).ok_or(SizeError::TooBig)?;
                    array.element
                }
                Kind::Void | Kind::Fwd | Kind::Func | Kind::FuncProto | Kind::Unknown(_) => {
                    return Err(SizeError::Invalid);
                }
            };
            ty = self.ty(next);
        }
        Err(SizeError::Invalid)
    }

    /// Bytes of a pointer, if an INT with a name of `long` tells it (libbpf's
    /// `determine_ptr_size`).
    pub fn pointer_size(&self) -> Option<u32> {
        *self.pointer_size.get_or_init(|| {
            if let Some(size) = self.base().and_then(|base| base.pointer_size()) {
                return Some(size);
            }
            self.long().and_then(|id| self.ty(id)).map(Type::size)
        })
    }

    /// Sets the pointer size, as libbpf does for the BTF of objects, which is
    /// always 8 (`btf__set_pointer_size`).
    #[must_use]
    pub fn with_pointer_size(mut self, bytes: u32) -> Self {
        self.pointer_size = Some(bytes).into();
        self
    }

    /// The INT from which libbpf guesses the pointer size: the first of 4 or 8
    /// bytes with one of the spellings of `long`.
    pub fn long(&self) -> Option<TypeId> {
        self.ids().find(|&id| {
            self.ty(id).is_some_and(|ty| {
                ty.kind() == Kind::Int
                    && matches!(ty.size(), 4 | 8)
                    && is_long(self.short_string(ty.name()))
            })
        })
    }
}

/// The spellings that libbpf's `determine_ptr_size` knows.
pub(crate) fn is_long(name: &[u8]) -> bool {
    matches!(
        name,
        b"long"
            | b"long int"
            | b"int long"
            | b"unsigned long"
            | b"long unsigned"
            | b"unsigned long int"
            | b"unsigned int long"
            | b"long unsigned int"
            | b"long int unsigned"
            | b"int unsigned long"
            | b"int long unsigned"
    )
}
