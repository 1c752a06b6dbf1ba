//! What a kernel's symbols show about a function that a program attaches to.

use super::super::case::Case;
use super::super::outcome::Certainty;
use super::instead;
use crate::symbols::Symbol;

/// Checks a kprobe; returns whether the symbols decide.
pub(super) fn kprobe(case: &mut Case<'_>, name: &str, has_offset: bool) -> bool {
    let Some(probes) = &case.facts.probes else {
        return false;
    };
    let Some(symbol) = probes.get(name) else {
        let text = missing(case, name);
        case.findings.fails(Certainty::Proven, "symbol", text);
        return true;
    };
    if symbol.count > 1 && probes.refuses_several {
        let text = format!(
            "the kernel has {} functions {name}, and refuses a probe whose name is not unique",
            symbol.count
        );
        case.findings.fails(Certainty::Proven, "symbol", text);
    } else if !symbol.is_traceable && probes.refuses_notrace && !has_offset {
        let text = format!("{name} can't be probed (notrace, or __init)");
        case.findings.fails(notrace(symbol), "symbol", text);
    }
    true
}

/// Checks a trampoline on a function that the BTF has.
pub(super) fn traced(case: &mut Case<'_>, name: &str) {
    let Some(probes) = &case.facts.probes else {
        return;
    };
    let (certainty, text) = match probes.get(name) {
        None => (Certainty::Proven, missing(case, name)),
        Some(symbol) if !symbol.is_traceable => {
            let text = format!("{name} can't be traced (notrace, or __init)");
            (notrace(symbol), text)
        }
        Some(_) => return,
    };
    case.findings.fails(certainty, "symbol", text);
}

fn notrace(symbol: Symbol) -> Certainty {
    if symbol.may_be_alias {
        Certainty::Likely
    } else {
        Certainty::Proven
    }
}

fn missing(case: &Case<'_>, name: &str) -> String {
    let renamed = (case.facts.probes.as_ref()).and_then(|probes| probes.renamed(name));
    let other = match renamed {
        Some(other) => format!("; the compiler turned it into {other}"),
        None => instead::of_function(case, name),
    };
    format!(
        "neither the kernel nor a module has a function {name} (by its symbols): the compiler \
         inlined or renamed it, or it never existed{other}"
    )
}
