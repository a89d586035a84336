/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor's front: what comes in is let in or dropped with a count, decided, and answered; time
 * and path events are passed on. Every message ends in exactly one counter, and what ends without
 * an answer leaves a note that says why.
 */
#include "core/lma_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and ending ------------------------------------------------------------- */

static int take_config(struct lma *lma, const struct lma_config *config)
{
	uint64_t rest_ns = config->prefix_rest_s * CORE_NSEC_PER_SEC;
	struct lma_peer_rule *rule = NULL;
	int err;

	if (config->max_bindings == 0 || config->max_bindings > CORE_MAX_BINDINGS)
		return -EINVAL;
	for (size_t i = 0; i < config->n_pool; i++)
		if (config->pool[i].length > 64 ||
		    config->pool[i].length <= config->pool[i].range.len)
			return -EINVAL;
	if (config->n_peer != 0) {
		rule = calloc(config->n_peer, sizeof(*rule));
		if (rule == NULL)
			return -ENOMEM;
		memcpy(rule, config->peer, config->n_peer * sizeof(*rule));
	}
	err = pools_replace(&lma->pools, config->pool, config->n_pool, rest_ns);
	if (err != 0) {
		free(rule);
		return err;
	}
	free(lma->rule);
	lma->rule = rule;
	lma->config = *config;
	lma->config.pool = NULL;
	lma->config.peer = NULL;
	return 0;
}

int lma_new(const struct lma_config *config, const struct core_port *port, struct lma **ret_lma)
{
	struct lma *lma = calloc(1, sizeof(*lma));
	int err;

	if (lma == NULL)
		return -ENOMEM;
	lma->port = *port;
	lma->show = lma_show_new();
	err = lma->show == NULL ? -ENOMEM : take_config(lma, config);
	if (err != 0) {
		lma_free(lma);
		return err;
	}
	*ret_lma = lma;
	return 0;
}

void lma_free(struct lma *lma)
{
	struct lma_session *session;
	struct lma_session *next_session;
	struct lma_node *node;
	struct lma_node *next_node;

	if (lma == NULL)
		return;
	HASH_ITER (hh, lma->sessions, session, next_session)
		lma_session_free(lma, session);
	HASH_ITER (hh, lma->nodes, node, next_node)
		lma_node_free(lma, node);
	lma_peers_free(lma);
	pools_fini(&lma->pools);
	free(lma->heap.timer);
	free(lma->rule);
	free(lma->show);
	free(lma);
}

int lma_reconfigure(struct lma *lma, const struct lma_config *config)
{
	return take_config(lma, config);
}

const uint64_t *lma_counters(const struct lma *lma)
{
	return lma->counters;
}

const uint64_t *lma_statuses(const struct lma *lma)
{
	return lma->statuses;
}

/* ---- notes ------------------------------------------------------------------------- */

void lma_note(struct lma *lma, enum core_note_kind kind, const struct lma_session *session,
	      const struct lma_binding *binding)
{
	struct core_peer peer;
	struct core_note note = {
		.kind = kind,
		.session = session->id,
		.mn_id = lma_node_id(lma, session->node),
	};

	if (binding != NULL) {
		peer = (struct core_peer){.local = binding->tuple.local,
					  .remote = binding->tuple.remote};
		note.bid = binding->bid;
		note.label = binding->label;
		note.peer = &peer;
	}
	lma->port.note(lma->port.ctx, &note);
}

static void note_request(struct lma *lma, enum core_note_kind kind, const struct lma_request *req,
			 uint8_t status)
{
	bool mmb = (req->has & MH_HAS(MMB)) != 0;
	struct core_note note = {
		.kind = kind,
		.session = req->session != NULL ? req->session->id : 0,
		.mn_id = (req->has & MH_HAS(MN_ID)) != 0 ? &req->msg->mn_id : NULL,
		.bid = mmb ? req->msg->mmb.bid : 0,
		.label = mmb ? req->msg->mmb.label : 0,
		.status = status,
		.peer = req->from,
		.detail = req->detail,
	};

	lma->port.note(lma->port.ctx, &note);
}

/* ---- a message --------------------------------------------------------------------- */

static bool all_zero(const uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (octets[i] != 0)
			return false;
	return true;
}

/* Distinct prefixes with a value; duplicates count once (B-OWN-LMA-4). */
static void request_prefixes(struct lma_request *req)
{
	const struct mh_message *msg = req->msg;

	if ((req->has & MH_HAS(HNP)) == 0)
		return;
	for (uint8_t i = 0; i < msg->n_hnp; i++) {
		bool seen = ip_is_zero(&msg->hnp[i].addr);

		for (uint8_t k = 0; k < req->n_hnp && !seen; k++)
			seen = ip_prefix_equal(&req->hnp[k], &msg->hnp[i]);
		if (!seen)
			req->hnp[req->n_hnp++] = msg->hnp[i];
	}
}

void lma_request_init(const struct lma *lma, struct lma_request *req, const struct core_time *now,
		      const struct core_time *arrived, const struct core_peer *from,
		      const struct mh_message *msg)
{
	/* What a base-only anchor does not know (MP-SIG-13), and a MAG-ID that nothing asked for
	 * (EC-09). */
	uint32_t unheeded = lma->config.multipath_legacy ? MH_HAS(MMB) | MH_HAS(MAG_ID) : 0;

	memset(req, 0, sizeof(*req));
	if (((msg->has | msg->bad) & MH_HAS(MMB)) == 0)
		unheeded |= MH_HAS(MAG_ID);
	req->now = now;
	req->arrived = arrived;
	req->from = from;
	req->msg = msg;
	req->has = msg->has & ~unheeded;
	req->dup = msg->dup & ~unheeded;
	req->bad = msg->bad & ~unheeded;
	req->coa = (req->has & MH_HAS(ALT_COA)) != 0 ? msg->alt_coa : from->remote;
	req->multi = (req->has & MH_HAS(MMB)) != 0 && (req->has & MH_HAS(MAG_ID)) != 0 &&
		     msg->mag_id.len != 0;
	req->bid = req->multi ? msg->mmb.bid : 0;
	/* B-OWN-LMA-2: values to come mean "unknown". */
	req->hi = msg->hi >= 1 && msg->hi <= MH_HI_UNCHANGED ? msg->hi : MH_HI_UNKNOWN;
	if ((req->has & MH_HAS(LLID)) != 0 && !all_zero(msg->llid.octets, msg->llid.len))
		req->llid = msg->llid;
	req->key.stamp = (req->has & MH_HAS(TIMESTAMP)) != 0 ? msg->timestamp : 0;
	req->key.sequence = msg->sequence;
	if ((req->has & MH_HAS(MN_ID)) != 0)
		req->holder = lma_node_holder(&msg->mn_id);
	request_prefixes(req);
	req->digest = lma_digest(req);
}

static void end_silent(struct lma *lma, const struct lma_request *req)
{
	lma->counters[req->ends]++;
	note_request(lma, CORE_NOTE_IGNORED, req, 0);
}

static void end_answered(struct lma *lma, const struct lma_request *req, uint8_t status)
{
	if (status >= MH_STATUS_UNSPECIFIED) {
		lma->counters[CORE_COUNTER_REJECTED]++;
		note_request(lma, CORE_NOTE_REJECTED, req, status);
	} else {
		lma->counters[CORE_COUNTER_ACCEPTED]++;
	}
	lma_answer(lma, req, status);
}

static void handle_deregistration(struct lma *lma, struct lma_request *req)
{
	struct mh_id mn_id = req->msg->mn_id;
	const struct core_time *now = req->now;
	uint8_t status;
	bool lingers;

	if (!lma_deregister(lma, req, &status)) {
		if (req->node != NULL)
			lma_park_cancel(lma, req->node, &req->from->remote);
		end_silent(lma, req);
		return;
	}
	lingers = req->session->set.linger_until_ns != 0;
	end_answered(lma, req, status);
	if (lingers)
		lma_unpark(lma, &mn_id, LMA_UNPARK_FREED, now);
}

static void handle_registration(struct lma *lma, struct lma_request *req)
{
	struct mh_id mn_id = req->msg->mn_id;
	const struct core_time *now = req->now;
	bool held = req->session != NULL; /* whose gateway speaks: the node is still there */
	uint8_t status;

	if (req->verdict == LMA_WAIT && lma_park(lma, req))
		return;
	status = lma_register(lma, req);
	end_answered(lma, req, status);
	if (held && status == MH_STATUS_ACCEPTED)
		lma_unpark(lma, &mn_id, LMA_UNPARK_HELD, now);
}

void lma_handle(struct lma *lma, struct lma_request *req)
{
	unsigned int status;

	lma_lookup(lma, req);
	status = lma_check(lma, req);
	if (status == LMA_STATUS_REPEATED) {
		lma->counters[CORE_COUNTER_REPEATED]++;
		lma_answer(lma, req, MH_STATUS_ACCEPTED);
	} else if (status != 0) {
		end_answered(lma, req, (uint8_t)status);
	} else if (req->msg->lifetime == 0) {
		handle_deregistration(lma, req);
	} else {
		handle_registration(lma, req);
	}
}

/* What is dropped before any status could be told: false, with counter and reason. */
static bool let_in(struct lma *lma, struct lma_request *req)
{
	const struct mh_message *msg = req->msg;

	if (msg->type != MH_BU) {
		req->ends = msg->type == MH_BA ? CORE_COUNTER_WRONG_ROLE : CORE_COUNTER_OTHER;
		req->detail = "an anchor takes binding updates only";
		return false;
	}
	req->ends = CORE_COUNTER_FOREIGN;
	if (!ip_is_global_unicast(&req->from->remote)) {
		req->detail = "source: not a routable unicast address";
		return false;
	}
	if (!lma_peer_known(lma, &req->from->remote)) {
		req->detail = "source: no peer of ours";
		return false;
	}
	if (lma_peer_limited(lma, &req->from->remote, req->now->mono_ns)) {
		req->ends = CORE_COUNTER_LIMITED;
		req->detail = "source: over its rate";
		return false;
	}
	if (!ip_is_global_unicast(&req->coa)) {
		req->detail = "Alternate Care-of Address: not a routable unicast address";
		return false;
	}
	if ((msg->flags & MH_BU_P) == 0) {
		req->ends = CORE_COUNTER_NOT_PROXY;
		req->detail = "binding update without the P flag";
		if ((msg->flags & MH_BU_H) != 0)
			lma_answer_home_registration(lma, req->from, msg);
		return false;
	}
	return true;
}

void lma_receive(struct lma *lma, const struct core_time *now, const struct core_peer *from,
		 const struct mh_message *msg)
{
	struct lma_request req;

	lma_request_init(lma, &req, now, now, from, msg);
	if (let_in(lma, &req))
		lma_handle(lma, &req);
	else
		end_silent(lma, &req);
}

/* ---- paths and time ---------------------------------------------------------------- */

static bool mark_path(struct lma_set *set, const struct lma_tunnel *tunnel, bool up,
		      uint64_t now_ns)
{
	bool marked = false;

	for (uint16_t i = 0; i < set->n; i++) {
		struct lma_binding *b = &set->binding[i];

		if (b->tunnel != tunnel || (b->state == LMA_ACTIVE) == up)
			continue;
		b->state = up ? LMA_ACTIVE : LMA_SUSPECT;
		b->since_ns = now_ns;
		marked = true;
	}
	return marked;
}

void lma_path_state(struct lma *lma, const struct core_time *now, const struct ip_addr *local,
		    const struct ip_addr *remote, bool up)
{
	struct lma_tuple tuple = {.local = *local, .remote = *remote};
	struct lma_tunnel *tunnel = lma_tunnel_find(lma, &tuple);

	/* Marks move no binding from one tunnel to another: the users stay as they are. */
	for (uint32_t i = 0; tunnel != NULL && i < tunnel->n; i++) {
		struct lma_use use = lma_tunnel_uses(tunnel)[i];

		lma_draft_load(lma, use.session);
		if (!mark_path(&lma->draft.set, tunnel, up, now->mono_ns)) {
			lma_draft_drop(lma);
			continue;
		}
		lma_note(lma, up ? CORE_NOTE_PATH_UP : CORE_NOTE_PATH_DOWN, use.session,
			 lma_set_find(&use.session->set, use.bid));
		lma_draft_force(lma, use.session, now->mono_ns, false);
	}
}

void lma_tick(struct lma *lma, const struct core_time *now)
{
	struct lma_timer *timer;

	while ((timer = lma_timer_first(&lma->heap)) != NULL && timer->due_ns <= now->mono_ns) {
		switch ((enum lma_timer_kind)timer->kind) {
		case LMA_TIMER_SESSION:
			lma_session_due(lma, (struct lma_session *)(void *)timer, now->mono_ns);
			break;
		case LMA_TIMER_NODE:
			lma_node_due(lma, (struct lma_node *)(void *)timer, now);
			break;
		}
	}
}

uint64_t lma_next_ns(const struct lma *lma)
{
	const struct lma_timer *timer = lma_timer_first(&lma->heap);

	return timer == NULL ? CORE_NEVER : timer->due_ns;
}

void lma_release(struct lma *lma, const struct core_time *now)
{
	struct lma_session *session;
	struct lma_session *next_session;
	struct lma_node *node;
	struct lma_node *next_node;

	HASH_ITER (hh, lma->nodes, node, next_node) {
		lma_park_drop(lma, node, now);
		lma_node_put(lma, node);
	}
	HASH_ITER (hh, lma->sessions, session, next_session)
		lma_session_close(lma, session, now->mono_ns);
}
