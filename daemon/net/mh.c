/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One raw socket serves all peers. The kernel fills in and verifies the Mobility Header's checksum
 * (IPV6_CHECKSUM). Messages are read and written in batches; each leaves from the address and by
 * the device its peer names, so that a path's message takes that path.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/convert.h"
#include "net/sender.h"
#include "util/log.h"

#define BATCH		   64
#define QUEUE_MAX	   4096
#define RECEIVE_BYTES	   (8 << 20)
#define MH_CHECKSUM_OFFSET 4

struct slot {
	uint8_t octets[MH_MAX];
	struct sockaddr_in6 address;
	struct iovec iov;
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
};

struct queued {
	struct core_peer to;
	uint16_t len;
	uint8_t octets[MH_MAX];
};

struct mh_socket {
	uv_poll_t poll;
	int fd;
	struct sender *sender;
	struct mh_handler handler;
	struct mh_socket_counts counts;
	struct slot slot[BATCH];
	struct mmsghdr msg[BATCH];
	struct queued *queue; /* QUEUE_MAX, a ring */
	size_t head, count;
	bool waiting; /* for the socket to take more */
};

static struct log_limit send_limit;

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct mh_socket *s)
{
	uv_poll_start(&s->poll, UV_READABLE | (s->waiting ? UV_WRITABLE : 0), on_ready);
}

static void prepare_slots(struct mh_socket *s)
{
	for (size_t i = 0; i < BATCH; i++) {
		struct slot *slot = &s->slot[i];

		slot->iov = (struct iovec){slot->octets, sizeof(slot->octets)};
		s->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &slot->address,
			.msg_namelen = sizeof(slot->address),
			.msg_iov = &slot->iov,
			.msg_iovlen = 1,
			.msg_control = slot->control,
			.msg_controllen = sizeof(slot->control),
		};
	}
}

static void take(struct mh_socket *s, struct mmsghdr *m)
{
	const struct sockaddr_in6 *source = m->msg_hdr.msg_name;
	struct core_peer from;
	int hop_limit;

	s->counts.received++;
	get_pktinfo(&m->msg_hdr, &from.local, &from.ifindex, &hop_limit);
	from_in6(&from.remote, &source->sin6_addr);
	if (m->msg_hdr.msg_flags & MSG_TRUNC) {
		s->counts.truncated++;
		return;
	}
	if (!ip_is_global_unicast(&from.remote) || !ip_is_global_unicast(&from.local)) {
		s->counts.not_unicast++;
		return;
	}
	s->handler.message(s->handler.ctx, &from, m->msg_hdr.msg_iov->iov_base, m->msg_len);
}

/* A few batches, then the loop's other work gets its turn. */
static void receive(struct mh_socket *s)
{
	for (int round = 0; round < 8; round++) {
		int n;

		prepare_slots(s);
		n = recvmmsg(s->fd, s->msg, BATCH, MSG_DONTWAIT, NULL);
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++)
			take(s, &s->msg[i]);
		s->handler.batch_end(s->handler.ctx);
		if (n < BATCH)
			return;
	}
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct mh_socket *s = poll->data;

	if (status < 0)
		return;
	if (events & UV_WRITABLE) {
		s->waiting = false;
		mh_socket_flush(s);
	}
	if (events & UV_READABLE)
		receive(s);
}

int mh_socket_send(struct mh_socket *s, const struct core_peer *to, const uint8_t *octets,
		   size_t len)
{
	struct queued *q;

	if (len > MH_MAX)
		return -EMSGSIZE;
	if (s->count == QUEUE_MAX) {
		s->counts.send_errors++;
		return -ENOBUFS;
	}
	q = &s->queue[(s->head + s->count++) % QUEUE_MAX];
	q->to = *to;
	q->len = (uint16_t)len;
	memcpy(q->octets, octets, len);
	return 0;
}

static void drop_first(struct mh_socket *s, int error)
{
	const struct queued *q = &s->queue[s->head];
	char text[IP_TEXT_MAX];

	s->counts.send_errors++;
	log_limited(&send_limit, LOG_LEVEL_WARNING, "message to %s not sent: %s",
		    ip_text(&q->to.remote, text), strerror(error));
	s->head = (s->head + 1) % QUEUE_MAX;
	s->count--;
}

/* As many as go by the same device, in one call. */
static int send_batch(struct mh_socket *s)
{
	uint32_t ifindex = s->queue[s->head].to.ifindex;
	int fd = ifindex ? sender_fd(s->sender, ifindex) : s->fd;
	unsigned int n = 0;

	if (fd < 0) {
		errno = -fd;
		return -1;
	}
	prepare_slots(s);
	for (; n < BATCH && n < s->count; n++) {
		struct queued *q = &s->queue[(s->head + n) % QUEUE_MAX];
		struct slot *slot = &s->slot[n];

		if (q->to.ifindex != ifindex)
			break;
		slot->iov = (struct iovec){q->octets, q->len};
		slot->address = (struct sockaddr_in6){.sin6_family = AF_INET6};
		to_in6(&slot->address.sin6_addr, &q->to.remote);
		put_pktinfo(&s->msg[n].msg_hdr, &q->to.local, ifindex);
	}
	return sendmmsg(fd, s->msg, n, MSG_DONTWAIT);
}

void mh_socket_flush(struct mh_socket *s)
{
	while (s->count > 0 && !s->waiting) {
		int n = send_batch(s);

		if (n > 0) {
			s->counts.sent += (uint64_t)n;
			s->head = (s->head + (size_t)n) % QUEUE_MAX;
			s->count -= (size_t)n;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			s->waiting = true;
		} else if (errno != EINTR) {
			drop_first(s, errno);
		}
	}
	watch(s);
}

const struct mh_socket_counts *mh_socket_counts(const struct mh_socket *s)
{
	return &s->counts;
}

static int open_raw(void)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, MH_PROTOCOL);
	int on = 1, offset = MH_CHECKSUM_OFFSET, size = RECEIVE_BYTES;

	if (fd < 0)
		return -errno;
	/* EINVAL: the kernel does it for this protocol in any case, and lets nobody change it */
	if (setsockopt(fd, IPPROTO_RAW, IPV6_CHECKSUM, &offset, sizeof(offset)) < 0 &&
	    errno != EINVAL)
		goto fail;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
		goto fail;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;

fail:
	on = errno;
	close(fd);
	return -on;
}

int mh_socket_open(uv_loop_t *loop, const struct mh_handler *handler, struct mh_socket **ret_sock)
{
	struct mh_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->handler = *handler;
	s->queue = calloc(QUEUE_MAX, sizeof(*s->queue));
	s->fd = s->queue ? open_raw() : -ENOMEM;
	if (s->fd >= 0 && sender_open(MH_PROTOCOL, &s->sender) < 0) {
		close(s->fd);
		s->fd = -ENOMEM;
	}
	if (s->fd < 0) {
		int r = s->fd;

		log_error("cannot open the Mobility Header socket: %s", strerror(-r));
		free(s->queue);
		free(s);
		return r;
	}
	uv_poll_init(loop, &s->poll, s->fd);
	s->poll.data = s;
	watch(s);
	*ret_sock = s;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	struct mh_socket *s = handle->data;

	close(s->fd);
	sender_close(s->sender);
	free(s->queue);
	free(s);
}

void mh_socket_close(struct mh_socket *s)
{
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, closed);
}
