/* variants: moved plain narrow big */
#include "core.h"

enum mode { MODE_OFF, MODE_ON = -1, MODE_AUTO };

#ifdef V_moved
struct bits {
	u8 pad : 3;
	u8 octet : 4;
	u64 large : 33;
	u64 half : 14;
	u16 seven : 11;
	s8 first : 2;
	s64 negative : 50;
	enum mode mode : 7;
	u32 across : 31;
	u32 plain : 30;
	s64 signed_plain : 20;
};
#endif

#ifdef V_plain
/* No bitfields any more, and the other way round. */
struct bits {
	s64 large;
	u64 first;
	u8 seven;
	s16 negative;
	u32 across;
	u16 half;
	s8 octet;
	enum mode mode;
	u32 plain : 13;
	u32 signed_plain : 3;
};
#endif

#ifdef V_narrow
/* Bytes as the declared type, packed: a load must become wider. */
struct bits {
	u8 lead : 5;
	u8 first : 8;
	u8 seven : 7;
	s8 negative : 8;
	u16 across : 15;
	u32 large : 31;
	u16 half : 16;
	u8 octet : 6;
	enum mode mode : 20;
	u8 plain : 8;
	s16 signed_plain : 11;
} __attribute__((packed));
#endif

#ifdef V_big
/* Sixty bits and more from an odd place: no single load holds them. */
struct bits {
	u8 lead : 7;
	u64 large : 62;
	u64 across : 60;
	s64 negative : 64;
	u64 first : 1;
	u64 half : 59;
	u64 seven : 58;
	u32 plain : 32;
	enum mode mode : 32;
	s32 signed_plain : 32;
	u8 octet : 1;
} __attribute__((packed));
#endif

struct wrapper {
	union {
		struct {
			u64 other;
			struct {
				u16 some : 9;
				u16 hidden : 6;
			};
		};
		u64 raw[3];
	};
	struct bits inner[3];
};

struct bits keep_bits;
struct wrapper keep_wrapper;
