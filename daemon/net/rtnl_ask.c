/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Questions to the kernel over rtnetlink, one at a time. */
#include <errno.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>

#include "net/rtnl.h"

int rtnl_talk(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	static uint32_t sequence;
	uint8_t buffer[RTNL_BUFFER];
	unsigned int port = mnl_socket_get_portid(nl);
	ssize_t n;
	int r = MNL_CB_OK;

	nlh->nlmsg_seq = ++sequence;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)n, sequence, port, cb, data);
		if (r == MNL_CB_ERROR && errno == EPROTO)
			r = MNL_CB_OK; /* the tail of an earlier, abandoned answer */
	} while (r > MNL_CB_STOP);
	return r == MNL_CB_ERROR ? -errno : 0;
}

static struct nlmsghdr *request(uint8_t *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return nlh;
}

/* ---- links ------------------------------------------------------------------------- */

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct rtnl_link *link = data;
	struct nlattr *a;

	link->ifindex = (uint32_t)info->ifi_index;
	link->flags = info->ifi_flags;
	link->type = info->ifi_type;
	rtnl_each_attr(a, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(a) == IFLA_MTU) {
			uint32_t mtu = mnl_attr_get_u32(a);

			link->mtu = (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu);
		} else if (mnl_attr_get_type(a) == IFLA_ADDRESS &&
			   mnl_attr_get_payload_len(a) == sizeof(link->mac)) {
			memcpy(link->mac, mnl_attr_get_payload(a), sizeof(link->mac));
		}
	}
	return MNL_CB_STOP;
}

int rtnl_ask_link(struct rtnl *r, const char *name, uint32_t ifindex, struct rtnl_link *ret)
{
	struct nlmsghdr *nlh = request(r->buffer, RTM_GETLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	memset(ret, 0, sizeof(*ret));
	info->ifi_index = (int)ifindex;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return rtnl_talk(r->requests, nlh, on_link, ret);
}

/* ---- addresses --------------------------------------------------------------------- */

struct address_choice {
	uint32_t ifindex;
	const struct ip_addr *current;
	struct ip_addr best;
	int rank; /* 0: none */
};

static int on_address(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	struct address_choice *choice = data;
	uint32_t flags = info->ifa_flags;
	struct ip_addr addr = {{0}};
	struct nlattr *a;
	int rank;

	if (info->ifa_index != choice->ifindex || info->ifa_scope != RT_SCOPE_UNIVERSE)
		return MNL_CB_OK;
	rtnl_each_attr(a, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(a) == IFA_ADDRESS && mnl_attr_get_payload_len(a) == 16)
			memcpy(addr.b, mnl_attr_get_payload(a), 16);
		else if (mnl_attr_get_type(a) == IFA_FLAGS)
			flags = mnl_attr_get_u32(a);
	}
	if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED))
		return MNL_CB_OK;
	if (!ip_is_global_unicast(&addr))
		return MNL_CB_OK;
	rank = flags & IFA_F_TEMPORARY ? 1 : 2;
	if (ip_equal(&addr, choice->current))
		rank = 3;
	if (rank > choice->rank || (rank == choice->rank && ip_compare(&addr, &choice->best) < 0)) {
		choice->rank = rank;
		choice->best = addr;
	}
	return MNL_CB_OK;
}

int rtnl_ask_address(struct rtnl *r, uint32_t ifindex, const struct ip_addr *current,
		     struct ip_addr *ret)
{
	struct nlmsghdr *nlh = request(r->buffer, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	struct address_choice choice = {.ifindex = ifindex, .current = current};
	int e;

	info->ifa_family = AF_INET6;
	e = rtnl_talk(r->requests, nlh, on_address, &choice);
	if (e < 0)
		return e;
	if (choice.rank == 0)
		return -EADDRNOTAVAIL;
	*ret = choice.best;
	return 0;
}

/* ---- routes ------------------------------------------------------------------------ */

struct route_answer {
	struct rtnl_route_info *info;
	bool unicast;
};

static void take_metrics(const struct nlattr *metrics, struct rtnl_route_info *info)
{
	struct nlattr *a;

	rtnl_each_nested(a, metrics)
	{
		if (mnl_attr_get_type(a) == RTAX_MTU)
			info->mtu = (uint16_t)mnl_attr_get_u32(a);
	}
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_answer *answer = data;
	struct nlattr *a;

	answer->unicast = rtm->rtm_type == RTN_UNICAST;
	rtnl_each_attr(a, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(a)) {
		case RTA_OIF:
			answer->info->ifindex = mnl_attr_get_u32(a);
			break;
		case RTA_GATEWAY:
			if (mnl_attr_get_payload_len(a) == 16)
				memcpy(answer->info->via.b, mnl_attr_get_payload(a), 16);
			break;
		case RTA_METRICS:
			take_metrics(a, answer->info);
			break;
		default:
			break;
		}
	}
	return MNL_CB_STOP;
}

int rtnl_ask_route(struct rtnl *r, const struct ip_addr *to, uint32_t ifindex,
		   struct rtnl_route_info *ret)
{
	struct nlmsghdr *nlh = request(r->buffer, RTM_GETROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct route_answer answer = {.info = ret};
	int e;

	*ret = (struct rtnl_route_info){.via = *to};
	rtm->rtm_family = AF_INET6;
	rtm->rtm_dst_len = 128;
	mnl_attr_put(nlh, RTA_DST, 16, to->b);
	if (ifindex) /* without a source address the kernel looks only at routes by that device */
		mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	e = rtnl_talk(r->requests, nlh, on_route, &answer);
	if (e < 0)
		return e;
	if (!answer.unicast || ret->ifindex == 0 || (ifindex && ret->ifindex != ifindex))
		return -ENETUNREACH;
	return 0;
}

/* ---- neighbours -------------------------------------------------------------------- */

bool rtnl_parse_neigh(const struct nlmsghdr *nlh, struct rtnl_neigh_key *ret_key,
		      uint16_t *ret_state, uint8_t ret_mac[6], bool *ret_has_mac)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	bool has_addr = false;
	struct nlattr *a;

	if (nd->ndm_family != AF_INET6)
		return false;
	memset(ret_key, 0, sizeof(*ret_key));
	ret_key->ifindex = (uint32_t)nd->ndm_ifindex;
	*ret_state = nlh->nlmsg_type == RTM_DELNEIGH ? 0 : nd->ndm_state;
	*ret_has_mac = false;
	rtnl_each_attr(a, nlh, sizeof(*nd))
	{
		if (mnl_attr_get_type(a) == NDA_DST && mnl_attr_get_payload_len(a) == 16) {
			memcpy(ret_key->addr.b, mnl_attr_get_payload(a), 16);
			has_addr = true;
		} else if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) == 6) {
			memcpy(ret_mac, mnl_attr_get_payload(a), 6);
			*ret_has_mac = true;
		}
	}
	return has_addr;
}

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct rtnl_neigh *n = data;
	struct rtnl_neigh_key key;
	uint8_t mac[6];
	uint16_t state;
	bool has_mac;

	if (rtnl_parse_neigh(nlh, &key, &state, mac, &has_mac)) {
		n->state = state;
		n->has_mac = has_mac;
		if (has_mac)
			memcpy(n->mac, mac, sizeof(mac));
	}
	return MNL_CB_STOP;
}

static struct nlmsghdr *neigh_request(struct rtnl *r, uint16_t type, uint16_t flags,
				      const struct rtnl_neigh *n, uint8_t ndm_flags)
{
	struct nlmsghdr *nlh = request(r->buffer, type, flags);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(nlh, sizeof(*nd));

	nd->ndm_family = AF_INET6;
	nd->ndm_ifindex = (int)n->key.ifindex;
	nd->ndm_flags = ndm_flags;
	mnl_attr_put(nlh, NDA_DST, 16, n->key.addr.b);
	return nlh;
}

int rtnl_ask_neigh(struct rtnl *r, struct rtnl_neigh *n)
{
	n->state = 0;
	n->has_mac = false;
	return rtnl_talk(r->requests, neigh_request(r, RTM_GETNEIGH, 0, n, 0), on_neigh, n);
}

void rtnl_use_neigh(struct rtnl *r, const struct rtnl_neigh *n)
{
	rtnl_talk(r->requests, neigh_request(r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, n, NTF_USE),
		  NULL, NULL);
}

/* ---- routes of ours ---------------------------------------------------------------- */

#define UNREACHABLE_METRIC (1U << 30) /* anything else comes first */

static int change_route(struct mnl_socket *nl, uint16_t type, uint16_t flags, enum rtnl_route kind,
			const struct ip_prefix *prefix, uint32_t ifindex)
{
	uint8_t buffer[256];
	struct nlmsghdr *nlh = request(buffer, type, (uint16_t)(flags | NLM_F_ACK));
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	if (ip_is_v4(&prefix->addr))
		return -EAFNOSUPPORT;
	rtm->rtm_family = AF_INET6;
	rtm->rtm_dst_len = prefix->len;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTNL_PROTOCOL;
	rtm->rtm_type = kind == RTNL_ROUTE_ON_LINK ? RTN_UNICAST : RTN_UNREACHABLE;
	mnl_attr_put(nlh, RTA_DST, 16, prefix->addr.b);
	if (kind == RTNL_ROUTE_ON_LINK)
		mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	else
		mnl_attr_put_u32(nlh, RTA_PRIORITY, UNREACHABLE_METRIC);
	return rtnl_talk(nl, nlh, NULL, NULL);
}

int rtnl_route_add(struct rtnl *r, enum rtnl_route kind, const struct ip_prefix *prefix,
		   uint32_t ifindex)
{
	return change_route(r->requests, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, kind, prefix,
			    ifindex);
}

int rtnl_route_remove(struct rtnl *r, enum rtnl_route kind, const struct ip_prefix *prefix,
		      uint32_t ifindex)
{
	int e = change_route(r->requests, RTM_DELROUTE, 0, kind, prefix, ifindex);

	return e == -ESRCH ? 0 : e;
}

struct purge {
	struct {
		struct ip_prefix prefix;
		enum rtnl_route kind;
		uint32_t ifindex;
	} route[256];
	size_t n;
};

static int on_ours(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct purge *purge = data;
	struct ip_prefix prefix = {.len = rtm->rtm_dst_len};
	uint32_t ifindex = 0;
	struct nlattr *a;

	if (rtm->rtm_protocol != RTNL_PROTOCOL || purge->n == 256)
		return MNL_CB_OK;
	rtnl_each_attr(a, nlh, sizeof(*rtm))
	{
		if (mnl_attr_get_type(a) == RTA_DST && mnl_attr_get_payload_len(a) == 16)
			memcpy(prefix.addr.b, mnl_attr_get_payload(a), 16);
		else if (mnl_attr_get_type(a) == RTA_OIF)
			ifindex = mnl_attr_get_u32(a);
	}
	purge->route[purge->n].prefix = prefix;
	purge->route[purge->n].kind =
		rtm->rtm_type == RTN_UNICAST ? RTNL_ROUTE_ON_LINK : RTNL_ROUTE_UNREACHABLE;
	purge->route[purge->n++].ifindex = ifindex;
	return MNL_CB_OK;
}

static int purge_some(struct mnl_socket *nl, struct purge *purge)
{
	uint8_t buffer[256];
	struct nlmsghdr *nlh = request(buffer, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int e;

	rtm->rtm_family = AF_INET6;
	purge->n = 0;
	e = rtnl_talk(nl, nlh, on_ours, purge);
	for (size_t i = 0; e == 0 && i < purge->n; i++)
		e = change_route(nl, RTM_DELROUTE, 0, purge->route[i].kind, &purge->route[i].prefix,
				 purge->route[i].ifindex);
	return e;
}

int rtnl_routes_purge(void)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct purge purge;
	int e = nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 ? 0 : -errno;

	do {
		if (e == 0)
			e = purge_some(nl, &purge);
	} while (e == 0 && purge.n > 0);
	if (nl)
		mnl_socket_close(nl);
	return e;
}

uint32_t rtnl_ifindex(const char *name)
{
	return if_nametoindex(name);
}
