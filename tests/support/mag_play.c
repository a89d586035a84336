/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The player. One mobile node, up to eight paths, the scripted anchor on the other side. The first
 * fault found ends the play; faults are literals, so that a fuzzer groups them.
 */
#include "tests/support/mag_play.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/flma.h"

#define PATHS_MAX   8
#define VARIANTS    4  /* addresses of a device */
#define HISTORY	    16 /* PBUs that can still be answered by the player */
#define OPS_MAX	    200
#define SETTLE_MS   600000
#define RELEASED_MS 20000

struct play {
	struct flma f;
	struct mag_config config;
	struct mag_path_config path[PATHS_MAX];
	struct mag_node_config node;
	void (*record)(void *ctx, const struct core_peer *peer, const struct mh_message *msg);
	const uint8_t *octets;
	size_t size;
	const char *fault;
	uint64_t fed;
	uint64_t last_stamp;
	bool stepped; /* the wall clock was, so order keys may go back */
	bool denied;  /* 152 was sent: silence is right */
	bool plain;   /* an answer without MMB was: one path may be right for good */
	bool released;
	bool accepted[PATHS_MAX + 1][VARIANTS]; /* by the address the PBU came from or named */
	uint64_t sent_ns[256][4];		/* by BID, the last four PBUs */
	uint8_t variant[PATHS_MAX];
	uint8_t status; /* to be answered next; 0: by the rules */
	size_t n_history;
	struct bed_sent history[HISTORY];
};

static uint8_t octet(struct play *p)
{
	if (p->size == 0)
		return 0;
	p->size--;
	return *p->octets++;
}

static void fail(struct play *p, const char *fault)
{
	if (!p->fault)
		p->fault = fault;
}

static bool *accepted(struct play *p, const struct ip_addr *a)
{
	return &p->accepted[a->b[7] % (PATHS_MAX + 1)][a->b[9] % VARIANTS];
}

/* ---- what must hold ---------------------------------------------------------------- */

static void check_view(struct recorder *r, const struct session_view *view)
{
	struct play *p = r->watch_ctx;
	const char *fault = bed_view_fault(view);

	if (fault)
		fail(p, fault);
	if (view->state == SESSION_ACTIVE && view->n_prefix == 0)
		fail(p, "published without a prefix");
	for (uint16_t i = 0; i < view->n; i++) {
		const struct binding_view *b = &view->binding[i];

		if (b->use & BINDING_TX && !*accepted(p, &b->local))
			fail(p, "TX without an accepted registration");
		if (!(b->use & BINDING_RX) && !ip_is_zero(&b->remote))
			fail(p, "a tunnel that does not receive");
	}
}

static void check_pbu(struct play *p, const struct mh_message *m)
{
	bool multi = m->has & MH_HAS(MMB);
	uint64_t *times = p->sent_ns[multi ? m->mmb.bid : 0];

	if (m->type != MH_BU || m->flags != (MH_BU_A | MH_BU_P))
		fail(p, "not a PBU");
	if (multi != !!(m->has & MH_HAS(MAG_ID)))
		fail(p, "MMB and MAG-ID not together");
	if (multi && m->mmb.bulk && m->mmb.overwrite)
		fail(p, "B and O together");
	if (m->lifetime == 0 && m->mmb.overwrite)
		fail(p, "O in a deregistration");
	if (m->has & MH_HAS(ALT_COA) && m->lifetime)
		fail(p, "a registration by another path");
	if (multi && (m->mmb.bid == 0 || m->mmb.bid == 255 || m->mmb.att == 0))
		fail(p, "an illegal MMB");
	if (m->n_hnp == 0)
		fail(p, "no HNP");
	if (!p->stepped && m->timestamp <= p->last_stamp)
		fail(p, "order keys do not increase");
	p->last_stamp = m->timestamp;
	if (multi && times[0] && p->f.now_ns - times[1] < BED_SEC && times[1])
		fail(p, "more than 3 PBUs in a second for a binding");
	for (size_t k = 0; k < 3; k++)
		times[k] = times[k + 1];
	times[3] = p->f.now_ns;
}

static void on_send(void *ctx, const struct core_peer *peer, const struct mh_message *msg)
{
	struct recorder *r = ctx;
	struct play *p = r->watch_ctx;

	check_pbu(p, msg);
	p->record(ctx, peer, msg);
}

static void delivered(struct flma *f, const struct mh_message *pba)
{
	struct play *p = f->ctx;

	p->fed++;
	if (pba->type != MH_BA || pba->status >= 128 || pba->lifetime == 0)
		return;
	p->plain |= !(pba->has & MH_HAS(MMB));
	for (size_t k = 0; k < p->f.r.n_sent; k++) {
		const struct bed_sent *sent = &p->f.r.sent[k];

		if (sent->msg.sequence == pba->sequence && sent->msg.lifetime)
			*accepted(p, &sent->peer.local) = true;
	}
}

static void check(struct play *p)
{
	uint64_t sum = 0;

	for (int c = 0; c < CORE_COUNTER_COUNT; c++)
		sum += mag_counters(p->f.mag)[c];
	if (sum != p->fed)
		fail(p, "a message without a counter");
}

/* Runs in pieces, to see that time moves on. */
static void run(struct play *p, uint64_t ms)
{
	uint64_t until = p->f.now_ns + ms * BED_MS;

	while (p->f.now_ns < until && !p->fault) {
		uint64_t next = mag_next_ns(p->f.mag);
		uint64_t left = (until - p->f.now_ns) / BED_MS;
		uint64_t step = p->f.n_queue ? p->f.rtt_ns / BED_MS : left;

		if (next != CORE_NEVER && next > p->f.now_ns &&
		    (next - p->f.now_ns) / BED_MS + 1 < step)
			step = (next - p->f.now_ns) / BED_MS + 1;
		flma_run_ms(&p->f, step ? (step < left ? step : left) : 1);
		if (mag_next_ns(p->f.mag) <= p->f.now_ns - BED_MS)
			fail(p, "time does not move on");
		check(p);
	}
}

/* ---- what happens ------------------------------------------------------------------ */

static uint8_t judge(struct flma *f, const struct bed_sent *pbu)
{
	struct play *p = f->ctx;
	uint8_t status = p->status;

	(void)pbu;
	p->status = 0;
	if (status == MH_STATUS_PROXY_REG_NOT_ENABLED)
		p->denied = true;
	return status;
}

static void link_up(struct play *p, size_t i, uint8_t variant)
{
	struct mag_link link = flma_link(i);
	struct core_time now = flma_time(&p->f);

	p->variant[i] = variant % VARIANTS;
	link.address.b[9] = p->variant[i];
	mag_link(p->f.mag, &now, i, &link);
}

static void mutate(struct play *p, struct mh_message *m)
{
	uint8_t how = octet(p);
	uint8_t value = octet(p);

	switch (how % 16) {
	case 0:
		m->status = value;
		break;
	case 1:
		m->sequence ^= value;
		break;
	case 2:
		m->timestamp += value;
		break;
	case 3:
		m->lifetime = value;
		break;
	case 4:
		m->has ^= UINT32_C(1) << value % MH_OPT_COUNT;
		break;
	case 5:
		m->mmb.bid = value;
		break;
	case 6:
		m->n_hnp = value % (MH_MAX_HNP + 1);
		break;
	case 7:
		m->hnp[0].addr.b[0] = value;
		break;
	case 8:
		m->hnp[0].len = value % 129;
		break;
	case 9:
		m->hi = value;
		break;
	case 10:
		m->type = value % 8;
		break;
	case 11:
		m->flags = value;
		break;
	case 12:
		m->bad = UINT32_C(1) << value % MH_OPT_COUNT;
		break;
	case 13:
		m->dup = UINT32_C(1) << value % MH_OPT_COUNT;
		break;
	case 14:
		m->mn_id.len = value % 16;
		break;
	case 15:
		break; /* as it is: a duplicate, or a late one */
	}
}

static void answer_mutated(struct play *p, uint8_t which)
{
	struct bed_sent pbu;
	struct mh_message pba;

	if (p->n_history == 0)
		return;
	pbu = p->history[which % p->n_history];
	flma_reply(&p->f, &pbu, &pba);
	mutate(p, &pba);
	if (pba.status == MH_STATUS_PROXY_REG_NOT_ENABLED)
		p->denied = true;
	if (which & 128)
		pbu.peer.remote.b[15] ^= 0x10;
	flma_deliver(&p->f, &pbu, &pba);
}

static void reconfigure(struct play *p, uint8_t value)
{
	struct core_time now = flma_time(&p->f);

	p->config.n_path = 1 + value % PATHS_MAX;
	p->path[0].label = (uint8_t)(1 + value / 16);
	p->path[1].weight = value / 32;
	p->config.bulk_every = value / 64;
	if (mag_reconfigure(p->f.mag, &now, &p->config) != (p->released ? -ESHUTDOWN : 0))
		fail(p, "a good configuration was refused");
}

static void release(struct play *p)
{
	struct core_time now = flma_time(&p->f);

	mag_release(p->f.mag, &now);
	p->released = true;
}

static void play_op(struct play *p)
{
	uint8_t op = octet(p);
	uint8_t value = octet(p);
	size_t i = value % p->config.n_path;

	switch (op % 16) {
	case 0:
	case 1:
		link_up(p, i, 0);
		break;
	case 2:
		link_up(p, i, value / 16);
		break;
	case 3:
		flma_link_down(&p->f, i);
		break;
	case 4:
		flma_alive(&p->f, i, value & 128);
		break;
	case 5:
		run(p, value);
		break;
	case 6:
		run(p, value * UINT64_C(100));
		break;
	case 7:
		p->f.cut[1 + i] = value & 128;
		break;
	case 8:
		p->f.r.publish_result = value & 3 ? 0 : -ENOSPC;
		break;
	case 9:
	case 10:
		answer_mutated(p, value);
		break;
	case 11:
		p->f.kind = (enum flma_kind)(value % 3);
		break;
	case 12:
		p->f.wall_shift += ((int64_t)value - 128) * 65536;
		p->stepped = true;
		break;
	case 13:
		reconfigure(p, value);
		break;
	case 14:
		p->status = value;
		p->f.strict = value & 1;
		p->f.mute = value > 250;
		break;
	case 15:
		if (value == 255)
			release(p);
		p->f.grant = value % 4 == 0 ? value : 0;
		break;
	}
}

/* Everything works again: all configured paths must be in use in the end. */
static void settle(struct play *p)
{
	struct core_time now;
	const struct bed_view *view;

	p->f.r.publish_result = 0;
	p->f.kind = FLMA_MULTI;
	p->f.strict = false;
	p->f.mute = false;
	p->f.grant = 0;
	p->f.wall_shift = 0;
	p->status = 0;
	memset(p->f.cut, 0, sizeof(p->f.cut));
	for (size_t i = 0; i < p->config.n_path; i++) {
		link_up(p, i, p->variant[i]);
		flma_alive(&p->f, i, true);
	}
	run(p, p->released ? RELEASED_MS : SETTLE_MS);
	if (p->released && !mag_released(p->f.mag))
		fail(p, "not released");
	if (p->released || p->denied)
		return;
	now = flma_time(&p->f);
	mag_tick(p->f.mag, &now);
	view = recorder_view(&p->f.r, 1);
	if (!view || bed_count_tx(&view->view) < (p->plain ? 1 : p->config.n_path))
		fail(p, "not all paths are used although everything works");
}

static void configure(struct play *p)
{
	uint8_t flags = octet(p);

	flma_config(&p->config, p->path, PATHS_MAX, &p->node);
	p->config.n_path = 1 + flags % PATHS_MAX;
	p->config.capability_known = flags & 8;
	p->config.lifetime_s = 60;
	p->config.reject_hold_ms = 5000;
	p->config.multipath_hold_s = 40;
	p->config.hold_down_ms = flags & 16 ? 500 : 0;
	p->path[0].priority = flags & 32 ? 3 : 0;
	p->node.n_prefix = flags & 64 ? 1 : 0;
	p->node.prefix[0] = p->f.prefix;
	p->f.window = flags & 128 ? 65536 : 0;
}

const char *mag_play(const uint8_t *octets, size_t size)
{
	struct play *p = calloc(1, sizeof(*p));
	const char *fault;

	if (!p)
		abort();
	p->octets = octets;
	p->size = size;
	flma_init(&p->f);
	p->f.ctx = p;
	p->f.delivered = delivered;
	p->f.judge = judge;
	p->f.r.watch = check_view;
	p->f.r.watch_ctx = p;
	p->record = p->f.r.port.send;
	p->f.r.port.send = on_send;
	configure(p);
	if (mag_new(&p->config, &p->f.r.port, &p->f.mag))
		abort();
	for (unsigned int k = 0; k < OPS_MAX && p->size > 0 && !p->fault; k++) {
		size_t begin = p->f.r.n_sent;

		play_op(p);
		for (size_t n = begin; n < p->f.r.n_sent; n++)
			p->history[p->n_history < HISTORY ? p->n_history++ : n % HISTORY] =
				p->f.r.sent[n];
		flma_read(&p->f);
		check(p);
	}
	if (!p->fault)
		settle(p);
	check(p);
	fault = p->fault;
	flma_free(&p->f);
	free(p);
	return fault;
}
