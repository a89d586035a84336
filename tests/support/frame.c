/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See frame.h. */
#include "tests/support/frame.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define IP6_LEN 40
#define IP4_LEN 20

const uint8_t *frame_octets(const struct frame *frame)
{
	return frame->octet + frame->start;
}

void frame_init(struct frame *frame, size_t payload)
{
	size_t i;

	memset(frame, 0, sizeof(*frame));
	frame->start = FRAME_MAX / 4;
	frame->len = payload;
	for (i = 0; i < payload; i++)
		frame->octet[frame->start + i] = (uint8_t)(i * 7 + 3);
}

void frame_push(struct frame *frame, const void *octets, size_t len)
{
	if (len > frame->start)
		abort();
	frame->start -= len;
	frame->len += len;
	memcpy(frame->octet + frame->start, octets, len);
}

static void put16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void put32(uint8_t *to, uint32_t value)
{
	put16(to, (uint16_t)(value >> 16));
	put16(to + 2, (uint16_t)value);
}

uint16_t frame_checksum(const void *octets, size_t len, uint32_t sum)
{
	const uint8_t *o = octets;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)o[i] << 8 | o[i + 1];
	if (len % 2)
		sum += (uint32_t)o[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void frame_udp(struct frame *frame, uint16_t sport, uint16_t dport)
{
	uint8_t udp[8] = {0};

	put16(udp, sport);
	put16(udp + 2, dport);
	put16(udp + 4, (uint16_t)(frame->len + sizeof(udp)));
	frame_push(frame, udp, sizeof(udp));
}

void frame_tcp(struct frame *frame, uint16_t sport, uint16_t dport, uint8_t flags)
{
	uint8_t tcp[20] = {0};

	put16(tcp, sport);
	put16(tcp + 2, dport);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	frame_push(frame, tcp, sizeof(tcp));
}

void frame_icmp(struct frame *frame, uint8_t type, uint8_t code, uint32_t rest)
{
	uint8_t icmp[8] = {type, code};

	put32(icmp + 4, rest);
	frame_push(frame, icmp, sizeof(icmp));
	put16(frame->octet + frame->start + 2, frame_checksum(frame_octets(frame), frame->len, 0));
}

void frame_addr(const char *text, uint8_t ret_addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET6, text, ret_addr) == 1)
		return;
	memcpy(ret_addr, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, text, ret_addr + 12) != 1)
		abort();
}

static void push_ip6(struct frame *frame, const struct ip_fields *ip)
{
	uint8_t head[IP6_LEN] = {0};

	put32(head, 6U << 28 | (uint32_t)ip->tos << 20 | ip->label);
	put16(head + 4, (uint16_t)frame->len);
	head[6] = ip->proto;
	head[7] = ip->hop_limit ? ip->hop_limit : 64;
	frame_addr(ip->src, head + 8);
	frame_addr(ip->dst, head + 24);
	frame_push(frame, head, sizeof(head));
}

static void push_ip4(struct frame *frame, const struct ip_fields *ip)
{
	uint8_t head[IP4_LEN] = {0x45, ip->tos}, addr[16];

	put16(head + 2, (uint16_t)(frame->len + sizeof(head)));
	put16(head + 4, ip->id);
	put16(head + 6, ip->frag);
	head[8] = ip->hop_limit ? ip->hop_limit : 64;
	head[9] = ip->proto;
	frame_addr(ip->src, addr);
	memcpy(head + 12, addr + 12, 4);
	frame_addr(ip->dst, addr);
	memcpy(head + 16, addr + 12, 4);
	put16(head + 10, frame_checksum(head, sizeof(head), 0));
	frame_push(frame, head, sizeof(head));
}

void frame_ip(struct frame *frame, const struct ip_fields *ip)
{
	if (ip->family == 6)
		push_ip6(frame, ip);
	else
		push_ip4(frame, ip);
}

void frame_eth(struct frame *frame, const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
	uint8_t eth[14];

	memcpy(eth, dst, 6);
	memcpy(eth + 6, src, 6);
	put16(eth + 12, type);
	frame_push(frame, eth, sizeof(eth));
}

void frame_pad(struct frame *frame, size_t len)
{
	if (frame->len < len)
		frame->len = len;
}
