/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Router advertisements (RFC 4861 6.2) of home network prefixes on the LANs of a gateway. A change
 * is sent three times, then every PERIOD_MS; a solicitation from an address is answered to that
 * address at once, within a budget, one from :: by the next multicast. A prefix that left is
 * advertised with lifetime 0 for a while, so that hosts let go of it. Many prefixes are said in
 * several messages (6.2.3), each within the least MTU.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/convert.h"
#include "util/log.h"
#include "wire/octets.h"

#define MAX_PREFIXES	64
#define PERIOD_MS	10000
#define BURST_MS	1000 /* between the first three */
#define BURST		3
#define SOLICITED_MS	100
#define WITHDRAW_ROUNDS 3
#define ANSWERS_PER_S	20
#define A_PACKET	38 /* prefixes: a fragmented message is not read (RFC 6980) */

struct known_prefix {
	struct ip_prefix prefix;
	uint32_t lifetime_s;
	unsigned int withdrawn; /* rounds left of telling that it is gone */
};

struct lan {
	struct ra *ra;
	char name[IFNAMSIZ];
	uv_timer_t timer;
	uint32_t ifindex; /* joined on; 0: not there */
	uint16_t mtu;
	uint16_t router_lifetime_s;
	unsigned int burst;
	unsigned int answers; /* since the last second began */
	uint64_t second;
	size_t n;
	struct known_prefix prefix[MAX_PREFIXES];
	struct lan *next;
};

struct ra {
	uv_loop_t *loop;
	uv_poll_t poll;
	int fd;
	struct lan *lans;
};

static const struct ip_addr all_nodes = {{0xff, 0x02, [15] = 1}};

/* ---- what is said ------------------------------------------------------------------ */

static size_t put_prefix(uint8_t *p, const struct known_prefix *k)
{
	uint32_t lifetime = k->withdrawn ? 0 : k->lifetime_s;

	memset(p, 0, 32);
	p[0] = ND_OPT_PREFIX_INFORMATION;
	p[1] = 4;
	p[2] = k->prefix.len;
	p[3] = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO;
	put_be16(p + 4, (uint16_t)(lifetime >> 16));
	put_be16(p + 6, (uint16_t)lifetime);
	put_be16(p + 8, (uint16_t)(lifetime >> 16));
	put_be16(p + 10, (uint16_t)lifetime);
	memcpy(p + 16, k->prefix.addr.b, 16);
	return 32;
}

static size_t build(const struct lan *lan, size_t first, uint8_t *p)
{
	size_t used = 16;

	memset(p, 0, used);
	p[0] = ND_ROUTER_ADVERT;
	p[4] = 64; /* hop limit for hosts */
	put_be16(p + 6, lan->router_lifetime_s);
	if (lan->mtu) {
		memset(p + used, 0, 8);
		p[used] = ND_OPT_MTU;
		p[used + 1] = 1;
		put_be16(p + used + 6, lan->mtu);
		used += 8;
	}
	for (size_t i = first; i < lan->n && i < first + A_PACKET; i++)
		used += put_prefix(p + used, &lan->prefix[i]);
	return used;
}

static void say_from(struct lan *lan, size_t first, const struct ip_addr *to)
{
	static struct log_limit limit;
	uint8_t packet[16 + 8 + 32 * A_PACKET];
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_scope_id = lan->ifindex};
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
	struct iovec iov = {packet, build(lan, first, packet)};
	struct msghdr msg = {.msg_name = &address,
			     .msg_namelen = sizeof(address),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control};

	to_in6(&address.sin6_addr, to);
	put_pktinfo(&msg, NULL, lan->ifindex);
	if (sendmsg(lan->ra->fd, &msg, MSG_DONTWAIT) < 0)
		log_limited(&limit, LOG_LEVEL_WARNING, "router advertisement on %s: %s", lan->name,
			    strerror(errno));
}

static void say(struct lan *lan, const struct ip_addr *to)
{
	size_t first = 0;

	do {
		say_from(lan, first, to);
		first += A_PACKET;
	} while (first < lan->n);
}

/* ---- when it is said --------------------------------------------------------------- */

static void forget_withdrawn(struct lan *lan)
{
	size_t kept = 0;

	for (size_t i = 0; i < lan->n; i++) {
		struct known_prefix k = lan->prefix[i];

		if (k.withdrawn && --k.withdrawn == 0)
			continue;
		lan->prefix[kept++] = k;
	}
	lan->n = kept;
}

static void on_timer(uv_timer_t *timer)
{
	struct lan *lan = timer->data;

	if (lan->ifindex) {
		say(lan, &all_nodes);
		forget_withdrawn(lan);
	}
	if (lan->burst > 0)
		lan->burst--;
	if (lan->n == 0 && lan->router_lifetime_s == 0 && lan->burst == 0)
		return; /* nothing more to say here */
	uv_timer_start(timer, on_timer, lan->burst ? BURST_MS : PERIOD_MS, 0);
}

static void speak_up(struct lan *lan)
{
	lan->burst = BURST;
	uv_update_time(lan->ra->loop);
	uv_timer_start(&lan->timer, on_timer, 0, 0);
}

static void solicited(struct lan *lan, const struct ip_addr *from)
{
	uint64_t second = uv_now(lan->ra->loop) / 1000;

	if (lan->n == 0 && lan->router_lifetime_s == 0)
		return;
	if (second != lan->second) {
		lan->second = second;
		lan->answers = 0;
	}
	if (lan->answers++ >= ANSWERS_PER_S)
		return;
	if (!ip_is_zero(from))
		say(lan, from);
	else if (uv_timer_get_due_in(&lan->timer) > SOLICITED_MS) /* else it comes soon enough */
		uv_timer_start(&lan->timer, on_timer, SOLICITED_MS, 0);
}

/* RFC 4861 6.1.1: hop limit 255, code 0, options of sound length, no source option from ::. */
static bool is_sound(const uint8_t *p, size_t len, int hop_limit, const struct ip_addr *from)
{
	size_t at = 8;

	if (hop_limit != 255 || len < 8 || p[0] != ND_ROUTER_SOLICIT || p[1] != 0)
		return false;
	while (at < len) {
		size_t size = len - at < 2 ? 0 : (size_t)8 * p[at + 1];

		if (size == 0 || len - at < size)
			return false;
		if (p[at] == ND_OPT_SOURCE_LINKADDR && ip_is_zero(from))
			return false;
		at += size;
	}
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct ra *ra = poll->data;

	(void)events;
	for (int i = 0; status == 0 && i < 64; i++) {
		struct sockaddr_in6 address;
		_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
		uint8_t packet[512];
		struct iovec iov = {packet, sizeof(packet)};
		struct msghdr msg = {.msg_name = &address,
				     .msg_namelen = sizeof(address),
				     .msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control)};
		struct ip_addr from, to;
		uint32_t ifindex;
		int hop_limit;
		ssize_t n = recvmsg(ra->fd, &msg, MSG_DONTWAIT);

		if (n < 0)
			break;
		get_pktinfo(&msg, &to, &ifindex, &hop_limit);
		from_in6(&from, &address.sin6_addr);
		if (!is_sound(packet, (size_t)n, hop_limit, &from))
			continue;
		for (struct lan *lan = ra->lans; lan; lan = lan->next) {
			if (lan->ifindex == ifindex)
				solicited(lan, &from);
		}
	}
}

/* ---- what there is to say ---------------------------------------------------------- */

static void join(struct lan *lan)
{
	struct ipv6_mreq mreq = {.ipv6mr_interface = if_nametoindex(lan->name)};
	struct ip_addr all_routers = {{0xff, 0x02, [15] = 2}};

	lan->ifindex = mreq.ipv6mr_interface;
	if (lan->ifindex == 0)
		return;
	to_in6(&mreq.ipv6mr_multiaddr, &all_routers);
	if (setsockopt(lan->ra->fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &mreq, sizeof(mreq)) < 0 &&
	    errno != EADDRINUSE)
		log_warning("device %s: cannot join all-routers: %s", lan->name, strerror(errno));
}

static struct lan *find_lan(struct ra *ra, const char *name)
{
	struct lan *lan = ra->lans;

	while (lan && strcmp(lan->name, name) != 0)
		lan = lan->next;
	return lan;
}

static struct lan *make_lan(struct ra *ra, const char *name)
{
	struct lan *lan = calloc(1, sizeof(*lan));

	if (!lan)
		return NULL;
	lan->ra = ra;
	memcpy(lan->name, name, strnlen(name, sizeof(lan->name) - 1));
	uv_timer_init(ra->loop, &lan->timer);
	lan->timer.data = lan;
	lan->next = ra->lans;
	ra->lans = lan;
	join(lan);
	return lan;
}

static bool among(const struct ip_prefix *prefix, const struct ra_prefix *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ip_prefix_equal(prefix, &list[i].prefix) && list[i].lifetime_s > 0)
			return true;
	}
	return false;
}

/* The new list: what is wanted, then what has left and is still to be told so. */
static void merge(struct lan *lan, const struct ra_prefix *prefix, size_t n)
{
	struct known_prefix next[MAX_PREFIXES];
	size_t used = 0;

	for (size_t i = 0; i < n && used < MAX_PREFIXES; i++) {
		if (prefix[i].lifetime_s > 0)
			next[used++] =
				(struct known_prefix){prefix[i].prefix, prefix[i].lifetime_s, 0};
	}
	for (size_t i = 0; i < lan->n && used < MAX_PREFIXES; i++) {
		struct known_prefix k = lan->prefix[i];

		if (among(&k.prefix, prefix, n))
			continue;
		if (!k.withdrawn)
			k.withdrawn = WITHDRAW_ROUNDS;
		next[used++] = k;
	}
	memcpy(lan->prefix, next, used * sizeof(next[0]));
	lan->n = used;
}

int ra_set(struct ra *ra, const char *device, const struct ra_prefix *prefix, size_t n,
	   uint16_t mtu, uint16_t router_lifetime_s)
{
	struct lan *lan = find_lan(ra, device);

	if (!lan)
		lan = make_lan(ra, device);
	if (!lan)
		return -ENOMEM;
	lan->mtu = mtu;
	lan->router_lifetime_s = router_lifetime_s;
	merge(lan, prefix, n);
	speak_up(lan);
	return 0;
}

void ra_device_changed(struct ra *ra, const char *device)
{
	struct lan *lan = find_lan(ra, device);

	if (!lan)
		return;
	join(lan);
	speak_up(lan);
}

/* ---- open and close ---------------------------------------------------------------- */

static int open_raw(void)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	int on = 1, hops = 255, off = 0;
	struct icmp6_filter filter;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off)) < 0) {
		on = errno;
		close(fd);
		return -on;
	}
	return fd;
}

int ra_open(uv_loop_t *loop, struct ra **ret_ra)
{
	struct ra *ra = calloc(1, sizeof(*ra));

	if (!ra)
		return -ENOMEM;
	ra->loop = loop;
	ra->fd = open_raw();
	if (ra->fd < 0) {
		int r = ra->fd;

		log_error("cannot open the router advertisement socket: %s", strerror(-r));
		free(ra);
		return r;
	}
	uv_poll_init(loop, &ra->poll, ra->fd);
	ra->poll.data = ra;
	uv_poll_start(&ra->poll, UV_READABLE, on_ready);
	*ret_ra = ra;
	return 0;
}

static void lan_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void closed(uv_handle_t *handle)
{
	struct ra *ra = handle->data;

	close(ra->fd);
	free(ra);
}

void ra_close(struct ra *ra)
{
	while (ra->lans) {
		struct lan *lan = ra->lans;

		ra->lans = lan->next;
		uv_close((uv_handle_t *)&lan->timer, lan_closed);
	}
	uv_poll_stop(&ra->poll);
	uv_close((uv_handle_t *)&ra->poll, closed);
}
