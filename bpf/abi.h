/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * THE contract between the BPF programs and the daemon: key and value of every map, the enums in
 * them and the reasons. Included by both sides; fixed-width types, explicit padding, asserted
 * sizes. A change of any layout here is a change of MAGPIE_LAYOUT: pinned maps of another layout
 * are never reused.
 *
 * How a packet finds its way (one cold cache line per step at most):
 *
 *   prefix --pool--> slot --> session id --switch--> one of two sets --binding--> path --> outer
 * header outer (remote, local, encap) --tunnel--> path
 *
 * How a writer changes things under traffic, without a lock and without a torn read:
 *  - a session has two sets; the writer fills the idle one completely, then stores one byte in
 *    magpie_switch. A packet reads that byte once. The set just retired may still be read: before
 * it is written again the writer waits for an RCU grace period (plane/ knows how).
 *  - the same for the outer headers of a path (`live` byte), and for the policy (config.policy).
 *  - `alive` of a path is a single byte: the moment it drops, packets choose the next path.
 *  - a session with more than MAGPIE_NARROW bindings keeps them in a magpie_wide element; a new set
 *    takes a fresh element.
 *
 * Addresses are 16 octets in network byte order; IPv4 is ::ffff:a.b.c.d. Other fields are in host
 * byte order unless the name ends in _be.
 */
#ifndef MAGPIE_BPF_ABI_H
#define MAGPIE_BPF_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define MAGPIE_LAYOUT 1

#define MAGPIE_POOLS	8    /* prefix ranges compared in line; others live in magpie_prefix */
#define MAGPIE_NARROW	4    /* bindings in the set itself */
#define MAGPIE_WIDE	254  /* bindings in a magpie_wide element: every legal BID */
#define MAGPIE_RULES	64   /* rules of a policy */
#define MAGPIE_CLASSES	32   /* classes of a policy; class 0 is the default class */
#define MAGPIE_DEVS	1024 /* index is ifindex % MAGPIE_DEVS; the value names the ifindex */
#define MAGPIE_NEXTHOPS 1024 /* per-CPU next-hop cache */
#define MAGPIE_OUTER	80   /* octets of a prebuilt outer header, Ethernet included */
#define MAGPIE_NAME	16

/* ---- reasons ----------------------------------------------------------------------- */

/*
 * Every packet that reaches a program leaves it under exactly one reason:
 * X(NAME, verdict, text). Verdicts: FORWARD (redirected), PASS (given to the kernel), DROP.
 */
#define MAGPIE_REASONS(X)                                                                      \
	X(ENCAP, FORWARD, "encapsulated and sent on a path")                                   \
	X(DECAP, FORWARD, "decapsulated and sent to its next hop")                             \
	X(HAIRPIN, FORWARD, "from one mobile node to another through the anchor")              \
	X(NOT_OURS, PASS, "neither one of our tunnels nor one of our prefixes")                \
	X(SIGNALLING, PASS, "mobility signalling or neighbour discovery")                      \
	X(PROBE, PASS, "path probe for the daemon")                                            \
	X(TO_STACK, PASS, "decapsulated; next hop unresolved or local, the kernel goes on")    \
	X(NO_SESSION, PASS, "prefix of a pool without a session; the kernel answers")          \
	X(HOP_LIMIT, PASS, "hop limit used up; the kernel answers")                            \
	X(UNPARSED, PASS, "link layer or header that the programs do not read")                \
	X(OUTER_UNKNOWN, DROP, "tunnel packet whose outer source is no path of ours")          \
	X(INNER_SPOOF, DROP, "inner source or destination does not belong to the session")     \
	X(LAN_SPOOF, DROP, "source on the LAN is one of our tunnel addresses")                 \
	X(NO_PATH, DROP, "no usable path for the class")                                       \
	X(POLICY, DROP, "the class says drop")                                                 \
	X(LINGER, DROP, "session is waiting for its deletion")                                 \
	X(LOOP, DROP, "destination is a tunnel endpoint of ours")                              \
	X(TOO_BIG, DROP, "larger than the path carries; Packet Too Big was sent")              \
	X(TOO_BIG_LIMITED, DROP, "larger than the path carries; no answer: rate, or an error") \
	X(ECN, DROP, "congestion marked outside, not ECN-capable inside (RFC 6040)")           \
	X(INNER_MALFORMED, DROP, "inner packet truncated or lying about its length")           \
	X(NO_ROOM, DROP, "no head room for the outer header")

#define MAGPIE_VERDICTS(X)    \
	X(FORWARD, "forward") \
	X(PASS, "pass")       \
	X(DROP, "drop")

enum magpie_reason {
#define X(name, verdict, text) MAGPIE_REASON_##name,
	MAGPIE_REASONS(X)
#undef X
		MAGPIE_REASON_COUNT
};

enum magpie_verdict {
#define X(name, text) MAGPIE_VERDICT_##name,
	MAGPIE_VERDICTS(X)
#undef X
};

struct magpie_reason_count {	   /* magpie_reason: PERCPU_ARRAY[MAGPIE_REASON_COUNT] */
	enum magpie_reason reason; /* its own index, so that a dump prints the name */
	__u32 pad;
	__u64 packets;
	__u64 bytes; /* from the IP header on, as the packet came in */
};

/* ---- configuration of the node ----------------------------------------------------- */

enum magpie_role {
	MAGPIE_ROLE_NONE,
	MAGPIE_ROLE_MAG, /* sessions are found by the inner source of what comes from inside */
	MAGPIE_ROLE_LMA, /* ... by the inner destination */
};

/*
 * A range of prefixes of one length whose position is their key:
 *   address a is in it if (a & mask) == base;  slot = first_slot + ((a - base) >> shift)
 * with a taken as a 128-bit big-endian integer {hi, lo} in host byte order; shift is that of `hi`
 * for prefixes up to /64 (then mask_lo is 0), else that of `lo` (then mask_hi is all ones).
 * slots == 0: unused entry (written last when one is added, first when one is removed).
 */
struct magpie_pool {
	__u64 base_hi;
	__u64 base_lo;
	__u64 mask_hi;
	__u64 mask_lo;
	__u32 first_slot;
	__u32 slots;
	__u8 shift;
	__u8 in_lo; /* 1: index bits are in lo */
	__u8 pad[6];
};

struct magpie_config { /* magpie_config: ARRAY[1], mmapable */
	__u32 layout;  /* MAGPIE_LAYOUT */
	enum magpie_role role;
	__u64 trace_key; /* secret; a test run that carries it in its context is a dry run */
	__u32 policy;	 /* 0 or 1: which half of magpie_rule and magpie_class is live */
	__u32 rules[2];	 /* rules in each half */
	__u32 policy_generation;  /* counted up after every switch of policy */
	__u32 nexthop_generation; /* cached next hops of another generation are void */
	__u32 has_prefixes;	  /* 0: magpie_prefix is empty, skip it */
	__u32 flow_idle_s;	  /* a pinned flow this long without packets is forgotten */
	__u8 hop_limit;		  /* of the outer header */
	__u8 pad[3];
	__u8 icmp_source4[4];  /* source of Fragmentation Needed; 0.0.0.0: 192.0.0.8 (RFC 7600) */
	__u8 icmp_source6[16]; /* source of Packet Too Big, a global address of the box; ::: none
				  is sent (TOO_BIG_LIMITED) */
	struct magpie_pool pool[MAGPIE_POOLS];
};

enum magpie_dev_flags {
	MAGPIE_DEV_INSIDE = 1,	/* packets from here are looked up as inner packets */
	MAGPIE_DEV_OUTSIDE = 2, /* tunnel packets arrive here */
};

struct magpie_dev { /* magpie_dev: ARRAY[MAGPIE_DEVS] */
	__u32 ifindex;
	__u32 flags; /* enum magpie_dev_flags */
};

/* ---- sessions ---------------------------------------------------------------------- */

/*
 * magpie_slots: ARRAY, mmapable, __u32 -> __u32 session id; 0 = no session. The elements of an
 * array map are 8 octets apart, so in mapped memory it is an array of __u64.
 */

struct magpie_prefix_key { /* magpie_prefix: LPM_TRIE -> __u32 session id */
	__u32 length;	   /* 0..128 */
	__u8 addr[16];
};

enum magpie_binding_flags {
	MAGPIE_BINDING_TX = 1, /* may carry packets to the peer */
	MAGPIE_BINDING_RX = 2, /* packets that arrive on its path belong to the session */
};

/*
 * A binding without TX is *known* all the same: the choice is made over all known bindings first,
 * and a flow whose first choice cannot carry it is pinned to its second. So a path that comes back
 * finds its established flows elsewhere, where they stay.
 */
struct magpie_binding {
	__u32 path; /* index into magpie_path; 0 = none */
	__u8 bid;
	__u8 label;
	__u8 weight; /* relative to its tier, times the class's; 0: never chosen (draining) */
	__u8 flags;  /* enum magpie_binding_flags */
};

enum magpie_session_state {
	MAGPIE_SESSION_NONE,
	MAGPIE_SESSION_ACTIVE,
	MAGPIE_SESSION_LINGER,
};

struct magpie_set {	  /* one cache line */
	__u32 generation; /* counts the changes of the session */
	enum magpie_session_state state;
	__u64 seed; /* of the flow hash; both ends derive it from the first prefix */
	__u32 wide; /* index into magpie_wide when n > MAGPIE_NARROW, else 0 */
	__u16 n;    /* bindings, in ascending order of bid */
	__u16 pad;
	struct magpie_binding binding[MAGPIE_NARROW];
	__u8 pad2[8];
};

struct magpie_session { /* magpie_session: ARRAY, mmapable; element 0 is unused */
	struct magpie_set set[2];
};

/*
 * The mutable bytes of a session, apart from its sets and dense, so that a look at them costs no
 * cold line: magpie_switch: ARRAY, mmapable; session id s is entry s % 32 of element s / 32.
 */
#define MAGPIE_SWITCHES 32
struct magpie_switch {
	__u8 live[MAGPIE_SWITCHES];   /* 0 or 1: which set packets use; the daemon writes */
	__u8 pinned[MAGPIE_SWITCHES]; /* 1: there may be pinned flows; programs set, the daemon
					 clears */
};

struct magpie_wide { /* magpie_wide: ARRAY, mmapable; element 0 is unused */
	struct magpie_binding binding[MAGPIE_WIDE];
};

/* ---- paths ------------------------------------------------------------------------- */

enum magpie_encap {
	MAGPIE_ENCAP_NONE,
	MAGPIE_ENCAP_IP6, /* IPv6 and IPv4 in IPv6 (RFC 2473) */
};

/*
 * A prebuilt outer header. The program patches payload length, next header, traffic class and flow
 * label of the IPv6 header that starts at octet l2_len.
 */
struct magpie_outer {
	__u32 ifindex; /* where it leaves; 0 = no route or neighbour at present */
	__u16 mtu;     /* largest inner packet */
	__u8 len;      /* octets of hdr in use */
	__u8 l2_len;   /* of which link layer: 14 or 18 */
	__u8 hdr[MAGPIE_OUTER];
};

struct magpie_path { /* magpie_path: ARRAY, mmapable; element 0 is unused */
	__u8 alive;  /* 1: may carry packets */
	__u8 live;   /* 0 or 1: which outer header packets use */
	__u8 label;  /* as in the bindings that use it, for who reads a dump */
	__u8 pad;
	enum magpie_encap encap;
	__u8 local[16];
	__u8 remote[16];
	struct magpie_outer outer[2];
	__u8 pad2[40];
};

struct magpie_tunnel_key { /* magpie_tunnel: HASH -> __u32 path */
	__u8 remote[16];   /* outer source of what arrives */
	__u8 local[16];	   /* outer destination */
	enum magpie_encap encap;
	__u32 key; /* reserved for GRE keys and ports: 0 */
};

/*
 * magpie_hint: PERCPU_ARRAY[MAGPIE_HINTS] -> __u32 path that a hash of the outer source last led
 * to. A hint counts only if the path has these very addresses and an encap, so a writer that takes
 * a tunnel away clears the path's encap with it.
 */
#define MAGPIE_DECISIONS 1024 /* per-CPU cache of choices */
#define MAGPIE_HINTS	 1024

struct magpie_local_key { /* magpie_local: HASH -> __u32 number of tunnels that end there */
	__u8 addr[16];
};

struct magpie_path_count { /* magpie_pathstat: PERCPU_ARRAY, index as magpie_path */
	__u64 tx_packets;
	__u64 tx_bytes; /* inner octets, from the IP header on */
	__u64 rx_packets;
	__u64 rx_bytes;
};

/* ---- policy ------------------------------------------------------------------------ */

enum magpie_rule_fields {
	MAGPIE_RULE_PROTO = 1,
	MAGPIE_RULE_DSCP = 2,
	MAGPIE_RULE_SPORT = 4,
	MAGPIE_RULE_DPORT = 8,
	MAGPIE_RULE_SRC = 16,
	MAGPIE_RULE_DST = 32,
	MAGPIE_RULE_FAMILY = 64,
};

/*
 * Written from the host's point of view: source is the mobile side, destination the correspondent;
 * programs mirror it for the other direction (TS-01, TS-02). All named fields must match; ranges
 * include both ends. Half h of magpie_rule (ARRAY[2 * MAGPIE_RULES]) starts at h * MAGPIE_RULES.
 */
struct magpie_rule {
	__u32 fields; /* enum magpie_rule_fields */
	__u8 class;   /* index within the same half of magpie_class */
	__u8 proto;
	__u8 family; /* 4 or 6 */
	__u8 pad;
	__u8 dscp_first;
	__u8 dscp_last;
	__u16 sport_first;
	__u16 sport_last;
	__u16 dport_first;
	__u16 dport_last;
	__u16 pad2;
	__u32 pad3;
	__u64 src_be[2]; /* network byte order, masked */
	__u64 src_mask_be[2];
	__u64 dst_be[2];
	__u64 dst_mask_be[2];
	char name[MAGPIE_NAME];
};

enum magpie_otherwise { /* what happens when no tier of a class has a usable path */
			MAGPIE_OTHERWISE_DEFAULT, /* the default class decides; in class 0: no path
						   */
			MAGPIE_OTHERWISE_DROP,
};

/* Half h of magpie_class (ARRAY[2 * MAGPIE_CLASSES]) starts at h * MAGPIE_CLASSES. */
struct magpie_class {
	char name[MAGPIE_NAME];
	enum magpie_otherwise otherwise;
	__u32 pad;
	__u8 rank[256];	  /* by label: 0 = not in the class, 1 = best tier, 2 = next ... */
	__u8 weight[256]; /* by label: 1.. */
};

/*
 * magpie_rulestat: PERCPU_ARRAY[MAGPIE_RULES + 1]; the last counts what no rule matched. Nothing is
 * counted while there are no rules.
 */
struct magpie_rule_count {
	__u64 packets;
	__u64 bytes;
};

/* ---- state the programs keep ------------------------------------------------------- */

struct magpie_flow_key { /* magpie_flow: LRU_HASH */
	__u64 hash;	 /* 64-bit hash of the flow, seeded by the session */
	__u32 session;
	__u32 pad;
};

struct magpie_flow {   /* a flow that is not where its first choice would put it */
	__u64 seen_ns; /* CLOCK_MONOTONIC */
	__u8 bid;
	__u8 class;
	__u8 pad[6];
};

struct magpie_frag_key { /* magpie_frag: LRU_HASH; first fragments write, the others read */
	__u8 src[16];
	__u8 dst[16];
	__u32 id_be;
	__u32 proto;
};

struct magpie_frag {
	__u64 seen_ns;
	__u16 sport;
	__u16 dport;
	__u8 proto; /* upper-layer protocol */
	__u8 pad[3];
};

struct magpie_nexthop { /* magpie_nexthop: PERCPU_ARRAY[MAGPIE_NEXTHOPS] */
	__u8 dst[16];
	__u32 generation; /* valid if equal to config.nexthop_generation */
	__u32 ifindex;
	__u8 dmac[6];
	__u8 smac[6];
	__u16 mtu; /* largest packet it takes */
	__u8 pad[2];
};

/*
 * magpie_decision: PERCPU_ARRAY[MAGPIE_DECISIONS] by flow hash: a first choice that holds while
 * both generations do (bpf/decision.h).
 */
struct magpie_decision {
	__u64 hash;
	__u32 session;
	__u32 kind;   /* DSCP, next header, whether ports are known */
	__u32 set;    /* magpie_set.generation */
	__u32 policy; /* config.policy_generation */
	__u16 path;
	__u8 bid;
	__u8 rule;
	__u8 class;
	__u8 tier;
	__u8 pad[2];
};

struct magpie_bucket { /* magpie_bucket: PERCPU_ARRAY[1], limits ICMP errors we make */
	__u64 refilled_ns;
	__u64 tokens;
};

/* ---- dry run ----------------------------------------------------------------------- */

enum magpie_trace_flags {
	MAGPIE_TRACE_PINNED = 1,    /* an established flow kept its path */
	MAGPIE_TRACE_DISPLACED = 2, /* the first choice cannot carry it */
};

#define MAGPIE_NO_RULE 0xff

/*
 * How `magpie trace` asks: a test run whose context (XDP: 20 octets of metadata in front of the
 * packet; tc: cb[0..4]) starts with config.trace_key. Such a run changes no counter, no flow and no
 * packet of others, and leaves its answer in the same place, behind the key.
 */
struct magpie_trace {
	__u32 key[2]; /* config.trace_key, low half first */
	__u8 reason;  /* enum magpie_reason */
	__u8 rule;    /* index, or MAGPIE_NO_RULE */
	__u8 class;
	__u8 tier; /* 1 = best */
	__u32 session;
	__u16 path;
	__u8 bid;
	__u8 flags; /* enum magpie_trace_flags */
};

/* ---- sizes ------------------------------------------------------------------------- */

_Static_assert(sizeof(struct magpie_reason_count) == 24, "layout");
_Static_assert(sizeof(struct magpie_pool) == 48, "layout");
_Static_assert(sizeof(struct magpie_binding) == 8, "layout");
_Static_assert(sizeof(struct magpie_set) == 64, "a set is one cache line");
_Static_assert(sizeof(struct magpie_session) == 128, "layout");
_Static_assert(sizeof(struct magpie_switch) == 64, "layout");
_Static_assert(sizeof(struct magpie_wide) == 2032, "layout");
_Static_assert(sizeof(struct magpie_outer) == 88, "layout");
_Static_assert(sizeof(struct magpie_path) == 256, "layout");
_Static_assert(sizeof(struct magpie_tunnel_key) == 40, "layout");
_Static_assert(sizeof(struct magpie_rule) == 104, "layout");
_Static_assert(sizeof(struct magpie_flow_key) == 16, "layout");
_Static_assert(sizeof(struct magpie_trace) == 20, "fits cb[] and XDP metadata");

#endif
