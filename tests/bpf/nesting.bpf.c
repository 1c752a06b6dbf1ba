/* Named and unnamed nesting, several structs of one name. */
#include "core.h"

struct leaf {
	u32 value;
} CORE;

struct tree {
	struct {
		struct {
			u32 deep;
		};
		union {
			u32 left;
			u64 right;
		};
	};
	struct {
		struct leaf inner;
	} named;
	u32 flat;
} CORE;

SEC("raw_tp/loads") int loads(struct tree *t)
{
	PUT(t->deep);
	PUT(t->left);
	PUT(t->right);
	PUT(t->named.inner.value);
	PUT(t->flat);
	return 0;
}

SEC("raw_tp/facts") int facts(struct tree *t)
{
	ALL_OF_FIELD(t->deep);
	ALL_OF_FIELD(t->right);
	PLACE_OF(t->named);
	PLACE_OF(t->named.inner);
	ALL_OF_FIELD(t->named.inner.value);
	ALL_OF_FIELD(t->flat);
	return 0;
}

SEC("raw_tp/leaf") int leaf(struct leaf *l)
{
	PUT(l->value);
	ALL_OF_FIELD(l->value);
	return 0;
}

SEC("raw_tp/types") int types(void)
{
	ALL_OF_TYPE(struct tree);
	ALL_OF_TYPE(struct leaf);
	return 0;
}
