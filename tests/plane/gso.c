/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP super-packets through the tc program, on real devices: one with a checksum left to the device
 * goes in, segments come out, each whole in its tunnel header. Test runs cannot show this.
 */
#include <criterion/criterion.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/plane_frames.h"

#define SEGMENT 1200
#define PAYLOAD 5000 /* 4 segments of 1200 and one of 200 */
#define ETH	14
#define IP6	40

static int open_device(const char *name, int vnet)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = __builtin_bswap16(3)};
	int fd = socket(AF_PACKET, SOCK_RAW, __builtin_bswap16(3) /* ETH_P_ALL */);

	at.sll_ifindex = (int)if_nametoindex(name);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &vnet, sizeof(vnet)), 0);
	return fd;
}

static void attach(const struct rig *rig, const char *device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .prog_fd = rig->program);

	cr_assert_eq(bpf_tc_hook_create(&hook), 0);
	cr_assert_eq(bpf_tc_attach(&hook, &opts), 0);
}

/* Makes the kernel cut super-packets before they leave by `device`. */
static void no_offload(const char *device)
{
	char command[96];

	snprintf(command, sizeof(command), "ethtool -K %s tx off tso off gso off >/dev/null",
		 device);
	cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): a test's own fixed command */
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Sum of the pseudo header of an IP packet with a TCP payload of `len` octets. */
static uint32_t pseudo(const uint8_t *ip, int family, size_t len)
{
	const uint8_t *addrs = ip + (family == 6 ? 8 : 12);
	uint32_t sum = (uint32_t)len + 6;
	size_t i;

	for (i = 0; i < (family == 6 ? 32U : 8U); i += 2)
		sum += get16(addrs + i);
	return sum;
}

static void send_super(int fd, const struct ip_fields *ip)
{
	const size_t ip_len = ip->family == 6 ? 40 : 20;
	struct {
		struct virtio_net_hdr head;
		uint8_t octet[FRAME_MAX];
	} out = {0};
	uint16_t sum;
	struct frame in;
	uint8_t *tcp;

	frame_init(&in, PAYLOAD);
	frame_tcp(&in, 4000, 80, 0x10);
	frame_ip(&in, ip);
	plane_ether(&in, ip->family);
	tcp = in.octet + in.start + ETH + ip_len;
	sum = (uint16_t)~frame_checksum(
		NULL, 0, pseudo(in.octet + in.start + ETH, ip->family, PAYLOAD + 20));
	tcp[16] = (uint8_t)(sum >> 8);
	tcp[17] = (uint8_t)sum;
	out.head.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	out.head.gso_type = ip->family == 6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	out.head.hdr_len = (uint16_t)(ETH + ip_len + 20);
	out.head.gso_size = SEGMENT;
	out.head.csum_start = (uint16_t)(ETH + ip_len);
	out.head.csum_offset = 16;
	memcpy(out.octet, frame_octets(&in), in.len);
	cr_assert_eq(write(fd, &out, sizeof(out.head) + in.len),
		     (ssize_t)(sizeof(out.head) + in.len));
}

static void check_outer(const uint8_t *frame, size_t len, int family)
{
	const uint8_t *outer = frame + ETH;

	cr_assert_eq(get16(frame + 12), 0x86dd);
	cr_assert_eq(outer[6], family == 6 ? 41 : 4);
	cr_assert_eq(get16(outer + 4), len - ETH - IP6, "outer length %u", get16(outer + 4));
}

/* Checks one inner packet that came out; returns the TCP octets it carries. */
static size_t check_segment(const uint8_t *ip, size_t len, int family, uint8_t hops, uint32_t sent)
{
	const size_t ip_len = family == 6 ? 40 : 20, tcp_len = len - ip_len;
	const uint8_t *tcp = ip + ip_len;
	const uint32_t seq = (uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6);

	cr_assert_eq(ip[family == 6 ? 7 : 8], hops);
	cr_assert_eq(family == 6 ? get16(ip + 4) + 40U : get16(ip + 2), len);
	if (family == 4)
		cr_assert_eq(frame_checksum(ip, 20, 0), 0, "IPv4 checksum");
	cr_assert_eq(frame_checksum(tcp, tcp_len, pseudo(ip, family, tcp_len)), 0, "TCP checksum");
	cr_assert_eq(seq, sent);
	return tcp_len - 20;
}

/* All of a super-packet from `fd`, addressed to `mac`, in the tunnel or out of it. */
static void receive_all(int fd, int family, const uint8_t mac[6], bool tunnelled)
{
	const size_t skip = ETH + (tunnelled ? IP6 : 0);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint8_t frame[FRAME_MAX];
	uint32_t sent = 0;
	unsigned int segments = 0;

	while (sent < PAYLOAD) {
		ssize_t len;

		cr_assert_eq(poll(&wait, 1, 5000), 1, "%u octets came out", sent);
		len = read(fd, frame, sizeof(frame));
		if (len < ETH + IP6 || memcmp(frame, mac, 6) != 0)
			continue; /* neighbour discovery of the devices, and what was sent here */
		if (tunnelled)
			check_outer(frame, (size_t)len, family);
		sent += (uint32_t)check_segment(frame + skip, (size_t)len - skip, family,
						tunnelled ? 63 : 62, sent);
		segments++;
	}
	cr_assert_eq(sent, PAYLOAD);
	cr_assert_eq(segments, 5);
}

Test(gso, encapsulated, .description = "segments keep their size, every one has a whole header")
{
	struct rig *rig = rig_open(RIG_TC, 4096);
	int in, out;
	size_t f;

	rig_scene(rig, MAGPIE_ROLE_MAG);
	attach(rig, "in0");
	no_offload("out0");
	in = open_device("in1", 1);
	out = open_device("out1", 0);
	for (f = 0; f < 2; f++) {
		struct ip_fields ip = plane_up[f];

		ip.proto = 6;
		send_super(in, &ip);
		receive_all(out, ip.family, rig_router_mac, true);
	}
	cr_assert_eq(rig_reason_packets(rig, MAGPIE_REASON_ENCAP), 2);
	close(in);
	close(out);
	rig_close(rig);
}

/*
 * The tunnelled super-packet stays whole on its way to the other end of the same veth, where the
 * program takes it out again: the correspondent is a second gateway's mobile node for once.
 */
Test(gso, there_and_back, .description = "a super-packet leaves its tunnel as one, then is cut")
{
	struct rig *rig = rig_open(RIG_TC, 4096);
	const uint32_t far = if_nametoindex("out1");
	const struct magpie_dev dev = {.ifindex = far, .flags = MAGPIE_DEV_OUTSIDE};
	int in;
	size_t f;

	rig_scene(rig, MAGPIE_ROLE_MAG);
	rig_set(rig, 1)->n = 1;
	rig_path(rig, 4, RIG_LMA, RIG_PCOA_1, 1460);
	rig_bind(rig, 2, 4, 2, BLUE, 1);
	rig_prefix(rig, RIG_CN, 128, 2);
	rig_prefix(rig, RIG_CN_V4, 128, 2);
	rig_put(rig, "magpie_dev", &far, &dev);
	attach(rig, "in0");
	attach(rig, "out1");
	no_offload("in0");
	in = open_device("in1", 1);
	for (f = 0; f < 2; f++) {
		struct ip_fields ip = plane_up[f];
		int back = open_device("in1", 0);

		ip.proto = 6;
		send_super(in, &ip);
		receive_all(back, ip.family, rig_next_mac, false);
		close(back);
	}
	cr_assert_eq(rig_reason_packets(rig, MAGPIE_REASON_DECAP), 2);
	close(in);
	rig_close(rig);
}
