/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the stages of loading share; internal to config/. reader.c makes (section, key, value) with
 * positions of lines; settings.c gives each key its meaning; rules.c compiles rules; check.c looks
 * at the whole. A diagnostic names the position of the token that is wrong.
 */
#ifndef MAGPIE_CONFIG_LOADER_H
#define MAGPIE_CONFIG_LOADER_H

#include "config/config.h"
#include "config/keys.h"
#include "util/suggest.h"

#define VALUE_MAX 1024

struct position {
	const char *file; /* lives as long as the loader */
	unsigned int line;
	unsigned int column;
};

struct text {
	char value[VALUE_MAX];
	struct position at; /* of its first character */
};

struct pending_path { /* resolved when all labels are known */
	struct position section;
	struct text label;
	bool has_bid;
	bool has_name;
};

struct pending_node {
	struct position section;
};

struct pending_rule {
	struct position section;
	struct text name, match, send;
};

struct loader {
	config_report *report;
	void *ctx;
	unsigned int errors;
	struct config *config;

	/* where the reader is */
	const char *file;
	struct position section_at;
	int section;   /* enum config_section; -1: none, or an unknown one */
	uint64_t seen; /* keys of the current section, by index */

	/* places of what is checked at the end */
	struct position role_at, security_at, identity_at, address_at;
	struct position label_at[255];
	struct position pool_at[CONFIG_MAX_POOLS];
	struct pending_path path[254];
	struct pending_node node[CONFIG_MAX_NODES];
	struct pending_rule rule[POLICY_MAX_MATCHES];
	struct position section_first[CONFIG_SECTION_COUNT]; /* line 0: not written */
	unsigned int key_roles; /* of all keys seen: to tell the wrong role */
	struct wrong_role {
		struct position at;
		char what[64];
		unsigned int roles;
	} role_use[256];
	size_t n_role_use;
	size_t n_pending_path, n_pending_node, n_pending_rule;
};

/* report.c */
void complain(struct loader *l, enum config_severity severity, const struct position *at,
	      const char *format, ...) __attribute__((format(printf, 4, 5)));
#define error_at(l, at, ...)   complain((l), CONFIG_ERROR, (at), __VA_ARGS__)
#define warning_at(l, at, ...) complain((l), CONFIG_WARNING, (at), __VA_ARGS__)
struct position offset_position(const struct position *at, size_t columns);

/* values.c: 0, or -EINVAL after a diagnostic at the value. */
int value_number(struct loader *l, const struct text *t, uint64_t min, uint64_t max, uint64_t *ret);
int value_duration_ms(struct loader *l, const struct text *t, uint64_t min_ms, uint64_t max_ms,
		      uint32_t *ret_ms);
int value_bool(struct loader *l, const struct text *t, bool *ret);
int value_address(struct loader *l, const struct text *t, struct ip_addr *ret);
int value_prefix(struct loader *l, const struct text *t, struct ip_prefix *ret);
/* Index of the word, -EINVAL with a suggestion. */
int value_word(struct loader *l, const struct text *t, const char *const *words, size_t n);
int value_access(struct loader *l, const struct text *t, uint8_t *ret);
int value_device(struct loader *l, const struct text *t, char ret[CONFIG_DEVICE_MAX]);
int value_nai(struct loader *l, const struct text *t, struct mh_id *ret);
/* Takes the next space-separated token; false: none is left. */
bool next_token(struct text *rest, struct text *ret_token);

/* settings.c */
void setting_section(struct loader *l, enum config_section section);
void setting(struct loader *l, size_t key, const struct text *value);
void settings_defaults(struct config *config);

/* rules.c */
void compile_rules(struct loader *l);

/* check.c */
void check_all(struct loader *l);

/* reader.c */
int read_file(struct loader *l, const char *file, bool optional);

#endif
