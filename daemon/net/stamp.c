/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * STAMP (RFC 8762), unauthenticated mode, inside the tunnels: session-sender for the paths that
 * were added, session-reflector for every tunnel of ours. The packet format is the RFC's; what is
 * around it (inner IPv6 and UDP headers between the tunnel's own addresses) is built and checked
 * here, because the raw socket takes the tunnel packet as it is. The sender's timestamp carries
 * random low bits and is the nonce: an answer that was not caused by a probe of ours matches none.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "net/convert.h"
#include "net/sender.h"
#include "util/log.h"
#include "wire/octets.h"

#define STAMP_PORT     862
#define SENDER_PORT    50862
#define STAMP_SIZE     44
#define PROBE_SIZE     (40 + 8 + STAMP_SIZE)
#define NTP_OFFSET     2208988800U /* seconds from 1900 to 1970 */
#define RANDOM_BITS    0xfffU	   /* about 1 us of the timestamp's fraction */
#define ERROR_ESTIMATE 0x0001	   /* not synchronised to an external source, multiplier 1 */
#define REFLECT_BURST  100	   /* answers per tunnel and second */

struct key {
	struct ip_addr local;
	struct ip_addr remote;
};

struct tunnel {
	uint32_t id;
	uint32_t ifindex;
	struct key key;
	struct health health;
	uint32_t round;	   /* of the walk that has been here */
	UT_hash_handle hh; /* by id */
	UT_hash_handle hh_key;
};

struct budget { /* of a pair that is reflected */
	uint64_t second;
	uint32_t used;
};

#define RECEIVE_MAX 256 /* packets in one go */
#define BUDGETS	    1024

struct stamp {
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t timer;
	int fd;
	struct sender *sender;
	unsigned int open_handles;
	struct health_config config;
	struct stamp_handler handler;
	struct tunnel *tunnels;
	struct tunnel *by_key;
	uint32_t round;		       /* of the walk under way over the tunnels */
	uint32_t version;	       /* counts the tunnels that went */
	struct budget budget[BUDGETS]; /* by hash of the pair: strangers cannot make it grow */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CORE_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* NTP format: 32 bits of seconds since 1900, 32 bits of fraction (RFC 8762 4.2.1). */
static uint64_t ntp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ((uint64_t)ts.tv_sec + NTP_OFFSET) << 32 |
	       ((uint64_t)ts.tv_nsec << 32) / CORE_NSEC_PER_SEC;
}

static uint64_t new_nonce(void)
{
	uint16_t noise = 0;

	uv_random(NULL, NULL, &noise, sizeof(noise), 0, NULL);
	return (ntp_now() & ~(uint64_t)RANDOM_BITS) | (noise & RANDOM_BITS);
}

/* ---- the inner packet -------------------------------------------------------------- */

/* Over the pseudo-header and the datagram; 0 when it is right. */
static uint16_t udp_checksum(const uint8_t *packet)
{
	uint32_t sum = IPPROTO_UDP + 8 + STAMP_SIZE;

	for (unsigned int i = 8; i < PROBE_SIZE; i += 2)
		sum += get_be16(packet + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_headers(uint8_t *packet, const struct ip_addr *local, const struct ip_addr *remote,
			uint16_t sport, uint16_t dport)
{
	uint16_t sum;

	memset(packet, 0, 48);
	packet[0] = 0x60;
	put_be16(packet + 4, 8 + STAMP_SIZE);
	packet[6] = IPPROTO_UDP;
	packet[7] = 255;
	memcpy(packet + 8, local->b, 16);
	memcpy(packet + 24, remote->b, 16);
	put_be16(packet + 40, sport);
	put_be16(packet + 42, dport);
	put_be16(packet + 44, 8 + STAMP_SIZE);
	sum = udp_checksum(packet);
	put_be16(packet + 46, sum ? sum : 0xffff);
}

/* Whole, between the tunnel's own addresses, checksum right. */
static bool is_sound(const uint8_t *packet, size_t len, const struct core_peer *from)
{
	if (len < PROBE_SIZE || packet[0] >> 4 != 6 || packet[6] != IPPROTO_UDP)
		return false;
	if (get_be16(packet + 4) != 8 + STAMP_SIZE || get_be16(packet + 44) != 8 + STAMP_SIZE)
		return false;
	if (memcmp(packet + 8, from->remote.b, 16) != 0 ||
	    memcmp(packet + 24, from->local.b, 16) != 0)
		return false;
	return udp_checksum(packet) == 0;
}

static void send_inner(struct stamp *s, const struct core_peer *to, const uint8_t *packet)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
	struct iovec iov = {(void *)packet, PROBE_SIZE};
	struct msghdr msg = {.msg_name = &address,
			     .msg_namelen = sizeof(address),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control};

	int fd = to->ifindex ? sender_fd(s->sender, to->ifindex) : s->fd;

	to_in6(&address.sin6_addr, &to->remote);
	put_pktinfo(&msg, &to->local, to->ifindex);
	if (fd < 0 || sendmsg(fd, &msg, MSG_DONTWAIT) < 0)
		return; /* a probe that is not sent is a probe that is not answered */
}

/* ---- sender ------------------------------------------------------------------------ */

static void probe(struct stamp *s, struct tunnel *t, uint32_t sequence, uint64_t nonce)
{
	struct core_peer to = {t->key.local, t->key.remote, t->ifindex};
	uint8_t packet[PROBE_SIZE] = {0};
	uint8_t *p = packet + 48;

	put_be16(p, (uint16_t)(sequence >> 16));
	put_be16(p + 2, (uint16_t)sequence);
	put_be64(p + 4, nonce);
	put_be16(p + 12, ERROR_ESTIMATE);
	put_headers(packet, &t->key.local, &t->key.remote, SENDER_PORT, STAMP_PORT);
	send_inner(s, &to, packet);
}

static void judge(struct stamp *s, struct tunnel *t, uint64_t now)
{
	if (health_judge(&t->health, &s->config, now))
		s->handler.state(s->handler.ctx, t->id, t->health.state);
}

static void on_timer(uv_timer_t *timer);

static void rearm(struct stamp *s)
{
	uint64_t next = CORE_NEVER, now = now_ns();
	struct tunnel *t, *tmp;

	HASH_ITER (hh, s->tunnels, t, tmp) {
		uint64_t at = health_next_ns(&t->health, &s->config);

		next = at < next ? at : next;
	}
	if (next == CORE_NEVER) {
		uv_timer_stop(&s->timer);
		return;
	}
	uv_update_time(s->loop);
	uv_timer_start(&s->timer, on_timer, next <= now ? 0 : (next - now + 999999) / 1000000, 0);
}

static void receive(struct stamp *s);

static void serve(struct stamp *s, struct tunnel *t)
{
	uint64_t now = now_ns();
	uint64_t nonce = new_nonce();
	uint32_t sequence;

	while (health_probe_due(&t->health, &s->config, now, nonce, &sequence))
		probe(s, t, sequence, nonce);
	judge(s, t, now);
}

/*
 * Who is told of a path's state may remove others; then the walk begins anew, past those it has
 * been at.
 */
static void on_timer(uv_timer_t *timer)
{
	struct stamp *s = timer->data;
	struct tunnel *t, *tmp;
	uint32_t version;

	receive(s); /* what has arrived counts, however late we are ourselves */
	s->round++;
	do {
		version = s->version;
		HASH_ITER (hh, s->tunnels, t, tmp) {
			if (t->round == s->round)
				continue;
			t->round = s->round;
			serve(s, t);
			if (version != s->version)
				break;
		}
	} while (version != s->version);
	rearm(s);
}

static struct tunnel *find(struct stamp *s, const struct core_peer *from)
{
	struct key key = {from->local, from->remote};
	struct tunnel *t;

	HASH_FIND(hh_key, s->by_key, &key, sizeof(key), t);
	return t;
}

/* RFC 8762 4.3.1: the reflector repeats our sequence number and timestamp at 24 and 28. */
static void take_answer(struct stamp *s, const struct core_peer *from, const uint8_t *p)
{
	struct tunnel *t = find(s, from);
	uint32_t sequence = (uint32_t)get_be16(p + 24) << 16 | get_be16(p + 26);
	uint64_t now = now_ns();

	if (!t)
		return;
	if (health_answer(&t->health, &s->config, now, sequence, get_be64(p + 28)))
		judge(s, t, now);
}

/* ---- reflector --------------------------------------------------------------------- */

static bool within_budget(struct stamp *s, const struct core_peer *from)
{
	uint32_t h = 2166136261U;
	struct budget *b;
	uint64_t second = now_ns() / CORE_NSEC_PER_SEC;

	for (unsigned int i = 0; i < 16; i++)
		h = (h ^ from->remote.b[i] ^ (uint32_t)from->local.b[i] << 8) * 16777619U;
	b = &s->budget[h % BUDGETS];
	if (b->second != second)
		*b = (struct budget){.second = second};
	return b->used++ < REFLECT_BURST;
}

static void reflect(struct stamp *s, const struct core_peer *from, const uint8_t *packet)
{
	const uint8_t *in = packet + 48;
	struct core_peer to = *from;
	struct tunnel *t;
	uint8_t answer[PROBE_SIZE] = {0};
	uint8_t *p = answer + 48;

	if (!s->handler.known(s->handler.ctx, &from->local, &from->remote) ||
	    !within_budget(s, from))
		return;
	memcpy(p, in, 4); /* stateless: our sequence number is the sender's */
	put_be64(p + 4, ntp_now());
	put_be16(p + 12, ERROR_ESTIMATE);
	put_be64(p + 16, ntp_now());
	memcpy(p + 24, in, 14); /* sender's sequence, timestamp, error estimate */
	p[40] = packet[7];	/* sender's hop limit */
	put_headers(answer, &from->local, &from->remote, STAMP_PORT, get_be16(packet + 40));
	t = find(s, from); /* the answer takes the tunnel's own way, not that of the request */
	to.ifindex = t ? t->ifindex : 0;
	send_inner(s, &to, answer);
}

/* ---- socket ------------------------------------------------------------------------ */

static void take(struct stamp *s, const struct core_peer *from, const uint8_t *packet, size_t len)
{
	if (!is_sound(packet, len, from))
		return;
	if (get_be16(packet + 42) == STAMP_PORT)
		reflect(s, from, packet);
	else if (get_be16(packet + 40) == STAMP_PORT && get_be16(packet + 42) == SENDER_PORT)
		take_answer(s, from, packet + 48);
}

static void receive(struct stamp *s)
{
	for (int i = 0; i < RECEIVE_MAX; i++) {
		struct sockaddr_in6 address;
		_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
		uint8_t packet[PROBE_SIZE + 1];
		struct iovec iov = {packet, sizeof(packet)};
		struct msghdr msg = {.msg_name = &address,
				     .msg_namelen = sizeof(address),
				     .msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control)};
		struct core_peer from;
		int hop_limit;
		ssize_t n = recvmsg(s->fd, &msg, MSG_DONTWAIT);

		if (n < 0)
			break;
		get_pktinfo(&msg, &from.local, &from.ifindex, &hop_limit);
		from_in6(&from.remote, &address.sin6_addr);
		take(s, &from, packet, (size_t)n);
	}
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)events;
	if (status == 0)
		receive(poll->data);
}

int stamp_add(struct stamp *s, uint32_t id, const struct ip_addr *local,
	      const struct ip_addr *remote, uint32_t ifindex)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	stamp_remove(s, id);
	t->id = id;
	t->ifindex = ifindex;
	t->key = (struct key){*local, *remote};
	health_start(&t->health, now_ns());
	HASH_ADD(hh, s->tunnels, id, sizeof(t->id), t);
	HASH_ADD(hh_key, s->by_key, key, sizeof(t->key), t);
	rearm(s);
	return 0;
}

void stamp_remove(struct stamp *s, uint32_t id)
{
	struct tunnel *t;

	HASH_FIND(hh, s->tunnels, &id, sizeof(id), t);
	if (!t)
		return;
	s->version++;
	HASH_DELETE(hh, s->tunnels, t);
	HASH_DELETE(hh_key, s->by_key, t);
	free(t);
}

const struct health *stamp_health(const struct stamp *s, uint32_t id)
{
	struct tunnel *t;

	HASH_FIND(hh, s->tunnels, &id, sizeof(id), t);
	return t ? &t->health : NULL;
}

int stamp_open(uv_loop_t *loop, const struct health_config *config,
	       const struct stamp_handler *handler, struct stamp **ret_stamp)
{
	struct stamp *s = calloc(1, sizeof(*s));
	int on = 1;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->config = *config;
	s->handler = *handler;
	s->fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_IPV6);
	if (s->fd < 0 || sender_open(IPPROTO_IPV6, &s->sender) < 0 ||
	    setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0) {
		int r = -errno;

		log_error("cannot open the probe socket: %s", strerror(-r));
		if (s->fd >= 0)
			close(s->fd);
		sender_close(s->sender);
		free(s);
		return r;
	}
	uv_poll_init(loop, &s->poll, s->fd);
	uv_timer_init(loop, &s->timer);
	s->open_handles = 2;
	s->poll.data = s;
	s->timer.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_ready);
	*ret_stamp = s;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	struct stamp *s = handle->data;

	if (--s->open_handles > 0)
		return;
	close(s->fd);
	sender_close(s->sender);
	free(s);
}

void stamp_close(struct stamp *s)
{
	struct tunnel *t, *tmp;

	HASH_ITER (hh, s->tunnels, t, tmp)
		stamp_remove(s, t->id);
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, closed);
	uv_close((uv_handle_t *)&s->timer, closed);
}
