/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an anchor does with its core: sessions are imported from the store before the first message
 * is taken, changes are stored before the answers of their batch leave, and each pool is an
 * unreachable route, so that addresses without a session are answered by the kernel instead of
 * travelling in a loop with the upstream router.
 */
#include <errno.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/documents.h"
#include "util/log.h"

#define MAX_DIRTY 4096

struct lma_side {
	uint32_t dirty[MAX_DIRTY]; /* core ids whose record is to be stored */
	size_t n_dirty;
	int error; /* of a removal since the last commit */
};

static void mark_dirty(void *ctx, uint32_t session)
{
	struct app *app = ctx;
	struct lma_side *side = app->role_data;

	if (!app->store)
		return;
	if (side->n_dirty > 0 && side->dirty[side->n_dirty - 1] == session)
		return;
	if (side->n_dirty == MAX_DIRTY)
		side->error = app->role->commit(app);
	side->dirty[side->n_dirty++] = session;
}

static int commit(struct app *app)
{
	struct lma_side *side = app->role_data;
	struct lma_record record;
	struct core_time now;
	int r = side->error;

	if (!app->store)
		return 0;
	app_now(&now);
	for (size_t i = 0; i < side->n_dirty; i++) {
		if (lma_export(app->lma, &now, side->dirty[i], &record) < 0)
			continue; /* ended meanwhile; published() removed it */
		int e = store_put(app->store, &record);
		if (e < 0)
			r = e;
	}
	side->n_dirty = 0;
	side->error = 0;
	int e = store_commit(app->store);
	return e < 0 ? e : r;
}

static void published(struct app *app, const struct session_view *view)
{
	struct lma_side *side = app->role_data;
	int r;

	if (!app->store || view->state == SESSION_ACTIVE || view->n_prefix == 0)
		return;
	r = store_remove(app->store, &view->prefix[0]);
	if (r < 0)
		side->error = r;
}

static void import_record(void *ctx, const struct lma_record *record)
{
	struct app *app = ctx;
	struct core_time now;
	char id[MH_ID_MAX * 4 + 8];
	int r;

	app_now(&now);
	r = lma_import(app->lma, &now, record);
	if (r == -ESTALE)
		store_remove(app->store, &record->prefix[0]);
	else if (r < 0)
		log_warning("stored session of %s is not taken over: error %d",
			    mh_id_text(&record->mn_id, id, sizeof(id)), -r);
}

static int start(struct app *app)
{
	const struct config *c = app->config;
	size_t orphans;
	int r;

	app->role_data = calloc(1, sizeof(struct lma_side));
	if (!app->role_data)
		return -ENOMEM;
	for (size_t i = 0; i < c->lma.n_pool; i++) {
		r = rtnl_route_add(app->rtnl, RTNL_ROUTE_UNREACHABLE, &c->pool[i].range, 0);
		if (r < 0)
			log_warning("no unreachable route for pool %zu: error %d", i, -r);
	}
	app->port.changed = mark_dirty;
	r = lma_new(&c->lma, &app->port, &app->lma);
	if (r < 0)
		return r;
	if (!c->store_memory) {
		r = store_open(c->state_dir, &app->store);
		if (r < 0)
			return r;
		r = store_each(app->store, import_record, app);
		if (r < 0)
			return r;
		r = commit(app);
		if (r < 0)
			return r;
	}
	orphans = plane_orphans(app->plane);
	if (orphans > 0 && app->store) {
		log_warning("%zu sessions of the data plane are in no store: removed", orphans);
		plane_drop_orphans(app->plane);
	}
	return 0;
}

static void stop(struct app *app)
{
	if (app->lma && app->role_data)
		commit(app);
	lma_free(app->lma);
	store_close(app->store);
	free(app->role_data);
}

static void receive(struct app *app, const struct core_time *now, const struct core_peer *from,
		    const struct mh_message *msg)
{
	lma_receive(app->lma, now, from, msg);
}

static void tick(struct app *app, const struct core_time *now)
{
	lma_tick(app->lma, now);
}

static uint64_t next_ns(const struct app *app)
{
	return lma_next_ns(app->lma);
}

static void device(struct app *app, size_t watch, const struct rtnl_device_state *state)
{
	(void)app;
	(void)watch;
	(void)state; /* routes and hops have their own watches */
}

static void path_state(struct app *app, const struct plane_path_info *path, bool up)
{
	struct core_time now;

	app_now(&now);
	lma_path_state(app->lma, &now, &path->local, &path->remote, up);
}

static void mtu_changed(struct app *app)
{
	(void)app;
}

static void release(struct app *app, const struct core_time *now)
{
	lma_release(app->lma, now);
	commit(app);
	if (app->store)
		store_clear(app->store);
}

static bool released(const struct app *app)
{
	(void)app;
	return true;
}

static int reconfigure(struct app *app, const struct core_time *now)
{
	(void)now;
	return lma_reconfigure(app->lma, &app->config->lma);
}

static int add_session(void *ctx, const struct lma_session_info *s)
{
	struct document_context *doc = ctx;

	json_object_array_add(doc->array, document_lma_session(doc->app, s));
	return 0;
}

static size_t sessions(const struct app *app, struct json_object *ret_array)
{
	struct document_context doc = {.app = app, .array = ret_array};

	lma_each(app->lma, add_session, &doc);
	return json_object_array_length(ret_array);
}

static const char *path_name(const struct app *app, const struct plane_path_info *path)
{
	const char *name = config_label_name(app->config, path->label);

	return name ? name : "-";
}

static const uint64_t *counters(const struct app *app)
{
	return lma_counters(app->lma);
}

static const uint64_t *statuses(const struct app *app)
{
	return lma_statuses(app->lma);
}

const struct app_role app_role_lma = {
	.name = "lma",
	.number = MAGPIE_ROLE_LMA,
	.start = start,
	.stop = stop,
	.receive = receive,
	.tick = tick,
	.next_ns = next_ns,
	.device = device,
	.path_state = path_state,
	.published = published,
	.mtu_changed = mtu_changed,
	.commit = commit,
	.release = release,
	.released = released,
	.reconfigure = reconfigure,
	.sessions = sessions,
	.path_name = path_name,
	.counters = counters,
	.statuses = statuses,
};
