//! Small programs for the rules of verdicts that libbpf-tools and our own programs don't meet.

use crate::objects::{ObjectFile, compiled};

const PRELUDE: &str = r#"
#define SEC(name) __attribute__((section(name), used))
#define KSYM __attribute__((section(".ksyms")))
#define WEAK __attribute__((weak, section(".ksyms")))
typedef unsigned long u64;
static void *(*const task)(void) = (void *)35;
static long (*const read_kernel)(void *, unsigned, void *) = (void *)113;
static void *(*const of_cpu)(const void *, unsigned) = (void *)153;
static unsigned (*const random)(void) = (void *)7;
static long (*const copy)(void *, unsigned, const void *) = (void *)148;
#define RINGBUF(flags)                                                                   \
    struct { int (*type)[27], (*max_entries)[4096], (*map_flags)[flags]; } events        \
        __attribute__((section(".maps"), used));
static long (*const none)(void) = (void *)4000;
enum bpf_func_id___x { BPF_FUNC_none___x = 4000 };
#define HAS __builtin_preserve_enum_value(*(enum bpf_func_id___x *)BPF_FUNC_none___x, 0)
__attribute__((noinline)) long global(long a);
#define GLOBAL __attribute__((noinline)) long global(long a) { return none() + a; }
struct rq { int cpu; } __attribute__((preserve_access_index));
"#;

/// Each program in its own object; `LICENSE` is the GPL unless it is set.
const PROGRAMS: [(&str, &str); 35] = [
    (
        "kfunc-prototype",
        r#"extern int bpf_rcu_read_lock(int) KSYM;
        SEC("tp_btf/sched_switch") int p(void *c) { return bpf_rcu_read_lock(1); }"#,
    ),
    (
        "kfunc-prototype-weak",
        r#"extern int bpf_rcu_read_lock(int) WEAK;
        SEC("tp_btf/sched_switch") int p(void *c) { return bpf_rcu_read_lock(1); }"#,
    ),
    (
        "kfunc-flavor",
        r#"extern void bpf_rcu_read_lock___one(void) WEAK, bpf_rcu_read_unlock___two(void) WEAK;
        SEC("tp_btf/sched_switch") int p(void *c) {
            bpf_rcu_read_lock___one();
            bpf_rcu_read_unlock___two();
            return 0;
        }"#,
    ),
    (
        "kfunc-flavors-of-both",
        r#"extern int bpf_rcu_read_lock___other(int) WEAK;
        extern void bpf_rcu_read_lock(void) WEAK, bpf_rcu_read_unlock(void) WEAK;
        SEC("tp_btf/sched_switch") int p(void *c) {
            if (bpf_rcu_read_lock___other) return bpf_rcu_read_lock___other(1);
            bpf_rcu_read_lock();
            bpf_rcu_read_unlock();
            return 0;
        }"#,
    ),
    (
        "ksym-type",
        r#"extern const int runqueues WEAK;
        SEC("raw_tp/sys_enter") int p(void *c) { return of_cpu(&runqueues, 0) != 0; }"#,
    ),
    (
        "ksym",
        r#"extern const struct rq runqueues KSYM;
        SEC("raw_tp/sys_enter") int p(void *c) {
            struct rq *rq = of_cpu(&runqueues, 0);
            return rq ? rq->cpu : 0;
        }"#,
    ),
    (
        "ksym-unguarded",
        r#"extern const struct rq no_such_variable WEAK;
        SEC("raw_tp/sys_enter") int p(void *c) { return of_cpu(&no_such_variable, 0) != 0; }"#,
    ),
    (
        "ksym-read-unguarded",
        r#"extern const int no_such_variable WEAK;
        SEC("raw_tp/sys_enter") int p(void *c) { return no_such_variable; }"#,
    ),
    (
        "ksym-guarded",
        r#"extern const int no_such_variable WEAK;
        SEC("raw_tp/sys_enter") int p(void *c) {
            return &no_such_variable ? no_such_variable : 0;
        }"#,
    ),
    (
        "task-read-directly",
        r#"SEC("raw_tp/sys_enter") int p(void *c) { return *(int *)task(); }"#,
    ),
    (
        "packet-pointer",
        r#"SEC("xdp") int p(unsigned *c) {
            unsigned char *data = (void *)(u64)c[0], *end = (void *)(u64)c[1];
            return data + 1 > end ? 0 : data[0] & 1;
        }"#,
    ),
    (
        "no-license",
        r#"char LICENSE[] SEC("license") = "";
        SEC("raw_tp/sys_enter") int p(void *c) { return random(); }"#,
    ),
    (
        "no-license-reads",
        r#"char LICENSE[] SEC("license") = "Proprietary";
        SEC("raw_tp/sys_enter") int p(void *c) { int a = 0; read_kernel(&a, 4, c); return a; }"#,
    ),
    (
        "no-license-lsm",
        r#"char LICENSE[] SEC("license") = "Apache-2.0";
        SEC("lsm/file_open") int p(void *c) { return 0; }"#,
    ),
    (
        "dual-license",
        r#"char LICENSE[] SEC("license") = "Dual BSD/GPL";
        SEC("raw_tp/sys_enter") int p(void *c) { int a = 0; read_kernel(&a, 4, c); return a; }"#,
    ),
    (
        "map-flags",
        r#"RINGBUF(1 << 19) SEC("raw_tp/sys_enter") int p(void *c) { return 0; }"#,
    ),
    (
        "map-without-flags",
        r#"RINGBUF(0) SEC("raw_tp/sys_enter") int p(void *c) { return 0; }"#,
    ),
    (
        "struct_ops-without-map",
        r#"SEC("struct_ops/init") int p(void *c) { return 0; }"#,
    ),
    (
        "skb-hwtstamp",
        r#"SEC("tc") int p(unsigned char *c) { return *(u64 *)(c + 184) != 0; }"#,
    ),
    (
        "skb-gso_size",
        r#"SEC("tc") int p(unsigned char *c) { return *(unsigned *)(c + 176); }"#,
    ),
    (
        "fentry-pointer-to-pointer",
        r#"SEC("fentry/fqdir_init") int p(u64 *c) { volatile u64 a = c[0]; return 0; }"#,
    ),
    (
        "fentry-pointer-to-struct",
        r#"SEC("fentry/fqdir_init") int p(u64 *c) { volatile u64 a = c[1]; return 0; }"#,
    ),
    (
        "lsm-pointer-to-number",
        r#"SEC("lsm/inode_getsecctx") int p(u64 *c) { volatile u64 a = c[2]; return 0; }"#,
    ),
    (
        "syscall-event",
        r#"SEC("tp/syscalls/sys_enter_getuid") int p(u64 *c) { return c[5] != 0; }"#,
    ),
    (
        "event",
        r#"SEC("tp/sched/sched_switch") int p(u64 *c) { return c[7] != 0; }"#,
    ),
    (
        "event-beyond",
        r#"SEC("tp/sched/sched_switch") int p(u64 *c) { return c[20] != 0; }"#,
    ),
    (
        "dotted-name",
        r#"SEC("kprobe/no_such_function.isra.0") int p(void *c) { return 0; }"#,
    ),
    (
        "kconfig-of-libbpf",
        r#"extern int LINUX_NO_SUCH __attribute__((section(".kconfig")));
        SEC("raw_tp/sys_enter") int p(void *c) { return LINUX_NO_SUCH; }"#,
    ),
    (
        "extern-without-section",
        r#"extern int no_such(void);
        SEC("raw_tp/sys_enter") int p(void *c) { return no_such(); }"#,
    ),
    (
        "weak-extern",
        r#"extern int no_such(void) __attribute__((weak));
        SEC("raw_tp/sys_enter") int p(void *c) { return no_such ? no_such() : 0; }"#,
    ),
    (
        "global-never-called",
        r#"GLOBAL SEC("raw_tp/sys_enter") int p(void *c) { return HAS ? global(3) : 0; }"#,
    ),
    (
        // The array's initial value makes an empty section in the BTF, which 5.10 refuses.
        "global-without-btf",
        r#"GLOBAL SEC("raw_tp/sys_enter") int p(void *c) {
            volatile char a[5] = {1, 0, 1, 0, 1};
            a[3] = HAS;
            return a[3] ? global(3) : 0;
        }"#,
    ),
    (
        "may-sleep",
        r#"SEC("fentry/vfs_read") int p(void *c) { int a = 0; copy(&a, 4, c); return 0; }"#,
    ),
    (
        "may-sleep-there",
        r#"SEC("lsm.s/file_open") int p(void *c) { int a = 0; copy(&a, 4, c); return 0; }"#,
    ),
    (
        "iterator-without-sleep",
        r#"SEC("iter.s/bpf_map") int p(void *c) { return 0; }"#,
    ),
];

/// The objects, each by its program's name; says why if there is no compiler.
#[must_use]
pub fn objects() -> Option<Vec<ObjectFile>> {
    let objects = PROGRAMS.iter().map(|(name, source)| {
        let elf = compiled(&format!("{PRELUDE}\n{source}"))?;
        let name = format!("rules/{name}");
        Some(ObjectFile { name, elf })
    });
    objects.collect()
}
