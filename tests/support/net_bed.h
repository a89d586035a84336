/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bed for daemon/net: the test process in a network namespace of its own, another one called
 * "far", a veth pair between them, and a libuv loop for what both sides open. Everything lives in
 * private namespaces and goes with the process. Needs root.
 *
 *   here  w0  2001:db8:a::1/64  ----  w1  2001:db8:a::2/64  far
 *
 * Addresses are usable at once (no DAD). Waits are for conditions, with a deadline.
 */
#ifndef MAGPIE_TESTS_NET_BED_H
#define MAGPIE_TESTS_NET_BED_H

#include <stdbool.h>
#include <uv.h>

#include "wire/addr.h"

#define NBED_HERE     "2001:db8:a::1"
#define NBED_FAR      "2001:db8:a::2"
#define NBED_MAC_HERE "02:00:00:00:00:01"
#define NBED_MAC_FAR  "02:00:00:00:00:02"

struct nbed {
	uv_loop_t loop;
	uv_timer_t tick;
	int here_fd, far_fd; /* namespaces */
};

void nbed_init(struct nbed *bed);
/* Runs the loop to its end; fails the test when handles are left over. */
void nbed_fini(struct nbed *bed);

/* `ip` with arguments, here or far; a failure ends the test. */
void nbed_ip(const char *arguments);
void nbed_ip_far(const char *arguments);
/* Writes below /proc/sys/net/ipv6/ of the far namespace. */
void nbed_sysctl_far(const char *name, const char *value);
/* True when the output of a shell command contains `needle`. */
bool nbed_says(const char *command, const char *needle);

/* What is opened between the two is opened in the far namespace. */
void nbed_enter_far(const struct nbed *bed);
void nbed_leave_far(const struct nbed *bed);

/* A descriptor of a packet socket that sends whole frames by w1; close it. */
int nbed_far_packets(const struct nbed *bed);

uint64_t nbed_now_ns(void);
/* One turn of the loop: something happened, or 5 ms. */
void nbed_turn(struct nbed *bed);

/* Turns the loop until the condition holds; fails the test after so many milliseconds. */
#define nbed_await(bed, condition, ms)                                                         \
	do {                                                                                   \
		uint64_t until_ = nbed_now_ns() + (uint64_t)(ms)*1000000;                      \
		while (!(condition)) {                                                         \
			cr_assert_lt(nbed_now_ns(), until_, "not within %d ms: %s", (int)(ms), \
				     #condition);                                              \
			nbed_turn(bed);                                                        \
		}                                                                              \
	} while (0)

struct ip_addr nbed_addr(const char *text);

#endif
