/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * documents.h. Numbers keep the unit that their name says; what is unknown is null, never 0.
 */
#include "app/documents.h"

#include <stdio.h>
#include <string.h>

static void add(struct json_object *o, const char *name, struct json_object *value)
{
	json_object_object_add(o, name, value);
}

static struct json_object *number(uint64_t value)
{
	return json_object_new_int64((int64_t)value);
}

static struct json_object *text(const char *value)
{
	return value ? json_object_new_string(value) : NULL;
}

static struct json_object *address(const struct ip_addr *a)
{
	char out[IP_TEXT_MAX];

	return ip_is_zero(a) ? NULL : json_object_new_string(ip_text(a, out));
}

static struct json_object *identifier(const struct mh_id *id)
{
	char out[MH_ID_MAX * 4 + 8];

	return id && id->len > 0 ? json_object_new_string(mh_id_text(id, out, sizeof(out))) : NULL;
}

static struct json_object *prefixes(const struct ip_prefix *prefix, unsigned int n)
{
	struct json_object *array = json_object_new_array();
	char out[IP_TEXT_MAX];

	for (unsigned int i = 0; i < n; i++)
		json_object_array_add(array,
				      json_object_new_string(ip_prefix_text(&prefix[i], out)));
	return array;
}

/* Seconds until a mono time with one decimal; null for "not bound". */
static struct json_object *seconds_until(uint64_t mono_ns)
{
	struct core_time now;
	uint64_t tenths;

	app_now(&now);
	if (mono_ns == 0)
		return NULL;
	if (mono_ns <= now.mono_ns)
		return json_object_new_double(0);
	tenths = (mono_ns - now.mono_ns) / 100000000U;
	return json_object_new_double((double)tenths / 10);
}

static const char *device_name(const struct app *app, uint32_t ifindex)
{
	for (size_t i = 0; i < app->n_device; i++) {
		if (app->device[i].state.exists && app->device[i].state.ifindex == ifindex)
			return app->device[i].plane.name;
	}
	return NULL;
}

struct json_object *document_lma_session(const struct app *app, const struct lma_session_info *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *bindings = json_object_new_array();

	add(o, "id", number(s->id));
	add(o, "mn_id", identifier(s->mn_id));
	add(o, "state", text(s->state));
	add(o, "mag_id", identifier(s->mag_id));
	add(o, "prefixes", prefixes(s->prefix, s->n_prefix));
	for (unsigned int i = 0; i < s->n; i++) {
		const struct lma_binding_info *b = &s->binding[i];
		struct json_object *j = json_object_new_object();

		add(j, "bid", number(b->bid));
		add(j, "label", text(config_label_name(app->config, b->label)));
		add(j, "label_number", number(b->label));
		add(j, "access", number(b->att));
		add(j, "state", text(b->state));
		add(j, "local", address(&b->local));
		add(j, "remote", address(&b->remote));
		add(j, "device", NULL);
		add(j, "expires_s", seconds_until(b->expires_ns));
		json_object_array_add(bindings, j);
	}
	add(o, "bindings", bindings);
	return o;
}

struct json_object *document_mag_session(const struct app *app, const struct mag_session_info *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *bindings = json_object_new_array();

	add(o, "id", number(s->id));
	add(o, "mn_id", identifier(s->mn_id));
	add(o, "state", text(s->mode));
	add(o, "lma", address(&s->lma));
	add(o, "prefixes", prefixes(s->prefix, s->n_prefix));
	for (unsigned int i = 0; i < s->n; i++) {
		const struct mag_binding_info *b = &s->binding[i];
		struct json_object *j = json_object_new_object();

		add(j, "bid", number(b->path->bid));
		add(j, "label", text(config_label_name(app->config, b->path->label)));
		add(j, "label_number", number(b->path->label));
		add(j, "access", number(b->path->att));
		add(j, "state", text(b->state));
		add(j, "local", address(&b->local));
		add(j, "remote", address(&s->lma));
		add(j, "device", text(device_name(app, b->ifindex)));
		add(j, "expires_s", seconds_until(b->expires_ns));
		add(j, "next_s", seconds_until(b->next_ns));
		add(j, "last_status", number(b->last_status));
		add(j, "tries", number(b->tries));
		json_object_array_add(bindings, j);
	}
	add(o, "bindings", bindings);
	return o;
}

struct json_object *document_path(const struct app *app, const struct plane_path_info *info)
{
	const struct health *h = app->stamp ? stamp_health(app->stamp, info->id) : NULL;
	bool heard = h && h->heard_ns != 0;
	struct json_object *o = json_object_new_object();
	bool resolved = info->outer.ifindex != 0;
	struct core_time now;

	app_now(&now);
	add(o, "id", number(info->id));
	add(o, "name", text(app->role->path_name(app, info)));
	add(o, "label", text(config_label_name(app->config, info->label)));
	add(o, "label_number", number(info->label));
	add(o, "device", text(device_name(app, resolved ? info->outer.ifindex : info->ifindex)));
	add(o, "local", address(&info->local));
	add(o, "remote", address(&info->remote));
	add(o, "state", text(paths_state_text(app, info->id)));
	add(o, "alive", json_object_new_boolean(info->alive));
	add(o, "mtu", resolved ? number(info->outer.mtu) : NULL);
	add(o, "rtt_us", heard ? number(h->rtt_us) : NULL);
	add(o, "jitter_us", heard ? number(h->jitter_us) : NULL);
	add(o, "loss_ppm",
	    heard ? number(health_loss_ppm(h, &app->config->health, now.mono_ns)) : NULL);
	add(o, "probes_sent", h ? number(h->sent) : NULL);
	add(o, "probes_answered", h ? number(h->answered) : NULL);
	add(o, "tx_packets", number(info->count.tx_packets));
	add(o, "tx_bytes", number(info->count.tx_bytes));
	add(o, "rx_packets", number(info->count.rx_packets));
	add(o, "rx_bytes", number(info->count.rx_bytes));
	add(o, "sessions", number(info->users));
	return o;
}

int document_rule_index(const struct app *app, unsigned int match)
{
	const struct config *c = app->config;

	if (match >= c->policy.n_match)
		return -1;
	for (size_t i = 0; i < c->n_rule; i++) {
		if (strcmp(c->rule[i].name, c->policy.match[match].rule) == 0)
			return (int)i;
	}
	return -1;
}

static struct json_object *rule(const struct app *app, size_t i,
				const struct magpie_rule_count *counts)
{
	const struct config_rule *r = &app->config->rule[i];
	struct json_object *o = json_object_new_object();
	uint64_t packets = 0, bytes = 0;

	for (unsigned int m = 0; m < app->config->policy.n_match; m++) {
		if (document_rule_index(app, m) != (int)i)
			continue;
		packets += counts[m].packets;
		bytes += counts[m].bytes;
	}
	add(o, "index", number(i));
	add(o, "name", text(r->name));
	add(o, "match", text(r->match));
	add(o, "send", text(r->send));
	add(o, "packets", number(packets));
	add(o, "bytes", number(bytes));
	return o;
}

static bool is_default(const struct config_rule *r)
{
	return strcmp(r->name, "default") == 0;
}

struct json_object *document_rules(const struct app *app)
{
	struct magpie_rule_count counts[MAGPIE_RULES + 1] = {0};
	struct json_object *array = json_object_new_array();

	plane_rule_counts(app->plane, counts);
	for (size_t i = 0; i < app->config->n_rule; i++) {
		if (!is_default(&app->config->rule[i]))
			json_object_array_add(array, rule(app, i, counts));
	}
	return array;
}

struct json_object *document_default_rule(const struct app *app)
{
	struct magpie_rule_count counts[MAGPIE_RULES + 1] = {0};
	struct json_object *o = json_object_new_object();
	const char *send = "any";

	plane_rule_counts(app->plane, counts);
	for (size_t i = 0; i < app->config->n_rule; i++) {
		if (is_default(&app->config->rule[i]))
			send = app->config->rule[i].send;
	}
	add(o, "index", NULL);
	add(o, "name", text("default"));
	add(o, "match", text(""));
	add(o, "send", text(send));
	add(o, "packets", number(counts[MAGPIE_RULES].packets));
	add(o, "bytes", number(counts[MAGPIE_RULES].bytes));
	return o;
}

const struct document_reason document_reason[MAGPIE_REASON_COUNT] = {
#define VERDICT_FORWARD	       "forward"
#define VERDICT_PASS	       "pass"
#define VERDICT_DROP	       "drop"
#define X(name, verdict, text) {#name, VERDICT_##verdict, text},
	MAGPIE_REASONS(X)
#undef X
};

struct json_object *document_reasons(const struct app *app)
{
	struct magpie_reason_count counts[MAGPIE_REASON_COUNT] = {0};
	struct json_object *array = json_object_new_array();

	plane_reasons(app->plane, counts);
	for (unsigned int i = 0; i < MAGPIE_REASON_COUNT; i++) {
		struct json_object *o = json_object_new_object();

		add(o, "name", text(document_reason[i].name));
		add(o, "verdict", text(document_reason[i].verdict));
		add(o, "text", text(document_reason[i].text));
		add(o, "packets", number(counts[i].packets));
		add(o, "bytes", number(counts[i].bytes));
		json_object_array_add(array, o);
	}
	return array;
}

struct json_object *document_signalling(const struct app *app)
{
	const uint64_t *counters = app->role->counters(app);
	const struct mh_socket_counts *socket = mh_socket_counts(app->mh);
	const struct {
		const char *name;
		uint64_t count;
	} more[] = {
		{"socket-received", socket->received},
		{"socket-sent", socket->sent},
		{"socket-send-error", socket->send_errors},
		{"socket-truncated", socket->truncated},
		{"socket-not-unicast", socket->not_unicast},
	};
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < CORE_COUNTER_COUNT; i++) {
		struct json_object *o = json_object_new_object();

		add(o, "name", text(core_counter_text(i)));
		add(o, "count", number(counters[i]));
		json_object_array_add(array, o);
	}
	for (unsigned int i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		struct json_object *o = json_object_new_object();

		add(o, "name", text(more[i].name));
		add(o, "count", number(more[i].count));
		json_object_array_add(array, o);
	}
	return array;
}

struct json_object *document_statuses(const struct app *app)
{
	const uint64_t *statuses = app->role->statuses(app);
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < 256; i++) {
		struct json_object *o;

		if (statuses[i] == 0)
			continue;
		o = json_object_new_object();
		add(o, "status", number(i));
		add(o, "text", text(mh_status_text((uint8_t)i)));
		add(o, "count", number(statuses[i]));
		json_object_array_add(array, o);
	}
	return array;
}

struct json_object *document_faults(const struct app *app)
{
	static const char *const names[] = {
#define X(name, text) #name,
		MH_FAULTS(X)
#undef X
	};
	struct json_object *array = json_object_new_array();

	for (unsigned int i = MH_FAULT_NONE + 1; i < MH_FAULT_COUNT; i++) {
		struct json_object *o = json_object_new_object();

		add(o, "name", text(names[i]));
		add(o, "text", text(mh_fault_text(i)));
		add(o, "count", number(app->faults[i]));
		json_object_array_add(array, o);
	}
	return array;
}
