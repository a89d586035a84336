/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet.h: the smallest packet of a flow that the programs' parser takes for one.
 */
#include "app/packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/addr.h"

struct flow {
	struct ip_addr src, dst;
	uint8_t proto;
	uint8_t dscp;
	uint16_t sport, dport;
};

static const struct {
	const char *name;
	uint8_t number;
	uint8_t header; /* octets of the transport header */
} protocols[] = {
	{"tcp", IPPROTO_TCP, 20},    {"udp", IPPROTO_UDP, 8},	    {"sctp", IPPROTO_SCTP, 12},
	{"icmp", IPPROTO_ICMPV6, 8}, {"icmpv6", IPPROTO_ICMPV6, 8},
};

static int get_address(struct json_object *request, const char *name, struct ip_addr *ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(request, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return -EINVAL;
	return ip_parse(json_object_get_string(value), ret);
}

/* Absent is 0. */
static int get_number(struct json_object *request, const char *name, int max, int *ret)
{
	struct json_object *value;

	*ret = 0;
	if (!json_object_object_get_ex(request, name, &value))
		return 0;
	*ret = json_object_get_int(value);
	return json_object_is_type(value, json_type_int) && *ret >= 0 && *ret <= max ? 0 : -EINVAL;
}

static int get_protocol(struct json_object *request, uint8_t *ret)
{
	struct json_object *value;
	int n;

	if (!json_object_object_get_ex(request, "proto", &value))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (json_object_is_type(value, json_type_string) &&
		    strcmp(json_object_get_string(value), protocols[i].name) == 0) {
			*ret = protocols[i].number;
			return 0;
		}
	}
	if (get_number(request, "proto", 255, &n) < 0)
		return -EINVAL;
	*ret = (uint8_t)n;
	return 0;
}

static int read_flow(struct json_object *request, struct flow *f, const char **ret_error)
{
	int sport, dport, dscp;

	*ret_error = "\"src\" is no address";
	if (get_address(request, "src", &f->src) < 0)
		return -EINVAL;
	*ret_error = "\"dst\" is no address";
	if (get_address(request, "dst", &f->dst) < 0)
		return -EINVAL;
	*ret_error = "\"src\" and \"dst\" are of different families";
	if (ip_is_v4(&f->src) != ip_is_v4(&f->dst))
		return -EINVAL;
	*ret_error = "\"proto\" is neither a known name nor 0..255";
	if (get_protocol(request, &f->proto) < 0)
		return -EINVAL;
	*ret_error = "\"sport\" and \"dport\" are 0..65535, \"dscp\" is 0..63";
	if (get_number(request, "sport", 65535, &sport) < 0 ||
	    get_number(request, "dport", 65535, &dport) < 0 ||
	    get_number(request, "dscp", 63, &dscp) < 0)
		return -EINVAL;
	f->sport = (uint16_t)sport;
	f->dport = (uint16_t)dport;
	f->dscp = (uint8_t)dscp;
	if (ip_is_v4(&f->src) && f->proto == IPPROTO_ICMPV6)
		f->proto = IPPROTO_ICMP;
	return 0;
}

static unsigned int put_transport(uint8_t *p, const struct flow *f)
{
	unsigned int len = 8;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (protocols[i].number == f->proto)
			len = protocols[i].header;
	}
	p[0] = (uint8_t)(f->sport >> 8);
	p[1] = (uint8_t)f->sport;
	p[2] = (uint8_t)(f->dport >> 8);
	p[3] = (uint8_t)f->dport;
	if (f->proto == IPPROTO_TCP) {
		p[12] = 5 << 4; /* data offset */
		p[13] = 0x10;	/* ACK: in the middle of a connection */
	} else if (f->proto == IPPROTO_UDP) {
		p[5] = 8; /* length */
	} else if (f->proto == IPPROTO_ICMPV6 || f->proto == IPPROTO_ICMP) {
		p[0] = f->proto == IPPROTO_ICMP ? 8
						: 128; /* echo request; sport is its identifier */
		p[1] = p[2] = p[3] = 0;
		p[4] = (uint8_t)(f->sport >> 8);
		p[5] = (uint8_t)f->sport;
	}
	return len;
}

static void put_v4_checksum(uint8_t *p)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < 20; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	p[10] = (uint8_t)(~sum >> 8);
	p[11] = (uint8_t)~sum;
}

int packet_from_request(struct json_object *request, uint8_t packet[PACKET_MAX],
			const char **ret_error)
{
	struct flow f;
	unsigned int payload;

	if (read_flow(request, &f, ret_error) < 0)
		return -EINVAL;
	memset(packet, 0, PACKET_MAX);
	if (ip_is_v4(&f.src)) {
		payload = put_transport(packet + 20, &f);
		packet[0] = 0x45;
		packet[1] = (uint8_t)(f.dscp << 2);
		packet[3] = (uint8_t)(20 + payload);
		packet[8] = 64;
		packet[9] = f.proto;
		memcpy(packet + 12, f.src.b + 12, 4);
		memcpy(packet + 16, f.dst.b + 12, 4);
		put_v4_checksum(packet);
		return (int)(20 + payload);
	}
	payload = put_transport(packet + 40, &f);
	packet[0] = (uint8_t)(0x60 | f.dscp >> 2);
	packet[1] = (uint8_t)((f.dscp & 3) << 6);
	packet[5] = (uint8_t)payload;
	packet[6] = f.proto;
	packet[7] = 64;
	memcpy(packet + 8, f.src.b, 16);
	memcpy(packet + 24, f.dst.b, 16);
	return (int)(40 + payload);
}
