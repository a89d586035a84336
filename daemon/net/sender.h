/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Raw sockets that send by one device each; internal to net/. Naming the device in IPV6_PKTINFO is
 * only a wish: beside a route of better metric the kernel takes that one. A socket bound to the
 * device is the way to be sure. These sockets receive nothing.
 */
#ifndef MAGPIE_NET_SENDER_H
#define MAGPIE_NET_SENDER_H

#include <stdint.h>

struct sender;

int sender_open(int protocol, struct sender **ret_sender);
void sender_close(struct sender *sender);
/* The socket for a device, made when first asked for. Negative errno. */
int sender_fd(struct sender *sender, uint32_t ifindex);

#endif
