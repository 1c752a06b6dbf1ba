/* Stands in for what the Rust compiler writes: debug information that names Rust
 * sources, and no CO-RE relocations.
 */
#include "core.h"

char LICENSE[] SEC("license") = "GPL";

#line 1 "src/main.rs"
SEC("kprobe/do_exit") int on_exit(void *ctx)
{
	PUT(1);
	return 0;
}
