/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any sequence of events into the anchor: PBUs over small domains (so that they meet), time, path
 * verdicts, a data plane that refuses, restarts. After every event the anchor's tables agree with
 * each other and with what was published; what is answered with a rejection, or not at all, changed
 * nothing; every message is counted once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lma_state.h"
/* The fuzz rule compiles this file and the pure sources, no more. */
#include "tests/support/core_bed.c" /* NOLINT(bugprone-suspicious-include) */

#define MUST(cond)                                                                 \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

#define MAX_VIEWS 64

struct input {
	const uint8_t *data;
	size_t left;
};

struct bench {
	struct recorder r;
	struct lma *lma;
	struct lma_config config;
	struct lma_pool pool;
	uint64_t now;
	uint64_t fed;
	uint16_t sequence;
	uint64_t keys;
	unsigned int answers;
	uint8_t status; /* of the first answer to the last message */
	/* the data plane's mirror */
	struct session_view view[MAX_VIEWS];
	size_t n_view;
};

static uint8_t take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static struct session_view *mirror(struct bench *b, uint32_t id)
{
	for (size_t i = 0; i < b->n_view; i++)
		if (b->view[i].id == id)
			return &b->view[i];
	return NULL;
}

static void watch(struct recorder *r, const struct session_view *view)
{
	struct bench *b = r->watch_ctx;
	struct session_view *mine = mirror(b, view->id);
	const char *fault = bed_view_fault(view);

	if (fault != NULL)
		fprintf(stderr, "%s\n", fault);
	MUST(fault == NULL);
	if (r->publish_result != 0)
		return;
	for (size_t i = 0; i < b->n_view; i++)
		for (uint8_t k = 0; b->view[i].id != view->id && k < b->view[i].n_prefix; k++)
			for (uint8_t p = 0; p < view->n_prefix; p++)
				MUST(!ip_prefix_equal(&b->view[i].prefix[k], &view->prefix[p]));
	if (mine == NULL) {
		MUST(view->state != SESSION_NONE && b->n_view < MAX_VIEWS);
		mine = &b->view[b->n_view++];
	}
	if (view->state == SESSION_NONE)
		*mine = b->view[--b->n_view];
	else
		*mine = *view;
}

static void count_answer(void *ctx, const struct core_peer *peer, const struct mh_message *msg)
{
	struct bench *b = ((struct recorder *)ctx)->watch_ctx;

	(void)peer;
	if (b->answers++ == 0)
		b->status = msg->status;
}

/* ---- invariants -------------------------------------------------------------------- */

static void check_session(struct bench *b, struct lma_session *s, uint32_t *bound, uint32_t *shared)
{
	const struct lma_set *set = &s->set;

	MUST(s->timer.due_ns != CORE_NEVER);
	MUST(set->multi == (set->gateway != NULL));
	*shared += set->gateway != NULL;
	for (uint16_t i = 0; i < set->n; i++) {
		const struct lma_binding *x = &set->binding[i];

		MUST(i == 0 || x->bid > set->binding[i - 1].bid);
		MUST((x->bid == 0) == !set->multi);
		MUST((x->tunnel != NULL) == (x->state != LMA_GONE));
		if (x->tunnel == NULL)
			continue;
		(*bound)++;
		MUST(set->linger_until_ns == 0);
		MUST(lma_tunnel_uses(x->tunnel)[x->slot].session == s);
		MUST(lma_tunnel_uses(x->tunnel)[x->slot].bid == x->bid);
		MUST(memcmp(&x->tunnel->tuple, &x->tuple, sizeof(x->tuple)) == 0);
		for (uint16_t k = 0; k < i; k++)
			MUST(set->binding[k].tunnel != x->tunnel);
	}
	MUST(set->linger_until_ns != 0 || lma_set_bound(set) != 0);
	for (uint8_t i = 0; i < s->n_prefix; i++)
		MUST(s->prefix[i]->owner == s);
	if (s->retry_ns == 0) {
		const struct session_view *mine = mirror(b, s->id);

		MUST(mine != NULL);
		lma_view_build(&b->lma->view_new, s, set, &b->lma->mn_id);
		MUST(lma_view_equal(mine, &b->lma->view_new));
	}
}

static void check_tables(struct bench *b)
{
	struct lma *lma = b->lma;
	struct lma_session *s;
	struct lma_session *tmp;
	struct lma_tunnel *t;
	struct lma_tunnel *next_tunnel;
	struct lma_gateway *g;
	struct lma_gateway *next_gateway;
	uint32_t bound = 0;
	uint32_t shared = 0;
	uint32_t uses = 0;
	uint32_t refs = 0;

	HASH_ITER (hh, lma->sessions, s, tmp)
		check_session(b, s, &bound, &shared);
	HASH_ITER (hh, lma->tunnels, t, next_tunnel) {
		MUST(t->n != 0 && t->pinned == 0);
		uses += t->n;
	}
	HASH_ITER (hh, lma->gateways, g, next_gateway) {
		MUST(g->refs != 0);
		refs += g->refs;
	}
	MUST(uses == bound && refs == shared);
	MUST(HASH_COUNT(lma->sessions) == lma->n_sessions);
	MUST(HASH_COUNT(lma->nodes) == lma->n_nodes);
	MUST(b->n_view == lma->n_sessions);
	for (uint32_t i = 1; i < lma->heap.n; i++)
		MUST(lma->heap.timer[(i - 1) / 2]->due_ns <= lma->heap.timer[i]->due_ns);
}

static void check_pools(struct bench *b)
{
	const struct lma *lma = b->lma;
	const struct lma_session *s;
	const struct lma_session *tmp;
	const struct pool_prefix *item;
	size_t owned = 0;
	size_t resting = 0;

	HASH_ITER (hh, lma->sessions, s, tmp)
		owned += s->n_prefix;
	for (size_t i = 0; i < lma->pools.n_pool; i++)
		DL_FOREACH (lma->pools.pool[i].rest, item) {
			MUST(item->owner == NULL);
			resting++;
		}
	MUST(owned == lma->pools.n_owned);
	MUST(owned + resting == HASH_COUNT(lma->pools.by_prefix));
}

static void check_counts(struct bench *b)
{
	const struct lma_node *node;
	const struct lma_node *tmp;
	uint64_t sum = 0;
	uint32_t parked = 0;

	for (int i = 0; i < CORE_COUNTER_COUNT; i++)
		sum += lma_counters(b->lma)[i];
	HASH_ITER (hh, b->lma->nodes, node, tmp)
		parked += node->n_parked;
	MUST(parked == b->lma->n_parked);
	MUST(sum + parked == b->fed);
}

static int hash_session(void *ctx, const struct lma_session_info *s)
{
	uint64_t *h = ctx;

	*h = core_hash(*h, &s->id, sizeof(s->id));
	*h = core_hash(*h, s->state, strlen(s->state));
	*h = core_hash(*h, s->mag_id->octets, s->mag_id->len);
	*h = core_hash(*h, s->llid->octets, s->llid->len);
	*h = core_hash(*h, &s->att, 1);
	*h = core_hash(*h, s->prefix, s->n_prefix * sizeof(s->prefix[0]));
	for (uint16_t i = 0; i < s->n; i++) {
		const struct lma_binding_info *x = &s->binding[i];

		*h = core_hash(*h, &x->bid, 1);
		*h = core_hash(*h, &x->label, 1);
		*h = core_hash(*h, x->state, strlen(x->state));
		*h = core_hash(*h, &x->remote, sizeof(x->remote));
		*h = core_hash(*h, &x->expires_ns, sizeof(x->expires_ns));
	}
	return 0;
}

static uint64_t dump(const struct bench *b)
{
	uint64_t h = CORE_HASH_START;

	lma_each(b->lma, hash_session, &h);
	return h;
}

/* ---- events ------------------------------------------------------------------------ */

static struct ip_addr coa(uint8_t n)
{
	struct ip_addr a = {.b = {0x20, 0x01, 0x0d, 0xb8}};

	a.b[5] = n & 1;
	a.b[15] = (uint8_t)(1 + (n >> 1 & 3));
	return a;
}

static struct ip_prefix prefix_no(uint8_t n)
{
	struct ip_prefix p = {.addr = {.b = {0x20, 0x01, 0x0d, 0xb8, 0x01, 0x00}}, .len = 64};

	p.addr.b[7] = n & 15;
	return p;
}

static void make_options(struct bench *b, struct input *in, struct mh_message *m)
{
	uint8_t what = take(in);
	uint8_t keys = take(in);

	m->llid.len = 2;
	m->llid.octets[0] = (uint8_t)(1 + (what & 1));
	if ((what & 2) != 0)
		m->has &= ~MH_HAS(LLID);
	if ((what & 4) != 0)
		m->has |= MH_HAS(LINK_LOCAL);
	if ((what & 0xf8) == 0xf8)
		m->bad = UINT32_C(1) << (take(in) % MH_OPT_COUNT);
	if ((what & 0xf8) == 0xf0)
		m->dup = UINT32_C(1) << (take(in) % MH_OPT_COUNT);
	if ((what & 0xf8) == 0xe8)
		m->has &= ~(UINT32_C(1) << (take(in) % MH_OPT_COUNT));
	m->sequence = ++b->sequence;
	m->timestamp = bed_stamp(b->now) + (++b->keys & 1023);
	if ((keys & 3) == 1)
		m->has &= ~MH_HAS(TIMESTAMP);
	if ((keys & 12) == 4) {
		m->timestamp -= (uint64_t)keys << 6;
		m->sequence = (uint16_t)(m->sequence - (keys >> 4));
	}
	m->has &= ~m->bad;
}

static void make_prefixes(struct bench *b, struct input *in, struct mh_message *m)
{
	uint8_t which = take(in);

	m->n_hnp = 1;
	if ((which & 0x80) == 0)
		return; /* ALL_ZERO */
	m->hnp[0] = prefix_no(which);
	if ((which & 0x40) != 0 && b->n_view != 0)
		m->hnp[0] = b->view[which % b->n_view].prefix[0];
	if ((which & 0x30) == 0x30)
		m->hnp[m->n_hnp++] = prefix_no((uint8_t)(which + 1));
}

static struct mh_message make_pbu(struct bench *b, struct input *in)
{
	static const uint8_t bids[] = {1, 2, 3, 4, 5, 254, 0, 255};
	uint8_t who = take(in);
	uint8_t multi = take(in);
	uint8_t how = take(in);
	struct mh_message m = {
		.type = MH_BU,
		.flags = MH_BU_P,
		.has = MH_HAS(MN_ID) | MH_HAS(HNP) | MH_HAS(HI) | MH_HAS(ATT) | MH_HAS(LLID) |
		       MH_HAS(TIMESTAMP),
		.mn_id = {.subtype = MH_ID_NAI, .len = 1, .octets = {'a'}},
		.hi = (uint8_t)(how & 7),
		.att = (uint8_t)(4 + (how >> 3 & 1)),
		.lifetime = (uint16_t)((how >> 4) * (how >> 4)),
	};

	m.mn_id.octets[0] = (uint8_t)('a' + (who & 3));
	if ((who & 4) == 0) {
		m.has |= MH_HAS(MMB) | MH_HAS(MAG_ID);
		m.mmb.bid = bids[multi & 7];
		m.mmb.label = multi >> 3 & 1;
		m.mmb.att = 4;
		m.mmb.bulk = (multi & 0x30) == 0x30;
		m.mmb.overwrite = (multi & 0xc0) == 0xc0;
		m.mag_id = (struct mh_id){.subtype = MH_ID_NAI, .len = 1, .octets = {'x'}};
		m.mag_id.octets[0] = (who & 8) != 0 ? 'y' : 'x';
	}
	make_prefixes(b, in, &m);
	make_options(b, in, &m);
	if ((who & 0x70) == 0x70) {
		m.has |= MH_HAS(ALT_COA);
		m.alt_coa = coa(who >> 4);
	}
	if (who == 0xff)
		m.type = take(in) & 7;
	return m;
}

static void feed(struct bench *b, struct input *in)
{
	struct core_time now = bed_time(b->now);
	struct core_peer from = {.remote = coa(take(in))};
	struct mh_message m = make_pbu(b, in);
	uint64_t before = dump(b);

	from.local = coa(7);
	b->answers = 0;
	b->fed++;
	lma_receive(b->lma, &now, &from, &m);
	if (b->answers == 0 || (b->answers == 1 && b->status >= 128))
		MUST(dump(b) == before);
}

static void pass(struct bench *b, uint8_t how)
{
	static const uint64_t step_ms[] = {1, 50, 300, 1500, 2000, 10000, 61000, 3600000};
	struct core_time now;

	b->now += step_ms[how & 7] * BED_MS;
	now = bed_time(b->now);
	lma_tick(b->lma, &now);
	MUST(lma_next_ns(b->lma) > b->now);
}

/* The daemon restarts: what is exported comes in again, or says why not. */
static void restart(struct bench *b)
{
	static struct lma_record record[MAX_VIEWS];
	struct core_time now = bed_time(b->now);
	size_t n = 0;
	bool refusing = b->r.publish_result != 0;

	for (size_t i = 0; i < b->n_view; i++)
		MUST(lma_export(b->lma, &now, b->view[i].id, &record[n++]) == 0);
	if (n != 0)
		MUST(lma_import(b->lma, &now, &record[0]) != 0);
	lma_free(b->lma);
	b->n_view = 0;
	b->fed = 0;
	MUST(lma_new(&b->config, &b->r.port, &b->lma) == 0);
	for (size_t i = 0; i < n; i++) {
		static struct lma_record again;
		size_t had = b->n_view;
		int err = lma_import(b->lma, &now, &record[i]);

		MUST(err == 0 ? record[i].n != 0 : record[i].n == 0 || refusing);
		if (err != 0)
			continue;
		MUST(lma_export(b->lma, &now, b->view[had].id, &again) == 0);
		MUST(again.n == record[i].n && again.epoch == record[i].epoch);
	}
}

static void event(struct bench *b, struct input *in)
{
	uint8_t what = take(in);
	struct ip_addr local = coa(7);
	struct ip_addr remote = coa(what >> 4);
	struct core_time now = bed_time(b->now);

	switch (what & 15) {
	case 15:
		b->r.publish_result = -28; /* ENOSPC */
		b->r.refuse_n = 1 + (what >> 4 & 3);
		break;
	case 14:
		lma_path_state(b->lma, &now, &local, &remote, (what & 0x80) != 0);
		break;
	case 13:
	case 12:
		pass(b, what >> 4);
		break;
	case 11:
		if (what == 0xfb)
			restart(b);
		else if (what == 0xeb)
			lma_release(b->lma, &now);
		else if (what == 0xdb)
			MUST(lma_reconfigure(b->lma, &b->config) == 0);
		break;
	default:
		feed(b, in);
		break;
	}
	check_tables(b);
	check_pools(b);
	check_counts(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench b;
	struct input in = {data, size};
	uint8_t setup = take(&in);

	memset(&b, 0, sizeof(b));
	recorder_init(&b.r);
	b.r.forget = true;
	b.r.watch = watch;
	b.r.watch_ctx = &b;
	b.r.port.send = count_answer;
	b.now = 1000 * BED_SEC;
	b.pool = (struct lma_pool){.range = {.addr = prefix_no(0).addr, .len = 60}, .length = 64};
	b.config = (struct lma_config){
		.pool = &b.pool,
		.n_pool = 1,
		.multipath = (setup & 7) != 7,
		.multipath_legacy = (setup & 0x38) == 0x38,
		.max_sessions = 10,
		.max_bindings = 4,
		.max_lifetime_s = 600,
		.timestamp_window_ms = (setup & 0x40) != 0 ? 300 : 0,
		.min_delay_before_delete_ms = 10000,
		.max_delay_before_assign_ms = 1500,
		.drain_ms = (setup & 0x80) != 0 ? 2000 : 0,
		.prefix_rest_s = 60,
	};
	MUST(lma_new(&b.config, &b.r.port, &b.lma) == 0);
	while (in.left != 0)
		event(&b, &in);
	lma_free(b.lma);
	recorder_free(&b.r);
	return 0;
}
