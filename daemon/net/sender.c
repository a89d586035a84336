/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sender.h. Sockets are kept for as long as the daemon runs: devices are few. */
#include "net/sender.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

struct device_socket {
	uint32_t ifindex;
	int fd;
	struct device_socket *next;
};

struct sender {
	int protocol;
	struct device_socket *first; /* few: a host has few WANs */
};

int sender_open(int protocol, struct sender **ret_sender)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->protocol = protocol;
	*ret_sender = s;
	return 0;
}

void sender_close(struct sender *s)
{
	if (!s)
		return;
	while (s->first) {
		struct device_socket *d = s->first;

		s->first = d->next;
		close(d->fd);
		free(d);
	}
	free(s);
}

static int open_bound(int protocol, uint32_t ifindex)
{
	struct sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog filter = {1, &nothing};
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	int index = (int)ifindex, r;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int sender_fd(struct sender *s, uint32_t ifindex)
{
	struct device_socket *d;
	int fd;

	for (d = s->first; d; d = d->next) {
		if (d->ifindex == ifindex)
			return d->fd;
	}
	fd = open_bound(s->protocol, ifindex);
	if (fd < 0)
		return fd;
	d = calloc(1, sizeof(*d));
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	d->ifindex = ifindex;
	d->fd = fd;
	d->next = s->first;
	s->first = d;
	return fd;
}
