/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wiring: which module's events go into which other module. Everything runs on one libuv loop
 * and one thread. What differs between the roles stands behind struct app_role; what both share is
 * here: devices and paths (paths.c), messages (signalling.c), the event history (history.c), the
 * verbs of the control socket (verbs.c).
 */
#ifndef MAGPIE_APP_APP_H
#define MAGPIE_APP_APP_H

#include <json-c/json.h>
#include <uv.h>

#include "config/config.h"
#include "control/control.h"
#include "net/net.h"
#include "plane/plane.h"
#include "store/store.h"

struct app;
struct app_paths;
struct history;

struct app_role {
	const char *name;
	enum magpie_role number;
	int (*start)(struct app *app); /* makes the core; plane and sockets are there */
	void (*stop)(struct app *app);
	void (*receive)(struct app *app, const struct core_time *now, const struct core_peer *from,
			const struct mh_message *msg);
	void (*tick)(struct app *app, const struct core_time *now);
	uint64_t (*next_ns)(const struct app *app);
	/* A device of the configuration changed (watch as given to rtnl). */
	void (*device)(struct app *app, size_t watch, const struct rtnl_device_state *state);
	/* A tunnel came to life or died. */
	void (*path_state)(struct app *app, const struct plane_path_info *path, bool up);
	/* A view was published: routes, advertisements, store. */
	void (*published)(struct app *app, const struct session_view *view);
	void (*mtu_changed)(struct app *app);
	/* What changed since the last call is on disk, or -errno. */
	int (*commit)(struct app *app);
	/* Ends all sessions; released: nothing is outstanding. */
	void (*release)(struct app *app, const struct core_time *now);
	bool (*released)(const struct app *app);
	int (*reconfigure)(struct app *app, const struct core_time *now);
	size_t (*sessions)(const struct app *app, struct json_object *ret_array);
	const char *(*path_name)(const struct app *app, const struct plane_path_info *path);
	const uint64_t *(*counters)(const struct app *app);
	const uint64_t *(*statuses)(const struct app *app);
};

extern const struct app_role app_role_mag;
extern const struct app_role app_role_lma;

#define APP_MAX_DEVICES 272 /* 254 paths and the LANs */

struct app_device {
	struct plane_device plane;
	struct rtnl_device_state state;
};

struct app {
	uv_loop_t loop;
	uv_timer_t core_timer;
	uv_timer_t sweep_timer;
	uv_timer_t watchdog_timer;
	uv_timer_t release_timer;
	uv_signal_t signals[3];
	const char *config_file;
	struct config *config;
	const struct app_role *role;
	struct core_port port;

	struct plane *plane;
	struct rtnl *rtnl;
	struct stamp *stamp;
	struct ra *ra;
	struct mh_socket *mh;
	struct control *control;
	struct store *store; /* NULL: bindings are kept in memory only */
	struct mag *mag;     /* one of these two, by role */
	struct lma *lma;
	void *role_data; /* of role_mag.c or role_lma.c */

	struct app_device device[APP_MAX_DEVICES]; /* by watch */
	size_t n_device;
	struct app_paths *paths;
	struct history *history;
	uint64_t faults[MH_FAULT_COUNT];
	uint64_t started_ns;
	uint64_t orphans_until_ns; /* 0: none adopted */
	uint64_t release_until_ns; /* 0: not releasing */
	struct control_client *release_client;
	bool released;
};

/* app.c */
int app_run(const char *config_file);
void app_now(struct core_time *ret_now);
void app_rearm(struct app *app); /* after every call into core */
void app_stop(struct app *app);
void app_start_release(struct app *app, struct control_client *client);

/* devices.c */
int devices_watch(struct app *app);
void devices_changed(void *ctx, size_t watch, const struct rtnl_device_state *state);
size_t devices_present(const struct app *app, struct plane_device *ret_devices);

/* paths.c: outer headers and liveness of the plane's paths */
int paths_open(struct app *app);
void paths_close(struct app *app);
void paths_watch(struct plane_watcher *ret_watcher, struct app *app);
void paths_hop(void *ctx, uint32_t tunnel, const struct rtnl_hop *hop);
void paths_health(void *ctx, uint32_t tunnel, enum health_state state);
bool paths_known(void *ctx, const struct ip_addr *local, const struct ip_addr *remote);
/* "up", "down", "unknown" or "unresolved" */
const char *paths_state_text(const struct app *app, uint32_t id);
/* Smallest inner MTU of the resolved paths; 0: none is resolved. */
uint16_t paths_min_mtu(const struct app *app);

/* signalling.c */
int signalling_open(struct app *app);
void signalling_send(void *ctx, const struct core_peer *peer, const struct mh_message *msg);
void signalling_flush(struct app *app);

/* history.c */
int history_open(struct app *app);
void history_close(struct app *app);
void history_note(void *ctx, const struct core_note *note);
/* A line that is no core note: "config-reloaded", "started" ... */
void history_add(struct app *app, const char *kind, const char *severity, const char *text);
/* Calls each with the JSON line of each remembered event, oldest first; NULL-safe. */
void history_each(const struct app *app, void (*each)(void *ctx, const char *line), void *ctx);
struct json_object *history_last(const struct app *app); /* NULL: none; the caller's */

/* verbs.c */
extern const struct control_verb app_verbs[];

#endif
