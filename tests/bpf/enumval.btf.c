/* variants: changed swapped missing twins ambiguous renamed */
#include "core.h"

#ifdef V_changed
enum color { ZERO, BLUE = -1, GREEN = 6, RED = 9 };
enum temper { WARM = 0x7fffffff, COLD = -0x7fffffff - 1 };
enum wide { WIDE_HIGH = 0xffffffffffffffffULL, WIDE_LOW = 2 };
enum wide_signed { HIGH = 0x7fffffffffffffffLL, DEEP = -0x7fffffffffffffffLL };
enum top { TOP = 0xfffffffe };
typedef enum { ALIAS_B = 1, ALIAS_A = -1 } alias_t;
#endif

#ifdef V_swapped
/* 32 bits become 64 and the other way round. */
enum color { RED = 0x100000000, GREEN = -1LL, BLUE };
enum temper { COLD = 0x8000000000000000ULL, WARM = 1 };
enum wide { WIDE_LOW = 3, WIDE_HIGH = 4 };
enum wide_signed { DEEP = -4, HIGH = 4 };
enum top { TOP = -1LL, LARGE = 0x1ffffffffLL };
typedef enum { ALIAS_A = 0xabcdef0123ULL, ALIAS_B } alias_t;
#endif

#ifdef V_missing
enum color { RED, YELLOW };
enum temper { HOT };
enum wide { WIDE_LOW = 0xfffffffffULL };
typedef int alias_t;
#endif

#ifdef V_twins
/* Several enums of the name that agree on what is asked for. */
enum color { RED = 1, GREEN = 2, BLUE = 3 };
enum color___b { BLUE___b = 3, GREEN___b = 2 };
enum color___c { RED___c = 1 };
enum temper { COLD = 1, WARM = 2 };
enum wide { WIDE_LOW = 5, WIDE_HIGH = 0x500000000 };
enum wide___b { WIDE_LOW___b = 5 };
typedef enum { ALIAS_A } alias_t;
enum color___b color_b_;
enum color___c color_c_;
enum wide___b wide_b_;
#endif

#ifdef V_ambiguous
enum color { RED = 1, GREEN = 2, BLUE = 3 };
enum color___b { RED___b = 1, GREEN___b = 3 };
enum temper { COLD = -1, WARM = 2 };
enum temper___b { COLD___b = 0xffffffff };
enum wide { WIDE_LOW = 5, WIDE_HIGH = 0x500000000 };
enum wide___b { WIDE_LOW___b = 5, WIDE_HIGH___b = 0x500000001 };
typedef enum { ALIAS_A } alias_t;
enum color___b color_b_;
enum temper___b temper_b_;
enum wide___b wide_b_;
#endif

#ifdef V_renamed
/* Enums of other names, or none, as the types of fields. */
enum colour { RED, GREEN };
enum temper___flavor { COLD = 3 };
typedef struct { int x; } alias_t;
struct holder { u32 pad; enum colour color; enum temper___flavor temper; enum { W } wide; enum colour alias; };
#else
struct holder {
	alias_t alias;
	enum wide wide;
	enum temper temper;
	enum color color;
};
enum color color_;
enum temper temper_;
enum wide wide_;
#if defined(V_changed) || defined(V_swapped)
enum wide_signed wide_signed_;
enum top top_;
#endif
#endif

struct holder holder_;
alias_t alias_;
