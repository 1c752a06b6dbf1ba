/* Loads and attaches each program of eBPF objects by itself, as libbpf does it.
 *
 *   judge ROOT OBJECT...
 *
 * ROOT is left out of the names. Prints a line for each program, fields separated by tabs:
 *
 *   @ object  program  section  program type  attach type  load  attach  log
 *
 * `load` and `attach` are 0, an errno, or `-` if that was not reached or libbpf can't attach
 * by itself. `log` is the last line of the verifier's log, or else libbpf's last message.
 * The judge sets what user space usually sets before loading: sizes of maps that the object
 * leaves open.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* The limit for one program. */
#define SECONDS 60

static char message[1 << 20];
static char last_line[200];

static int is_about_costs(const char *line)
{
	static const char *const starts[] = { "processed ", "verification time", "stack depth", "-- " };

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		if (!strncmp(line, starts[i], strlen(starts[i])))
			return 1;
	return !*line;
}

/* Keeps the last meaningful line; a verifier's log takes precedence over what follows it. */
static int keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
	static int has_log;
	char *line, *rest = message;
	int is_log;

	if (level > LIBBPF_INFO || has_log)
		return 0;
	vsnprintf(message, sizeof(message), format, arguments);
	is_log = strstr(message, "BEGIN PROG LOAD LOG") != NULL;
	if (!is_log && last_line[0] && !strncmp(message, "libbpf: failed to load object", 29))
		return 0;
	while ((line = strsep(&rest, "\n"))) {
		if (is_log && strstr(line, "BEGIN PROG LOAD LOG"))
			continue;
		if (is_about_costs(line))
			continue;
		for (char *c = line; *c; c++)
			if (*c == '\t' || *c < ' ')
				*c = ' ';
		snprintf(last_line, sizeof(last_line), "%s", line);
		has_log |= is_log;
	}
	return 0;
}

static int can_attach(enum bpf_prog_type type)
{
	switch (type) {
	case BPF_PROG_TYPE_KPROBE:
	case BPF_PROG_TYPE_TRACEPOINT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
	case BPF_PROG_TYPE_TRACING:
	case BPF_PROG_TYPE_LSM:
		return 1;
	default:
		return 0;
	}
}

/* Whether user space has to say how many, and may. */
static int has_entries(enum bpf_map_type type)
{
	switch (type) {
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
	case BPF_MAP_TYPE_SK_STORAGE:
	case BPF_MAP_TYPE_TASK_STORAGE:
	case BPF_MAP_TYPE_INODE_STORAGE:
	case BPF_MAP_TYPE_CGRP_STORAGE:
		return 0;
	default:
		return 1;
	}
}

static void field(int value)
{
	if (value < 0)
		printf("\t-");
	else
		printf("\t%d", value);
}

/* Opens the object again and tries its program number `wanted`; 1 if there is none. */
static int try(const char *path, const char *name, int wanted)
{
	struct bpf_program *program, *this = NULL;
	int number = 0, load = -1, attach = -1;
	struct bpf_object *object;
	struct bpf_map *map;

	object = bpf_object__open_file(path, NULL);
	if (!object) {
		if (wanted)
			return 1;
		printf("@ %s\t-\t-\t-\t-\t%d\t-\t%s\n", name, errno, last_line);
		return 0;
	}
	bpf_object__for_each_program(program, object) {
		bpf_program__set_autoload(program, number == wanted);
		if (number++ == wanted)
			this = program;
	}
	if (!this)
		return 1;
	bpf_object__for_each_map(map, object) {
		if (!bpf_map__max_entries(map) && has_entries(bpf_map__type(map)))
			bpf_map__set_max_entries(map, 4096);
		if (!bpf_map__value_size(map) && bpf_map__type(map) == BPF_MAP_TYPE_STACK_TRACE)
			bpf_map__set_value_size(map, 127 * 8);
	}
	printf("@ %s\t%s\t%s\t%d\t%d", name, bpf_program__name(this), bpf_program__section_name(this),
	       bpf_program__type(this), bpf_program__expected_attach_type(this));
	fflush(stdout);
	load = bpf_object__load(object) ? errno : 0;
	if (!load && can_attach(bpf_program__type(this)))
		attach = bpf_program__attach(this) ? 0 : errno;
	field(load);
	field(attach);
	printf("\t%s\n", load > 0 || attach > 0 ? last_line : "");
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	libbpf_set_print(keep);
	for (int i = 2; i < argc; i++) {
		const char *name = argv[i] + strlen(argv[1]) + 1;
		int status = 0;

		for (int wanted = 0; !status; wanted++) {
			pid_t child = fork();

			if (!child) {
				int is_over;

				alarm(SECONDS);
				is_over = try(argv[i], name, wanted);
				fflush(stdout);
				_exit(is_over);
			}
			if (child < 0 || waitpid(child, &status, 0) < 0)
				return 1;
			if (WIFSIGNALED(status)) {
				printf("\t-\t-\tended by signal %d\n", WTERMSIG(status));
				status = 0;
			}
			fflush(stdout);
		}
	}
	return 0;
}
