/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * PBUs that wait. Where the Handoff Indicator is "unknown" and the mobile node has one session, the
 * node has probably moved and its old gateway is about to say so: the new PBU waits for that, at
 * most MaxDelayBeforeNewBCEAssign, because a new prefix would break the node's connections (RFC
 * 5213 5.4.1.2, spec base 11.4). One PBU waits for each gateway, the newest.
 */
#include "core/lma_state.h"

#include <stdlib.h>

static struct lma_parked *find_parked(const struct lma_node *node, const struct ip_addr *source)
{
	struct lma_parked *p;

	DL_FOREACH (node->parked, p)
		if (ip_equal(&p->from.remote, source))
			return p;
	return NULL;
}

bool lma_park(struct lma *lma, const struct lma_request *req)
{
	struct lma_node *node = req->node;
	struct lma_parked *p = find_parked(node, &req->from->remote);

	if (p != NULL) {
		/* Sent again meanwhile: the newest is answered; waiting does not start anew. */
		lma->counters[CORE_COUNTER_REPEATED]++;
	} else {
		if (node->n_parked == LMA_MAX_PARKED)
			return false;
		p = malloc(sizeof(*p));
		if (p == NULL)
			return false;
		p->until_ns = req->now->mono_ns +
			      lma->config.max_delay_before_assign_ms * UINT64_C(1000000);
		DL_APPEND(node->parked, p);
		node->n_parked++;
		lma->n_parked++;
	}
	p->arrived = *req->arrived;
	p->from = *req->from;
	p->msg = *req->msg;
	lma_node_rearm(lma, node);
	return true;
}

static void take_out(struct lma *lma, struct lma_node *node, struct lma_parked *p)
{
	DL_DELETE(node->parked, p);
	node->n_parked--;
	lma->n_parked--;
	lma_node_rearm(lma, node);
}

void lma_unpark(struct lma *lma, const struct mh_id *mn_id, enum lma_unpark why,
		const struct core_time *now)
{
	struct lma_node *node = lma_node_find(lma, mn_id);
	unsigned int most = node == NULL ? 0 : node->n_parked;

	/* What is decided may wait again, or free the node: look anew each time. */
	while (most-- > 0 && (node = lma_node_find(lma, mn_id)) != NULL) {
		struct lma_parked *p = node->parked;
		struct lma_request req;

		while (p != NULL && why == LMA_UNPARK_DUE && p->until_ns > now->mono_ns)
			p = p->next;
		if (p == NULL)
			break;
		take_out(lma, node, p);
		lma_request_init(lma, &req, now, &p->arrived, &p->from, &p->msg);
		req.waited = true;
		req.no_wait = why != LMA_UNPARK_FREED;
		lma_handle(lma, &req);
		free(p);
	}
	node = lma_node_find(lma, mn_id);
	if (node != NULL)
		lma_node_put(lma, node);
}

void lma_park_cancel(struct lma *lma, struct lma_node *node, const struct ip_addr *source)
{
	struct lma_parked *p = find_parked(node, source);

	if (p == NULL)
		return;
	lma->counters[CORE_COUNTER_NO_SESSION]++;
	take_out(lma, node, p);
	free(p);
	lma_node_put(lma, node);
}

void lma_park_drop(struct lma *lma, struct lma_node *node, const struct core_time *now)
{
	while (node->parked != NULL) {
		struct lma_parked *p = node->parked;

		take_out(lma, node, p);
		if (now != NULL) {
			struct lma_request req;

			lma_request_init(lma, &req, now, &p->arrived, &p->from, &p->msg);
			lma->counters[CORE_COUNTER_REJECTED]++;
			lma_answer(lma, &req, MH_STATUS_RESOURCES);
		}
		free(p);
	}
}
