/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `trace`: a packet in words -> what the datapath would do with it, in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/magpie/cli.h"

static const char usage[] =
	"magpie: usage: magpie trace PROTO SRC DST [DPORT] [sport N] [dscp N]\n"
	"  PROTO tcp, udp, sctp, icmp or a number; an address may be [ADDR]:PORT\n";

/* "[addr]:port" in two; port 0 where there is none. */
static void split(const char *word, char *address, size_t size, long *ret_port)
{
	const char *close = word[0] == '[' ? strchr(word, ']') : NULL;
	const char *colon = strrchr(word, ':');
	size_t len = strlen(word);

	*ret_port = 0;
	if (close) {
		if (close[1] == ':')
			*ret_port = strtol(close + 2, NULL, 10);
		word++;
		len = (size_t)(close - word);
	} else if (colon && strchr(word, ':') == colon) { /* IPv4 */
		*ret_port = strtol(colon + 1, NULL, 10);
		len = (size_t)(colon - word);
	}
	if (len >= size)
		len = size - 1;
	memcpy(address, word, len);
	address[len] = '\0';
}

static bool take_number(const char *word, long max, long *ret)
{
	char *end;

	*ret = strtol(word, &end, 10);
	return end != word && *end == '\0' && *ret >= 0 && *ret <= max;
}

/* Words behind the addresses. */
static bool take_rest(int argc, char **argv, long *dport, long *sport, long *dscp)
{
	for (int i = 0; i < argc; i++) {
		bool good;

		if (strcmp(argv[i], "sport") == 0 && i + 1 < argc)
			good = take_number(argv[++i], 65535, sport);
		else if (strcmp(argv[i], "dport") == 0 && i + 1 < argc)
			good = take_number(argv[++i], 65535, dport);
		else if (strcmp(argv[i], "dscp") == 0 && i + 1 < argc)
			good = take_number(argv[++i], 63, dscp);
		else
			good = take_number(argv[i], 65535, dport);
		if (!good) {
			fprintf(stderr, "magpie: cannot read \"%s\"\n%s", argv[i], usage);
			return false;
		}
	}
	return true;
}

static struct json_object *request(int argc, char **argv)
{
	struct json_object *o;
	char src[64], dst[64];
	long sport, dport, dscp = 0, proto;

	split(argv[2], src, sizeof(src), &sport);
	split(argv[3], dst, sizeof(dst), &dport);
	if (!take_rest(argc - 4, argv + 4, &dport, &sport, &dscp))
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "verb", json_object_new_string("trace"));
	if (take_number(argv[1], 255, &proto))
		json_object_object_add(o, "proto", json_object_new_int((int)proto));
	else
		json_object_object_add(o, "proto", json_object_new_string(argv[1]));
	json_object_object_add(o, "src", json_object_new_string(src));
	json_object_object_add(o, "dst", json_object_new_string(dst));
	json_object_object_add(o, "sport", json_object_new_int((int)sport));
	json_object_object_add(o, "dport", json_object_new_int((int)dport));
	json_object_object_add(o, "dscp", json_object_new_int((int)dscp));
	return o;
}

static void explain(struct json_object *doc)
{
	struct json_object *path = field(doc, "path");

	printf("%s: %s\n", text(doc, "verdict", "-"), text(doc, "text", "-"));
	if (!field(doc, "session"))
		return;
	if (field(doc, "rule"))
		printf("rule    \"%s\"\n", text(doc, "rule", "-"));
	else
		puts("rule    none matches: the default class");
	printf("class   \"%s\"%s%s\n", text(doc, "class", "-"), field(doc, "tier") ? ", tier " : "",
	       text(doc, "tier", ""));
	if (!path)
		return;
	printf("path    %s (binding %s) by %s, %s -> %s, %s, largest packet %s octets\n",
	       text(path, "name", "-"), text(doc, "bid", "-"), text(path, "device", "-"),
	       text(path, "local", "-"), text(path, "remote", "-"), text(path, "state", "-"),
	       text(path, "mtu", "-"));
	if (json_object_get_boolean(field(doc, "pinned")))
		puts("        an established flow: it stays where it is");
	if (json_object_get_boolean(field(doc, "displaced")))
		puts("        not its first choice, which cannot carry it now");
	printf("answer of the %s program itself, by a dry run\n", text(doc, "hook", "-"));
}

int verb_trace(struct cli *cli, int argc, char **argv)
{
	struct json_object *ask, *doc;
	int r;

	if (argc < 4) {
		fputs(usage, stderr);
		return CLI_USAGE;
	}
	ask = request(argc, argv);
	if (!ask)
		return CLI_USAGE;
	doc = client_ask(cli, ask, &r);
	if (!doc)
		return r;
	if (cli->json)
		print_json(doc);
	else
		explain(doc);
	json_object_put(doc);
	return CLI_OK;
}
