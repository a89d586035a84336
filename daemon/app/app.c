/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Start, run, stop. The order of the start is the order of trust: configuration, devices, data
 * plane (adopted if a former daemon left one), core with what the store holds, and only then the
 * sockets that answer others. A stop lets go of everything and leaves it working; a release takes
 * it down.
 */
#include "app/app.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "util/log.h"

#define SWEEP_MS	 10000
#define RELEASE_LIMIT_NS (10 * CORE_NSEC_PER_SEC)
#define RELEASE_POLL_MS	 20

void app_now(struct core_time *ret_now)
{
	struct timespec mono, real;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	ret_now->mono_ns = (uint64_t)mono.tv_sec * CORE_NSEC_PER_SEC + (uint64_t)mono.tv_nsec;
	ret_now->stamp =
		(uint64_t)real.tv_sec << 16 | ((uint64_t)real.tv_nsec << 16) / CORE_NSEC_PER_SEC;
}

/* ---- the core's timer -------------------------------------------------------------- */

static void on_core_timer(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct core_time now;

	app_now(&now);
	app->role->tick(app, &now);
	signalling_flush(app);
	app_rearm(app);
}

void app_rearm(struct app *app)
{
	uint64_t next = app->role->next_ns(app);
	struct core_time now;
	uint64_t ms;

	if (next == CORE_NEVER) {
		uv_timer_stop(&app->core_timer);
		return;
	}
	app_now(&now);
	ms = next <= now.mono_ns ? 0 : (next - now.mono_ns + 999999) / 1000000;
	uv_update_time(&app->loop);
	uv_timer_start(&app->core_timer, on_core_timer, ms, 0);
}

/* ---- the port ---------------------------------------------------------------------- */

static int on_publish(void *ctx, const struct session_view *view)
{
	struct app *app = ctx;
	int r = plane_publish(app->plane, view);

	if (r == 0)
		app->role->published(app, view);
	return r;
}

static uint64_t on_random(void *ctx)
{
	uint64_t value = 0;

	(void)ctx;
	if (uv_random(NULL, NULL, &value, sizeof(value), 0, NULL) < 0)
		value = (uint64_t)random();
	return value;
}

/* ---- periodic ---------------------------------------------------------------------- */

static void on_sweep(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct core_time now;

	plane_sweep(app->plane);
	app_now(&now);
	if (app->orphans_until_ns && now.mono_ns >= app->orphans_until_ns) {
		plane_drop_orphans(app->plane);
		app->orphans_until_ns = 0;
	}
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	sd_notify(0, "WATCHDOG=1");
}

static void on_hops_changed(void *ctx)
{
	struct app *app = ctx;

	if (app->plane)
		plane_flush_nexthops(app->plane);
}

/* ---- release ----------------------------------------------------------------------- */

static void finish_release(struct app *app)
{
	uv_timer_stop(&app->release_timer);
	app->released = true;
	app_stop(app);
}

static void on_release_poll(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct core_time now;

	app_now(&now);
	if (app->role->released(app) || now.mono_ns >= app->release_until_ns)
		finish_release(app);
}

void app_start_release(struct app *app, struct control_client *client)
{
	struct core_time now;

	app_now(&now);
	app->release_client = client;
	app->release_until_ns = now.mono_ns + RELEASE_LIMIT_NS;
	history_add(app, "release", "info", "the operator asked to deregister and detach");
	app->role->release(app, &now);
	signalling_flush(app);
	app_rearm(app);
	uv_timer_start(&app->release_timer, on_release_poll, RELEASE_POLL_MS, RELEASE_POLL_MS);
}

/* ---- reload ------------------------------------------------------------------------ */

static void report(void *ctx, const struct config_diagnostic *d)
{
	(void)ctx;
	log_line(d->severity == CONFIG_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s:%u:%u: %s",
		 d->file, d->line, d->column, d->text);
}

/* What the data plane and the device watches were opened with cannot change under them. */
static bool same_devices(const struct config *a, const struct config *b)
{
	if (a->n_inside != b->n_inside || a->n_outside != b->n_outside || a->n_path != b->n_path)
		return false;
	for (size_t i = 0; i < a->n_path; i++) {
		if (strcmp(a->path[i].device, b->path[i].device) != 0 ||
		    a->path[i].core.bid != b->path[i].core.bid)
			return false;
	}
	return memcmp(a->inside, b->inside, sizeof(a->inside)) == 0 &&
	       memcmp(a->outside, b->outside, sizeof(a->outside)) == 0;
}

static bool same_pools(const struct config *a, const struct config *b)
{
	if (a->lma.n_pool != b->lma.n_pool)
		return false;
	for (size_t i = 0; i < a->lma.n_pool; i++) {
		if (!ip_prefix_equal(&a->pool[i].range, &b->pool[i].range) ||
		    a->pool[i].length != b->pool[i].length)
			return false;
	}
	return true;
}

static bool same_nodes(const struct config *a, const struct config *b)
{
	if (a->n_node != b->n_node)
		return false;
	for (size_t i = 0; i < a->n_node; i++) {
		if (!mh_id_equal(&a->node[i].mn_id, &b->node[i].mn_id) ||
		    strcmp(a->node_lan[i], b->node_lan[i]) != 0)
			return false;
	}
	return true;
}

static bool needs_restart(const struct config *a, const struct config *b)
{
	return a->role != b->role || !same_devices(a, b) || !same_pools(a, b) ||
	       !same_nodes(a, b) || strcmp(a->runtime_dir, b->runtime_dir) != 0 ||
	       strcmp(a->state_dir, b->state_dir) != 0 || a->store_memory != b->store_memory ||
	       a->max_paths != b->max_paths || a->lma.max_sessions != b->lma.max_sessions ||
	       a->flow_table != b->flow_table;
}

static void reload(struct app *app)
{
	struct config *next, *old = app->config;
	struct core_time now;
	int r;

	sd_notify(0, "RELOADING=1");
	r = config_load(app->config_file, report, NULL, &next);
	if (r < 0) {
		history_add(app, "reload-failed", "error",
			    "the configuration has errors; the running one stays");
		goto out;
	}
	if (needs_restart(old, next)) {
		history_add(app, "reload-failed", "error",
			    "role, devices, paths, nodes or pools differ: restart to apply; the "
			    "running "
			    "configuration stays");
		config_free(next);
		goto out;
	}
	r = plane_set_policy(app->plane, &next->policy);
	if (r < 0) {
		history_add(app, "reload-failed", "error",
			    "the policy does not fit the data plane");
		config_free(next);
		goto out;
	}
	app_now(&now);
	app->config = next;
	app->role->reconfigure(app, &now);
	signalling_flush(app);
	config_free(old);
	history_add(app, "reloaded", "info", "configuration applied");
	app_rearm(app);
out:
	sd_notify(0, "READY=1");
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct app *app = handle->data;

	if (number == SIGHUP)
		reload(app);
	else
		app_stop(app);
}

/* ---- start and stop ---------------------------------------------------------------- */

/* Makes the directory and those above it. */
static int make_directory(const char *path)
{
	char part[CONFIG_PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(part, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_plane(struct app *app)
{
	const struct config *c = app->config;
	struct plane_device device[APP_MAX_DEVICES];
	struct plane_pool pool[CONFIG_MAX_POOLS];
	struct plane_watcher watcher;
	char dir[CONFIG_PATH_MAX + 8];
	struct plane_config config = {
		.role = app->role->number,
		.dir = dir,
		.hook = c->attach == CONFIG_ATTACH_XDP	? PLANE_HOOK_XDP
			: c->attach == CONFIG_ATTACH_TC ? PLANE_HOOK_TC
							: PLANE_HOOK_AUTO,
		.device = device,
		.pool = pool,
		.n_pool = c->lma.n_pool,
		.max_sessions =
			c->role == CONFIG_ROLE_LMA ? c->lma.max_sessions : (uint32_t)c->n_node,
		.max_paths = c->max_paths,
		.flow_table = c->flow_table,
		.flow_idle_s = c->flow_idle_s,
		.hop_limit = c->hop_limit,
	};

	snprintf(dir, sizeof(dir), "%s/bpf", c->runtime_dir);
	for (size_t i = 0; i < c->lma.n_pool; i++)
		pool[i] = (struct plane_pool){c->pool[i].range, c->pool[i].length};
	config.n_device = devices_present(app, device);
	paths_watch(&watcher, app);
	return plane_open(&config, &watcher, &app->plane);
}

static int open_probes(struct app *app)
{
	struct stamp_handler handler = {.ctx = app, .state = paths_health, .known = paths_known};

	if (!app->config->health_enabled)
		return 0;
	return stamp_open(&app->loop, &app->config->health, &handler, &app->stamp);
}

static void adopt_orphans(struct app *app)
{
	size_t orphans = plane_orphans(app->plane);
	struct core_time now;

	if (orphans == 0)
		return;
	app_now(&now);
	app->orphans_until_ns =
		now.mono_ns + (app->role->number == MAGPIE_ROLE_MAG
				       ? (uint64_t)app->config->mag.lifetime_s
				       : (uint64_t)app->config->lma.max_lifetime_s) *
				      CORE_NSEC_PER_SEC;
	log_notice("%zu sessions of a former daemon go on forwarding until they are claimed",
		   orphans);
}

static int open_network(struct app *app)
{
	struct rtnl_handler handler = {.ctx = app,
				       .device = devices_changed,
				       .hop = paths_hop,
				       .changed = on_hops_changed};
	int r;

	r = rtnl_open(&app->loop, &handler, &app->rtnl);
	if (r == 0)
		r = devices_watch(app);
	if (r == 0)
		r = ra_open(&app->loop, &app->ra);
	if (r == 0)
		r = open_probes(app);
	if (r == 0)
		r = paths_open(app);
	return r;
}

static int open_modules(struct app *app)
{
	char path[CONFIG_PATH_MAX + 16];
	int r;

	r = make_directory(app->config->runtime_dir);
	if (r < 0) {
		log_error("%s: %s", app->config->runtime_dir, strerror(-r));
		return r;
	}
	snprintf(path, sizeof(path), "%s/control", app->config->runtime_dir);

	r = history_open(app);
	if (r == 0)
		r = control_open(&app->loop, path, app_verbs, app, &app->control);
	if (r == 0)
		r = open_network(app);
	if (r == 0)
		r = open_plane(app);
	if (r == 0)
		r = plane_set_policy(app->plane, &app->config->policy);
	if (r == 0)
		r = signalling_open(app);
	if (r == 0)
		r = app->role->start(app);
	if (r < 0)
		return r;
	adopt_orphans(app);
	signalling_flush(app);
	app_rearm(app);
	return 0;
}

static void start_timers(struct app *app)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	uint64_t watchdog_us = 0;

	for (size_t i = 0; i < 3; i++)
		uv_signal_start(&app->signals[i], on_signal, numbers[i]);
	uv_timer_start(&app->sweep_timer, on_sweep, SWEEP_MS, SWEEP_MS);
	if (sd_watchdog_enabled(0, &watchdog_us) > 0)
		uv_timer_start(&app->watchdog_timer, on_watchdog, 0, watchdog_us / 3000);
}

static void init_handles(struct app *app)
{
	uv_timer_t *timers[] = {&app->core_timer, &app->sweep_timer, &app->watchdog_timer,
				&app->release_timer};

	uv_loop_init(&app->loop);
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		uv_timer_init(&app->loop, timers[i]);
		timers[i]->data = app;
	}
	for (size_t i = 0; i < 3; i++) {
		uv_signal_init(&app->loop, &app->signals[i]);
		app->signals[i].data = app;
	}
	app->port = (struct core_port){.ctx = app,
				       .publish = on_publish,
				       .send = signalling_send,
				       .note = history_note,
				       .random = on_random};
}

void app_stop(struct app *app)
{
	uv_stop(&app->loop);
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Sockets first: nothing may come in while the rest is taken apart. */
static void close_modules(struct app *app)
{
	char dir[CONFIG_PATH_MAX + 8];

	if (app->mh && app->plane)
		app->role->stop(app);
	if (app->mh)
		mh_socket_close(app->mh);
	if (app->stamp)
		stamp_close(app->stamp);
	if (app->ra)
		ra_close(app->ra);
	if (app->rtnl)
		rtnl_close(app->rtnl);
	if (app->plane)
		plane_close(app->plane);
	if (app->released) {
		snprintf(dir, sizeof(dir), "%s/bpf", app->config->runtime_dir);
		plane_release(dir);
		rtnl_routes_purge();
	}
	if (app->release_client)
		control_write(app->release_client, "{\"ok\":true}");
	if (app->control)
		control_close(app->control);
	uv_walk(&app->loop, close_handle, NULL);
	uv_run(&app->loop, UV_RUN_DEFAULT);
	paths_close(app);
	history_close(app);
	uv_loop_close(&app->loop);
}

int app_run(const char *config_file)
{
	static struct app app; /* large, and there is one */
	struct core_time now;
	int r;

	app.config_file = config_file;
	r = config_load(config_file, report, NULL, &app.config);
	if (r < 0)
		return r;
	app.role = app.config->role == CONFIG_ROLE_MAG ? &app_role_mag : &app_role_lma;
	app_now(&now);
	app.started_ns = now.mono_ns;
	log_warning("Security=none: signalling is NOT authenticated; whoever reaches this host can "
		    "move or end sessions. Use it in closed networks only");

	init_handles(&app);
	r = open_modules(&app);
	if (r == 0) {
		start_timers(&app);
		history_add(&app, "started", "info", "magpied " MAGPIE_VERSION " is ready");
		log_notice("magpied %s ready as %s, identity %s", MAGPIE_VERSION, app.role->name,
			   app.config->identity);
		sd_notify(0, "READY=1");
		uv_run(&app.loop, UV_RUN_DEFAULT);
		sd_notify(0, "STOPPING=1");
		log_notice("%s", app.released ? "released: deregistered, detached and unpinned"
					      : "stopping; bindings and forwarding stay");
	}
	close_modules(&app);
	config_free(app.config);
	return r;
}
