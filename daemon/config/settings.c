/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each key does to the configuration. Most are a number, a time or a yes at a place; those
 * that are more have a function of their own.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

struct row {
	void (*set)(struct loader *l, const struct row *row, const struct text *value);
	size_t offset; /* in struct config */
	uint64_t min, max;
	size_t size; /* of the field */
};

static void *place(struct loader *l, const struct row *row)
{
	return (uint8_t *)l->config + row->offset;
}

static void store(void *to, size_t size, uint64_t n)
{
	if (size == 1)
		*(uint8_t *)to = (uint8_t)n;
	else if (size == 2)
		*(uint16_t *)to = (uint16_t)n;
	else
		*(uint32_t *)to = (uint32_t)n;
}

/* ---- the plain ones ---------------------------------------------------------------- */

static void set_number(struct loader *l, const struct row *row, const struct text *value)
{
	uint64_t n;

	if (value_number(l, value, row->min, row->max, &n) == 0)
		store(place(l, row), row->size, n);
}

static void set_ms(struct loader *l, const struct row *row, const struct text *value)
{
	uint32_t ms;

	if (value_duration_ms(l, value, row->min, row->max, &ms) == 0)
		store(place(l, row), row->size, ms);
}

/* Times kept in seconds; min and max are in seconds, too. */
static void set_seconds(struct loader *l, const struct row *row, const struct text *value)
{
	uint32_t ms;

	if (value_duration_ms(l, value, row->min * 1000, row->max * 1000, &ms) < 0)
		return;
	if (ms % 1000 != 0)
		warning_at(l, &value->at, "%s is rounded down to whole seconds", value->value);
	store(place(l, row), row->size, ms / 1000);
}

static void set_bool(struct loader *l, const struct row *row, const struct text *value)
{
	value_bool(l, value, place(l, row));
}

static void set_directory(struct loader *l, const struct row *row, const struct text *value)
{
	if (value->value[0] != '/')
		error_at(l, &value->at, "\"%s\" is not an absolute path", value->value);
	else if (strlen(value->value) >= CONFIG_PATH_MAX / 2)
		error_at(l, &value->at, "the path is longer than %d characters",
			 CONFIG_PATH_MAX / 2 - 1);
	else
		memcpy(place(l, row), value->value, strlen(value->value) + 1);
}

/* ---- [Node] ------------------------------------------------------------------------ */

static void set_role(struct loader *l, const struct row *row, const struct text *value)
{
	static const char *const words[] = {"mag", "lma"};
	int i = value_word(l, value, words, 2);

	(void)row;
	l->role_at = value->at;
	if (i >= 0)
		l->config->role = i == 0 ? CONFIG_ROLE_MAG : CONFIG_ROLE_LMA;
}

static void set_identity(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	l->identity_at = value->at;
	if (strlen(value->value) > MH_ID_MAX - 1) {
		error_at(l, &value->at, "the identity is longer than %d characters", MH_ID_MAX - 1);
		return;
	}
	memcpy(l->config->identity, value->value, strlen(value->value) + 1);
}

static void set_security(struct loader *l, const struct row *row, const struct text *value)
{
	static const char *const words[] = {"none"};

	(void)row;
	l->security_at = value->at;
	if (value_word(l, value, words, 1) == 0)
		l->config->security_none = true;
}

static void set_attach(struct loader *l, const struct row *row, const struct text *value)
{
	static const char *const words[] = {"auto", "xdp", "tc"};
	int i = value_word(l, value, words, 3);

	(void)row;
	if (i >= 0)
		l->config->attach = (enum config_attach)i;
}

static bool add_device(struct loader *l, const struct text *t,
		       char list[CONFIG_MAX_DEVICES][CONFIG_DEVICE_MAX], size_t *n)
{
	char name[CONFIG_DEVICE_MAX] = ""; /* whole, because configurations are compared */

	if (value_device(l, t, name) < 0)
		return false;
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	if (*n == CONFIG_MAX_DEVICES) {
		error_at(l, &t->at, "more than %d devices", CONFIG_MAX_DEVICES);
		return false;
	}
	memcpy(list[(*n)++], name, sizeof(name));
	return true;
}

static void set_inside(struct loader *l, const struct row *row, const struct text *value)
{
	struct text rest = *value, t;

	(void)row;
	while (next_token(&rest, &t))
		add_device(l, &t, l->config->inside, &l->config->n_inside);
}

static void set_outside(struct loader *l, const struct row *row, const struct text *value)
{
	struct text rest = *value, t;

	(void)row;
	while (next_token(&rest, &t))
		add_device(l, &t, l->config->outside, &l->config->n_outside);
}

#define MAX_LIFETIME_MS UINT64_C(262140000) /* 65535 units of 4 s */

/* ---- [Anchor] ---------------------------------------------------------------------- */

static void set_address(struct loader *l, const struct row *row, const struct text *value)
{
	struct config *c = l->config;
	struct text rest = *value, t;

	(void)row;
	l->address_at = value->at;
	c->n_local = 0;
	while (next_token(&rest, &t)) {
		if (c->n_local == CONFIG_MAX_LOCALS) {
			error_at(l, &t.at, "more than %d addresses", CONFIG_MAX_LOCALS);
			return;
		}
		if (value_address(l, &t, &c->local[c->n_local]) == 0)
			c->n_local++;
	}
}

static void set_multipath(struct loader *l, const struct row *row, const struct text *value)
{
	static const char *const words[] = {"no", "yes", "ignore"};
	int i = value_word(l, value, words, 3);

	(void)row;
	if (i < 0)
		return;
	l->config->mag.multipath = i == 1;
	l->config->lma.multipath = i == 1;
	l->config->lma.multipath_legacy = i == 2;
}

static void set_lifetime(struct loader *l, const struct row *row, const struct text *value)
{
	uint32_t ms;

	(void)row;
	if (value_duration_ms(l, value, 4000, MAX_LIFETIME_MS, &ms) < 0)
		return;
	if (ms % 4000 != 0)
		warning_at(l, &value->at,
			   "%s is rounded down to a multiple of 4s, the unit on the wire",
			   value->value);
	l->config->mag.lifetime_s = ms / 4000 * 4;
	l->config->lma.max_lifetime_s = ms / 4000 * 4;
}

/* ---- [Label] ----------------------------------------------------------------------- */

static struct config_label *this_label(struct loader *l)
{
	return &l->config->label[l->config->n_label - 1];
}

static void set_label_name(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	if (strlen(value->value) > CORE_LABEL_MAX) {
		error_at(l, &value->at, "the name is longer than %d characters", CORE_LABEL_MAX);
		return;
	}
	if (strpbrk(value->value, " \t,:") || strcmp(value->value, "any") == 0 ||
	    strcmp(value->value, "else") == 0 || strcmp(value->value, "drop") == 0 ||
	    strcmp(value->value, "balance") == 0) {
		error_at(l, &value->at, "\"%s\" cannot name a label: it has a meaning in rules",
			 value->value);
		return;
	}
	memcpy(this_label(l)->name, value->value, strlen(value->value) + 1);
}

static void set_label_number(struct loader *l, const struct row *row, const struct text *value)
{
	uint64_t n;

	(void)row;
	if (value_number(l, value, 1, 255, &n) == 0)
		this_label(l)->number = (uint8_t)n;
}

/* ---- [Path] ------------------------------------------------------------------------ */

static struct config_path *this_path(struct loader *l)
{
	return &l->config->path[l->config->n_path - 1];
}

static void set_path_name(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	if (strlen(value->value) > CORE_LABEL_MAX) {
		error_at(l, &value->at, "the name is longer than %d characters", CORE_LABEL_MAX);
		return;
	}
	memcpy(this_path(l)->core.name, value->value, strlen(value->value) + 1);
	l->path[l->n_pending_path - 1].has_name = true;
}

static void set_path_label(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	l->path[l->n_pending_path - 1].label = *value;
}

static void set_path_device(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	value_device(l, value, this_path(l)->device);
}

static void set_path_access(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	value_access(l, value, &this_path(l)->core.att);
}

static void set_path_number(struct loader *l, const struct row *row, const struct text *value)
{
	uint64_t n;

	if (value_number(l, value, row->min, row->max, &n) < 0)
		return;
	store((uint8_t *)&this_path(l)->core + row->offset, row->size, n);
	if (row->offset == offsetof(struct mag_path_config, bid))
		l->path[l->n_pending_path - 1].has_bid = true;
}

/* ---- [MobileNode] ------------------------------------------------------------------ */

static struct mag_node_config *this_node(struct loader *l)
{
	return &l->config->node[l->config->n_node - 1];
}

static void set_node_identity(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	value_nai(l, value, &this_node(l)->mn_id);
}

static void set_node_prefix(struct loader *l, const struct row *row, const struct text *value)
{
	struct mag_node_config *node = this_node(l);
	struct text rest = *value, t;

	(void)row;
	while (next_token(&rest, &t)) {
		if (node->n_prefix == MH_MAX_HNP) {
			error_at(l, &t.at, "more than %d prefixes", MH_MAX_HNP);
			return;
		}
		if (value_prefix(l, &t, &node->prefix[node->n_prefix]) == 0)
			node->n_prefix++;
	}
}

static void set_node_lan(struct loader *l, const struct row *row, const struct text *value)
{
	struct config *c = l->config;

	(void)row;
	if (value_device(l, value, c->node_lan[c->n_node - 1]) == 0)
		add_device(l, value, c->inside, &c->n_inside);
}

static void set_node_access(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	value_access(l, value, &this_node(l)->att);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void set_node_llid(struct loader *l, const struct row *row, const struct text *value)
{
	struct mh_llid *llid = &this_node(l)->llid;
	const char *p = value->value;

	(void)row;
	llid->len = 0;
	while (*p) {
		int hi = hex_digit(p[0]), lo = p[0] ? hex_digit(p[1]) : -1;

		if (hi < 0 || lo < 0 || llid->len == MH_LLID_MAX) {
			error_at(l, &value->at,
				 "\"%s\" is not an identifier such as 02:00:00:00:00:01 of at most "
				 "%d "
				 "octets",
				 value->value, MH_LLID_MAX);
			return;
		}
		llid->octets[llid->len++] = (uint8_t)(hi << 4 | lo);
		p += 2;
		if (*p == ':' || *p == '-')
			p++;
	}
}

/* ---- [Pool], [Gateway], [Rule], [Store] -------------------------------------------- */

static void set_pool_prefix(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	value_prefix(l, value, &l->config->pool[l->config->lma.n_pool - 1].range);
}

static void set_pool_length(struct loader *l, const struct row *row, const struct text *value)
{
	uint64_t n;

	(void)row;
	if (value_number(l, value, 1, 64, &n) == 0)
		l->config->pool[l->config->lma.n_pool - 1].length = (uint8_t)n;
}

static void set_gateway_identity(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	value_nai(l, value, &l->config->peer[l->config->lma.n_peer - 1].mag_id);
}

static void set_gateway_sources(struct loader *l, const struct row *row, const struct text *value)
{
	(void)row;
	value_prefix(l, value, &l->config->peer[l->config->lma.n_peer - 1].sources);
}

static void set_rule_text(struct loader *l, const struct row *row, const struct text *value)
{
	struct pending_rule *r = &l->rule[l->n_pending_rule - 1];

	*(struct text *)(void *)((uint8_t *)r + row->offset) = *value;
}

static void set_store(struct loader *l, const struct row *row, const struct text *value)
{
	static const char *const words[] = {"sqlite", "memory"};
	int i = value_word(l, value, words, 2);

	(void)row;
	if (i >= 0)
		l->config->store_memory = i == 1;
}

/* ---- the table --------------------------------------------------------------------- */

#define FIELD(member) offsetof(struct config, member)
#define SIZE(member)  sizeof(((struct config *)NULL)->member)
#define NUMBER(m, from, to)                                 \
	{                                                   \
		set_number, FIELD(m), (from), (to), SIZE(m) \
	}
#define MS(m, from, to)                                 \
	{                                               \
		set_ms, FIELD(m), (from), (to), SIZE(m) \
	}
#define SECONDS(m, from, to)                                 \
	{                                                    \
		set_seconds, FIELD(m), (from), (to), SIZE(m) \
	}
#define BOOL(m)                                   \
	{                                         \
		set_bool, FIELD(m), 0, 0, SIZE(m) \
	}
#define PATH_NUMBER(m, from, to)                                                    \
	{                                                                           \
		set_path_number, offsetof(struct mag_path_config, m), (from), (to), \
			sizeof(((struct mag_path_config *)NULL)->m)                 \
	}
#define CALL(function)               \
	{                            \
		function, 0, 0, 0, 0 \
	}
#define RULE(m)                                                          \
	{                                                                \
		set_rule_text, offsetof(struct pending_rule, m), 0, 0, 0 \
	}
#define HOUR_MS 3600000

static const struct row rows[CONFIG_KEY_COUNT] = {
	[CONFIG_KEY_Node_Role] = CALL(set_role),
	[CONFIG_KEY_Node_Identity] = CALL(set_identity),
	[CONFIG_KEY_Node_Security] = CALL(set_security),
	[CONFIG_KEY_Node_Attach] = CALL(set_attach),
	[CONFIG_KEY_Node_RuntimeDirectory] = {set_directory, FIELD(runtime_dir), 0, 0, 0},
	[CONFIG_KEY_Node_StateDirectory] = {set_directory, FIELD(state_dir), 0, 0, 0},
	[CONFIG_KEY_Node_Inside] = CALL(set_inside),
	[CONFIG_KEY_Node_Outside] = CALL(set_outside),
	[CONFIG_KEY_Node_HopLimit] = NUMBER(hop_limit, 1, 255),
	[CONFIG_KEY_Anchor_Address] = CALL(set_address),
	[CONFIG_KEY_Anchor_Multipath] = CALL(set_multipath),
	[CONFIG_KEY_Anchor_CapabilityKnown] = BOOL(mag.capability_known),
	[CONFIG_KEY_Anchor_Lifetime] = CALL(set_lifetime),
	[CONFIG_KEY_Label_Name] = CALL(set_label_name),
	[CONFIG_KEY_Label_Number] = CALL(set_label_number),
	[CONFIG_KEY_Path_Name] = CALL(set_path_name),
	[CONFIG_KEY_Path_Label] = CALL(set_path_label),
	[CONFIG_KEY_Path_Device] = CALL(set_path_device),
	[CONFIG_KEY_Path_Access] = CALL(set_path_access),
	[CONFIG_KEY_Path_Bid] = PATH_NUMBER(bid, 1, 254),
	[CONFIG_KEY_Path_Weight] = PATH_NUMBER(weight, 1, 255),
	[CONFIG_KEY_Path_Priority] = PATH_NUMBER(priority, 0, 65535),
	[CONFIG_KEY_MobileNode_Identity] = CALL(set_node_identity),
	[CONFIG_KEY_MobileNode_Prefix] = CALL(set_node_prefix),
	[CONFIG_KEY_MobileNode_Lan] = CALL(set_node_lan),
	[CONFIG_KEY_MobileNode_AccessType] = CALL(set_node_access),
	[CONFIG_KEY_MobileNode_LinkLayerId] = CALL(set_node_llid),
	[CONFIG_KEY_Pool_Prefix] = CALL(set_pool_prefix),
	[CONFIG_KEY_Pool_Length] = CALL(set_pool_length),
	[CONFIG_KEY_Gateway_Identity] = CALL(set_gateway_identity),
	[CONFIG_KEY_Gateway_Sources] = CALL(set_gateway_sources),
	[CONFIG_KEY_Rule_Name] = RULE(name),
	[CONFIG_KEY_Rule_Match] = RULE(match),
	[CONFIG_KEY_Rule_Send] = RULE(send),
	[CONFIG_KEY_Health_Probe] = BOOL(health_enabled),
	[CONFIG_KEY_Health_Interval] = MS(health.interval_ms, 10, 60000),
	[CONFIG_KEY_Health_Down] = MS(health.detect_ms, 30, 600000),
	[CONFIG_KEY_Health_UpCount] = NUMBER(health.up_count, 1, 60),
	[CONFIG_KEY_Health_Confirm] = MS(mag.suspect_ms, 0, HOUR_MS),
	[CONFIG_KEY_Health_HoldDown] = MS(mag.hold_down_ms, 0, HOUR_MS),
	[CONFIG_KEY_Timers_RetryFirst] = MS(mag.retry_first_ms, 100, 60000),
	[CONFIG_KEY_Timers_RetryMax] = MS(mag.retry_max_ms, 1000, HOUR_MS),
	[CONFIG_KEY_Timers_PathRetry] = MS(mag.path_retry_ms, 100, HOUR_MS),
	[CONFIG_KEY_Timers_DiscoveryWait] = MS(mag.discovery_wait_ms, 0, 60000),
	[CONFIG_KEY_Timers_DiscoveryTries] = NUMBER(mag.discovery_tries, 1, 20),
	[CONFIG_KEY_Timers_BulkEvery] = NUMBER(mag.bulk_every, 1, 100),
	[CONFIG_KEY_Timers_MultipathHold] = SECONDS(mag.multipath_hold_s, 1, 604800),
	[CONFIG_KEY_Timers_RejectHold] = MS(mag.reject_hold_ms, 1000, HOUR_MS),
	[CONFIG_KEY_Timers_Drain] = MS(mag.drain_ms, 0, 60000),
	[CONFIG_KEY_Timers_TimestampWindow] = MS(lma.timestamp_window_ms, 0, HOUR_MS),
	[CONFIG_KEY_Timers_MinDelayBeforeDelete] = MS(lma.min_delay_before_delete_ms, 0, HOUR_MS),
	[CONFIG_KEY_Timers_MaxDelayBeforeAssign] = MS(lma.max_delay_before_assign_ms, 0, HOUR_MS),
	[CONFIG_KEY_Timers_PrefixRest] = SECONDS(lma.prefix_rest_s, 0, 604800),
	[CONFIG_KEY_Limits_Sessions] = NUMBER(lma.max_sessions, 1, 4000000),
	[CONFIG_KEY_Limits_Bindings] = NUMBER(lma.max_bindings, 1, 254),
	[CONFIG_KEY_Limits_Paths] = NUMBER(max_paths, 2, 65535),
	[CONFIG_KEY_Limits_FlowTable] = NUMBER(flow_table, 1024, 16777216),
	[CONFIG_KEY_Limits_FlowIdle] = SECONDS(flow_idle_s, 1, 86400),
	[CONFIG_KEY_Limits_GatewayRate] = NUMBER(lma.peer_rate, 0, 10000000),
	[CONFIG_KEY_Store_Kind] = CALL(set_store),
};

void setting(struct loader *l, size_t key, const struct text *value)
{
	rows[key].set(l, &rows[key], value);
}

/* ---- sections ---------------------------------------------------------------------- */

/* The element a repeatable section begins; over a limit the last one is written again. */
static bool room(struct loader *l, size_t n, size_t max, const char *what)
{
	if (n < max)
		return true;
	error_at(l, &l->section_at, "more than %zu %s", max, what);
	l->section = -1; /* its keys have no place */
	return false;
}

static void begin_path(struct loader *l)
{
	struct config *c = l->config;

	if (!room(l, c->n_path, 254, "paths: a binding identifier has 254 values"))
		return;
	c->path[c->n_path++] = (struct config_path){
		.core = {.bid = (uint8_t)c->n_path, .att = 3, .weight = 1, .priority = 100}};
	l->path[l->n_pending_path++] = (struct pending_path){.section = l->section_at};
}

static void begin_node(struct loader *l)
{
	struct config *c = l->config;

	if (!room(l, c->n_node, CONFIG_MAX_NODES, "mobile nodes"))
		return;
	c->node[c->n_node++] = (struct mag_node_config){.att = 1};
	l->node[l->n_pending_node++].section = l->section_at;
}

void setting_section(struct loader *l, enum config_section section)
{
	struct config *c = l->config;

	switch (section) {
	case CONFIG_SECTION_Label:
		if (room(l, c->n_label, 255, "labels")) {
			l->label_at[c->n_label] = l->section_at;
			c->label[c->n_label++] = (struct config_label){0};
		}
		break;
	case CONFIG_SECTION_Path:
		begin_path(l);
		break;
	case CONFIG_SECTION_MobileNode:
		begin_node(l);
		break;
	case CONFIG_SECTION_Pool:
		if (room(l, c->lma.n_pool, CONFIG_MAX_POOLS, "pools")) {
			l->pool_at[c->lma.n_pool] = l->section_at;
			c->pool[c->lma.n_pool++].length = 64;
		}
		break;
	case CONFIG_SECTION_Gateway:
		if (room(l, c->lma.n_peer, CONFIG_MAX_PEERS, "gateways"))
			c->lma.n_peer++;
		break;
	case CONFIG_SECTION_Rule:
		if (room(l, l->n_pending_rule, POLICY_MAX_MATCHES, "rules"))
			l->rule[l->n_pending_rule++] =
				(struct pending_rule){.section = l->section_at};
		break;
	case CONFIG_SECTION_Node:
	case CONFIG_SECTION_Anchor:
	case CONFIG_SECTION_Health:
	case CONFIG_SECTION_Timers:
	case CONFIG_SECTION_Limits:
	case CONFIG_SECTION_Store:
	case CONFIG_SECTION_COUNT:
		break;
	}
}

/* ---- defaults ---------------------------------------------------------------------- */

/* The defaults are the texts of the key table, put through the same functions. */
void settings_defaults(struct config *c)
{
	static const struct {
		size_t key;
		const char *text;
	} defaults[] = {
#define X(section, key, roles, def, doc) {CONFIG_KEY_##section##_##key, def},
		CONFIG_KEYS(X)
#undef X
	};
	struct loader *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	l->config = c;
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		const struct row *row = &rows[defaults[i].key];
		struct text t = {.at = {"default", 0, 0}};
		bool plain = row->set == set_number || row->set == set_ms ||
			     row->set == set_seconds || row->set == set_bool ||
			     row->set == set_directory || row->set == set_multipath ||
			     row->set == set_lifetime;

		if (!plain)
			continue;
		memcpy(t.value, defaults[i].text, strlen(defaults[i].text) + 1);
		row->set(l, row, &t);
	}
	free(l);
}
