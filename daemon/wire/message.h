/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A Mobility Header message as a flat struct, and the two functions between it and octets.
 *
 * Decoding never trusts a length and never allocates: what does not fit the struct is a fault with
 * a name (enum mh_fault). Encoding is canonical: options in the order of MH_OPTIONS, each at its
 * alignment, one Pad1 or PadN before it where needed, the message padded to 8 octets; so
 * encode(decode(x)) == x for every canonical x without unknown options. Unknown options are
 * skipped and counted. No I/O, no policy: whether an option *may* be absent or zero is core's
 * question. All integers in host byte order; addresses and identifiers as on the wire.
 *
 * Sources: RFC 6275 section 6, RFC 5213 section 8, RFC 4283, RFC 8278 section 4;
 * spec/wire-formats.md.
 */
#ifndef MAGPIE_WIRE_MESSAGE_H
#define MAGPIE_WIRE_MESSAGE_H

#include "wire/addr.h"

#define MH_PROTOCOL   135  /* IPv6 next header of the Mobility Header */
#define MH_MAX	      2048 /* 8 * (255 + 1) octets */
#define MH_ID_MAX     254  /* octets of an identifier (MN-ID option: Length 255 - subtype) */
#define MH_LLID_MAX   32
#define MH_MAX_HNP    8
#define MH_LIFETIME_S 4 /* seconds in a unit of the Lifetime field */

enum mh_type {
	MH_BRR = 0,
	MH_BU = 5, /* PBU when the P flag is set */
	MH_BA = 6, /* PBA when the P flag is set */
	MH_BE = 7,
};

/* Flags of a Binding Update (RFC 6275 6.1.7 and successors). */
enum mh_bu_flags {
	MH_BU_A = 0x8000,
	MH_BU_H = 0x4000,
	MH_BU_L = 0x2000,
	MH_BU_K = 0x1000,
	MH_BU_M = 0x0800,
	MH_BU_R = 0x0400,
	MH_BU_P = 0x0200,
	MH_BU_F = 0x0100,
	MH_BU_T = 0x0080,
	MH_BU_B = 0x0040,
	MH_BU_KNOWN = 0xfff0,
};

/* Flags of a Binding Acknowledgement. */
enum mh_ba_flags {
	MH_BA_K = 0x80,
	MH_BA_R = 0x40,
	MH_BA_P = 0x20,
	MH_BA_T = 0x10,
	MH_BA_B = 0x08,
	MH_BA_KNOWN = 0xfe,
};

/* Status codes of a PBA that magpie sends or understands: X(name, number, text). */
#define MH_STATUS(X)                                                               \
	X(ACCEPTED, 0, "accepted")                                                 \
	X(UNSPECIFIED, 128, "reason unspecified")                                  \
	X(PROHIBITED, 129, "administratively prohibited")                          \
	X(RESOURCES, 130, "insufficient resources")                                \
	X(NO_HOME_REGISTRATION, 131, "home registration not supported")            \
	X(NOT_HOME_AGENT, 133, "not home agent for this mobile node")              \
	X(SEQUENCE, 135, "sequence number out of window")                          \
	X(PROXY_REG_NOT_ENABLED, 152, "proxy registration not enabled")            \
	X(NOT_LMA, 153, "not LMA for this mobile node")                            \
	X(MAG_NOT_AUTHORIZED, 154, "MAG not authorised for proxy registration")    \
	X(HNP_NOT_AUTHORIZED, 155, "not authorised for home network prefix")       \
	X(TIMESTAMP_MISMATCH, 156, "timestamp mismatch")                           \
	X(TIMESTAMP_OLD, 157, "timestamp lower than previously accepted")          \
	X(MISSING_HNP, 158, "missing home network prefix option")                  \
	X(PREFIX_SET_MISMATCH, 159, "prefix set does not match the binding cache") \
	X(MISSING_MN_ID, 160, "missing mobile node identifier option")             \
	X(MISSING_HI, 161, "missing handoff indicator option")                     \
	X(MISSING_ATT, 162, "missing access technology type option")               \
	X(GRE_REQUIRED, 163, "GRE key option required")                            \
	X(NON_MCOA_EXISTS, 165, "non-multipath binding exists")                    \
	X(NO_MULTIPATH, 180, "cannot support multipath binding")

#define X(name, number, text) MH_STATUS_##name = (number),
enum mh_status { MH_STATUS(X) };
#undef X

/* Handoff Indicator (RFC 5213 8.4). */
enum mh_hi {
	MH_HI_NEW_INTERFACE = 1,
	MH_HI_BETWEEN_INTERFACES = 2,
	MH_HI_BETWEEN_MAGS = 3,
	MH_HI_UNKNOWN = 4,
	MH_HI_UNCHANGED = 5,
};

/*
 * The options this codec knows, in the order in which it sends them:
 * X(name, type, align_x, align_y, text): the Type octet stands at an offset o with
 * o mod align_x == align_y (1, 0: anywhere).
 */
#define MH_OPTIONS(X)                                          \
	X(MN_ID, 8, 1, 0, "Mobile Node Identifier")            \
	X(HI, 23, 1, 0, "Handoff Indicator")                   \
	X(ATT, 24, 1, 0, "Access Technology Type")             \
	X(MMB, 63, 8, 2, "MAG Multipath Binding")              \
	X(TIMESTAMP, 27, 8, 2, "Timestamp")                    \
	X(HNP, 22, 8, 4, "Home Network Prefix")                \
	X(LLID, 25, 2, 0, "Mobile Node Link-layer Identifier") \
	X(LINK_LOCAL, 26, 8, 6, "Link-local Address")          \
	X(ALT_COA, 3, 8, 6, "Alternate Care-of Address")       \
	X(MAG_ID, 64, 1, 0, "MAG Identifier")

/* MH_HAS_x: the option is present. MH_DUP_x (same bit in `dup`): it came more than once. */
enum mh_option_index {
#define X(name, type, ax, ay, text) MH_OPT_##name,
	MH_OPTIONS(X)
#undef X
		MH_OPT_COUNT
};
#define MH_HAS(name) (UINT32_C(1) << MH_OPT_##name)

/* An identifier with its subtype (RFC 4283; registry: RFC 8371). Compared octet for octet. */
struct mh_id {
	uint8_t subtype; /* 1 = NAI */
	uint8_t len;
	uint8_t octets[MH_ID_MAX];
};
#define MH_ID_NAI 1

struct mh_llid {
	uint8_t len;
	uint8_t octets[MH_LLID_MAX];
};

/* MAG Multipath Binding (RFC 8278 4.1). */
struct mh_mmb {
	uint8_t att;	/* If-ATT */
	uint8_t label;	/* If-Label */
	uint8_t bid;	/* 1..254; the codec passes 0 and 255 on */
	bool bulk;	/* B */
	bool overwrite; /* O */
};

struct mh_message {
	uint8_t type; /* enum mh_type */

	uint16_t sequence;	     /* BU, BA */
	uint16_t flags;		     /* enum mh_bu_flags or mh_ba_flags; BA has 8 bits */
	uint16_t lifetime;	     /* BU, BA; units of 4 s */
	uint8_t status;		     /* BA: enum mh_status; BE: 1 or 2 */
	struct ip_addr home_address; /* BE */

	uint32_t has; /* MH_HAS(x): present and of legal length */
	uint32_t dup; /* MH_HAS(x): present more than once; the first is kept (HNP: never set) */
	uint32_t bad; /* MH_HAS(x): present with an illegal length or value; content not taken */
	uint16_t unknown; /* options skipped because we do not know them */

	struct mh_id mn_id; /* len 0: the legal empty identifier of a PBA (RFC 5213 5.3.6) */
	uint8_t n_hnp;
	struct ip_prefix hnp[MH_MAX_HNP]; /* more than MH_MAX_HNP: `bad` */
	uint8_t hi;
	uint8_t att;
	struct mh_llid llid;
	struct ip_addr link_local;
	uint64_t timestamp; /* seconds since 1970 in the upper 48 bits, 1/65536 s below */
	struct ip_addr alt_coa;
	struct mh_mmb mmb;
	struct mh_id mag_id;
};

/* Why octets are no message: X(name, text). The names appear in counters, logs and docs. */
#define MH_FAULTS(X)                                                     \
	X(NONE, "no fault")                                              \
	X(SHORT, "shorter than a Mobility Header")                       \
	X(PAYLOAD_PROTO, "Payload Proto is not 59")                      \
	X(HEADER_LEN_SMALL, "Header Len smaller than the message needs") \
	X(HEADER_LEN_LARGE, "Header Len larger than what was received")  \
	X(CHECKSUM, "checksum wrong")                                    \
	X(TYPE_UNKNOWN, "MH Type unknown")                               \
	X(OPTION_OVERRUN, "an option runs past the end of the message")

#define X(name, text) MH_FAULT_##name,
enum mh_fault { MH_FAULTS(X) MH_FAULT_COUNT };
#undef X

/*
 * Decodes `len` octets. Returns MH_FAULT_NONE and fills *ret_msg; otherwise the fault, and *ret_msg
 * holds only the type (if it was read). Does not look at the checksum (mh_checksum does); octets
 * behind 8*(Header Len+1) are ignored. Never reads past `len`. RFC 6275 9.2, 6.2.1.
 */
enum mh_fault mh_decode(const uint8_t *octets, size_t len, struct mh_message *ret_msg);

/*
 * Encodes into out[0..size). Returns the length (a multiple of 8), or -EINVAL for a type or a field
 * that cannot be encoded (identifier empty in a PBU; HNP present but no prefix, or more of them
 * than MH_MAX_HNP), -ENOBUFS when it does not fit. The checksum field is zero. Reserved bits are
 * zero. `dup`, `bad` and `unknown` are not looked at.
 */
int mh_encode(const struct mh_message *msg, uint8_t *out, size_t size);

/*
 * The checksum over pseudo-header and message with its checksum field taken as zero, in network
 * byte order as it is to be stored at octet 4 (RFC 6275 6.1.1). `len` is 8*(Header Len+1).
 */
uint16_t mh_checksum(const struct ip_addr *source, const struct ip_addr *destination,
		     const uint8_t *octets, size_t len);

bool mh_id_equal(const struct mh_id *a, const struct mh_id *b);
/* A printable form: the NAI itself with unprintable octets as \xNN, others as "subtype:hex". */
const char *mh_id_text(const struct mh_id *id, char *out, size_t size);

const char *mh_fault_text(enum mh_fault fault);
/* NULL for a code without a name. */
const char *mh_status_text(uint8_t status);

#endif
