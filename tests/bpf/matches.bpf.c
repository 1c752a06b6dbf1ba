/* Type matching: names, sizes and signatures must agree, not only kinds. */
#include "core.h"

struct opaque;
union opaque_union;
struct part { u32 x; u64 y; };
union choice { u32 x; struct part p; };
enum state { STATE_A, STATE_B };
enum long_state { LONG_A, LONG_B = 0x100000000 };

struct numbers { u8 a; s16 b; u32 c; s64 d; _Bool e; };
struct pointers {
	struct part *part;
	union choice *choice;
	struct opaque *opaque;
	union opaque_union *opaque_union;
	struct part **twice;
	void *nothing;
	enum state *state;
	u32 *number;
	struct part *const volatile qualified;
};
struct arrays { u32 a[4]; struct part b[2][3]; char *c[5]; struct part d[]; };
struct nested {
	struct part part;
	struct { u32 in; union { u32 left; u64 right; }; };
	struct { u64 other; } named;
	enum state state;
	enum long_state long_state;
};
struct calls {
	int (*plain)(struct part *, u32);
	void (*none)(void);
	struct part *(*make)(const char *name, enum state state);
	int (*nested)(int (*inner)(struct part *), union choice *);
};
struct bits { u32 a : 3; u32 b : 9; s64 c : 33; };
struct empty {};

SEC("raw_tp/matches") int matches(void)
{
	TYPE_MATCHES(struct part);
	TYPE_MATCHES(union choice);
	TYPE_MATCHES(enum state);
	TYPE_MATCHES(enum long_state);
	TYPE_MATCHES(struct numbers);
	TYPE_MATCHES(struct pointers);
	TYPE_MATCHES(struct arrays);
	TYPE_MATCHES(struct nested);
	TYPE_MATCHES(struct calls);
	TYPE_MATCHES(struct bits);
	TYPE_MATCHES(struct empty);
	return 0;
}

SEC("raw_tp/with_fields") int with_fields(struct part *p)
{
	TYPE_MATCHES(struct part);
	PUT(__builtin_preserve_access_index(p->y));
	TYPE_MATCHES(struct part);
	TYPE_SIZE(struct part);
	return 0;
}
