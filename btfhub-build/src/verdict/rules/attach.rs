//! What a program attaches to: whether the kernel has it.

use super::super::age::Age;
use super::super::alternative;
use super::super::case::Case;
use super::super::facts::FunctionList;
use super::super::module::family;
use super::super::outcome::Certainty;
use super::super::section::Hook;
use super::super::target::{function_of, syscall_names, syscall_of};

pub(super) fn check(case: &mut Case<'_>) {
    let Some(def) = case.program.def else { return };
    let Some(target) = case.program.target.clone() else {
        return no_target(case, def.hook);
    };
    if ["dummy", "placeholder"]
        .iter()
        .any(|word| target.contains(word))
    {
        let text = format!("{target} looks like a stand-in for what user space sets");
        return case.unknown("target", text);
    }
    match def.hook {
        Hook::Kprobe => kprobe(case, function_of(&target)),
        Hook::Trace => traced(case, function_of(&target)),
        Hook::Ksyscall => syscall(case, &target, "system call"),
        Hook::Tracepoint => tracepoint(case, &target),
        Hook::RawTracepoint | Hook::BtfTracepoint => raw_tracepoint(case, &target),
        Hook::Lsm => lsm(case, &target),
        Hook::Iter => iterator(case, &target),
        Hook::KprobeMulti => case.unknown(
            "target",
            format!("which functions {target} matches is decided when it attaches"),
        ),
        Hook::UserSpace => case.unknown(
            "target",
            format!("{target} is of user space, not of the kernel"),
        ),
        Hook::Replace => case.unknown("target", "it replaces a function of another program".into()),
        Hook::None | Hook::StructOps => {}
    }
}

fn no_target(case: &mut Case<'_>, hook: Hook) {
    if !matches!(hook, Hook::None | Hook::StructOps) {
        let text = "user space sets what it attaches to; name it to have it checked".to_owned();
        case.unknown("target", text);
    }
}

/// Whether a name that is not in the kernel's BTF may be in a module; says so.
fn in_module(case: &mut Case<'_>, name: &str) -> bool {
    let Some(family) = family(name).filter(|family| !case.facts.has_family(family)) else {
        return false;
    };
    let text = format!("{name}: functions {family}* are not in this kernel, perhaps in a module");
    case.unknown("module", text);
    true
}

fn kprobe(case: &mut Case<'_>, name: &str) {
    if case.facts.function(name).is_some() || in_module(case, name) {
        return;
    }
    let other = alternative::function(name, case.facts);
    if case.facts.list == FunctionList::Full {
        let text = format!(
            "the kernel has no function {name} that can be probed (or it was inlined or renamed \
             by the compiler){other}"
        );
        case.fails(Certainty::Likely, "kprobe", text);
    } else {
        let text = format!(
            "the kernel's BTF does not list all functions, and {name} is not among them{other}"
        );
        case.unknown("kprobe", text);
    }
}

fn traced(case: &mut Case<'_>, name: &str) {
    if case.facts.function(name).is_some() {
        return;
    }
    // Before, libbpf and the kernel look into no module's BTF.
    let sees_modules = !case.is_older_than(Age(5, 11));
    if sees_modules && in_module(case, name) {
        return;
    }
    let other = alternative::function(name, case.facts);
    if case.facts.list == FunctionList::None {
        let text = "the functions of the kernel's BTF are not known".to_owned();
        return case.unknown("function", text);
    }
    if sees_modules {
        let text = format!("the kernel has no function {name}, unless a module brings it{other}");
        case.fails(Certainty::Likely, "function", text);
    } else {
        let text = format!("the kernel's BTF has no function {name}{other}");
        case.fails(Certainty::Proven, "function", text);
    }
}

fn syscall(case: &mut Case<'_>, name: &str, what: &str) {
    let names = syscall_names(name);
    if names.iter().any(|name| case.facts.function(name).is_some()) {
        return;
    }
    if case.facts.list == FunctionList::Full {
        let text = format!("the kernel has no {what} {name} on this architecture");
        case.fails(Certainty::Likely, "syscall", text);
    } else {
        let text = format!("the kernel's BTF does not list all functions: {what} {name}");
        case.unknown("syscall", text);
    }
}

/// System calls that newer architectures have only in another form (of which
/// `include/uapi/asm-generic/unistd.h` has none): their functions are there, their events are
/// not.
const OLD_SYSCALLS: [&str; 44] = [
    "access",
    "alarm",
    "bdflush",
    "chmod",
    "chown",
    "creat",
    "dup2",
    "epoll_create",
    "epoll_wait",
    "eventfd",
    "fork",
    "futimesat",
    "getdents",
    "getpgrp",
    "inotify_init",
    "lchown",
    "link",
    "lstat",
    "mkdir",
    "mknod",
    "newlstat",
    "newstat",
    "oldumount",
    "open",
    "pause",
    "pipe",
    "poll",
    "readlink",
    "recv",
    "rename",
    "rmdir",
    "select",
    "send",
    "signal",
    "signalfd",
    "stat",
    "symlink",
    "sysctl",
    "sysfs",
    "time",
    "unlink",
    "ustat",
    "utime",
    "utimes",
];

/// System calls with events whose functions are not found by their names.
const WITHOUT_FUNCTION: [&str; 4] = ["getpid", "getuid", "sync", "setsid"];

fn tracepoint(case: &mut Case<'_>, target: &str) {
    if let Some(name) = syscall_of(target) {
        let arch = case.kernel.id.arch.as_str();
        if matches!(arch, "arm64" | "riscv64" | "loongarch64") && OLD_SYSCALLS.contains(&name) {
            let text = format!("{arch} has no system call {name}, but its newer form (as openat)");
            case.fails(Certainty::Likely, "syscall", text);
        } else if !WITHOUT_FUNCTION.contains(&name) {
            syscall(case, name, "event for system call");
        }
        return;
    }
    let Some((category, event)) = target.split_once('/') else {
        let text = format!("{target} is no category/event: libbpf refuses to attach it");
        return case.fails(Certainty::Proven, "tracepoint", text);
    };
    if case.facts.tracepoint(event).is_some() || in_module(case, event) {
        return;
    }
    if category == "raw_syscalls" || !case.facts.lists_tracepoints {
        if category != "raw_syscalls" {
            let text = format!("the kernel's BTF does not list tracepoints: {event}");
            case.unknown("tracepoint", text);
        }
        return;
    }
    let text = format!(
        "the kernel has no tracepoint {event}, unless it is of a module or an event by another \
         name (DEFINE_EVENT_PRINT)"
    );
    case.fails(Certainty::Likely, "tracepoint", text);
}

fn raw_tracepoint(case: &mut Case<'_>, name: &str) {
    if case.facts.tracepoint(name).is_some() || in_module(case, name) {
        return;
    }
    if case.facts.lists_tracepoints {
        let text = format!("the kernel has no tracepoint {name}, unless a module brings it");
        case.fails(Certainty::Likely, "tracepoint", text);
    } else {
        let text = format!("the kernel's BTF does not list tracepoints: {name}");
        case.unknown("tracepoint", text);
    }
}

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
        if is_new && DISABLED.contains(&hook) {
            let text = format!("the kernel keeps eBPF from hook {hook}");
            case.fails(Certainty::Likely, "lsm", text);
        }
        return;
    }
    if case.facts.list == FunctionList::None {
        return case.unknown("lsm", "the kernel's functions are not known".to_owned());
    }
    let text = format!("the kernel has no hook {hook} for eBPF");
    case.fails(Certainty::Proven, "lsm", text);
}

fn iterator(case: &mut Case<'_>, name: &str) {
    if case.facts.function(&format!("bpf_iter_{name}")).is_some() {
        return;
    }
    if case.facts.list == FunctionList::None {
        return case.unknown(
            "iterator",
            "the kernel's functions are not known".to_owned(),
        );
    }
    let text = format!("the kernel iterates over no {name}, unless a module does");
    case.fails(Certainty::Likely, "iterator", text);
}
