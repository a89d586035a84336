/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the operator wants with which traffic: match -> class -> tiers of labels. Plain data, made
 * by config/, written into maps by plane/ (bpf/abi.h has the same shape). Matches are written from
 * the host's point of view: source is the mobile side, destination the correspondent.
 */
#ifndef MAGPIE_CORE_POLICY_H
#define MAGPIE_CORE_POLICY_H

#include "wire/addr.h"

#define POLICY_MAX_MATCHES 64 /* MAGPIE_RULES */
#define POLICY_MAX_CLASSES 32 /* MAGPIE_CLASSES */
#define POLICY_NAME	   16

struct policy_range {
	uint16_t first;
	uint16_t last;
};

enum policy_fields {
	POLICY_PROTO = 1,
	POLICY_DSCP = 2,
	POLICY_SPORT = 4,
	POLICY_DPORT = 8,
	POLICY_SRC = 16,
	POLICY_DST = 32,
	POLICY_FAMILY = 64,
};

/* One traffic selector. A rule with port lists or alternatives becomes several in a row. */
struct policy_match {
	char rule[POLICY_NAME]; /* name of its [Rule] */
	uint32_t fields;	/* enum policy_fields; 0 matches everything */
	uint8_t proto;
	uint8_t family; /* 4 or 6 */
	struct policy_range dscp;
	struct policy_range sport;
	struct policy_range dport;
	struct ip_prefix src;
	struct ip_prefix dst;
	uint8_t class; /* index */
};

struct policy_class {
	char name[POLICY_NAME];
	bool otherwise_drop; /* no usable path in any tier: drop, instead of the default class */
	uint8_t rank[256];   /* by label: 0 = not in the class, 1 = best tier, ... */
	uint8_t weight[256]; /* by label; 1 where nothing was said */
};

/* Class 0 is the default class; matches are tried in order. */
struct policy {
	uint32_t n_match;
	uint32_t n_class;
	struct policy_match match[POLICY_MAX_MATCHES];
	struct policy_class class[POLICY_MAX_CLASSES];
};

#endif
