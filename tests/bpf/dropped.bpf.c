/* A change that drops kernels: the field has this name since 5.14 only, and
 * nothing asks whether it is there.
 */
#include "core.h"

static long (*const probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*const get_current_task)(void) = (void *)35;

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
	u32 __state;
} CORE;

SEC("raw_tp/sched_switch") int on_switch(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	u32 state = 0;
	probe_read_kernel(&state, sizeof(state), __builtin_preserve_access_index(&task->__state));
	PUT(state);
	return 0;
}
