/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Watches of devices and of hops to tunnel ends. Events are coalesced per wake-up. Neighbours in
 * use are kept resolved: packets that leave by a prebuilt header do not refresh the kernel's entry,
 * so a stale one is confirmed on our request.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>
#include <stdlib.h>

#include "net/rtnl.h"
#include "util/log.h"

#define UPKEEP_MS     1000
#define EVENT_BUFFER  (4 << 20)
#define NUD_RESOLVED  (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)
#define NUD_CONFIRMED (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE)

/* ---- devices ----------------------------------------------------------------------- */

static void ask_device(struct rtnl *r, struct rtnl_device *d, struct rtnl_device_state *ret)
{
	struct rtnl_route_info route;
	struct rtnl_link link;

	memset(ret, 0, sizeof(*ret));
	if (rtnl_ask_link(r, d->name, 0, &link) < 0)
		return;
	ret->exists = true;
	ret->ifindex = link.ifindex;
	ret->mtu = link.mtu;
	if (rtnl_ask_address(r, link.ifindex, &d->state.address, &ret->address) < 0)
		return;
	ret->usable = (link.flags & IFF_UP) && (link.flags & IFF_RUNNING) &&
		      (!d->needs_route || rtnl_ask_route(r, &d->anchor, link.ifindex, &route) == 0);
}

static bool same_device(const struct rtnl_device_state *a, const struct rtnl_device_state *b)
{
	return a->exists == b->exists && a->usable == b->usable && a->ifindex == b->ifindex &&
	       a->mtu == b->mtu && ip_equal(&a->address, &b->address);
}

static void report_device(struct rtnl *r, struct rtnl_device *d)
{
	struct rtnl_device_state state;

	ask_device(r, d, &state);
	if (d->reported && same_device(&state, &d->state))
		return;
	d->reported = true;
	d->state = state;
	r->handler.device(r->handler.ctx, d->watch, &state);
}

int rtnl_watch_device(struct rtnl *r, size_t watch, const char *name, const struct ip_addr *anchor)
{
	struct rtnl_device *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->watch = watch;
	memcpy(d->name, name, strnlen(name, sizeof(d->name) - 1));
	d->needs_route = anchor != NULL;
	if (anchor)
		d->anchor = *anchor;
	d->next = r->devices;
	r->devices = d;
	report_device(r, d);
	return 0;
}

/* ---- neighbours -------------------------------------------------------------------- */

static struct rtnl_neigh *find_neigh(struct rtnl *r, const struct rtnl_neigh_key *key)
{
	struct rtnl_neigh *n;

	HASH_FIND(hh, r->neighs, key, sizeof(*key), n);
	return n;
}

static void put_neigh(struct rtnl *r, struct rtnl_neigh *n)
{
	if (!n || --n->users > 0)
		return;
	HASH_DELETE(hh, r->neighs, n);
	free(n);
}

static struct rtnl_neigh *get_neigh(struct rtnl *r, const struct ip_addr *addr, uint32_t ifindex)
{
	struct rtnl_neigh_key key;
	struct rtnl_neigh *n;

	memset(&key, 0, sizeof(key));
	key.addr = *addr;
	key.ifindex = ifindex;
	n = find_neigh(r, &key);
	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return NULL;
		n->key = key;
		HASH_ADD(hh, r->neighs, key, sizeof(n->key), n);
		if (rtnl_ask_neigh(r, n) < 0 || !(n->state & NUD_CONFIRMED))
			rtnl_use_neigh(r, n);
	}
	n->users++;
	return n;
}

/* ---- hops -------------------------------------------------------------------------- */

static bool same_hop(const struct rtnl_hop *a, const struct rtnl_hop *b)
{
	return a->resolved == b->resolved && a->ifindex == b->ifindex && a->mtu == b->mtu &&
	       memcmp(a->source_mac, b->source_mac, 6) == 0 &&
	       memcmp(a->destination_mac, b->destination_mac, 6) == 0;
}

static void report_hop(struct rtnl *r, struct rtnl_hop_watch *h)
{
	struct rtnl_hop hop;

	memset(&hop, 0, sizeof(hop));
	if (h->neigh && h->ethernet && h->neigh->has_mac && (h->neigh->state & NUD_RESOLVED)) {
		hop.resolved = true;
		hop.ifindex = h->neigh->key.ifindex;
		hop.mtu = h->mtu;
		memcpy(hop.source_mac, h->source_mac, 6);
		memcpy(hop.destination_mac, h->neigh->mac, 6);
	}
	if (h->reported && same_hop(&hop, &h->last))
		return;
	h->reported = true;
	h->last = hop;
	r->handler.hop(r->handler.ctx, h->tunnel, &hop);
}

static void ask_hop(struct rtnl *r, struct rtnl_hop_watch *h)
{
	struct rtnl_neigh *old = h->neigh;
	struct rtnl_route_info route;
	struct rtnl_link link;
	char text[IP_TEXT_MAX];

	h->neigh = NULL;
	if (rtnl_ask_route(r, &h->remote, h->ifindex, &route) == 0 &&
	    rtnl_ask_link(r, NULL, route.ifindex, &link) == 0 && (link.flags & IFF_UP) &&
	    (link.flags & IFF_RUNNING)) {
		h->neigh = get_neigh(r, &route.via, route.ifindex);
		h->mtu = route.mtu && route.mtu < link.mtu ? route.mtu : link.mtu;
		h->ethernet = link.type == ARPHRD_ETHER;
		memcpy(h->source_mac, link.mac, 6);
		if (!h->ethernet && !h->reported)
			log_warning("tunnel to %s: its device is no Ethernet, which this version "
				    "cannot encapsulate onto",
				    ip_text(&h->remote, text));
	}
	put_neigh(r, old);
	report_hop(r, h);
}

int rtnl_watch_hop(struct rtnl *r, uint32_t tunnel, const struct ip_addr *local,
		   const struct ip_addr *remote, uint32_t ifindex)
{
	struct rtnl_hop_watch *h;

	rtnl_unwatch_hop(r, tunnel);
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->tunnel = tunnel;
	h->local = *local;
	h->remote = *remote;
	h->ifindex = ifindex;
	HASH_ADD(hh, r->hops, tunnel, sizeof(h->tunnel), h);
	ask_hop(r, h);
	return 0;
}

void rtnl_unwatch_hop(struct rtnl *r, uint32_t tunnel)
{
	struct rtnl_hop_watch *h;

	HASH_FIND(hh, r->hops, &tunnel, sizeof(tunnel), h);
	if (!h)
		return;
	r->version++;
	HASH_DELETE(hh, r->hops, h);
	put_neigh(r, h->neigh);
	free(h);
}

/*
 * Calls `each` for every hop by a neighbour (NULL: every hop). Who is told of one may end the watch
 * of others; then the walk begins anew, past those it has been at.
 */
static void walk_hops(struct rtnl *r, const struct rtnl_neigh *by,
		      void (*each)(struct rtnl *r, struct rtnl_hop_watch *h))
{
	struct rtnl_hop_watch *h, *tmp;
	uint32_t version;

	r->round++;
	do {
		version = r->version;
		HASH_ITER (hh, r->hops, h, tmp) {
			if (h->round == r->round || (by && h->neigh != by))
				continue;
			h->round = r->round;
			each(r, h);
			if (version != r->version)
				break;
		}
	} while (version != r->version);
}

/* ---- events ------------------------------------------------------------------------ */

static void neigh_event(struct rtnl *r, const struct nlmsghdr *nlh)
{
	struct rtnl_neigh_key key;
	struct rtnl_neigh *n;
	uint16_t state;
	uint8_t mac[6];
	bool has_mac;

	if (!rtnl_parse_neigh(nlh, &key, &state, mac, &has_mac))
		return;
	r->changed = true;
	n = find_neigh(r, &key);
	if (!n)
		return;
	n->state = state;
	n->has_mac = has_mac;
	if (has_mac)
		memcpy(n->mac, mac, sizeof(mac));
	walk_hops(r, n, report_hop);
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	struct rtnl *r = data;

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neigh_event(r, nlh);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		r->ask_anew = true;
		r->changed = true;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void ask_all(struct rtnl *r, bool neighbours)
{
	struct rtnl_neigh *n, *tmp;

	if (neighbours) {
		HASH_ITER (hh, r->neighs, n, tmp)
			rtnl_ask_neigh(r, n);
	}
	for (struct rtnl_device *d = r->devices; d; d = d->next)
		report_device(r, d);
	walk_hops(r, NULL, ask_hop);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	static struct log_limit overrun_limit;
	struct rtnl *r = poll->data;
	uint8_t buffer[RTNL_BUFFER];
	bool lost = false;

	(void)events;
	for (int i = 0; status == 0 && i < 64; i++) {
		ssize_t n =
			recv(mnl_socket_get_fd(r->events), buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS) {
			lost = true;
			continue;
		}
		if (n <= 0)
			break;
		mnl_cb_run(buffer, (size_t)n, 0, 0, on_event, r);
	}
	if (lost)
		log_limited(&overrun_limit, LOG_LEVEL_WARNING,
			    "rtnetlink events were lost: asking the kernel for everything anew");
	if (lost || r->ask_anew) {
		r->ask_anew = false;
		ask_all(r, lost);
	}
	if (lost || r->changed) {
		r->changed = false;
		r->handler.changed(r->handler.ctx);
	}
}

/* Confirms what is stale, resolves what failed. */
static void on_upkeep(uv_timer_t *timer)
{
	struct rtnl *r = timer->data;
	struct rtnl_neigh *n, *tmp;

	HASH_ITER (hh, r->neighs, n, tmp) {
		if (!(n->state & NUD_CONFIRMED))
			rtnl_use_neigh(r, n);
	}
}

/* ---- open and close ---------------------------------------------------------------- */

static struct mnl_socket *open_socket(unsigned int groups)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int e;

	if (nl && mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) == 0)
		return nl;
	e = errno;
	if (nl)
		mnl_socket_close(nl);
	errno = e;
	return NULL;
}

int rtnl_open(uv_loop_t *loop, const struct rtnl_handler *handler, struct rtnl **ret_rtnl)
{
	struct rtnl *r = calloc(1, sizeof(*r));
	int size = EVENT_BUFFER;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->handler = *handler;
	r->requests = open_socket(0);
	if (r->requests)
		r->events = open_socket(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV6_IFADDR |
					RTMGRP_IPV6_ROUTE);
	if (!r->events) {
		int e = -errno;

		log_error("cannot open rtnetlink: %s", strerror(-e));
		if (r->requests)
			mnl_socket_close(r->requests);
		free(r);
		return e;
	}
	setsockopt(mnl_socket_get_fd(r->events), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	uv_poll_init(loop, &r->poll, mnl_socket_get_fd(r->events));
	uv_timer_init(loop, &r->timer);
	r->open_handles = 2;
	r->poll.data = r;
	r->timer.data = r;
	uv_poll_start(&r->poll, UV_READABLE, on_ready);
	uv_timer_start(&r->timer, on_upkeep, UPKEEP_MS, UPKEEP_MS);
	*ret_rtnl = r;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	struct rtnl *r = handle->data;

	if (--r->open_handles > 0)
		return;
	mnl_socket_close(r->events);
	mnl_socket_close(r->requests);
	free(r);
}

void rtnl_close(struct rtnl *r)
{
	struct rtnl_hop_watch *h, *tmp;

	HASH_ITER (hh, r->hops, h, tmp)
		rtnl_unwatch_hop(r, h->tunnel);
	while (r->devices) {
		struct rtnl_device *d = r->devices;

		r->devices = d->next;
		free(d);
	}
	uv_poll_stop(&r->poll);
	uv_close((uv_handle_t *)&r->poll, closed);
	uv_close((uv_handle_t *)&r->timer, closed);
}
