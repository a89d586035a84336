/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a configuration to paths and sessions, and from one configuration to the next. Paths keep
 * their state by BID, nodes by MN-ID; what is no longer configured leaves: it is deregistered, and
 * dropped with the next change of the configuration after that. A session whose anchor or MAG-ID
 * changes is another session.
 */
#include "core/mag_state.h"
#include "core/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SENT_MIN 1024
#define SENT_MAX 65536

static int check(const struct mag_config *config)
{
	uint8_t seen[256] = {0};

	if (config->n_path == 0 || config->n_path > CORE_MAX_BINDINGS)
		return -EINVAL;
	for (size_t i = 0; i < config->n_path; i++) {
		uint8_t bid = config->path[i].bid;

		if (bid == 0 || bid > CORE_MAX_BINDINGS || seen[bid]++ || config->path[i].att == 0)
			return -EINVAL;
	}
	for (size_t k = 0; k < config->n_node; k++)
		if (config->node[k].mn_id.len == 0 || config->node[k].n_prefix > MH_MAX_HNP)
			return -EINVAL;
	return 0;
}

/* Base section 28, row 39: 8 octets that only the MN-ID decides. */
static void derive_llid(struct mag_node_config *node)
{
	uint64_t hash = core_hash(CORE_HASH_START, &node->mn_id.subtype, 1);

	hash = core_hash(hash, node->mn_id.octets, node->mn_id.len);
	node->llid.len = sizeof(hash);
	for (size_t k = 0; k < sizeof(hash); k++)
		node->llid.octets[k] = (uint8_t)(hash >> (56 - 8 * k));
}

static void session_free(struct mag_session *s)
{
	if (s)
		free(s->binding);
	free(s);
}

static struct mag_session *session_new(struct mag *mag, const struct mag_node_config *node)
{
	struct mag_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->binding = calloc(CORE_MAX_BINDINGS, sizeof(*s->binding));
	if (!s->binding) {
		session_free(s);
		return NULL;
	}
	s->id = ++mag->next_id;
	s->node = *node;
	if (s->node.llid.len == 0)
		derive_llid(&s->node);
	s->lma = mag->config.lma;
	s->mag_id = mag->config.mag_id;
	s->multipath = mag->config.multipath;
	s->mode = s->multipath ? MAG_UNKNOWN : MAG_LEGACY;
	s->carrier = MAG_NONE;
	s->next_ns = CORE_NEVER;
	for (size_t i = 0; i < CORE_MAX_BINDINGS; i++)
		s->binding[i].due_ns = CORE_NEVER;
	return s;
}

/* The tables by priority and by BID; insertion keeps the order of configuration among equals. */
static void index_paths(struct mag *mag)
{
	memset(mag->by_bid, 0, sizeof(mag->by_bid));
	for (size_t i = 0; i < mag->n_path; i++) {
		size_t k = i;

		for (; k > 0 &&
		       mag->path[mag->order[k - 1]].config.priority > mag->path[i].config.priority;
		     k--)
			mag->order[k] = mag->order[k - 1];
		mag->order[k] = (uint8_t)i;
		mag->by_bid[mag->path[i].config.bid] = (uint8_t)(i + 1);
	}
}

static uint32_t sent_size(const struct mag_config *config)
{
	size_t want = 4 * config->n_path * (config->n_node ? config->n_node : 1);
	uint32_t size = SENT_MIN;

	while (size < want && size < SENT_MAX)
		size *= 2;
	return size;
}

static void take_config(struct mag *mag, const struct mag_config *config)
{
	mag->config = *config;
	mag->config.path = NULL;
	mag->config.node = NULL;
	mag->config.n_path = 0;
	mag->config.n_node = 0;
}

int mag_new(const struct mag_config *config, const struct core_port *port, struct mag **ret_mag)
{
	struct mag *mag;
	int r = check(config);

	if (r < 0)
		return r;
	mag = calloc(1, sizeof(*mag));
	if (!mag)
		return -ENOMEM;
	take_config(mag, config);
	mag->port = *port;
	mag->sequence = (uint16_t)port->random(port->ctx);
	mag->n_path = config->n_path;
	mag->n_configured = config->n_path;
	for (size_t i = 0; i < config->n_path; i++)
		mag->path[i] = (struct mag_path){.config = config->path[i], .alive = true};
	index_paths(mag);
	mag->n_sent = sent_size(config);
	mag->sent = calloc(mag->n_sent, sizeof(*mag->sent));
	mag->session = calloc(config->n_node + 1, sizeof(struct mag_session *));
	if (!mag->sent || !mag->session)
		goto fail;
	for (; mag->n_session < config->n_node; mag->n_session++) {
		mag->session[mag->n_session] = session_new(mag, &config->node[mag->n_session]);
		if (!mag->session[mag->n_session])
			goto fail;
	}
	*ret_mag = mag;
	return 0;
fail:
	mag_free(mag);
	return -ENOMEM;
}

void mag_free(struct mag *mag)
{
	if (!mag)
		return;
	for (size_t k = 0; mag->session && k < mag->n_session; k++)
		session_free(mag->session[k]);
	free(mag->session);
	free(mag->sent);
	free(mag);
}

/* ---- the difference between two configurations ------------------------------------- */

static bool in_use(const struct mag *mag, size_t i)
{
	for (size_t k = 0; k < mag->n_session; k++) {
		const struct mag_binding *b = &mag->session[k]->binding[i];

		if (!mag->session[k]->gone && (b->bound || b->request))
			return true;
	}
	return false;
}

/*
 * The new list of paths: the configured ones first, then what leaves and still has something at the
 * anchor. from[i]: the old index of new path i, or MAG_NONE. -ENOSPC: more than 254 together.
 */
static int merge_paths(const struct mag *mag, const struct mag_config *config,
		       struct mag_path *ret_path, size_t *ret_from, size_t *ret_n)
{
	bool kept[CORE_MAX_BINDINGS] = {false};
	size_t n = 0;

	for (; n < config->n_path; n++) {
		uint8_t old = mag->by_bid[config->path[n].bid];

		ret_path[n] = (struct mag_path){.alive = true};
		ret_from[n] = old ? old - (size_t)1 : MAG_NONE;
		if (old) {
			ret_path[n] = mag->path[old - 1];
			kept[old - 1] = true;
		}
		ret_path[n].config = config->path[n];
		ret_path[n].leaving = false;
	}
	for (size_t i = 0; i < mag->n_path; i++) {
		if (kept[i] || !in_use(mag, i))
			continue;
		if (n == CORE_MAX_BINDINGS)
			return -ENOSPC;
		ret_path[n] = mag->path[i];
		ret_path[n].leaving = true;
		ret_from[n++] = i;
	}
	*ret_n = n;
	return 0;
}

static void move_bindings(struct mag_session *s, const size_t *from, size_t n)
{
	struct mag_binding old[CORE_MAX_BINDINGS];
	size_t carrier = s->carrier;

	memcpy(old, s->binding, sizeof(old));
	s->carrier = MAG_NONE;
	for (size_t i = 0; i < CORE_MAX_BINDINGS; i++) {
		if (i < n && from[i] != MAG_NONE)
			s->binding[i] = old[from[i]];
		else
			s->binding[i] = (struct mag_binding){.due_ns = CORE_NEVER};
		if (i < n && from[i] != MAG_NONE && from[i] == carrier)
			s->carrier = i;
	}
}

/* What follows for one binding from the change of its path. */
static void adapt(struct mag *mag, struct mag_session *s, size_t i,
		  const struct mag_path_config *was, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	const struct mag_path_config *is = &mag->path[i].config;

	if (mag->path[i].leaving && b->state != MAG_DEREG) {
		bool replaced = s->mode == MAG_LEGACY && mag_alternative(mag, s, i);

		if (b->bound && !replaced)
			mag_deregister(mag, s, i);
		else
			mag_wait(mag, s, i, CORE_NEVER);
	} else if (b->state == MAG_ACTIVE && (was->label != is->label || was->att != is->att)) {
		mag_request(mag, s, i, REQUEST_REFRESH); /* MP-MMB-14: the anchor is to know */
		b->state = MAG_REFRESH;
	} else if (b->state == MAG_REJECTED || b->state == MAG_WAIT) {
		mag_wait(mag, s, i, now_ns);
	}
}

/* A node's session goes on while these are the same. */
static bool goes_on(const struct mag *mag, const struct mag_session *s)
{
	return !s->leaving && s->multipath == mag->config.multipath &&
	       ip_equal(&s->lma, &mag->config.lma) && mh_id_equal(&s->mag_id, &mag->config.mag_id);
}

static bool has_session(const struct mag *mag, const struct mag_node_config *node)
{
	for (size_t k = 0; k < mag->n_session; k++)
		if (goes_on(mag, mag->session[k]) &&
		    mh_id_equal(&mag->session[k]->node.mn_id, &node->mn_id))
			return true;
	return false;
}

/* A new table of sessions with what stays, what leaves and what is new; -ENOMEM: unchanged. */
static int merge_sessions(struct mag *mag, const struct mag_config *config)
{
	size_t room = mag->n_session + config->n_node;
	struct mag_session **all = calloc(room + 1, sizeof(struct mag_session *));
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t k = 0; k < config->n_node; k++) {
		if (has_session(mag, &config->node[k]))
			continue;
		all[n] = session_new(mag, &config->node[k]);
		if (!all[n++]) {
			while (n-- > 0)
				session_free(all[n]);
			free(all);
			return -ENOMEM;
		}
	}
	for (size_t k = 0; k < mag->n_session; k++) {
		struct mag_session *s = mag->session[k];

		if (s->gone)
			session_free(s);
		else
			all[n++] = s;
	}
	free(mag->session);
	mag->session = all;
	mag->n_session = n;
	return 0;
}

static bool is_configured(const struct mag *mag, const struct mag_session *s,
			  const struct mag_config *config)
{
	for (size_t k = 0; k < config->n_node; k++)
		if (mh_id_equal(&s->node.mn_id, &config->node[k].mn_id))
			return goes_on(mag, s);
	return false;
}

int mag_reconfigure(struct mag *mag, const struct core_time *now, const struct mag_config *config)
{
	struct mag_path path[CORE_MAX_BINDINGS] = {0};
	struct mag_path was[CORE_MAX_BINDINGS];
	size_t from[CORE_MAX_BINDINGS];
	struct mag_config old = mag->config;
	size_t n;
	int r = mag->releasing ? -ESHUTDOWN : check(config);

	if (r < 0 || (r = merge_paths(mag, config, path, from, &n)) < 0)
		return r;
	take_config(mag, config);
	r = merge_sessions(mag, config);
	if (r < 0) {
		mag->config = old;
		return r;
	}
	mag_clock_see(mag, now);
	memcpy(was, mag->path, sizeof(was));
	memcpy(mag->path, path, sizeof(path));
	mag->n_path = n;
	mag->n_configured = config->n_path;
	index_paths(mag);
	for (size_t k = 0; k < mag->n_session; k++) {
		struct mag_session *s = mag->session[k];

		move_bindings(s, from, n);
		s->denied = false;
		for (size_t i = 0; i < n && !s->leaving; i++) {
			if (from[i] != MAG_NONE)
				adapt(mag, s, i, &was[from[i]].config, now->mono_ns);
			if (mag->path[i].link.usable && s->binding[i].state == MAG_IDLE)
				mag_wait(mag, s, i, now->mono_ns);
		}
		if (!is_configured(mag, s, config))
			mag_leave(mag, s);
	}
	/* Only now: who leaves keeps its successor waiting. */
	for (size_t k = 0; k < mag->n_session; k++)
		mag_settle(mag, mag->session[k], now);
	return 0;
}
