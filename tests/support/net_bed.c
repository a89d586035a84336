/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * net_bed.h. The far namespace has a name in a /run of the process's own, so that `ip -n` and `ip
 * netns exec` know it and nobody else does.
 */
#include "tests/support/net_bed.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 5

static void die(const char *what)
{
	perror(what);
	abort();
}

static void shell(const char *command)
{
	if (system(command) != 0) { /* NOLINT(cert-env33-c): a test's own fixed commands */
		fprintf(stderr, "failed: %s\n", command);
		abort();
	}
}

void nbed_ip(const char *arguments)
{
	char command[512];

	snprintf(command, sizeof(command), "ip %s", arguments);
	shell(command);
}

void nbed_ip_far(const char *arguments)
{
	char command[512];

	snprintf(command, sizeof(command), "ip -n far %s", arguments);
	shell(command);
}

void nbed_sysctl_far(const char *name, const char *value)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "ip netns exec far sh -c 'echo %s >/proc/sys/net/ipv6/%s'", value, name);
	shell(command);
}

bool nbed_says(const char *command, const char *needle)
{
	char output[16384];
	FILE *f = popen(command, "re"); /* NOLINT(cert-env33-c): likewise */
	size_t n;

	if (!f)
		die("popen");
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	pclose(f);
	return strstr(output, needle) != NULL;
}

static int own_namespace(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("/proc/self/ns/net");
	return fd;
}

static void enter(int fd)
{
	if (setns(fd, CLONE_NEWNET) < 0)
		die("setns");
}

void nbed_enter_far(const struct nbed *bed)
{
	enter(bed->far_fd);
}

void nbed_leave_far(const struct nbed *bed)
{
	enter(bed->here_fd);
}

static void make_namespaces(struct nbed *bed)
{
	if (unshare(CLONE_NEWNS) < 0)
		die("unshare (root is needed)");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bed", "/run", "tmpfs", 0, "size=1m") < 0 || mkdir("/run/netns", 0755) < 0)
		die("mount");
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	bed->far_fd = own_namespace();
	close(open("/run/netns/far", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	if (mount("/proc/self/ns/net", "/run/netns/far", NULL, MS_BIND, NULL) < 0)
		die("mount of a namespace");
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	bed->here_fd = own_namespace();
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer; /* it only ends the wait of a turn */
}

void nbed_init(struct nbed *bed)
{
	static const char no_dad[] = "for f in accept_dad dad_transmits router_solicitations; do "
				     "echo 0 >/proc/sys/net/ipv6/conf/default/$f; done";
	char command[256];

	memset(bed, 0, sizeof(*bed));
	make_namespaces(bed);
	shell(no_dad);
	snprintf(command, sizeof(command), "ip netns exec far sh -c '%s'", no_dad);
	shell(command);
	nbed_ip("link set lo up");
	nbed_ip_far("link set lo up");
	nbed_ip("link add w0 address " NBED_MAC_HERE " type veth peer name w1 address " NBED_MAC_FAR
		" netns far");
	nbed_ip("address add " NBED_HERE "/64 dev w0 nodad");
	nbed_ip_far("address add " NBED_FAR "/64 dev w1 nodad");
	nbed_ip("link set w0 up");
	nbed_ip_far("link set w1 up");
	/* a link that has just come up is not ready at once; this also makes the two neighbours */
	shell("for i in 1 2 3 4 5 6 7 8 9 10; do "
	      "ping -6 -q -c 1 -W 1 " NBED_FAR " >/dev/null 2>&1 && exit 0; done; exit 1");

	uv_loop_init(&bed->loop);
	uv_timer_init(&bed->loop, &bed->tick);
	uv_timer_start(&bed->tick, on_tick, TICK_MS, TICK_MS);
}

void nbed_fini(struct nbed *bed)
{
	uv_close((uv_handle_t *)&bed->tick, NULL);
	for (int i = 0; i < 100 && uv_run(&bed->loop, UV_RUN_NOWAIT) != 0; i++)
		continue;
	if (uv_loop_close(&bed->loop) != 0) {
		fprintf(stderr, "the loop still has handles\n");
		abort();
	}
	close(bed->here_fd);
	close(bed->far_fd);
}

int nbed_far_packets(const struct nbed *bed)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6)};
	int fd;

	nbed_enter_far(bed);
	address.sll_ifindex = (int)if_nametoindex("w1");
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("packet socket");
	nbed_leave_far(bed);
	return fd;
}

uint64_t nbed_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void nbed_turn(struct nbed *bed)
{
	uv_run(&bed->loop, UV_RUN_ONCE);
}

struct ip_addr nbed_addr(const char *text)
{
	struct ip_addr addr;

	if (ip_parse(text, &addr) < 0)
		die(text);
	return addr;
}
