/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What core/ is given and what it gives back. core/ is a set of pure state machines:
 * (state, event, now) -> effects. Events are function calls; time is a parameter; effects are calls
 * through struct core_port, which the daemon wires to sockets and maps and a test to a recorder.
 * core/ never waits, never reads a clock, and allocates only when a session is created.
 */
#ifndef MAGPIE_CORE_PORT_H
#define MAGPIE_CORE_PORT_H

#include "wire/message.h"

#define CORE_MAX_BINDINGS 254
#define CORE_LABEL_MAX	  15 /* characters of a label's or a path's name */
#define CORE_NSEC_PER_SEC UINT64_C(1000000000)
#define CORE_NEVER	  UINT64_MAX

struct core_time {
	uint64_t mono_ns; /* never goes back; for timers and lifetimes */
	uint64_t stamp;	  /* wall clock as in the Timestamp option: seconds << 16 | 1/65536 s */
};

/* Where a message came from or goes to. */
struct core_peer {
	struct ip_addr local;
	struct ip_addr remote;
	uint32_t ifindex; /* the device it came by, or must leave by; 0 = by routing */
};

/* ---- the data plane's view of a session -------------------------------------------- */

enum session_state {
	SESSION_NONE, /* the session is gone; prefixes are released */
	SESSION_ACTIVE,
	SESSION_LINGER, /* prefixes are held, data is dropped (RFC 5213 5.3.5) */
};

enum binding_use {
	BINDING_TX = 1, /* may carry packets */
	BINDING_RX = 2, /* packets that arrive by it are the session's */
};

/*
 * One binding as the data plane sees it. A binding that is known but cannot carry packets (down,
 * deregistered, not yet registered) stays in the view without BINDING_TX, so that flows it would
 * carry are remembered where they are meanwhile. weight 0: only receives what is still under way
 * (DRAIN); such an entry may repeat the BID of another.
 */
struct binding_view {
	uint8_t bid;
	uint8_t label;
	uint8_t att;
	uint8_t weight;
	uint8_t use; /* enum binding_use */
	struct ip_addr local;
	struct ip_addr remote; /* zero: no tunnel at present */
	uint32_t ifindex;      /* the tunnel leaves by this device; 0 = by routing */
};

/* The one and only state of a session: published whole, switched to in one step (AT-01, AT-05). */
struct session_view {
	uint32_t id; /* of core, constant over the session's life, never 0 */
	enum session_state state;
	const struct mh_id *mn_id;
	uint8_t n_prefix;
	struct ip_prefix prefix[MH_MAX_HNP];
	uint16_t n; /* ascending BID */
	struct binding_view binding[CORE_MAX_BINDINGS];
};

/* ---- what happened ----------------------------------------------------------------- */

/* Events for the history, the log and `magpie events`: X(NAME, "name", severity). */
#define CORE_NOTES(X)                                        \
	X(SESSION_UP, "session-up", INFO)                    \
	X(SESSION_LINGER, "session-linger", INFO)            \
	X(SESSION_DOWN, "session-down", INFO)                \
	X(BINDING_ADDED, "binding-added", INFO)              \
	X(BINDING_MOVED, "binding-moved", INFO)              \
	X(BINDING_REMOVED, "binding-removed", INFO)          \
	X(BINDING_EXPIRED, "binding-expired", WARNING)       \
	X(BINDING_RENUMBERED, "binding-renumbered", WARNING) \
	X(OVERWRITTEN, "bindings-overwritten", INFO)         \
	X(PATH_DOWN, "path-down", WARNING)                   \
	X(PATH_UP, "path-up", INFO)                          \
	X(LEGACY, "legacy-peer", WARNING)                    \
	X(REJECTED, "rejected", WARNING)                     \
	X(REFUSED_BY_PEER, "refused-by-peer", WARNING)       \
	X(IGNORED, "ignored", WARNING)                       \
	X(RETRYING, "retrying", INFO)                        \
	X(DATAPATH, "datapath-error", ERROR)

enum core_note_kind {
#define X(name, text, severity) CORE_NOTE_##name,
	CORE_NOTES(X)
#undef X
		CORE_NOTE_COUNT
};

struct core_note {
	enum core_note_kind kind;
	uint32_t session;	   /* 0 = none */
	const struct mh_id *mn_id; /* NULL = unknown */
	uint8_t bid;		   /* 0 = none */
	uint8_t label;
	uint8_t status;		      /* of a PBA, where one is meant */
	const struct core_peer *peer; /* NULL = none */
	const char *detail; /* which field of which option was wrong, or why; a literal or NULL */
};

/*
 * Every Mobility Header message that comes in ends in exactly one of these counters:
 * X(NAME, "name", text). Faults of decoding are counted by their enum mh_fault beside them.
 */
#define CORE_COUNTERS(X)                                                                       \
	X(ACCEPTED, "accepted", "PBU accepted, or PBA applied")                                \
	X(REJECTED, "rejected", "PBU answered with a status of 128 or above, or PBA with one") \
	X(REPEATED, "repeated", "duplicate PBU, answered as before")                           \
	X(MALFORMED, "malformed", "not decodable; see the faults")                             \
	X(WRONG_ROLE, "wrong-role", "a message that this role does not take")                  \
	X(NOT_PROXY, "not-proxy", "binding update without the P flag")                         \
	X(NO_SESSION, "no-session", "deregistration that matches no session")                  \
	X(NOT_SERVING, "not-serving", "deregistration from a gateway that does not serve")     \
	X(UNEXPECTED, "unexpected", "PBA that answers no outstanding PBU")                     \
	X(MISMATCH, "mismatch", "PBA whose identity, BID or echo differs from the PBU")        \
	X(FOREIGN, "foreign", "from an address that is no peer of ours")                       \
	X(LIMITED, "limited", "over the rate limit of its sender")                             \
	X(OTHER, "other", "Binding Error, Binding Refresh Request and the like, noted only")

enum core_counter {
#define X(name, text, doc) CORE_COUNTER_##name,
	CORE_COUNTERS(X)
#undef X
		CORE_COUNTER_COUNT
};

/* ---- the port ---------------------------------------------------------------------- */

struct core_port {
	void *ctx;
	/*
	 * Makes *view the state of the session in the data plane: all of it or, on a negative errno
	 * (-ENOSPC ...), nothing. When it returns 0 both directions of the new set work; only then
	 * does core answer the peer (AT-03, AT-06).
	 */
	int (*publish)(void *ctx, const struct session_view *view);
	/* Sends msg from peer->local to peer->remote. Loss is normal; errors are the port's to
	 * count. */
	void (*send)(void *ctx, const struct core_peer *peer, const struct mh_message *msg);
	void (*note)(void *ctx, const struct core_note *note);
	/*
	 * What lma_export gives for this session has changed (order keys and lifetimes too): it is
	 * to be stored before the answer leaves. Optional (NULL); the LMA only.
	 */
	void (*changed)(void *ctx, uint32_t session);
	/* For jitter and for choosing free prefixes; a test returns what it likes. */
	uint64_t (*random)(void *ctx);
};

const char *core_note_text(enum core_note_kind kind);
const char *core_counter_text(enum core_counter counter);

#endif
