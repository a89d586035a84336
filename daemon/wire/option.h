/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What decoder and encoder share: one row per option, made from MH_OPTIONS. Internal to wire/.
 */
#ifndef MAGPIE_WIRE_OPTION_H
#define MAGPIE_WIRE_OPTION_H

#include "wire/message.h"

#define MH_PAYLOAD_PROTO_NONE 59
#define MH_OPT_TYPE_PAD1      0
#define MH_OPT_TYPE_PADN      1
#define MH_FIXED	      12 /* octets before the options of a BU and a BA */
#define MH_FIXED_BE	      24

struct mh_option_row {
	uint8_t type;
	uint8_t align_x; /* offset of the Type octet mod align_x == align_y */
	uint8_t align_y;
	/* Takes `len` octets of data into the message; false: illegal length or value. */
	bool (*take)(struct mh_message *msg, const uint8_t *data, uint8_t len);
	/*
	 * Writes the data of instance i, at most 255 octets; returns their number or -EINVAL. Only
	 * HNP has several instances.
	 */
	int (*put)(const struct mh_message *msg, unsigned int i, uint8_t *data);
};

extern const struct mh_option_row mh_option_row[MH_OPT_COUNT];

#endif
