/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The control socket from the outside: one line there, lines back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config.h"
#include "tools/magpie/cli.h"

#define DEFAULT_CONFIG "/etc/magpie/magpie.conf"
#define DEFAULT_SOCKET "/run/magpie/control"

static void ignore(void *ctx, const struct config_diagnostic *d)
{
	(void)ctx;
	(void)d;
}

const char *client_socket(const struct cli *cli)
{
	static char path[CONFIG_PATH_MAX + 16];
	const char *file = cli->config ? cli->config : DEFAULT_CONFIG;
	struct config *config;

	if (cli->socket)
		return cli->socket;
	if (access(file, R_OK) < 0 || config_load(file, ignore, NULL, &config) < 0)
		return DEFAULT_SOCKET;
	snprintf(path, sizeof(path), "%s/control", config->runtime_dir);
	config_free(config);
	return path;
}

static int connect_daemon(const struct cli *cli)
{
	const char *path = client_socket(cli);
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(to.sun_path)) {
		fprintf(stderr, "magpie: %s: %s\n", path, strerror(fd < 0 ? errno : ENAMETOOLONG));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		if (errno == EACCES)
			fprintf(stderr, "magpie: %s: permission denied\n", path);
		else
			fprintf(stderr,
				"magpie: no daemon answers at %s (%s); is magpied running?\n", path,
				strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static FILE *send_request(const struct cli *cli, struct json_object *request)
{
	int fd = connect_daemon(cli);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r+");

	if (f) {
		fprintf(f, "%s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
		fflush(f);
	} else if (fd >= 0) {
		close(fd);
	}
	json_object_put(request);
	return f;
}

/* Refusals are told here, once for all verbs. */
static struct json_object *check(struct json_object *doc, int *ret_exit)
{
	if (doc && json_object_get_boolean(field(doc, "ok")))
		return doc;
	if (doc) {
		fprintf(stderr, "magpie: %s\n", text(doc, "error", "the daemon refused"));
		*ret_exit = (int)number(doc, "code");
	} else {
		fprintf(stderr, "magpie: the daemon's answer cannot be read\n");
		*ret_exit = CLI_FAILED;
	}
	json_object_put(doc);
	return NULL;
}

struct json_object *client_ask(const struct cli *cli, struct json_object *request, int *ret_exit)
{
	FILE *f = send_request(cli, request);
	struct json_object *doc;
	char *line = NULL;
	size_t size = 0;

	*ret_exit = CLI_NO_DAEMON;
	if (!f)
		return NULL;
	doc = getline(&line, &size, f) > 0 ? json_tokener_parse(line) : NULL;
	free(line);
	fclose(f);
	return check(doc, ret_exit);
}

struct json_object *client_ask_verb(const struct cli *cli, const char *verb, int *ret_exit)
{
	struct json_object *request = json_object_new_object();

	json_object_object_add(request, "verb", json_object_new_string(verb));
	return client_ask(cli, request, ret_exit);
}

int client_stream(const struct cli *cli, struct json_object *request,
		  void (*each)(const char *line))
{
	FILE *f = send_request(cli, request);
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return CLI_NO_DAEMON;
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		each(line);
		fflush(stdout);
	}
	free(line);
	fclose(f);
	return CLI_OK;
}
