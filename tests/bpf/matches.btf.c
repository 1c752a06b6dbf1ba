/* variants: wider fwd ints order enums protos pointee twins elems */
#include "core.h"

#ifdef V_fwd
struct part;
union choice;
struct opaque { int known; };
union opaque_union { int known; };
#else
struct opaque;
union opaque_union;
#ifdef V_order
struct part { u64 y; u8 extra; u32 x; };
#else
struct part { u32 x; u64 y; };
#endif
union choice { u32 x; struct part p; };
#endif
#ifdef V_enums
enum state { STATE_B = 9, STATE_C, STATE_A = 0x100000000 };
enum long_state { LONG_B = -3, LONG_A };
#elif defined(V_twins)
enum state { STATE_A, STATE_Z };
enum state___b { STATE_A___x, STATE_B___y, STATE_C___z };
enum long_state { LONG_A, LONG_B = 0x100000000, LONG_C };
enum state___b state_b_;
#else
enum state { STATE_A, STATE_B, STATE_C };
enum long_state { LONG_B = -0x100000000, LONG_A };
#endif

#ifdef V_ints
struct numbers { s8 a; s16 b; u32 c; s64 d; _Bool e; };
#elif defined(V_elems)
struct numbers { u8 a; s16 b; u32 c; s32 d; _Bool e; };
#elif defined(V_wider)
struct numbers { u64 first; _Bool e; s64 d; u32 c; s16 b; u8 a; };
#else
struct numbers { u8 a; s16 b; u32 c; s64 d; };
#endif

struct pointers {
#ifdef V_pointee
	/* Behind a pointer only the name and kind of a struct count. */
	struct part___other { float z; } *part;
	union opaque_union *choice;
#else
	struct part *part;
	union choice *choice;
#endif
	struct opaque *opaque;
	union opaque_union *opaque_union;
	struct part **twice;
	void *nothing;
	enum state *state;
#ifdef V_ints
	s32 *number;
#else
	u32 *number;
#endif
	struct part *qualified;
	u64 extra;
};

#ifndef V_fwd
#ifdef V_elems
struct arrays { u32 a[5]; struct part b[2][3]; char *c[5]; struct part d[]; };
struct nested {
	struct part part[1];
	struct { u32 in; union { u32 left; u64 right; }; };
	struct { u64 other; } named;
	enum state state;
	enum long_state long_state;
};
#else
struct arrays { char *c[5]; struct part b[2][3]; u32 a[4]; struct part d[]; };
struct nested {
	u64 extra;
	struct { union { u64 right; u32 left; }; u32 in; };
#ifdef V_order
	struct { u64 more; u64 other; } named;
	struct part part;
	enum state state;
	enum long_state long_state;
#else
	struct { u64 more; u64 other; } named_;
#endif
};
#endif
struct arrays *arrays_;
struct holds_arrays { struct arrays a; } holds_arrays_;
struct nested nested_;
struct part part_;
union choice choice_;
#endif

struct calls {
#ifdef V_protos
	int (*plain)(struct part *, s32);
	int (*none)(void);
	const struct part *(*make)(const char *, enum state);
	int (*nested)(int (*inner)(union choice *), union choice *);
#elif defined(V_pointee)
	int (*plain)(struct part *, u32);
	void (*none)(void);
	struct part *(*make)(const char *, enum state);
	int (*nested)(int (*inner)(struct part *, int), union choice *);
#else
	int (*plain)(struct part *, u32);
	void (*none)(void);
	struct part *(*make)(const char *, enum state);
	int (*nested)(int (*inner)(struct part *), union choice *);
#endif
};

#ifdef V_wider
struct bits { s64 c : 40; u32 a : 1; u32 b; };
struct empty { int x; };
#else
struct bits { u32 a : 3; s32 b : 9; s64 c : 33; };
union empty { int x; };
#endif

#ifdef V_twins
struct part___b { u64 y; float x; };
struct part___c { u64 y; u32 x; float f; };
struct part___b part_b_;
struct part___c part_c_;
struct numbers___b { u8 a; s16 b; u32 c; s64 d; _Bool e; float f; };
struct numbers___b numbers_b_;
#endif

enum state state_;
enum long_state long_state_;
struct numbers numbers_;
struct pointers pointers_;
struct calls calls_;
struct bits bits_;
#ifdef V_wider
struct empty empty_;
#else
union empty empty_;
#endif
