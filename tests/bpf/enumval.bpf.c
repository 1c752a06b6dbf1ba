/* Enumerators: 32 and 64 bits, signed and unsigned; fields of enum type. */
#include "core.h"

enum color { RED, GREEN = 5, BLUE = 0x7fffffff };
enum temper { COLD = -40, WARM = 20 };
enum wide { WIDE_LOW = 1, WIDE_HIGH = 0x123456789abcdefULL };
enum wide_signed { DEEP = -0x123456789abLL, HIGH = 7 };
enum top { TOP = 0xffffffff };
typedef enum { ALIAS_A = 3, ALIAS_B = 4 } alias_t;

struct holder {
	enum color color;
	enum temper temper;
	enum wide wide;
	alias_t alias;
} CORE;

SEC("raw_tp/exists") int exists(void)
{
	ENUMVAL_EXISTS(enum color, RED);
	ENUMVAL_EXISTS(enum color, BLUE);
	ENUMVAL_EXISTS(enum temper, COLD);
	ENUMVAL_EXISTS(enum wide, WIDE_LOW);
	ENUMVAL_EXISTS(enum wide_signed, DEEP);
	ENUMVAL_EXISTS(enum top, TOP);
	ENUMVAL_EXISTS(alias_t, ALIAS_B);
	return 0;
}

SEC("raw_tp/value") int value(void)
{
	ENUMVAL_VALUE(enum color, RED);
	ENUMVAL_VALUE(enum color, GREEN);
	ENUMVAL_VALUE(enum color, BLUE);
	ENUMVAL_VALUE(enum temper, COLD);
	ENUMVAL_VALUE(enum temper, WARM);
	ENUMVAL_VALUE(enum wide, WIDE_LOW);
	ENUMVAL_VALUE(enum wide, WIDE_HIGH);
	ENUMVAL_VALUE(enum wide_signed, DEEP);
	ENUMVAL_VALUE(enum wide_signed, HIGH);
	ENUMVAL_VALUE(enum top, TOP);
	ENUMVAL_VALUE(alias_t, ALIAS_A);
	return 0;
}

SEC("raw_tp/fields") int fields(struct holder *h)
{
	PUT(h->color);
	ALL_OF_FIELD(h->color);
	ALL_OF_FIELD(h->temper);
	ALL_OF_FIELD(h->wide);
	ALL_OF_FIELD(h->alias);
	return 0;
}

SEC("raw_tp/types") int types(void)
{
	ALL_OF_TYPE(enum color);
	ALL_OF_TYPE(enum wide);
	ALL_OF_TYPE(alias_t);
	return 0;
}
