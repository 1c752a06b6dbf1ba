//! Instructions of later sets, calls between functions, callbacks, loops, the size of a program.

use super::super::age::Age;
use super::super::case::Case;
use super::super::outcome::Certainty;
use super::super::program::MAX_INSNS;

/// Linux's versions of instructions, and the options of clang that leave them out.
const LATER: [(&str, Age, &str); 11] = [
    ("jmp32", Age(5, 1), "-mcpu=v2"),
    ("atomic", Age(5, 12), "-mcpu=v2, and no __sync_fetch_*"),
    ("sdiv", Age(6, 6), "-mcpu=v3"),
    ("movsx", Age(6, 6), "-mcpu=v3"),
    ("ldsx", Age(6, 6), "-mcpu=v3"),
    ("bswap", Age(6, 6), "-mcpu=v3"),
    ("gotol", Age(6, 6), "-mcpu=v3"),
    ("may_goto", Age(6, 9), "no can_loop or cond_break"),
    ("addr_space_cast", Age(6, 9), "no arena"),
    ("load-acquire", Age(6, 15), "-mcpu=v3"),
    ("store-release", Age(6, 15), "-mcpu=v3"),
];

/// `bpf_for_each_map_elem`, which came with what takes the address of a function.
const FOR_EACH_MAP_ELEM: u32 = 164;
/// `BPF_MAXINSNS` before Linux 5.2.
const FEW: usize = 4096;

pub(super) fn check(case: &mut Case<'_>) {
    let found = case.found;
    if !case.program.is_read {
        let text = format!(
            "the program was not followed: it has more than {MAX_INSNS} instructions, shares them \
             with other functions, or calls too many"
        );
        case.findings.unknown("size", text);
    }
    for (what, place) in &found.later {
        let known = LATER.iter().find(|(name, ..)| name == what);
        let Some((_, age, option)) = known.filter(|(_, age, _)| case.is_older_than(*age)) else {
            continue;
        };
        let text = format!(
            "the instruction {what} came with Linux {}.{}{}: compile with {option}",
            age.0,
            age.1,
            case.at(*place)
        );
        case.findings.fails(Certainty::Likely, "instruction", text);
    }
    if let Some(place) = found.callback {
        if case.facts.helpers.has(FOR_EACH_MAP_ELEM) == Some(false) {
            let text = format!(
                "the kernel does not call functions of programs back, as Linux 5.13 does{}: move \
                 the call into a program of its own, and load that where it works",
                case.at(place)
            );
            case.findings.fails(Certainty::Proven, "callback", text);
        }
    }
    if let Some(place) = found.call.filter(|_| case.is_older_than(Age(4, 16))) {
        let text = format!(
            "functions of a program can't call each other before Linux 4.16{}: make it \
             __always_inline",
            case.at(place)
        );
        case.findings.fails(Certainty::Likely, "call", text);
    }
    if let Some(place) = found.repeats.filter(|_| case.is_older_than(Age(5, 3))) {
        let text = format!(
            "programs can't loop before Linux 5.3{}: write #pragma unroll",
            case.at(place)
        );
        case.findings.fails(Certainty::Likely, "loop", text);
    }
    if found.size > FEW && case.is_older_than(Age(5, 2)) {
        let text = format!("{} instructions; the kernel takes {FEW}", found.size);
        case.findings.fails(Certainty::Likely, "size", text);
    }
}
