//! Addresses that are numbers, such as that of a weak variable that the kernel lacks.

use super::super::case::Case;

pub(super) fn check(case: &mut Case<'_>) {
    if let Some((place, level)) = case.usage.number {
        // `check_mem_access`: "invalid mem access 'scalar'"
        let text = format!(
            "the program takes a number for an address{}, such as that of a weak variable that the \
             kernel lacks: check that it is not 0 first",
            case.at(place)
        );
        case.findings.fails_at(level, "pointer", text);
    }
}
