//! Maps: their types, global data, structs of functions. libbpf creates all maps of an object
//! whichever programs are loaded.

use super::super::case::Case;
use super::super::outcome::Certainty;
use super::super::uapi;

pub(super) fn check(case: &mut Case<'_>) {
    for map in case.object.maps() {
        if case.facts.map_types.has(map.map_type) == Some(false) {
            let text = format!(
                "the kernel has no {}, which map {} is: libbpf refuses the object unless \
                 bpf_map__set_autocreate() leaves it out",
                uapi::map_type(map.map_type),
                map.name
            );
            case.fails(Certainty::Proven, "map-type", text);
        }
        if let Some(name) = &map.struct_ops {
            // Flavors as `tcp_congestion_ops___new` are cut off.
            let name = name.split("___").next().unwrap_or(name);
            if !case.facts.has_struct(name) {
                let text = format!(
                    "the kernel has no struct {name}, which map {} fills",
                    map.name
                );
                case.fails(Certainty::Proven, "struct-ops", text);
            }
        }
    }
    // libbpf leaves the maps of global data out where the kernel can't have them, and makes
    // what refers to them invalid.
    if let Some(place) = case
        .found
        .data
        .filter(|_| case.facts.has_global_data == Some(false))
    {
        let text = format!(
            "the kernel has no global data (Linux 5.2){}: use a map",
            case.at(place)
        );
        case.fails(Certainty::Proven, "global-data", text);
    }
}
