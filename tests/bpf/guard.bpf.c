/* Accesses behind checks, and beside them: which of these programs the verifier
 * takes when a kernel lacks what they access.
 */
#include "core.h"

static long (*const probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*const get_current_task)(void) = (void *)35;

char LICENSE[] SEC("license") = "GPL";

struct task {
	u32 __state;
	u64 extra;
} CORE;
struct task___before {
	long state;
} CORE;
struct gone {
	u32 value;
} CORE;
enum feature { FEATURE_NEW = 7 };

#define HAS(field) __builtin_preserve_field_info(field, 2)
#define SIZE(field) __builtin_preserve_field_info(field, 1)
#define HAS_TYPE(type) __builtin_preserve_type_info(*(typeof(type) *)0, 0)
#define HAS_VALUE(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 0)
#define READ(field)                                                            \
	({                                                                     \
		typeof(field) value_ = 0;                                      \
		probe_read_kernel(&value_, sizeof(value_),                     \
				  __builtin_preserve_access_index(&field));    \
		value_;                                                        \
	})

SEC("raw_tp/unguarded") int unguarded(void *ctx)
{
	struct task *task = (void *)get_current_task();
	PUT(READ(task->__state));
	return 0;
}

SEC("raw_tp/guarded") int guarded(void *ctx)
{
	struct task *task = (void *)get_current_task();
	if (HAS(task->__state))
		PUT(READ(task->__state));
	return 0;
}

SEC("raw_tp/either") int either(void *ctx)
{
	struct task *task = (void *)get_current_task();
	if (HAS(task->__state)) {
		PUT(READ(task->__state));
	} else {
		struct task___before *before = (void *)task;
		PUT(READ(before->state));
	}
	return 0;
}

SEC("raw_tp/early_return") int early_return(void *ctx)
{
	struct task *task = (void *)get_current_task();
	if (!HAS(task->extra))
		return 0;
	PUT(READ(task->extra));
	return 0;
}

SEC("raw_tp/by_type") int by_type(void *ctx)
{
	struct gone *gone = (void *)get_current_task();
	if (HAS_TYPE(struct gone))
		PUT(READ(gone->value));
	return 0;
}

SEC("raw_tp/by_value") int by_value(void *ctx)
{
	if (HAS_VALUE(enum feature, FEATURE_NEW))
		ENUMVAL_VALUE(enum feature, FEATURE_NEW);
	return 0;
}

/* Asks, and does not heed the answer. */
SEC("raw_tp/unheeded") int unheeded(void *ctx)
{
	struct task *task = (void *)get_current_task();
	PUT(HAS(task->__state));
	PUT(READ(task->__state));
	return 0;
}

/* The question for its size already fails where it is not there. */
SEC("raw_tp/by_size") int by_size(void *ctx)
{
	struct task *task = (void *)get_current_task();
	if (SIZE(task->__state) == 4)
		PUT(READ(task->__state));
	return 0;
}

SEC("raw_tp/both") int both(void *ctx)
{
	struct task *task = (void *)get_current_task();
	if (HAS(task->__state) && HAS(task->extra))
		PUT(READ(task->__state) + READ(task->extra));
	return 0;
}

/* The wrong field is checked. */
SEC("raw_tp/other") int other(void *ctx)
{
	struct task *task = (void *)get_current_task();
	if (HAS(task->__state))
		PUT(READ(task->extra));
	return 0;
}

/* Nothing that any kernel lacks. */
SEC("raw_tp/plain") int plain(void *ctx)
{
	PUT(get_current_task());
	return 0;
}
