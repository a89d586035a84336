/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Waiting until packets under way have left the programs. The kernel waits for exactly that (an RCU
 * grace period) before the update of a map in a map returns, so an update of one of our own is the
 * wait: some milliseconds, and only when something is to be written that was live a moment ago. One
 * wait covers everything retired before it began.
 */
#include <time.h>
#include <unistd.h>

#include "plane/state.h"
#include "util/log.h"

#define SURELY_UNREAD_NS 1000000000U /* no run of a program takes this long */

uint64_t plane_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

int plane_grace_open(struct plane *p)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	p->grace_inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "magpie_gr_in", 4, 4, 1, NULL);
	if (p->grace_inner_fd < 0)
		return -errno;
	opts.inner_map_fd = (uint32_t)p->grace_inner_fd;
	p->grace_outer_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "magpie_grace", 4, 4, 1, &opts);
	return p->grace_outer_fd < 0 ? -errno : 0;
}

void plane_grace_close(struct plane *p)
{
	if (p->grace_outer_fd > 0)
		close(p->grace_outer_fd);
	if (p->grace_inner_fd > 0)
		close(p->grace_inner_fd);
}

/* The kernel has no memory for the update: time does it, too. */
static void wait_it_out(uint64_t retired_ns)
{
	uint64_t until = retired_ns + SURELY_UNREAD_NS;
	struct timespec ts = {.tv_sec = (time_t)(until / 1000000000U),
			      .tv_nsec = (long)(until % 1000000000U)};

	log_warning("data plane: cannot wait for a grace period: %s; waiting a second",
		    strerror(errno));
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR) {
	}
}

void plane_grace(struct plane *p, uint64_t retired_ns)
{
	uint64_t began = plane_now_ns();
	uint32_t zero = 0;

	if (retired_ns == 0 || retired_ns < p->grace_ns || began - retired_ns > SURELY_UNREAD_NS)
		return;
	if (bpf_map_update_elem(p->grace_outer_fd, &zero, &p->grace_inner_fd, BPF_ANY) < 0)
		wait_it_out(retired_ns);
	else
		p->grace_ns = began;
}
