/* Members: offset, size, sign; loads and stores whose width must follow. */
#include "core.h"

struct inner {
	u32 low;
	u32 high;
} CORE;

typedef const volatile u32 counter_t;

struct record {
	s8 tiny;
	u16 small;
	u32 plain;
	s32 negative;
	u64 wide;
	void *pointer;
	struct inner nested;
	struct inner *link;
	counter_t counter;
	const char *const name;
	float ratio;
	_Bool flag;
} CORE;

/* The target has a union here. */
struct mixed {
	u32 first;
	u64 second;
} CORE;

SEC("raw_tp/loads") int loads(struct record *r)
{
	PUT(r->tiny);
	PUT(r->small);
	PUT(r->plain);
	PUT(r->negative);
	PUT(r->wide);
	PUT(r->pointer);
	PUT(r->nested.high);
	PUT(r->link->low);
	PUT(r->counter);
	PUT(r->name);
	PUT(r->flag);
	return 0;
}

SEC("raw_tp/stores") int stores(struct record *r)
{
	r->tiny = 1;
	r->small = (u16)out;
	r->plain = 7;
	r->wide = out;
	r->negative = (s32)out;
	r->pointer = (void *)out;
	r->nested.low = 3;
	return 0;
}

SEC("raw_tp/facts") int facts(struct record *r)
{
	ALL_OF_FIELD(r->tiny);
	ALL_OF_FIELD(r->small);
	ALL_OF_FIELD(r->plain);
	ALL_OF_FIELD(r->negative);
	ALL_OF_FIELD(r->wide);
	PLACE_OF(r->pointer);
	PLACE_OF(r->nested);
	ALL_OF_FIELD(r->nested.low);
	PLACE_OF(r->link);
	ALL_OF_FIELD(r->counter);
	PLACE_OF(r->ratio);
	ALL_OF_FIELD(r->flag);
	return 0;
}

SEC("raw_tp/mixed") int mix(struct mixed *m)
{
	PUT(m->second);
	ALL_OF_FIELD(m->first);
	ALL_OF_FIELD(m->second);
	return 0;
}
