/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The local mobility anchor: the binding cache and what may happen to it.
 *
 * One session per mobile node interface, N bindings in a session (D23). Each accepted PBU, each
 * expiry and each path event is one transition to a new complete set of bindings, which is
 * published to the data plane before the PBA leaves; if that fails nothing has changed and the
 * answer is 130. The tables of spec/conformance-multipath.md section 3.3 (rows L1..L31) and of
 * spec/conformance-base.md sections 9-13 and 16 are what this file implements.
 *
 * Not here: sockets, authentication (a message that reaches lma_receive is authentic as far as
 * `Security=` goes), durable storage (lma_export, lma_import), IPv4 home addresses, flow bindings.
 */
#ifndef MAGPIE_CORE_LMA_H
#define MAGPIE_CORE_LMA_H

#include "core/port.h"

struct lma;

struct lma_pool {
	struct ip_prefix range;
	uint8_t length; /* of a home network prefix taken from it: range.len < length <= 64 */
};

struct lma_peer_rule {		  /* which gateway may register from where */
	struct mh_id mag_id;	  /* len 0: any */
	struct ip_prefix sources; /* proxy care-of addresses; len 0: anywhere */
};

struct lma_config {
	const struct lma_pool *pool;
	size_t n_pool;
	const struct lma_peer_rule *peer; /* n_peer == 0: any gateway may register */
	size_t n_peer;
	bool multipath;	       /* false: answer 180 to PBUs with MMB */
	bool multipath_legacy; /* true: ignore options 63 and 64, as a base-only anchor does */
	uint32_t max_sessions;
	uint16_t max_bindings;	      /* of a session, 1..254 */
	uint32_t max_lifetime_s;      /* longest lifetime granted */
	uint32_t timestamp_window_ms; /* TimestampValidityWindow, default 300; 0: not checked */
	uint32_t min_delay_before_delete_ms; /* MinDelayBeforeBCEDelete, default 10000 */
	uint32_t max_delay_before_assign_ms; /* MaxDelayBeforeNewBCEAssign, default 1500 */
	uint32_t drain_ms;	/* how long a removed binding still receives, default 2000 */
	uint32_t prefix_rest_s; /* before a freed prefix goes to another node, default 60 */
	uint32_t peer_rate;	/* PBUs per second from one address before LIMITED; 0: unlimited */
};

/* One binding as control sees it; valid until the next call into the lma. */
struct lma_binding_info {
	uint8_t bid; /* 0: the one binding of a session without multipath */
	uint8_t label;
	uint8_t att;	   /* If-ATT */
	const char *state; /* "active", "suspect", "drain", "gone" */
	struct ip_addr local;
	struct ip_addr remote;
	uint64_t expires_ns; /* mono; 0: not bound */
};

struct lma_session_info {
	uint32_t id;
	const char *state; /* "multi", "single", "linger" */
	const struct mh_id *mn_id;
	const struct mh_id *mag_id; /* len 0: none */
	uint8_t att;		    /* of the mobile node's access (option 24) */
	const struct mh_llid *llid;
	uint8_t n_prefix;
	const struct ip_prefix *prefix;
	uint16_t n;
	const struct lma_binding_info *binding;
};

/* A session in a form that can be stored: fixed size but for its bindings, no pointers. */
struct lma_record_binding {
	struct ip_addr local;
	struct ip_addr remote;
	uint64_t stamp;	  /* last accepted order key */
	uint64_t expires; /* wall clock, unit of the Timestamp option */
	uint32_t ifindex;
	uint16_t sequence;
	uint8_t bid;
	uint8_t label;
	uint8_t att;
	uint8_t pad[7];
};

struct lma_record {
	uint64_t epoch; /* overwrite epoch */
	struct mh_id mn_id;
	struct mh_id mag_id;
	struct mh_llid llid;
	struct ip_addr link_local; /* of the gateway on the access link; zero: none */
	uint8_t att;
	uint8_t multi;
	uint8_t n_prefix;
	struct ip_prefix prefix[MH_MAX_HNP];
	uint16_t n;
	struct lma_record_binding binding[CORE_MAX_BINDINGS];
};

/* Copies what it needs of *config. -EINVAL names nothing: config/ has checked before. */
int lma_new(const struct lma_config *config, const struct core_port *port, struct lma **ret_lma);
void lma_free(struct lma *lma);

/* One decoded Mobility Header message. Counts it under exactly one counter. */
void lma_receive(struct lma *lma, const struct core_time *now, const struct core_peer *from,
		 const struct mh_message *msg);

/* Liveness of the tunnel local <-> remote, as judged by health (L15, L16). */
void lma_path_state(struct lma *lma, const struct core_time *now, const struct ip_addr *local,
		    const struct ip_addr *remote, bool up);

/* Runs what is due. lma_next_ns: mono time of the next thing that is due, or CORE_NEVER. */
void lma_tick(struct lma *lma, const struct core_time *now);
uint64_t lma_next_ns(const struct lma *lma);

/* Ends every session at once and without linger (operator's `magpie release`). */
void lma_release(struct lma *lma, const struct core_time *now);

/* Calls `each` for every session; stops at the first non-zero result and returns it. */
int lma_each(const struct lma *lma, int (*each)(void *ctx, const struct lma_session_info *s),
	     void *ctx);
const uint64_t *lma_counters(const struct lma *lma); /* [CORE_COUNTER_COUNT] */
/* PBAs sent by status code, [256]. */
const uint64_t *lma_statuses(const struct lma *lma);

/* The session as a record, -ENOENT when there is none. n is 0 while it lingers: nothing to keep. */
int lma_export(const struct lma *lma, const struct core_time *now, uint32_t session,
	       struct lma_record *ret_record);
/*
 * Takes a session over from a record after a restart: publishes it, bindings that expired meanwhile
 * are left out. -EEXIST, -ENOSPC, -ERANGE (no pool holds its prefix any more), -ESTALE (all
 * expired), -EINVAL (a record that lma_export cannot have made).
 */
int lma_import(struct lma *lma, const struct core_time *now, const struct lma_record *record);

/* Replaces the configuration for what comes next; sessions stay as they are. */
int lma_reconfigure(struct lma *lma, const struct lma_config *config);

#endif
