/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A scripted gateway (FMAG) in front of an anchor in virtual time: it builds the Good PBU of
 * spec/conformance-base.md 0.2, a test changes one thing, and the bed feeds it and asserts the
 * default oracle (0.3): one answer at most, back to its source, well built; nothing changed by what
 * was rejected, ignored or repeated; one counter more; every view sound.
 */
#ifndef MAGPIE_TESTS_LMA_BED_H
#define MAGPIE_TESTS_LMA_BED_H

#include "core/lma.h"
#include "tests/support/core_bed.h"

#define RED	   "2001:db8:a::1" /* proxy care-of addresses */
#define BLUE	   "2001:db8:b::1"
#define GREEN	   "2001:db8:c::1"
#define LMAA	   "2001:db8:f::1"
#define MN1	   "mn1@example.org"
#define MN2	   "mn2@example.org"
#define MAG1	   "mag1@example.org"
#define MAG2	   "mag2@example.org"
#define NO_ANSWER  1000
#define LABEL_RED  9
#define LABEL_BLUE 11

struct lma_bed {
	struct recorder r;
	struct lma *lma;
	struct lma_config config; /* as given to lma_new; change and call lma_bed_reopen */
	struct lma_pool pool;
	uint64_t now; /* mono, ns */
	uint64_t keys;
	uint16_t sequence;
	uint64_t fed;
	struct core_peer from; /* of the message fed last */
	bool unchecked;	       /* leave the oracle out: long runs */
};

void lma_bed_open(struct lma_bed *bed);
/* Starts anew with bed->config. */
void lma_bed_reopen(struct lma_bed *bed);
void lma_bed_close(struct lma_bed *bed);

/* The Good PBU: MN-ID, HNP ::, HI 1, ATT 4, LL-ID of the node, a fresh timestamp and sequence. */
struct mh_message good_pbu(struct lma_bed *bed, const char *mn);
/* ... with MMB and MAG-ID, HI 5 and, if the node has a session, its prefix. */
struct mh_message multi_pbu(struct lma_bed *bed, const char *mn, uint8_t bid, uint8_t label);
void pbu_stamp(struct lma_bed *bed, struct mh_message *msg); /* fresh keys */
void pbu_prefix(struct mh_message *msg, const char *prefix); /* one more HNP; "::" is ALL_ZERO */
void pbu_drop(struct mh_message *msg, uint32_t option);

/* Feeds it from `source`: the status of the answer, or NO_ANSWER. */
unsigned int feed(struct lma_bed *bed, const char *source, const struct mh_message *msg);
/* Registers BID `bid` and expects 0. */
void join(struct lma_bed *bed, const char *source, const char *mn, uint8_t bid, uint8_t label);
/* Time goes on; everything due on the way is run when it is due. */
void pass(struct lma_bed *bed, uint64_t ns);
struct core_time bed_now(const struct lma_bed *bed);

/* Everything that lma_each tells, as text; to be freed. */
char *lma_bed_dump(struct lma_bed *bed);
/* The sessions of a node: how many; the last one's id. */
unsigned int lma_bed_sessions(struct lma_bed *bed, const char *mn, uint32_t *ret_id);
/* The state of a binding as told by lma_each, "" when there is none; drains are not looked at. */
const char *binding_state(struct lma_bed *bed, const char *mn, uint8_t bid);
uint64_t binding_expires(struct lma_bed *bed, const char *mn, uint8_t bid);
const char *session_state_of(struct lma_bed *bed, const char *mn);
struct ip_prefix prefix_of(struct lma_bed *bed, const char *mn);
/* What the data plane holds for the node's one session. */
const struct session_view *view_of(struct lma_bed *bed, const char *mn);
/* BIDs with TX in ascending order as text, "1 2"; valid until the next call. */
const char *tx_of(struct lma_bed *bed, const char *mn);
uint64_t counter(const struct lma_bed *bed, enum core_counter which);
const struct mh_message *last_pba(const struct lma_bed *bed);
void path(struct lma_bed *bed, const char *remote, bool up);

#endif
