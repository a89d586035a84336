/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may speak, and how often. The list of peers is the minimum filter where signalling is not
 * authenticated (B-OWN-SEC-1): strangers get no answer. The rate limit is a leaky bucket of one
 * second for each source; for each new source the table forgets an old one that was quiet, and it
 * never holds more than LMA_MAX_PEERS.
 */
#include "core/lma_state.h"

#include <stdlib.h>

static bool rule_covers(const struct lma_peer_rule *rule, const struct ip_addr *a)
{
	return rule->sources.len == 0 || ip_prefix_contains(&rule->sources, a);
}

bool lma_peer_known(const struct lma *lma, const struct ip_addr *source)
{
	for (size_t i = 0; i < lma->config.n_peer; i++)
		if (rule_covers(&lma->rule[i], source))
			return true;
	return lma->config.n_peer == 0;
}

static bool names(const struct lma_peer_rule *rule, const struct mh_id *mag_id)
{
	return mag_id == NULL || rule->mag_id.len == 0 || mh_id_equal(&rule->mag_id, mag_id);
}

/* An identity may have several rules, one for each access network: any of its covers a coa. */
bool lma_peer_allowed(const struct lma *lma, const struct ip_addr *source,
		      const struct mh_id *mag_id, const struct ip_addr *coa)
{
	bool source_ok = lma->config.n_peer == 0;
	bool coa_ok = source_ok;

	for (size_t i = 0; i < lma->config.n_peer; i++) {
		const struct lma_peer_rule *rule = &lma->rule[i];

		if (!names(rule, mag_id))
			continue;
		source_ok = source_ok || rule_covers(rule, source);
		coa_ok = coa_ok || rule_covers(rule, coa);
	}
	return source_ok && coa_ok;
}

static void forget(struct lma *lma, struct lma_peer *peer)
{
	if (lma->peers == NULL) /* never; clang-analyzer cannot know */
		return;
	DL_DELETE(lma->peer_queue, peer);
	HASH_DELETE(hh, lma->peers, peer);
	lma->n_peers--;
	free(peer);
}

void lma_peers_free(struct lma *lma)
{
	while (lma->peer_queue != NULL)
		forget(lma, lma->peer_queue);
}

static struct lma_peer *peer_get(struct lma *lma, const struct ip_addr *source, uint64_t now_ns)
{
	struct lma_peer *peer;

	HASH_FIND(hh, lma->peers, source, sizeof(*source), peer);
	if (peer != NULL) {
		DL_DELETE(lma->peer_queue, peer);
		DL_APPEND(lma->peer_queue, peer);
		return peer;
	}
	if (lma->peer_queue != NULL && (now_ns - lma->peer_queue->heard_ns > CORE_NSEC_PER_SEC ||
					lma->n_peers >= LMA_MAX_PEERS))
		forget(lma, lma->peer_queue);
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer->addr = *source;
	HASH_ADD(hh, lma->peers, addr, sizeof(peer->addr), peer);
	if (peer->hh.tbl == NULL) {
		free(peer);
		return NULL;
	}
	DL_APPEND(lma->peer_queue, peer);
	lma->n_peers++;
	return peer;
}

bool lma_peer_limited(struct lma *lma, const struct ip_addr *source, uint64_t now_ns)
{
	struct lma_peer *peer;
	uint64_t quiet;

	if (lma->config.peer_rate == 0)
		return false;
	peer = peer_get(lma, source, now_ns);
	if (peer == NULL)
		return true;
	quiet = now_ns - peer->heard_ns;
	peer->heard_ns = now_ns;
	peer->debt_ns = peer->debt_ns > quiet ? peer->debt_ns - quiet : 0;
	if (peer->debt_ns >= CORE_NSEC_PER_SEC)
		return true;
	peer->debt_ns += CORE_NSEC_PER_SEC / lma->config.peer_rate;
	return false;
}
