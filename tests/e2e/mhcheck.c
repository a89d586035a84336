/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 *   mhcheck FILE.pcap
 * An independent look at captured Mobility Header messages over IPv6: written from the RFCs, not
 * with our codec. Checks checksum, length, the alignment of each option, padding and reserved bits;
 * prints the number of messages, or the first complaint and exit status 1.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_FRAME 2048

static unsigned int be16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

/* RFC 6275 6.1.1: over the pseudo-header of RFC 8200 8.1 and the message the sum is 0xffff. */
static bool checksum_right(const uint8_t *ip, const uint8_t *mh, size_t len)
{
	uint32_t sum = (uint32_t)len + 135;

	for (size_t i = 8; i < 40; i += 2)
		sum += be16(ip + i);
	for (size_t i = 0; i < len; i += 2)
		sum += be16(mh + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

struct layout {
	uint8_t type;
	uint8_t align_x, align_y; /* RFC section 6.2 of each option's definition */
	uint8_t length;		  /* 0: variable */
	uint8_t zero_at;	  /* offset of a reserved octet from the Type; 0: none */
	const char *name;
};

static const struct layout layouts[] = {
	{3, 8, 6, 16, 0, "Alternate Care-of Address"},
	{8, 1, 0, 0, 0, "Mobile Node Identifier"},
	{22, 8, 4, 18, 2, "Home Network Prefix"},
	{23, 1, 0, 2, 2, "Handoff Indicator"},
	{24, 1, 0, 2, 2, "Access Technology Type"},
	{25, 2, 0, 0, 2, "Mobile Node Link-layer Identifier"},
	{26, 8, 6, 16, 0, "Link-local Address"},
	{27, 8, 2, 8, 0, "Timestamp"},
	{63, 8, 2, 6, 7, "MAG Multipath Binding"},
	{64, 1, 0, 0, 3, "MAG Identifier"},
};

static const char *check_option(const uint8_t *mh, size_t at)
{
	static char complaint[120];
	const struct layout *l = NULL;

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].type == mh[at])
			l = &layouts[i];
	}
	if (!l)
		snprintf(complaint, sizeof(complaint), "option %u is not one that we send", mh[at]);
	else if (at % l->align_x != l->align_y)
		snprintf(complaint, sizeof(complaint), "%s at offset %zu, not %un+%u", l->name, at,
			 l->align_x, l->align_y);
	else if (l->length && mh[at + 1] != l->length)
		snprintf(complaint, sizeof(complaint), "%s of length %u", l->name, mh[at + 1]);
	else if (l->zero_at && mh[at + l->zero_at] != 0)
		snprintf(complaint, sizeof(complaint), "%s: reserved bits are set", l->name);
	else if (l->type == 63 && (mh[at + 5] & 0x3f || (mh[at + 5] & 0xc0) == 0xc0 || mh[at + 6]))
		snprintf(complaint, sizeof(complaint), "%s: reserved bits set, or B and O both",
			 l->name);
	else if (l->type == 63 && (mh[at + 4] == 0 || mh[at + 4] == 255))
		snprintf(complaint, sizeof(complaint), "%s: reserved BID %u", l->name, mh[at + 4]);
	else
		return NULL;
	return complaint;
}

static const char *check_options(const uint8_t *mh, size_t len)
{
	bool padded = false;
	size_t at = 12;

	while (at < len) {
		const char *complaint;
		size_t size = mh[at] == 0 ? 1 : 2u + (at + 1 < len ? mh[at + 1] : 255u);

		if (at + size > len)
			return "an option runs past the end";
		if (mh[at] <= 1) {
			if (padded)
				return "two paddings in a row";
			for (size_t i = 2; i < size; i++) {
				if (mh[at + i])
					return "PadN with content";
			}
			padded = true;
		} else {
			complaint = check_option(mh, at);
			if (complaint)
				return complaint;
			padded = false;
		}
		at += size;
	}
	return NULL;
}

static const char *check_message(const uint8_t *ip, const uint8_t *mh, size_t len)
{
	if (len < 16 || len % 8 != 0)
		return "length is no multiple of 8, or too short";
	if (mh[0] != 59)
		return "Payload Proto is not 59";
	if (8u * (mh[1] + 1u) != len)
		return "Header Len is not the length";
	if (mh[3] != 0)
		return "reserved octet of the header is set";
	if (!checksum_right(ip, mh, len))
		return "checksum is wrong";
	if (mh[2] == 5 && (be16(mh + 8) & 0x8200) != 0x8200)
		return "binding update without the A or P flag";
	if (mh[2] == 6 && (mh[7] & 0x20) == 0)
		return "acknowledgement without the P flag";
	if (mh[2] != 5 && mh[2] != 6)
		return "neither update nor acknowledgement";
	return check_options(mh, len);
}

int main(int argc, char **argv)
{
	uint8_t header[24], record[16], frame[MAX_FRAME];
	FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
	unsigned int n = 0;

	if (!f || fread(header, sizeof(header), 1, f) != 1)
		return 2;
	while (fread(record, sizeof(record), 1, f) == 1) {
		uint32_t len;
		const char *complaint;

		memcpy(&len, record + 8, sizeof(len)); /* of this machine's own capture */
		if (len > sizeof(frame) || fread(frame, 1, len, f) != len)
			return 2;
		if (len < 54 || be16(frame + 12) != 0x86dd || frame[20] != 135)
			continue;
		n++;
		complaint = 54 + be16(frame + 18) > len
				    ? "captured only in part"
				    : check_message(frame + 14, frame + 54, be16(frame + 18));
		if (complaint) {
			printf("message %u: %s\n", n, complaint);
			return 1;
		}
	}
	printf("%u\n", n);
	return 0;
}
