/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A device as the emulator wants it: every frame, as a wire would carry it. The sender's
 * segmentation and checksum offload are the lab's to switch off; merging on arrival is switched off
 * here.
 */
#include "tools/lab/wan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BYTES (64 << 20)

/* A veth polls its ring, which redirected frames arrive in, while it has a program; this one
 * passes. */
static int attach_pass(int ifindex)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int prog = bpf_prog_load(BPF_PROG_TYPE_XDP, "wan_pass", "GPL", insns, 2, NULL);
	int link;

	if (prog < 0)
		return prog;
	link = bpf_link_create(prog, ifindex, BPF_XDP, &opts);
	close(prog);
	return link < 0 ? link : 0; /* the link is the process's: it goes with it */
}

static int merging_off(int fd, const char *name)
{
	struct ethtool_value value = {.cmd = ETHTOOL_SGRO};
	struct ifreq req = {.ifr_data = (char *)&value};

	memcpy(req.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	return ioctl(fd, SIOCETHTOOL, &req) < 0 ? -errno : 0;
}

static int open_socket(int ifindex)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = __builtin_bswap16(ETH_P_ALL),
				      .sll_ifindex = ifindex};
	struct packet_mreq promiscuous = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	int on = 1, size = SOCKET_BYTES, r;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) <
		    0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int wan_open_device(const char *name, bool napi)
{
	int ifindex = (int)if_nametoindex(name);
	int fd = ifindex ? open_socket(ifindex) : -ENODEV;
	int r = fd < 0 ? fd : 0;

	if (r == 0 && napi)
		r = attach_pass(ifindex);
	if (r == 0) /* behind the program, which switches it on */
		r = merging_off(fd, name);
	if (r < 0) {
		fprintf(stderr, "wan: device %s: %s\n", name, strerror(-r));
		if (fd >= 0)
			close(fd);
		return r;
	}
	return fd;
}
