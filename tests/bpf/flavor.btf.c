/* variants: plain flavored */
#include "core.h"

#ifdef V_plain
struct shape { u64 x; u32 width; } shape_;
struct shape___a { u64 x; u32 width; u32 y; } shape_a_;
struct two { u8 x; u32 value; } two_;
struct two___parts { u16 x[2]; u32 value; u32 y; } two_parts_;
struct four { u32 x[1]; u32 value; } four_;
struct four_ { u32 x[2]; u32 value; } four__;
struct ___lead { u32 x[3]; u32 value; } lead_;
struct lead { u32 x[4]; u32 value; } lead2_;
struct trail { u32 x[5]; u32 value; } trail_;
struct trail___ { u32 x[6]; u32 value; } trail__;
struct a { u32 x[7]; u32 value; } a_;
enum level { LEVEL_HIGH = 20, LEVEL_LOW = 10, LEVEL = 40, LEVEL___ = 41, ___LEVEL = 42 } level_;
#endif

#ifdef V_flavored
/* The kernel's side has such names as well. */
struct shape___new { struct { u32 x; u32 w; } size; } shape_new_;
struct shape___a { u32 width; } shape_a_;
struct two___parts___y { u32 x[2]; u32 value; } two_parts_y_;
struct two___other { u32 x[3]; u32 value; } two_other_;
struct four____under { u32 x[1]; u32 value; } four_under_;
struct four____over { u32 x[2]; u32 value; } four_over_;
struct ___lead___x { u32 x[2]; u32 value; } lead_x_;
struct trail______ { u32 x[2]; u32 value; } trail___________;
struct a___b___c { u32 x[2]; u32 value; } a_b_c_;
struct a___c { u32 x[3]; u32 value; } a_c_;
enum level___k { LEVEL_LOW___1 = 11, LEVEL_LOW = 12, LEVEL_HIGH___2 = 21, ___LEVEL___x = 31 } level_;
#endif
