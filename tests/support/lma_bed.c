/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The oracle aborts with a line on stderr: a test that breaks it has no business going on.
 */
#include "tests/support/lma_bed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "oracle: %s\n", what);
	abort();
}

static void watch(struct recorder *r, const struct session_view *view)
{
	const char *fault = bed_view_fault(view);

	(void)r;
	must(fault == NULL, fault);
}

void lma_bed_open(struct lma_bed *bed)
{
	memset(bed, 0, sizeof(*bed));
	recorder_init(&bed->r);
	bed->r.watch = watch;
	bed->now = 1000 * BED_SEC;
	bed->sequence = 100;
	bed->pool = (struct lma_pool){.range = bed_prefix("2001:db8:100::/48"), .length = 64};
	bed->config = (struct lma_config){
		.pool = &bed->pool,
		.n_pool = 1,
		.multipath = true,
		.max_sessions = 1000,
		.max_bindings = CORE_MAX_BINDINGS,
		.max_lifetime_s = 3600,
		.timestamp_window_ms = 300,
		.min_delay_before_delete_ms = 10000,
		.max_delay_before_assign_ms = 1500,
		.drain_ms = 2000,
		.prefix_rest_s = 60,
	};
	must(lma_new(&bed->config, &bed->r.port, &bed->lma) == 0, "lma_new");
}

void lma_bed_reopen(struct lma_bed *bed)
{
	lma_free(bed->lma);
	recorder_clear(&bed->r);
	bed->fed = 0;
	must(lma_new(&bed->config, &bed->r.port, &bed->lma) == 0, "lma_new");
}

void lma_bed_close(struct lma_bed *bed)
{
	lma_free(bed->lma);
	recorder_free(&bed->r);
}

struct core_time bed_now(const struct lma_bed *bed)
{
	return bed_time(bed->now);
}

/* ---- messages ---------------------------------------------------------------------- */

void pbu_stamp(struct lma_bed *bed, struct mh_message *msg)
{
	msg->sequence = ++bed->sequence;
	msg->timestamp = bed_stamp(bed->now) + ++bed->keys;
}

void pbu_prefix(struct mh_message *msg, const char *prefix)
{
	msg->has |= MH_HAS(HNP);
	if (strcmp(prefix, "::") == 0)
		msg->hnp[msg->n_hnp] = (struct ip_prefix){.len = 64};
	else
		msg->hnp[msg->n_hnp] = bed_prefix(prefix);
	msg->n_hnp++;
}

void pbu_drop(struct mh_message *msg, uint32_t option)
{
	msg->has &= ~option;
	if ((option & MH_HAS(HNP)) != 0)
		msg->n_hnp = 0;
	if ((option & MH_HAS(HI)) != 0)
		msg->hi = 0;
	if ((option & MH_HAS(ATT)) != 0)
		msg->att = 0;
	if ((option & MH_HAS(LLID)) != 0)
		memset(&msg->llid, 0, sizeof(msg->llid));
	if ((option & MH_HAS(TIMESTAMP)) != 0)
		msg->timestamp = 0;
}

struct mh_message good_pbu(struct lma_bed *bed, const char *mn)
{
	struct mh_message msg = {
		.type = MH_BU,
		.flags = MH_BU_A | MH_BU_P,
		.lifetime = 75,
		.has = MH_HAS(MN_ID) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(TIMESTAMP) | MH_HAS(LLID),
		.mn_id = bed_id(mn),
		.hi = MH_HI_NEW_INTERFACE,
		.att = 4,
		.llid = {.len = 6},
	};

	/* 6 octets that differ from node to node */
	memcpy(msg.llid.octets, mn, 6);
	pbu_prefix(&msg, "::");
	pbu_stamp(bed, &msg);
	return msg;
}

struct mh_message multi_pbu(struct lma_bed *bed, const char *mn, uint8_t bid, uint8_t label)
{
	struct mh_message msg = good_pbu(bed, mn);
	uint32_t id;

	msg.has |= MH_HAS(MMB) | MH_HAS(MAG_ID);
	msg.mmb = (struct mh_mmb){.att = 5, .label = label, .bid = bid};
	msg.mag_id = bed_id(MAG1);
	if (!bed->unchecked && lma_bed_sessions(bed, mn, &id) == 1) {
		msg.hi = MH_HI_UNCHANGED;
		msg.hnp[0] = prefix_of(bed, mn);
	}
	return msg;
}

/* ---- feeding ----------------------------------------------------------------------- */

static uint64_t counted(const struct lma_bed *bed)
{
	const uint64_t *counters = lma_counters(bed->lma);
	uint64_t sum = 0;

	for (int i = 0; i < CORE_COUNTER_COUNT; i++)
		sum += counters[i];
	return sum;
}

/* spec base, section 13, for every PBA */
static void check_pba(const struct bed_sent *sent, const struct core_peer *from,
		      const struct mh_message *pbu)
{
	const struct mh_message *pba = &sent->msg;
	uint32_t echoed = MH_HAS(LLID) | MH_HAS(LINK_LOCAL) | MH_HAS(TIMESTAMP);

	must(pba->type == MH_BA, "the answer is a BA");
	must(ip_equal(&sent->peer.local, &from->local), "answered from where it was sent to");
	must(ip_equal(&sent->peer.remote, &from->remote), "answered to where it came from");
	if ((pbu->flags & MH_BU_P) == 0)
		return;
	must(pba->flags == MH_BA_P, "flags: P alone");
	must(pba->status == MH_STATUS_SEQUENCE || pba->sequence == pbu->sequence,
	     "sequence copied");
	must((pba->has & echoed) == (pbu->has & echoed), "options exactly as in the request");
	must((pba->has & MH_HAS(HI)) != 0 && pba->hi == pbu->hi, "HI copied");
	must((pba->has & MH_HAS(ATT)) != 0 && pba->att == pbu->att, "ATT copied");
	must((pba->has & MH_HAS(MAG_ID)) == 0, "never a MAG-ID (D1, D2)");
	must(memcmp(&pba->llid, &pbu->llid, sizeof(pba->llid)) == 0, "LL-ID copied");
	must(pba->n_hnp != 0, "a prefix at least");
	if (pba->status >= 128) {
		must(pba->lifetime == 0, "no lifetime in a rejection");
		must(pba->n_hnp == (pbu->n_hnp == 0 ? 1 : pbu->n_hnp), "prefixes of the request");
	} else {
		must(pba->lifetime <= pbu->lifetime, "not longer than asked");
		must(!ip_is_zero(&pba->hnp[0].addr), "a prefix of its own");
	}
}

unsigned int feed(struct lma_bed *bed, const char *source, const struct mh_message *msg)
{
	struct core_time now = bed_now(bed);
	char *before = bed->unchecked ? NULL : lma_bed_dump(bed);
	uint64_t was = counted(bed);
	uint64_t repeated = counter(bed, CORE_COUNTER_REPEATED);
	size_t sent = bed->r.n_sent;
	unsigned int status = NO_ANSWER;
	bool same;

	bed->from = (struct core_peer){
		.local = bed_addr(LMAA), .remote = bed_addr(source), .ifindex = 7};
	lma_receive(bed->lma, &now, &bed->from, msg);
	bed->fed++;
	if (bed->r.n_sent > sent) {
		status = bed->r.sent[sent].msg.status;
		check_pba(&bed->r.sent[sent], &bed->from, msg);
	}
	if (bed->unchecked)
		return status;
	if (status == NO_ANSWER || status >= 128 ||
	    counter(bed, CORE_COUNTER_REPEATED) != repeated) {
		char *after = lma_bed_dump(bed);

		same = strcmp(before, after) == 0;
		if (!same)
			fprintf(stderr, "before:\n%safter:\n%s", before, after);
		must(same, "unchanged by what was rejected, ignored or repeated");
		free(after);
	}
	must(counted(bed) >= was && counted(bed) <= bed->fed, "one counter a message");
	free(before);
	return status;
}

void join(struct lma_bed *bed, const char *source, const char *mn, uint8_t bid, uint8_t label)
{
	struct mh_message msg = multi_pbu(bed, mn, bid, label);
	unsigned int status = feed(bed, source, &msg);

	if (status != 0)
		fprintf(stderr, "join: status %u\n", status);
	must(status == 0, "a binding joins");
}

void pass(struct lma_bed *bed, uint64_t ns)
{
	uint64_t until = bed->now + ns;

	for (;;) {
		uint64_t next = lma_next_ns(bed->lma);
		struct core_time now;

		if (next > until)
			break;
		bed->now = next > bed->now ? next : bed->now;
		now = bed_now(bed);
		lma_tick(bed->lma, &now);
		must(lma_next_ns(bed->lma) > bed->now, "a tick runs all that is due");
	}
	bed->now = until;
}

void path(struct lma_bed *bed, const char *remote, bool up)
{
	struct core_time now = bed_now(bed);
	struct ip_addr local = bed_addr(LMAA);
	struct ip_addr addr = bed_addr(remote);

	lma_path_state(bed->lma, &now, &local, &addr, up);
}

/* ---- looking ----------------------------------------------------------------------- */

static int dump_session(void *ctx, const struct lma_session_info *s)
{
	FILE *out = ctx;
	char text[4 * MH_ID_MAX];
	char addr[2][IP_TEXT_MAX];

	fprintf(out, "%" PRIu32 " %s mn %s", s->id, s->state,
		mh_id_text(s->mn_id, text, sizeof(text)));
	fprintf(out, " mag %s att %u llid", mh_id_text(s->mag_id, text, sizeof(text)), s->att);
	for (uint8_t i = 0; i < s->llid->len; i++)
		fprintf(out, ":%02x", s->llid->octets[i]);
	for (uint8_t i = 0; i < s->n_prefix; i++)
		fprintf(out, " %s", ip_prefix_text(&s->prefix[i], addr[0]));
	fputc('\n', out);
	for (uint16_t i = 0; i < s->n; i++) {
		const struct lma_binding_info *b = &s->binding[i];

		fprintf(out, " %u %u %u %s %s-%s %" PRIu64 "\n", b->bid, b->label, b->att, b->state,
			ip_text(&b->local, addr[0]), ip_text(&b->remote, addr[1]), b->expires_ns);
	}
	return 0;
}

char *lma_bed_dump(struct lma_bed *bed)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	must(out != NULL, "memory");
	lma_each(bed->lma, dump_session, out);
	fclose(out);
	return text;
}

struct search {
	struct mh_id mn_id;
	uint8_t bid;
	unsigned int n;
	uint32_t id;
	struct ip_prefix prefix;
	const char *state;
	const char *session_state;
	uint64_t expires_ns;
};

static int search_session(void *ctx, const struct lma_session_info *s)
{
	struct search *search = ctx;

	if (!mh_id_equal(s->mn_id, &search->mn_id))
		return 0;
	search->n++;
	search->id = s->id;
	search->prefix = s->prefix[0];
	search->session_state = s->state;
	for (uint16_t i = 0; i < s->n; i++)
		if (s->binding[i].bid == search->bid && strcmp(s->binding[i].state, "drain") != 0) {
			search->state = s->binding[i].state;
			search->expires_ns = s->binding[i].expires_ns;
		}
	return 0;
}

static struct search look(struct lma_bed *bed, const char *mn, uint8_t bid)
{
	struct search search = {
		.mn_id = bed_id(mn), .bid = bid, .state = "", .session_state = "none"};

	lma_each(bed->lma, search_session, &search);
	return search;
}

unsigned int lma_bed_sessions(struct lma_bed *bed, const char *mn, uint32_t *ret_id)
{
	struct search search = look(bed, mn, 0);

	if (ret_id != NULL)
		*ret_id = search.id;
	return search.n;
}

const char *binding_state(struct lma_bed *bed, const char *mn, uint8_t bid)
{
	return look(bed, mn, bid).state;
}

uint64_t binding_expires(struct lma_bed *bed, const char *mn, uint8_t bid)
{
	return look(bed, mn, bid).expires_ns;
}

const char *session_state_of(struct lma_bed *bed, const char *mn)
{
	return look(bed, mn, 0).session_state;
}

struct ip_prefix prefix_of(struct lma_bed *bed, const char *mn)
{
	return look(bed, mn, 0).prefix;
}

const struct session_view *view_of(struct lma_bed *bed, const char *mn)
{
	struct search search = look(bed, mn, 0);
	const struct bed_view *view;

	must(search.n == 1, "one session of the node");
	view = recorder_view(&bed->r, search.id);
	must(view != NULL, "a view of the session");
	return &view->view;
}

const char *tx_of(struct lma_bed *bed, const char *mn)
{
	static char text[4 * CORE_MAX_BINDINGS];
	const struct session_view *view = view_of(bed, mn);
	int at = 0;

	text[0] = '\0';
	for (uint16_t i = 0; i < view->n; i++)
		if ((view->binding[i].use & BINDING_TX) != 0)
			at += snprintf(text + at, sizeof(text) - (size_t)at, at == 0 ? "%u" : " %u",
				       view->binding[i].bid);
	return text;
}

uint64_t counter(const struct lma_bed *bed, enum core_counter which)
{
	return lma_counters(bed->lma)[which];
}

const struct mh_message *last_pba(const struct lma_bed *bed)
{
	must(bed->r.n_sent != 0, "an answer");
	return &bed->r.sent[bed->r.n_sent - 1].msg;
}
