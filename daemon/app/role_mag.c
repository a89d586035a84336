/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a gateway does with its core: devices of paths become link events, the prefixes of a session
 * become an on-link route and router advertisements on its LAN. A host's addresses follow the
 * session, not a path: what is advertised does not depend on which paths are up (MP-CF-11).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/documents.h"
#include "util/log.h"

#define MIN_IPV6_MTU 1280

struct lan_node { /* by index of config->node */
	uint8_t n_prefix;
	struct ip_prefix prefix[MH_MAX_HNP];
};

struct mag_side {
	struct lan_node *node;
};

static size_t node_index(const struct app *app, const struct mh_id *mn_id)
{
	size_t i;

	for (i = 0; i < app->config->n_node; i++) {
		if (mh_id_equal(&app->config->node[i].mn_id, mn_id))
			break;
	}
	return i;
}

/* The union of what all nodes of one LAN have. */
static void advertise(struct app *app, const char *lan)
{
	const struct config *c = app->config;
	struct mag_side *side = app->role_data;
	struct ra_prefix prefix[CONFIG_MAX_NODES];
	uint16_t mtu = paths_min_mtu(app);
	uint32_t lifetime = c->mag.lifetime_s;
	size_t n = 0;

	for (size_t i = 0; i < c->n_node; i++) {
		if (strcmp(c->node_lan[i], lan) != 0)
			continue;
		for (unsigned int k = 0; k < side->node[i].n_prefix && n < CONFIG_MAX_NODES; k++)
			prefix[n++] = (struct ra_prefix){side->node[i].prefix[k], lifetime};
	}
	if (mtu != 0 && mtu < MIN_IPV6_MTU)
		mtu = MIN_IPV6_MTU;
	ra_set(app->ra, lan, prefix, n, mtu,
	       n > 0 ? (uint16_t)(lifetime > 9000 ? 9000 : lifetime) : 0);
}

static uint32_t lan_ifindex(const struct app *app, const char *lan)
{
	for (size_t i = 0; i < app->n_device; i++) {
		const struct app_device *d = &app->device[i];

		if (strcmp(d->plane.name, lan) == 0 && d->state.exists)
			return d->state.ifindex;
	}
	return 0;
}

static void set_routes(struct app *app, const char *lan, const struct lan_node *node, bool add)
{
	uint32_t ifindex = lan_ifindex(app, lan);
	char text[IP_TEXT_MAX];
	int r;

	for (unsigned int i = 0; ifindex != 0 && i < node->n_prefix; i++) {
		r = add ? rtnl_route_add(app->rtnl, RTNL_ROUTE_ON_LINK, &node->prefix[i], ifindex)
			: rtnl_route_remove(app->rtnl, RTNL_ROUTE_ON_LINK, &node->prefix[i],
					    ifindex);
		if (r < 0)
			log_warning("route %s dev %s: error %d",
				    ip_prefix_text(&node->prefix[i], text), lan, -r);
	}
}

static void published(struct app *app, const struct session_view *view)
{
	struct mag_side *side = app->role_data;
	size_t i = node_index(app, view->mn_id);
	struct lan_node *node, next = {0};
	const char *lan;

	if (i == app->config->n_node)
		return;
	node = &side->node[i];
	lan = app->config->node_lan[i];
	if (view->state == SESSION_ACTIVE) {
		next.n_prefix = view->n_prefix;
		memcpy(next.prefix, view->prefix, sizeof(next.prefix));
	}
	if (lan[0] == '\0' || memcmp(node, &next, sizeof(next)) == 0)
		return;
	set_routes(app, lan, node, false);
	*node = next;
	set_routes(app, lan, node, true);
	advertise(app, lan);
}

static void mtu_changed(struct app *app)
{
	struct mag_side *side = app->role_data;

	for (size_t i = 0; i < app->config->n_node; i++) {
		if (app->config->node_lan[i][0] != '\0' && side->node[i].n_prefix > 0)
			advertise(app, app->config->node_lan[i]);
	}
}

static void link_event(struct app *app, size_t index)
{
	const struct rtnl_device_state *s = &app->device[index].state;
	struct mag_link link = {.usable = s->usable, .address = s->address, .ifindex = s->ifindex};
	struct core_time now;

	app_now(&now);
	mag_link(app->mag, &now, index, &link);
}

static void device(struct app *app, size_t watch, const struct rtnl_device_state *state)
{
	const char *name = app->device[watch].plane.name;
	struct mag_side *side = app->role_data;

	if (!app->mag)
		return;
	if (watch < app->config->n_path) {
		link_event(app, watch);
		signalling_flush(app);
		return;
	}
	for (size_t i = 0; state->exists && i < app->config->n_node; i++) {
		if (strcmp(app->config->node_lan[i], name) != 0 || side->node[i].n_prefix == 0)
			continue;
		set_routes(app, name, &side->node[i], true);
		ra_device_changed(app->ra, name);
	}
}

static int start(struct app *app)
{
	struct mag_side *side = calloc(1, sizeof(*side));
	int r;

	if (!side)
		return -ENOMEM;
	app->role_data = side;
	side->node = calloc(app->config->n_node + 1, sizeof(*side->node));
	if (!side->node)
		return -ENOMEM;
	r = mag_new(&app->config->mag, &app->port, &app->mag);
	if (r < 0)
		return r;
	for (size_t i = 0; i < app->config->n_path; i++)
		link_event(app, i);
	return 0;
}

static void stop(struct app *app)
{
	struct mag_side *side = app->role_data;

	mag_free(app->mag);
	if (side)
		free(side->node);
	free(side);
}

static void receive(struct app *app, const struct core_time *now, const struct core_peer *from,
		    const struct mh_message *msg)
{
	mag_receive(app->mag, now, from, msg);
}

static void tick(struct app *app, const struct core_time *now)
{
	mag_tick(app->mag, now);
}

static uint64_t next_ns(const struct app *app)
{
	return mag_next_ns(app->mag);
}

static size_t path_index(const struct app *app, const struct plane_path_info *path)
{
	size_t i;

	for (i = 0; i < app->config->n_path; i++) {
		const struct rtnl_device_state *s = &app->device[i].state;

		if (ip_equal(&s->address, &path->local) && s->ifindex == path->ifindex)
			break;
	}
	return i;
}

static void path_state(struct app *app, const struct plane_path_info *path, bool up)
{
	size_t i = path_index(app, path);
	struct core_time now;

	if (i == app->config->n_path)
		return; /* an address that the device has lost: its link event tells more */
	app_now(&now);
	mag_path_state(app->mag, &now, i, up);
	signalling_flush(app);
}

static int commit(struct app *app)
{
	(void)app;
	return 0;
}

static void release(struct app *app, const struct core_time *now)
{
	mag_release(app->mag, now);
}

static bool released(const struct app *app)
{
	return mag_released(app->mag);
}

static int reconfigure(struct app *app, const struct core_time *now)
{
	return mag_reconfigure(app->mag, now, &app->config->mag);
}

static int add_session(void *ctx, const struct mag_session_info *s)
{
	struct document_context *doc = ctx;

	json_object_array_add(doc->array, document_mag_session(doc->app, s));
	return 0;
}

static size_t sessions(const struct app *app, struct json_object *ret_array)
{
	struct document_context doc = {.app = app, .array = ret_array};

	mag_each(app->mag, add_session, &doc);
	return json_object_array_length(ret_array);
}

static const char *path_name(const struct app *app, const struct plane_path_info *path)
{
	size_t i = path_index(app, path);

	return i < app->config->n_path ? app->config->path[i].core.name : "-";
}

static const uint64_t *counters(const struct app *app)
{
	return mag_counters(app->mag);
}

static const uint64_t *statuses(const struct app *app)
{
	return mag_statuses(app->mag);
}

const struct app_role app_role_mag = {
	.name = "mag",
	.number = MAGPIE_ROLE_MAG,
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
