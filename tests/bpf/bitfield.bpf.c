/* Bitfields: the smallest load that holds them, shifts, signs. */
#include "core.h"

enum mode { MODE_OFF, MODE_ON, MODE_AUTO };

struct bits {
	u32 first : 1;
	u32 seven : 7;
	s32 negative : 5;
	u32 across : 19;
	u64 large : 40;
	u16 half : 9;
	u8 octet : 3;
	enum mode mode : 2;
	u32 plain;
	s32 signed_plain;
} CORE;

struct wrapper {
	u32 before;
	struct bits inner[2];
	struct {
		u32 hidden : 3;
	};
} CORE;

SEC("raw_tp/facts") int facts(struct bits *b)
{
	ALL_OF_FIELD(b->first);
	ALL_OF_FIELD(b->seven);
	ALL_OF_FIELD(b->negative);
	ALL_OF_FIELD(b->across);
	ALL_OF_FIELD(b->large);
	ALL_OF_FIELD(b->half);
	ALL_OF_FIELD(b->octet);
	ALL_OF_FIELD(b->mode);
	return 0;
}

SEC("raw_tp/plain") int plain(struct bits *b)
{
	PUT(b->plain);
	ALL_OF_FIELD(b->plain);
	ALL_OF_FIELD(b->signed_plain);
	return 0;
}

SEC("raw_tp/wrapped") int wrapped(struct wrapper *w)
{
	ALL_OF_FIELD(w->inner[1].across);
	ALL_OF_FIELD(w->inner[0].mode);
	ALL_OF_FIELD(w->hidden);
	return 0;
}
