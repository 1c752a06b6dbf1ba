/* variants: flat deeper named twins ambiguous partial depth63 depth64 pointers */
#include "core.h"

#ifdef V_flat
struct leaf { u64 pad; u32 value; };
struct tree {
	u32 flat;
	u64 right;
	u32 left;
	u32 deep;
	struct { u32 x; struct leaf inner; } named;
};
#endif

#ifdef V_deeper
struct leaf { union { struct { u32 pad; union { u32 value; u64 alias; }; }; }; };
struct tree {
	struct { struct { struct { u16 a; struct { u32 flat; }; }; }; };
	union { struct { u64 x; union { u32 deep; struct { u8 y; u32 left; }; }; }; u64 right; };
	union { struct leaf inner; u64 raw; } named;
};
#endif

#ifdef V_named
/* What was unnamed has a name now, so its members are not found. */
struct leaf { struct { u32 value; } v; };
struct tree {
	struct { u32 deep; u32 left; } in;
	u64 right;
	struct { struct { struct leaf inner; } more; } named;
	u32 flat;
};
#endif

#ifdef V_twins
/* Several structs of the name that agree in all that is asked for. */
struct leaf { u32 pad; u32 value; };
struct leaf___b { u32 other; u32 value; u64 more; };
struct leaf___c { u32 other; u64 value; };
struct tree { u32 flat; u64 right; u32 left, deep; struct { struct leaf inner; } named; };
struct tree___b { u32 flat; u64 right; u32 left, deep; struct { struct leaf___b inner; } named; u64 more; };
struct leaf___b keep_leaf_b;
struct leaf___c keep_leaf_c;
struct tree___b keep_tree_b;
#endif

#ifdef V_ambiguous
struct leaf { u32 value; };
struct leaf___b { u32 pad; u32 value; };
struct tree { u32 flat; u32 deep; u32 left; u64 right; struct { struct leaf inner; } named; };
struct tree___b { u32 flat; u32 left; u32 deep; u64 right; struct { struct leaf___b inner; } named; };
struct leaf___b keep_leaf_b;
struct tree___b keep_tree_b;
#endif

#ifdef V_partial
/* Which candidates are left depends on what was asked before. */
struct leaf { float value; };
struct leaf___b { u32 pad[3]; u32 value; };
struct tree { u32 deep; u64 right; u32 x; u32 flat; };
struct tree___b { u32 deep; u32 left; u64 right; u32 flat; struct { struct leaf inner; } named; };
struct tree___c { u32 x; u32 deep; u32 y, z; u64 right; u32 flat; struct { struct leaf___b inner; } named; };
struct tree___d { u32 deep; char right[8]; u64 left; };
struct leaf___b keep_leaf_b;
struct tree___b keep_tree_b;
struct tree___c keep_tree_c;
struct tree___d keep_tree_d;
#endif

#define S4(x) struct { struct { struct { struct { x; }; }; }; }
#define S16(x) S4(S4(S4(S4(x))))

#ifdef V_depth63
/* The access string's length is bounded; the last that fits. */
struct leaf { S16(S16(S16(S4(S4(S4(struct { struct { u32 value; }; })))))); };
struct tree { u32 deep; u32 flat; u64 right; };
#endif

#ifdef V_depth64
/* One too deep, and too deep only on the way to a later member. */
struct leaf { S16(S16(S16(S4(S4(S4(struct { struct { struct { u32 value; }; }; })))))); };
struct tree {
	u32 deep;
	S16(S16(S16(S16(u32 abyss))));
	u32 flat;
	u64 right;
};
#endif

#ifdef V_pointers
/* An unnamed member that is no struct, and a pointer where a struct was. */
struct leaf { int : 32; u32 value; };
struct tree {
	int : 7;
	u32 deep;
	long : 40;
	u32 left;
	u64 right;
	struct leaf *named;
	u32 *flat;
};
#endif

struct leaf keep_leaf;
struct tree keep_tree;
