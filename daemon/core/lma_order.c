/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ordering and replay (RFC 5213 5.5, RFC 6275 9.5.1, decision D5): keys are compared per (session,
 * BID); an accepted O=1 sets an epoch that nothing older passes; a message that replaces the whole
 * set must be newer than all of it. What is gone keeps its key a while, so that a delayed message
 * revives nothing. Sequence numbers wrap, so they are compared with recent keys only.
 */
#include "core/lma_state.h"

#include <string.h>

#define STAMP_PER_SEC 65536

static uint64_t window(const struct lma *lma)
{
	return lma->config.timestamp_window_ms * (uint64_t)STAMP_PER_SEC / 1000;
}

uint64_t lma_key_ns(const struct lma *lma)
{
	return lma->config.timestamp_window_ms * UINT64_C(1000000) + LMA_KEY_NS;
}

static bool sequence_newer(uint16_t a, uint16_t b)
{
	uint16_t ahead = (uint16_t)(a - b);

	return ahead != 0 && ahead < 32768;
}

bool lma_key_newer(const struct lma *lma, const struct core_time *now, const struct lma_key *key,
		   const struct lma_key *than)
{
	if (key->stamp == 0 || than->stamp == 0)
		return sequence_newer(key->sequence, than->sequence);
	/* B-OWN-ORD-5: our clock went back; a key from the future would lock the session out. */
	if (lma->config.timestamp_window_ms != 0 && than->stamp > now->stamp + window(lma))
		return true;
	return key->stamp > than->stamp;
}

static uint64_t hash_u64(uint64_t hash, uint64_t v)
{
	return core_hash(hash, &v, sizeof(v));
}

uint64_t lma_digest(const struct lma_request *req)
{
	const struct mh_message *m = req->msg;
	uint64_t h = core_hash(CORE_HASH_START, &req->from->remote, sizeof(req->from->remote));

	h = core_hash(h, &req->from->local, sizeof(req->from->local));
	h = hash_u64(h, (uint64_t)m->sequence << 48 | (uint64_t)m->flags << 32 |
				(uint64_t)m->lifetime << 16 | m->unknown);
	h = hash_u64(h, m->has);
	h = hash_u64(h, m->timestamp);
	h = hash_u64(h, (uint64_t)m->hi << 8 | m->att);
	h = core_hash(h, m->hnp, m->n_hnp * sizeof(m->hnp[0]));
	if ((m->has & MH_HAS(MN_ID)) != 0)
		h = core_hash(h, m->mn_id.octets, m->mn_id.len);
	if ((m->has & MH_HAS(LLID)) != 0)
		h = core_hash(h, m->llid.octets, m->llid.len);
	if ((m->has & MH_HAS(LINK_LOCAL)) != 0)
		h = core_hash(h, &m->link_local, sizeof(m->link_local));
	if ((m->has & MH_HAS(ALT_COA)) != 0)
		h = core_hash(h, &m->alt_coa, sizeof(m->alt_coa));
	if ((m->has & MH_HAS(MMB)) != 0)
		h = hash_u64(h, (uint64_t)m->mmb.att << 32 | (uint64_t)m->mmb.label << 24 |
					(uint64_t)m->mmb.bid << 16 |
					(uint64_t)(m->mmb.bulk ? 1 : 0) << 8 |
					(m->mmb.overwrite ? 1 : 0));
	if ((m->has & MH_HAS(MAG_ID)) != 0)
		h = core_hash(h, m->mag_id.octets, m->mag_id.len);
	return h;
}

static struct lma_key key_of(const struct lma_binding *b)
{
	return (struct lma_key){.stamp = b->stamp, .sequence = b->sequence};
}

/* Does the key of this binding still count? */
static bool remembered(const struct lma *lma, const struct lma_request *req,
		       const struct lma_binding *b)
{
	return b->state != LMA_GONE || req->now->mono_ns - b->since_ns < lma_key_ns(lma);
}

static unsigned int old_key(struct lma_request *req, const struct lma_key *than)
{
	if (req->key.stamp != 0) {
		req->detail = "Timestamp: not newer than the last one accepted";
		return MH_STATUS_TIMESTAMP_OLD;
	}
	req->detail = "Sequence #: not newer than the last one accepted";
	req->last_sequence = than->sequence;
	return MH_STATUS_SEQUENCE;
}

static bool repeats(const struct lma_request *req, const struct lma_binding *b)
{
	return b->digest == (uint32_t)req->digest &&
	       req->now->mono_ns - b->seen_ns <= LMA_REPEAT_NS;
}

/* Against one binding, or, when the whole set is to go, against each. */
static unsigned int check_bindings(const struct lma *lma, struct lma_request *req)
{
	const struct lma_set *set = &req->session->set;
	bool all = req->verdict != LMA_JOIN;

	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *b = &set->binding[i];
		struct lma_key last = key_of(b);

		if ((!all && b->bid != req->bid) || !remembered(lma, req, b))
			continue;
		if (repeats(req, b)) {
			req->granted = b->state == LMA_GONE ? 0 : b->lifetime;
			return LMA_STATUS_REPEATED;
		}
		if (!lma_key_newer(lma, req->now, &req->key, &last))
			return old_key(req, &last);
	}
	return 0;
}

static unsigned int check_epoch(const struct lma *lma, struct lma_request *req)
{
	const struct lma_set *set = &req->session->set;
	bool by_stamp = req->key.stamp != 0 && set->epoch.stamp != 0;

	if (!by_stamp &&
	    (set->epoch_ns == 0 || req->now->mono_ns - set->epoch_ns >= lma_key_ns(lma)))
		return 0;
	/* Equal is no fault here: another BID may carry the same instant. */
	if (lma_key_newer(lma, req->now, &req->key, &set->epoch) ||
	    (by_stamp ? req->key.stamp == set->epoch.stamp
		      : req->key.sequence == set->epoch.sequence))
		return 0;
	return old_key(req, &set->epoch);
}

/* A delayed message must not bring back a session that has ended. */
static unsigned int check_ended(const struct lma_request *req)
{
	const struct lma_ended *ended;

	if (req->node == NULL || req->key.stamp == 0)
		return 0;
	DL_FOREACH (req->node->ended, ended)
		if (ended->until_ns > req->now->mono_ns && ended->att == req->msg->att &&
		    ended->llid.len == req->llid.len &&
		    memcmp(ended->llid.octets, req->llid.octets, req->llid.len) == 0 &&
		    req->key.stamp <= ended->stamp)
			return MH_STATUS_TIMESTAMP_OLD;
	return 0;
}

unsigned int lma_check_order(const struct lma *lma, struct lma_request *req)
{
	uint64_t clock = req->arrived->stamp;
	unsigned int status = 0;

	if ((req->bad & MH_HAS(TIMESTAMP)) != 0)
		return 0; /* a later check names it */
	if (req->session != NULL && !req->waited) {
		status = check_bindings(lma, req);
		if (status == 0)
			status = check_epoch(lma, req);
	} else if (req->session == NULL && req->verdict == LMA_NEW) {
		status = check_ended(req);
		if (status != 0)
			req->detail = "Timestamp: from before the session ended";
	}
	if (status != 0)
		return status;
	if ((req->has & MH_HAS(TIMESTAMP)) != 0 && lma->config.timestamp_window_ms != 0) {
		uint64_t stamp = req->msg->timestamp;
		uint64_t off = stamp > clock ? stamp - clock : clock - stamp;

		if (off > window(lma)) {
			req->detail = "Timestamp: too far from the anchor's clock";
			return MH_STATUS_TIMESTAMP_MISMATCH;
		}
	}
	return 0;
}
