//! Maps: their types, global data, struct_ops. libbpf creates all maps of an object, whichever
//! programs are loaded.

use super::super::age::Age;
use super::super::case::{Case, Findings};
use super::super::facts::Facts;
use super::super::outcome::Certainty;
use super::super::uapi;
use crate::object::Object;

/// All maps of an object.
pub(super) fn check_all(object: &Object, facts: &Facts, age: Option<Age>, findings: &mut Findings) {
    for map in object.maps() {
        if facts.map_types.has(map.map_type) == Some(false) {
            let text = format!(
                "the kernel has no {}, the type of map {}: libbpf refuses the object unless \
                 bpf_map__set_autocreate() leaves the map out",
                uapi::map_type(map.map_type),
                map.name
            );
            findings.fails(Certainty::Proven, "map-type", text);
        }
        if let Some(name) = &map.struct_ops {
            // Without the flavor, as in `tcp_congestion_ops___new`.
            let name = name.split("___").next().unwrap_or(name);
            // The kernel defines the second one for each struct that programs may fill
            // (`find_struct_ops_kern_types`).
            let missing = [name.to_owned(), format!("bpf_struct_ops_{name}")];
            if let Some(missing) = missing.iter().find(|name| !facts.has_struct(name)) {
                let text = format!(
                    "the kernel has no struct {missing}, which map {} fills",
                    map.name
                );
                // From Linux 6.9 on modules may have some.
                let certainty = match age {
                    Some(age) if age < Age(6, 9) => Certainty::Proven,
                    _ => Certainty::Likely,
                };
                findings.fails(certainty, "struct-ops", text);
            }
        }
    }
}

/// Global data that the program refers to.
pub(super) fn check(case: &mut Case<'_>) {
    // If the kernel can't have maps of global data, libbpf leaves them out and makes instructions
    // that refer to them invalid.
    if let Some(place) = case
        .usage
        .data
        .filter(|_| case.facts.has_global_data == Some(false))
    {
        let text = format!(
            "the kernel has no global data (since Linux 5.2){}: use a map",
            case.at(place)
        );
        case.findings.fails(Certainty::Proven, "global-data", text);
    }
}
