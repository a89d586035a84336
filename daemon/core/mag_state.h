/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the gateway (core/mag*.c) share; nobody else includes this.
 *
 * How it works: an event (link, health, PBA, time) only changes states. mag_settle() then makes the
 * world follow, always in one order: what has run out, who may start, the data plane's view, and
 * last the messages. So a tunnel receives before the PBU that lets the anchor use it is sent
 * (AT-03), and nothing is sent into a tunnel any more when its deregistration leaves (AT-04).
 *
 * Invariants: a binding has at most one request outstanding; each new decision gets a new
 * `generation`, and an answer to an older one changes nothing (B-OWN-RTX-2). `bound` means that the
 * anchor is believed to hold this BID until expires_ns, whatever the state.
 */
#ifndef MAGPIE_CORE_MAG_STATE_H
#define MAGPIE_CORE_MAG_STATE_H

#include "core/mag.h"

#define MSEC	      UINT64_C(1000000)
#define MAG_RATE      3 /* PBUs per second of one binding (RFC 6275 11.8, MP-SIG-29) */
#define MAG_DEREGS    3 /* PBUs of a deregistration before it counts as done */
#define MAG_FAST      3 /* immediate repetitions after 157 and 135 before back-off */
#define MAG_NONE      SIZE_MAX
#define MAG_STAMP_SEC 65536 /* Timestamp units in a second */
#define MAG_STEP_MIN  6554  /* a clock that jumps by 100 ms has been stepped */

/* X(NAME, "name"): see the state table of spec/conformance-multipath.md 3.2. */
#define MAG_STATES(X)          \
	X(IDLE, "idle")        \
	X(WAIT, "wait")        \
	X(INIT, "init")        \
	X(ACTIVE, "active")    \
	X(REFRESH, "refresh")  \
	X(SUSPECT, "suspect")  \
	X(DEREG, "deregister") \
	X(REJECTED, "rejected")

enum mag_state {
#define X(name, text) MAG_##name,
	MAG_STATES(X)
#undef X
};

enum mag_mode { MAG_UNKNOWN, MAG_MULTI, MAG_LEGACY };

enum mag_request {
	REQUEST_NONE,
	REQUEST_REGISTER,
	REQUEST_REFRESH,
	REQUEST_BULK, /* B=1 for all ACTIVE bindings */
	REQUEST_DEREG,
	REQUEST_RELEASE, /* B=1, lifetime 0 */
};

struct mag_path {
	struct mag_link link;
	struct mag_path_config config;
	bool alive; /* as health said last */
	bool told;  /* it said `told_up` while a view was being published */
	bool told_up;
	bool leaving; /* no longer configured: deregister, then drop */
};

struct mag_binding {
	enum mag_state state;
	enum mag_request request;
	uint64_t due_ns; /* next step of the state; CORE_NEVER: an event's */
	uint64_t expires_ns;
	uint64_t refresh_ns;
	uint64_t confirm_ns;  /* SUSPECT: not deregistered before */
	uint64_t usable_ns;   /* end of the hold-down */
	uint64_t rx_until_ns; /* CORE_NEVER: as long as the state says; else the end of its drain */
	uint64_t old_until_ns; /* drain of `old` */
	struct core_peer tunnel;
	struct core_peer old; /* before an address change */
	uint32_t generation;
	uint32_t tries;	 /* PBUs of this request so far */
	uint32_t visits; /* times discovery has come by without an answer */
	bool pending;	 /* `request` is to be sent by mag_flush */
	bool deferred;	 /* it waits for the rate limit, not for an answer */
	bool in_bulk;	 /* another binding's REQUEST_BULK speaks for this one */
	bool bound;
	bool multi;	   /* bound with MMB */
	bool lost;	   /* went away by itself: hold_down_ms applies when it is back */
	bool all_zero;	   /* this request asks for any prefix (155, 159) */
	bool overwrite;	   /* this request carries O=1 (165) */
	bool reject_after; /* deregistered because it is no use: REJECTED afterwards */
	uint8_t repeats;   /* immediate repetitions so far (157, 135) */
	uint8_t last_status;
};

struct mag_session {
	uint32_t id;
	struct mag_node_config node; /* prefix: what is asked for, then what was granted */
	struct ip_addr lma;
	struct mh_id mag_id;
	bool multipath; /* asked for, by configuration */
	enum mag_mode mode;
	bool leaving;	       /* to be deregistered as a whole */
	bool gone;	       /* ... and that is done */
	bool denied;	       /* 152: silent until an administrator acts */
	bool refused;	       /* LEGACY because of 180, not because of a legacy anchor */
	bool ever;	       /* the anchor has accepted us since the start */
	bool up;	       /* the data plane has, or is to have, the session */
	bool serialise;	       /* the anchor orders per mobile node: one registration at a time */
	uint32_t generation;   /* given out last */
	size_t carrier;	       /* binding that sends for all (BULK, RELEASE), or MAG_NONE */
	uint32_t round;	       /* of refreshes */
	uint64_t multipath_ns; /* 180: not asked for before; no further path before */
	uint64_t discovery_ns; /* end of the wait for a better path; 0: no path yet */
	uint64_t lease_ns;     /* until when the prefixes are ours at the latest */
	uint64_t last_stamp;   /* order key of the last PBU */
	uint64_t accepted_stamp;
	uint64_t publish_ns; /* after a failure: not before */
	uint32_t publish_wait_ms;
	bool behind; /* the data plane does not have the view that it should */
	uint64_t rate_ns[CORE_MAX_BINDINGS + 1][MAG_RATE]; /* last PBUs by BID, oldest first */
	struct session_view published;
	uint64_t next_ns;
	struct mag_binding *binding; /* [mag->n_path] */
};

/* A PBU that may still be answered, at its sequence number modulo the size of the table. */
struct mag_sent {
	uint32_t session; /* 0: empty */
	uint32_t generation;
	uint64_t stamp;
	uint64_t sent_ns;
	int64_t shift; /* of the time scale its stamp is in, and the steps known then */
	int64_t steps;
	uint16_t sequence;
	uint16_t lifetime;
	uint8_t bid;
	uint8_t hi;
	bool multi;  /* with MMB */
	bool resync; /* asked for any prefix */
};

/*
 * Order keys are times of day, and days get corrected. `shift` is added to the wall clock; `keep`
 * is the shift that continues the scale in which the anchor last accepted a key of ours.
 */
struct mag_clock {
	struct core_time last;
	int64_t steps; /* sum of all steps of the wall clock seen */
	int64_t shift;
	int64_t keep;
	bool keep_known;
};

struct mag {
	struct mag_config config; /* path, node: not used, see below */
	struct core_port port;
	bool releasing;
	bool publishing;     /* inside port.publish, which may find out about a path */
	bool backlog;	     /* some path's `told` is set: to be taken up by mag_tick */
	size_t n_configured; /* of the paths; those behind are leaving */
	size_t n_path;
	struct mag_path path[CORE_MAX_BINDINGS];
	uint8_t order[CORE_MAX_BINDINGS]; /* indices by priority */
	uint8_t by_bid[256];		  /* index + 1; 0: no such BID */
	size_t n_session;
	struct mag_session **session;
	uint32_t next_id;
	uint16_t sequence;
	uint32_t n_sent; /* a power of two */
	struct mag_sent *sent;
	struct mag_clock clock;
	uint64_t counter[CORE_COUNTER_COUNT];
	uint64_t status[256];
};

/* ---- mag.c: the loop --------------------------------------------------------------- */
void mag_settle(struct mag *mag, struct mag_session *s, const struct core_time *now);
void mag_note(const struct mag *mag, const struct mag_session *s, size_t i,
	      enum core_note_kind kind, const char *detail);
struct mag_session *mag_session_by_id(const struct mag *mag, uint32_t id);

/* ---- mag_timer.c: what runs out ---------------------------------------------------- */
void mag_timers(struct mag *mag, struct mag_session *s, uint64_t now_ns);
uint64_t mag_session_next(const struct mag *mag, const struct mag_session *s, uint64_t now_ns);

/* ---- mag_schedule.c: who may start ------------------------------------------------- */
/* One path at a time: discovery, and a legacy session. */
bool mag_sequential(const struct mag *mag, const struct mag_session *s);
void mag_schedule(struct mag *mag, struct mag_session *s, uint64_t now_ns);
/* A registration but `except`'s that can still be answered before its first repetition. */
bool mag_young(const struct mag *mag, const struct mag_session *s, size_t except, uint64_t now_ns);
/* True when another path waits that could be tried instead of `i`. */
bool mag_alternative(const struct mag *mag, const struct mag_session *s, size_t i);

/* ---- mag_path.c: transitions of one binding ---------------------------------------- */
bool mag_link_ok(const struct mag *mag, size_t i);
/* Can carry messages for others: bound, up and alive. */
bool mag_live(const struct mag *mag, const struct mag_session *s, size_t i);
size_t mag_best_live(const struct mag *mag, const struct mag_session *s, size_t except);
bool mag_any_bound(const struct mag *mag, const struct mag_session *s, size_t except);
/* Drops what is outstanding; a bulk refresh that it carried falls apart into single ones. */
void mag_cancel(struct mag *mag, struct mag_session *s, size_t i);
void mag_request(struct mag *mag, struct mag_session *s, size_t i, enum mag_request request);
void mag_register(struct mag *mag, struct mag_session *s, size_t i);
/* To WAIT (or IDLE without link), to be tried again at due_ns. */
void mag_wait(struct mag *mag, struct mag_session *s, size_t i, uint64_t due_ns);
/* To REJECTED until then; CORE_NEVER: until an administrator acts. */
void mag_reject(struct mag *mag, struct mag_session *s, size_t i, uint64_t until_ns);
/* The anchor holds it no more: drain, WAIT or IDLE. */
void mag_forget(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns,
		enum core_note_kind note, const char *detail);
void mag_deregister(struct mag *mag, struct mag_session *s, size_t i);
/* A deregistration was answered, or nobody answers it. */
void mag_deregistered(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns);
void mag_leave(struct mag *mag, struct mag_session *s);
void mag_suspect(struct mag *mag, struct mag_session *s, size_t i, uint64_t now_ns);

/* ---- mag_refresh.c ----------------------------------------------------------------- */
void mag_refresh_due(struct mag *mag, struct mag_session *s, size_t i);
/* Time of the next refresh of a binding granted at `sent_ns` for `lifetime_ns`. */
uint64_t mag_refresh_time(const struct mag *mag, uint64_t sent_ns, uint64_t lifetime_ns);
void mag_bulk_apart(struct mag *mag, struct mag_session *s);

/* ---- mag_build.c: PBUs ------------------------------------------------------------- */
/* Where a message about binding `i` leaves; false: nowhere. ret_alt: it names another address. */
bool mag_route(const struct mag *mag, const struct mag_session *s, size_t i,
	       struct core_peer *ret_peer, bool *ret_alt);
void mag_flush(struct mag *mag, struct mag_session *s, const struct core_time *now);

/* ---- mag_clock.c: order keys ------------------------------------------------------- */
void mag_clock_see(struct mag *mag, const struct core_time *now);
uint64_t mag_clock_key(struct mag *mag, struct mag_session *s, const struct core_time *now);
void mag_clock_accepted(struct mag *mag, struct mag_session *s, const struct mag_sent *sent);
/* After 156, 157: true when another time scale of ours suits the anchor better, and is taken. */
bool mag_clock_rejected(struct mag *mag, struct mag_session *s, const struct core_time *now,
			const struct mh_message *msg);

/* ---- mag_answer.c, mag_reject.c: PBAs ---------------------------------------------- */
void mag_accepted(struct mag *mag, struct mag_session *s, size_t i, const struct mag_sent *sent,
		  const struct mh_message *msg, const struct core_time *now);
void mag_rejected(struct mag *mag, struct mag_session *s, size_t i, const struct mh_message *msg,
		  uint8_t status, const struct core_time *now);

/* ---- mag_view.c -------------------------------------------------------------------- */
/* 0: the data plane has what it should have; negative: it is behind, and will be tried again. */
int mag_sync(struct mag *mag, struct mag_session *s, uint64_t now_ns);

#endif
