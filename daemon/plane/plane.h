/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The data plane as the daemon sees it: load, attach, pin; views and policies -> maps; counters
 * out.
 *
 * Maps, programs and links are pinned in one directory of a bpffs of our own (layout number
 * checked), so that forwarding goes on without the daemon; a new daemon adopts what it finds and
 * writes only differences. Nothing that is not ours is ever removed. bpf/abi.h says how a change is
 * made under traffic; this module is its one writer. Single-threaded.
 */
#ifndef MAGPIE_PLANE_PLANE_H
#define MAGPIE_PLANE_PLANE_H

#include "bpf/abi.h"
#include "core/policy.h"
#include "core/port.h"

struct plane;

enum plane_hook { PLANE_HOOK_AUTO, PLANE_HOOK_XDP, PLANE_HOOK_TC };

struct plane_device {
	char name[16];
	uint32_t ifindex;
	uint32_t flags; /* enum magpie_dev_flags */
};

struct plane_pool {
	struct ip_prefix range;
	uint8_t length;
};

struct plane_config {
	enum magpie_role role;
	const char *
		dir; /* of the pins, e.g. /run/magpie/bpf; a bpffs is mounted there if it is none */
	enum plane_hook
		hook; /* AUTO: native XDP if every device has it and none is a veth, else tc */
	const struct plane_device *device;
	size_t n_device;
	const struct plane_pool *pool; /* LMA; a MAG's prefixes are learned */
	size_t n_pool;
	uint32_t max_sessions;
	uint32_t max_paths;
	uint32_t flow_table;
	uint32_t flow_idle_s;
	uint8_t hop_limit;
	bool no_tcx; /* tc as on kernels before 6.6, on any kernel; for tests */
};

/* A path (tunnel) as control sees it. */
struct plane_path_info {
	uint32_t id;
	struct ip_addr local;
	struct ip_addr remote;
	uint32_t ifindex; /* asked for by the view: 0 = by routing */
	uint8_t label;
	bool alive;
	struct magpie_outer outer; /* the live one; ifindex 0: unresolved */
	uint32_t users;		   /* bindings on it */
	struct magpie_path_count count;
};

/*
 * Path comings and goings, for who resolves outer headers and probes. path_added is called by
 * plane_publish after the path is in the maps and *before* packets are switched to it: it may call
 * plane_set_outer and plane_set_alive, so that the first packet already finds the way. Adopted
 * paths are announced when their session is published. path_removed comes when the publish is
 * complete and may publish again; only a path that from now on leaves by another device (the same
 * addresses, another ifindex in the view) is removed and added again on the spot.
 */
struct plane_watcher {
	void *ctx;
	void (*path_added)(void *ctx, const struct plane_path_info *path);
	void (*path_removed)(void *ctx, uint32_t id);
};

/* The answer of a dry run. */
struct plane_trace {
	struct magpie_trace trace;
	enum plane_hook hook;
};

/*
 * Opens or adopts. Errors are logged with what to do. -EEXIST: maps of another layout, role, size
 * or of other pools are pinned; they and their attachments are untouched (`magpie release` first).
 * -EBUSY: something foreign is in our place on a device. A first start that fails leaves nothing.
 */
int plane_open(const struct plane_config *config, const struct plane_watcher *watcher,
	       struct plane **ret_plane);
/* Lets go of everything and leaves it working: maps, programs and links stay pinned. */
void plane_close(struct plane *plane);
/*
 * Detaches and unpins what is ours below `dir`, also without an open plane; unmounts the bpffs and
 * removes the folder unless something foreign is pinned there. Foreign programs on the same devices
 * stay. When it returns, no packet is given to our programs any more.
 */
int plane_release(const char *dir);

/*
 * core_port.publish: makes the view the session's one state, in one switch as seen by packets.
 * -ENOSPC when a table is full; then nothing has changed. What must not be rewritten yet because
 * packets may still read it costs a wait of some milliseconds, which all changes before it share.
 */
int plane_publish(struct plane *plane, const struct session_view *view);

/* Names what was adopted and not published since plane_open: forwarding of a former daemon. */
size_t plane_orphans(const struct plane *plane);
/* Ends the adopted sessions that nobody claimed (L18: after the longest lifetime). */
void plane_drop_orphans(struct plane *plane);

/* Rules and classes: the idle half is filled, then one word switches. -E2BIG. */
int plane_set_policy(struct plane *plane, const struct policy *policy);

/* The outer header of a path, from route, neighbour and link; ifindex 0: not to be had now. */
void plane_set_outer(struct plane *plane, uint32_t path, const struct magpie_outer *outer);
void plane_set_alive(struct plane *plane, uint32_t path, bool alive);
/* Cached next hops are void (a route or neighbour changed). */
void plane_flush_nexthops(struct plane *plane);
/* Forgets pinned flows that idled out and clears the flag of sessions that have none; every 30 s.
 */
void plane_sweep(struct plane *plane);

/* Fills an Ethernet + IPv6 outer header template; mtu is the device's. */
void plane_build_outer(struct magpie_outer *ret_outer, uint32_t ifindex, uint16_t device_mtu,
		       const uint8_t source_mac[6], const uint8_t destination_mac[6],
		       const struct ip_addr *local, const struct ip_addr *remote,
		       uint8_t hop_limit);

uint32_t plane_find_path(const struct plane *plane, const struct ip_addr *local,
			 const struct ip_addr *remote); /* 0: none */
int plane_path(const struct plane *plane, uint32_t id, struct plane_path_info *ret_info);
int plane_each_path(const struct plane *plane,
		    int (*each)(void *ctx, const struct plane_path_info *info), void *ctx);
int plane_reasons(const struct plane *plane, struct magpie_reason_count *ret_counts /* [COUNT] */);
int plane_rule_counts(const struct plane *plane,
		      struct magpie_rule_count *ret_counts /* [RULES+1] */);
/*
 * The devices that exist now (a device came, went, or came back with another ifindex): attaches
 * where we are not, forgets what is gone.
 */
int plane_update_devices(struct plane *plane, const struct plane_device *device, size_t n);
/* The hook in use on a device; PLANE_HOOK_AUTO: not attached. */
enum plane_hook plane_device_hook(const struct plane *plane, uint32_t ifindex);

/*
 * Asks the program that handles packets of an inside device what it would do with an inner packet
 * (IPv6 or IPv4 header first). -ENODEV: no inside device is attached.
 */
int plane_trace_packet(const struct plane *plane, const uint8_t *packet, size_t len,
		       struct plane_trace *ret_trace);

#endif
