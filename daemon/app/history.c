/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happened, when and why: the last EVENTS events as JSON lines (the shape of `magpie events`),
 * streamed to who follows, and one log line each. Lines that peers can cause are rate-limited in
 * the log; the history itself is a ring and needs no limit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/app.h"
#include "util/log.h"

#define EVENTS 512

struct history {
	uint64_t sequence;
	char *line[EVENTS]; /* by sequence % EVENTS */
};

struct note_row {
	const char *severity;
	enum log_level level;
	const char *format; /* what follows the identity and the binding */
};

#define SEVERITY_INFO	 "info", LOG_LEVEL_INFO
#define SEVERITY_WARNING "warning", LOG_LEVEL_WARNING
#define SEVERITY_ERROR	 "error", LOG_LEVEL_ERROR

static const struct note_row rows[CORE_NOTE_COUNT] = {
#define X(name, text, severity) [CORE_NOTE_##name] = {SEVERITY_##severity, text},
	CORE_NOTES(X)
#undef X
};

int history_open(struct app *app)
{
	app->history = calloc(1, sizeof(*app->history));
	return app->history ? 0 : -ENOMEM;
}

void history_close(struct app *app)
{
	if (!app->history)
		return;
	for (unsigned int i = 0; i < EVENTS; i++)
		free(app->history->line[i]);
	free(app->history);
	app->history = NULL;
}

static struct json_object *stamp_text(void)
{
	struct timespec ts;
	struct tm tm;
	char date[32], text[48];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03ldZ", date, ts.tv_nsec / 1000000);
	return json_object_new_string(text);
}

static struct json_object *text_or_null(const char *text)
{
	return text && *text ? json_object_new_string(text) : NULL;
}

/* Takes `event` over. */
static void remember(struct app *app, struct json_object *event)
{
	struct history *h = app->history;
	const char *line = json_object_to_json_string_ext(
		event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	char **slot = &h->line[h->sequence % EVENTS];

	free(*slot);
	*slot = strdup(line);
	if (*slot && app->control)
		control_stream(app->control, *slot);
	json_object_put(event);
}

static struct json_object *new_event(struct app *app, const char *kind, const char *severity)
{
	struct json_object *e = json_object_new_object();

	json_object_object_add(e, "seq", json_object_new_int64((int64_t)++app->history->sequence));
	json_object_object_add(e, "time", stamp_text());
	json_object_object_add(e, "kind", json_object_new_string(kind));
	json_object_object_add(e, "severity", json_object_new_string(severity));
	return e;
}

void history_add(struct app *app, const char *kind, const char *severity, const char *text)
{
	struct json_object *e = new_event(app, kind, severity);

	json_object_object_add(e, "text", json_object_new_string(text));
	remember(app, e);
}

/* "mn1@demo binding 1 (RED) via 2001:db8:a::2: path-down: no answer for 300 ms" */
static void note_sentence(const struct app *app, const struct core_note *note, char *out,
			  size_t size)
{
	char id[MH_ID_MAX * 4 + 8] = "", peer[IP_TEXT_MAX], binding[64] = "", status[96] = "";
	const char *label = config_label_name(app->config, note->label);

	if (note->mn_id)
		mh_id_text(note->mn_id, id, sizeof(id));
	if (note->bid && label)
		snprintf(binding, sizeof(binding), " binding %u (%s)", note->bid, label);
	else if (note->bid)
		snprintf(binding, sizeof(binding), " binding %u (label %u)", note->bid,
			 note->label);
	if (note->status) {
		const char *text = mh_status_text(note->status);

		snprintf(status, sizeof(status), ": status %u%s%s", note->status, text ? ", " : "",
			 text ? text : "");
	}
	snprintf(out, size, "%s%s%s%s: %s%s%s%s", note->mn_id ? id : "-", binding,
		 note->peer ? " peer " : "", note->peer ? ip_text(&note->peer->remote, peer) : "",
		 rows[note->kind].format, status, note->detail ? ": " : "",
		 note->detail ? note->detail : "");
}

void history_note(void *ctx, const struct core_note *note)
{
	static struct log_limit limit[CORE_NOTE_COUNT];
	const struct note_row *row = &rows[note->kind];
	struct app *app = ctx;
	struct json_object *e = new_event(app, core_note_text(note->kind), row->severity);
	char text[1400], id[MH_ID_MAX * 4 + 8], peer[IP_TEXT_MAX];

	note_sentence(app, note, text, sizeof(text));
	json_object_object_add(
		e, "mn_id",
		note->mn_id ? json_object_new_string(mh_id_text(note->mn_id, id, sizeof(id)))
			    : NULL);
	json_object_object_add(e, "bid", note->bid ? json_object_new_int(note->bid) : NULL);
	json_object_object_add(e, "label",
			       text_or_null(config_label_name(app->config, note->label)));
	json_object_object_add(e, "status",
			       note->status ? json_object_new_int(note->status) : NULL);
	json_object_object_add(
		e, "peer",
		note->peer ? json_object_new_string(ip_text(&note->peer->remote, peer)) : NULL);
	json_object_object_add(e, "text", json_object_new_string(text));
	log_limited(&limit[note->kind], row->level, "%s", text);
	remember(app, e);
}

void history_each(const struct app *app, void (*each)(void *ctx, const char *line), void *ctx)
{
	const struct history *h = app->history;
	uint64_t first = h->sequence > EVENTS ? h->sequence - EVENTS + 1 : 1;

	for (uint64_t s = first; s <= h->sequence; s++) {
		if (h->line[s % EVENTS])
			each(ctx, h->line[s % EVENTS]);
	}
}

struct json_object *history_last(const struct app *app)
{
	const struct history *h = app->history;
	const char *line = h->line[h->sequence % EVENTS];

	return h->sequence > 0 && line ? json_tokener_parse(line) : NULL;
}
