/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The verbs that show state as tables. */
#include <stdio.h>

#include "tools/magpie/cli.h"

/* Asks; with --json the document is printed and NULL returned with *ret_exit CLI_OK. */
static struct json_object *ask(struct cli *cli, const char *verb, int argc, int *ret_exit)
{
	struct json_object *doc;

	if (argc > 1) {
		fprintf(stderr, "magpie: %s takes no argument\n", verb);
		*ret_exit = CLI_USAGE;
		return NULL;
	}
	doc = client_ask_verb(cli, verb, ret_exit);
	if (!doc)
		return NULL;
	*ret_exit = CLI_OK;
	if (!cli->json)
		return doc;
	print_json(doc);
	json_object_put(doc);
	return NULL;
}

static struct json_object *at(struct json_object *array, size_t i)
{
	return json_object_array_get_idx(array, i);
}

static size_t length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

/* ---- status ------------------------------------------------------------------------ */

static void print_uptime(int64_t s)
{
	if (s >= 86400)
		printf("%lld d %02lld h", (long long)(s / 86400), (long long)(s / 3600 % 24));
	else
		printf("%lld h %02lld min %02lld s", (long long)(s / 3600),
		       (long long)(s / 60 % 60), (long long)(s % 60));
}

static void print_status(struct json_object *doc)
{
	struct json_object *devices = field(doc, "devices"), *warnings = field(doc, "warnings");
	struct json_object *last = field(doc, "last_event");

	printf("%s  %s  magpied %s, up ", text(doc, "identity", "-"), text(doc, "role", "-"),
	       text(doc, "version", "?"));
	print_uptime(number(doc, "uptime_s"));
	printf("\nsessions  %lld\npaths     %lld of %lld carry packets\n",
	       (long long)number(doc, "sessions"), (long long)number(doc, "paths_up"),
	       (long long)number(doc, "paths"));
	printf("devices  ");
	for (size_t i = 0; i < length(devices); i++)
		printf(" %s (%s, %s)", text(at(devices, i), "name", "?"),
		       text(at(devices, i), "side", "?"), text(at(devices, i), "hook", "?"));
	putchar('\n');
	if (number(doc, "orphans") > 0)
		printf("adopted   %lld sessions of a former daemon, not claimed yet\n",
		       (long long)number(doc, "orphans"));
	if (last)
		printf("last      %s %s\n", text(last, "time", ""), text(last, "text", ""));
	for (size_t i = 0; i < length(warnings); i++)
		printf("warning   %s\n", json_object_get_string(at(warnings, i)));
}

int verb_status(struct cli *cli, int argc, char **argv)
{
	struct json_object *doc;
	int64_t sessions, up, paths;
	int r;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "magpie: status takes no argument\n");
		return CLI_USAGE;
	}
	doc = client_ask_verb(cli, "status", &r);
	if (!doc)
		return r;
	if (cli->json)
		print_json(doc);
	else
		print_status(doc);
	sessions = number(doc, "sessions");
	up = number(doc, "paths_up");
	paths = number(doc, "paths");
	json_object_put(doc);
	return sessions == 0 || up < paths ? CLI_FAILED : CLI_OK;
}

/* ---- sessions ---------------------------------------------------------------------- */

static void print_session(struct json_object *s)
{
	struct json_object *prefixes = field(s, "prefixes"), *bindings = field(s, "bindings");
	struct table *t = table_new(6);

	printf("%s  %s  ", text(s, "mn_id", "-"), text(s, "state", "-"));
	for (size_t i = 0; i < length(prefixes); i++)
		printf("%s%s", i ? ", " : "", json_object_get_string(at(prefixes, i)));
	if (field(s, "mag_id"))
		printf("  by %s", text(s, "mag_id", "-"));
	if (field(s, "lma"))
		printf("  at %s", text(s, "lma", "-"));
	putchar('\n');
	table_cell(t, "  BID");
	table_cell(t, "LABEL");
	table_cell(t, "STATE");
	table_cell(t, "LOCAL");
	table_cell(t, "REMOTE");
	table_cell(t, "EXPIRES");
	for (size_t i = 0; i < length(bindings); i++) {
		struct json_object *b = at(bindings, i);

		table_cell(t, "  %lld", (long long)number(b, "bid"));
		table_cell(t, "%s", text(b, "label", text(b, "label_number", "-")));
		table_cell(t, "%s", text(b, "state", "-"));
		table_cell(t, "%s", text(b, "local", "-"));
		table_cell(t, "%s", text(b, "remote", "-"));
		if (field(b, "expires_s"))
			table_cell(t, "%.0f s", json_object_get_double(field(b, "expires_s")));
		else
			table_cell(t, "-");
	}
	table_print(t);
}

int verb_sessions(struct cli *cli, int argc, char **argv)
{
	struct json_object *doc, *sessions;
	int r;

	(void)argv;
	doc = ask(cli, "sessions", argc, &r);
	if (!doc)
		return r;
	sessions = field(doc, "sessions");
	if (length(sessions) == 0)
		puts("no session");
	for (size_t i = 0; i < length(sessions); i++)
		print_session(at(sessions, i));
	json_object_put(doc);
	return CLI_OK;
}

/* ---- paths ------------------------------------------------------------------------- */

static void add_ms(struct table *t, struct json_object *p, const char *name)
{
	if (field(p, name))
		table_cell(t, "%.1f ms", (double)number(p, name) / 1000);
	else
		table_cell(t, "-");
}

static void add_path(struct table *t, struct json_object *p)
{
	bool alive = json_object_get_boolean(field(p, "alive"));
	char tx[16], rx[16];

	table_cell(t, "%s", text(p, "name", "-"));
	table_cell(t, "%s%s%s", alive ? colour_good() : colour_bad(), text(p, "state", "-"),
		   colour_off());
	table_cell(t, "%s", text(p, "device", "-"));
	table_cell(t, "%s", text(p, "local", "-"));
	table_cell(t, "%s", text(p, "remote", "-"));
	add_ms(t, p, "rtt_us");
	add_ms(t, p, "jitter_us");
	if (field(p, "loss_ppm"))
		table_cell(t, "%.1f %%", (double)number(p, "loss_ppm") / 10000);
	else
		table_cell(t, "-");
	table_cell(t, "%s", text(p, "mtu", "-"));
	table_cell(t, "%s / %s", human(number(p, "tx_packets"), tx),
		   human(number(p, "rx_packets"), rx));
	table_cell(t, "%sB / %sB", human(number(p, "tx_bytes"), tx),
		   human(number(p, "rx_bytes"), rx));
}

int verb_paths(struct cli *cli, int argc, char **argv)
{
	static const char *const head[] = {"PATH",   "STATE",  "DEVICE", "LOCAL", "REMOTE",
					   "RTT",    "JITTER", "LOSS",	 "MTU",	  "PACKETS TX / RX",
					   "TX / RX"};
	struct json_object *doc, *paths;
	struct table *t;
	int r;

	(void)argv;
	doc = ask(cli, "paths", argc, &r);
	if (!doc)
		return r;
	paths = field(doc, "paths");
	t = table_new(11);
	for (size_t i = 0; i < 11; i++)
		table_cell(t, "%s", head[i]);
	for (size_t i = 0; i < length(paths); i++)
		add_path(t, at(paths, i));
	table_print(t);
	json_object_put(doc);
	return CLI_OK;
}

/* ---- rules ------------------------------------------------------------------------- */

static void add_rule(struct table *t, struct json_object *r)
{
	char packets[16], bytes[16];

	table_cell(t, "%s", text(r, "name", "-"));
	table_cell(t, "%s", text(r, "match", ""));
	table_cell(t, "%s", text(r, "send", "-"));
	table_cell(t, "%s", human(number(r, "packets"), packets));
	table_cell(t, "%sB", human(number(r, "bytes"), bytes));
}

int verb_rules(struct cli *cli, int argc, char **argv)
{
	struct json_object *doc, *rules;
	struct table *t;
	int r;

	(void)argv;
	doc = ask(cli, "rules", argc, &r);
	if (!doc)
		return r;
	rules = field(doc, "rules");
	t = table_new(5);
	table_cell(t, "RULE");
	table_cell(t, "MATCH");
	table_cell(t, "SEND");
	table_cell(t, "PACKETS");
	table_cell(t, "OCTETS");
	for (size_t i = 0; i < length(rules); i++)
		add_rule(t, at(rules, i));
	add_rule(t, field(doc, "default"));
	table_print(t);
	json_object_put(doc);
	return CLI_OK;
}

/* ---- counters ---------------------------------------------------------------------- */

static void print_reasons(struct json_object *reasons)
{
	struct table *t = table_new(4);

	table_cell(t, "REASON");
	table_cell(t, "VERDICT");
	table_cell(t, "PACKETS");
	table_cell(t, "MEANING");
	for (size_t i = 0; i < length(reasons); i++) {
		struct json_object *r = at(reasons, i);

		table_cell(t, "%s", text(r, "name", "-"));
		table_cell(t, "%s", text(r, "verdict", "-"));
		table_cell(t, "%lld", (long long)number(r, "packets"));
		table_cell(t, "%s", text(r, "text", ""));
	}
	table_print(t);
}

static void print_counts(const char *head, struct json_object *rows, const char *name)
{
	struct table *t = table_new(3);

	table_cell(t, "%s", head);
	table_cell(t, "COUNT");
	table_cell(t, " ");
	for (size_t i = 0; i < length(rows); i++) {
		table_cell(t, "%s", text(at(rows, i), name, "-"));
		table_cell(t, "%lld", (long long)number(at(rows, i), "count"));
		table_cell(t, "%s", text(at(rows, i), "text", ""));
	}
	table_print(t);
}

int verb_counters(struct cli *cli, int argc, char **argv)
{
	struct json_object *doc;
	int r;

	(void)argv;
	doc = ask(cli, "counters", argc, &r);
	if (!doc)
		return r;
	print_reasons(field(doc, "reasons"));
	putchar('\n');
	print_counts("MESSAGES", field(doc, "signalling"), "name");
	putchar('\n');
	print_counts("FAULTS", field(doc, "faults"), "name");
	putchar('\n');
	print_counts("STATUS", field(doc, "statuses"), "status");
	json_object_put(doc);
	return CLI_OK;
}
