/* Types as such: there or not, how large, which id. */
#include "core.h"

struct body { u32 a; u64 b; };
union either { u32 a; u64 b; };
enum small { SMALL = 1 };
struct absent { int x; };
struct opaque;
typedef u32 number_t;
typedef struct body body_t;
typedef struct body *body_ptr_t;
typedef struct body **body_ptr_ptr_t;
typedef u32 row_t[4];
typedef u32 grid_t[4][3];
typedef int (*callback_t)(struct body *, const char *, u64);
typedef int proto_t(struct body *, u32);
typedef void (*nothing_t)(void);
typedef const volatile number_t qualified_t;
typedef _Bool bool_t;
typedef float real_t;
typedef struct { int x; } unnamed_t;
typedef enum { UNNAMED_E } unnamed_enum_t;

SEC("raw_tp/composite") int composite(void)
{
	TYPE_ID_LOCAL(struct body);
	ALL_OF_TYPE(struct body);
	ALL_OF_TYPE(union either);
	ALL_OF_TYPE(enum small);
	ALL_OF_TYPE(struct absent);
	return 0;
}

SEC("raw_tp/typedefs") int typedefs(void)
{
	TYPE_ID_LOCAL(number_t);
	ALL_OF_TYPE(number_t);
	ALL_OF_TYPE(body_t);
	ALL_OF_TYPE(body_ptr_t);
	ALL_OF_TYPE(body_ptr_ptr_t);
	ALL_OF_TYPE(row_t);
	ALL_OF_TYPE(grid_t);
	ALL_OF_TYPE(callback_t);
	ALL_OF_TYPE(qualified_t);
	ALL_OF_TYPE(bool_t);
	ALL_OF_TYPE(unnamed_t);
	ALL_OF_TYPE(unnamed_enum_t);
	ALL_OF_TYPE(nothing_t);
	return 0;
}

SEC("raw_tp/odd") int odd(void)
{
	TYPE_EXISTS(proto_t);
	TYPE_MATCHES(proto_t);
	TYPE_EXISTS(real_t);
	TYPE_MATCHES(real_t);
	TYPE_SIZE(u32);
	return 0;
}
