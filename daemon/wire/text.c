/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Identifiers and codes for people. What a peer sent is printed so that a terminal takes no harm.
 */
#include <stdio.h>
#include <string.h>

#include "wire/message.h"

bool mh_id_equal(const struct mh_id *a, const struct mh_id *b)
{
	return a->subtype == b->subtype && a->len == b->len &&
	       memcmp(a->octets, b->octets, a->len) == 0;
}

static size_t put_nai_octet(uint8_t octet, char *out, size_t size)
{
	int n;

	if (octet > 0x20 && octet < 0x7f && octet != '\\')
		n = snprintf(out, size, "%c", octet);
	else
		n = snprintf(out, size, "\\x%02x", octet);
	return (size_t)n;
}

const char *mh_id_text(const struct mh_id *id, char *out, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return "";
	out[0] = '\0';
	if (id->subtype != MH_ID_NAI)
		used = (size_t)snprintf(out, size, "%u:", id->subtype);
	for (unsigned int i = 0; i < id->len && used < size; i++) {
		if (id->subtype == MH_ID_NAI)
			used += put_nai_octet(id->octets[i], out + used, size - used);
		else
			used += (size_t)snprintf(out + used, size - used, "%02x", id->octets[i]);
	}
	return out;
}

const char *mh_fault_text(enum mh_fault fault)
{
	static const char *const text[] = {
#define X(name, string) [MH_FAULT_##name] = (string),
		MH_FAULTS(X)
#undef X
	};

	return (unsigned int)fault < MH_FAULT_COUNT ? text[fault] : "unknown fault";
}

const char *mh_status_text(uint8_t status)
{
	static const struct {
		uint8_t status;
		const char *text;
	} rows[] = {
#define X(name, number, string) {(number), (string)},
		MH_STATUS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].status == status)
			return rows[i].text;
	}
	return NULL;
}
