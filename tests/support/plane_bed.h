/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bed for the daemon's side of the data plane: struct plane on devices of a network namespace and
 * pins in a mount namespace of the test process's own, so that nothing outlives the test. What is
 * in the maps is read through their pins, as bpftool does. Needs root.
 */
#ifndef MAGPIE_TESTS_PLANE_BED_H
#define MAGPIE_TESTS_PLANE_BED_H

#include "plane/plane.h"

#define PBED_DEVICES 4
#define PBED_EVENTS  1024

struct pbed {
	struct plane *plane;
	struct plane_config config; /* may be changed before pbed_open */
	struct plane_device device[PBED_DEVICES];
	struct plane_pool pool[2];
	char dir[64];

	/* what the watcher was told */
	uint32_t added, removed;
	uint32_t known[PBED_EVENTS]; /* by path id: added - removed */
	void (*on_added)(struct pbed *bed, const struct plane_path_info *path);
	void (*on_removed)(struct pbed *bed, uint32_t id);
};

/* Devices in0 (inside), out0 (outside), veth with peers in1, out1; role LMA, one /52 pool. */
void pbed_init(struct pbed *bed, enum magpie_role role);
/* plane_open as configured. */
int pbed_open(struct pbed *bed);
/* The daemon stops; what it pinned stays. */
void pbed_close(struct pbed *bed);
void pbed_shell(const char *command);
/* Re-reads the interface number of a device; 0: it is not there. */
uint32_t pbed_ifindex(struct pbed *bed, size_t device);

/* ---- views ------------------------------------------------------------------------- */

/* Session `id` with prefix 2001:db8:1:<id>::/64 and no bindings. */
void pbed_view(struct session_view *ret_view, uint32_t id);
void pbed_add_prefix(struct session_view *view, const char *prefix);
/* One more binding, both ways, its tunnel from 2001:db8:f::1 to 2001:db8:a:<tunnel>::1. */
struct binding_view *pbed_bind(struct session_view *view, uint8_t bid, uint8_t label,
			       uint16_t tunnel);
struct ip_addr pbed_addr(const char *text);

/* ---- maps -------------------------------------------------------------------------- */

/* A descriptor of a pinned map, by the name of the map without "magpie_"; to be closed. */
int pbed_map(const struct pbed *bed, const char *name);
/* Looks up; -ENOENT. */
int pbed_get(const struct pbed *bed, const char *name, const void *key, void *ret_value);
void pbed_put(const struct pbed *bed, const char *name, const void *key, const void *value);
/* Keys in a map. */
uint32_t pbed_count(const struct pbed *bed, const char *name);
/* The session a prefix leads to by pool and slot, or by the trie. */
uint32_t pbed_session_of(const struct pbed *bed, const char *prefix);
uint8_t pbed_live(const struct pbed *bed, uint32_t session);
struct magpie_set pbed_set(const struct pbed *bed, uint32_t session, uint8_t which);
struct magpie_path pbed_path(const struct pbed *bed, uint32_t id);

/* A digest for every map, over all of its keys and values but for the trace key. */
struct pbed_dump {
	uint64_t hash[32];
};
void pbed_dump(const struct pbed *bed, struct pbed_dump *ret_dump);
/* The first map that differs, or NULL. */
const char *pbed_differs(const struct pbed_dump *a, const struct pbed_dump *b);

#define pbed_assert_same(bed, before)                                      \
	do {                                                               \
		struct pbed_dump now_;                                     \
		const char *differs_;                                      \
		pbed_dump(bed, &now_);                                     \
		differs_ = pbed_differs(before, &now_);                    \
		cr_assert_null(differs_, "%s is not as before", differs_); \
	} while (0)

/* ---- attachments ------------------------------------------------------------------- */

/* The id of the program at a device's hook (tc: under tcx, or clsact at our place); 0: none. */
uint32_t pbed_attached(const struct pbed *bed, size_t device, enum plane_hook hook);

#endif
