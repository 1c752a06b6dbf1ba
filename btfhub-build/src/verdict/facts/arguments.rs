//! The arguments of functions and tracepoints, as programs see them.

use crate::btf::{Btf, Kind, Type, TypeId};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in super::super) struct Arguments {
    /// How many parameters.
    pub(in super::super) count: u32,
    /// How many words of 8 bytes they take, at most.
    pub(in super::super) words: u32,
    /// Whether it returns something, which programs see as one more word.
    pub(in super::super) has_result: bool,
    /// Whether the kernel can describe it to a trampoline (`btf_distill_func_proto`).
    pub(in super::super) is_traceable: bool,
    /// Which of the first words point to numbers other than characters (bit 0 is the first one):
    /// programs may read these from Linux 5.17 on.
    pub(in super::super) to_numbers: u64,
    /// Which words programs may not read, at least before Linux 6.13, because they are neither
    /// numbers nor pointers to structs, numbers or `void` (`btf_ctx_access`).
    pub(in super::super) opaque: u64,
}

/// `MAX_BPF_FUNC_ARGS`.
const MAX_TRACED: u32 = 12;

impl Arguments {
    /// Those of a prototype without its first `hidden` parameters.
    pub(super) fn of(btf: &Btf, proto: Type<'_>, hidden: usize) -> Option<Self> {
        if proto.kind() != Kind::FuncProto {
            return None;
        }
        let words = |ty: TypeId| match btf.skip_modifiers(ty) {
            Some((id, ty)) if ty.kind().is_composite() => btf
                .resolve_size(id)
                .map_or(1, |size| size.div_ceil(8).max(1)),
            _ => 1,
        };
        let is_small = |ty: TypeId| words(ty) <= 2 && ty != TypeId::VOID;
        let result = btf.skip_modifiers(proto.referenced());
        let mut its = Self {
            count: proto.vlen().checked_sub(u32::try_from(hidden).ok()?)?,
            has_result: proto.referenced() != TypeId::VOID,
            is_traceable: proto.vlen() <= MAX_TRACED
                && proto.params().all(|param| is_small(param.ty))
                && !result.is_some_and(|(_, ty)| ty.kind().is_composite()),
            ..Self::default()
        };
        for param in proto.params().skip(hidden) {
            its.mark(btf, param.ty);
            its.words = its.words.saturating_add(words(param.ty));
        }
        its.mark(btf, proto.referenced());
        Some(its)
    }

    /// Marks the next word if programs may not read it on every kernel.
    fn mark(&mut self, btf: &Btf, ty: TypeId) {
        let bit = 1_u64.checked_shl(self.words).unwrap_or(0);
        match readable(btf, ty) {
            Readable::Always => {}
            Readable::Numbers => self.to_numbers |= bit,
            Readable::Never => self.opaque |= bit,
        }
    }
}

enum Readable {
    Always,
    Numbers,
    Never,
}

fn readable(btf: &Btf, ty: TypeId) -> Readable {
    let Some((_, ty)) = btf.skip_modifiers(ty) else {
        return Readable::Never;
    };
    match ty.kind() {
        Kind::Ptr => {}
        Kind::Union => return Readable::Never,
        _ => return Readable::Always,
    }
    if ty.referenced() == TypeId::VOID {
        return Readable::Always;
    }
    match btf.skip_modifiers(ty.referenced()) {
        Some((_, to)) if to.kind().is_composite() => Readable::Always,
        Some((_, to)) if to.kind() == Kind::Int && to.size() == 1 => Readable::Always,
        Some((_, to)) if to.kind() == Kind::Int => Readable::Numbers,
        // To `const void` too.
        _ => Readable::Never,
    }
}
