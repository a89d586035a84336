/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Octets -> message. The order of the checks is that of RFC 6275 9.2 as far as octets go.
 */
#include <string.h>

#include "wire/octets.h"
#include "wire/option.h"

static const struct {
	uint8_t type;
	uint8_t fixed; /* octets before the options */
} known_types[] = {
	{MH_BRR, 8},
	{MH_BU, MH_FIXED},
	{MH_BA, MH_FIXED},
	{MH_BE, MH_FIXED_BE},
};

/* Octets before the options; 0 for a type that is not known. */
static size_t fixed_part(uint8_t type)
{
	for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++) {
		if (known_types[i].type == type)
			return known_types[i].fixed;
	}
	return 0;
}

static void take_fixed_part(struct mh_message *msg, const uint8_t *octets)
{
	switch (msg->type) {
	case MH_BU:
		msg->sequence = get_be16(octets + 6);
		msg->flags = get_be16(octets + 8) & MH_BU_KNOWN;
		msg->lifetime = get_be16(octets + 10);
		break;
	case MH_BA:
		msg->status = octets[6];
		msg->flags = octets[7] & MH_BA_KNOWN;
		msg->sequence = get_be16(octets + 8);
		msg->lifetime = get_be16(octets + 10);
		break;
	case MH_BE:
		msg->status = octets[6];
		memcpy(msg->home_address.b, octets + 8, sizeof(msg->home_address.b));
		break;
	default: /* BRR has no fields */
		break;
	}
}

static int find_option(uint8_t type)
{
	for (int i = 0; i < MH_OPT_COUNT; i++) {
		if (mh_option_row[i].type == type)
			return i;
	}
	return -1;
}

static void take_option(struct mh_message *msg, uint8_t type, const uint8_t *data, uint8_t len)
{
	int index = find_option(type);
	uint32_t bit;

	if (index < 0) {
		msg->unknown++;
		return;
	}
	bit = UINT32_C(1) << index;
	if (((msg->has | msg->bad) & bit) && index != MH_OPT_HNP) {
		msg->dup |= bit;
		return;
	}
	if (mh_option_row[index].take(msg, data, len))
		msg->has |= bit;
	else
		msg->bad |= bit;
}

static enum mh_fault take_options(struct mh_message *msg, const uint8_t *octets, size_t at,
				  size_t end)
{
	while (at < end) {
		uint8_t type = octets[at];
		uint8_t len;

		if (type == MH_OPT_TYPE_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2)
			return MH_FAULT_OPTION_OVERRUN;
		len = octets[at + 1];
		if (end - at - 2 < len)
			return MH_FAULT_OPTION_OVERRUN;
		if (type != MH_OPT_TYPE_PADN)
			take_option(msg, type, octets + at + 2, len);
		at += 2u + len;
	}
	return MH_FAULT_NONE;
}

enum mh_fault mh_decode(const uint8_t *octets, size_t len, struct mh_message *ret_msg)
{
	size_t fixed, end;
	uint8_t type;

	memset(ret_msg, 0, sizeof(*ret_msg));
	if (len < 8)
		return MH_FAULT_SHORT;
	type = octets[2];
	ret_msg->type = type;
	fixed = fixed_part(type);
	if (fixed == 0)
		return MH_FAULT_TYPE_UNKNOWN;
	if (octets[0] != MH_PAYLOAD_PROTO_NONE)
		return MH_FAULT_PAYLOAD_PROTO;
	end = 8 * ((size_t)octets[1] + 1);
	if (end < fixed)
		return MH_FAULT_HEADER_LEN_SMALL;
	if (end > len)
		return MH_FAULT_HEADER_LEN_LARGE;

	take_fixed_part(ret_msg, octets);
	enum mh_fault fault = take_options(ret_msg, octets, fixed, end);
	if (fault != MH_FAULT_NONE)
		*ret_msg = (struct mh_message){.type = type};
	return fault;
}
