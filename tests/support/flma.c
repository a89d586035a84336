/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The scripted anchor. Its binding cache is small on purpose: an array by BID for one mobile node,
 * so that a test compares what the anchor holds with what the gateway believes.
 */
#include "tests/support/flma.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 1000000

void flma_init(struct flma *f)
{
	memset(f, 0, sizeof(*f));
	recorder_init(&f->r);
	f->now_ns = 1000 * BED_SEC;
	f->rtt_ns = 20 * BED_MS;
	f->address = bed_addr("2001:db8:f::1");
	f->prefix = bed_prefix("2001:db8:100::/64");
}

void flma_free(struct flma *f)
{
	mag_free(f->mag);
	recorder_free(&f->r);
}

struct core_time flma_time(const struct flma *f)
{
	struct core_time now = bed_time(f->now_ns);

	now.stamp += (uint64_t)f->wall_shift;
	return now;
}

static uint8_t check_order(struct flma *f, const struct mh_message *pbu,
			   const struct flma_binding *b)
{
	uint64_t now = bed_stamp(f->now_ns);
	uint64_t last = f->strict ? f->last_key : b->key;
	uint64_t off = now > pbu->timestamp ? now - pbu->timestamp : pbu->timestamp - now;

	if (f->sequence_only) {
		uint16_t ahead = (uint16_t)(pbu->sequence - f->last_sequence);

		return ahead == 0 || ahead >= 32768 ? MH_STATUS_SEQUENCE : 0;
	}
	if (pbu->timestamp <= last || pbu->timestamp < f->epoch)
		return MH_STATUS_TIMESTAMP_OLD;
	return f->window && off > f->window ? MH_STATUS_TIMESTAMP_MISMATCH : 0;
}

/* What an accepted PBU does to the cache. */
static void apply(struct flma *f, const struct bed_sent *sent, uint16_t lifetime)
{
	const struct mh_message *pbu = &sent->msg;
	bool multi = pbu->has & MH_HAS(MMB) && f->kind == FLMA_MULTI;
	uint8_t bid = multi ? pbu->mmb.bid : 0;
	uint64_t expires = f->now_ns + lifetime * (4 * BED_SEC);

	for (unsigned int k = 0; k < 256; k++) {
		struct flma_binding *b = &f->binding[k];
		bool gone = multi ? k == 0 || (pbu->mmb.overwrite && b->key < pbu->timestamp) : k;

		if (multi && pbu->mmb.bulk && b->bound)
			b->expires_ns = expires;
		if (k != bid && (gone || (multi && pbu->mmb.bulk && lifetime == 0)))
			b->bound = false;
	}
	if (multi && pbu->mmb.overwrite)
		f->epoch = pbu->timestamp;
	f->binding[bid] = (struct flma_binding){
		.bound = lifetime > 0,
		.key = pbu->timestamp,
		.expires_ns = expires,
		.coa = pbu->has & MH_HAS(ALT_COA) ? pbu->alt_coa : sent->peer.local,
	};
	if (pbu->timestamp > f->last_key)
		f->last_key = pbu->timestamp;
	f->last_sequence = pbu->sequence;
}

void flma_reply(struct flma *f, const struct bed_sent *sent, struct mh_message *pba)
{
	const struct mh_message *pbu = &sent->msg;
	bool asked = pbu->has & MH_HAS(MMB);
	uint8_t bid = asked && f->kind == FLMA_MULTI ? pbu->mmb.bid : 0;
	uint8_t status = check_order(f, pbu, &f->binding[bid]);

	if (status == 0 && asked && f->kind == FLMA_REFUSE)
		status = MH_STATUS_NO_MULTIPATH;
	if (status == 0 && f->judge)
		status = f->judge(f, sent);
	*pba = (struct mh_message){
		.type = MH_BA,
		.sequence = status == MH_STATUS_SEQUENCE ? f->last_sequence : pbu->sequence,
		.flags = MH_BA_P,
		.status = status,
		.lifetime = pbu->lifetime,
		.has = pbu->has & ~(MH_HAS(MAG_ID) | MH_HAS(ALT_COA)),
		.mn_id = pbu->mn_id,
		.n_hnp = pbu->n_hnp,
		.hi = pbu->hi,
		.att = pbu->att,
		.llid = pbu->llid,
		.timestamp = pbu->timestamp,
		.mmb = pbu->mmb,
	};
	memcpy(pba->hnp, pbu->hnp, sizeof(pba->hnp));
	if (f->kind == FLMA_LEGACY)
		pba->has &= ~MH_HAS(MMB);
	if (status == MH_STATUS_TIMESTAMP_OLD || status == MH_STATUS_TIMESTAMP_MISMATCH)
		pba->timestamp = bed_stamp(f->now_ns);
	if (status >= 128)
		return;
	if (f->grant && pbu->lifetime)
		pba->lifetime = f->grant;
	if (pbu->n_hnp == 1 && pbu->hnp[0].len == 0)
		pba->hnp[0] = f->prefix;
	apply(f, sent, pba->lifetime);
}

void flma_deliver(struct flma *f, const struct bed_sent *pbu, const struct mh_message *pba)
{
	struct core_time now = flma_time(f);

	if (f->delivered)
		f->delivered(f, pba);
	mag_receive(f->mag, &now, &pbu->peer, pba);
}

void flma_read(struct flma *f)
{
	for (; f->seen < f->r.n_sent; f->seen++) {
		struct bed_sent sent = f->r.sent[f->seen];
		struct flma_answer *a = &f->queue[f->n_queue];

		if (f->cut[sent.peer.ifindex & 255] || f->mute)
			continue;
		if (f->n_queue == FLMA_QUEUE)
			abort();
		a->deliver_ns = f->now_ns + f->rtt_ns;
		a->from = sent.peer;
		flma_reply(f, &sent, &a->msg);
		if (!f->edit || f->edit(f, &sent, &a->msg))
			f->n_queue++;
	}
}

static void deliver_first(struct flma *f)
{
	struct flma_answer a = f->queue[0];
	struct core_time now = flma_time(f);

	f->n_queue--;
	memmove(&f->queue[0], &f->queue[1], f->n_queue * sizeof(f->queue[0]));
	if (f->cut[a.from.ifindex & 255])
		return;
	if (f->delivered)
		f->delivered(f, &a.msg);
	mag_receive(f->mag, &now, &a.from, &a.msg);
}

void flma_run_ms(struct flma *f, uint64_t ms)
{
	uint64_t until = f->now_ns + ms * BED_MS;

	flma_read(f);
	for (unsigned int step = 0; step < STEPS_MAX; step++) {
		uint64_t due = mag_next_ns(f->mag);
		bool answer = f->n_queue && f->queue[0].deliver_ns <= due;
		struct core_time now;

		if (answer)
			due = f->queue[0].deliver_ns;
		if (due > until) {
			f->now_ns = until;
			return;
		}
		if (due > f->now_ns)
			f->now_ns = due;
		if (answer) {
			deliver_first(f);
		} else {
			now = flma_time(f);
			mag_tick(f->mag, &now);
		}
		flma_read(f);
	}
	fprintf(stderr, "flma: time stands still\n");
	abort();
}

unsigned int flma_bound(const struct flma *f)
{
	unsigned int n = 0;

	for (unsigned int k = 0; k < 256; k++)
		n += f->binding[k].bound && f->binding[k].expires_ns > f->now_ns;
	return n;
}

struct mag_link flma_link(size_t index)
{
	struct mag_link link = {
		.usable = true,
		.address = bed_addr("2001:db8:a::1"),
		.ifindex = (uint32_t)index + 1,
	};

	link.address.b[7] = (uint8_t)(index + 1);
	return link;
}

bool flma_is_address(const struct ip_addr *a, size_t index)
{
	struct mag_link link = flma_link(index);

	return ip_equal(a, &link.address);
}

void flma_link_up(struct flma *f, size_t index)
{
	struct mag_link link = flma_link(index);
	struct core_time now = flma_time(f);

	mag_link(f->mag, &now, index, &link);
	flma_read(f);
}

void flma_link_down(struct flma *f, size_t index)
{
	struct mag_link link = {.usable = false};
	struct core_time now = flma_time(f);

	mag_link(f->mag, &now, index, &link);
	flma_read(f);
}

void flma_alive(struct flma *f, size_t index, bool up)
{
	struct core_time now = flma_time(f);

	mag_path_state(f->mag, &now, index, up);
	flma_read(f);
}

void flma_config(struct mag_config *config, struct mag_path_config *path, size_t n,
		 struct mag_node_config *node)
{
	memset(path, 0, n * sizeof(*path));
	for (size_t i = 0; i < n; i++) {
		snprintf(path[i].name, sizeof(path[i].name), "path%u", (unsigned int)(uint8_t)i);
		path[i].bid = (uint8_t)(i + 1);
		path[i].label = (uint8_t)(i < 240 ? 10 + i : 9);
		path[i].att = 4;
		path[i].weight = 1;
	}
	memset(node, 0, sizeof(*node));
	node->mn_id = bed_id("mn1@example");
	node->att = 1;
	*config = (struct mag_config){
		.mag_id = bed_id("mag1@example"),
		.lma = bed_addr("2001:db8:f::1"),
		.path = path,
		.n_path = n,
		.node = node,
		.n_node = 1,
		.multipath = true,
		.lifetime_s = 300,
		.discovery_wait_ms = 3000,
		.retry_first_ms = 1000,
		.retry_max_ms = 32000,
		.path_retry_ms = 5000,
		.discovery_tries = 3,
		.suspect_ms = 3000,
		.drain_ms = 2000,
		.bulk_every = 3,
		.multipath_hold_s = 3600,
		.reject_hold_ms = 32000,
	};
}
