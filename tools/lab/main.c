/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * magpie-lab: the lab by hand, the emulated access network and the live view of the demo.
 * Namespaces and links are built by the shell (lib.sh, which the demo and the tests source as
 * well).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tools/lab/view.h"
#include "tools/lab/wan.h"

#define LABS "/run/magpie-lab" /* a link NAME to the directory of each lab that is up */

static const char *lab_name = "magpie";

/* The socket of an emulator: a path, or RED or BLUE of the lab. */
static void socket_path(const char *wan, char *out, size_t size)
{
	if (strchr(wan, '/')) {
		snprintf(out, size, "%s", wan);
		return;
	}
	snprintf(out, size, "%s/%s/%s.wan", LABS, lab_name,
		 strcasecmp(wan, "red") == 0	? "red"
		 : strcasecmp(wan, "blue") == 0 ? "blue"
						: wan);
}

/* 0, 1: no answer, 2: the emulator refuses; with a message then. */
static int ask(const char *wan, const char *words, char *answer)
{
	char path[PATH_MAX];
	int r;

	socket_path(wan, path, sizeof(path));
	r = wan_ask(path, words, answer, WAN_ANSWER_MAX);
	if (r < 0) {
		fprintf(stderr, "magpie-lab: %s: %s\n", path, strerror(-r));
		return 1;
	}
	if (strncmp(answer, "{\"error\"", 8) == 0) {
		fprintf(stderr, "magpie-lab: %s: %s\n", wan, answer);
		return 2;
	}
	return 0;
}

static int set(int argc, char **argv)
{
	char words[512] = "", answer[WAN_ANSWER_MAX];
	size_t used = 0;
	int r;

	for (int i = 1; i < argc; i++) {
		used += (size_t)snprintf(words + used, sizeof(words) - used, "%s ", argv[i]);
		if (used >= sizeof(words)) {
			fprintf(stderr, "magpie-lab: too many words: %s\n", argv[i]);
			return 2;
		}
	}
	r = ask(argv[0], words, answer);
	if (r == 0)
		puts(answer);
	return r;
}

/* ---- show -------------------------------------------------------------------------- */

static int64_t field(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return json_object_get_int64(v); /* true: 1 */
}

static void show_direction(const char *wan, const char *name, struct json_object *o)
{
	static const char *const counts[] = {
#define X(count) #count,
		WAN_COUNTS(X)
#undef X
	};

	printf("%-5s %-5s delay %.1f ms  jitter %.1f ms  loss %.1f %%  ", wan, name,
	       (double)field(o, "delay_us") / 1000, (double)field(o, "jitter_us") / 1000,
	       (double)field(o, "loss_ppm") / 10000);
	if (field(o, "rate_bps"))
		printf("rate %.1f Mbit/s%s\n", (double)field(o, "rate_bps") / 1e6,
		       field(o, "cut") ? "  CUT" : "");
	else
		printf("rate unlimited%s\n", field(o, "cut") ? "  CUT" : "");
	printf("           ");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		printf(" %s %" PRId64, counts[i], field(o, counts[i]));
	printf(" under_way %" PRId64 "\n", field(o, "under_way"));
}

static void show_wan(const char *wan, struct json_object *doc)
{
	struct json_object *o = NULL;

	if (json_object_object_get_ex(doc, "up", &o))
		show_direction(wan, "up", o);
	if (json_object_object_get_ex(doc, "down", &o))
		show_direction(wan, "down", o);
}

static int show(int argc, char **argv)
{
	static const char *both[] = {"RED", "BLUE"};
	struct json_object *all = json_object_new_object();
	bool json = argc > 0 && strcmp(argv[argc - 1], "--json") == 0;
	int n = json ? argc - 1 : argc, r = 0;

	for (int i = 0; r == 0 && i < (n ? n : 2); i++) {
		const char *wan = n ? argv[i] : both[i];
		char answer[WAN_ANSWER_MAX];
		struct json_object *doc;

		r = ask(wan, "", answer);
		doc = r == 0 ? json_tokener_parse(answer) : NULL;
		if (doc && !json)
			show_wan(wan, doc);
		if (doc)
			json_object_object_add(all, wan, doc);
	}
	if (r == 0 && json)
		puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
	json_object_put(all);
	return r;
}

/* ---- the lab ----------------------------------------------------------------------- */

/* Only the network namespace changes, so that a bpffs stays visible. */
static int exec_in(int argc, char **argv)
{
	char path[PATH_MAX];
	int fd;

	(void)argc;
	snprintf(path, sizeof(path), "/run/netns/%s", argv[0]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		fprintf(stderr, "magpie-lab: namespace %s: %s\n", argv[0], strerror(errno));
		return 125;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "magpie-lab: %s: %s\n", argv[1], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

/* The shell's part stands beside the sources of this program. */
static int shell(const char *verb, const char *argument)
{
	char self[PATH_MAX], script[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return 1;
	self[n] = '\0';
	snprintf(script, sizeof(script), "%.3900s/../tools/lab/manual.sh", dirname(self));
	execl(script, script, verb, lab_name, argument, NULL);
	fprintf(stderr, "magpie-lab: %s: %s (up and down work in the source tree)\n", script,
		strerror(errno));
	return 1;
}

static int up(int argc, char **argv)
{
	const char *attach = "auto";

	if (argc > 0 && (argc != 2 || strcmp(argv[0], "--attach") != 0)) {
		fprintf(stderr, "magpie-lab: up: unknown argument %s\n", argv[0]);
		return 2;
	}
	if (argc == 2)
		attach = argv[1];
	if (strcmp(attach, "auto") != 0 && strcmp(attach, "xdp") != 0 &&
	    strcmp(attach, "tc") != 0) {
		fprintf(stderr, "magpie-lab: --attach %s: auto, xdp or tc\n", attach);
		return 2;
	}
	return shell("up", attach);
}

static int down(int argc, char **argv)
{
	if (argc > 0) {
		fprintf(stderr, "magpie-lab: down: unknown argument %s\n", argv[0]);
		return 2;
	}
	return shell("down", NULL);
}

static int wan(int argc, char **argv)
{
	return wan_run(argv[0], argv[1], argv[2], argc > 3 && strcmp(argv[3], "napi") == 0);
}

static int view(int argc, char **argv)
{
	(void)argc;
	return view_run(argv[0], argv[1]);
}

static const struct {
	const char *name;
	int min_args;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"up", 0, up, "up [--attach auto|xdp|tc]          build a lab and leave it running"},
	{"down", 0, down, "down                               end it, also after a crash"},
	{"exec", 2, exec_in,
	 "exec NAMESPACE COMMAND...          in magpie-mn, magpie-mag, ..: bpffs stays visible"},
	{"set", 1, set,
	 "set RED|BLUE|SOCKET [[up.|down.]delay=25ms] [jitter=2ms] [loss=1%] [rate=40M]\n"
	 "           [queue=256k] [reorder=yes] [seed=N] [cut=yes|no|up|down]\n"
	 "                                      shape a network; prints its state as JSON"},
	{"show", 0, show, "show [RED|BLUE|SOCKET] [--json]    shape and counters"},
	{"wan", 3, wan, "wan DEVICE-A DEVICE-B SOCKET [napi] relay frames between two devices"},
	{"view", 2, view,
	 "view MAG-SOCKET WAN-DIRECTORY      live view with keys to cut and restore"},
};

/* A name is part of paths and of namespaces'. */
static bool name_is_good(const char *name)
{
	return *name && strlen(name) <= 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       strlen(name);
}

/* --name may stand in front of the verb or right behind it; what is left begins with the verb. */
static int take_name(int argc, char **argv)
{
	for (int i = 1; i <= 2 && i + 1 < argc; i++) {
		if (strcmp(argv[i], "--name") != 0)
			continue;
		lab_name = argv[i + 1];
		memmove(argv + i, argv + i + 2, (size_t)(argc - i - 1) * sizeof(*argv));
		return argc - 2;
	}
	return argc;
}

int main(int argc, char **argv)
{
	argc = take_name(argc, argv);
	if (!name_is_good(lab_name)) {
		fprintf(stderr, "magpie-lab: --name %s: letters, digits, - and _\n", lab_name);
		return 2;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].min_args)
			return verbs[i].run(argc - 2, argv + 2);
	}
	fputs("usage:\n", stderr);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(stderr, "  magpie-lab [--name NAME] %s\n", verbs[i].help);
	return 2;
}
