/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verbs of the control socket. Each fills its reply from the one truth there is: maps for what
 * packets do, core for what was signalled.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "app/documents.h"
#include "app/packet.h"

static void add(struct json_object *o, const char *name, struct json_object *value)
{
	json_object_object_add(o, name, value);
}

static struct json_object *hook_text(enum plane_hook hook)
{
	return json_object_new_string(hook == PLANE_HOOK_XDP ? "xdp" : "tc");
}

struct path_tally {
	struct document_context doc;
	int64_t paths;
	int64_t up;
};

static int tally_path(void *ctx, const struct plane_path_info *info)
{
	struct path_tally *tally = ctx;

	tally->paths++;
	tally->up += info->alive ? 1 : 0;
	if (tally->doc.array)
		json_object_array_add(tally->doc.array, document_path(tally->doc.app, info));
	return 0;
}

static void add_devices(const struct app *app, struct json_object *reply)
{
	struct plane_device present[APP_MAX_DEVICES];
	struct json_object *devices = json_object_new_array();
	size_t n = devices_present(app, present);

	for (size_t i = 0; i < n; i++) {
		struct json_object *d = json_object_new_object();
		bool inside = present[i].flags & MAGPIE_DEV_INSIDE;
		bool outside = present[i].flags & MAGPIE_DEV_OUTSIDE;

		add(d, "name", json_object_new_string(present[i].name));
		add(d, "side",
		    json_object_new_string(inside && outside ? "both"
					   : inside	     ? "inside"
							     : "outside"));
		add(d, "hook", hook_text(plane_device_hook(app->plane, present[i].ifindex)));
		json_object_array_add(devices, d);
	}
	add(reply, "devices", devices);
}

static void add_warnings(const struct app *app, struct json_object *reply,
			 const struct path_tally *tally)
{
	struct json_object *warnings = json_object_new_array();
	char line[128];

	if (app->config->security_none)
		json_object_array_add(warnings,
				      json_object_new_string("signalling is not authenticated "
							     "(Security=none)"));
	for (size_t i = 0; i < app->n_device; i++) {
		if (app->device[i].state.exists)
			continue;
		snprintf(line, sizeof(line), "device %s is missing", app->device[i].plane.name);
		json_object_array_add(warnings, json_object_new_string(line));
	}
	if (tally->up < tally->paths) {
		snprintf(line, sizeof(line), "%d of %d paths do not carry packets",
			 (int)(tally->paths - tally->up), (int)tally->paths);
		json_object_array_add(warnings, json_object_new_string(line));
	}
	add(reply, "warnings", warnings);
}

static int verb_status(void *ctx, struct control_client *client, struct json_object *request,
		       struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;
	struct path_tally tally = {0};
	struct json_object *sessions = json_object_new_array();
	struct core_time now;

	(void)client;
	(void)request;
	(void)ret_error;
	app_now(&now);
	plane_each_path(app->plane, tally_path, &tally);
	add(reply, "role", json_object_new_string(app->role->name));
	add(reply, "identity", json_object_new_string(app->config->identity));
	add(reply, "version", json_object_new_string(MAGPIE_VERSION));
	add(reply, "uptime_s",
	    json_object_new_int64((int64_t)((now.mono_ns - app->started_ns) / CORE_NSEC_PER_SEC)));
	add(reply, "security", json_object_new_string("none"));
	add(reply, "sessions", json_object_new_int64((int64_t)app->role->sessions(app, sessions)));
	add(reply, "paths", json_object_new_int64(tally.paths));
	add(reply, "paths_up", json_object_new_int64(tally.up));
	add(reply, "orphans", json_object_new_int64((int64_t)plane_orphans(app->plane)));
	add_devices(app, reply);
	add_warnings(app, reply, &tally);
	add(reply, "last_event", history_last(app));
	json_object_put(sessions);
	return CONTROL_OK;
}

static int verb_sessions(void *ctx, struct control_client *client, struct json_object *request,
			 struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;
	struct json_object *sessions = json_object_new_array();

	(void)client;
	(void)request;
	(void)ret_error;
	app->role->sessions(app, sessions);
	add(reply, "sessions", sessions);
	return CONTROL_OK;
}

static int verb_paths(void *ctx, struct control_client *client, struct json_object *request,
		      struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;
	struct path_tally tally = {.doc = {app, json_object_new_array()}};

	(void)client;
	(void)request;
	(void)ret_error;
	plane_each_path(app->plane, tally_path, &tally);
	add(reply, "paths", tally.doc.array);
	return CONTROL_OK;
}

static int verb_rules(void *ctx, struct control_client *client, struct json_object *request,
		      struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;

	(void)client;
	(void)request;
	(void)ret_error;
	add(reply, "rules", document_rules(app));
	add(reply, "default", document_default_rule(app));
	return CONTROL_OK;
}

static int verb_counters(void *ctx, struct control_client *client, struct json_object *request,
			 struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;

	(void)client;
	(void)request;
	(void)ret_error;
	add(reply, "reasons", document_reasons(app));
	add(reply, "signalling", document_signalling(app));
	add(reply, "statuses", document_statuses(app));
	add(reply, "faults", document_faults(app));
	return CONTROL_OK;
}

static void write_line(void *client, const char *line)
{
	control_write(client, line);
}

static int verb_events(void *ctx, struct control_client *client, struct json_object *request,
		       struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;
	struct json_object *follow;

	(void)reply;
	(void)ret_error;
	control_keep(client); /* lines instead of one reply */
	history_each(app, write_line, client);
	if (json_object_object_get_ex(request, "follow", &follow) &&
	    json_object_get_boolean(follow))
		control_follow(client);
	else
		control_end(client);
	return CONTROL_OK;
}

static void add_trace_path(const struct app *app, struct json_object *reply, uint32_t id)
{
	struct plane_path_info info;

	if (id == 0 || plane_path(app->plane, id, &info) < 0) {
		add(reply, "path", NULL);
		return;
	}
	add(reply, "path", document_path(app, &info));
}

static void add_trace(const struct app *app, struct json_object *reply,
		      const struct plane_trace *answer)
{
	const struct magpie_trace *t = &answer->trace;
	unsigned int reason = t->reason < MAGPIE_REASON_COUNT ? t->reason : 0;
	int rule = document_rule_index(app, t->rule);
	const struct policy *policy = &app->config->policy;

	add(reply, "reason", json_object_new_string(document_reason[reason].name));
	add(reply, "verdict", json_object_new_string(document_reason[reason].verdict));
	add(reply, "text", json_object_new_string(document_reason[reason].text));
	add(reply, "rule", rule < 0 ? NULL : json_object_new_string(app->config->rule[rule].name));
	add(reply, "class",
	    t->session != 0 && t->class < policy->n_class
		    ? json_object_new_string(policy->class[t->class].name)
		    : NULL);
	add(reply, "tier", t->tier ? json_object_new_int(t->tier) : NULL);
	add(reply, "bid", t->bid ? json_object_new_int(t->bid) : NULL);
	add(reply, "session", t->session ? json_object_new_int64(t->session) : NULL);
	add(reply, "pinned", json_object_new_boolean(t->flags & MAGPIE_TRACE_PINNED));
	add(reply, "displaced", json_object_new_boolean(t->flags & MAGPIE_TRACE_DISPLACED));
	add(reply, "hook", hook_text(answer->hook));
	add_trace_path(app, reply, t->path);
}

static int verb_trace(void *ctx, struct control_client *client, struct json_object *request,
		      struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;
	uint8_t packet[PACKET_MAX];
	struct plane_trace answer;
	int n, r;

	(void)client;
	n = packet_from_request(request, packet, ret_error);
	if (n < 0)
		return CONTROL_USAGE;
	r = plane_trace_packet(app->plane, packet, (size_t)n, &answer);
	if (r == -ENODEV) {
		*ret_error = "no inside device has our program at present";
		return CONTROL_FAILED;
	}
	if (r < 0) {
		*ret_error = "the kernel refused the test run";
		return CONTROL_FAILED;
	}
	add_trace(app, reply, &answer);
	return CONTROL_OK;
}

static int verb_release(void *ctx, struct control_client *client, struct json_object *request,
			struct json_object *reply, const char **ret_error)
{
	struct app *app = ctx;

	(void)request;
	(void)reply;
	if (app->release_until_ns) {
		*ret_error = "a release is under way already";
		return CONTROL_FAILED;
	}
	control_keep(client); /* answered when it is done */
	app_start_release(app, client);
	return CONTROL_OK;
}

const struct control_verb app_verbs[] = {
	{"status", false, verb_status},
	{"sessions", false, verb_sessions},
	{"paths", false, verb_paths},
	{"rules", false, verb_rules},
	{"counters", false, verb_counters},
	{"trace", false, verb_trace},
	{"events", false, verb_events},
	{"release", true, verb_release},
	{NULL, false, NULL},
};
