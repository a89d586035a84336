/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A trace request (JSON) -> the packet it speaks of: IPv6 or IPv4 header, transport header, no
 * data.
 */
#ifndef MAGPIE_APP_PACKET_H
#define MAGPIE_APP_PACKET_H

#include <json-c/json.h>
#include <stdint.h>

#define PACKET_MAX 64

/* Returns the length, or -EINVAL with a sentence that names the member. */
int packet_from_request(struct json_object *request, uint8_t packet[PACKET_MAX],
			const char **ret_error);

#endif
