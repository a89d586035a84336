/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The devices the configuration names: watched from before the programs are attached, so that one
 * that is missing at start, re-plugged or re-created is taken up when it comes. The order of
 * watches is: a MAG's paths, then the inside devices, then an LMA's outside devices.
 */
#include <string.h>

#include "app/app.h"
#include "util/log.h"

static int watch(struct app *app, const char *name, uint32_t flags, const struct ip_addr *anchor)
{
	struct app_device *d;

	for (size_t i = 0; i < app->n_device; i++) {
		if (strcmp(app->device[i].plane.name, name) == 0)
			flags |= app->device[i].plane.flags;
	}
	for (size_t i = 0; i < app->n_device; i++) {
		if (strcmp(app->device[i].plane.name, name) == 0)
			app->device[i].plane.flags = flags;
	}
	if (app->n_device == APP_MAX_DEVICES)
		return -E2BIG;
	d = &app->device[app->n_device];
	memset(d, 0, sizeof(*d));
	memcpy(d->plane.name, name, strnlen(name, sizeof(d->plane.name) - 1));
	d->plane.flags = flags;
	return rtnl_watch_device(app->rtnl, app->n_device++, name, anchor);
}

int devices_watch(struct app *app)
{
	const struct config *c = app->config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_path; i++)
		r = watch(app, c->path[i].device, MAGPIE_DEV_OUTSIDE, &c->anchor);
	for (size_t i = 0; r == 0 && i < c->n_inside; i++)
		r = watch(app, c->inside[i], MAGPIE_DEV_INSIDE, NULL);
	for (size_t i = 0; r == 0 && i < c->n_outside; i++)
		r = watch(app, c->outside[i], MAGPIE_DEV_OUTSIDE, NULL);
	return r;
}

size_t devices_present(const struct app *app, struct plane_device *ret_devices)
{
	size_t n = 0;

	for (size_t i = 0; i < app->n_device; i++) {
		const struct app_device *d = &app->device[i];
		bool seen = false;

		if (!d->state.exists)
			continue;
		for (size_t j = 0; j < n; j++)
			seen = seen || ret_devices[j].ifindex == d->state.ifindex;
		if (seen)
			continue;
		ret_devices[n] = d->plane;
		ret_devices[n++].ifindex = d->state.ifindex;
	}
	return n;
}

void devices_changed(void *ctx, size_t index, const struct rtnl_device_state *state)
{
	struct app *app = ctx;
	struct app_device *d = &app->device[index];
	bool moved = d->state.exists != state->exists || d->state.ifindex != state->ifindex;

	if (moved && app->plane)
		log_notice("device %s %s", d->plane.name, state->exists ? "is there" : "is gone");
	d->state = *state;
	if (!app->plane)
		return;
	if (moved) {
		struct plane_device present[APP_MAX_DEVICES];
		size_t n = devices_present(app, present);

		plane_update_devices(app->plane, present, n);
	}
	app->role->device(app, index, state);
	app_rearm(app);
}
