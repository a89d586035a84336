/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps the plane's paths true: the outer header follows route, neighbour and link; `alive` is
 * "resolved and not silent". A peer that never answered a probe may not know STAMP: its silence
 * says nothing, and the path counts as alive.
 */
#include <errno.h>
#include <stdlib.h>

#include "app/app.h"
#include "util/log.h"

struct path {
	bool used;
	bool hop_known; /* rtnl has reported once; until then what was adopted stays */
	bool resolved;
	bool alive;
	bool silent;
};

struct app_paths {
	uint32_t n;
	uint16_t min_mtu;
	bool adding; /* within a publish: core is told nothing, it takes a new path for alive */
	struct path path[];
};

static void update_mtu(struct app *app)
{
	uint16_t mtu = paths_min_mtu(app);

	if (mtu == app->paths->min_mtu || app->paths->adding)
		return;
	app->paths->min_mtu = mtu;
	app->role->mtu_changed(app);
}

static void judge(struct app *app, uint32_t id)
{
	struct path *p = &app->paths->path[id];
	bool alive = p->resolved && !p->silent;
	struct plane_path_info info;

	if (!p->hop_known || alive == p->alive)
		return;
	p->alive = alive;
	plane_set_alive(app->plane, id, alive);
	if (app->paths->adding)
		return;
	if (plane_path(app->plane, id, &info) == 0)
		app->role->path_state(app, &info, alive);
	app_rearm(app);
}

void paths_hop(void *ctx, uint32_t tunnel, const struct rtnl_hop *hop)
{
	struct app *app = ctx;
	struct path *p = &app->paths->path[tunnel];
	struct plane_path_info info;
	struct magpie_outer outer = {0};

	if (!p->used || plane_path(app->plane, tunnel, &info) < 0)
		return;
	if (!hop->resolved && !p->hop_known && info.outer.ifindex != 0)
		return; /* adopted, and forwarding: not taken away before we know better */
	if (hop->resolved)
		plane_build_outer(&outer, hop->ifindex, hop->mtu, hop->source_mac,
				  hop->destination_mac, &info.local, &info.remote,
				  app->config->hop_limit);
	plane_set_outer(app->plane, tunnel, &outer);
	p->hop_known = true;
	p->resolved = hop->resolved;
	judge(app, tunnel);
	update_mtu(app);
}

void paths_health(void *ctx, uint32_t tunnel, enum health_state state)
{
	struct app *app = ctx;
	const struct health *h = stamp_health(app->stamp, tunnel);
	struct path *p = &app->paths->path[tunnel];

	if (!p->used || !h)
		return;
	p->silent = state == HEALTH_DOWN && h->heard_ns != 0;
	judge(app, tunnel);
}

bool paths_known(void *ctx, const struct ip_addr *local, const struct ip_addr *remote)
{
	struct app *app = ctx;

	return plane_find_path(app->plane, local, remote) != 0;
}

static void added(void *ctx, const struct plane_path_info *info)
{
	struct app *app = ctx;
	struct path *p;
	int r;

	if (info->id >= app->paths->n)
		return;
	p = &app->paths->path[info->id];
	if (p->used)
		return;
	*p = (struct path){.used = true, .alive = info->alive};
	app->paths->adding = true;
	r = rtnl_watch_hop(app->rtnl, info->id, &info->local, &info->remote, info->ifindex);
	if (r == 0 && app->stamp)
		r = stamp_add(app->stamp, info->id, &info->local, &info->remote, info->ifindex);
	app->paths->adding = false;
	if (r < 0)
		log_error("path %u cannot be watched: error %d", info->id, -r);
}

static void removed(void *ctx, uint32_t id)
{
	struct app *app = ctx;

	if (id >= app->paths->n || !app->paths->path[id].used)
		return;
	app->paths->path[id].used = false;
	rtnl_unwatch_hop(app->rtnl, id);
	if (app->stamp)
		stamp_remove(app->stamp, id);
	update_mtu(app);
}

void paths_watch(struct plane_watcher *ret_watcher, struct app *app)
{
	*ret_watcher =
		(struct plane_watcher){.ctx = app, .path_added = added, .path_removed = removed};
}

int paths_open(struct app *app)
{
	uint32_t n = app->config->max_paths;

	app->paths = calloc(1, sizeof(*app->paths) + n * sizeof(struct path));
	if (!app->paths)
		return -ENOMEM;
	app->paths->n = n;
	return 0;
}

void paths_close(struct app *app)
{
	free(app->paths);
	app->paths = NULL;
}

const char *paths_state_text(const struct app *app, uint32_t id)
{
	const struct path *p = &app->paths->path[id];
	const struct health *h = app->stamp ? stamp_health(app->stamp, id) : NULL;

	if (p->hop_known && !p->resolved)
		return "unresolved";
	if (p->silent)
		return "down";
	return h && h->state == HEALTH_UP ? "up" : "unknown";
}

static int take_min(void *ctx, const struct plane_path_info *info)
{
	uint16_t *min = ctx;

	if (info->outer.ifindex != 0 && (*min == 0 || info->outer.mtu < *min))
		*min = info->outer.mtu;
	return 0;
}

uint16_t paths_min_mtu(const struct app *app)
{
	uint16_t min = 0;

	plane_each_path(app->plane, take_min, &min);
	return min;
}
