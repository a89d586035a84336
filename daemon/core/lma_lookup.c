/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which session does a PBU mean? RFC 5213 5.4.1 (spec base, section 11), with the multipath rule
 * before it: what comes from the gateway that a session belongs to, for the same access link, joins
 * that session whatever the Handoff Indicator says (D6, D17). Looks only; nothing changes.
 */
#include "core/lma_state.h"

#include <errno.h>
#include <string.h>

static bool llid_equal(const struct mh_llid *a, const struct mh_llid *b)
{
	return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

static bool same_gateway(const struct lma_request *req, const struct lma_session *s)
{
	return req->multi && s->set.multi && s->set.gateway != NULL &&
	       mh_id_equal(&s->set.gateway->id, &req->msg->mag_id);
}

/* Is the care-of address one by which the session is served now? */
static bool served_by(const struct lma_session *s, const struct ip_addr *coa)
{
	for (uint16_t i = 0; i < s->set.n; i++)
		if (s->set.binding[i].state != LMA_GONE &&
		    ip_equal(&s->set.binding[i].tuple.remote, coa))
			return true;
	return false;
}

/* The request means this session: as a sibling, or to take it over. */
static void adopt(struct lma_request *req, struct lma_session *s)
{
	req->session = s;
	if (req->multi == s->set.multi && (!req->multi || same_gateway(req, s))) {
		req->verdict = LMA_JOIN;
		return;
	}
	req->verdict = LMA_TAKE;
	/* L25: another gateway that does not speak of a handoff does not get the session. */
	if (req->multi && s->set.multi && s->set.linger_until_ns == 0 && req->msg->lifetime != 0 &&
	    (req->hi == MH_HI_NEW_INTERFACE || req->hi == MH_HI_UNCHANGED)) {
		req->verdict = LMA_REFUSED;
		req->refusal = MH_STATUS_PROHIBITED;
		req->detail = "MAG Identifier: the session is another gateway's";
	}
}

static void refuse(struct lma_request *req, struct lma_session *s, uint8_t status,
		   const char *detail)
{
	req->session = s;
	req->verdict = LMA_REFUSED;
	req->refusal = status;
	req->detail = detail;
}

/* D6: the session that a further path of the same gateway belongs to. */
static struct lma_session *sibling(const struct lma_request *req)
{
	struct lma_session *s;

	if (req->node == NULL)
		return NULL;
	DL_FOREACH (req->node->session, s)
		if (same_gateway(req, s) && s->set.att == req->msg->att &&
		    llid_equal(&s->set.llid, &req->llid))
			return s;
	return NULL;
}

/* RFC 5213 5.4.1.1 behind its first three rules: the sets are equal. */
static void lookup_owner(struct lma_request *req, struct lma_session *s)
{
	bool att = s->set.att == req->msg->att;
	bool no_llid = s->set.llid.len == 0 && req->llid.len == 0;

	if (same_gateway(req, s) || req->hi == MH_HI_BETWEEN_INTERFACES ||
	    (att && !no_llid && llid_equal(&s->set.llid, &req->llid)) ||
	    (att && no_llid && req->hi == MH_HI_BETWEEN_MAGS) || (att && served_by(s, &req->coa)) ||
	    (att && s->set.linger_until_ns != 0))
		adopt(req, s);
	else if (req->msg->lifetime != 0)
		/* B-OWN-BCE-1: a new session cannot have the prefixes of a living one. */
		refuse(req, NULL, MH_STATUS_HNP_NOT_AUTHORIZED,
		       "Home Network Prefix: held by another session of the node; send the "
		       "link-layer identifier or Handoff Indicator 3");
}

static void lookup_by_prefix(struct lma *lma, struct lma_request *req)
{
	struct lma_session *owner = NULL;
	bool equal = true;
	bool ours = true;

	for (uint8_t i = 0; i < req->n_hnp; i++) {
		struct lma_session *s = pools_owner(&lma->pools, &req->hnp[i]);

		if (s != NULL && s->node != req->node) {
			refuse(req, NULL, MH_STATUS_HNP_NOT_AUTHORIZED,
			       "Home Network Prefix: held by another mobile node");
			return;
		}
		equal = equal && s != NULL && (owner == NULL || s == owner);
		ours = ours && (s != NULL || pools_check(&lma->pools, req->now->mono_ns,
							 &req->hnp[i], 0) != -ERANGE);
		if (owner == NULL)
			owner = s;
	}
	if (owner == NULL)
		owner = sibling(req);
	if (owner == NULL)
		return;
	if (!ours)
		refuse(req, owner, MH_STATUS_HNP_NOT_AUTHORIZED,
		       "Home Network Prefix: not from a pool of this anchor");
	else if (!equal || req->n_hnp != owner->n_prefix)
		refuse(req, owner, MH_STATUS_PREFIX_SET_MISMATCH,
		       "Home Network Prefix: not the session's set of prefixes");
	else
		lookup_owner(req, owner);
}

/* RFC 5213 5.4.1.2 and 5.4.1.3. */
static void lookup_by_node(const struct lma *lma, struct lma_request *req)
{
	struct lma_session *s = sibling(req);
	struct lma_session *only = NULL;

	if (s != NULL) {
		adopt(req, s);
		return;
	}
	if (req->node == NULL || req->node->session == NULL)
		return;
	DL_FOREACH (req->node->session, s) {
		bool link = s->set.att == req->msg->att && llid_equal(&s->set.llid, &req->llid);

		/* Without LL-ID the care-of address must speak for it (MP-SIG-22). */
		if (link && (req->llid.len != 0 || (req->multi && served_by(s, &req->coa)))) {
			adopt(req, s);
			return;
		}
	}
	if (req->node->session->next == NULL)
		only = req->node->session;
	if (only == NULL)
		return;
	if (req->hi == MH_HI_BETWEEN_INTERFACES ||
	    (req->hi == MH_HI_BETWEEN_MAGS && req->llid.len == 0)) {
		adopt(req, only);
	} else if (req->hi == MH_HI_UNKNOWN) {
		if (only->set.linger_until_ns != 0)
			adopt(req, only);
		else if (req->msg->lifetime != 0 && !req->no_wait &&
			 lma->config.max_delay_before_assign_ms != 0)
			req->verdict = LMA_WAIT;
	}
}

void lma_lookup(struct lma *lma, struct lma_request *req)
{
	req->verdict = LMA_NEW;
	if ((req->has & MH_HAS(MN_ID)) == 0 || req->msg->mn_id.len == 0)
		return;
	req->node = lma_node_find(lma, &req->msg->mn_id);
	if (req->n_hnp != 0)
		lookup_by_prefix(lma, req);
	else
		lookup_by_node(lma, req);
}
