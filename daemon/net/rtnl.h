/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * State of rtnetlink; internal to net/. The kernel is asked, not re-implemented: a change of a
 * link, address or route makes every watch be asked about anew; a change of a neighbour touches
 * only the hops that go by it.
 */
#ifndef MAGPIE_NET_RTNL_H
#define MAGPIE_NET_RTNL_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <uthash.h>

#include "net/convert.h"

#define RTNL_BUFFER 32768

struct rtnl_device {
	size_t watch;
	char name[IFNAMSIZ];
	bool needs_route;
	struct ip_addr anchor;
	bool reported;
	struct rtnl_device_state state;
	struct rtnl_device *next;
};

struct rtnl_neigh_key {
	struct ip_addr addr;
	uint32_t ifindex;
};

struct rtnl_neigh {
	struct rtnl_neigh_key key;
	uint16_t state; /* NUD_*; 0: no entry */
	uint8_t mac[6];
	bool has_mac;
	unsigned int users;
	UT_hash_handle hh;
};

struct rtnl_hop_watch {
	uint32_t tunnel;
	struct ip_addr local;
	struct ip_addr remote;
	uint32_t ifindex;	  /* asked for */
	struct rtnl_neigh *neigh; /* NULL: no route */
	uint16_t mtu;
	uint8_t source_mac[6];
	bool ethernet;
	bool reported;
	uint32_t round; /* of the walk that has been here */
	struct rtnl_hop last;
	UT_hash_handle hh;
};

struct rtnl_link {
	uint32_t ifindex;
	uint32_t flags;
	uint16_t mtu;
	uint16_t type; /* ARPHRD_* */
	uint8_t mac[6];
};

struct rtnl_route_info {
	uint32_t ifindex;
	struct ip_addr via; /* the gateway, or the destination itself */
	uint16_t mtu;	    /* 0: the device's */
};

struct rtnl {
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int open_handles;
	struct mnl_socket *events;
	struct mnl_socket *requests;
	struct rtnl_handler handler;
	struct rtnl_device *devices;
	struct rtnl_hop_watch *hops;
	struct rtnl_neigh *neighs;
	uint32_t round;	  /* of the walk under way over the hops */
	uint32_t version; /* counts the hops that went */
	bool ask_anew;
	bool changed;
	uint8_t buffer[RTNL_BUFFER];
};

/* libmnl's own loops convert pointer differences to int without saying so. */
#define rtnl_each_attr(a, nlh, offset)                                                       \
	for ((a) = mnl_nlmsg_get_payload_offset((nlh), (offset));                            \
	     mnl_attr_ok((a), (int)((char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)(a))); \
	     (a) = mnl_attr_next(a))
#define rtnl_each_nested(a, nest)                                                   \
	for ((a) = mnl_attr_get_payload(nest);                                      \
	     mnl_attr_ok((a), (int)((char *)mnl_attr_get_payload(nest) +            \
				    mnl_attr_get_payload_len(nest) - (char *)(a))); \
	     (a) = mnl_attr_next(a))

/* rtnl_ask.c: questions to the kernel; blocking, some microseconds each. Negative errno. */
int rtnl_talk(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data);
int rtnl_ask_link(struct rtnl *r, const char *name, uint32_t ifindex, struct rtnl_link *ret);
/* The address to use on a device; keeps `current` if it is still good. */
int rtnl_ask_address(struct rtnl *r, uint32_t ifindex, const struct ip_addr *current,
		     struct ip_addr *ret);
int rtnl_ask_route(struct rtnl *r, const struct ip_addr *to, uint32_t ifindex,
		   struct rtnl_route_info *ret);
int rtnl_ask_neigh(struct rtnl *r, struct rtnl_neigh *n);
/* Has the kernel resolve or confirm a neighbour. */
void rtnl_use_neigh(struct rtnl *r, const struct rtnl_neigh *n);
/* Takes state and address out of a neighbour message; false: not about IPv6 or without address. */
bool rtnl_parse_neigh(const struct nlmsghdr *nlh, struct rtnl_neigh_key *ret_key,
		      uint16_t *ret_state, uint8_t ret_mac[6], bool *ret_has_mac);

#endif
