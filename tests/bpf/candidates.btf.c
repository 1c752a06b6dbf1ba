/* variants: pruned sizes order equal none kinds */
#include "core.h"

#ifdef V_pruned
/* Each lacks something else; some differ in the rest. */
struct many { u32 common; u32 some; u64 other; };
struct many___b { u32 x; u32 common; u64 other; u32 list[4]; };
struct many___c { u32 some; u32 list[2]; u32 common; u32 flag : 2; };
struct many___d { u32 common; u32 some; u64 pad; void *link; };
struct many___e { u64 common; u32 some; u64 other; u32 list[]; };
#endif

#ifdef V_sizes
/* Equal offsets, other sizes: the first one's size is used. */
struct many { u16 common; u16 gap; u64 some; u32 other; u32 pad; u16 list[4]; void *link; };
struct many___b { u32 common; u32 some; u32 gap; u64 other; u32 list[4]; void *link; u32 flag : 1; };
struct many___c { u32 common; u64 some; u64 other; u64 list[4]; u64 link; };
struct many___d { s32 common; s64 some; s32 other; s16 list[8]; u32 flag : 1; };
struct many___e { u8 common; u8 some; };
#endif

#ifdef V_order
/* The same as sizes, the other way round. */
struct many { u8 common; u8 some; };
struct many___b { s32 common; s64 some; s32 other; s16 list[8]; u32 flag : 1; };
struct many___c { u32 common; u64 some; u64 other; u64 list[4]; u64 link; };
struct many___d { u32 common; u32 some; u32 gap; u64 other; u32 list[4]; void *link; u32 flag : 1; };
struct many___e { u16 common; u16 gap; u64 some; u32 other; u32 pad; u16 list[4]; void *link; };
#endif

#ifdef V_equal
/* All the same but for what nothing asks for. */
struct many { u32 common; u32 some; u64 other; u32 list[4]; u32 flag : 1; void *link; };
struct many___b { u32 common; u32 some; u64 other; u32 list[4]; u32 flag : 1; void *link; float x; };
struct many___c { u32 common; u32 some; u64 other; u32 list[4]; u32 flag : 1; struct many *link; float y; };
struct many___d { u32 common; u32 some; u64 other; u32 list[4]; u32 flag : 1; void *link; float y; };
struct many___e { u32 common; u32 some; u64 other; u32 list[4]; u32 flag : 1; void *link; };
#endif

#ifdef V_none
/* None has any of it, or all of the wrong type. */
struct many { u32 nothing; };
struct many___b { float common; void *some; float other; u32 *list; float flag; u32 link; };
struct many___c {};
struct many___d { struct many common, some, other, list, flag, link; };
struct many___e { u32 commons; };
#endif

#ifdef V_kinds
/* Unions and other things of the name are no candidates. */
union many { u32 common; u32 some; u64 other; u32 list[4]; void *link; };
enum many___b { COMMON };
typedef struct { u32 common; u32 some; u64 other; } many___c;
struct many___d { u32 x, y, z; u32 common; u32 some; u64 other; u32 list[4]; u32 flag : 1; void *link; };
typedef struct many___d many___e;
#endif

#ifdef V_kinds
union many a;
enum many___b b;
many___c c;
struct many___d d;
many___e e;
#else
struct many a;
struct many___b b;
struct many___c c;
struct many___d d;
struct many___e *e_pointer;
struct holds { struct many___e e; } e;
#endif
