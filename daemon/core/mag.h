/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mobile access gateway: the binding update list.
 *
 * One state machine per (mobile node, path): IDLE, WAIT, INIT, ACTIVE, REFRESH, SUSPECT, DEREG,
 * REJECTED; one mode per mobile node: UNKNOWN, MULTI, LEGACY. The transitions are the rows M1..M33
 * of spec/conformance-multipath.md section 3.2 and sections 7, 8, 14-16 of
 * spec/conformance-base.md. No path is special: whatever path works may carry any message.
 *
 * Not here: sockets, router advertisements, health probing (mag_path_state tells its result).
 */
#ifndef MAGPIE_CORE_MAG_H
#define MAGPIE_CORE_MAG_H

#include "core/port.h"

struct mag;

struct mag_path_config {
	char name[CORE_LABEL_MAX + 1];
	uint8_t bid;
	uint8_t label;
	uint8_t att; /* If-ATT, never 0 */
	uint8_t weight;
	uint16_t priority; /* lower is tried first for discovery; ties: order of configuration */
};

struct mag_node_config { /* a logical, always attached mobile node */
	struct mh_id mn_id;
	struct mh_llid llid; /* len 0: derived from the MN-ID, stable (base 28, row 39) */
	uint8_t att;	     /* of its access link (option 24); 1 = virtual */
	uint8_t n_prefix;    /* 0: ask with ALL_ZERO */
	struct ip_prefix prefix[MH_MAX_HNP];
};

struct mag_config {
	struct mh_id mag_id;
	struct ip_addr lma;
	const struct mag_path_config *path;
	size_t n_path; /* 1..254 */
	const struct mag_node_config *node;
	size_t n_node;
	bool multipath;		    /* false: never ask for it */
	bool capability_known;	    /* true: no discovery, register all paths at once */
	uint32_t lifetime_s;	    /* asked for; multiple of 4 */
	uint32_t discovery_wait_ms; /* for a path of better priority, default 3000 */
	uint32_t retry_first_ms;    /* INITIAL_BINDACK_TIMEOUT, default 1000 */
	uint32_t retry_max_ms;	    /* MAX_BINDACK_TIMEOUT, default 32000 */
	uint32_t path_retry_ms; /* upper bound of the back-off of a path that was lost while others
				   live, so that it comes back soon; default 5000 */
	uint32_t discovery_tries; /* PBUs on one path before discovery moves on, default 3 */
	uint32_t suspect_ms;   /* confirm time before a silent path is deregistered, default 3000 */
	uint32_t hold_down_ms; /* before a path that came back carries flows again, default 0 */
	uint32_t drain_ms;     /* default 2000 */
	uint32_t
		bulk_every; /* each k-th refresh is individual (MP-MMB-26), default 3; 1: never B */
	uint32_t
		multipath_hold_s; /* after 180, before multipath is asked for again, default 3600 */
	uint32_t reject_hold_ms;  /* after a permanent refusal of a path, default 32000 */
};

/* What net/ knows of a path's device (rtnetlink). */
struct mag_link {
	bool usable;		/* device up, address not tentative, a route to the anchor */
	struct ip_addr address; /* the proxy care-of address */
	uint32_t ifindex;
};

struct mag_binding_info {
	const struct mag_path_config *path;
	const char *state; /* "idle", "wait", "init", "active", ... */
	struct ip_addr local;
	uint32_t ifindex;
	uint64_t expires_ns; /* mono; 0: not bound */
	uint64_t next_ns;    /* next retransmission or refresh, mono; 0: none */
	uint8_t last_status; /* of the last PBA */
	uint32_t tries;	     /* PBUs without answer so far */
};

struct mag_session_info {
	uint32_t id;
	const struct mh_id *mn_id;
	const char *mode; /* "unknown", "multi", "legacy" */
	struct ip_addr lma;
	uint8_t n_prefix;
	const struct ip_prefix *prefix;
	uint16_t n;
	const struct mag_binding_info *binding;
};

int mag_new(const struct mag_config *config, const struct core_port *port, struct mag **ret_mag);
void mag_free(struct mag *mag);

/* Device state of path `index` (order of configuration); call on every change (M1, M22, M24, M25).
 */
void mag_link(struct mag *mag, const struct core_time *now, size_t index,
	      const struct mag_link *link);
/*
 * Liveness of path `index` as judged by health (M18, M19); true until the first call. A binding on
 * a path that is down does not carry packets, so probe every binding that has a tunnel (`remote`
 * set) and tell each change of the verdict.
 * May be called from within port.publish: the next mag_tick takes it up, and is due at once.
 */
void mag_path_state(struct mag *mag, const struct core_time *now, size_t index, bool up);
void mag_receive(struct mag *mag, const struct core_time *now, const struct core_peer *from,
		 const struct mh_message *msg);
void mag_tick(struct mag *mag, const struct core_time *now);
uint64_t mag_next_ns(const struct mag *mag);

/*
 * Deregisters every session for good (M30): answered or three PBUs later its view is withdrawn.
 * mag_released: that has happened to all; mag_tick is needed until then.
 */
void mag_release(struct mag *mag, const struct core_time *now);
bool mag_released(const struct mag *mag);

int mag_each(const struct mag *mag, int (*each)(void *ctx, const struct mag_session_info *s),
	     void *ctx);
const uint64_t *mag_counters(const struct mag *mag); /* [CORE_COUNTER_COUNT] */
const uint64_t *mag_statuses(const struct mag *mag); /* PBAs received by status, [256] */

/*
 * Applies the difference between the running configuration and *config: paths are matched by BID,
 * nodes by MN-ID; what is gone is deregistered, what is new is registered. A session that an anchor
 * has forbidden (152) is tried again. -EINVAL, -ENOMEM, -ENOSPC (more than 254 paths together with
 * those that are leaving), -ESHUTDOWN (after mag_release): nothing has changed.
 */
int mag_reconfigure(struct mag *mag, const struct core_time *now, const struct mag_config *config);

#endif
