/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A recorder in the place of the daemon: a struct core_port that keeps what core/ publishes, sends
 * and notes, so that a test reads effects. It can refuse publications. Everything handed over by
 * pointer is copied. Plain C without a test framework, so that fuzz targets include it too.
 */
#ifndef MAGPIE_TESTS_CORE_BED_H
#define MAGPIE_TESTS_CORE_BED_H

#include "core/port.h"

#define BED_MS	UINT64_C(1000000)
#define BED_SEC UINT64_C(1000000000)

struct bed_sent {
	struct core_peer peer;
	struct mh_message msg;
};

struct bed_view {
	struct session_view view; /* view.mn_id is NULL: the copy is in mn_id */
	struct mh_id mn_id;
	int result; /* what publish answered: 0 = this is in the data plane now */
};

struct bed_note {
	struct core_note note; /* mn_id and peer are NULL or point nowhere: see the copies */
	struct mh_id mn_id;
	struct core_peer peer;
};

struct recorder {
	struct core_port port; /* give &r->port to lma_new or mag_new */

	struct bed_sent *sent;
	size_t n_sent;
	struct bed_view *view; /* every publication, refused ones too, oldest first */
	size_t n_view;
	struct bed_note *note;
	size_t n_note;
	uint32_t *changed; /* session ids */
	size_t n_changed;

	/* Called for every publication before its result is decided; may be NULL. */
	void (*watch)(struct recorder *r, const struct session_view *view);
	void *watch_ctx;

	int publish_result;    /* what publish answers; 0 = takes it */
	unsigned int refuse_n; /* != 0: only the next refuse_n publications get publish_result */
	bool forget;	       /* record nothing (long runs) */
	uint64_t random;       /* what random() answers next; it then moves on by random_step */
	uint64_t random_step;
};

void recorder_init(struct recorder *r);
void recorder_free(struct recorder *r);
/* Forgets what was recorded, not how to answer. */
void recorder_clear(struct recorder *r);

/* What the data plane holds for the session: its last publication with result 0, or NULL. */
const struct bed_view *recorder_view(const struct recorder *r, uint32_t session);
/* The binding of `bid` in a view that is no DRAIN entry (weight != 0), or NULL. */
const struct binding_view *bed_binding(const struct session_view *view, uint8_t bid);
/* Entries of a view by kind: with TX, draining (weight 0), known without TX. */
unsigned int bed_count_tx(const struct session_view *view);
unsigned int bed_count_drain(const struct session_view *view);
unsigned int bed_count_idle(const struct session_view *view);
/* The message sent last, or NULL. */
const struct bed_sent *recorder_last(const struct recorder *r);
size_t recorder_notes(const struct recorder *r, enum core_note_kind kind);

/*
 * What every publication must satisfy, whoever makes it: id, ascending BIDs in 1..254 (0 only in a
 * session without multipath), TX never without a remote address, DRAIN entries receive only, at
 * most one entry with weight for each BID. NULL, or what is wrong.
 */
const char *bed_view_fault(const struct session_view *view);

/* An address from text; a wrong text aborts. */
struct ip_addr bed_addr(const char *text);
struct ip_prefix bed_prefix(const char *text);
struct mh_id bed_id(const char *nai);
/* Virtual time: `mono_ns` with the wall clock that belongs to it. */
struct core_time bed_time(uint64_t mono_ns);
/* The wall clock of a virtual time, in the unit of the Timestamp option. */
uint64_t bed_stamp(uint64_t mono_ns);

#endif
