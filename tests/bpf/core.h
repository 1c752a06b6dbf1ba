/* What the programs here need of CO-RE, without any header from elsewhere, so
 * that the same compiler always makes the same bytes of them.
 */
#pragma once

#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

/* Results go here: all that matters is that the compiler keeps them. */
volatile u64 out;
#define PUT(value) (out = (u64)(value))

/* enum bpf_core_relo_kind through the builtins, one macro a kind */
#define BYTE_OFFSET(field) PUT(__builtin_preserve_field_info(field, 0))
#define BYTE_SIZE(field) PUT(__builtin_preserve_field_info(field, 1))
#define EXISTS(field) PUT(__builtin_preserve_field_info(field, 2))
#define SIGNED(field) PUT(__builtin_preserve_field_info(field, 3))
#define LSHIFT(field) PUT(__builtin_preserve_field_info(field, 4))
#define RSHIFT(field) PUT(__builtin_preserve_field_info(field, 5))
#define TYPE_ID_LOCAL(type) PUT(__builtin_btf_type_id(*(typeof(type) *)0, 0))
#define TYPE_ID_TARGET(type) PUT(__builtin_btf_type_id(*(typeof(type) *)0, 1))
#define TYPE_EXISTS(type) PUT(__builtin_preserve_type_info(*(typeof(type) *)0, 0))
#define TYPE_SIZE(type) PUT(__builtin_preserve_type_info(*(typeof(type) *)0, 1))
#define TYPE_MATCHES(type) PUT(__builtin_preserve_type_info(*(typeof(type) *)0, 2))
#define ENUMVAL_EXISTS(type, value) \
	PUT(__builtin_preserve_enum_value(*(typeof(type) *)value, 0))
#define ENUMVAL_VALUE(type, value) \
	PUT(__builtin_preserve_enum_value(*(typeof(type) *)value, 1))

/* Every kind that a field can have. The compiler gives signs and shifts for
 * numbers only, not for pointers, structs and arrays.
 */
#define ALL_OF_FIELD(field)                                                    \
	do {                                                                   \
		EXISTS(field);                                                 \
		BYTE_OFFSET(field);                                            \
		BYTE_SIZE(field);                                              \
		SIGNED(field);                                                 \
		LSHIFT(field);                                                 \
		RSHIFT(field);                                                 \
	} while (0)
#define PLACE_OF(field)                                                  \
	do {                                                                   \
		EXISTS(field);                                                 \
		BYTE_OFFSET(field);                                            \
		BYTE_SIZE(field);                                              \
	} while (0)
#define ALL_OF_TYPE(type)                                                      \
	do {                                                                   \
		TYPE_EXISTS(type);                                             \
		TYPE_SIZE(type);                                               \
		TYPE_MATCHES(type);                                            \
		TYPE_ID_TARGET(type);                                          \
	} while (0)
