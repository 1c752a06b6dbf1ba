//! What only programs under a license that is compatible with the GPL may do.

use super::super::case::Case;
use super::super::outcome::Certainty;
use super::super::section::Hook;
use super::super::uapi;

/// `license_is_gpl_compatible`.
const COMPATIBLE: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];
/// Helpers that are `gpl_only` in all kernels that have them: tracing, reading memory of the
/// kernel, output of events, timers.
const GPL_ONLY: [u32; 31] = [
    4, 6, 22, 25, 27, 35, 36, 45, 55, 56, 58, 67, 111, 112, 113, 114, 115, 119, 121, 126, 127, 149,
    150, 158, 165, 173, 175, 176, 177, 169, 191,
];

pub(super) fn check(case: &mut Case<'_>) {
    let license = case.object.license();
    if COMPATIBLE.contains(&license) {
        return;
    }
    let declares = match license {
        "" => "the object declares no license".to_owned(),
        license => format!("the object's license is {license:?}"),
    };
    let how = "declare one that is compatible with the GPL: char LICENSE[] SEC(\"license\") = \
               \"GPL\" or \"Dual BSD/GPL\"";
    let hook = case.program.def.map(|def| def.hook);
    let kind = match hook {
        Some(Hook::Lsm) => Some("LSM programs"),
        Some(Hook::StructOps) => Some("struct_ops programs"),
        _ => None,
    };
    if let Some(kind) = kind {
        let text = format!("{declares}, and the kernel takes no such {kind}: {how}");
        case.findings.fails(Certainty::Proven, "license", text);
    }
    let usage = case.usage;
    let mut helpers = (usage.helpers.iter()).filter(|(helper, _)| GPL_ONLY.contains(helper));
    if let Some((helper, (place, level))) = helpers.next() {
        let text = format!(
            "{declares}, and such programs can't call {}{}: {how}",
            uapi::helper(*helper),
            case.at(*place)
        );
        case.findings.fails_at(*level, "license", text);
    }
    if let Some((number, (place, level))) = usage.kfuncs.iter().next() {
        let name = (case.object.externs().get(*number)).map_or("", |it| &it.name);
        let text = format!(
            "{declares}, and such programs can't call the kernel's functions ({name}){}: {how}",
            case.at(*place)
        );
        case.findings.fails_at(*level, "license", text);
    }
}
