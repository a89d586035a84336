/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between core's addresses and the kernel's, and small socket helpers; internal to net/. */
#ifndef MAGPIE_NET_CONVERT_H
#define MAGPIE_NET_CONVERT_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net.h"

static inline void to_in6(struct in6_addr *to, const struct ip_addr *from)
{
	memcpy(to, from->b, sizeof(*to));
}

static inline void from_in6(struct ip_addr *to, const struct in6_addr *from)
{
	memcpy(to->b, from, sizeof(to->b));
}

/* Room for one IPV6_PKTINFO and one IPV6_HOPLIMIT. */
#define CONTROL_SIZE (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)))

/* Says in msg->msg_control (CONTROL_SIZE octets) from where and by which device it leaves. */
static inline void put_pktinfo(struct msghdr *msg, const struct ip_addr *local, uint32_t ifindex)
{
	struct cmsghdr *c = (struct cmsghdr *)msg->msg_control;
	struct in6_pktinfo info = {.ipi6_ifindex = ifindex};

	if (local)
		to_in6(&info.ipi6_addr, local);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	msg->msg_controllen = CMSG_SPACE(sizeof(info));
}

/* What came: destination and device; hop limit -1 if it was not asked for. */
static inline void get_pktinfo(struct msghdr *msg, struct ip_addr *ret_local, uint32_t *ret_ifindex,
			       int *ret_hop_limit)
{
	memset(ret_local, 0, sizeof(*ret_local));
	*ret_ifindex = 0;
	*ret_hop_limit = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			from_in6(ret_local, &info.ipi6_addr);
			*ret_ifindex = (uint32_t)info.ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
			memcpy(ret_hop_limit, CMSG_DATA(c), sizeof(*ret_hop_limit));
		}
	}
}

#endif
