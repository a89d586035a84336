/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps. Keys and values are bpf/abi.h's; sizes here are defaults that user space may override
 * before loading. The mmapable ones are written by plain stores under traffic (see abi.h), the hash
 * tables through the syscall. Both program objects declare all of them: who loads the second one
 * gives it the maps of the first.
 */
#ifndef MAGPIE_BPF_MAPS_H
#define MAGPIE_BPF_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "abi.h"

#define MAGPIE_MAP(name, map_type, flags, entries, key_type, value_type) \
	struct {                                                         \
		__uint(type, map_type);                                  \
		__uint(map_flags, flags);                                \
		__uint(max_entries, entries);                            \
		__type(key, key_type);                                   \
		__type(value, value_type);                               \
	} name SEC(".maps")

#define SHARED(name, entries, value_type) \
	MAGPIE_MAP(name, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, entries, __u32, value_type)
#define PLAIN(name, entries, value_type) \
	MAGPIE_MAP(name, BPF_MAP_TYPE_ARRAY, 0, entries, __u32, value_type)
#define PER_CPU(name, entries, value_type) \
	MAGPIE_MAP(name, BPF_MAP_TYPE_PERCPU_ARRAY, 0, entries, __u32, value_type)

#define DEFAULT_SESSIONS 4096

/* configuration and policy */
SHARED(magpie_config, 1, struct magpie_config);
PLAIN(magpie_dev, MAGPIE_DEVS, struct magpie_dev);
PLAIN(magpie_rule, 2 * MAGPIE_RULES, struct magpie_rule);
PLAIN(magpie_class, 2 * MAGPIE_CLASSES, struct magpie_class);

/* address -> session -> binding */
SHARED(magpie_slots, 65536, __u32);
MAGPIE_MAP(magpie_prefix, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, 4096, struct magpie_prefix_key,
	   __u32);
SHARED(magpie_session, DEFAULT_SESSIONS, struct magpie_session);
SHARED(magpie_switch, DEFAULT_SESSIONS / MAGPIE_SWITCHES, struct magpie_switch);
SHARED(magpie_wide, 16, struct magpie_wide);

/* paths */
SHARED(magpie_path, 4096, struct magpie_path);
MAGPIE_MAP(magpie_tunnel, BPF_MAP_TYPE_HASH, 0, 4096, struct magpie_tunnel_key, __u32);
MAGPIE_MAP(magpie_local, BPF_MAP_TYPE_HASH, 0, 256, struct magpie_local_key, __u32);

/* what the programs keep */
MAGPIE_MAP(magpie_flow, BPF_MAP_TYPE_LRU_HASH, 0, 65536, struct magpie_flow_key,
	   struct magpie_flow);
MAGPIE_MAP(magpie_frag, BPF_MAP_TYPE_LRU_HASH, 0, 4096, struct magpie_frag_key, struct magpie_frag);
PER_CPU(magpie_nexthop, MAGPIE_NEXTHOPS, struct magpie_nexthop);
PER_CPU(magpie_decision, MAGPIE_DECISIONS, struct magpie_decision);
PER_CPU(magpie_hint, MAGPIE_HINTS, __u32);
PER_CPU(magpie_bucket, 1, struct magpie_bucket);

/* what they count */
PER_CPU(magpie_reason, MAGPIE_REASON_COUNT, struct magpie_reason_count);
PER_CPU(magpie_pathstat, 4096, struct magpie_path_count);
PER_CPU(magpie_rulestat, MAGPIE_RULES + 1, struct magpie_rule_count);

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))

#endif
