/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's side of the network: one header for four small modules that know nothing of each
 * other nor of core/'s state: mobility header sockets, rtnetlink, router advertisements, STAMP.
 * All run on one libuv loop, call back from it, and never block.
 */
#ifndef MAGPIE_NET_NET_H
#define MAGPIE_NET_NET_H

#include <uv.h>

#include "core/health.h"
#include "core/port.h"

/* ---- mh.c: Mobility Header over raw IPv6 sockets (RFC 6275 6.1; checksum by the kernel) --- */

struct mh_socket;
struct mh_handler {
	void *ctx;
	/* One message; `octets` is the callee's until it returns. */
	void (*message)(void *ctx, const struct core_peer *from, const uint8_t *octets, size_t len);
	/* All messages of one wake-up were handed over: the place to commit and to answer. */
	void (*batch_end)(void *ctx);
};
struct mh_socket_counts {
	uint64_t received, sent, send_errors, truncated, not_unicast;
};
int mh_socket_open(uv_loop_t *loop, const struct mh_handler *handler, struct mh_socket **ret_sock);
void mh_socket_close(struct mh_socket *sock);
/* Queues; mh_socket_flush sends the queue with as few system calls as it takes. -ENOBUFS when full.
 */
int mh_socket_send(struct mh_socket *sock, const struct core_peer *to, const uint8_t *octets,
		   size_t len);
void mh_socket_flush(struct mh_socket *sock);
const struct mh_socket_counts *mh_socket_counts(const struct mh_socket *sock);

/* ---- rtnl.c: links, addresses, routes, neighbours (libmnl) ------------------------- */

struct rtnl;

/* What a path of a MAG needs to know of its device. */
struct rtnl_device_state {
	bool exists;
	bool usable; /* up with carrier, global address (not tentative, deprecated or DAD-failed),
			and a route to the anchor by this device */
	uint32_t ifindex;
	struct ip_addr address;
	uint16_t mtu;
};

/* How to reach the far end of a tunnel. */
struct rtnl_hop {
	bool resolved;
	uint32_t ifindex;
	uint16_t mtu; /* of the route, else of the device */
	uint8_t source_mac[6];
	uint8_t destination_mac[6];
};

struct rtnl_handler {
	void *ctx;
	void (*device)(void *ctx, size_t watch, const struct rtnl_device_state *state);
	void (*hop)(void *ctx, uint32_t tunnel, const struct rtnl_hop *hop);
	void (*changed)(void *ctx); /* some route or neighbour changed: cached next hops are void */
};

int rtnl_open(uv_loop_t *loop, const struct rtnl_handler *handler, struct rtnl **ret_rtnl);
void rtnl_close(struct rtnl *rtnl);
/*
 * Watches a device by name (it may come and go, be renamed, change its index). The state is
 * reported at once and after every change. `anchor`: NULL = no route needed. Calls handler.device
 * with `watch`.
 */
int rtnl_watch_device(struct rtnl *rtnl, size_t watch, const char *name,
		      const struct ip_addr *anchor);
/*
 * Keeps the hop to `remote` true: route (through ifindex if it is not 0), neighbour, link; asks the
 * kernel to resolve and re-confirm the neighbour. Reported at once if known, and after every
 * change.
 */
int rtnl_watch_hop(struct rtnl *rtnl, uint32_t tunnel, const struct ip_addr *local,
		   const struct ip_addr *remote, uint32_t ifindex);
void rtnl_unwatch_hop(struct rtnl *rtnl, uint32_t tunnel);

/* Routes of ours carry protocol RTNL_PROTOCOL, so that they can be found and removed again. */
#define RTNL_PROTOCOL 82
enum rtnl_route { RTNL_ROUTE_ON_LINK, RTNL_ROUTE_UNREACHABLE };
/* Adds or replaces; ifindex only for ON_LINK. */
int rtnl_route_add(struct rtnl *rtnl, enum rtnl_route kind, const struct ip_prefix *prefix,
		   uint32_t ifindex);
int rtnl_route_remove(struct rtnl *rtnl, enum rtnl_route kind, const struct ip_prefix *prefix,
		      uint32_t ifindex);
/* Removes every route with our protocol number; blocking, needs no open rtnl. */
int rtnl_routes_purge(void);
/* ifindex by name, 0 if there is none; blocking, needs no open rtnl. */
uint32_t rtnl_ifindex(const char *name);

/* ---- ra.c: router advertisements (RFC 4861, RFC 5213 6.9.2) ------------------------ */

struct ra;
struct ra_prefix {
	struct ip_prefix prefix;
	uint32_t lifetime_s; /* valid lifetime; preferred is the same. 0: withdrawn */
};
int ra_open(uv_loop_t *loop, struct ra **ret_ra);
void ra_close(struct ra *ra); /* says nothing: hosts keep their addresses over a restart */
/*
 * Sets what is advertised on a device: prefixes (on-link, autonomous), link MTU, router lifetime.
 * Sends at once when something changed (3 times, RFC 4861 6.2.4), periodically, and on solicitation
 * (rate-limited, 6.2.6). A prefix that is no longer in the set is withdrawn with lifetime 0 for a
 * while (6.2.5). n == 0 and router_lifetime_s == 0: stop being a router there.
 */
/* The device came (back): joins its groups and advertises at once. */
void ra_device_changed(struct ra *ra, const char *device);
int ra_set(struct ra *ra, const char *device, const struct ra_prefix *prefix, size_t n,
	   uint16_t mtu, uint16_t router_lifetime_s);

/* ---- stamp.c: RFC 8762 probes through the tunnels ---------------------------------- */

/*
 * A probe is a STAMP packet (UDP 862, unauthenticated mode) between the tunnel endpoints' own
 * addresses *inside* the tunnel: outer IPv6 (local, remote), next header 41, inner IPv6 (local,
 * remote). Programs give such packets to the kernel unstripped (reason PROBE), a raw socket of
 * protocol 41 takes them here with the outer header's facts; so an answer proves the tunnel itself.
 * Every peer is reflected; only paths that were added are probed.
 */
struct stamp;
struct stamp_handler {
	void *ctx;
	void (*state)(void *ctx, uint32_t tunnel, enum health_state state);
	/* Is this pair one of our tunnels? Others are not reflected (no reflector for strangers).
	 */
	bool (*known)(void *ctx, const struct ip_addr *local, const struct ip_addr *remote);
};
int stamp_open(uv_loop_t *loop, const struct health_config *config,
	       const struct stamp_handler *handler, struct stamp **ret_stamp);
void stamp_close(struct stamp *stamp);
int stamp_add(struct stamp *stamp, uint32_t tunnel, const struct ip_addr *local,
	      const struct ip_addr *remote, uint32_t ifindex);
void stamp_remove(struct stamp *stamp, uint32_t tunnel);
const struct health *stamp_health(const struct stamp *stamp, uint32_t tunnel); /* NULL: none */

#endif
