//! Instructions that old kernels lack, calls between functions, callbacks, loops, program size.

use super::super::age::Age;
use super::super::case::Case;
use super::super::outcome::Certainty;
use super::super::program::MAX_INSNS;

/// The first version of Linux with each instruction, and how to compile without it.
const LATER: [(&str, Age, &str); 11] = [
    ("jmp32", Age(5, 1), "with -mcpu=v2"),
    (
        "atomic",
        Age(5, 12),
        "with -mcpu=v2, without __sync_fetch_*",
    ),
    ("sdiv", Age(6, 6), "with -mcpu=v3"),
    ("movsx", Age(6, 6), "with -mcpu=v3"),
    ("ldsx", Age(6, 6), "with -mcpu=v3"),
    ("bswap", Age(6, 6), "with -mcpu=v3"),
    ("gotol", Age(6, 6), "with -mcpu=v3"),
    ("may_goto", Age(6, 9), "without can_loop and cond_break"),
    ("addr_space_cast", Age(6, 9), "without arenas"),
    ("load-acquire", Age(6, 15), "with -mcpu=v3"),
    ("store-release", Age(6, 15), "with -mcpu=v3"),
];

/// `bpf_for_each_map_elem`, the first helper that takes the address of a function.
const FOR_EACH_MAP_ELEM: u32 = 164;
/// `BPF_MAXINSNS` before Linux 5.2.
const FEW: usize = 4096;

pub(super) fn check(case: &mut Case<'_>) {
    let usage = case.usage;
    if !case.program.is_read {
        let text = format!(
            "the program was not followed: it has more than {MAX_INSNS} instructions, shares them \
             with other functions, or calls too many"
        );
        case.findings.unknown("size", text);
    }
    for (what, (place, level)) in &usage.later {
        let known = LATER.iter().find(|(name, ..)| name == what);
        let Some((_, age, how)) = known.filter(|(_, age, _)| case.is_older_than(*age)) else {
            continue;
        };
        let text = format!(
            "the instruction {what} needs Linux {}.{}{}: compile {how}",
            age.0,
            age.1,
            case.at(*place)
        );
        case.findings.fails_at(*level, "instruction", text);
    }
    if let Some(place) = usage.callback {
        if case.facts.helpers.has(FOR_EACH_MAP_ELEM) == Some(false) {
            let text = format!(
                "the kernel has no callbacks into programs (since Linux 5.13){}: move the call \
                 into a separate program, and load that only where it works",
                case.at(place)
            );
            case.findings.fails(Certainty::Proven, "callback", text);
        }
    }
    if let Some(place) = usage.call.filter(|_| case.is_older_than(Age(4, 16))) {
        let text = format!(
            "calls between functions need Linux 4.16{}: make the callee __always_inline",
            case.at(place)
        );
        case.findings.fails(Certainty::Likely, "call", text);
    }
    if let Some(place) = usage.repeats.filter(|_| case.is_older_than(Age(5, 3))) {
        let text = format!("loops need Linux 5.3{}: use #pragma unroll", case.at(place));
        case.findings.fails(Certainty::Likely, "loop", text);
    }
    if usage.size > FEW && case.is_older_than(Age(5, 2)) {
        let text = format!(
            "the program has {} instructions, and the kernel takes at most {FEW}",
            usage.size
        );
        case.findings.fails(Certainty::Likely, "size", text);
    }
}
