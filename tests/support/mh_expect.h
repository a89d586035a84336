/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An independent look at octets that are said to be a canonical Mobility Header message of a
 * gateway or an anchor. Written from the RFCs, not with our codec, and it includes none of its
 * headers: a mistake that encoder and decoder share is seen here. Stricter than a receiver may be.
 * It does not judge whether a message makes sense at its time; that is the state tables' matter.
 */
#ifndef MAGPIE_TESTS_MH_EXPECT_H
#define MAGPIE_TESTS_MH_EXPECT_H

#include <stddef.h>
#include <stdint.h>

#define MH_COMPLAINT_MAX 160

struct mh_seen {
	const uint8_t *source;	    /* 16 octets, as on the wire; NULL over UDP, where the */
	const uint8_t *destination; /* checksum field has to be zero (RFC 5844 4.1.3.1) */
	const uint8_t *octets;	    /* the message, from Payload Proto on */
	size_t len;		    /* all of it: IPv6 payload or UDP payload */
};

/*
 * NULL when the message is right; else the first complaint, written into `complaint`. Looks at
 * header, checksum, flags, and of each option the place (alignment), length, multiplicity and
 * reserved bits; padding has to be one Pad1 or PadN of just the octets that were needed. Knows PBU,
 * PBA, Binding Error and Binding Refresh Request and the options of RFC 5213, 5844, 5845, 6089,
 * 7148 and 8278; any other is a complaint. Never reads past `len`.
 */
const char *mh_expect(const struct mh_seen *seen, char complaint[MH_COMPLAINT_MAX]);

#endif
