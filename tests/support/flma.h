/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A scripted anchor on the other side of a gateway under test, and the virtual time both live in.
 * It reads the PBUs a recorder has kept, holds a binding cache of its own by the rules the gateway
 * is to meet (order keys, O, B, lifetime 0), and its answers arrive `rtt_ns` later by the same path
 * unless that is cut. A test can make it a legacy anchor, let it refuse, or edit its answers. Plain
 * C without a test framework, so that fuzz targets include it too.
 */
#ifndef MAGPIE_TESTS_FLMA_H
#define MAGPIE_TESTS_FLMA_H

#include "core/mag.h"
#include "tests/support/core_bed.h"

enum flma_kind {
	FLMA_MULTI,
	FLMA_LEGACY, /* knows neither option 63 nor 64 */
	FLMA_REFUSE, /* 180 to whoever asks for multipath */
};

struct flma_binding {
	bool bound;
	uint64_t key; /* last one accepted */
	uint64_t expires_ns;
	struct ip_addr coa;
};

struct flma_answer {
	uint64_t deliver_ns;
	struct core_peer from; /* as the gateway sees it */
	struct mh_message msg;
};

#define FLMA_QUEUE 2048

struct flma {
	struct recorder r;
	struct mag *mag;
	uint64_t now_ns;
	int64_t wall_shift; /* of the gateway's wall clock, Timestamp units */
	size_t seen;	    /* PBUs of the recorder that were read */

	enum flma_kind kind;
	struct ip_addr address;
	struct ip_prefix prefix;
	uint64_t rtt_ns;
	uint16_t grant;	    /* units; 0: what is asked for */
	bool strict;	    /* order keys per mobile node, not per BID */
	bool sequence_only; /* orders by sequence number and answers 135 */
	bool mute;	    /* reads, answers nothing, does nothing */
	uint64_t window;    /* Timestamp units; 0: not checked */
	bool cut[256];	    /* by ifindex: neither direction passes */
	/* Status for a PBU that was found good so far; NULL: 0. */
	uint8_t (*judge)(struct flma *f, const struct bed_sent *pbu);
	/* Last word on an answer; false: it is lost. */
	bool (*edit)(struct flma *f, const struct bed_sent *pbu, struct mh_message *pba);
	/* Sees every message that is handed to the gateway. */
	void (*delivered)(struct flma *f, const struct mh_message *pba);
	void *ctx; /* of whoever set these */

	struct flma_binding binding[256]; /* by BID; 0: without multipath */
	uint64_t epoch;
	uint64_t last_key;	/* strict */
	uint16_t last_sequence; /* sequence_only */
	size_t n_queue;
	struct flma_answer queue[FLMA_QUEUE];
};

void flma_init(struct flma *f);
void flma_free(struct flma *f);

/* The gateway's clock. */
struct core_time flma_time(const struct flma *f);
/* Lets both live for so long, in steps of what is due. Aborts when time does not move on. */
void flma_run_ms(struct flma *f, uint64_t ms);
/* Reads what was sent meanwhile; flma_run_ms does it too. */
void flma_read(struct flma *f);
/* What the gateway would get now; for answers out of the order of things. */
void flma_reply(struct flma *f, const struct bed_sent *pbu, struct mh_message *ret_pba);
void flma_deliver(struct flma *f, const struct bed_sent *pbu, const struct mh_message *pba);
unsigned int flma_bound(const struct flma *f);

/* Device `index` has address 2001:db8:a:<index + 1>::1 and ifindex <index + 1>. */
struct mag_link flma_link(size_t index);
bool flma_is_address(const struct ip_addr *a, size_t index);
void flma_link_up(struct flma *f, size_t index);
void flma_link_down(struct flma *f, size_t index);
void flma_alive(struct flma *f, size_t index, bool up);

/* A gateway with `n` paths (BID = index + 1, label = 10 + index up to 240, all priorities 0), one
 * node and the defaults of mag.h, 300 s lifetime; into caller's arrays. */
void flma_config(struct mag_config *config, struct mag_path_config *path, size_t n,
		 struct mag_node_config *node);

#endif
