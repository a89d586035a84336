/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What can only be judged when everything was read: presence, references, uniqueness, roles. */
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

static struct position file_as_a_whole(const struct loader *l)
{
	struct position at = {l->file, 0, 0};

	if (l->section_first[CONFIG_SECTION_Node].line)
		at = l->section_first[CONFIG_SECTION_Node];
	return at;
}

static void check_roles(struct loader *l)
{
	unsigned int role = l->config->role == CONFIG_ROLE_MAG ? CONFIG_MAG : CONFIG_LMA;

	for (size_t i = 0; i < l->n_role_use; i++) {
		if (!(l->role_use[i].roles & role))
			error_at(l, &l->role_use[i].at, "%s is for Role=%s", l->role_use[i].what,
				 l->role_use[i].roles == CONFIG_MAG ? "mag" : "lma");
	}
}

static void check_labels(struct loader *l)
{
	struct config *c = l->config;

	for (size_t i = 0; i < c->n_label; i++) {
		if (c->label[i].name[0] == '\0')
			error_at(l, &l->label_at[i], "the label has no Name");
		if (c->label[i].number == 0)
			error_at(l, &l->label_at[i], "the label has no Number (1..255)");
		for (size_t k = 0; k < i; k++) {
			if (c->label[i].number && c->label[k].number == c->label[i].number)
				error_at(l, &l->label_at[i],
					 "labels %s and %s have the same number %u",
					 c->label[k].name, c->label[i].name, c->label[i].number);
			if (c->label[i].name[0] && strcmp(c->label[k].name, c->label[i].name) == 0)
				error_at(l, &l->label_at[i], "label %s stands twice",
					 c->label[i].name);
		}
	}
}

static void resolve_label(struct loader *l, size_t i)
{
	struct pending_path *pending = &l->path[i];
	struct config *c = l->config;
	const char *names[255];
	const char *near;

	if (pending->label.value[0] == '\0') {
		error_at(l, &pending->section, "the path has no Label");
		return;
	}
	for (size_t k = 0; k < c->n_label; k++) {
		names[k] = c->label[k].name;
		if (strcmp(names[k], pending->label.value) != 0)
			continue;
		c->path[i].core.label = c->label[k].number;
		if (!pending->has_name)
			memcpy(c->path[i].core.name, names[k], strlen(names[k]) + 1);
		return;
	}
	near = nearest(pending->label.value, names, c->n_label);
	error_at(l, &pending->label.at, "label \"%s\" is not defined by any [Label]%s%s%s",
		 pending->label.value, near ? "; did you mean \"" : "", near ? near : "",
		 near ? "\"?" : "");
}

static void check_paths(struct loader *l)
{
	struct config *c = l->config;

	for (size_t i = 0; i < c->n_path; i++) {
		const struct position *at = &l->path[i].section;

		resolve_label(l, i);
		if (c->path[i].device[0] == '\0')
			error_at(l, at, "the path has no Device");
		for (size_t k = 0; k < i; k++) {
			if (c->path[k].core.bid == c->path[i].core.bid)
				error_at(l, at, "paths in lines %u and %u have the same Bid %u",
					 l->path[k].section.line, at->line, c->path[i].core.bid);
			if (c->path[i].device[0] &&
			    strcmp(c->path[k].device, c->path[i].device) == 0)
				error_at(l, at, "device %s has another path already",
					 c->path[i].device);
		}
		c->core_path[i] = c->path[i].core;
	}
}

static void check_nodes(struct loader *l)
{
	struct config *c = l->config;

	for (size_t i = 0; i < c->n_node; i++) {
		if (c->node[i].mn_id.len == 0)
			error_at(l, &l->node[i].section, "the mobile node has no Identity");
		for (size_t k = 0; k < i; k++) {
			if (c->node[i].mn_id.len &&
			    mh_id_equal(&c->node[k].mn_id, &c->node[i].mn_id))
				error_at(l, &l->node[i].section,
					 "another mobile node has this Identity");
		}
	}
}

static void check_mag(struct loader *l)
{
	struct config *c = l->config;
	struct position whole = file_as_a_whole(l);
	struct text identity = {.at = l->identity_at};

	memcpy(identity.value, c->identity, strlen(c->identity) + 1);
	if (c->identity[0] == '\0')
		error_at(l, &whole,
			 "a gateway needs an Identity in [Node], such as mag1@example.net");
	else
		value_nai(l, &identity, &c->mag.mag_id);
	if (c->n_local == 0)
		error_at(l, &whole, "a gateway needs the Address of its anchor in [Anchor]");
	else if (c->n_local > 1)
		error_at(l, &l->address_at, "a gateway has one anchor address in this version");
	if (c->n_path == 0)
		error_at(l, &whole, "a gateway needs at least one [Path]");
	if (c->n_node == 0)
		error_at(l, &whole, "a gateway needs at least one [MobileNode]");
	check_paths(l);
	check_nodes(l);
	c->anchor = c->local[0];
	c->mag.lma = c->anchor;
	c->mag.path = c->core_path;
	c->mag.n_path = c->n_path;
	c->mag.node = c->node;
	c->mag.n_node = c->n_node;
}

static bool overlap(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return ip_prefix_contains(a, &b->addr) || ip_prefix_contains(b, &a->addr);
}

static void check_pools(struct loader *l)
{
	struct config *c = l->config;

	for (size_t i = 0; i < c->lma.n_pool; i++) {
		struct lma_pool *pool = &c->pool[i];

		if (pool->range.len == 0) {
			error_at(l, &l->pool_at[i], "the pool has no Prefix");
			continue;
		}
		if (ip_is_v4(&pool->range.addr))
			error_at(l, &l->pool_at[i], "this version assigns IPv6 prefixes only");
		else if (pool->length <= pool->range.len)
			error_at(l, &l->pool_at[i], "Length %u must be longer than the pool's /%u",
				 pool->length, pool->range.len);
		else if (pool->length - pool->range.len > 32)
			error_at(l, &l->pool_at[i], "the pool would have more than 2^32 prefixes");
		for (size_t k = 0; k < i; k++) {
			if (c->pool[k].range.len && overlap(&c->pool[k].range, &pool->range))
				error_at(l, &l->pool_at[i], "the pools in lines %u and %u overlap",
					 l->pool_at[k].line, l->pool_at[i].line);
		}
	}
}

static void check_lma(struct loader *l)
{
	struct config *c = l->config;
	struct position whole = file_as_a_whole(l);

	if (c->n_local == 0)
		error_at(l, &whole, "an anchor needs its own Address in [Anchor]");
	if (c->lma.n_pool == 0)
		error_at(l, &whole, "an anchor needs at least one [Pool]");
	if (c->n_inside == 0)
		error_at(l, &whole,
			 "an anchor needs Inside= in [Node]: the device of the core side");
	if (c->n_outside == 0)
		error_at(l, &whole,
			 "an anchor needs Outside= in [Node]: the devices tunnels come by");
	check_pools(l);
	c->lma.pool = c->pool;
	c->lma.peer = c->peer;
	c->lma.drain_ms = c->mag.drain_ms; /* one key for both roles */
}

void check_all(struct loader *l)
{
	struct config *c = l->config;
	struct position whole = file_as_a_whole(l);

	if (c->role == CONFIG_ROLE_NONE) {
		if (l->role_at.line == 0)
			error_at(l, &whole, "Role=mag or Role=lma is missing in [Node]");
		return; /* nothing below can be judged */
	}
	if (!c->security_none && l->security_at.line == 0)
		error_at(l, &whole,
			 "signalling is not authenticated in this version: whoever reaches this "
			 "node can "
			 "move or end sessions. If that is acceptable (a closed network), say so "
			 "with "
			 "Security=none in [Node]");
	check_roles(l);
	check_labels(l);
	if (c->role == CONFIG_ROLE_MAG)
		check_mag(l);
	else
		check_lma(l);
	if (c->health.detect_ms < c->health.interval_ms)
		error_at(l, &whole, "[Health] Down is shorter than Interval");
	compile_rules(l);
}
