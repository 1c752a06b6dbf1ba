/* Maps that other objects share: no program, so no .BTF.ext. */
#include "core.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	int (*type)[1];
	int (*max_entries)[16];
	u32 *key;
	u64 *value;
} shared_counters SEC(".maps");
