//! Program types and attach types (`enum bpf_prog_type`, `enum bpf_attach_type`).

use super::super::case::Case;
use super::super::outcome::Certainty;
use super::super::section::Hook;
use super::super::uapi;

pub(super) fn check(case: &mut Case<'_>) {
    let Some(def) = case.program.def else {
        let text =
            "libbpf knows no such section: user space must set the program's type".to_owned();
        return case.unknown("section", text);
    };
    match case.facts.program_types.has(def.program_type) {
        Some(false) => {
            let text = format!("the kernel has no {}", uapi::program_type(def.program_type));
            case.fails(Certainty::Proven, "program-type", text);
        }
        None => case.unknown(
            "program-type",
            "the kernel's BTF does not tell its program types".to_owned(),
        ),
        Some(true) => {}
    }
    // 0 stands for none; those of cgroups and sockets may be left out for old kernels.
    let is_needed = matches!(
        def.hook,
        Hook::KprobeMulti | Hook::BtfTracepoint | Hook::Trace | Hook::Lsm | Hook::Iter
    );
    if is_needed && case.facts.attach_types.has(def.attach_type) == Some(false) {
        let text = format!("the kernel has no {}", uapi::attach_type(def.attach_type));
        case.fails(Certainty::Proven, "attach-type", text);
    }
}
