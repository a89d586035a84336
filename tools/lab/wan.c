/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The emulator's loop: packet sockets in, a FIFO per direction ordered by departure, packet sockets
 * out, in batches. Its devices must have segmentation and checksum offload off, so that frames are
 * what a wire would carry.
 */
#include "tools/lab/wan.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BATCH	     64
#define FRAME_MAX    2048
#define RING	     16384 /* frames under way per direction */
#define QUEUE_BYTES  (256 << 10)
#define SOCKET_BYTES (64 << 20)
#define NSEC	     1000000000U

struct frame {
	uint64_t due_ns;
	uint16_t len;
	uint8_t octets[FRAME_MAX];
};

struct direction {
	int in, out;
	struct wan_shape shape;
	struct wan_count count;
	uint64_t free_ns; /* when the rate lets the next frame begin */
	uint64_t last_due_ns;
	struct frame *ring;
	size_t head, n;
};

struct wan {
	struct direction dir[2];
	int control, timer, signals;
	uint64_t random;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

static uint64_t next_random(struct wan *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* ---- frames ------------------------------------------------------------------------ */

/* When the frame is through; false: it is dropped, and counted. */
static bool schedule(struct wan *w, struct direction *d, size_t len, uint64_t now,
		     uint64_t *ret_due)
{
	const struct wan_shape *s = &d->shape;
	uint64_t due = now;

	if (s->cut) {
		d->count.cut_drops++;
		return false;
	}
	if (s->loss_ppm && next_random(w) % 1000000 < s->loss_ppm) {
		d->count.lost++;
		return false;
	}
	if (s->rate_bps) {
		uint64_t start = d->free_ns > now ? d->free_ns : now;
		uint64_t queued = (uint64_t)((double)(start - now) * (double)s->rate_bps / 8e9);

		if (queued + len > s->queue_bytes) {
			d->count.queue_drops++;
			return false;
		}
		d->free_ns = start + (uint64_t)((double)len * 8e9 / (double)s->rate_bps);
		due = d->free_ns;
	}
	due += s->delay_ns;
	if (s->jitter_ns)
		due += next_random(w) % (s->jitter_ns + 1);
	if (due < d->last_due_ns)
		due = d->last_due_ns;
	d->last_due_ns = due;
	*ret_due = due;
	return true;
}

static void take(struct wan *w, struct direction *d)
{
	static uint8_t octets[BATCH][FRAME_MAX];
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	uint64_t now;
	int n;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){octets[i], FRAME_MAX};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	n = recvmmsg(d->in, msg, BATCH, MSG_DONTWAIT, NULL);
	now = now_ns();
	for (int i = 0; i < n; i++) {
		struct frame *f;
		uint64_t due;

		if (!schedule(w, d, msg[i].msg_len, now, &due))
			continue;
		if (d->n == RING) {
			d->count.queue_drops++;
			continue;
		}
		f = &d->ring[(d->head + d->n++) % RING];
		f->due_ns = due;
		f->len = (uint16_t)msg[i].msg_len;
		memcpy(f->octets, octets[i], msg[i].msg_len);
	}
}

static void send_due(struct direction *d, uint64_t now)
{
	while (d->n > 0 && d->ring[d->head].due_ns <= now) {
		struct mmsghdr msg[BATCH];
		struct iovec iov[BATCH];
		unsigned int n = 0;
		int sent;

		for (; n < BATCH && n < d->n; n++) {
			struct frame *f = &d->ring[(d->head + n) % RING];

			if (f->due_ns > now)
				break;
			iov[n] = (struct iovec){f->octets, f->len};
			msg[n].msg_hdr = (struct msghdr){.msg_iov = &iov[n], .msg_iovlen = 1};
		}
		sent = sendmmsg(d->out, msg, n, MSG_DONTWAIT);
		if (sent <= 0) {
			if (sent < 0 && (errno == ENOBUFS || errno == EAGAIN))
				return; /* the device is full: a little later */
			d->count.send_errors++;
			sent = 1;
		} else {
			d->count.forwarded += (uint64_t)sent;
		}
		d->head = (d->head + (size_t)sent) % RING;
		d->n -= (size_t)sent;
	}
}

/* ---- control ----------------------------------------------------------------------- */

static void count_kernel_drops(struct direction *d)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(d->in, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		d->count.kernel_drops += stats.tp_drops; /* reading resets it */
}

static int describe(struct direction *d, const char *name, char *out, size_t size)
{
	count_kernel_drops(d);
	return snprintf(
		out, size,
		"\"%s\":{\"delay_us\":%llu,\"jitter_us\":%llu,\"loss_ppm\":%u,\"rate_bps\":%llu,"
		"\"cut\":%s,\"under_way\":%zu,\"forwarded\":%llu,\"lost\":%llu,"
		"\"queue_drops\":%llu,\"cut_drops\":%llu,\"kernel_drops\":%llu,"
		"\"send_errors\":%llu}",
		name, (unsigned long long)d->shape.delay_ns / 1000,
		(unsigned long long)d->shape.jitter_ns / 1000, d->shape.loss_ppm,
		(unsigned long long)d->shape.rate_bps, d->shape.cut ? "true" : "false", d->n,
		(unsigned long long)d->count.forwarded, (unsigned long long)d->count.lost,
		(unsigned long long)d->count.queue_drops, (unsigned long long)d->count.cut_drops,
		(unsigned long long)d->count.kernel_drops,
		(unsigned long long)d->count.send_errors);
}

static void answer_control(struct wan *w)
{
	struct sockaddr_un from;
	socklen_t from_len = sizeof(from);
	char request[512], answer[1500];
	struct wan_shape shape[2] = {w->dir[0].shape, w->dir[1].shape};
	ssize_t n = recvfrom(w->control, request, sizeof(request) - 1, MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_len);
	const char *wrong;
	int used;

	if (n < 0)
		return;
	request[n] = '\0';
	wrong = wan_parse(request, shape);
	if (wrong) {
		used = snprintf(answer, sizeof(answer), "{\"error\":\"cannot read %.60s\"}", wrong);
	} else {
		w->dir[0].shape = shape[0];
		w->dir[1].shape = shape[1];
		used = snprintf(answer, sizeof(answer), "{");
		used += describe(&w->dir[0], "up", answer + used, sizeof(answer) - (size_t)used);
		used += snprintf(answer + used, sizeof(answer) - (size_t)used, ",");
		used += describe(&w->dir[1], "down", answer + used, sizeof(answer) - (size_t)used);
		used += snprintf(answer + used, sizeof(answer) - (size_t)used, "}");
	}
	sendto(w->control, answer, (size_t)used, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
}

int wan_ask(const char *control, const char *words, char *answer, size_t size)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX}, from = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n = -1;
	int r;

	if (fd < 0)
		return -errno;
	if (strlen(control) + 12 >= sizeof(to.sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	memcpy(to.sun_path, control, strlen(control) + 1);
	/* in the file system: abstract names do not reach into another network namespace */
	snprintf(from.sun_path, sizeof(from.sun_path), "%s.%d", control, (int)getpid());
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    send(fd, words, strlen(words), 0) >= 0)
		n = recv(fd, answer, size - 1, 0);
	r = n < 0 ? -errno : 0;
	if (n >= 0)
		answer[n] = '\0';
	unlink(from.sun_path);
	close(fd);
	return r;
}

/* ---- set-up and loop --------------------------------------------------------------- */

static int open_device(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = __builtin_bswap16(ETH_P_ALL),
				      .sll_ifindex = (int)if_nametoindex(name)};
	struct packet_mreq promiscuous = {.mr_ifindex = address.sll_ifindex,
					  .mr_type = PACKET_MR_PROMISC};
	int on = 1, size = SOCKET_BYTES;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || address.sll_ifindex == 0)
		goto fail;
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) <
		    0)
		goto fail;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		goto fail;
	return fd;

fail:
	fprintf(stderr, "wan: device %s: %s\n", name, strerror(errno ? errno : ENODEV));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int open_control(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		fprintf(stderr, "wan: %s: %s\n", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void arm(struct wan *w)
{
	uint64_t next = UINT64_MAX;
	struct itimerspec spec = {0};

	for (int i = 0; i < 2; i++) {
		const struct direction *d = &w->dir[i];

		if (d->n > 0 && d->ring[d->head].due_ns < next)
			next = d->ring[d->head].due_ns;
	}
	if (next != UINT64_MAX) {
		uint64_t now = now_ns();

		if (next < now + 20000) /* also when the device was full */
			next = now + 20000;
		spec.it_value.tv_sec = (time_t)(next / NSEC);
		spec.it_value.tv_nsec = (long)(next % NSEC);
	}
	timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void loop(struct wan *w)
{
	struct pollfd fd[5] = {{w->dir[0].in, POLLIN, 0},
			       {w->dir[1].in, POLLIN, 0},
			       {w->control, POLLIN, 0},
			       {w->timer, POLLIN, 0},
			       {w->signals, POLLIN, 0}};
	uint64_t ticks;

	for (;;) {
		if (poll(fd, 5, -1) < 0 && errno != EINTR)
			return;
		if (fd[4].revents)
			return;
		for (int i = 0; i < 2; i++) {
			if (fd[i].revents)
				take(w, &w->dir[i]);
		}
		if (fd[2].revents)
			answer_control(w);
		if (fd[3].revents && read(w->timer, &ticks, sizeof(ticks)) < 0)
			return;
		send_due(&w->dir[0], now_ns());
		send_due(&w->dir[1], now_ns());
		arm(w);
	}
}

int wan_run(const char *device_a, const char *device_b, const char *control)
{
	static struct wan w;
	int a = open_device(device_a), b = open_device(device_b);
	struct wan_shape plain = {.queue_bytes = QUEUE_BYTES};

	w.random = 0x2545f4914f6cdd1dU ^ now_ns();
	w.dir[0] = (struct direction){.in = a, .out = b, .shape = plain};
	w.dir[1] = (struct direction){.in = b, .out = a, .shape = plain};
	w.control = open_control(control);
	w.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	w.signals = open_signals();
	for (int i = 0; i < 2; i++)
		w.dir[i].ring = calloc(RING, sizeof(struct frame));
	if (a < 0 || b < 0 || w.control < 0 || w.timer < 0 || w.signals < 0 || !w.dir[0].ring ||
	    !w.dir[1].ring)
		return 1;
	loop(&w);
	unlink(control);
	return 0;
}
