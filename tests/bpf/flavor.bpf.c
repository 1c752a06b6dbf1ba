/* Names: what stands after the last three underscores is ours alone. */
#include "core.h"

struct shape___old {
	u32 width;
} CORE;
struct shape___new {
	struct {
		u32 w;
	} size;
} CORE;
struct shape___a___b {
	u32 width;
} CORE;
struct two___parts___x {
	u32 value;
} CORE;
struct four____under {
	u32 value;
} CORE;
struct ___lead {
	u32 value;
} CORE;
struct trail___ {
	u32 value;
} CORE;
struct a___b {
	u32 value;
} CORE;
enum level___mine { LEVEL_LOW___mine = 1, LEVEL_HIGH = 2, ___LEVEL = 3, LEVEL___ = 4, };

SEC("raw_tp/shape") int shape(struct shape___old *old)
{
	struct shape___new *new = (void *)old;
	struct shape___a___b *ab = (void *)old;
	ALL_OF_FIELD(old->width);
	ALL_OF_FIELD(new->size.w);
	ALL_OF_FIELD(ab->width);
	ALL_OF_TYPE(struct shape___old);
	ALL_OF_TYPE(struct shape___new);
	ALL_OF_TYPE(struct shape___a___b);
	return 0;
}

SEC("raw_tp/names") int names(void *p)
{
	struct two___parts___x *two = p;
	struct four____under *four = p;
	struct ___lead *lead = p;
	struct trail___ *trail = p;
	struct a___b *ab = p;
	ALL_OF_FIELD(two->value);
	ALL_OF_FIELD(four->value);
	ALL_OF_FIELD(lead->value);
	ALL_OF_FIELD(trail->value);
	ALL_OF_FIELD(ab->value);
	return 0;
}

SEC("raw_tp/enums") int enums(void)
{
	ENUMVAL_EXISTS(enum level___mine, LEVEL_LOW___mine);
	ENUMVAL_VALUE(enum level___mine, LEVEL_LOW___mine);
	ENUMVAL_VALUE(enum level___mine, LEVEL_HIGH);
	ENUMVAL_VALUE(enum level___mine, ___LEVEL);
	ENUMVAL_VALUE(enum level___mine, LEVEL___);
	return 0;
}
