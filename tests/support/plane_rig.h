/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A rig for the data plane: one program object, loaded but attached nowhere, its maps filled by
 * hand, packets through it by BPF_PROG_TEST_RUN. A network namespace of the test process's own
 * gives it devices, routes and neighbours to find. Needs root.
 *
 * The standing scene (rig_scene) is one gateway with two sessions:
 *   session 1: 2001:db8:1:1::/64 and 10.20.0.5, BID 1 RED (label 9) on path 1, BID 2 BLUE (11) on 2
 *   session 2: 2001:db8:1:2::/64 and 10.20.0.6, BID 1 RED on path 3
 * in two pools (2001:db8:1::/52 of /64, 10.20.0.0/24 of /32), one default class over all labels.
 */
#ifndef MAGPIE_TESTS_PLANE_RIG_H
#define MAGPIE_TESTS_PLANE_RIG_H

#include <stdbool.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"
#include "tests/support/frame.h"

enum rig_hook { RIG_XDP, RIG_TC };

#define RED  9
#define BLUE 11

#define RIG_LMA	    "2001:db8:f::1"
#define RIG_PCOA_1  "2001:db8:a::1"
#define RIG_PCOA_2  "2001:db8:a1::1"
#define RIG_PCOA_3  "2001:db8:a9::1"
#define RIG_MN	    "2001:db8:1:1::5"
#define RIG_MN_2    "2001:db8:1:2::5"
#define RIG_CN	    "2001:db8:c::7"
#define RIG_MN_V4   "10.20.0.5"
#define RIG_MN_2_V4 "10.20.0.6"
#define RIG_CN_V4   "203.0.113.7"
#define RIG_ICMP6   "2001:db8:b::1"
#define RIG_ICMP4   "192.0.2.1"

struct rig {
	enum rig_hook hook;
	struct bpf_object *object;
	int program;
	uint32_t inside;  /* ifindex */
	uint32_t outside; /* ifindex */
	uint32_t both;	  /* ifindex */
	struct magpie_config *config;
	struct magpie_session *session;
	struct magpie_switch *sw;
	struct magpie_wide *wide;
	struct magpie_path *path;
	uint64_t *slots; /* elements of an array map are 8 octets apart */
};

/* What became of one packet. */
struct rig_result {
	int verdict; /* enum magpie_verdict; -1: counted under no or several reasons */
	int reason;  /* enum magpie_reason */
	int code;    /* as the hook returned it */
	struct frame out;
	struct magpie_trace trace;
};

extern const uint8_t rig_host_mac[6];	 /* in front of the inside device */
extern const uint8_t rig_gateway_mac[6]; /* destination of what comes in */
extern const uint8_t rig_wan_mac[6];	 /* source of path headers */
extern const uint8_t rig_router_mac[6];	 /* their destination */
extern const uint8_t rig_next_mac[6];	 /* neighbour of every destination of the scene */

/* One rig after the other, a fresh one for each hook: for (rig = NULL; (rig = rig_next(rig));) */
struct rig *rig_next(struct rig *rig);
struct rig *rig_open(enum rig_hook hook, uint32_t sessions);
void rig_close(struct rig *rig);
void rig_scene(struct rig *rig, enum magpie_role role);

/* Empties what rig_scene and the tests filled of sessions; the maps stay. */
void rig_scene_reset(struct rig *rig);
const char *rig_addr_text(const uint8_t addr[16], char text[64]);

int rig_map(const struct rig *rig, const char *name); /* descriptor */
void rig_put(const struct rig *rig, const char *map, const void *key, const void *value);
void rig_path(struct rig *rig, uint32_t id, const char *local, const char *remote, uint16_t mtu);
void rig_bind(struct rig *rig, uint32_t session, uint32_t path, uint8_t bid, uint8_t label,
	      uint8_t weight);
struct magpie_set *rig_set(struct rig *rig, uint32_t session); /* the live one */
void rig_prefix(struct rig *rig, const char *addr, uint32_t length, uint32_t session);
void rig_rule(struct rig *rig, uint32_t index, const struct magpie_rule *rule);
void rig_class(struct rig *rig, uint32_t index, const struct magpie_class *class);

/* Runs the packet; the counters of all reasons are read before and after. */
void rig_run(struct rig *rig, uint32_t ifindex, const struct frame *in, struct rig_result *ret);
/*
 * A dry run; the frame has its Ethernet header, too. gso_size: of a super-packet (tc), 0 for none;
 * a real test run of one cannot be encapsulated, for lack of a GSO type.
 */
void rig_trace(struct rig *rig, uint32_t ifindex, const struct frame *in, uint32_t gso_size,
	       struct rig_result *ret);
uint64_t rig_reason_packets(const struct rig *rig, uint32_t reason);
uint64_t rig_reason_bytes(const struct rig *rig, uint32_t reason);
void rig_path_count(const struct rig *rig, uint32_t path, struct magpie_path_count *ret);
uint64_t rig_rule_packets(const struct rig *rig, uint32_t rule);
/* A digest of every map's content. */
uint64_t rig_digest(const struct rig *rig);

/* The path whose outer header is on the result, by its addresses; 0: none. */
uint32_t rig_path_of(const struct rig *rig, const struct rig_result *result);

/* Fails the test unless the packet left under `reason` and no other. */
#define rig_expect(rig, ifindex, in, expected, result)                                             \
	do {                                                                                       \
		rig_run(rig, ifindex, in, result);                                                 \
		cr_assert_eq((result)->reason, MAGPIE_REASON_##expected, "%s: %s, not " #expected, \
			     (rig)->hook == RIG_XDP ? "xdp" : "tc",                                \
			     rig_reason_name((result)->reason));                                   \
	} while (0)
const char *rig_reason_name(int reason);

#endif
