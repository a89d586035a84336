/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The anchor inside: what the files lma*.c share. Tables: nodes by MN-ID, sessions by id, prefixes
 * (pool.h), tunnels by address pair, gateways by MAG-ID, peers by address; one heap of timers. A
 * session owns its bindings in an array ordered by BID and its draining tunnels in another.
 *
 * The way of a PBU: lma.c -> lma_lookup.c (which session) -> lma_check.c (first fault decides) ->
 * lma_apply.c (a new complete set, as a draft) -> lma_draft.c (publish, commit) -> lma_answer.c.
 */
#ifndef MAGPIE_CORE_LMA_STATE_H
#define MAGPIE_CORE_LMA_STATE_H

#include "core/lma.h"
#include "core/pool.h"
#include "core/table.h"

#define LMA_REPEAT_NS  (2 * CORE_NSEC_PER_SEC)	  /* L19: how long a duplicate is answered alike */
#define LMA_GONE_NS    (3600 * CORE_NSEC_PER_SEC) /* how long a BID stays known */
#define LMA_KEY_NS     (60 * CORE_NSEC_PER_SEC)	  /* EC-55: beyond the validity window */
#define LMA_RETRY_NS   CORE_NSEC_PER_SEC	  /* a refused publication that nobody waits for */
#define LMA_FLIP_NS    (60 * CORE_NSEC_PER_SEC)	  /* EC-07 */
#define LMA_FLIPS      3			  /* tolerated in LMA_FLIP_NS */
#define LMA_MAX_PARKED 4			  /* waiting PBUs of one mobile node */
#define LMA_MAX_ENDED  4			  /* order keys of ended sessions of a node */
#define LMA_MAX_PEERS  65536
#define LMA_WEIGHT     1 /* of a binding; 0 means DRAIN */

#define LMA_STATUS_REPEATED 256 /* no status: answer as before */

/* ---- timers ------------------------------------------------------------------------ */

enum lma_timer_kind { LMA_TIMER_SESSION, LMA_TIMER_NODE };

struct lma_timer {
	uint64_t due_ns; /* CORE_NEVER: not in the heap */
	uint32_t slot;
	uint8_t kind; /* enum lma_timer_kind */
};

struct lma_heap {
	struct lma_timer **timer;
	uint32_t n;
	uint32_t cap;
};

/* ---- state ------------------------------------------------------------------------- */

/* What orders messages: the timestamp where both have one, else the sequence number. */
struct lma_key {
	uint64_t stamp; /* 0: none */
	uint16_t sequence;
};

/* A pair of addresses and who uses it. Liveness belongs to the pair. */
struct lma_use {
	struct lma_session *session;
	uint8_t bid;
};

struct lma_tunnel {
	UT_hash_handle hh;
	struct lma_tuple {
		struct ip_addr local;
		struct ip_addr remote;
	} tuple;
	union {
		struct lma_use only;  /* cap 0: the one user */
		struct lma_use *more; /* else all of them */
	};
	uint32_t n;
	uint32_t cap;	 /* of more */
	uint32_t pinned; /* reservations */
};

enum lma_binding_is {
	LMA_ACTIVE,
	LMA_SUSPECT, /* bound, but nothing comes through */
	LMA_GONE,    /* not bound; its BID and its key are remembered */
};

struct lma_binding {
	struct lma_tuple tuple;
	struct lma_tunnel *tunnel; /* NULL: gone, or not committed yet */
	uint64_t stamp;		   /* lma_key, last accepted */
	uint64_t seen_ns;	   /* when that was */
	uint64_t expires_ns;
	uint64_t since_ns; /* suspect or gone */
	uint32_t digest;   /* of the message last accepted */
	uint32_t slot;	   /* among the tunnel's users */
	uint16_t sequence;
	uint16_t lifetime; /* as granted, units of 4 s */
	uint8_t bid;	   /* 0 in a session without multipath */
	uint8_t label;
	uint8_t att;
	uint8_t state; /* enum lma_binding_is */
};

struct lma_drain {
	struct lma_tuple tuple;
	uint64_t until_ns;
	uint8_t bid;
	uint8_t label;
	uint8_t att;
};

/* A MAG-ID, shared by the sessions that have it. */
struct lma_gateway {
	UT_hash_handle hh;
	uint32_t refs;
	struct mh_id id;
};

/* Everything of a session that a transition may change. */
struct lma_set {
	struct lma_binding *binding; /* ascending BID; bound and gone */
	struct lma_drain *drain;     /* ascending BID */
	struct lma_gateway *gateway; /* NULL without multipath */
	uint64_t linger_until_ns;    /* 0: not lingering */
	uint64_t epoch_ns;	     /* when the epoch was set; 0: not in this life */
	uint64_t flip_ns;	     /* start of the minute in which flips are counted */
	struct lma_key epoch;
	struct ip_addr link_local; /* of the gateway on the access link; zero: nobody asked */
	struct mh_llid llid;	   /* len 0: none */
	uint8_t att;
	bool multi;
	uint8_t flips;
	uint16_t n;
	uint16_t n_drain;
};

struct lma_session {
	struct lma_timer timer; /* first: see lma_tick */
	UT_hash_handle hh;	/* by id */
	struct lma_node *node;
	struct lma_session *prev; /* sessions of the node */
	struct lma_session *next;
	struct lma_set set;
	uint64_t retry_ns; /* the data plane refused: it is to be told again; 0: it is true */
	uint32_t id;
	uint16_t cap;
	uint16_t cap_drain;
	uint8_t n_prefix;
	struct pool_prefix *prefix[];
};

/* A PBU that waits for the old gateway's deregistration (RFC 5213 5.4.1.2). */
struct lma_parked {
	struct lma_parked *prev;
	struct lma_parked *next;
	uint64_t until_ns;
	struct core_time arrived;
	struct core_peer from;
	struct mh_message msg;
};

/* The last order key of a session that ended (B-OWN-ORD-4). */
struct lma_ended {
	struct lma_ended *prev;
	struct lma_ended *next;
	uint64_t until_ns;
	uint64_t stamp;
	struct mh_llid llid;
	uint8_t att;
};

struct lma_node {
	struct lma_timer timer; /* first: see lma_tick */
	UT_hash_handle hh;
	struct lma_session *session; /* utlist */
	struct lma_parked *parked;   /* utlist, oldest first */
	struct lma_ended *ended;     /* utlist, oldest first */
	uint8_t n_parked;
	uint8_t n_ended;
	uint8_t key_len;
	uint8_t key[]; /* subtype, octets */
};

struct lma_peer {
	UT_hash_handle hh;
	struct lma_peer *prev; /* least recently heard first */
	struct lma_peer *next;
	struct ip_addr addr;
	uint64_t heard_ns;
	uint64_t debt_ns; /* leaky bucket: time until it is empty */
};

/* A transition under way. */
struct lma_draft {
	struct lma_set set;
	struct lma_binding binding[CORE_MAX_BINDINGS];
	struct lma_drain drain[CORE_MAX_BINDINGS];
};

struct lma {
	struct core_port port;
	struct lma_config config; /* `pool` is NULL: see pools */
	struct lma_peer_rule *rule;
	struct pools pools;

	struct lma_node *nodes;
	struct lma_session *sessions;
	struct lma_tunnel *tunnels;
	struct lma_gateway *gateways;
	struct lma_peer *peers;
	struct lma_peer *peer_queue;
	uint32_t n_sessions;
	uint32_t n_nodes;
	uint32_t n_peers;
	uint32_t n_parked;
	uint32_t last_id;
	struct lma_heap heap;

	/* Scratch, so that nothing large stands on the stack or is allocated on the way. */
	struct lma_draft draft;
	struct session_view view_old;
	struct session_view view_new;
	struct mh_id mn_id;
	struct mh_message answer;
	struct lma_show *show; /* for lma_each */

	uint64_t counters[CORE_COUNTER_COUNT];
	uint64_t statuses[256];
};

/* ---- a PBU on its way -------------------------------------------------------------- */

enum lma_verdict {
	LMA_NEW,     /* a new session is asked for */
	LMA_JOIN,    /* req->session, same gateway */
	LMA_TAKE,    /* req->session, by another gateway or in another mode: all bindings go */
	LMA_WAIT,    /* new, unless the one session of the node is deregistered soon */
	LMA_REFUSED, /* req->refusal */
};

struct lma_request {
	const struct core_time *now;
	const struct core_time *arrived;
	const struct core_peer *from;
	const struct mh_message *msg;
	struct ip_addr coa; /* Alternate care-of address, else the source */
	uint32_t has;	    /* msg->has, dup, bad without what this anchor does not heed */
	uint32_t dup;
	uint32_t bad;
	bool multi;    /* MMB and MAG-ID are there and heeded */
	bool all_zero; /* no prefix of its own in the request */
	bool no_wait;  /* it has waited long enough */
	bool waited;   /* its order was judged when it came, before the deregistration */
	uint8_t hi;    /* normalised: 1..5 */
	uint8_t bid;   /* 0 unless multi */
	uint8_t n_hnp; /* distinct NON_ZERO prefixes */
	struct ip_prefix hnp[MH_MAX_HNP];
	struct mh_llid llid; /* len 0: none */
	struct lma_key key;
	uint64_t digest;

	struct lma_node *node;
	struct lma_session *session;
	enum lma_verdict verdict;
	uint8_t refusal;
	uint8_t renumbered;	/* BID that made room (EC-07); 0: none */
	uint64_t holder;	/* hash of the MN-ID, for prefixes */
	uint16_t granted;	/* lifetime in the PBA */
	uint16_t last_sequence; /* with status 135 */
	enum core_counter ends; /* how it ends when nothing is sent */
	const char *detail;
};

/* lma_table.c */
struct lma_node *lma_node_find(const struct lma *lma, const struct mh_id *id);
/* Frees the node when nothing holds it. */
void lma_node_put(struct lma *lma, struct lma_node *node);
/* Drops what it waits for and remembers; frees it if no session is left. */
void lma_node_free(struct lma *lma, struct lma_node *node);
/* Forgets order keys that are too old to matter and ends waits; may free the node. */
void lma_node_due(struct lma *lma, struct lma_node *node, const struct core_time *now);
uint64_t lma_node_holder(const struct mh_id *id);
/* The node's identity in full, valid until the next call. */
const struct mh_id *lma_node_id(struct lma *lma, const struct lma_node *node);
struct lma_gateway *lma_gateway_get(struct lma *lma, const struct mh_id *id);
void lma_gateway_put(struct lma *lma, struct lma_gateway *gateway);
struct lma_tunnel *lma_tunnel_find(const struct lma *lma, const struct lma_tuple *tuple);
struct lma_use *lma_tunnel_uses(struct lma_tunnel *tunnel); /* [n] */
/* Makes room for one more user and holds it: link cannot fail then. NULL: no memory. */
struct lma_tunnel *lma_tunnel_reserve(struct lma *lma, const struct lma_tuple *tuple);
void lma_tunnel_unreserve(struct lma *lma, const struct lma_tuple *tuple);
/* Uses up a reservation. */
void lma_tunnel_link(struct lma *lma, struct lma_session *session, struct lma_binding *binding);
/* Frees the tunnel with its last user. */
void lma_tunnel_unlink(struct lma *lma, struct lma_binding *binding);
/* A session without bindings that owns the prefixes; -ENOMEM. */
int lma_session_new(struct lma *lma, const struct mh_id *mn_id, const struct ip_prefix *prefix,
		    uint8_t n_prefix, struct lma_session **ret_session);
/* Undoes lma_session_new, prefixes and all. */
void lma_session_undo(struct lma *lma, struct lma_session *session);
/* Frees a session that the data plane has forgotten; its prefixes rest, its keys are kept. */
void lma_session_end(struct lma *lma, struct lma_session *session, uint64_t now_ns);
void lma_session_free(struct lma *lma, struct lma_session *session);

/* lma_timer.c: the heap */
int lma_heap_reserve(struct lma_heap *heap, uint32_t n_timers);
void lma_timer_init(struct lma_timer *timer, enum lma_timer_kind kind);
/* due_ns CORE_NEVER takes the timer out. Room was reserved when the timer's owner was made. */
void lma_timer_set(struct lma_heap *heap, struct lma_timer *timer, uint64_t due_ns);
struct lma_timer *lma_timer_first(const struct lma_heap *heap);
void lma_session_rearm(struct lma *lma, struct lma_session *session);
void lma_node_rearm(struct lma *lma, struct lma_node *node);

/* lma_order.c: order keys (D5) */
bool lma_key_newer(const struct lma *lma, const struct core_time *now, const struct lma_key *key,
		   const struct lma_key *than);
uint64_t lma_key_ns(const struct lma *lma); /* how long the key of what is gone counts */
uint64_t lma_digest(const struct lma_request *req);
/* 0, 135, 156, 157 or LMA_STATUS_REPEATED. */
unsigned int lma_check_order(const struct lma *lma, struct lma_request *req);

/* lma_peer.c */
/* Is there a rule for the source address at all? */
bool lma_peer_known(const struct lma *lma, const struct ip_addr *source);
/* May this gateway register from there, and this care-of address? mag_id NULL: not told. */
bool lma_peer_allowed(const struct lma *lma, const struct ip_addr *source,
		      const struct mh_id *mag_id, const struct ip_addr *coa);
bool lma_peer_limited(struct lma *lma, const struct ip_addr *source, uint64_t now_ns);
void lma_peers_free(struct lma *lma);

/* lma_lookup.c: fills node, session, verdict, refusal, detail */
void lma_lookup(struct lma *lma, struct lma_request *req);

/* lma_check.c: 0, the status of the first fault (detail is set), or LMA_STATUS_REPEATED */
unsigned int lma_check(const struct lma *lma, struct lma_request *req);

/* lma_apply.c: each is one transition. */
/* A registration: the status. On 0 it is committed, and req->session and granted are set. */
uint8_t lma_register(struct lma *lma, struct lma_request *req);
/* A deregistration: false when it is none of ours (req->ends, req->detail), else the status. */
bool lma_deregister(struct lma *lma, struct lma_request *req, uint8_t *ret_status);
/* What is due in a session: expiry, end of lingering or draining, a publication to repeat. */
void lma_session_due(struct lma *lma, struct lma_session *session, uint64_t now_ns);

/* lma_draft.c */
void lma_draft_load(struct lma *lma, const struct lma_session *session);
struct lma_binding *lma_set_find(const struct lma_set *set, uint8_t bid);
uint16_t lma_set_bound(const struct lma_set *set);
struct lma_binding *lma_draft_put(struct lma *lma, uint8_t bid);
/* Takes a bound binding out of service: it drains; `gone`: and stays known. */
void lma_draft_remove(struct lma *lma, struct lma_binding *binding, uint64_t now_ns, bool gone);
/* What was gone is forgotten. */
void lma_draft_forget(struct lma *lma);
void lma_draft_undrain(struct lma *lma, uint16_t i);
void lma_draft_drain(struct lma *lma, const struct lma_binding *binding, uint64_t now_ns);
/* Publishes the draft if it differs from what is there, then makes it the session. -errno: nothing
 * has changed. Either way the draft is used up. */
int lma_draft_commit(struct lma *lma, struct lma_session *session);
/* Gives up the draft. */
void lma_draft_drop(struct lma *lma);
/*
 * For what has happened and cannot be refused (expiry, a dead path): the draft becomes the session
 * whatever the data plane says, which is told again later. It holds nothing that is not in the
 * session already. `expired`: bindings that are missing now have expired.
 */
void lma_draft_force(struct lma *lma, struct lma_session *session, uint64_t now_ns, bool expired);
/* Publishes SESSION_NONE and frees; -errno: the session stays and this is tried again later. */
int lma_session_close(struct lma *lma, struct lma_session *session, uint64_t now_ns);

/* lma_record.c */
struct lma_show *lma_show_new(void); /* NULL: no memory */

/* lma_view.c */
void lma_view_build(struct session_view *view, const struct lma_session *session,
		    const struct lma_set *set, const struct mh_id *mn_id);
bool lma_view_equal(const struct session_view *a, const struct session_view *b);
const char *lma_binding_state(const struct lma_binding *binding);

/* lma_park.c */
/* false: no room, or no memory; it is not to wait then. */
bool lma_park(struct lma *lma, const struct lma_request *req);
/* Why waiting ends. */
enum lma_unpark {
	LMA_UNPARK_FREED, /* the old gateway let go: look again */
	LMA_UNPARK_HELD,  /* the node is still there: a new session */
	LMA_UNPARK_DUE,	  /* whose time is up: a new session */
};
void lma_unpark(struct lma *lma, const struct mh_id *mn_id, enum lma_unpark why,
		const struct core_time *now);
/* The gateway gave up what it had asked for. */
void lma_park_cancel(struct lma *lma, struct lma_node *node, const struct ip_addr *source);
/* Frees what waits; with `now` it is refused in a PBA before. */
void lma_park_drop(struct lma *lma, struct lma_node *node, const struct core_time *now);

/* lma_answer.c */
void lma_answer(struct lma *lma, const struct lma_request *req, uint8_t status);
void lma_answer_home_registration(struct lma *lma, const struct core_peer *from,
				  const struct mh_message *msg);

/* lma.c */
/* Decides a PBU that is let in; it may end up waiting. */
void lma_handle(struct lma *lma, struct lma_request *req);
void lma_request_init(const struct lma *lma, struct lma_request *req, const struct core_time *now,
		      const struct core_time *arrived, const struct core_peer *from,
		      const struct mh_message *msg);
/* binding NULL: of the session as such. */
void lma_note(struct lma *lma, enum core_note_kind kind, const struct lma_session *session,
	      const struct lma_binding *binding);

#endif
