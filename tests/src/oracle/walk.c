/* Runs libbpf's relocation core on another machine: prints its result for each record
 * of an object on one kernel.
 *
 *     walk OBJECT.btf KERNEL.btf < RECORDS
 *
 * A record is a line `type_id access_str_off kind`. For each, it prints two lines:
 * with its own candidates, then with those of its type that earlier records left. A
 * line is libbpf's result, 0 or a negative errno, and what it would patch.
 *
 * The declarations follow relo_core.h and libbpf_internal.h of libbpf 1.7.0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btf.h"
#include "libbpf.h"
#include "libbpf_internal.h"
#include "relo_core.h"

static struct btf *parse(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t room = 64 << 20, len;
	void *data = malloc(room);
	struct btf *btf;

	if (!file || !data) {
		perror(path);
		exit(1);
	}
	len = fread(data, 1, room, file);
	fclose(file);
	btf = btf__new(data, len);
	if (!btf) {
		fprintf(stderr, "%s: libbpf refuses it\n", path);
		exit(1);
	}
	free(data);
	return btf;
}

static struct bpf_core_spec scratch[3];

static struct bpf_core_cand_list copy(const struct bpf_core_cand_list *list)
{
	struct bpf_core_cand_list new = { .len = list->len };

	new.cands = malloc((list->len + 1) * sizeof(*new.cands));
	if (list->len)
		memcpy(new.cands, list->cands, list->len * sizeof(*new.cands));
	return new;
}

/* With the candidates in the list, which libbpf prunes. After a refusal libbpf would
 * load nothing, so the list is then left unchanged. */
static void resolve(const struct btf *local, const struct bpf_core_relo *relo,
		    struct bpf_core_cand_list *list)
{
	struct bpf_core_cand_list pruned = copy(list);
	struct bpf_core_relo_res res = {};
	int err = bpf_core_calc_relo_insn("walk", relo, 0, local, &pruned, scratch, &res);

	if (err) {
		free(pruned.cands);
	} else {
		free(list->cands);
		*list = pruned;
	}
	printf("%d %llu %llu %d %d %d %u %u\n", err, (unsigned long long)res.orig_val,
	       (unsigned long long)res.new_val, res.poison, res.validate,
	       res.fail_memsz_adjust, res.orig_sz, res.new_sz);
}

int main(int argc, char **argv)
{
	struct btf *local, *target;
	struct bpf_core_cand_list *all, *left;
	struct bpf_core_relo relo = {};
	char *known;

	if (argc != 3)
		return 2;
	libbpf_set_print(NULL);
	local = parse(argv[1]);
	btf__set_pointer_size(local, 8);
	target = parse(argv[2]);
	all = calloc(btf__type_cnt(local), sizeof(*all));
	left = calloc(btf__type_cnt(local), sizeof(*left));
	known = calloc(btf__type_cnt(local), 1);

	while (scanf("%u %u %u", &relo.type_id, &relo.access_str_off, &relo.kind) == 3) {
		__u32 id = relo.type_id;
		const struct btf_type *t = btf__type_by_id(local, id);
		const char *name = t ? btf__name_by_offset(local, t->name_off) : NULL;
		struct bpf_core_cand_list fresh;

		/* Like bpf_core_resolve_relo and bpf_core_find_cands. */
		if (!t || (relo.kind != BPF_CORE_TYPE_ID_LOCAL && (!name || !*name))) {
			printf("-22 0 0 0 0 0 0 0\n-22 0 0 0 0 0 0 0\n");
			continue;
		}
		if (!known[id] && relo.kind != BPF_CORE_TYPE_ID_LOCAL) {
			struct bpf_core_cand cand = { .btf = local, .id = id };
			size_t len = bpf_core_essential_name_len(name);

			if (bpf_core_add_cands(&cand, len, target, "target", 1, &all[id]))
				return 1;
			left[id] = copy(&all[id]);
			known[id] = 1;
		}
		fresh = copy(&all[id]);
		resolve(local, &relo, &fresh);
		free(fresh.cands);
		resolve(local, &relo, &left[id]);
	}
	return 0;
}
