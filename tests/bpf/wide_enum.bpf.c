/* An enumerator of 64 bits. A pahole before 1.24 wrote such an enum as an ENUM of
 * 8 bytes and kept 32 bits of each value.
 */
#include "core.h"

enum wide_flags { WIDE_LOW = 4UL, WIDE_HIGH = (1UL << 63) | 4 };

char LICENSE[] SEC("license") = "GPL";

SEC("kprobe/do_exit") int on_exit(void *ctx)
{
	ENUMVAL_VALUE(enum wide_flags, WIDE_HIGH);
	return 0;
}

SEC("kprobe/do_fork") int on_fork(void *ctx)
{
	ENUMVAL_VALUE(enum wide_flags, WIDE_LOW);
	return 0;
}
