/* Several types of one name: libbpf drops those that a relocation does not fit
 * for all that follow, so the order of programs, and which of them are loaded,
 * decides. Each section asks the same things in another order.
 */
#include "core.h"

struct many {
	u32 common;
	u32 some;
	u64 other;
	u32 list[4];
	u32 flag : 1;
	void *link;
} CORE;

SEC("raw_tp/one") int one(struct many *m)
{
	EXISTS(m->some);
	BYTE_OFFSET(m->common);
	BYTE_SIZE(m->common);
	EXISTS(m->other);
	return 0;
}

SEC("raw_tp/two") int two(struct many *m)
{
	PUT(m->other);
	BYTE_SIZE(m->common);
	EXISTS(m->some);
	PUT(m->some);
	return 0;
}

SEC("raw_tp/three") int three(struct many *m)
{
	TYPE_SIZE(struct many);
	EXISTS(m->list[3]);
	PUT(m->list[1]);
	TYPE_SIZE(struct many);
	TYPE_EXISTS(struct many);
	return 0;
}

SEC("raw_tp/four") int four(struct many *m)
{
	LSHIFT(m->flag);
	RSHIFT(m->flag);
	SIGNED(m->flag);
	PUT(m->common);
	return 0;
}

SEC("raw_tp/five") int five(struct many *m)
{
	EXISTS(m->link);
	PUT(m->link);
	TYPE_ID_TARGET(struct many);
	TYPE_MATCHES(struct many);
	return 0;
}

SEC("raw_tp/six") int six(struct many *m)
{
	TYPE_ID_TARGET(struct many);
	EXISTS(m->common);
	return 0;
}
