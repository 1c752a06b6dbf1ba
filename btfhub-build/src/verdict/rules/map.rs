//! Maps: their types and flags, global data, struct_ops. libbpf creates all maps of an object,
//! whichever programs are loaded.

use super::super::age::Age;
use super::super::case::{Case, Findings};
use super::super::facts::Facts;
use super::super::outcome::Certainty;
use super::super::section::Hook;
use super::super::uapi;
use crate::object::Object;

/// All maps of an object.
pub(super) fn check_all(object: &Object, facts: &Facts, age: Option<Age>, findings: &mut Findings) {
    for map in object.maps().iter().filter(|map| map.is_created) {
        if facts.map_types.has(map.map_type) == Some(false) {
            let text = format!(
                "the kernel has no {}, the type of map {}: libbpf refuses the object unless \
                 bpf_map__set_autocreate() leaves the map out",
                uapi::map_type(map.map_type),
                map.name
            );
            findings.fails(Certainty::Proven, "map-type", text);
        }
        let later = FLAGS.iter().filter(|(flag, ..)| map.flags & flag != 0);
        for (_, name, since) in later.filter(|(.., since)| age.is_some_and(|age| age < *since)) {
            let text = format!(
                "map {} has {name}, which kernels know since Linux {}.{}: libbpf refuses the \
                 object unless bpf_map__set_map_flags() leaves it out",
                map.name, since.0, since.1
            );
            findings.fails(Certainty::Likely, "map-flags", text);
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

/// Flags of maps, and the first version that takes each (`map_alloc_check`).
const FLAGS: [(u32, &str, Age); 15] = [
    (1 << 5, "BPF_F_STACK_BUILD_ID", Age(4, 17)),
    (1 << 6, "BPF_F_ZERO_SEED", Age(5, 0)),
    (1 << 7, "BPF_F_RDONLY_PROG", Age(5, 2)),
    (1 << 8, "BPF_F_WRONLY_PROG", Age(5, 2)),
    (1 << 9, "BPF_F_CLONE", Age(5, 4)),
    (1 << 10, "BPF_F_MMAPABLE", Age(5, 5)),
    (1 << 11, "BPF_F_PRESERVE_ELEMS", Age(5, 10)),
    (1 << 12, "BPF_F_INNER_MAP", Age(5, 10)),
    (1 << 13, "BPF_F_LINK", Age(6, 4)),
    (1 << 14, "BPF_F_PATH_FD", Age(6, 7)),
    (1 << 15, "BPF_F_VTYPE_BTF_OBJ_FD", Age(6, 9)),
    (1 << 16, "BPF_F_TOKEN_FD", Age(6, 9)),
    (1 << 17, "BPF_F_SEGV_ON_FAULT", Age(6, 9)),
    (1 << 18, "BPF_F_NO_USER_CONV", Age(6, 9)),
    (1 << 19, "BPF_F_RB_OVERWRITE", Age(6, 19)),
];

/// What one program needs of the object's maps.
pub(super) fn check(case: &mut Case<'_>) {
    let is_struct_ops = (case.program.def).is_some_and(|def| def.hook == Hook::StructOps);
    let mut maps = case.object.maps().iter();
    if is_struct_ops && !maps.any(|map| map.struct_ops.is_some()) {
        // Its type is that of the member of the map that refers to it.
        let text = "the kernel refuses a struct_ops program that no map in .struct_ops refers to";
        let text = text.to_owned();
        case.findings.fails(Certainty::Proven, "struct-ops", text);
    }
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
