/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * magpied: options, and into the application. `--release` cleans up after a daemon that is no more.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "util/log.h"

#define DEFAULT_CONFIG "/etc/magpie/magpie.conf"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 5 };

static const char usage[] =
	"usage: magpied [--config FILE] [--log LEVEL] [--release] [--version]\n"
	"  --config FILE  read FILE instead of " DEFAULT_CONFIG "\n"
	"  --log LEVEL    debug, info (default), notice, warning or error\n"
	"  --release      detach and unpin what a stopped daemon left, and exit\n";

static void report(void *ctx, const struct config_diagnostic *d)
{
	(void)ctx;
	log_error("%s:%u:%u: %s", d->file, d->line, d->column, d->text);
}

/* The pins and routes of a daemon that is not running; its sessions expire at the peer. */
static int release(const char *file)
{
	char dir[CONFIG_PATH_MAX + 8];
	struct config *config;
	int r;

	r = config_load(file, report, NULL, &config);
	if (r < 0)
		return EXIT_CONFIG;
	snprintf(dir, sizeof(dir), "%s/bpf", config->runtime_dir);
	r = plane_release(dir);
	if (rtnl_routes_purge() < 0 && r == 0)
		r = -EIO;
	config_free(config);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"log", required_argument, NULL, 'l'},
		{"release", no_argument, NULL, 'r'},	  {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	const char *file = DEFAULT_CONFIG;
	enum log_level level;
	bool only_release = false;
	int c, r;

	while ((c = getopt_long(argc, argv, "c:l:hV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'l':
			if (log_level_parse(optarg, &level) < 0) {
				fprintf(stderr, "magpied: unknown log level \"%s\"\n%s", optarg,
					usage);
				return EXIT_USAGE;
			}
			log_set_level(level);
			break;
		case 'r':
			only_release = true;
			break;
		case 'V':
			puts("magpied " MAGPIE_VERSION);
			return EXIT_OK;
		case 'h':
			fputs(usage, stdout);
			return EXIT_OK;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "magpied: unexpected argument \"%s\"\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	if (only_release)
		return release(file);
	r = app_run(file);
	if (r == -EINVAL)
		return EXIT_CONFIG;
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}
