/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * State -> JSON: the documents of the reading verbs. The daemon has one form of each; the CLI makes
 * tables of it. Each function returns a new object that is the caller's.
 */
#ifndef MAGPIE_APP_DOCUMENTS_H
#define MAGPIE_APP_DOCUMENTS_H

#include "app/app.h"

struct document_context {
	const struct app *app;
	struct json_object *array;
};

struct document_reason {
	const char *name;
	const char *verdict;
	const char *text;
};
extern const struct document_reason document_reason[MAGPIE_REASON_COUNT];

struct json_object *document_lma_session(const struct app *app, const struct lma_session_info *s);
struct json_object *document_mag_session(const struct app *app, const struct mag_session_info *s);
struct json_object *document_path(const struct app *app, const struct plane_path_info *info);
/* Index of a rule of the configuration, by the index of one of its matches; -1: none. */
int document_rule_index(const struct app *app, unsigned int match);
struct json_object *document_rules(const struct app *app);
struct json_object *document_default_rule(const struct app *app);
struct json_object *document_reasons(const struct app *app);
struct json_object *document_signalling(const struct app *app);
struct json_object *document_statuses(const struct app *app);
struct json_object *document_faults(const struct app *app);

#endif
