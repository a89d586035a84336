/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * magpie, the tool: what its parts share. Data goes to standard output, messages to standard error;
 * --json prints the daemon's document as it is. Exit codes are part of the interface.
 */
#ifndef MAGPIE_CLI_H
#define MAGPIE_CLI_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_DAEMON = 3,
	CLI_NOT_FOUND = 4,
	CLI_CONFIG = 5
};

struct cli {
	bool json;
	const char *socket; /* NULL: from the configuration, else the default */
	const char *config; /* NULL: the default one */
};

/* X(verb, arguments, function, help) */
#define CLI_VERBS(X)                                                                            \
	X("status", "", verb_status, "one screen of truth; exit 1 when something is down")      \
	X("sessions", "", verb_sessions, "mobility sessions and their bindings")                \
	X("paths", "", verb_paths, "tunnels: liveness, round trip, loss, traffic")              \
	X("rules", "", verb_rules, "rules with their hits")                                     \
	X("counters", "", verb_counters, "packets by reason, messages by outcome")              \
	X("trace", "PROTO SRC DST [DPORT] [sport N] [dscp N]", verb_trace,                      \
	  "which path would this packet take, and why; asks the datapath itself")               \
	X("events", "[-f]", verb_events, "what happened; -f follows")                           \
	X("config", "check [FILE] | keys", verb_config, "check a configuration; list its keys") \
	X("release", "", verb_release, "deregister, detach and unpin what is ours")             \
	X("version", "", verb_version, "version of this tool")                                  \
	X("help", "", verb_help, "this")

#define X(name, arguments, function, help) int function(struct cli *cli, int argc, char **argv);
CLI_VERBS(X)
#undef X

/* client.c */
/* Path of the control socket: --socket, else RuntimeDirectory of the configuration, else /run. */
const char *client_socket(const struct cli *cli);
/*
 * Sends `request` (taken over) and returns the answer's document, which is the caller's. NULL after
 * a message; *ret_exit is then the exit code.
 */
struct json_object *client_ask(const struct cli *cli, struct json_object *request, int *ret_exit);
/* The same for a verb without arguments. */
struct json_object *client_ask_verb(const struct cli *cli, const char *verb, int *ret_exit);
/* Sends and calls `line` for each line that comes, until the daemon closes. An exit code. */
int client_stream(const struct cli *cli, struct json_object *request,
		  void (*line)(const char *line));

/* table.c */
struct json_object *field(struct json_object *o, const char *name);
/* The text of a member; `absent` for null or missing. */
const char *text(struct json_object *o, const char *name, const char *absent);
int64_t number(struct json_object *o, const char *name);
void print_json(struct json_object *o);
/* Rows of cells, aligned; the first row is the head. Cells are copied. */
struct table;
struct table *table_new(unsigned int columns);
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table *t); /* and frees it */
/* 12.3k, 4.5M ... */
const char *human(int64_t n, char out[16]);
/* Escape sequences on a terminal without NO_COLOR, else "". */
const char *colour_bad(void);
const char *colour_good(void);
const char *colour_off(void);

#endif
