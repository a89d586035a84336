/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules -> policy. A rule with port lists or alternatives becomes several matches in a row, all of
 * the rule's class; the rule named "default" is class 0.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

#define MAX_RANGES 16
#define DEFAULT	   "default"

struct alternative {
	struct policy_match match;
	struct policy_range sport[MAX_RANGES], dport[MAX_RANGES];
	size_t n_sport, n_dport;
};

/* ---- Match ------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t value;
} protocols[] = {{"tcp", 6}, {"udp", 17}, {"sctp", 132}, {"icmp", 1}};

/* RFC 2474, 2597, 3246, 5865. */
static const struct {
	const char *name;
	uint8_t value;
} dscps[] = {
	{"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},	{"cs4", 32},  {"cs5", 40},
	{"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18},
	{"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28}, {"af33", 30}, {"af41", 34},
	{"af42", 36}, {"af43", 38}, {"ef", 46},	  {"va", 44},
};

static int parse_range(struct loader *l, const struct text *t, unsigned int max,
		       struct policy_range *ret)
{
	struct text first = *t, last;
	char *dash = strchr(first.value, '-');
	uint64_t a, b;

	last = first;
	if (dash) {
		*dash = '\0';
		memmove(last.value, dash + 1, strlen(dash + 1) + 1);
		last.at = offset_position(&t->at, (size_t)(dash - first.value) + 1);
	}
	if (value_number(l, &first, 0, max, &a) < 0 || value_number(l, &last, 0, max, &b) < 0)
		return -EINVAL;
	if (b < a) {
		error_at(l, &t->at, "the range %s ends before it begins", t->value);
		return -EINVAL;
	}
	*ret = (struct policy_range){(uint16_t)a, (uint16_t)b};
	return 0;
}

static int parse_ports(struct loader *l, const struct text *list, struct policy_range *ret,
		       size_t *n)
{
	struct text rest = *list, t;

	while (next_token(&rest, &t)) {
		if (*n == MAX_RANGES) {
			error_at(l, &t.at, "more than %d ports and ranges in one list", MAX_RANGES);
			return -EINVAL;
		}
		if (parse_range(l, &t, 65535, &ret[*n]) < 0)
			return -EINVAL;
		(*n)++;
	}
	return 0;
}

static int parse_dscp(struct loader *l, const struct text *t, struct policy_match *m)
{
	const char *names[sizeof(dscps) / sizeof(dscps[0])];
	int i;

	if (isdigit((unsigned char)t->value[0]))
		return parse_range(l, t, 63, &m->dscp);
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		names[k] = dscps[k].name;
	i = value_word(l, t, names, sizeof(names) / sizeof(names[0]));
	if (i < 0)
		return i;
	m->dscp = (struct policy_range){dscps[i].value, dscps[i].value};
	return 0;
}

static int set_proto(struct loader *l, const struct text *t, struct policy_match *m, uint8_t proto)
{
	if (m->fields & POLICY_PROTO) {
		error_at(l, &t->at, "a second protocol; alternatives are joined by |");
		return -EINVAL;
	}
	m->fields |= POLICY_PROTO;
	m->proto = proto;
	return 0;
}

enum word { DPORT, SPORT, FROM, TO, DSCP, PROTO, IPV4, IPV6, TCP, UDP, SCTP, ICMP, N_WORDS };
static const char *const words[N_WORDS] = {"dport", "sport", "from", "to",  "dscp", "proto",
					   "ipv4",  "ipv6",  "tcp",  "udp", "sctp", "icmp"};

/* A word that takes an argument. Lists with blanks after commas belong to one argument. */
static int with_argument(struct loader *l, struct alternative *a, enum word word,
			 const struct text *t)
{
	struct policy_match *m = &a->match;
	uint64_t n;

	switch (word) {
	case DPORT:
		m->fields |= POLICY_DPORT;
		return parse_ports(l, t, a->dport, &a->n_dport);
	case SPORT:
		m->fields |= POLICY_SPORT;
		return parse_ports(l, t, a->sport, &a->n_sport);
	case FROM:
		m->fields |= POLICY_SRC;
		return value_prefix(l, t, &m->src);
	case TO:
		m->fields |= POLICY_DST;
		return value_prefix(l, t, &m->dst);
	case DSCP:
		m->fields |= POLICY_DSCP;
		return parse_dscp(l, t, m);
	case PROTO:
		if (value_number(l, t, 0, 255, &n) < 0)
			return -EINVAL;
		return set_proto(l, t, m, (uint8_t)n);
	case IPV4:
	case IPV6:
	case TCP:
	case UDP:
	case SCTP:
	case ICMP:
	case N_WORDS:
		break;
	}
	return -EINVAL;
}

static int without_argument(struct loader *l, struct alternative *a, enum word word,
			    const struct text *t)
{
	if (word == IPV4 || word == IPV6) {
		a->match.fields |= POLICY_FAMILY;
		a->match.family = word == IPV4 ? 4 : 6;
		return 0;
	}
	return set_proto(l, t, &a->match, protocols[word - TCP].value);
}

/* Cuts the next blank-separated word; a list "80, 443" stays whole. */
static bool next_word(struct text *rest, struct text *ret)
{
	size_t skip = strspn(rest->value, " \t");
	char *p = rest->value + skip;
	size_t len = 0;

	while (p[len] && !isspace((unsigned char)p[len])) {
		if (p[len] == ',')
			len += strspn(p + len, ", \t");
		else
			len++;
	}
	if (len == 0)
		return false;
	ret->at = offset_position(&rest->at, skip);
	memcpy(ret->value, p, len);
	ret->value[len] = '\0';
	rest->at = offset_position(&rest->at, skip + len);
	memmove(rest->value, p + len, strlen(p + len) + 1);
	return true;
}

static int parse_alternative(struct loader *l, struct text *rest, struct alternative *a)
{
	struct text t, argument;

	memset(a, 0, sizeof(*a));
	while (next_word(rest, &t)) {
		int word = value_word(l, &t, words, N_WORDS);
		int r;

		if (word < 0)
			return word;
		if (word <= PROTO) {
			if (!next_word(rest, &argument)) {
				error_at(l, &rest->at, "\"%s\" needs a value behind it", t.value);
				return -EINVAL;
			}
			r = with_argument(l, a, (enum word)word, &argument);
		} else {
			r = without_argument(l, a, (enum word)word, &t);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static bool family_clashes(const struct policy_match *m)
{
	const struct ip_prefix *p = m->fields & POLICY_SRC ? &m->src : &m->dst;

	if ((m->fields & POLICY_SRC) && (m->fields & POLICY_DST) &&
	    ip_is_v4(&m->src.addr) != ip_is_v4(&m->dst.addr))
		return true;
	if (!(m->fields & POLICY_FAMILY) || !(m->fields & (POLICY_SRC | POLICY_DST)))
		return false;
	return ip_is_v4(&p->addr) != (m->family == 4);
}

static int add_match(struct loader *l, const struct position *at, const struct policy_match *m)
{
	struct policy *p = &l->config->policy;

	if (p->n_match == POLICY_MAX_MATCHES) {
		error_at(l, at,
			 "the rules need more than %d matches; each port range and alternative "
			 "is one",
			 POLICY_MAX_MATCHES);
		return -E2BIG;
	}
	p->match[p->n_match++] = *m;
	return 0;
}

/* "icmp" means ICMP of either family. */
static int add_families(struct loader *l, const struct position *at, struct policy_match *m)
{
	int r;

	if (!(m->fields & POLICY_PROTO) || m->proto != 1 ||
	    (m->fields & POLICY_FAMILY && m->family == 4))
		return add_match(l, at, m);
	if (!(m->fields & POLICY_FAMILY)) {
		r = add_match(l, at, m);
		if (r < 0)
			return r;
	}
	m->proto = 58;
	return add_match(l, at, m);
}

static int expand(struct loader *l, const struct position *at, const struct alternative *a)
{
	for (size_t i = 0; i < (a->n_sport ? a->n_sport : 1); i++) {
		for (size_t k = 0; k < (a->n_dport ? a->n_dport : 1); k++) {
			struct policy_match m = a->match;
			int r;

			m.sport = a->sport[i];
			m.dport = a->dport[k];
			r = add_families(l, at, &m);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int compile_match(struct loader *l, const struct pending_rule *rule, uint8_t class)
{
	struct text whole = rule->match;
	struct position start = whole.at;
	char *at = whole.value;

	do {
		char *bar = strchr(at, '|');
		struct text part = {.at = offset_position(&start, (size_t)(at - whole.value))};
		size_t len = bar ? (size_t)(bar - at) : strlen(at);
		struct alternative a;

		memcpy(part.value, at, len);
		part.value[len] = '\0';
		if (bar && strspn(part.value, " \t") == len) {
			error_at(l, &part.at, "nothing stands before this |");
			return -EINVAL;
		}
		if (parse_alternative(l, &part, &a) < 0)
			return -EINVAL;
		if (family_clashes(&a.match)) {
			error_at(l, &start, "addresses of both families in one match never meet");
			return -EINVAL;
		}
		a.match.class = class;
		memcpy(a.match.rule, rule->name.value, strnlen(rule->name.value, POLICY_NAME - 1));
		if (expand(l, &start, &a) < 0)
			return -EINVAL;
		at = bar ? bar + 1 : NULL;
	} while (at);
	return 0;
}

/* ---- Send -------------------------------------------------------------------------- */

static const struct config_label *find_label(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_label; i++) {
		if (strcmp(c->label[i].name, name) == 0)
			return &c->label[i];
	}
	return NULL;
}

static void unknown_label(struct loader *l, const struct position *at, const char *rule,
			  const char *name)
{
	const char *names[255];
	const char *near;

	for (size_t i = 0; i < l->config->n_label; i++)
		names[i] = l->config->label[i].name;
	near = nearest(name, names, l->config->n_label);
	if (near)
		error_at(l, at, "rule \"%s\": label \"%s\" is not defined; did you mean \"%s\"?",
			 rule, name, near);
	else
		error_at(l, at, "rule \"%s\": label \"%s\" is not defined by any [Label]", rule,
			 name);
}

static void warn_without_path(struct loader *l, const struct position *at,
			      const struct config_label *label)
{
	if (l->config->role != CONFIG_ROLE_MAG)
		return;
	for (size_t i = 0; i < l->n_pending_path; i++) {
		if (strcmp(l->path[i].label.value, label->name) == 0)
			return;
	}
	warning_at(l, at, "no [Path] has the label %s", label->name);
}

static int add_label(struct loader *l, const struct pending_rule *rule, struct policy_class *class,
		     struct text *t, uint8_t tier)
{
	char *colon = strchr(t->value, ':');
	const struct config_label *label;
	uint64_t weight = 1;

	if (colon) {
		struct text w = {.at = offset_position(&t->at, (size_t)(colon - t->value) + 1)};

		memcpy(w.value, colon + 1, strlen(colon + 1) + 1);
		*colon = '\0';
		if (value_number(l, &w, 1, 255, &weight) < 0)
			return -EINVAL;
	}
	label = find_label(l->config, t->value);
	if (!label) {
		unknown_label(l, &t->at, rule->name.value, t->value);
		return -EINVAL;
	}
	if (class->rank[label->number] != 0) {
		error_at(l, &t->at, "rule \"%s\": label %s stands twice", rule->name.value,
			 t->value);
		return -EINVAL;
	}
	warn_without_path(l, &t->at, label);
	class->rank[label->number] = tier;
	class->weight[label->number] = (uint8_t)weight;
	return 0;
}

/* `any`: every label that no earlier tier has. */
static void add_any(struct policy_class *class, uint8_t tier)
{
	for (unsigned int i = 0; i < 256; i++) {
		if (class->rank[i] == 0)
			class->rank[i] = tier;
	}
}

static int compile_send(struct loader *l, const struct pending_rule *rule,
			struct policy_class *class)
{
	struct text rest = rule->send, t;
	bool empty = true, dropped = false, any = false;
	uint8_t tier = 1;

	memset(class->weight, 1, sizeof(class->weight));
	while (next_token(&rest, &t)) {
		if (dropped) {
			error_at(l, &t.at, "rule \"%s\": nothing can follow drop",
				 rule->name.value);
			return -EINVAL;
		}
		if (strcmp(t.value, "else") == 0) {
			if (empty || tier == 255) {
				error_at(l, &t.at, "rule \"%s\": no label stands before this else",
					 rule->name.value);
				return -EINVAL;
			}
			tier++;
			empty = true;
		} else if (strcmp(t.value, "drop") == 0 && empty) {
			class->otherwise_drop = dropped = true;
			empty = false;
		} else if (strcmp(t.value, "any") == 0) {
			add_any(class, tier);
			any = true;
			empty = false;
		} else if (strcmp(t.value, "balance") != 0 || !empty) {
			if (any) {
				error_at(l, &t.at, "rule \"%s\": \"any\" before it has %s already",
					 rule->name.value, t.value);
				return -EINVAL;
			}
			if (add_label(l, rule, class, &t, tier) < 0)
				return -EINVAL;
			empty = false;
		}
	}
	if (empty) {
		error_at(l, &rest.at, "rule \"%s\": a label, any or drop is missing here",
			 rule->name.value);
		return -EINVAL;
	}
	return 0;
}

/* ---- rules ------------------------------------------------------------------------- */

static bool name_is_taken(const struct loader *l, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(l->rule[k].name.value, l->rule[i].name.value) == 0)
			return true;
	}
	return false;
}

static int check_name(struct loader *l, size_t i)
{
	struct pending_rule *r = &l->rule[i];

	if (r->name.value[0] == '\0') {
		error_at(l, &r->section, "the rule has no Name");
		return -EINVAL;
	}
	if (strlen(r->name.value) >= POLICY_NAME) {
		error_at(l, &r->name.at, "the name is longer than %d characters", POLICY_NAME - 1);
		return -EINVAL;
	}
	if (name_is_taken(l, i)) {
		error_at(l, &r->name.at, "another rule is named \"%s\"", r->name.value);
		return -EINVAL;
	}
	return 0;
}

static void warn_unreached(struct loader *l, const struct pending_rule *r)
{
	const struct policy *p = &l->config->policy;

	for (uint32_t i = 0; i < p->n_match; i++) {
		if (p->match[i].fields == 0) {
			warning_at(l, &r->section,
				   "rule \"%s\" is never reached; rule \"%s\" above matches "
				   "everything",
				   r->name.value, p->match[i].rule);
			return;
		}
	}
}

/* At most size - 1 characters, always terminated. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

static void keep_text(struct config *c, const struct pending_rule *r)
{
	struct config_rule *out = &c->rule[c->n_rule++];

	copy_text(out->name, sizeof(out->name), r->name.value);
	copy_text(out->match, sizeof(out->match), r->match.value);
	copy_text(out->send, sizeof(out->send), r->send.value[0] ? r->send.value : "any");
}

/* The default class takes what it does not name last of all: unlabelled bindings (MP-MMB-15), too.
 */
static void end_default(struct policy_class *class)
{
	uint8_t last = 0;

	if (class->otherwise_drop)
		return;
	for (unsigned int i = 0; i < 256; i++)
		last = class->rank[i] > last ? class->rank[i] : last;
	add_any(class, (uint8_t)(last + (last < 255)));
}

static void compile_rule(struct loader *l, struct pending_rule *r)
{
	struct policy *p = &l->config->policy;
	bool is_default = strcmp(r->name.value, DEFAULT) == 0;
	struct policy_class class = {0};

	memcpy(class.name, r->name.value, strnlen(r->name.value, sizeof(class.name) - 1));
	if (r->send.value[0] == '\0') {
		memcpy(r->send.value, "any", 4);
		r->send.at = r->section;
	}
	if (compile_send(l, r, &class) < 0)
		return;
	if (is_default) {
		if (r->match.value[0])
			error_at(l, &r->match.at,
				 "the rule named default takes all other traffic: it "
				 "has no Match");
		end_default(&class);
		p->class[0] = class;
		keep_text(l->config, r);
		return;
	}
	warn_unreached(l, r);
	if (p->n_class == POLICY_MAX_CLASSES) {
		error_at(l, &r->section, "more than %d rules", POLICY_MAX_CLASSES - 1);
		return;
	}
	if (compile_match(l, r, (uint8_t)p->n_class) < 0)
		return;
	p->class[p->n_class++] = class;
	keep_text(l->config, r);
}

void compile_rules(struct loader *l)
{
	struct policy *p = &l->config->policy;

	p->n_class = 1;
	memcpy(p->class[0].name, DEFAULT, sizeof(DEFAULT));
	memset(p->class[0].weight, 1, sizeof(p->class[0].weight));
	add_any(&p->class[0], 1);
	for (size_t i = 0; i < l->n_pending_rule; i++) {
		if (check_name(l, i) == 0)
			compile_rule(l, &l->rule[i]);
	}
}
