/* variants: moved short inner flexible foreign */
#include "core.h"

#ifdef V_moved
struct cell {
	u64 pad;
	u32 b;
	u16 a;
};
struct table {
	u16 x;
	char *names[4];
	struct cell matrix[3][5];
	u64 line[9];
	struct cell cells[5];
	u32 grid[4][7];
};
struct tail {
	u64 extra;
	struct cell items[];
};
struct zero {
	u64 len;
	u16 items[0];
};
struct fixed {
	u16 items[5];
	u32 len;
};
#endif

#ifdef V_short
/* Each index used is out of bounds, or just within them. */
struct cell {
	u32 a;
	u32 b;
};
struct table {
	u32 line[7];
	u64 grid[2][4];
	struct cell cells[3];
	struct cell matrix[2][1];
	char *names[1];
};
struct tail {
	u32 len;
	struct cell items[7];
};
struct zero {
	u32 len;
	u16 items[3];
};
struct fixed {
	u32 len;
	u32 items[2];
};
#endif

#ifdef V_inner
/* An array of no length that is not the last member is no flexible one. */
struct cell {
	u32 b;
	u32 a;
};
struct table {
	u32 line[0];
	u64 grid[4][0];
	struct cell cells[0];
	struct cell matrix[0][2];
	char *names[2];
};
struct tail {
	struct cell items[0];
	u32 len;
};
struct zero {
	u16 items[0];
	u32 len;
	u32 more;
};
struct fixed {
	u32 items[0];
	u32 len;
};
#endif

#ifdef V_flexible
/* Fixed there, flexible here; flexible in a union; behind a typedef. */
struct cell {
	u32 a, b, c;
};
typedef struct cell cells_t[];
struct table {
	u64 grid[3][4];
	u32 line[];
};
union tail {
	u32 len;
	struct cell items[0];
};
struct zero {
	u64 len;
	u16 items[];
};
struct fixed {
	u64 len;
	u32 items[];
};
struct table___2 {
	u32 len;
	cells_t cells;
};
struct table___2 keep_table_2;
#endif

#ifdef V_foreign
struct cell {
	float a;
	u32 b[2];
};
struct table {
	u32 line;
	u64 grid[12];
	struct cell *cells;
	struct cell matrix[4];
	char names[2];
};
struct tail {
	u32 len;
	struct cell *items;
};
struct zero {
	u32 len;
	u16 items;
};
struct fixed {
	u32 len;
	void *items[4];
};
#endif

struct cell keep_cell;
struct table keep_table;
#ifdef V_flexible
union tail keep_tail;
#else
struct tail *keep_tail_pointer;
struct holds_tail { struct tail t; } keep_tail;
#endif
struct zero keep_zero;
#ifdef V_flexible
struct holds_fixed { struct fixed f; } keep_fixed;
#else
struct fixed keep_fixed;
#endif
