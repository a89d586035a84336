/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proxy Binding Acknowledgements: is it an answer to a PBU of ours, and what follows when it
 * accepts (RFC 5213 6.9.1.2, rows M4, M5, M7, M15, M23, M31). Refusals are in mag_reject.c.
 *
 * An answer belongs to a PBU by its sequence number, or for 135 by its identities, because there
 * that field holds another number. Echoed options that are absent are tolerated, echoed options
 * with other values make the message none of ours (B-OWN-MAG-1..3). The message is then ignored and
 * the repetition goes on: without authentication one forged packet must not end a session.
 */
#include "core/mag_state.h"

#include <string.h>

static bool same_prefixes(const struct mag_node_config *node, const struct mh_message *msg)
{
	if (node->n_prefix != msg->n_hnp)
		return false;
	for (uint8_t i = 0; i < msg->n_hnp; i++) {
		bool found = false;

		for (uint8_t k = 0; k < node->n_prefix; k++)
			found |= ip_prefix_equal(&msg->hnp[i], &node->prefix[k]);
		if (!found)
			return false;
	}
	return true;
}

/* B-OWN-MAG-7: prefixes that a mobile network can use. */
static bool usable_prefixes(const struct mh_message *msg)
{
	if (msg->n_hnp == 0)
		return false;
	for (uint8_t i = 0; i < msg->n_hnp; i++) {
		const struct ip_prefix *p = &msg->hnp[i];

		if (p->len == 0 || p->len > 64 || ip_is_v4(&p->addr) ||
		    !ip_is_global_unicast(&p->addr))
			return false;
	}
	return true;
}

static bool same_llid(const struct mh_llid *a, const struct mh_llid *b)
{
	return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

/* NULL, or which field says that this is no answer to that PBU. */
static const char *difference(const struct mag_session *s, const struct mag_sent *sent,
			      const struct mh_message *msg)
{
	bool other_time = msg->status == MH_STATUS_TIMESTAMP_MISMATCH ||
			  msg->status == MH_STATUS_TIMESTAMP_OLD ||
			  msg->status == MH_STATUS_SEQUENCE;

	/* A PBA with status 160 has an empty one (RFC 5213 5.3.6). */
	if (msg->has & MH_HAS(MN_ID) && msg->mn_id.len > 0 &&
	    !mh_id_equal(&msg->mn_id, &s->node.mn_id))
		return "Mobile Node Identifier differs";
	if (msg->has & MH_HAS(MAG_ID) && !mh_id_equal(&msg->mag_id, &s->mag_id))
		return "MAG Identifier differs";
	if (sent->multi && msg->has & MH_HAS(MMB) && msg->mmb.bid != sent->bid)
		return "BID differs";
	if (msg->has & MH_HAS(TIMESTAMP) && !other_time && msg->timestamp != sent->stamp)
		return "Timestamp differs";
	if (!(msg->has & MH_HAS(TIMESTAMP)) && msg->status < 128)
		return "Timestamp is absent";
	if (msg->has & MH_HAS(HI) && msg->hi != sent->hi && !other_time)
		return "Handoff Indicator differs";
	if (msg->has & MH_HAS(ATT) && msg->att != s->node.att)
		return "Access Technology Type differs";
	if (msg->has & MH_HAS(LLID) && !same_llid(&msg->llid, &s->node.llid))
		return "Mobile Node Link-layer Identifier differs";
	return NULL;
}

/* The binding and PBU that `msg` answers; false: none. */
static bool find_by_sequence(const struct mag *mag, const struct mh_message *msg,
			     struct mag_session **ret_s, size_t *ret_i, struct mag_sent *ret_sent)
{
	const struct mag_sent *sent = &mag->sent[msg->sequence & (mag->n_sent - 1)];
	const struct mag_binding *b;

	if (!sent->session || sent->sequence != msg->sequence || !mag->by_bid[sent->bid])
		return false;
	*ret_s = mag_session_by_id(mag, sent->session);
	if (!*ret_s)
		return false;
	*ret_i = mag->by_bid[sent->bid] - (size_t)1;
	b = &(*ret_s)->binding[*ret_i];
	*ret_sent = *sent;
	return b->request != REQUEST_NONE && b->tries > 0 && b->generation == sent->generation;
}

/* 135: Sequence # is the last one that was accepted (RFC 6275 9.5.1). */
static bool find_by_identity(const struct mag *mag, const struct mh_message *msg,
			     struct mag_session **ret_s, size_t *ret_i, struct mag_sent *ret_sent)
{
	bool multi = msg->has & MH_HAS(MMB);

	*ret_sent = (struct mag_sent){.multi = multi};
	if (!(msg->has & MH_HAS(MN_ID)))
		return false;
	for (size_t k = 0; k < mag->n_session; k++) {
		struct mag_session *s = mag->session[k];

		if (!mh_id_equal(&s->node.mn_id, &msg->mn_id))
			continue;
		for (size_t i = 0; i < mag->n_path; i++) {
			if (!s->binding[i].request || !s->binding[i].tries ||
			    (multi && mag->path[i].config.bid != msg->mmb.bid))
				continue;
			ret_sent->bid = mag->path[i].config.bid;
			*ret_s = s;
			*ret_i = i;
			return true;
		}
	}
	return false;
}

/* M5, and a handoff in a legacy session: this binding is the only one that is left. */
static void become_legacy(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	if (s->mode != MAG_LEGACY)
		mag_note(mag, s, i, CORE_NOTE_LEGACY, "PBA without MAG Multipath Binding");
	s->mode = MAG_LEGACY;
	for (size_t k = 0; k < mag->n_path; k++)
		if (k != i && (s->binding[k].bound || s->binding[k].request))
			mag_forget(mag, s, k, now_ns, CORE_NOTE_BINDING_REMOVED,
				   "replaced by a registration without multipath");
}

/* M7: a path that leads to another prefix is no path of this session. */
static bool prefixes_fit(struct mag *mag, struct mag_session *s, size_t i,
			 const struct mag_sent *sent, const struct mh_message *msg)
{
	struct mag_binding *b = &s->binding[i];
	const char *fault = NULL;

	if (!usable_prefixes(msg))
		fault = "the granted Home Network Prefix cannot be used";
	else if (s->node.n_prefix > 0 && !same_prefixes(&s->node, msg) &&
		 !(sent->resync && (b->bound || !mag_any_bound(mag, s, i))))
		fault = "the granted Home Network Prefix is not the session's";
	if (!fault) {
		/* The order of a known set stays, so that the view does not change. */
		if (!same_prefixes(&s->node, msg)) {
			s->node.n_prefix = msg->n_hnp;
			memcpy(s->node.prefix, msg->hnp, sizeof(s->node.prefix));
		}
		return true;
	}
	mag_note(mag, s, i, CORE_NOTE_IGNORED, fault);
	mag_deregister(mag, s, i);
	b->reject_after = true;
	return false;
}

static void extend(struct mag *mag, struct mag_session *s, size_t i, uint64_t sent_ns,
		   uint64_t lifetime_ns, uint64_t refresh_ns, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	bool suspect = b->state == MAG_SUSPECT;

	mag_cancel(mag, s, i);
	b->expires_ns = sent_ns + lifetime_ns;
	b->refresh_ns = refresh_ns;
	b->visits = 0;
	if (s->lease_ns < b->expires_ns)
		s->lease_ns = b->expires_ns;
	if (mag->path[i].alive) {
		b->state = MAG_ACTIVE;
		if (b->lost)
			b->usable_ns = now_ns + mag->config.hold_down_ms * MSEC;
		b->lost = false;
		b->due_ns = refresh_ns;
		return;
	}
	b->state = MAG_SUSPECT;
	if (!suspect)
		b->confirm_ns = now_ns + mag->config.suspect_ms * MSEC;
	b->due_ns = b->confirm_ns > now_ns ? b->confirm_ns : refresh_ns;
}

static void granted(struct mag *mag, struct mag_session *s, size_t i, const struct mag_sent *sent,
		    uint64_t lifetime_ns, const struct mh_message *msg, uint64_t now_ns)
{
	struct mag_binding *b = &s->binding[i];
	bool multi = sent->multi && msg->has & MH_HAS(MMB);
	bool bulk = multi && b->request == REQUEST_BULK;
	bool is_new = !b->bound;
	bool moved = b->bound && b->request == REQUEST_REGISTER;
	uint64_t refresh_ns = mag_refresh_time(mag, sent->sent_ns, lifetime_ns);

	if (multi)
		s->mode = MAG_MULTI;
	else
		become_legacy(mag, s, i, now_ns);
	for (size_t k = 0; bulk && k < mag->n_path; k++)
		if (k != i && s->binding[k].in_bulk && s->binding[k].state == MAG_REFRESH)
			extend(mag, s, k, sent->sent_ns, lifetime_ns, refresh_ns, now_ns);
	if (bulk) /* answered: there is nothing to take apart */
		s->carrier = MAG_NONE;
	b->bound = true;
	b->multi = multi;
	extend(mag, s, i, sent->sent_ns, lifetime_ns, refresh_ns, now_ns);
	s->ever = true;
	if (!s->up)
		mag_note(mag, s, MAG_NONE, CORE_NOTE_SESSION_UP, NULL);
	s->up = true;
	if (is_new || moved)
		mag_note(mag, s, i, is_new ? CORE_NOTE_BINDING_ADDED : CORE_NOTE_BINDING_MOVED,
			 NULL);
	if (sent->multi && msg->has & MH_HAS(MMB) &&
	    (msg->mmb.att != mag->path[i].config.att ||
	     msg->mmb.label != mag->path[i].config.label))
		mag_note(mag, s, i, CORE_NOTE_IGNORED, "If-ATT or If-Label is not echoed");
}

void mag_accepted(struct mag *mag, struct mag_session *s, size_t i, const struct mag_sent *sent,
		  const struct mh_message *msg, const struct core_time *now)
{
	uint16_t units = msg->lifetime < sent->lifetime ? msg->lifetime : sent->lifetime;
	uint64_t lifetime_ns = units * (MH_LIFETIME_S * CORE_NSEC_PER_SEC);
	enum mag_request request = s->binding[i].request;

	if (request == REQUEST_DEREG || request == REQUEST_RELEASE) {
		mag_clock_accepted(mag, s, sent);
		mag_deregistered(mag, s, i, now->mono_ns);
		mag->counter[CORE_COUNTER_ACCEPTED]++;
	} else if (sent->sent_ns + lifetime_ns <= now->mono_ns) {
		mag->counter[CORE_COUNTER_UNEXPECTED]++; /* over before it arrived */
	} else if (!prefixes_fit(mag, s, i, sent, msg)) {
		mag->counter[CORE_COUNTER_MISMATCH]++;
	} else {
		mag_clock_accepted(mag, s, sent);
		granted(mag, s, i, sent, lifetime_ns, msg, now->mono_ns);
		mag->counter[CORE_COUNTER_ACCEPTED]++;
	}
}

static void ignored(struct mag *mag, const struct core_peer *from, enum core_counter counter,
		    const char *detail)
{
	const struct core_note note = {
		.kind = CORE_NOTE_IGNORED,
		.peer = from,
		.detail = detail,
	};

	mag->counter[counter]++;
	mag->port.note(mag->port.ctx, &note);
}

static void answer(struct mag *mag, const struct core_time *now, const struct core_peer *from,
		   const struct mh_message *msg)
{
	bool by_identity = msg->status == MH_STATUS_SEQUENCE;
	struct mag_session *s;
	struct mag_sent sent;
	const char *detail;
	uint8_t status = msg->status;
	bool removal;
	size_t i;

	mag->status[msg->status]++;
	if (by_identity ? !find_by_identity(mag, msg, &s, &i, &sent)
			: !find_by_sequence(mag, msg, &s, &i, &sent)) {
		mag->counter[CORE_COUNTER_UNEXPECTED]++;
		return;
	}
	detail = difference(s, &sent, msg);
	if (detail) {
		ignored(mag, from, CORE_COUNTER_MISMATCH, detail);
		return;
	}
	removal =
		s->binding[i].request == REQUEST_DEREG || s->binding[i].request == REQUEST_RELEASE;
	/* B-OWN-MAG-2 and -6: no proxy answer, and a grant of nothing, are refusals. */
	if (!(msg->flags & MH_BA_P) || (status < 128 && msg->lifetime == 0 && !removal))
		status = MH_STATUS_UNSPECIFIED;
	s->binding[i].last_status = status;
	if (status < 128) {
		mag_accepted(mag, s, i, &sent, msg, now);
	} else {
		mag_rejected(mag, s, i, msg, status, now);
		mag->counter[CORE_COUNTER_REJECTED]++;
	}
	mag_settle(mag, s, now);
}

void mag_receive(struct mag *mag, const struct core_time *now, const struct core_peer *from,
		 const struct mh_message *msg)
{
	uint32_t single = MH_HAS(MN_ID) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(LLID) |
			  MH_HAS(TIMESTAMP) | MH_HAS(MMB) | MH_HAS(MAG_ID);
	bool known = false;

	mag_clock_see(mag, now);
	for (size_t k = 0; k < mag->n_session; k++)
		known |= ip_equal(&mag->session[k]->lma, &from->remote);
	if (!known && !ip_equal(&mag->config.lma, &from->remote))
		ignored(mag, from, CORE_COUNTER_FOREIGN, "the source is not the anchor");
	else if (msg->type == MH_BE || msg->type == MH_BRR)
		ignored(mag, from, CORE_COUNTER_OTHER,
			msg->type == MH_BE ? "Binding Error" : "Binding Refresh Request");
	else if (msg->type != MH_BA)
		ignored(mag, from, CORE_COUNTER_WRONG_ROLE, "a gateway takes no binding updates");
	else if (msg->dup & single || msg->bad & (single | MH_HAS(HNP)))
		ignored(mag, from, CORE_COUNTER_MALFORMED, "an option is malformed or repeated");
	else
		answer(mag, now, from, msg);
}
