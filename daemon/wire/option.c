/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The options one by one: data octets <-> fields. Each pair of functions is the layout of one
 * option (RFC 4283 3, RFC 5213 8.3-8.8, RFC 6275 6.2.5, RFC 8278 4.1-4.2) and the whole knowledge
 * of it.
 */
#include "wire/option.h"

#include <errno.h>
#include <string.h>

#include "wire/octets.h"

#define MMB_B 0x80
#define MMB_O 0x40

/* RFC 4283 3: subtype, identifier. A Length of 1 is the empty identifier of a PBA. */
static bool take_MN_ID(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len < 1)
		return false;
	msg->mn_id.subtype = data[0];
	msg->mn_id.len = (uint8_t)(len - 1);
	memcpy(msg->mn_id.octets, data + 1, msg->mn_id.len);
	return true;
}

static int put_MN_ID(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	if (msg->mn_id.len == 0 && msg->type == MH_BU)
		return -EINVAL;
	data[0] = msg->mn_id.subtype;
	memcpy(data + 1, msg->mn_id.octets, msg->mn_id.len);
	return 1 + msg->mn_id.len;
}

/* RFC 5213 8.3: reserved, prefix length, prefix. Repeats; the others do not. */
static bool take_HNP(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	struct ip_addr a;

	if (len != 18 || data[1] > 128 || msg->n_hnp == MH_MAX_HNP)
		return false;
	memcpy(a.b, data + 2, sizeof(a.b));
	msg->hnp[msg->n_hnp++] = ip_prefix_make(&a, data[1]);
	return true;
}

static int put_HNP(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	data[0] = 0;
	data[1] = msg->hnp[i].len;
	memcpy(data + 2, msg->hnp[i].addr.b, 16);
	return 18;
}

/* RFC 5213 8.4 and 8.5: reserved, number. */
static bool take_HI(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len != 2)
		return false;
	msg->hi = data[1];
	return true;
}

static int put_HI(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	data[0] = 0;
	data[1] = msg->hi;
	return 2;
}

static bool take_ATT(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len != 2)
		return false;
	msg->att = data[1];
	return true;
}

static int put_ATT(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	data[0] = 0;
	data[1] = msg->att;
	return 2;
}

/* RFC 5213 8.6: reserved (2), identifier. */
static bool take_LLID(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len < 2 || len - 2 > MH_LLID_MAX)
		return false;
	msg->llid.len = (uint8_t)(len - 2);
	memcpy(msg->llid.octets, data + 2, msg->llid.len);
	return true;
}

static int put_LLID(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	if (msg->llid.len > MH_LLID_MAX)
		return -EINVAL;
	memset(data, 0, 2);
	memcpy(data + 2, msg->llid.octets, msg->llid.len);
	return 2 + msg->llid.len;
}

/* RFC 5213 8.7. */
static bool take_LINK_LOCAL(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len != 16)
		return false;
	memcpy(msg->link_local.b, data, 16);
	return true;
}

static int put_LINK_LOCAL(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	memcpy(data, msg->link_local.b, 16);
	return 16;
}

/* RFC 5213 8.8: 48 bits of seconds, 16 bits of 1/65536 s. */
static bool take_TIMESTAMP(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len != 8)
		return false;
	msg->timestamp = get_be64(data);
	return true;
}

static int put_TIMESTAMP(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	put_be64(data, msg->timestamp);
	return 8;
}

/* RFC 6275 6.2.5. */
static bool take_ALT_COA(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len != 16)
		return false;
	memcpy(msg->alt_coa.b, data, 16);
	return true;
}

static int put_ALT_COA(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	memcpy(data, msg->alt_coa.b, 16);
	return 16;
}

/* RFC 8278 4.1: If-ATT, If-Label, BID, B O and 22 reserved bits. */
static bool take_MMB(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len != 6)
		return false;
	msg->mmb.att = data[0];
	msg->mmb.label = data[1];
	msg->mmb.bid = data[2];
	msg->mmb.bulk = data[3] & MMB_B;
	msg->mmb.overwrite = data[3] & MMB_O;
	return true;
}

static int put_MMB(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	data[0] = msg->mmb.att;
	data[1] = msg->mmb.label;
	data[2] = msg->mmb.bid;
	data[3] = (uint8_t)((msg->mmb.bulk ? MMB_B : 0) | (msg->mmb.overwrite ? MMB_O : 0));
	data[4] = 0;
	data[5] = 0;
	return 6;
}

/* RFC 8278 4.2: subtype, *reserved*, identifier: one octet more than the MN-ID option. */
static bool take_MAG_ID(struct mh_message *msg, const uint8_t *data, uint8_t len)
{
	if (len < 3)
		return false;
	msg->mag_id.subtype = data[0];
	msg->mag_id.len = (uint8_t)(len - 2);
	memcpy(msg->mag_id.octets, data + 2, msg->mag_id.len);
	return true;
}

static int put_MAG_ID(const struct mh_message *msg, unsigned int i, uint8_t *data)
{
	(void)i;
	if (msg->mag_id.len == 0 || msg->mag_id.len > MH_ID_MAX - 1)
		return -EINVAL;
	data[0] = msg->mag_id.subtype;
	data[1] = 0;
	memcpy(data + 2, msg->mag_id.octets, msg->mag_id.len);
	return 2 + msg->mag_id.len;
}

const struct mh_option_row mh_option_row[MH_OPT_COUNT] = {
#define X(name, number, ax, ay, text) \
	[MH_OPT_##name] = {           \
		.type = (number),     \
		.align_x = (ax),      \
		.align_y = (ay),      \
		.take = take_##name,  \
		.put = put_##name,    \
	},
	MH_OPTIONS(X)
#undef X
};
