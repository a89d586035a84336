/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Message -> octets, canonical: options in the order of MH_OPTIONS, each at its alignment, padding
 * by one Pad1 or PadN, reserved bits zero.
 */
#include <errno.h>
#include <string.h>

#include "wire/octets.h"
#include "wire/option.h"

struct writer {
	uint8_t *out;
	size_t size;
	size_t used;
};

/* One Pad1 or PadN of n octets (RFC 6275 6.2.2, 6.2.3). */
static int pad(struct writer *w, size_t n)
{
	if (n == 0)
		return 0;
	if (w->size - w->used < n)
		return -ENOBUFS;
	memset(w->out + w->used, 0, n);
	if (n > 1) {
		w->out[w->used] = MH_OPT_TYPE_PADN;
		w->out[w->used + 1] = (uint8_t)(n - 2);
	}
	w->used += n;
	return 0;
}

static int put_option(struct writer *w, const struct mh_message *msg, unsigned int index,
		      unsigned int instance)
{
	const struct mh_option_row *row = &mh_option_row[index];
	uint8_t data[256];
	int len, r;

	len = row->put(msg, instance, data);
	if (len < 0)
		return len;
	if (len > 255)
		return -EINVAL;
	r = pad(w, (row->align_x + row->align_y - w->used % row->align_x) % row->align_x);
	if (r < 0)
		return r;
	if (w->size - w->used < 2 + (size_t)len)
		return -ENOBUFS;
	w->out[w->used++] = row->type;
	w->out[w->used++] = (uint8_t)len;
	memcpy(w->out + w->used, data, (size_t)len);
	w->used += (size_t)len;
	return 0;
}

static int put_options(struct writer *w, const struct mh_message *msg)
{
	for (unsigned int index = 0; index < MH_OPT_COUNT; index++) {
		unsigned int n = index == MH_OPT_HNP ? msg->n_hnp : 1;

		if (!(msg->has & (UINT32_C(1) << index)))
			continue;
		for (unsigned int i = 0; i < n; i++) {
			int r = put_option(w, msg, index, i);

			if (r < 0)
				return r;
		}
	}
	return pad(w, (8 - w->used % 8) % 8);
}

static int put_fixed_part(struct writer *w, const struct mh_message *msg)
{
	uint8_t *out = w->out;
	size_t fixed = msg->type == MH_BE ? MH_FIXED_BE : msg->type == MH_BRR ? 8 : MH_FIXED;

	if (w->size < fixed)
		return -ENOBUFS;
	memset(out, 0, fixed);
	out[0] = MH_PAYLOAD_PROTO_NONE;
	out[2] = msg->type;
	switch (msg->type) {
	case MH_BU:
		put_be16(out + 6, msg->sequence);
		put_be16(out + 8, msg->flags & MH_BU_KNOWN);
		put_be16(out + 10, msg->lifetime);
		break;
	case MH_BA:
		out[6] = msg->status;
		out[7] = (uint8_t)(msg->flags & MH_BA_KNOWN);
		put_be16(out + 8, msg->sequence);
		put_be16(out + 10, msg->lifetime);
		break;
	case MH_BE:
		out[6] = msg->status;
		memcpy(out + 8, msg->home_address.b, sizeof(msg->home_address.b));
		break;
	case MH_BRR:
		break;
	default:
		return -EINVAL;
	}
	w->used = fixed;
	return 0;
}

int mh_encode(const struct mh_message *msg, uint8_t *out, size_t size)
{
	struct writer w = {.out = out, .size = size < MH_MAX ? size : MH_MAX};
	int r;

	if (msg->n_hnp > MH_MAX_HNP || ((msg->has & MH_HAS(HNP)) && msg->n_hnp == 0))
		return -EINVAL;
	r = put_fixed_part(&w, msg);
	if (r == 0)
		r = put_options(&w, msg);
	if (r < 0)
		return r;
	out[1] = (uint8_t)(w.used / 8 - 1);
	return (int)w.used;
}

uint16_t mh_checksum(const struct ip_addr *source, const struct ip_addr *destination,
		     const uint8_t *octets, size_t len)
{
	uint64_t sum = len + MH_PROTOCOL;
	uint16_t folded;

	for (unsigned int i = 0; i < 16; i += 2)
		sum += (uint64_t)get_be16(source->b + i) + get_be16(destination->b + i);
	for (size_t i = 0; i + 1 < len; i += 2) {
		if (i != 4) /* its own place */
			sum += get_be16(octets + i);
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	folded = (uint16_t)~sum;
	put_be16((uint8_t *)&folded, folded); /* as it is stored */
	return folded;
}
