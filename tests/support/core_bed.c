/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The recorder: growing arrays of what came through the port. Running out of memory or a wrong text
 * in a test is an abort: there is nobody to report it to.
 */
#include "tests/support/core_bed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The wall clock of virtual time 0: some day in 2026, so that stamps look like real ones. */
#define BED_EPOCH_S UINT64_C(1780000000)

static void *grow(void *items, size_t n, size_t size)
{
	/* Doubles at powers of two, so that no capacity has to be kept. */
	if ((n & (n - 1)) == 0) {
		items = realloc(items, (n == 0 ? 1 : 2 * n) * size);
		if (items == NULL)
			abort();
	}
	return items;
}

static int record_publish(void *ctx, const struct session_view *view)
{
	struct recorder *r = ctx;
	int result = r->publish_result;
	struct bed_view *copy;

	if (r->watch != NULL)
		r->watch(r, view);
	if (result != 0 && r->refuse_n != 0 && --r->refuse_n == 0)
		r->publish_result = 0;
	if (r->forget)
		return result;
	r->view = grow(r->view, r->n_view, sizeof(*r->view));
	copy = &r->view[r->n_view++];
	copy->view = *view;
	copy->view.mn_id = NULL;
	copy->mn_id = *view->mn_id;
	copy->result = result;
	return result;
}

static void record_send(void *ctx, const struct core_peer *peer, const struct mh_message *msg)
{
	struct recorder *r = ctx;

	if (r->forget)
		return;
	r->sent = grow(r->sent, r->n_sent, sizeof(*r->sent));
	r->sent[r->n_sent++] = (struct bed_sent){.peer = *peer, .msg = *msg};
}

static void record_note(void *ctx, const struct core_note *note)
{
	struct recorder *r = ctx;
	struct bed_note *copy;

	if (r->forget)
		return;
	r->note = grow(r->note, r->n_note, sizeof(*r->note));
	copy = &r->note[r->n_note++];
	memset(copy, 0, sizeof(*copy));
	copy->note = *note;
	copy->note.mn_id = NULL;
	copy->note.peer = NULL;
	if (note->mn_id != NULL)
		copy->mn_id = *note->mn_id;
	if (note->peer != NULL)
		copy->peer = *note->peer;
}

static void record_changed(void *ctx, uint32_t session)
{
	struct recorder *r = ctx;

	if (r->forget)
		return;
	r->changed = grow(r->changed, r->n_changed, sizeof(*r->changed));
	r->changed[r->n_changed++] = session;
}

static uint64_t record_random(void *ctx)
{
	struct recorder *r = ctx;
	uint64_t value = r->random;

	r->random += r->random_step;
	return value;
}

void recorder_init(struct recorder *r)
{
	memset(r, 0, sizeof(*r));
	r->port = (struct core_port){
		.ctx = r,
		.publish = record_publish,
		.send = record_send,
		.note = record_note,
		.changed = record_changed,
		.random = record_random,
	};
	r->random = 1;
	r->random_step = UINT64_C(0x9e3779b97f4a7c15);
}

void recorder_clear(struct recorder *r)
{
	free(r->sent);
	free(r->view);
	free(r->note);
	free(r->changed);
	r->sent = NULL;
	r->view = NULL;
	r->note = NULL;
	r->changed = NULL;
	r->n_sent = r->n_view = r->n_note = r->n_changed = 0;
}

void recorder_free(struct recorder *r)
{
	recorder_clear(r);
}

const struct bed_view *recorder_view(const struct recorder *r, uint32_t session)
{
	for (size_t i = r->n_view; i-- > 0;)
		if (r->view[i].view.id == session && r->view[i].result == 0)
			return &r->view[i];
	return NULL;
}

const struct binding_view *bed_binding(const struct session_view *view, uint8_t bid)
{
	for (uint16_t i = 0; i < view->n; i++)
		if (view->binding[i].bid == bid && view->binding[i].weight != 0)
			return &view->binding[i];
	return NULL;
}

unsigned int bed_count_tx(const struct session_view *view)
{
	unsigned int n = 0;

	for (uint16_t i = 0; i < view->n; i++)
		n += (view->binding[i].use & BINDING_TX) != 0;
	return n;
}

unsigned int bed_count_drain(const struct session_view *view)
{
	unsigned int n = 0;

	for (uint16_t i = 0; i < view->n; i++)
		n += view->binding[i].weight == 0;
	return n;
}

unsigned int bed_count_idle(const struct session_view *view)
{
	unsigned int n = 0;

	for (uint16_t i = 0; i < view->n; i++)
		n += view->binding[i].weight != 0 && (view->binding[i].use & BINDING_TX) == 0;
	return n;
}

const struct bed_sent *recorder_last(const struct recorder *r)
{
	return r->n_sent == 0 ? NULL : &r->sent[r->n_sent - 1];
}

size_t recorder_notes(const struct recorder *r, enum core_note_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_note; i++)
		n += r->note[i].note.kind == kind;
	return n;
}

static const char *binding_fault(const struct binding_view *b)
{
	if ((b->use & BINDING_TX) != 0 && ip_is_zero(&b->remote))
		return "a binding with TX and without a remote address";
	if ((b->use & ~(BINDING_TX | BINDING_RX)) != 0)
		return "a use that does not exist";
	if (b->weight == 0 && b->use != BINDING_RX)
		return "a DRAIN entry that does not just receive";
	if (b->bid == 255)
		return "BID 255";
	return NULL;
}

const char *bed_view_fault(const struct session_view *view)
{
	int with_weight = -1;

	if (view->id == 0)
		return "session id 0";
	if (view->mn_id == NULL || view->mn_id->len == 0)
		return "no mobile node";
	if (view->n_prefix > MH_MAX_HNP || view->n > CORE_MAX_BINDINGS)
		return "counts out of range";
	if (view->state == SESSION_NONE && view->n != 0)
		return "bindings of a session that is gone";
	if (view->state == SESSION_LINGER && bed_count_tx(view) != 0)
		return "a lingering session with a path";
	for (uint16_t i = 0; i < view->n; i++) {
		const struct binding_view *b = &view->binding[i];
		const char *fault = binding_fault(b);

		if (fault != NULL)
			return fault;
		if (i > 0 && b->bid < view->binding[i - 1].bid)
			return "BIDs not ascending";
		if (b->weight == 0)
			continue;
		if (with_weight == b->bid)
			return "two entries with weight for a BID";
		if (b->bid == 0 && view->n - bed_count_drain(view) != 1)
			return "BID 0 beside others";
		with_weight = b->bid;
	}
	return NULL;
}

struct ip_addr bed_addr(const char *text)
{
	struct ip_addr addr;

	if (ip_parse(text, &addr) != 0)
		abort();
	return addr;
}

struct ip_prefix bed_prefix(const char *text)
{
	struct ip_prefix prefix;

	if (ip_prefix_parse(text, &prefix) != 0)
		abort();
	return prefix;
}

struct mh_id bed_id(const char *nai)
{
	struct mh_id id = {.subtype = MH_ID_NAI};
	size_t len = strlen(nai);

	if (len > MH_ID_MAX)
		abort();
	id.len = (uint8_t)len;
	memcpy(id.octets, nai, len);
	return id;
}

uint64_t bed_stamp(uint64_t mono_ns)
{
	uint64_t second = mono_ns / BED_SEC;
	uint64_t rest = mono_ns % BED_SEC;

	return (BED_EPOCH_S + second) << 16 | rest * 65536 / BED_SEC;
}

struct core_time bed_time(uint64_t mono_ns)
{
	return (struct core_time){.mono_ns = mono_ns, .stamp = bed_stamp(mono_ns)};
}
