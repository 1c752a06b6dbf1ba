// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Reports every exec on the machine: which process, started by whom, as which
// user, on a machine of which name. One object for every kernel from 4.17 on,
// because CO-RE moves each access to where the running kernel keeps the member.
//
// No header of any kernel is needed: declared below is what the program reads
// and nothing else. The hole in front of each struct sees to it that no offset
// written here is any real kernel's: what the program prints is right only when
// it has been relocated, never by luck.
//
// execwatch.bpf.o beside this file is what clang 19 makes of it, in two steps:
//
//   clang-19 -target bpfel -mcpu=v2 -O2 -g -fno-ident -fdebug-compilation-dir=. \
//       -Wall -Wextra -Werror -c execwatch.bpf.c -o execwatch.bpf.o
//   llvm-strip-19 -g execwatch.bpf.o
//
// With BTFHUB_EXAMPLE_CLANG=1 in the environment cargo takes these steps itself.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

// ---- The kernel, as far as this program looks --------------------------------

#define HOLE u8 hole[4096]
#define KERNEL __attribute__((preserve_access_index))

struct new_utsname {
	HOLE;
	char nodename[65];
} KERNEL;

struct uts_namespace {
	HOLE;
	struct new_utsname name;
} KERNEL;

struct nsproxy {
	HOLE;
	struct uts_namespace *uts_ns;
} KERNEL;

typedef struct {
	u32 val;
} kuid_t;

struct cred {
	HOLE;
	kuid_t uid;
} KERNEL;

struct upid {
	HOLE;
	int nr;
} KERNEL;

struct pid {
	HOLE;
	struct upid numbers[1];
} KERNEL;

// The values are not the kernel's either, and kernels differ: 2 on RHEL 8, 3
// elsewhere.
enum pid_type {
	PIDTYPE_SID = 77,
};

struct signal_struct {
	HOLE;
	struct pid *pids[4];
} KERNEL;

struct task_struct {
	HOLE;
	u32 other_bits : 5;
	u32 in_execve : 1;
	u32 __state; // since 5.14
	int tgid;
	char comm[16];
	struct task_struct *real_parent;
	const struct cred *real_cred;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
} KERNEL;

// The same struct by an older description. What follows `___` is no part of the
// name: this too is looked up as `task_struct`.
struct task_struct___before_5_14 {
	HOLE;
	long state;
} KERNEL;

// ---- The few helpers of libbpf's headers that are needed ---------------------

#define SEC(name) __attribute__((section(name), used))

static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_perf_event_output)(void *ctx, void *map, u64 flags, void *data,
					   u64 size) = (void *)25;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static struct task_struct *(*const bpf_get_current_task_btf)(void) = (void *)158;

#define BPF_MAP_TYPE_PERF_EVENT_ARRAY 4
#define BPF_F_CURRENT_CPU 0xffffffffULL

// The `info` of clang's __builtin_preserve_field_info and _enum_value.
enum { FIELD_BYTE_OFFSET, FIELD_BYTE_SIZE, FIELD_EXISTS, FIELD_SIGNED, FIELD_LSHIFT, FIELD_RSHIFT };
enum { ENUMVAL_EXISTS, ENUMVAL_VALUE };

#define read_field(to, from, member) \
	bpf_probe_read_kernel(&(to), sizeof(to), __builtin_preserve_access_index(&(from)->member))

#define field_exists(from, member) __builtin_preserve_field_info((from)->member, FIELD_EXISTS)

#define enum_value(type, name) __builtin_preserve_enum_value(*(type *)name, ENUMVAL_VALUE)

// A bitfield has no address: reads the bytes around it, then shifts it out.
#define read_bits(to, from, member)                                                           \
	do {                                                                                  \
		u64 bytes = 0;                                                                \
		bpf_probe_read_kernel(                                                        \
			&bytes, __builtin_preserve_field_info((from)->member, FIELD_BYTE_SIZE), \
			(const u8 *)(from) +                                                  \
				__builtin_preserve_field_info((from)->member, FIELD_BYTE_OFFSET)); \
		bytes <<= __builtin_preserve_field_info((from)->member, FIELD_LSHIFT);        \
		(to) = bytes >> __builtin_preserve_field_info((from)->member, FIELD_RSHIFT);  \
	} while (0)

// ---- The program -------------------------------------------------------------

// What user space gets; read by `Event::parse` in lib.rs.
struct event {
	u32 pid;
	u32 parent;
	u32 session;
	u32 uid;
	u32 parent_state;
	u32 in_execve;
	char comm[16];
	char node[65];
};

// Not a ring buffer: those came with 5.8, and older kernels are what embedded
// BTF is for.
struct {
	int (*type)[BPF_MAP_TYPE_PERF_EVENT_ARRAY];
	int (*key_size)[sizeof(u32)];
	int (*value_size)[sizeof(u32)];
} events SEC(".maps");

struct bpf_raw_tracepoint_args {
	u64 args[4];
};

static __attribute__((always_inline)) u32 task_state(const struct task_struct *task)
{
	const struct task_struct___before_5_14 *older = (const void *)task;

	if (field_exists(task, __state)) {
		u32 state = 0;

		read_field(state, task, __state);
		return state;
	} else {
		long state = 0;

		read_field(state, older, state);
		return state;
	}
}

static __attribute__((always_inline)) u32 session_id(const struct task_struct *task)
{
	struct signal_struct *signal = 0;
	struct pid *leader = 0;
	int id = 0;

	// 4.17 and 4.18 keep it elsewhere.
	if (!field_exists(signal, pids))
		return 0;
	read_field(signal, task, signal);
	bpf_probe_read_kernel(&leader, sizeof(leader),
			      (const u8 *)__builtin_preserve_access_index(&signal->pids) +
				      enum_value(enum pid_type, PIDTYPE_SID) * sizeof(leader));
	read_field(id, leader, numbers[0].nr);
	return id;
}

SEC("raw_tp/sched_process_exec")
int execwatch(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)ctx->args[0];
	struct task_struct *parent = 0;
	struct nsproxy *nsproxy = 0;
	struct uts_namespace *uts = 0;
	const struct cred *cred = 0;
	struct event event;

	// Padding too, or the verifier sees uninitialised stack leave the kernel.
	__builtin_memset(&event, 0, sizeof(event));

	read_field(event.pid, task, tgid);
	read_field(event.comm, task, comm);
	read_bits(event.in_execve, task, in_execve);

	read_field(parent, task, real_parent);
	read_field(event.parent, parent, tgid);
	event.parent_state = task_state(parent);

	read_field(cred, task, real_cred);
	read_field(event.uid, cred, uid.val);

	read_field(nsproxy, task, nsproxy);
	read_field(uts, nsproxy, uts_ns);
	read_field(event.node, uts, name.nodename);

	event.session = session_id(task);

	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return 0;
}

// ---- A program for newer kernels ---------------------------------------------

// Shorter than `struct event`, by which user space tells them apart.
struct exit {
	u32 pid;
	char comm[16];
};

#define TASK_DEAD 0x80

// A process is gone when it is switched away from for the last time. Before 5.18 the
// tracepoint has no fourth argument, the state that the process is left in; and before 5.11
// the helper is not there.
SEC("raw_tp/sched_switch")
int exits(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	const struct task_struct *task;
	struct exit exit = {};

	// A thread alone is no process.
	if (!(ctx->args[3] & TASK_DEAD) || id >> 32 != (u32)id)
		return 0;
	task = bpf_get_current_task_btf();
	read_field(exit.pid, task, tgid);
	read_field(exit.comm, task, comm);
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &exit, sizeof(exit));
	return 0;
}

// bpf_probe_read_kernel is for GPL-compatible programs only.
const char LICENSE[] SEC("license") = "Dual MIT/GPL";
