//! The running kernel's own BTF, which some programs need whatever BTF their relocations use.

use super::super::facts::FunctionList;
use super::super::judge::{Kernel, KernelBtf};
use super::super::section::Hook;
use super::{Case, Certainty};
use crate::object::ExternKind;

/// Whether a kernel has BTF of its own.
pub(in super::super) fn of(kernel: &Kernel<'_>, facts: &super::Facts) -> KernelBtf {
    let is_debian = kernel.id.distro == "debian"
        && !matches!(kernel.id.version, "7" | "8" | "9" | "10")
        && matches!(kernel.id.arch.as_str(), "x86_64" | "arm64");
    match kernel.own_btf {
        KernelBtf::Unknown => {}
        said => return said,
    }
    if facts.signs.shows_btf {
        return KernelBtf::Likely(true);
    }
    if facts.list != FunctionList::None && !facts.signs.reads_btf {
        return KernelBtf::Known(false);
    }
    if facts.list == FunctionList::Full {
        return KernelBtf::Likely(false);
    }
    if is_debian {
        return KernelBtf::Known(true);
    }
    KernelBtf::Unknown
}

pub(super) fn check(case: &mut Case<'_>) {
    let by_type = case.program.def.is_some_and(|def| {
        matches!(
            def.hook,
            Hook::BtfTracepoint | Hook::Trace | Hook::Lsm | Hook::Iter | Hook::StructOps
        )
    });
    let externs = case.object.externs().iter();
    let mut typed =
        externs.filter(|it| matches!(it.kind, ExternKind::Function | ExternKind::TypedVariable));
    let mut maps = case.object.maps().iter();
    let why = if by_type {
        "programs of its kind".to_owned()
    } else if let Some(it) = typed.next() {
        format!("the object's extern {}", it.name)
    } else if let Some(map) = maps.find(|map| map.struct_ops.is_some()) {
        format!("the object's map {}", map.name)
    } else {
        return;
    };
    let is_tracepoint = case
        .program
        .def
        .is_some_and(|def| def.hook == Hook::BtfTracepoint);
    let instead = if is_tracepoint {
        "; raw_tp works without"
    } else {
        ""
    };
    match case.kernel_btf {
        KernelBtf::Known(true) | KernelBtf::Likely(true) => {}
        KernelBtf::Known(false) | KernelBtf::Likely(false) => {
            let certainty = match case.kernel_btf {
                KernelBtf::Known(_) => Certainty::Proven,
                _ => Certainty::Likely,
            };
            let text = format!(
                "the kernel has no BTF of its own, which {why} need whatever BTF is embedded{instead}"
            );
            case.fails(certainty, "kernel-btf", text);
        }
        KernelBtf::Unknown => {
            let text = format!(
                "{why} need the kernel's own BTF, and it is not known whether it has any{instead}"
            );
            case.unknown("kernel-btf", text);
        }
    }
}
