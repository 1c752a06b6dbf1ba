//! Program types and attach types (`enum bpf_prog_type`, `enum bpf_attach_type`).

use super::super::case::Case;
use super::super::facts::FunctionList;
use super::super::outcome::Certainty;
use super::super::program::{LIRC_FUNCTION, LIRC_MODE2};
use super::super::section::Hook;
use super::super::uapi;

const CGROUP_SOCK: u32 = 9;
const CGROUP_SOCK_ADDR: u32 = 18;
const CGROUP_SOCKOPT: u32 = 25;
const CGROUP_INET_SOCK_CREATE: u32 = 2;
/// `bpf_xdp_get_buff_len`, which was added with packets in several fragments.
const XDP_GET_BUFF_LEN: u32 = 188;

pub(super) fn check(case: &mut Case<'_>) {
    let Some(def) = case.program.def else {
        let text =
            "libbpf does not know this section: user space must set the program's type".to_owned();
        return case.findings.unknown("section", text);
    };
    match case.facts.program_types.has(def.program_type) {
        Some(false) => {
            let text = format!("the kernel has no {}", uapi::program_type(def.program_type));
            case.findings.fails(Certainty::Proven, "program-type", text);
        }
        None => case.findings.unknown(
            "program-type",
            "the kernel's BTF does not list program types".to_owned(),
        ),
        Some(true) => {}
    }
    // For other program types, the kernel ignores the attach type, or libbpf leaves it out on old
    // kernels (`SEC_EXP_ATTACH_OPT`).
    let is_needed = matches!(
        def.hook,
        Hook::KprobeMulti | Hook::BtfTracepoint | Hook::Trace | Hook::Lsm | Hook::Iter
    ) || matches!(def.program_type, CGROUP_SOCK_ADDR | CGROUP_SOCKOPT)
        || (def.program_type == CGROUP_SOCK && def.attach_type != CGROUP_INET_SOCK_CREATE);
    if is_needed && case.facts.attach_types.has(def.attach_type) == Some(false) {
        let text = format!("the kernel has no {}", uapi::attach_type(def.attach_type));
        case.findings.fails(Certainty::Proven, "attach-type", text);
    }
    if def.has_frags() && case.facts.helpers.has(XDP_GET_BUFF_LEN) == Some(false) {
        let text =
            "XDP programs can't take packets in fragments before Linux 5.18: leave out .frags"
                .to_owned();
        case.findings.fails(Certainty::Proven, "program-type", text);
    }
    let has_lirc = case.facts.function(LIRC_FUNCTION).is_some();
    if def.program_type == LIRC_MODE2 && case.facts.list == FunctionList::Full && !has_lirc {
        let text = "the kernel was built without CONFIG_BPF_LIRC_MODE2".to_owned();
        case.findings.fails(Certainty::Likely, "program-type", text);
    }
}
