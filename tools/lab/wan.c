/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The emulator's loop: packet sockets in, a queue per direction, packet sockets out, in batches;
 * and its control socket. What happens to a frame is wan_queue.c's.
 */
#include "tools/lab/wan.h"

#include <errno.h>
#include <linux/if_packet.h>
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

#define NSEC 1000000000U

struct direction {
	int in, out;
	struct wan_queue queue;
};

struct wan {
	struct direction dir[2];
	int control, timer, signals;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/* ---- frames ------------------------------------------------------------------------ */

static void take(struct direction *d)
{
	struct mmsghdr msg[WAN_BATCH];
	struct iovec iov[WAN_BATCH];
	int n;

	for (size_t i = 0; i < WAN_BATCH; i++) {
		iov[i] = (struct iovec){wan_queue_slot(&d->queue, i)->octets, WAN_FRAME_MAX};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	/* MSG_TRUNC: the true length of a frame that does not fit */
	n = recvmmsg(d->in, msg, WAN_BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (n <= 0)
		return;
	for (size_t i = 0; i < (size_t)n; i++)
		wan_queue_slot(&d->queue, i)->len = msg[i].msg_len;
	wan_queue_take(&d->queue, (size_t)n, now_ns());
}

/* Frames that are due, at most a batch; the number that are done with. */
static size_t send_batch(struct direction *d, uint64_t now)
{
	struct mmsghdr msg[WAN_BATCH];
	struct iovec iov[WAN_BATCH];
	const struct wan_frame *f;
	unsigned int n = 0;
	int sent;

	while (n < WAN_BATCH && (f = wan_queue_at(&d->queue, n)) && f->due_ns <= now) {
		iov[n] = (struct iovec){(void *)f->octets, f->len};
		msg[n].msg_hdr = (struct msghdr){.msg_iov = &iov[n], .msg_iovlen = 1};
		n++;
	}
	if (n == 0)
		return 0;
	sent = sendmmsg(d->out, msg, n, MSG_DONTWAIT);
	if (sent > 0) {
		d->queue.count.forwarded += (uint64_t)sent;
	} else {
		if (errno == ENOBUFS || errno == EAGAIN)
			return 0; /* the device is full: a little later */
		d->queue.count.send_errors++;
		sent = 1;
	}
	wan_queue_gone(&d->queue, (size_t)sent);
	return (size_t)sent;
}

static void send_due(struct direction *d)
{
	uint64_t now = now_ns();

	while (send_batch(d, now) > 0)
		;
}

/* ---- control ----------------------------------------------------------------------- */

static void count_kernel_drops(struct direction *d)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(d->in, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		d->queue.count.kernel_drops += stats.tp_drops; /* reading resets it */
}

static void answer_control(struct wan *w)
{
	struct sockaddr_un from;
	socklen_t from_len = sizeof(from);
	char request[512], answer[WAN_ANSWER_MAX];
	struct wan_shape shape[2] = {w->dir[0].queue.shape, w->dir[1].queue.shape};
	ssize_t n = recvfrom(w->control, request, sizeof(request) - 1, MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_len);
	const char *wrong;
	int used;

	if (n < 0)
		return;
	request[n] = '\0';
	wrong = wan_parse(request, shape);
	if (wrong) {
		for (char *c = request + (wrong - request); *c; c++) {
			if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
				*c = '?'; /* it goes into a JSON string */
		}
		used = snprintf(answer, sizeof(answer), "{\"error\":\"cannot read %.60s\"}", wrong);
	} else {
		used = 0;
		for (int i = 0; i < 2; i++) {
			wan_queue_shape(&w->dir[i].queue, &shape[i]);
			count_kernel_drops(&w->dir[i]);
			used += snprintf(answer + used, sizeof(answer) - (size_t)used, "%c",
					 i == 0 ? '{' : ',');
			used += wan_describe(&w->dir[i].queue, i == 0 ? "up" : "down",
					     answer + used, sizeof(answer) - (size_t)used);
		}
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
		const struct wan_frame *f = wan_queue_at(&w->dir[i].queue, 0);

		if (f && f->due_ns < next)
			next = f->due_ns;
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
				take(&w->dir[i]);
		}
		if (fd[2].revents)
			answer_control(w);
		if (fd[3].revents && read(w->timer, &ticks, sizeof(ticks)) < 0)
			return;
		send_due(&w->dir[0]);
		send_due(&w->dir[1]);
		arm(w);
	}
}

int wan_run(const char *device_a, const char *device_b, const char *control, bool napi)
{
	static struct wan w;
	int a = wan_open_device(device_a, napi), b = wan_open_device(device_b, napi);
	uint64_t seed = now_ns();

	w.dir[0].in = w.dir[1].out = a;
	w.dir[1].in = w.dir[0].out = b;
	if (a < 0 || b < 0 || wan_queue_init(&w.dir[0].queue, seed) < 0 ||
	    wan_queue_init(&w.dir[1].queue, ~seed) < 0)
		return 1;
	w.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	w.signals = open_signals();
	w.control = open_control(control); /* last: who waits for it finds all working */
	if (w.control < 0 || w.timer < 0 || w.signals < 0)
		return 1;
	loop(&w);
	unlink(control);
	return 0;
}
