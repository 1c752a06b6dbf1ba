//! Whether the kernel has what a program attaches to.

use super::super::age::Age;
use super::super::alternative::newer_syscall;
use super::super::case::Case;
use super::super::facts::FunctionList;
use super::super::module::family;
use super::super::outcome::Certainty;
use super::super::section::Hook;
use super::super::target::{function_of, module_of, probed, syscall_names, syscall_of};
use super::{instead, symbol};

pub(super) fn check(case: &mut Case<'_>) {
    let Some(def) = case.program.def else { return };
    let Some(target) = case.program.target.clone() else {
        return no_target(case, def.hook);
    };
    if ["dummy", "placeholder"]
        .iter()
        .any(|word| target.contains(word))
    {
        let text = format!("{target} looks like a placeholder that user space replaces");
        return case.findings.unknown("target", text);
    }
    match def.hook {
        Hook::Kprobe => kprobe(case, &target),
        Hook::Trace => traced(case, &target),
        Hook::Ksyscall => syscall(case, &target, "system call"),
        Hook::Tracepoint => tracepoint(case, &target),
        Hook::RawTracepoint | Hook::BtfTracepoint => raw_tracepoint(case, &target),
        Hook::Lsm => lsm(case, &target),
        Hook::Iter => iterator(case, &target),
        Hook::KprobeMulti => case.findings.unknown(
            "target",
            format!("which functions {target} matches is known only when it attaches"),
        ),
        Hook::UserSpace => case.findings.unknown(
            "target",
            format!("{target} is in user space, not in the kernel"),
        ),
        Hook::Replace => case
            .findings
            .unknown("target", "it replaces a function of another program".into()),
        Hook::None | Hook::StructOps => {}
    }
}

fn no_target(case: &mut Case<'_>, hook: Hook) {
    if !matches!(hook, Hook::None | Hook::StructOps) {
        let text =
            "user space sets what it attaches to; name the target to have it checked".to_owned();
        case.findings.unknown("target", text);
    }
}

/// Whether a name that the kernel's BTF lacks may be in a module; adds the reason.
fn in_module(case: &mut Case<'_>, name: &str) -> bool {
    let Some(family) = family(name).filter(|family| !case.facts.has_family(family)) else {
        return false;
    };
    let text = format!("the kernel's BTF has no {family}* functions, so {name} may be in a module");
    case.findings.unknown("module", text);
    true
}

/// A system call without arguments, whose function is listed under another name
/// (`SYSCALL_DEFINE0`).
fn is_syscall_without_arguments(case: &Case<'_>, name: &str) -> bool {
    let call = ["__x64_sys_", "__arm64_sys_", "__s390x_sys_", "__riscv_sys_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    let has = |prefix: &str, call: &str| case.facts.function(&format!("{prefix}{call}")).is_some();
    call.is_some_and(|call| has("__do_sys_", call) && !has("__se_sys_", call))
}

fn kprobe(case: &mut Case<'_>, target: &str) {
    let (name, offset) = probed(target);
    let returns = case.program.def.is_some_and(|def| def.is_of_return());
    if returns && offset.starts_with('+') {
        let text = "libbpf attaches kretprobes only to the start of a function".to_owned();
        return (case.findings).fails(Certainty::Proven, "kprobe", text);
    }
    if offset.starts_with('+') {
        let text = format!("it is not known whether an instruction starts at {target}");
        case.findings.unknown("kprobe", text);
    }
    // The symbols lack modules that were not loaded.
    let is_elsewhere = case.facts.function(name).is_none() && in_module(case, name);
    if is_elsewhere || symbol::kprobe(case, name, offset.starts_with('+')) {
        return;
    }
    if case.facts.function(name).is_some() || is_syscall_without_arguments(case, name) {
        return;
    }
    let other = instead::of_function(case, name);
    if name.contains('.') {
        let text = format!("the kernel's BTF does not list what the compiler renamed to {name}");
        case.findings.unknown("kprobe", text);
    } else if case.facts.list == FunctionList::Full {
        let text = format!(
            "the kernel has no function {name} that can be probed, or the compiler inlined or \
             renamed it{other}"
        );
        case.findings.fails(Certainty::Likely, "kprobe", text);
    } else {
        let text =
            format!("the kernel's BTF does not list all functions, and it lacks {name}{other}");
        case.findings.unknown("kprobe", text);
    }
}

/// Functions that never return, to which fexit and fmod_ret programs can't attach
/// (`noreturn_deny`, Linux 6.16).
const NO_RETURN: [&str; 6] = [
    "do_exit",
    "do_group_exit",
    "kthread_complete_and_exit",
    "kthread_exit",
    "make_task_dead",
    "rewind_stack_and_make_dead",
];

fn traced(case: &mut Case<'_>, target: &str) {
    if let Some(module) = module_of(target) {
        let text = format!("{target} is in module {module}, whose BTF is not examined");
        return case.findings.unknown("module", text);
    }
    let name = function_of(target);
    if let Some(arguments) = case.facts.function(name) {
        if !arguments.is_traceable {
            let text = format!(
                "eBPF describes no function like {name}: it returns a struct, or takes too large \
                 ones, too many arguments or any number of them; use kprobe"
            );
            case.findings.fails(Certainty::Proven, "function", text);
        }
        return what_is_traced(case, name);
    }
    // Before Linux 5.11, neither libbpf nor the kernel reads the BTF of modules.
    let sees_modules = !case.is_older_than(Age(5, 11));
    if sees_modules && in_module(case, name) {
        return;
    }
    let other = instead::of_function(case, name);
    if case.facts.list == FunctionList::None {
        let text = "the kernel's BTF lists no functions".to_owned();
        return case.findings.unknown("function", text);
    }
    if sees_modules {
        let text = format!("the kernel has no function {name}, unless a module has it{other}");
        case.findings.fails(Certainty::Likely, "function", text);
    } else {
        let text = format!("the kernel's BTF has no function {name}{other}");
        case.findings.fails(Certainty::Proven, "function", text);
    }
}

/// Whether a program may attach in its way to a function that exists.
fn what_is_traced(case: &mut Case<'_>, name: &str) {
    symbol::traced(case, name);
    let Some(def) = case.program.def else { return };
    let is_hook = name.starts_with("security_");
    if def.changes_result() && !is_hook {
        let text = format!(
            "only a list in the kernel (error injection) shows whether the result of {name} may \
             be changed"
        );
        case.findings.unknown("function", text);
    } else if def.sleepable {
        let text = format!(
            "only a list in the kernel (error injection) shows whether a program on {name} may \
             sleep"
        );
        case.findings.unknown("sleepable", text);
    }
    let is_new = case.age.is_some_and(|age| age >= Age(6, 16));
    if is_new && def.sees_end() && NO_RETURN.contains(&name) {
        let text = format!("{name} never returns: use fentry");
        case.findings.fails(Certainty::Likely, "function", text);
    }
}

fn syscall(case: &mut Case<'_>, name: &str, what: &str) {
    let names = syscall_names(name);
    if names.iter().any(|name| case.facts.function(name).is_some()) {
        return;
    }
    if case.facts.list == FunctionList::Full {
        let text = format!("the kernel has no {what} {name} on this architecture");
        case.findings.fails(Certainty::Likely, "syscall", text);
    } else {
        let text = format!("the kernel's BTF does not list all functions: {what} {name}");
        case.findings.unknown("syscall", text);
    }
}

/// System calls that have events, but whose functions have other names.
const WITHOUT_FUNCTION: [&str; 5] = ["getpid", "getuid", "perf_event_open", "setsid", "sync"];

fn tracepoint(case: &mut Case<'_>, target: &str) {
    if let Some(name) = syscall_of(target) {
        let arch = case.kernel.id.arch.as_str();
        let is_new = matches!(arch, "arm64" | "riscv64" | "loongarch64");
        if is_new && newer_syscall(name).is_some() {
            let event = target.split('/').next_back().unwrap_or_default();
            let other = instead::of_syscall_event(case, name, event);
            let text = format!("{arch} has no system call {name}{other}");
            case.findings.fails(Certainty::Likely, "syscall", text);
        } else if !WITHOUT_FUNCTION.contains(&name) {
            syscall(case, name, "event for system call");
        }
        return;
    }
    let Some((category, event)) = target.split_once('/') else {
        let text = format!("{target} is not category/event: libbpf refuses to attach it");
        return case.findings.fails(Certainty::Proven, "tracepoint", text);
    };
    if case.facts.has_tracepoint(event) || in_module(case, event) {
        return;
    }
    if category == "raw_syscalls" || !case.facts.lists_tracepoints {
        if category != "raw_syscalls" {
            let text = format!("the kernel's BTF does not list tracepoints: {event}");
            case.findings.unknown("tracepoint", text);
        }
        return;
    }
    let text = format!(
        "the kernel has no tracepoint {event}, unless a module has it or it has another name \
         (DEFINE_EVENT_PRINT)"
    );
    case.findings.fails(Certainty::Likely, "tracepoint", text);
}

fn raw_tracepoint(case: &mut Case<'_>, name: &str) {
    if case.facts.has_tracepoint(name) || in_module(case, name) {
        return;
    }
    if case.facts.lists_tracepoints {
        let text = format!("the kernel has no tracepoint {name}, unless a module has it");
        case.findings.fails(Certainty::Likely, "tracepoint", text);
    } else {
        let text = format!("the kernel's BTF does not list tracepoints: {name}");
        case.findings.unknown("tracepoint", text);
    }
}

/// Hooks in which programs may sleep since Linux 5.11 (`sleepable_lsm_hooks`).
const SLEEPABLE: [&str; 32] = [
    "bpf",
    "bpf_map",
    "bpf_prog",
    "bprm_check_security",
    "bprm_committed_creds",
    "bprm_committing_creds",
    "bprm_creds_for_exec",
    "bprm_creds_from_file",
    "capget",
    "capset",
    "cred_prepare",
    "file_ioctl",
    "file_lock",
    "file_open",
    "file_receive",
    "inode_create",
    "inode_getattr",
    "inode_getxattr",
    "inode_mknod",
    "inode_rename",
    "inode_setxattr",
    "inode_symlink",
    "inode_unlink",
    "kernel_module_request",
    "kernel_read_file",
    "mmap_file",
    "path_notify",
    "sb_mount",
    "socket_bind",
    "socket_connect",
    "socket_create",
    "task_alloc",
];

/// Hooks that kernels list and refuse (`bpf_lsm_disabled_hooks`, Linux 6.12 and 7.0).
const DISABLED: [&str; 9] = [
    "vm_enough_memory",
    "inode_need_killpriv",
    "inode_getsecurity",
    "inode_listsecurity",
    "inode_copy_up_xattr",
    "getselfattr",
    "getprocattr",
    "setprocattr",
    "ismaclabel",
];

fn lsm(case: &mut Case<'_>, hook: &str) {
    let name = format!("bpf_lsm_{hook}");
    if case.facts.function(&name).is_some() {
        let is_new = case.age.is_some_and(|age| age >= Age(6, 12));
        let is_disabled = DISABLED.contains(&hook);
        if is_disabled && is_new {
            let other = instead::probe(case);
            let text = format!("the kernel allows no eBPF programs on LSM hook {hook}{other}");
            case.findings.fails(Certainty::Likely, "lsm", text);
        } else if is_disabled {
            let text =
                format!("kernels with security updates allow no eBPF programs on LSM hook {hook}");
            case.findings.unknown("lsm", text);
        }
        let may_sleep = !case.is_older_than(Age(5, 11)) && SLEEPABLE.contains(&hook);
        if case.program.def.is_some_and(|def| def.sleepable) && !may_sleep {
            let text =
                format!("only a list in the kernel shows whether programs on {hook} may sleep");
            case.findings.unknown("sleepable", text);
        }
        return;
    }
    if case.facts.list == FunctionList::None {
        return case
            .findings
            .unknown("lsm", "the kernel's BTF lists no functions".to_owned());
    }
    let other = instead::probe(case);
    let text = format!("the kernel has no LSM hook {hook} for eBPF{other}");
    case.findings.fails(Certainty::Proven, "lsm", text);
}

/// Iterators over something that user space chooses when it attaches a program.
const OF_USER_SPACE: [&str; 4] = ["bpf_map_elem", "bpf_sk_storage_map", "cgroup", "sockmap"];

/// Iterators in which no program may sleep from Linux 6.0 on, because they never pause
/// (`BPF_ITER_RESCHED`).
const WITHOUT_SLEEP: [&str; 10] = [
    "bpf_link",
    "bpf_map",
    "bpf_map_elem",
    "bpf_prog",
    "bpf_sk_storage_map",
    "ipv6_route",
    "netlink",
    "tcp",
    "udp",
    "unix",
];

fn iterator(case: &mut Case<'_>, name: &str) {
    if case.facts.function(&format!("bpf_iter_{name}")).is_some() {
        let sleeps = case.program.def.is_some_and(|def| def.sleepable);
        let is_new = case.age.is_some_and(|age| age >= Age(6, 0));
        if sleeps && is_new && WITHOUT_SLEEP.contains(&name) {
            let text = format!("no program may sleep in the iterator over {name}");
            case.findings.fails(Certainty::Likely, "sleepable", text);
        } else if OF_USER_SPACE.contains(&name) {
            let text = format!("user space decides which {name} it iterates over");
            case.findings.unknown("target", text);
        }
        return;
    }
    if case.facts.list == FunctionList::None {
        return case
            .findings
            .unknown("iterator", "the kernel's BTF lists no functions".to_owned());
    }
    let text = format!("the kernel has no iterator over {name}, unless a module has it");
    case.findings.fails(Certainty::Likely, "iterator", text);
}
