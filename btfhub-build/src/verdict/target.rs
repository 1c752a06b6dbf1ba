//! The names in a program's target.

/// The function of a kprobe, and the rest with the offset in it: `name+0x10` (`attach_kprobe`).
pub(super) fn probed(target: &str) -> (&str, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    target.split_at(target.find(|c| !is_name(c)).unwrap_or(target.len()))
}

/// The module in a target `module:name`, unless that is the kernel itself.
pub(super) fn module_of(target: &str) -> Option<&str> {
    let (module, _) = target.split_once(':')?;
    (module != "vmlinux").then_some(module)
}

/// The function in a target `name+0x10` or `module:name`.
pub(super) fn function_of(target: &str) -> &str {
    let name = target.rsplit_once(':').map_or(target, |(_, name)| name);
    name.split_once('+').map_or(name, |(name, _)| name)
}

/// The prefixes of the functions of system calls.
const SYSCALL_PREFIXES: [&str; 11] = [
    "__x64_sys_",
    "__arm64_sys_",
    "__s390x_sys_",
    "__riscv_sys_",
    "__powerpc_sys_",
    "__ia32_sys_",
    "__do_sys_",
    "__se_sys_",
    "sys_",
    "SyS_",
    "ksys_",
];

/// The names that the function of a system call can have.
pub(super) fn syscall_names(name: &str) -> Vec<String> {
    (SYSCALL_PREFIXES.iter())
        .map(|prefix| format!("{prefix}{name}"))
        .collect()
}

/// The system call in such a name.
pub(super) fn syscall_in(name: &str) -> Option<&str> {
    let mut prefixes = SYSCALL_PREFIXES.iter();
    prefixes.find_map(|prefix| name.strip_prefix(prefix))
}

/// The system call of a tracepoint `syscalls/sys_enter_NAME`.
pub(super) fn syscall_of(target: &str) -> Option<&str> {
    let event = target.strip_prefix("syscalls/")?;
    (event.strip_prefix("sys_enter_")).or_else(|| event.strip_prefix("sys_exit_"))
}
