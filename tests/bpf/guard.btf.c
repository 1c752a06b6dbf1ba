/* variants: before after neither pointer lean */
#include "core.h"

#ifdef V_before
struct task { u64 x; long state; } task_;
enum feature { FEATURE_OLD = 1 } feature_;
#endif

#ifdef V_after
struct task { u64 x; u64 y; u32 __state; u64 extra; } task_;
struct gone { u64 x; u32 value; } gone_;
enum feature { FEATURE_OLD = 1, FEATURE_NEW = 70 } feature_;
#endif

#ifdef V_neither
struct task { u64 extra; } task_;
#endif

#ifdef V_pointer
/* There, but of other types. */
struct task { u64 *__state; struct { u32 x; } extra; } task_;
struct gone { u32 renamed; } gone_;
enum feature { FEATURE_NEWER = 8 } feature_;
#endif

#ifdef V_lean
struct task { u64 x; u32 __state; } task_;
#endif
