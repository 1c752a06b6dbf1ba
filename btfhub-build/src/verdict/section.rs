//! What libbpf derives from the name of a section: program type, attach type, target.

/// A row of libbpf's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionDef {
    /// As libbpf writes it: a final `+` matches nothing, or `/` and more.
    pattern: &'static str,
    /// `enum bpf_prog_type`.
    pub program_type: u32,
    /// `enum bpf_attach_type`, with which the program is loaded.
    pub attach_type: u32,
    /// Whether it is loaded with `BPF_F_SLEEPABLE`.
    pub sleepable: bool,
    /// What it attaches to.
    pub hook: Hook,
}

impl SectionDef {
    /// Whether it runs when a function returns.
    pub(super) fn is_of_return(&self) -> bool {
        self.pattern.starts_with("kret")
    }

    /// Whether it sees a function return.
    pub(super) fn sees_end(&self) -> bool {
        // BPF_TRACE_FEXIT, BPF_MODIFY_RETURN, BPF_TRACE_FSESSION
        self.hook == Hook::Trace && matches!(self.attach_type, 25 | 26 | 58)
    }

    /// Whether it changes what a function returns.
    pub(super) fn changes_result(&self) -> bool {
        // BPF_MODIFY_RETURN
        self.attach_type == 26
    }

    /// The struct that its programs read as their argument, if kernels extend it from time to
    /// time (`include/linux/bpf_types.h`).
    pub(super) fn context(&self) -> Option<&'static str> {
        Some(match self.program_type {
            1 | 3 | 4 | 8 | 10 | 11 | 12 | 14 | 19 | 22 => "__sk_buff",
            6 => "xdp_md",
            7 => "bpf_perf_event_data",
            9 => "bpf_sock",
            13 => "bpf_sock_ops",
            15 => "bpf_cgroup_dev_ctx",
            16 => "sk_msg_md",
            18 => "bpf_sock_addr",
            21 => "sk_reuseport_md",
            23 => "bpf_sysctl",
            25 => "bpf_sockopt",
            30 => "bpf_sk_lookup",
            _ => return None,
        })
    }

    /// Whether it is loaded with `BPF_F_XDP_HAS_FRAGS`.
    pub(super) fn has_frags(&self) -> bool {
        self.pattern.starts_with("xdp.frags")
    }
}

/// What `bpf_program__attach` attaches a program to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Nothing: user space attaches it with other calls.
    None,
    /// A function, through a probe on an instruction.
    Kprobe,
    /// All functions that a pattern matches.
    KprobeMulti,
    /// The function of a system call, whatever its name is.
    Ksyscall,
    /// A program or library in user space.
    UserSpace,
    /// An event of the trace file system.
    Tracepoint,
    /// A tracepoint, with its raw arguments.
    RawTracepoint,
    /// The same, typed by the kernel's BTF.
    BtfTracepoint,
    /// A function, through a trampoline: its entry, its exit, or its result.
    Trace,
    /// Another eBPF program.
    Replace,
    /// An LSM hook.
    Lsm,
    /// An iterator over kernel objects.
    Iter,
    /// A member of a struct_ops struct.
    StructOps,
}

impl Hook {
    /// Whether its programs are typed by the kernel's own BTF, and need it.
    pub(super) fn is_typed(self) -> bool {
        match self {
            Self::BtfTracepoint | Self::Trace | Self::Lsm | Self::Iter | Self::StructOps => true,
            Self::None
            | Self::Kprobe
            | Self::KprobeMulti
            | Self::Ksyscall
            | Self::UserSpace
            | Self::Tracepoint
            | Self::RawTracepoint
            | Self::Replace => false,
        }
    }
}

/// `section_defs` of libbpf 1.7.0, in its order.
const DEFS: &[SectionDef] = &[
    def("socket", 1, 0, false, Hook::None),
    def("sk_reuseport/migrate", 21, 40, false, Hook::None),
    def("sk_reuseport", 21, 39, false, Hook::None),
    def("kprobe+", 2, 0, false, Hook::Kprobe),
    def("uprobe+", 2, 0, false, Hook::UserSpace),
    def("uprobe.s+", 2, 0, true, Hook::UserSpace),
    def("kretprobe+", 2, 0, false, Hook::Kprobe),
    def("uretprobe+", 2, 0, false, Hook::UserSpace),
    def("uretprobe.s+", 2, 0, true, Hook::UserSpace),
    def("kprobe.multi+", 2, 42, false, Hook::KprobeMulti),
    def("kretprobe.multi+", 2, 42, false, Hook::KprobeMulti),
    def("kprobe.session+", 2, 56, false, Hook::KprobeMulti),
    def("uprobe.multi+", 2, 48, false, Hook::UserSpace),
    def("uretprobe.multi+", 2, 48, false, Hook::UserSpace),
    def("uprobe.session+", 2, 57, false, Hook::UserSpace),
    def("uprobe.multi.s+", 2, 48, true, Hook::UserSpace),
    def("uretprobe.multi.s+", 2, 48, true, Hook::UserSpace),
    def("uprobe.session.s+", 2, 57, true, Hook::UserSpace),
    def("ksyscall+", 2, 0, false, Hook::Ksyscall),
    def("kretsyscall+", 2, 0, false, Hook::Ksyscall),
    def("usdt+", 2, 0, false, Hook::UserSpace),
    def("usdt.s+", 2, 0, true, Hook::UserSpace),
    def("tc/ingress", 3, 46, false, Hook::None),
    def("tc/egress", 3, 47, false, Hook::None),
    def("tcx/ingress", 3, 46, false, Hook::None),
    def("tcx/egress", 3, 47, false, Hook::None),
    def("tc", 3, 0, false, Hook::None),
    def("classifier", 3, 0, false, Hook::None),
    def("action", 4, 0, false, Hook::None),
    def("netkit/primary", 3, 54, false, Hook::None),
    def("netkit/peer", 3, 55, false, Hook::None),
    def("tracepoint+", 5, 0, false, Hook::Tracepoint),
    def("tp+", 5, 0, false, Hook::Tracepoint),
    def("raw_tracepoint+", 17, 0, false, Hook::RawTracepoint),
    def("raw_tp+", 17, 0, false, Hook::RawTracepoint),
    def("raw_tracepoint.w+", 24, 0, false, Hook::RawTracepoint),
    def("raw_tp.w+", 24, 0, false, Hook::RawTracepoint),
    def("tp_btf+", 26, 23, false, Hook::BtfTracepoint),
    def("fentry+", 26, 24, false, Hook::Trace),
    def("fmod_ret+", 26, 26, false, Hook::Trace),
    def("fexit+", 26, 25, false, Hook::Trace),
    def("fentry.s+", 26, 24, true, Hook::Trace),
    def("fmod_ret.s+", 26, 26, true, Hook::Trace),
    def("fexit.s+", 26, 25, true, Hook::Trace),
    def("fsession+", 26, 58, false, Hook::Trace),
    def("fsession.s+", 26, 58, true, Hook::Trace),
    def("freplace+", 28, 0, false, Hook::Replace),
    def("lsm+", 29, 27, false, Hook::Lsm),
    def("lsm.s+", 29, 27, true, Hook::Lsm),
    def("lsm_cgroup+", 29, 43, false, Hook::Lsm),
    def("iter+", 26, 28, false, Hook::Iter),
    def("iter.s+", 26, 28, true, Hook::Iter),
    def("syscall", 31, 0, true, Hook::None),
    def("xdp.frags/devmap", 6, 33, false, Hook::None),
    def("xdp/devmap", 6, 33, false, Hook::None),
    def("xdp.frags/cpumap", 6, 35, false, Hook::None),
    def("xdp/cpumap", 6, 35, false, Hook::None),
    def("xdp.frags", 6, 37, false, Hook::None),
    def("xdp", 6, 37, false, Hook::None),
    def("perf_event", 7, 0, false, Hook::None),
    def("lwt_in", 10, 0, false, Hook::None),
    def("lwt_out", 11, 0, false, Hook::None),
    def("lwt_xmit", 12, 0, false, Hook::None),
    def("lwt_seg6local", 19, 0, false, Hook::None),
    def("sockops", 13, 3, false, Hook::None),
    def("sk_skb/stream_parser", 14, 4, false, Hook::None),
    def("sk_skb/stream_verdict", 14, 5, false, Hook::None),
    def("sk_skb/verdict", 14, 38, false, Hook::None),
    def("sk_skb", 14, 0, false, Hook::None),
    def("sk_msg", 16, 7, false, Hook::None),
    def("lirc_mode2", 20, 16, false, Hook::None),
    def("flow_dissector", 22, 17, false, Hook::None),
    def("cgroup_skb/ingress", 8, 0, false, Hook::None),
    def("cgroup_skb/egress", 8, 1, false, Hook::None),
    def("cgroup/skb", 8, 0, false, Hook::None),
    def("cgroup/sock_create", 9, 2, false, Hook::None),
    def("cgroup/sock_release", 9, 34, false, Hook::None),
    def("cgroup/sock", 9, 2, false, Hook::None),
    def("cgroup/post_bind4", 9, 12, false, Hook::None),
    def("cgroup/post_bind6", 9, 13, false, Hook::None),
    def("cgroup/bind4", 18, 8, false, Hook::None),
    def("cgroup/bind6", 18, 9, false, Hook::None),
    def("cgroup/connect4", 18, 10, false, Hook::None),
    def("cgroup/connect6", 18, 11, false, Hook::None),
    def("cgroup/connect_unix", 18, 49, false, Hook::None),
    def("cgroup/sendmsg4", 18, 14, false, Hook::None),
    def("cgroup/sendmsg6", 18, 15, false, Hook::None),
    def("cgroup/sendmsg_unix", 18, 50, false, Hook::None),
    def("cgroup/recvmsg4", 18, 19, false, Hook::None),
    def("cgroup/recvmsg6", 18, 20, false, Hook::None),
    def("cgroup/recvmsg_unix", 18, 51, false, Hook::None),
    def("cgroup/getpeername4", 18, 29, false, Hook::None),
    def("cgroup/getpeername6", 18, 30, false, Hook::None),
    def("cgroup/getpeername_unix", 18, 52, false, Hook::None),
    def("cgroup/getsockname4", 18, 31, false, Hook::None),
    def("cgroup/getsockname6", 18, 32, false, Hook::None),
    def("cgroup/getsockname_unix", 18, 53, false, Hook::None),
    def("cgroup/sysctl", 23, 18, false, Hook::None),
    def("cgroup/getsockopt", 25, 21, false, Hook::None),
    def("cgroup/setsockopt", 25, 22, false, Hook::None),
    def("cgroup/dev", 15, 6, false, Hook::None),
    def("struct_ops+", 27, 0, false, Hook::StructOps),
    def("struct_ops.s+", 27, 0, true, Hook::StructOps),
    def("sk_lookup", 30, 36, false, Hook::None),
    def("netfilter", 32, 45, false, Hook::None),
];

const fn def(
    pattern: &'static str,
    program_type: u32,
    attach_type: u32,
    sleepable: bool,
    hook: Hook,
) -> SectionDef {
    SectionDef {
        pattern,
        program_type,
        attach_type,
        sleepable,
        hook,
    }
}

/// The definition of a section without its `?`, and the target in its name
/// (`find_sec_def`, `sec_def_matches`).
pub fn section_def(name: &str) -> Option<(&'static SectionDef, Option<&str>)> {
    DEFS.iter().find_map(|def| {
        let Some(prefix) = def.pattern.strip_suffix('+') else {
            return (name == def.pattern).then_some((def, None));
        };
        match name.strip_prefix(prefix)? {
            "" => Some((def, None)),
            rest => Some((def, Some(rest.strip_prefix('/')?))),
        }
    })
}
