/* One program, compiled with the headers of two kernels: see offset_a.bpf.c.
 * This header has another field before it.
 */
#include "core.h"

static long (*const probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*const get_current_task)(void) = (void *)35;

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
	int made_up_padding;
	int pid;
} CORE;

SEC("kprobe/do_exit") int on_exit(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	int pid = 0;
	probe_read_kernel(&pid, sizeof(pid), &task->pid);
	PUT(pid);
	return 0;
}
