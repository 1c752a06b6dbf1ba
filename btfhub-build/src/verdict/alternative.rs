//! Other names for what a kernel may lack.

use super::target::{syscall_in, syscall_names};

/// Functions that were renamed and kept their prototypes: `_do_fork` in Linux 5.10,
/// `generic_make_request` in 5.9.
const RENAMED: [(&str, &str); 2] = [
    ("_do_fork", "kernel_clone"),
    ("generic_make_request", "submit_bio_noacct"),
];

/// What the compiler appends to the name of a function that it specialised.
const SUFFIXES: [&str; 2] = [".isra.0", ".constprop.0"];

/// The prefix of the structs that tracepoints fill.
pub(super) const EVENT_STRUCT: &str = "trace_event_raw_";

/// Other names under which a kernel may have a function, best first.
pub(super) fn functions(name: &str) -> Vec<String> {
    if let Some(call) = syscall_in(name) {
        return syscall_names(call);
    }
    let renamed = RENAMED.iter().filter_map(|(old, new)| {
        [(old, new), (new, old)]
            .into_iter()
            .find(|(its, _)| **its == name)
    });
    let mut names: Vec<String> = renamed.map(|(_, other)| (*other).to_owned()).collect();
    names.extend(["__", "_", "do_"].map(|prefix| format!("{prefix}{name}")));
    names.push(name.trim_start_matches('_').to_owned());
    // Where memory allocations are profiled (Linux 6.10).
    names.push(format!("{name}_noprof"));
    names.extend(SUFFIXES.map(|suffix| format!("{name}{suffix}")));
    // Renamed when pages became folios.
    if name.contains("page") {
        names.push(name.replacen("page", "folio", 1));
        names.push(format!("folio_{}", name.replacen("_page", "", 1)));
    }
    names.retain(|other| other != name && !other.is_empty());
    names
}

/// The functions of a system call on an architecture, best first: its wrapper, its function if
/// it has no arguments, and its function before there were wrappers.
pub(super) fn syscall_functions(call: &str, arch: &str) -> Vec<String> {
    let wrapper = match arch {
        "x86_64" => "__x64_sys_",
        "arm64" => "__arm64_sys_",
        "s390x" => "__s390x_sys_",
        "riscv64" => "__riscv_sys_",
        _ => "__se_sys_",
    };
    [wrapper, "__do_sys_", "sys_", "SyS_"]
        .map(|prefix| format!("{prefix}{call}"))
        .to_vec()
}

/// The newer form of a system call that newer architectures lack, because it is not in
/// `include/uapi/asm-generic/unistd.h`: its function exists there, its events don't. Empty if
/// there is no newer form.
pub(super) fn newer_syscall(name: &str) -> Option<&'static str> {
    let at = OLD_SYSCALLS
        .binary_search_by(|(old, _)| (*old).cmp(name))
        .ok()?;
    OLD_SYSCALLS.get(at).map(|(_, new)| *new)
}

/// Sorted by name.
static OLD_SYSCALLS: [(&str, &str); 44] = [
    ("access", "faccessat"),
    ("alarm", "setitimer"),
    ("bdflush", ""),
    ("chmod", "fchmodat"),
    ("chown", "fchownat"),
    ("creat", "openat"),
    ("dup2", "dup3"),
    ("epoll_create", "epoll_create1"),
    ("epoll_wait", "epoll_pwait"),
    ("eventfd", "eventfd2"),
    ("fork", "clone"),
    ("futimesat", "utimensat"),
    ("getdents", "getdents64"),
    ("getpgrp", "getpgid"),
    ("inotify_init", "inotify_init1"),
    ("lchown", "fchownat"),
    ("link", "linkat"),
    ("lstat", "newfstatat"),
    ("mkdir", "mkdirat"),
    ("mknod", "mknodat"),
    ("newlstat", "newfstatat"),
    ("newstat", "newfstatat"),
    ("oldumount", "umount"),
    ("open", "openat"),
    ("pause", "rt_sigsuspend"),
    ("pipe", "pipe2"),
    ("poll", "ppoll"),
    ("readlink", "readlinkat"),
    ("recv", "recvfrom"),
    ("rename", "renameat2"),
    ("rmdir", "unlinkat"),
    ("select", "pselect6"),
    ("send", "sendto"),
    ("signal", "rt_sigaction"),
    ("signalfd", "signalfd4"),
    ("stat", "newfstatat"),
    ("symlink", "symlinkat"),
    ("sysctl", ""),
    ("sysfs", ""),
    ("time", "gettimeofday"),
    ("unlink", "unlinkat"),
    ("ustat", "statfs"),
    ("utime", "utimensat"),
    ("utimes", "utimensat"),
];

/// Possible names for the struct of a tracepoint that shares it with others:
/// `sched_process_exit` uses `trace_event_raw_sched_process_template`.
pub(super) fn event_structs(name: &str) -> Vec<String> {
    let Some(event) = name.strip_prefix(EVENT_STRUCT) else {
        return Vec::new();
    };
    let ends = event.match_indices('_').map(|(end, _)| end);
    let beginnings = ends.chain([event.len()]).filter_map(|end| event.get(..end));
    // Longest first; no event has more words.
    let mut beginnings: Vec<&str> = beginnings.filter(|it| !it.is_empty()).take(8).collect();
    beginnings.reverse();
    (beginnings.iter())
        .flat_map(|beginning| {
            ["template", "class"].map(|end| format!("{EVENT_STRUCT}{beginning}_{end}"))
        })
        .collect()
}

/// The function that calls a hook of the security modules.
pub(super) fn security_function(hook: &str) -> String {
    format!("security_{hook}")
}
