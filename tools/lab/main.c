/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* magpie-lab: the emulated access network and the live view of the demo. */
#include <stdio.h>
#include <string.h>

#include "tools/lab/view.h"
#include "tools/lab/wan.h"

static int set(int argc, char **argv)
{
	char words[512] = "", answer[1600];
	int r;

	for (int i = 1; i < argc; i++) {
		strncat(words, argv[i], sizeof(words) - strlen(words) - 2);
		strncat(words, " ", sizeof(words) - strlen(words) - 1);
	}
	r = wan_ask(argv[0], words, answer, sizeof(answer));
	if (r < 0) {
		fprintf(stderr, "magpie-lab: %s: %s\n", argv[0], strerror(-r));
		return 1;
	}
	puts(answer);
	return strncmp(answer, "{\"error\"", 8) == 0 ? 2 : 0;
}

static int wan(int argc, char **argv)
{
	(void)argc;
	return wan_run(argv[0], argv[1], argv[2]);
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
	{"wan", 3, wan, "wan DEVICE-A DEVICE-B SOCKET       relay frames between two devices"},
	{"set", 1, set,
	 "set SOCKET [delay=25ms] [jitter=2ms] [loss=1%] [rate=40M] [queue=256k]\n"
	 "           [cut=yes|no|up|down]               shape it; prints its state as JSON"},
	{"view", 2, view,
	 "view MAG-SOCKET WAN-DIRECTORY      live view with keys to cut and restore"},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].min_args)
			return verbs[i].run(argc - 2, argv + 2);
	}
	fputs("usage:\n", stderr);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(stderr, "  magpie-lab %s\n", verbs[i].help);
	return 2;
}
