/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor's tables: who is made when, shared by whom, and freed by its last user. Every function
 * that may run out of memory leaves the tables as they were.
 */
#include "core/lma_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID_HEAD offsetof(struct mh_id, octets)

/* ---- nodes ------------------------------------------------------------------------- */

static uint8_t node_key(const struct mh_id *id, uint8_t key[1 + MH_ID_MAX])
{
	key[0] = id->subtype;
	memcpy(key + 1, id->octets, id->len);
	return (uint8_t)(1 + id->len);
}

uint64_t lma_node_holder(const struct mh_id *id)
{
	uint64_t hash = core_hash(CORE_HASH_START, &id->subtype, 1);

	return core_hash(hash, id->octets, id->len);
}

struct lma_node *lma_node_find(const struct lma *lma, const struct mh_id *id)
{
	uint8_t key[1 + MH_ID_MAX];
	uint8_t len = node_key(id, key);
	struct lma_node *node;

	HASH_FIND(hh, lma->nodes, key, len, node);
	return node;
}

/* NULL: no memory */
static struct lma_node *node_get(struct lma *lma, const struct mh_id *id)
{
	struct lma_node *node = lma_node_find(lma, id);

	if (node != NULL)
		return node;
	if (lma_heap_reserve(&lma->heap, lma->n_nodes + lma->n_sessions + 1) != 0)
		return NULL;
	node = calloc(1, offsetof(struct lma_node, key) + 1U + id->len);
	if (node == NULL)
		return NULL;
	lma_timer_init(&node->timer, LMA_TIMER_NODE);
	node->key_len = node_key(id, node->key);
	HASH_ADD_KEYPTR(hh, lma->nodes, node->key, node->key_len, node);
	if (node->hh.tbl == NULL) {
		free(node);
		return NULL;
	}
	lma->n_nodes++;
	return node;
}

void lma_node_put(struct lma *lma, struct lma_node *node)
{
	if (node->session != NULL || node->parked != NULL || node->ended != NULL)
		return;
	lma_timer_set(&lma->heap, &node->timer, CORE_NEVER);
	HASH_DELETE(hh, lma->nodes, node);
	lma->n_nodes--;
	free(node);
}

const struct mh_id *lma_node_id(struct lma *lma, const struct lma_node *node)
{
	struct mh_id *id = &lma->mn_id;

	id->subtype = node->key[0];
	id->len = (uint8_t)(node->key_len - 1);
	memcpy(id->octets, node->key + 1, id->len);
	return id;
}

void lma_node_free(struct lma *lma, struct lma_node *node)
{
	struct lma_ended *ended;
	struct lma_ended *tmp;

	DL_FOREACH_SAFE (node->ended, ended, tmp)
		free(ended);
	node->ended = NULL;
	node->n_ended = 0;
	lma_park_drop(lma, node, NULL);
	lma_node_put(lma, node);
}

void lma_node_due(struct lma *lma, struct lma_node *node, const struct core_time *now)
{
	struct mh_id mn_id = *lma_node_id(lma, node);

	while (node->ended != NULL && node->ended->until_ns <= now->mono_ns) {
		struct lma_ended *ended = node->ended;

		DL_DELETE(node->ended, ended);
		node->n_ended--;
		free(ended);
	}
	lma_node_rearm(lma, node);
	if (node->parked != NULL)
		lma_unpark(lma, &mn_id, LMA_UNPARK_DUE, now);
	else
		lma_node_put(lma, node);
}

/* ---- gateways ---------------------------------------------------------------------- */

struct lma_gateway *lma_gateway_get(struct lma *lma, const struct mh_id *id)
{
	struct lma_gateway *gateway;

	HASH_FIND(hh, lma->gateways, id, ID_HEAD + id->len, gateway);
	if (gateway == NULL) {
		gateway = calloc(1, sizeof(*gateway));
		if (gateway == NULL)
			return NULL;
		memcpy(&gateway->id, id, ID_HEAD + id->len);
		HASH_ADD(hh, lma->gateways, id, ID_HEAD + id->len, gateway);
		if (gateway->hh.tbl == NULL) {
			free(gateway);
			return NULL;
		}
	}
	gateway->refs++;
	return gateway;
}

void lma_gateway_put(struct lma *lma, struct lma_gateway *gateway)
{
	if (gateway == NULL || --gateway->refs != 0)
		return;
	HASH_DELETE(hh, lma->gateways, gateway);
	free(gateway);
}

/* ---- tunnels ----------------------------------------------------------------------- */

struct lma_tunnel *lma_tunnel_find(const struct lma *lma, const struct lma_tuple *tuple)
{
	struct lma_tunnel *tunnel;

	HASH_FIND(hh, lma->tunnels, tuple, sizeof(*tuple), tunnel);
	return tunnel;
}

/*
 * The user of a tunnel of one session stands in the tunnel itself; the array begins with the
 * second, because a gateway with one mobile node is the common case.
 */
static int tunnel_grow(struct lma_tunnel *tunnel)
{
	uint32_t cap = tunnel->cap == 0 ? 4 : tunnel->cap * 2;
	struct lma_use *grown;

	if (tunnel->n == 0 || tunnel->n < tunnel->cap)
		return 0;
	grown = realloc(tunnel->cap == 0 ? NULL : tunnel->more, cap * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	if (tunnel->cap == 0)
		grown[0] = tunnel->only;
	tunnel->more = grown;
	tunnel->cap = cap;
	return 0;
}

struct lma_use *lma_tunnel_uses(struct lma_tunnel *tunnel)
{
	return tunnel->cap != 0 ? tunnel->more : &tunnel->only;
}

static void tunnel_put(struct lma *lma, struct lma_tunnel *tunnel)
{
	if (tunnel->n != 0 || tunnel->pinned != 0)
		return;
	HASH_DELETE(hh, lma->tunnels, tunnel);
	if (tunnel->cap != 0)
		free(tunnel->more);
	free(tunnel);
}

struct lma_tunnel *lma_tunnel_reserve(struct lma *lma, const struct lma_tuple *tuple)
{
	struct lma_tunnel *tunnel = lma_tunnel_find(lma, tuple);

	if (tunnel == NULL) {
		tunnel = calloc(1, sizeof(*tunnel));
		if (tunnel == NULL)
			return NULL;
		tunnel->tuple = *tuple;
		HASH_ADD(hh, lma->tunnels, tuple, sizeof(tunnel->tuple), tunnel);
		if (tunnel->hh.tbl == NULL) {
			free(tunnel);
			return NULL;
		}
	} else if (tunnel_grow(tunnel) != 0) {
		return NULL;
	}
	tunnel->pinned++;
	return tunnel;
}

void lma_tunnel_unreserve(struct lma *lma, const struct lma_tuple *tuple)
{
	struct lma_tunnel *tunnel = lma_tunnel_find(lma, tuple);

	tunnel->pinned--;
	tunnel_put(lma, tunnel);
}

void lma_tunnel_link(struct lma *lma, struct lma_session *session, struct lma_binding *binding)
{
	struct lma_tunnel *tunnel = lma_tunnel_find(lma, &binding->tuple);

	tunnel->pinned--;
	binding->tunnel = tunnel;
	binding->slot = tunnel->n;
	lma_tunnel_uses(tunnel)[tunnel->n++] = (struct lma_use){session, binding->bid};
}

void lma_tunnel_unlink(struct lma *lma, struct lma_binding *binding)
{
	struct lma_tunnel *tunnel = binding->tunnel;
	struct lma_use *use = lma_tunnel_uses(tunnel);
	uint32_t last = --tunnel->n;

	if (binding->slot != last) {
		const struct lma_use *moved = &use[last];

		use[binding->slot] = *moved;
		lma_set_find(&moved->session->set, moved->bid)->slot = binding->slot;
	}
	binding->tunnel = NULL;
	tunnel_put(lma, tunnel);
}

/* ---- sessions ---------------------------------------------------------------------- */

static uint32_t free_id(const struct lma *lma)
{
	uint32_t id = lma->last_id;
	struct lma_session *taken;

	do {
		if (++id == 0)
			id = 1;
		HASH_FIND(hh, lma->sessions, &id, sizeof(id), taken);
	} while (taken != NULL);
	return id;
}

static void free_session(struct lma *lma, struct lma_session *session)
{
	struct lma_node *node = session->node;

	DL_DELETE(node->session, session);
	lma->n_sessions--;
	free(session->set.binding);
	free(session->set.drain);
	free(session);
	lma_node_put(lma, node);
}

static void unclaim(struct lma *lma, struct lma_session *session)
{
	while (session->n_prefix > 0)
		pools_unclaim(&lma->pools, session->prefix[--session->n_prefix]);
}

int lma_session_new(struct lma *lma, const struct mh_id *mn_id, const struct ip_prefix *prefix,
		    uint8_t n_prefix, struct lma_session **ret_session)
{
	struct lma_session *session;
	struct lma_node *node = node_get(lma, mn_id);
	size_t size = sizeof(*session) + n_prefix * sizeof(struct pool_prefix *);

	if (node == NULL)
		return -ENOMEM;
	session = calloc(1, size);
	if (session == NULL ||
	    lma_heap_reserve(&lma->heap, lma->n_nodes + lma->n_sessions + 1) != 0) {
		free(session);
		lma_node_put(lma, node);
		return -ENOMEM;
	}
	lma_timer_init(&session->timer, LMA_TIMER_SESSION);
	session->node = node;
	DL_APPEND(node->session, session);
	lma->n_sessions++;
	session->id = free_id(lma);
	for (uint8_t i = 0; i < n_prefix; i++) {
		if (pools_claim(&lma->pools, &prefix[i], session, &session->prefix[i]) != 0)
			goto fail;
		session->n_prefix++;
	}
	HASH_ADD(hh, lma->sessions, id, sizeof(session->id), session);
	if (session->hh.tbl == NULL)
		goto fail;
	lma->last_id = session->id;
	*ret_session = session;
	return 0;
fail:
	unclaim(lma, session);
	free_session(lma, session);
	return -ENOMEM;
}

void lma_session_undo(struct lma *lma, struct lma_session *session)
{
	HASH_DELETE(hh, lma->sessions, session);
	lma_timer_set(&lma->heap, &session->timer, CORE_NEVER);
	unclaim(lma, session);
	free_session(lma, session);
}

/* Later than all that this session accepted is what a PBU for its successor must be. */
static void remember_ended(struct lma *lma, struct lma_session *session, uint64_t now_ns)
{
	struct lma_node *node = session->node;
	const struct lma_set *set = &session->set;
	struct lma_ended *ended;
	uint64_t stamp = set->epoch.stamp;

	for (uint16_t i = 0; i < set->n; i++)
		if (set->binding[i].stamp > stamp)
			stamp = set->binding[i].stamp;
	if (stamp == 0)
		return;
	if (node->n_ended == LMA_MAX_ENDED) {
		ended = node->ended;
		DL_DELETE(node->ended, ended);
		node->n_ended--;
	} else {
		ended = malloc(sizeof(*ended));
	}
	if (ended == NULL)
		return;
	ended->until_ns = now_ns + lma_key_ns(lma);
	ended->stamp = stamp;
	ended->llid = set->llid;
	ended->att = set->att;
	DL_APPEND(node->ended, ended);
	node->n_ended++;
	lma_node_rearm(lma, node);
}

static void forget_bindings(struct lma *lma, struct lma_session *session)
{
	for (uint16_t i = 0; i < session->set.n; i++)
		if (session->set.binding[i].tunnel != NULL)
			lma_tunnel_unlink(lma, &session->set.binding[i]);
	lma_gateway_put(lma, session->set.gateway);
}

void lma_session_end(struct lma *lma, struct lma_session *session, uint64_t now_ns)
{
	remember_ended(lma, session, now_ns);
	forget_bindings(lma, session);
	HASH_DELETE(hh, lma->sessions, session);
	lma_timer_set(&lma->heap, &session->timer, CORE_NEVER);
	while (session->n_prefix > 0)
		pools_release(
			&lma->pools, session->prefix[--session->n_prefix], now_ns,
			core_hash(CORE_HASH_START, session->node->key, session->node->key_len));
	free_session(lma, session);
}

void lma_session_free(struct lma *lma, struct lma_session *session)
{
	forget_bindings(lma, session);
	HASH_DELETE(hh, lma->sessions, session);
	lma_timer_set(&lma->heap, &session->timer, CORE_NEVER);
	free_session(lma, session);
}
