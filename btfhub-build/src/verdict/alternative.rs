//! What a program could attach to instead, where the kernel has it.

use super::facts::Facts;
use super::target::syscall_names;

/// Other names under which a function may be known.
pub(super) fn names(name: &str) -> Vec<String> {
    let mut names = vec![
        format!("__{name}"),
        format!("_{name}"),
        format!("do_{name}"),
    ];
    let plain = name.trim_start_matches('_');
    if plain != name {
        names.push(plain.to_owned());
    }
    for prefix in [
        "__x64_sys_",
        "__arm64_sys_",
        "__s390x_sys_",
        "sys_",
        "SyS_",
        "__se_sys_",
    ] {
        if let Some(call) = name.strip_prefix(prefix) {
            names.extend(syscall_names(call));
        }
    }
    // Renamed when pages became folios.
    if name.contains("page") {
        names.push(name.replacen("page", "folio", 1));
        names.push(format!("folio_{}", name.replacen("_page", "", 1)));
    }
    names.retain(|other| other != name);
    names
}

/// A sentence that names one that the kernel has, or nothing.
pub(super) fn function(name: &str, facts: &Facts) -> String {
    (names(name).iter())
        .find(|other| facts.function(other).is_some())
        .map_or_else(String::new, |other| format!("; it has {other}"))
}
