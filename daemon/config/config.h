/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration: file(s) -> struct config, with diagnostics that name file, line and column and
 * suggest what was meant. Loading and `magpie config check` are the same code. The keys are one
 * table (config/keys.h) from which parser, documentation and tests are made. No side effects:
 * nothing is opened but the files named, no device or address is looked up.
 */
#ifndef MAGPIE_CONFIG_CONFIG_H
#define MAGPIE_CONFIG_CONFIG_H

#include <stdio.h>

#include "core/lma.h"
#include "core/mag.h"
#include "core/health.h"
#include "core/policy.h"

#define CONFIG_DEVICE_MAX  16 /* IFNAMSIZ */
#define CONFIG_PATH_MAX	   200
#define CONFIG_MAX_DEVICES 16
#define CONFIG_MAX_NODES   64
#define CONFIG_MAX_POOLS   8
#define CONFIG_MAX_PEERS   1024
#define CONFIG_MAX_LOCALS  8

enum config_role { CONFIG_ROLE_NONE, CONFIG_ROLE_MAG, CONFIG_ROLE_LMA };
enum config_attach { CONFIG_ATTACH_AUTO, CONFIG_ATTACH_XDP, CONFIG_ATTACH_TC };

struct config_label {
	char name[CORE_LABEL_MAX + 1];
	uint8_t number; /* 1..255 */
};

struct config_path { /* MAG: [Path] */
	struct mag_path_config core;
	char device[CONFIG_DEVICE_MAX];
};

struct config_rule { /* the text as it was written, for `magpie rules` */
	char name[POLICY_NAME];
	char match[256];
	char send[256];
};

struct config {
	enum config_role role;
	bool security_none; /* Security=none was written */
	enum config_attach attach;
	char identity[MH_ID_MAX + 1];	   /* MAG-ID; LMA: name in status */
	char runtime_dir[CONFIG_PATH_MAX]; /* control socket, bpffs */
	char state_dir[CONFIG_PATH_MAX];

	struct config_label label[255];
	size_t n_label;

	/* devices that face the mobile network (MAG: LAN; LMA: core side), and the tunnels */
	char inside[CONFIG_MAX_DEVICES][CONFIG_DEVICE_MAX];
	size_t n_inside;
	char outside[CONFIG_MAX_DEVICES][CONFIG_DEVICE_MAX]; /* LMA; a MAG's are its paths' */
	size_t n_outside;

	/* MAG */
	struct ip_addr anchor;
	struct config_path *path;
	struct mag_path_config *core_path; /* the same as an array for struct mag_config */
	size_t n_path;
	struct mag_node_config *node;
	char (*node_lan)[CONFIG_DEVICE_MAX]; /* per node: LAN it is advertised on, or "" */
	size_t n_node;
	struct mag_config mag; /* points into the above */

	/* LMA */
	struct ip_addr local[CONFIG_MAX_LOCALS]; /* LMA addresses */
	size_t n_local;
	struct lma_pool pool[CONFIG_MAX_POOLS];
	struct lma_peer_rule *peer;
	struct lma_config lma; /* points into the above */
	bool store_memory;     /* Store=memory: bindings do not survive the daemon */

	struct health_config health;
	bool health_enabled;
	uint8_t hop_limit; /* of outer headers */
	uint32_t flow_table;
	uint32_t flow_idle_s;
	uint32_t max_paths;

	struct policy policy;
	struct config_rule rule[POLICY_MAX_MATCHES];
	size_t n_rule;
};

enum config_severity { CONFIG_WARNING, CONFIG_ERROR };

struct config_diagnostic {
	enum config_severity severity;
	const char *file;
	unsigned int line;   /* from 1; 0: about the file as a whole */
	unsigned int column; /* from 1 */
	const char *text; /* a sentence without full stop, with a suggestion where there is one */
};

typedef void config_report(void *ctx, const struct config_diagnostic *d);

/*
 * Reads `file` and then the *.conf of the directory `file`.d in the order of their names. All
 * diagnostics are reported, not only the first. 0: *ret_config is the caller's (config_free);
 * -EINVAL: at least one error; other errno: the file could not be read (reported too).
 */
int config_load(const char *file, config_report *report, void *ctx, struct config **ret_config);
void config_free(struct config *config);

/* "file:line:column: error: text" on `stream`; a config_report whose ctx is a FILE *. */
void config_print(void *stream, const struct config_diagnostic *d);

/* The name configured for a label number, or NULL. */
const char *config_label_name(const struct config *config, uint8_t number);

#endif
