/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loading: the file, its drop-ins, then the whole is checked. Nothing half-filled leaves here. */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

#define MAX_DROP_INS 256

static int conf_files(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

/* Names of the drop-ins in order; the caller frees them. */
static size_t drop_ins(const char *file, char *ret_names[MAX_DROP_INS])
{
	struct dirent **entry;
	char dir[CONFIG_PATH_MAX * 2];
	size_t used = 0;
	int n;

	if ((size_t)snprintf(dir, sizeof(dir), "%s.d", file) >= sizeof(dir))
		return 0;
	n = scandir(dir, &entry, conf_files, alphasort);
	for (int i = 0; i < n; i++) {
		if (used < MAX_DROP_INS &&
		    asprintf(&ret_names[used], "%s/%s", dir, entry[i]->d_name) > 0)
			used++;
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return used;
}

static struct config *new_config(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->path = calloc(254, sizeof(*c->path));
	c->core_path = calloc(254, sizeof(*c->core_path));
	c->node = calloc(CONFIG_MAX_NODES, sizeof(*c->node));
	c->node_lan = calloc(CONFIG_MAX_NODES, sizeof(*c->node_lan));
	c->peer = calloc(CONFIG_MAX_PEERS, sizeof(*c->peer));
	if (!c->path || !c->core_path || !c->node || !c->node_lan || !c->peer) {
		config_free(c);
		return NULL;
	}
	settings_defaults(c);
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	free(c->path);
	free(c->core_path);
	free(c->node);
	free(c->node_lan);
	free(c->peer);
	free(c);
}

int config_load(const char *file, config_report *report, void *ctx, struct config **ret_config)
{
	struct loader *l = calloc(1, sizeof(*l));
	char *names[MAX_DROP_INS];
	size_t n = 0;
	int r = -ENOMEM;

	if (l)
		l->config = new_config();
	if (!l || !l->config)
		goto out;
	l->report = report;
	l->ctx = ctx;
	r = read_file(l, file, false);
	if (r < 0 && r != -EINVAL)
		goto out;
	n = drop_ins(file, names);
	for (size_t i = 0; i < n; i++)
		read_file(l, names[i], false);
	l->file = file;
	check_all(l);
	r = l->errors > 0 ? -EINVAL : 0;
	if (r == 0) {
		*ret_config = l->config;
		l->config = NULL;
	}
out:
	while (n > 0)
		free(names[--n]);
	if (l)
		config_free(l->config);
	free(l);
	return r;
}

const char *config_label_name(const struct config *c, uint8_t number)
{
	for (size_t i = 0; i < c->n_label; i++) {
		if (c->label[i].number == number)
			return c->label[i].name;
	}
	return NULL;
}
