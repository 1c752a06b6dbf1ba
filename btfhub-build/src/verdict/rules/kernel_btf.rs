//! The running kernel's own BTF, which some programs need regardless of what their relocations use.

use super::super::case::Case;
use super::super::kernel::KernelBtf;
use super::super::reach::Level;
use super::super::uapi;
use super::super::usage::Place;
use super::instead;

/// Helpers that return a pointer to a struct of the kernel: `bpf_skc_to_*`,
/// `bpf_get_current_task_btf`, `bpf_sock_from_file`, `bpf_task_pt_regs`.
///
/// In a kernel built without BTF the struct has number 0 (`BTF_ID`, include/linux/btf_ids.h), and
/// the verifier refuses the call ("invalid return type", `check_helper_call`).
const RETURN_STRUCTS: [u32; 10] = [136, 137, 138, 139, 140, 158, 162, 175, 178, 196];
/// Helpers that take one, never null (`ARG_PTR_TO_BTF_ID`, `ARG_PTR_TO_PERCPU_BTF_ID`): output of
/// packets, `bpf_seq_*`, `bpf_get_task_stack`, `bpf_d_path`, `bpf_*_cpu_ptr`, `bpf_find_vma` and
/// others. Without BTF no register holds such a pointer (`check_reg_type`).
const TAKE_STRUCTS: [u32; 15] = [
    111, 116, 121, 126, 127, 141, 147, 150, 153, 154, 159, 161, 180, 191, 193,
];
/// Helpers that take one or null, in some versions: local storage of inodes, tasks and cgroups;
/// and `bpf_kptr_xchg`: without BTF no map holds typed pointers (`btf_parse_kptr`), but versions
/// differ in what else it takes.
const MAY_TAKE_STRUCTS: [u32; 7] = [145, 146, 156, 157, 194, 210, 211];

const GET_CURRENT_TASK_BTF: u32 = 158;
/// `BPF_PROG_TYPE_NETFILTER`: each member of its context is such a pointer (`nf_ptr_to_btf_id`).
const NETFILTER: u32 = 32;

/// What needs it, how surely, and where; and what works without it.
struct Need {
    what: String,
    level: Level,
    instead: String,
}

pub(super) fn check(case: &mut Case<'_>) {
    let Some(Need {
        what,
        level,
        instead,
    }) = need(case)
    else {
        return;
    };
    let level = match case.kernel_btf {
        KernelBtf::Known(true) | KernelBtf::Likely(true) => return,
        KernelBtf::Known(false) => level,
        KernelBtf::Likely(false) => level.min(Level::Maybe),
        KernelBtf::Unknown if level == Level::IfChanged => return,
        KernelBtf::Unknown => {
            let text = format!(
                "it is not known whether the kernel has BTF of its own, which {what}{instead}"
            );
            return case.findings.unknown("kernel-btf", text);
        }
    };
    let text = format!(
        "the kernel has no BTF of its own, which {what}, regardless of what is embedded{instead}"
    );
    case.findings.fails_at(level, "kernel-btf", text);
}

fn need(case: &Case<'_>) -> Option<Need> {
    let def = case.program.def;
    if def.is_some_and(|def| def.hook.is_typed()) {
        return Some(Need {
            what: "programs of this kind need".to_owned(),
            level: Level::Surely,
            instead: instead::probe(case),
        });
    }
    if let Some(why) = case.needs_btf {
        return Some(Need {
            what: format!("{why} needs"),
            level: Level::Surely,
            instead: String::new(),
        });
    }
    let at = |what: &str, place: Place, level, instead: &str| Need {
        what: format!("{what} needs{}", case.at(place)),
        level,
        instead: instead.to_owned(),
    };
    let has = |helper: u32| case.facts.helpers.has(helper) != Some(false);
    let helpers = case
        .usage
        .helpers
        .iter()
        .filter(|(helper, _)| has(**helper));
    let helpers = helpers.filter_map(|(helper, (place, level))| {
        let level = match *helper {
            helper if RETURN_STRUCTS.contains(&helper) => *level,
            helper if TAKE_STRUCTS.contains(&helper) => *level,
            helper if MAY_TAKE_STRUCTS.contains(&helper) => (*level).min(Level::Maybe),
            _ => return None,
        };
        let instead = match *helper {
            GET_CURRENT_TASK_BTF => "; bpf_get_current_task() works here",
            _ => "",
        };
        Some(at(&uapi::helper(*helper), *place, level, instead))
    });
    let is_netfilter = def.is_some_and(|def| def.program_type == NETFILTER);
    let context = case.usage.context.iter().filter(|_| is_netfilter);
    let context = context.map(|(_, place, level)| at("a read of its context", *place, *level, ""));
    // The most certain one; the first of several.
    let surest = |best: Need, next: Need| if next.level > best.level { next } else { best };
    helpers.chain(context).reduce(surest)
}
