/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proxy Binding Updates: what stands in them (RFC 5213 6.9.1, RFC 8278 4.4), by which path they
 * leave, how often. Every transmission is built anew with its own sequence number and order key
 * (B-5213-6.9.4-c) and remembered in a table by sequence number, where its answer is looked up.
 */
#include "core/mag_state.h"

static uint64_t max_ns(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_removal(enum mag_request request)
{
	return request == REQUEST_DEREG || request == REQUEST_RELEASE;
}

bool mag_route(const struct mag *mag, const struct mag_session *s, size_t i,
	       struct core_peer *ret_peer, bool *ret_alt)
{
	const struct mag_binding *b = &s->binding[i];
	bool own = mag->path[i].link.usable;
	size_t via = i;

	if (is_removal(b->request) && (!own || !mag->path[i].alive)) {
		size_t other = mag_best_live(mag, s, i);

		if (other == MAG_NONE && !own)
			return false;
		via = other == MAG_NONE ? i : other;
	}
	ret_peer->local = mag->path[via].link.address;
	ret_peer->remote = s->lma;
	ret_peer->ifindex = mag->path[via].link.ifindex;
	/* MP-SIG-30: the Alternate Care-of Address names the dead path's. */
	*ret_alt = is_removal(b->request) && !ip_equal(&ret_peer->local, &b->tunnel.local);
	return true;
}

/*
 * True when nothing of this session is or may be at the anchor but this registration. Only then O=1
 * is safe: with a newer key than a sibling's it would delete that.
 */
static bool is_leading(const struct mag *mag, const struct mag_session *s, size_t i)
{
	if (mag_any_bound(mag, s, MAG_NONE))
		return false;
	for (size_t k = 0; k < mag->n_path; k++)
		if (k != i && s->binding[k].request == REQUEST_REGISTER && s->binding[k].tries > 0)
			return false;
	return true;
}

/* RFC 5213 8.4; B-5213-6.9.1.3-c, -6.9.1.4-b, D17, base section 28 row 38. */
static enum mh_hi handoff_indicator(const struct mag *mag, const struct mag_session *s, size_t i)
{
	const struct mag_binding *b = &s->binding[i];

	if (is_removal(b->request) || b->all_zero)
		return MH_HI_UNKNOWN;
	if (b->request != REQUEST_REGISTER)
		return MH_HI_UNCHANGED;
	if (is_leading(mag, s, i))
		return s->ever ? MH_HI_UNKNOWN : MH_HI_NEW_INTERFACE;
	return s->mode == MAG_LEGACY ? MH_HI_BETWEEN_MAGS : MH_HI_UNCHANGED;
}

static uint16_t lifetime_units(const struct mag *mag, enum mag_request request)
{
	uint32_t units = mag->config.lifetime_s / MH_LIFETIME_S;

	if (is_removal(request))
		return 0;
	return units == 0 ? 1 : units > UINT16_MAX ? UINT16_MAX : (uint16_t)units;
}

static void add_multipath(const struct mag *mag, const struct mag_session *s, size_t i,
			  struct mh_message *msg)
{
	const struct mag_path_config *config = &mag->path[i].config;
	const struct mag_binding *b = &s->binding[i];

	msg->has |= MH_HAS(MMB) | MH_HAS(MAG_ID);
	msg->mag_id = s->mag_id;
	msg->mmb.att = config->att;
	msg->mmb.label = config->label;
	msg->mmb.bid = config->bid;
	msg->mmb.bulk = b->request == REQUEST_BULK || b->request == REQUEST_RELEASE;
	msg->mmb.overwrite =
		b->request == REQUEST_REGISTER && (b->overwrite || is_leading(mag, s, i));
}

static void build(struct mag *mag, struct mag_session *s, size_t i, const struct core_time *now,
		  bool alt, struct mh_message *msg)
{
	const struct mag_binding *b = &s->binding[i];

	*msg = (struct mh_message){
		.type = MH_BU,
		.sequence = ++mag->sequence,
		.flags = MH_BU_A | MH_BU_P,
		.lifetime = lifetime_units(mag, b->request),
		.has = MH_HAS(MN_ID) | MH_HAS(HNP) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(LLID) |
		       MH_HAS(TIMESTAMP),
		.mn_id = s->node.mn_id,
		.n_hnp = 1, /* ALL_ZERO unless prefixes are known */
		.hi = (uint8_t)handoff_indicator(mag, s, i),
		.att = s->node.att,
		.llid = s->node.llid,
		.timestamp = mag_clock_key(mag, s, now),
	};
	if (s->node.n_prefix > 0 && !b->all_zero) {
		msg->n_hnp = s->node.n_prefix;
		for (uint8_t k = 0; k < s->node.n_prefix; k++)
			msg->hnp[k] = s->node.prefix[k];
	}
	if (alt) {
		msg->has |= MH_HAS(ALT_COA);
		msg->alt_coa = b->tunnel.local;
	}
	if (s->multipath && s->mode != MAG_LEGACY)
		add_multipath(mag, s, i, msg);
}

static void remember(struct mag *mag, const struct mag_session *s, size_t i, uint64_t now_ns,
		     const struct mh_message *msg)
{
	const struct mag_binding *b = &s->binding[i];

	mag->sent[msg->sequence & (mag->n_sent - 1)] = (struct mag_sent){
		.session = s->id,
		.generation = b->generation,
		.stamp = msg->timestamp,
		.sent_ns = now_ns,
		.shift = mag->clock.shift,
		.steps = mag->clock.steps,
		.sequence = msg->sequence,
		.lifetime = msg->lifetime,
		.bid = mag->path[i].config.bid,
		.hi = msg->hi,
		.multi = msg->has & MH_HAS(MMB),
		.resync = b->all_zero,
	};
}

/* RFC 6275 11.8: doubled each time; `tries` has been counted up already. */
static uint64_t interval_ns(const struct mag *mag, const struct mag_session *s, size_t i)
{
	const struct mag_binding *b = &s->binding[i];
	uint64_t first = max_ns(mag->config.retry_first_ms, 1);
	uint64_t limit = max_ns(mag->config.retry_max_ms, first);
	uint32_t doublings = b->tries > 16 ? 16 : b->tries - 1;
	size_t usable = 0;

	if (is_removal(b->request))
		return first * MSEC;
	if (b->request == REQUEST_REGISTER && mag_sequential(mag, s) && b->visits > 1) {
		/* Each path is to be tried once in retry_max_ms, however many there are. */
		for (size_t k = 0; k < mag->n_path; k++)
			usable += mag_link_ok(mag, k);
		return max_ns(limit / (usable ? usable : 1), first) * MSEC;
	}
	if (b->request == REQUEST_REGISTER && mag_best_live(mag, s, i) != MAG_NONE &&
	    limit > mag->config.path_retry_ms)
		limit = max_ns(mag->config.path_retry_ms, first);
	first <<= doublings;
	return (first > limit ? limit : first) * MSEC;
}

static bool within_rate(const struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns)
{
	uint64_t *sent_ns = s->rate_ns[mag->path[i].config.bid];

	if (sent_ns[0] && now_ns - sent_ns[0] < CORE_NSEC_PER_SEC) {
		s->binding[i].deferred = true;
		s->binding[i].due_ns = sent_ns[0] + CORE_NSEC_PER_SEC;
		return false;
	}
	for (size_t k = 1; k < MAG_RATE; k++)
		sent_ns[k - 1] = sent_ns[k];
	sent_ns[MAG_RATE - 1] = now_ns;
	return true;
}

static void transmit(struct mag *mag, struct mag_session *s, size_t i, const struct core_time *now)
{
	struct mag_binding *b = &s->binding[i];
	struct mh_message msg;
	struct core_peer peer;
	bool alt;

	b->pending = false;
	if (!within_rate(mag, s, i, now->mono_ns) || !mag_route(mag, s, i, &peer, &alt))
		return;
	build(mag, s, i, now, alt, &msg);
	remember(mag, s, i, now->mono_ns, &msg);
	b->tries++;
	b->due_ns = now->mono_ns + interval_ns(mag, s, i);
	mag->port.send(mag->port.ctx, &peer, &msg);
}

void mag_flush(struct mag *mag, struct mag_session *s, const struct core_time *now)
{
	for (size_t k = 0; k < mag->n_path; k++) {
		size_t i = mag->order[k];
		struct mag_binding *b = &s->binding[i];

		if (!b->pending)
			continue;
		/* AT-03: no registration whose tunnel does not receive yet. */
		if (b->request == REQUEST_REGISTER && s->up && s->behind)
			mag_wait(mag, s, i, s->publish_ns);
		else
			transmit(mag, s, i, now);
	}
}
