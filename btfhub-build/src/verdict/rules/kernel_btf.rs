//! The running kernel's own BTF, which some programs need whatever BTF their relocations use.

use super::super::case::Case;
use super::super::kernel::KernelBtf;
use super::super::outcome::Certainty;
use super::super::section::Hook;

pub(super) fn check(case: &mut Case<'_>) {
    let by_type = case.program.def.is_some_and(|def| {
        matches!(
            def.hook,
            Hook::BtfTracepoint | Hook::Trace | Hook::Lsm | Hook::Iter | Hook::StructOps
        )
    });
    let why = match case.needs_btf {
        _ if by_type => "programs of its kind",
        Some(why) => why,
        None => return,
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
            case.findings.fails(certainty, "kernel-btf", text);
        }
        KernelBtf::Unknown => {
            let text = format!(
                "{why} need the kernel's own BTF, and it is not known whether it has any{instead}"
            );
            case.findings.unknown("kernel-btf", text);
        }
    }
}
