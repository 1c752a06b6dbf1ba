/* variants: shuffled resized missing foreign chained */
#include "core.h"

#ifdef V_shuffled
struct inner {
	u32 pad[3];
	u32 high;
	u32 low;
};
struct record {
	struct inner nested;
	float ratio;
	void *pointer;
	u64 wide;
	s32 negative;
	u32 counter;
	const char *name;
	u16 small;
	_Bool flag;
	s8 tiny;
	struct inner *link;
	u32 plain;
};
union mixed {
	u32 first;
	u64 second;
};
#endif

#ifdef V_resized
/* Unsigned ones may be loaded in another width, signed ones may not. */
struct inner {
	u64 low;
	u8 high;
};
struct record {
	s64 tiny;
	u64 small;
	u8 plain;
	s16 negative;
	u32 wide;
	char pointer[4];
	struct inner nested;
	struct inner *link;
	u64 counter;
	const char *name;
	double ratio;
	int flag;
};
struct mixed {
	s32 first;
	s64 second;
	u64 third;
};
#endif

#ifdef V_missing
struct inner {
	u32 lower;
};
struct record {
	u32 plain_;
	u64 wide;
	struct inner nested;
};
#endif

#ifdef V_foreign
/* The names are there, the types are others. */
enum kind { KIND_A, KIND_B };
struct inner {
	struct { int x; } low;
	enum kind high;
};
struct record {
	struct inner tiny;
	void *small;
	float plain;
	enum kind negative;
	u64 wide[2];
	u64 pointer;
	u32 nested;
	struct inner link;
	u32 *counter;
	char name[16];
	u32 ratio;
	struct inner *flag;
};
struct mixed {
	void *first;
	enum kind second;
};
#endif

#ifdef V_chained
/* Through typedefs and qualifiers all the way. */
typedef u32 a_t;
typedef const a_t b_t;
typedef volatile b_t c_t;
typedef c_t d_t;
struct inner {
	d_t high;
	d_t low;
};
typedef struct inner inner_t;
typedef const inner_t inner_const_t;
struct record {
	u64 before;
	d_t plain;
	inner_const_t nested;
	inner_t *const volatile link;
	b_t counter;
	void *const pointer;
};
typedef struct record record_t;
record_t also;
#endif

struct inner keep_inner;
struct record keep_record;
#if defined(V_shuffled)
union mixed keep_mixed;
#elif !defined(V_missing) && !defined(V_chained)
struct mixed keep_mixed;
#endif
