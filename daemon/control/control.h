/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The local API: a Unix stream socket, one line of JSON in, one line of JSON out, then the server
 * closes; a verb may instead keep its client and stream lines to it (events -f). Knows the protocol
 * and no verb: what they mean is the caller's table. Reading verbs are open to the socket's group,
 * the others to root (by the peer's credentials).
 */
#ifndef MAGPIE_CONTROL_CONTROL_H
#define MAGPIE_CONTROL_CONTROL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <uv.h>

struct control;
struct control_client;

/* Error codes of {"ok":false}: the exit codes of the CLI. */
enum control_code {
	CONTROL_OK = 0,
	CONTROL_FAILED = 1,
	CONTROL_USAGE = 2,
	CONTROL_NOT_FOUND = 4,
};

struct control_verb {
	const char *name;
	bool changes; /* root only */
	/*
	 * Adds its members to `reply` ("ok" is added by the server) and returns CONTROL_OK, or a
	 * code and a sentence in *ret_error (a literal or static text).
	 */
	int (*run)(void *ctx, struct control_client *client, struct json_object *request,
		   struct json_object *reply, const char **ret_error);
};

/*
 * Listens on `path` (mode 0660). A socket left behind by a dead daemon is replaced; one that
 * answers gives -EADDRINUSE, anything that is no socket -EEXIST. The process ignores SIGPIPE from
 * then on: a client that leaves must not end it. `verb` ends with a NULL name and must outlive the
 * server.
 */
int control_open(uv_loop_t *loop, const char *path, const struct control_verb *verb, void *ctx,
		 struct control **ret_control);
/* Closes every client and removes the socket. */
void control_close(struct control *control);

/* From within a verb: no reply now; it comes by control_write later. */
void control_keep(struct control_client *client);
/* A kept client gets nothing more: closed when what was written to it is out. */
void control_end(struct control_client *client);
/* From within a verb: keep this client and give it every control_stream line. */
void control_follow(struct control_client *client);
/* Sends one line to every client that follows; one that does not read is closed, not waited for. */
void control_stream(struct control *control, const char *line);
/* One line to one client; from within its verb (before the reply) or to a kept one. */
void control_write(struct control_client *client, const char *line);

#endif
