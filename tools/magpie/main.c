/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* magpie: options and the table of verbs; the verbs that are no tables. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/keys.h"
#include "net/net.h"
#include "plane/plane.h"
#include "tools/magpie/cli.h"
#include "util/suggest.h"

static const struct {
	const char *name;
	const char *arguments;
	int (*run)(struct cli *cli, int argc, char **argv);
	const char *help;
} verbs[] = {
#define X(name, arguments, function, help) {name, arguments, function, help},
	CLI_VERBS(X)
#undef X
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

int verb_help(struct cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argc;
	(void)argv;
	puts("usage: magpie [--json] [--socket PATH | --config FILE] VERB");
	for (size_t i = 0; i < N_VERBS; i++)
		printf("  %-9s %-42s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
	puts("exit codes: 0 fine, 1 degraded or failed, 2 usage, 3 daemon not running, 4 not "
	     "found,\n"
	     "            5 configuration invalid");
	return CLI_OK;
}

int verb_version(struct cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argc;
	(void)argv;
	puts("magpie " MAGPIE_VERSION);
	return CLI_OK;
}

/* ---- events ------------------------------------------------------------------------ */

static void print_line(const char *line)
{
	puts(line);
}

static void print_event(const char *line)
{
	struct json_object *e = json_tokener_parse(line);

	if (e && field(e, "time"))
		printf("%s  %-7s  %s\n", text(e, "time", "-"), text(e, "severity", "-"),
		       text(e, "text", "-"));
	else
		fprintf(stderr, "magpie: %s\n", e ? text(e, "error", line) : line);
	json_object_put(e);
}

int verb_events(struct cli *cli, int argc, char **argv)
{
	bool follow = argc == 2 && strcmp(argv[1], "-f") == 0;
	struct json_object *request;

	if (argc > 2 || (argc == 2 && !follow)) {
		fprintf(stderr, "magpie: usage: magpie events [-f]\n");
		return CLI_USAGE;
	}
	request = json_object_new_object();
	json_object_object_add(request, "verb", json_object_new_string("events"));
	json_object_object_add(request, "follow", json_object_new_boolean(follow));
	return client_stream(cli, request, cli->json ? print_line : print_event);
}

/* ---- config ------------------------------------------------------------------------ */

static int check(const char *file)
{
	struct config *config;

	if (config_load(file, config_print, stderr, &config) < 0)
		return CLI_CONFIG;
	config_free(config);
	printf("%s: no error\n", file);
	return CLI_OK;
}

static int list_keys(void)
{
	static const struct {
		const char *section, *key, *def, *doc;
		enum config_roles roles;
	} keys[] = {
#define X(section, key, roles, def, doc) {#section, #key, def, doc, CONFIG_##roles},
		CONFIG_KEYS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		printf("%s\t%s\t%s\t%s\t%s\n", keys[i].section, keys[i].key,
		       keys[i].roles == CONFIG_BOTH  ? "both"
		       : keys[i].roles == CONFIG_MAG ? "mag"
						     : "lma",
		       keys[i].def, keys[i].doc);
	return CLI_OK;
}

int verb_config(struct cli *cli, int argc, char **argv)
{
	const char *file = cli->config ? cli->config : "/etc/magpie/magpie.conf";

	if (argc == 2 && strcmp(argv[1], "keys") == 0)
		return list_keys();
	if ((argc == 2 || argc == 3) && strcmp(argv[1], "check") == 0)
		return check(argc == 3 ? argv[2] : file);
	fprintf(stderr, "magpie: usage: magpie config check [FILE], magpie config keys\n");
	return CLI_USAGE;
}

/* ---- release ----------------------------------------------------------------------- */

/* No daemon: what it left pinned is taken down from here. Its sessions end at the peer by expiry.
 */
static int release_offline(const char *socket)
{
	char dir[CONFIG_PATH_MAX + 16];
	const char *slash = strrchr(socket, '/');
	size_t len = slash ? (size_t)(slash - socket) : 0;

	if (len == 0 || len + 5 > sizeof(dir))
		return CLI_USAGE;
	memcpy(dir, socket, len);
	memcpy(dir + len, "/bpf", 5);
	if (access(dir, F_OK) < 0) {
		fprintf(stderr, "magpie: no daemon answers at %s and nothing is left of one\n",
			socket);
		return CLI_NO_DAEMON;
	}
	if (plane_release(dir) < 0 || rtnl_routes_purge() < 0)
		return CLI_FAILED;
	unlink(socket);
	puts("no daemon was running; programs, links, pins and routes it had left are removed");
	return CLI_OK;
}

int verb_release(struct cli *cli, int argc, char **argv)
{
	const char *socket = client_socket(cli);
	struct json_object *doc;
	int r;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "magpie: release takes no argument\n");
		return CLI_USAGE;
	}
	doc = client_ask_verb(cli, "release", &r);
	if (!doc)
		return r == CLI_NO_DAEMON ? release_offline(socket) : r;
	if (cli->json)
		print_json(doc);
	else
		puts("deregistered, detached and unpinned");
	json_object_put(doc);
	return CLI_OK;
}

/* ---- main -------------------------------------------------------------------------- */

static int unknown(const char *verb)
{
	const char *names[N_VERBS];
	const char *near;

	for (size_t i = 0; i < N_VERBS; i++)
		names[i] = verbs[i].name;
	near = nearest(verb, names, N_VERBS);
	fprintf(stderr, "magpie: unknown verb \"%s\"%s%s%s\n", verb,
		near ? "; did you mean \"" : "", near ? near : "",
		near ? "\"?" : "; `magpie help` lists them");
	return CLI_USAGE;
}

/* Options may stand before and behind the verb; what is left stays in argv. -1: usage. */
static int take_options(struct cli *cli, int argc, char **argv)
{
	int left = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			cli->json = true;
		} else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
			cli->socket = argv[++i];
		} else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
			cli->config = argv[++i];
		} else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			argv[left++] = (char *)"help";
		} else if (strncmp(argv[i], "--", 2) == 0) {
			fprintf(stderr, "magpie: unknown option or missing value: %s\n", argv[i]);
			return -1;
		} else {
			argv[left++] = argv[i];
		}
	}
	return left;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	int n = take_options(&cli, argc, argv);

	if (n < 0)
		return CLI_USAGE;
	if (n == 0) {
		verb_help(&cli, 0, NULL);
		return CLI_USAGE;
	}
	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(verbs[i].name, argv[0]) == 0)
			return verbs[i].run(&cli, n, argv);
	}
	return unknown(argv[0]);
}
