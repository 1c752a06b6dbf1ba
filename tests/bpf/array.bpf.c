/* Array elements: bounds, element sizes, several dimensions, arrays of no
 * length at the end of a struct and elsewhere.
 */
#include "core.h"

struct cell {
	u32 a;
	u32 b;
} CORE;

struct table {
	u32 line[8];
	u64 grid[3][4];
	struct cell cells[5];
	struct cell matrix[2][2];
	char *names[2];
} CORE;

struct tail {
	u32 len;
	struct cell items[];
} CORE;

struct zero {
	u32 len;
	u16 items[0];
} CORE;

struct fixed {
	u32 len;
	u32 items[4];
} CORE;

SEC("raw_tp/loads") int loads(struct table *t)
{
	PUT(t->line[0]);
	PUT(t->line[7]);
	PUT(t->grid[2][3]);
	PUT(t->cells[4].b);
	PUT(t->matrix[1][0].a);
	PUT(t->names[1]);
	return 0;
}

SEC("raw_tp/facts") int facts(struct table *t)
{
	PLACE_OF(t->line[3]);
	PLACE_OF(t->line);
	PLACE_OF(t->grid[1]);
	PLACE_OF(t->grid[1][2]);
	PLACE_OF(t->grid);
	ALL_OF_FIELD(t->cells[2].a);
	PLACE_OF(t->cells[2]);
	ALL_OF_FIELD(t->matrix[1][1].b);
	PLACE_OF(t->names);
	return 0;
}

SEC("raw_tp/flexible") int flexible(struct tail *t)
{
	PUT(t->items[6].b);
	ALL_OF_FIELD(t->items[9].a);
	EXISTS(t->items[2]);
	BYTE_OFFSET(t->items[2]);
	return 0;
}

SEC("raw_tp/zero") int zero_sized(struct zero *z)
{
	PUT(z->items[3]);
	EXISTS(z->items[3]);
	PLACE_OF(z->items);
	return 0;
}

SEC("raw_tp/fixed") int fixed_sized(struct fixed *f)
{
	PUT(f->items[3]);
	PLACE_OF(f->items[1]);
	return 0;
}

/* The struct itself as an array behind a pointer. */
SEC("raw_tp/pointer") int pointer(struct cell *c)
{
	PUT(c[3].b);
	ALL_OF_FIELD(c[7].a);
	BYTE_OFFSET(c[2]);
	BYTE_SIZE(c[2]);
	EXISTS(c[2]);
	return 0;
}

/* What stands before it: the index is negative. */
SEC("raw_tp/before") int before(struct cell *c)
{
	PUT(c[-1].b);
	PUT((c - 2)->a);
	EXISTS(c[-1].a);
	return 0;
}

/* Signs and shifts of an element are refused. */
SEC("raw_tp/refused_sign") int refused_sign(struct table *t)
{
	SIGNED(t->line[1]);
	return 0;
}

SEC("raw_tp/refused_shift") int refused_shift(struct table *t)
{
	LSHIFT(t->line[1]);
	RSHIFT(t->line[1]);
	return 0;
}
