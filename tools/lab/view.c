/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Four pictures a second of what the gateway says of itself (`paths` and `events` of its control
 * socket). Shows, decides nothing: a key only tells the emulator to cut or to restore.
 */
#include "tools/lab/view.h"

#include <json-c/json.h>
#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tools/lab/wan.h"

#define REPLY_MAX  (1 << 20)
#define PERIOD_MS  250
#define MAX_PATHS  8
#define MAX_EVENTS 12
#define BAR	   20
#define BAR_COLUMN 75

struct traffic { /* of a path: octets at the last picture, Mbit/s since */
	int64_t tx, rx;
	double up, down;
};

struct view {
	const char *control;
	const char *wans;
	struct traffic traffic[MAX_PATHS];
	size_t n_paths; /* of the last picture: another number, and its octets say nothing */
	double last_s;
	bool cut[2];
	int percent_loss[2];
};

static char reply[REPLY_MAX];

/* The lines of an answer, or NULL. */
static char *ask(const char *control, const char *request)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 1};
	size_t used = 0;
	ssize_t n;
	int fd;

	if (strlen(control) >= sizeof(to.sun_path))
		return NULL;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	memcpy(to.sun_path, control, strlen(control) + 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    write(fd, request, strlen(request)) < 0) {
		close(fd);
		return NULL;
	}
	while (used + 1 < sizeof(reply) &&
	       (n = read(fd, reply + used, sizeof(reply) - 1 - used)) > 0)
		used += (size_t)n;
	reply[used] = '\0';
	close(fd);
	return reply;
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static const char *text(struct json_object *o, const char *name)
{
	struct json_object *v = member(o, name);

	return v ? json_object_get_string(v) : "-";
}

static void draw_bar(int row, int column, double share)
{
	int full = (int)(share * BAR + 0.5);

	for (int i = 0; i < BAR; i++)
		mvaddch(row, column + i, i < full ? ACS_CKBOARD : ' ');
}

/* Rates since the last picture, of all paths; their sum in Mbit/s. */
static double measure(struct view *v, struct json_object *paths, size_t n)
{
	struct timespec ts;
	double sum = 0, now_s, since_s;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_s = (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	since_s = now_s - v->last_s;
	for (size_t i = 0; i < n; i++) {
		struct json_object *p = json_object_array_get_idx(paths, i);
		struct traffic *t = &v->traffic[i];
		int64_t tx = json_object_get_int64(member(p, "tx_bytes"));
		int64_t rx = json_object_get_int64(member(p, "rx_bytes"));
		bool known = n == v->n_paths && tx >= t->tx && rx >= t->rx;

		t->up = known ? (double)(tx - t->tx) * 8 / 1e6 / since_s : 0;
		t->down = known ? (double)(rx - t->rx) * 8 / 1e6 / since_s : 0;
		t->tx = tx;
		t->rx = rx;
		sum += t->up + t->down;
	}
	v->n_paths = n;
	v->last_s = now_s;
	return sum;
}

static void draw_path(const struct traffic *t, int row, struct json_object *p, double sum)
{
	bool alive = json_object_get_boolean(member(p, "alive"));

	attron(alive ? A_NORMAL : A_REVERSE);
	mvprintw(row, 2, "%-8s %-10s %8.1f ms %7.1f ms %6.1f %%  %8.1f %8.1f", text(p, "name"),
		 text(p, "state"), (double)json_object_get_int64(member(p, "rtt_us")) / 1000,
		 (double)json_object_get_int64(member(p, "jitter_us")) / 1000,
		 (double)json_object_get_int64(member(p, "loss_ppm")) / 10000, t->up, t->down);
	attroff(A_REVERSE);
	draw_bar(row, BAR_COLUMN, sum > 0 ? (t->up + t->down) / sum : 0);
}

static int draw_paths(struct view *v)
{
	char *line = ask(v->control, "{\"verb\":\"paths\"}\n");
	struct json_object *doc = line ? json_tokener_parse(line) : NULL;
	struct json_object *paths = doc ? member(doc, "paths") : NULL;
	size_t n = paths ? json_object_array_length(paths) : 0;
	double sum;

	if (n > MAX_PATHS)
		n = MAX_PATHS;
	sum = measure(v, paths, n);
	mvprintw(3, 2, "%-8s %-10s %11s %10s %8s  %8s %8s  %s", "PATH", "STATE", "RTT", "JITTER",
		 "LOSS", "UP Mb/s", "DOWN", "SHARE");
	for (size_t i = 0; i < n; i++)
		draw_path(&v->traffic[i], 4 + (int)i, json_object_array_get_idx(paths, i), sum);
	if (!paths)
		mvprintw(4, 2, "the gateway does not answer");
	json_object_put(doc);
	return 6 + (int)n;
}

static void draw_events(const struct view *v, int row)
{
	char *lines[MAX_EVENTS];
	char *save = NULL;
	size_t n = 0;
	char *all = ask(v->control, "{\"verb\":\"events\"}\n");

	for (char *l = all ? strtok_r(all, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save))
		lines[n++ % MAX_EVENTS] = l;
	for (size_t i = n > MAX_EVENTS ? n - MAX_EVENTS : 0; i < n; i++) {
		struct json_object *e = json_tokener_parse(lines[i % MAX_EVENTS]);

		if (e)
			mvprintw(row++, 2, "%.12s  %s", text(e, "time") + 11, text(e, "text"));
		json_object_put(e);
	}
}

static void shape(const struct view *v, int wan, const char *words)
{
	static const char *const names[] = {"red", "blue"};
	char path[200], answer[1600];

	snprintf(path, sizeof(path), "%s/%s.wan", v->wans, names[wan]);
	wan_ask(path, words, answer, sizeof(answer));
}

static void key(struct view *v, int c)
{
	char words[32];

	if (c == '1' || c == '2') {
		int wan = c - '1';

		v->cut[wan] = !v->cut[wan];
		shape(v, wan, v->cut[wan] ? "cut=yes" : "cut=no");
	} else if (c == 'l') {
		v->percent_loss[0] = v->percent_loss[0] ? 0 : 20;
		snprintf(words, sizeof(words), "loss=%d%%", v->percent_loss[0]);
		shape(v, 0, words);
	}
}

int view_run(const char *control, const char *wans)
{
	struct view v = {.control = control, .wans = wans};
	int c;

	setlocale(LC_ALL, "");
	initscr();
	cbreak();
	noecho();
	curs_set(0);
	timeout(PERIOD_MS);
	while ((c = getch()) != 'q') {
		int row;

		key(&v, c);
		erase();
		mvprintw(0, 2, "magpie demo: mn -- mag --{ RED, BLUE }-- lma -- web");
		mvprintw(1, 2, "[1] %s RED   [2] %s BLUE   [l] 20 %% loss on RED %s   [q] quit",
			 v.cut[0] ? "restore" : "cut", v.cut[1] ? "restore" : "cut",
			 v.percent_loss[0] ? "off" : "on");
		row = draw_paths(&v);
		draw_events(&v, row);
		refresh();
	}
	endwin();
	return 0;
}
