/* variants: same other kinds twins protos */
#include "core.h"

#ifdef V_same
struct body { u64 b; u32 a; };
union either { u64 b; u32 a; u32 c[5]; };
enum small { SMALL = 2, SMALLER };
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
#endif

#ifdef V_other
/* Compatible, but larger, smaller, of another sign. */
struct body { char all[100]; };
union either { u8 a; };
enum small { SMALL = 0x100000000 };
typedef s64 number_t;
typedef const struct body body_t;
typedef union either *body_ptr_t;
typedef void *body_ptr_ptr_t;
typedef s8 row_t[9];
typedef u64 grid_t[2][2];
typedef s64 (*callback_t)(const struct body *, char *, s32);
typedef void proto_t(struct body *, u32);
typedef int (*nothing_t)(void);
typedef char qualified_t;
typedef int bool_t;
typedef double real_t;
typedef const struct { long y; } unnamed_t;
typedef enum { UNNAMED_E = -1, UNNAMED_F } unnamed_enum_t;
#endif

#ifdef V_kinds
/* The same names for things of another kind. */
union body { u32 a; u64 b; };
struct either { u32 a; u64 b; };
struct small { int x; };
typedef struct { int x; } number_t;
typedef union body body_t;
typedef u64 body_ptr_t;
typedef struct either **body_ptr_ptr_t;
typedef u32 *row_t;
typedef void *grid_t[4];
typedef void *callback_t;
typedef int (*proto_t)(struct either *, u32);
typedef void nothing_t;
typedef float qualified_t;
typedef enum { FALSE, TRUE } bool_t;
typedef int real_t;
typedef union { int x; } unnamed_t;
typedef struct { int x; } unnamed_enum_t;
#endif

#ifdef V_twins
/* Two of each: their ids differ, so whoever asks for one is refused. */
struct body { u32 a; u64 b; };
struct body___b { u32 a; u64 b; };
union either { u32 a; u64 b; };
union either___b { u32 a; u64 b[2]; };
enum small { SMALL };
enum small___b { SMALL_B };
typedef u32 number_t;
typedef u64 number_t___b;
typedef struct body body_t;
typedef u32 body_t___b;
typedef struct body *body_ptr_t;
typedef struct body **body_ptr_ptr_t;
typedef u32 row_t[4];
typedef u32 row_t___b[4];
typedef u32 grid_t[4][3];
typedef int (*callback_t)(struct body *, const char *, u64);
typedef int (*callback_t___b)(struct body *, const char *);
typedef int proto_t(struct body *, u32);
typedef void (*nothing_t)(void);
typedef u8 qualified_t;
typedef _Bool bool_t;
typedef float real_t;
typedef struct { int x; } unnamed_t;
typedef enum { UNNAMED_E } unnamed_enum_t;
struct body___b body_b_;
union either___b either_b_;
enum small___b small_b_;
number_t___b number_b_;
body_t___b b_b_;
row_t___b row_b_;
callback_t___b callback_b_;
#endif

#ifdef V_protos
/* Signatures that differ in one place each. */
struct body { u32 a; };
union either { float b; };
enum small { LARGE = 1 };
typedef const volatile u32 number_t;
typedef struct body body_t;
typedef struct body *const *body_ptr_t;
typedef struct body ***body_ptr_ptr_t;
typedef u32 row_t[3];
typedef u32 grid_t[4][4];
typedef int (*callback_t)(struct body *, const char *, u64, int);
typedef int proto_t(struct body, u32);
typedef void (*nothing_t)(int);
typedef s32 qualified_t;
typedef u8 bool_t;
typedef float real_t[1];
typedef struct body unnamed_t;
typedef enum small unnamed_enum_t;
#endif

#ifdef V_kinds
union body body_;
struct either either_;
struct small small_;
nothing_t *nothing_;
#else
struct body body_;
union either either_;
enum small small_;
nothing_t nothing_;
#endif
number_t number_;
body_t b_;
body_ptr_t bp_;
body_ptr_ptr_t bpp_;
row_t row_;
grid_t grid_;
callback_t callback_;
proto_t *proto_;
qualified_t qualified_;
bool_t bool_;
real_t real_;
unnamed_t unnamed_;
unnamed_enum_t unnamed_enum_;
