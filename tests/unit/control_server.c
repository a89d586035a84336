/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket's server, seen by clients that behave and by clients that do not: requests and
 * replies, streams, limits, and whose socket file it is. Server and clients share one thread; every
 * wait is for an event and has a deadline.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/control.h"

#define DEADLINE_MS  5000
#define REPLY_MAX    8192
#define CLIENTS_MAX  64	       /* as the server has it */
#define REQUEST_ROOM 4096      /* likewise */
#define STREAM_ROOM  (1 << 20) /* likewise */

static char dir[64], path[96];
static uv_loop_t loop;
static struct control *control;
static struct control_client *kept;
static unsigned int calls;

/* ---- verbs ------------------------------------------------------------------------- */

static int run_echo(void *ctx, struct control_client *client, struct json_object *request,
		    struct json_object *reply, const char **ret_error)
{
	struct json_object *value = NULL;

	(void)client;
	(void)ret_error;
	cr_assert_eq(ctx, &loop);
	calls++;
	if (json_object_object_get_ex(request, "value", &value))
		json_object_object_add(reply, "value", json_object_get(value));
	return CONTROL_OK;
}

static int run_fail(void *ctx, struct control_client *client, struct json_object *request,
		    struct json_object *reply, const char **ret_error)
{
	(void)ctx;
	(void)client;
	(void)request;
	json_object_object_add(reply, "half", json_object_new_int(1));
	*ret_error = "no such session";
	return CONTROL_NOT_FOUND;
}

static int run_keep(void *ctx, struct control_client *client, struct json_object *request,
		    struct json_object *reply, const char **ret_error)
{
	(void)ctx;
	(void)request;
	(void)reply;
	(void)ret_error;
	control_keep(client);
	kept = client;
	return CONTROL_OK;
}

static int run_follow(void *ctx, struct control_client *client, struct json_object *request,
		      struct json_object *reply, const char **ret_error)
{
	(void)ctx;
	(void)request;
	(void)reply;
	(void)ret_error;
	control_write(client, "hello");
	control_follow(client);
	calls++;
	return CONTROL_OK;
}

static const struct control_verb verbs[] = {
	{"echo", false, run_echo},     {"fail", false, run_fail},  {"keep", false, run_keep},
	{"follow", false, run_follow}, {"change", true, run_echo}, {0},
};

/* ---- the bed ----------------------------------------------------------------------- */

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/magpie-control.XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	uv_loop_init(&loop);
	cr_assert_eq(control_open(&loop, path, verbs, &loop, &control), 0);
}

static void teardown(void)
{
	control_close(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0, "the loop still has handles");
	cr_expect_eq(rmdir(dir), 0, "something is left in %s", dir);
}

TestSuite(control_server, .init = setup, .fini = teardown, .timeout = 30);

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int connect_to(const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s",
		     strerror(errno));
	return fd;
}

static void say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The server's turn, until it or the client has something to do again. */
static void turn(int fd, int64_t deadline)
{
	struct pollfd p[2] = {{uv_backend_fd(&loop), POLLIN, 0}, {fd, POLLIN, 0}};
	int64_t left = deadline - now_ms();

	cr_assert_gt(left, 0, "nothing came in time");
	if (uv_run(&loop, UV_RUN_NOWAIT) >= 0)
		poll(p, 2, left > 20 ? 20 : (int)left);
}

/* What comes until the line ends, without its end; NULL: the server closed and said nothing. */
static const char *hear(int fd)
{
	static char line[REPLY_MAX];
	int64_t deadline = now_ms() + DEADLINE_MS;
	size_t used = 0;

	for (;;) {
		ssize_t n = recv(fd, line + used, 1, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			cr_assert_eq(used, 0, "closed within a line");
			return NULL;
		}
		if (n < 0) {
			turn(fd, deadline);
			continue;
		}
		if (line[used] == '\n') {
			line[used] = '\0';
			return line;
		}
		cr_assert_lt(++used, sizeof(line));
	}
}

static void expect_line(int fd, const char *expected)
{
	const char *line = hear(fd);

	cr_assert_not_null(line, "closed instead of %s", expected);
	cr_expect_str_eq(line, expected);
}

static void expect_closed(int fd)
{
	const char *line = hear(fd);

	cr_expect_null(line, "%s instead of the end", line);
	close(fd);
}

static void ask(const char *request, const char *expected)
{
	int fd = connect_to(path);

	say(fd, request);
	expect_line(fd, expected);
	expect_closed(fd);
}

/* Lets the server do what it has to do, with no answer to wait for. */
static void settle(void)
{
	ask("{\"verb\":\"echo\"}\n", "{\"ok\":true}");
}

/* ---- requests ---------------------------------------------------------------------- */

Test(control_server, reply)
{
	ask("{\"verb\":\"echo\",\"value\":[1,\"a/b\",null]}\n",
	    "{\"ok\":true,\"value\":[1,\"a/b\",null]}");
	cr_expect_eq(calls, 1);
}

Test(control_server, in_pieces, .description = "a request may come in any number of pieces")
{
	int fd = connect_to(path);

	for (const char *p = "{\"verb\":\"echo\",\"value\":7}\n"; *p; p++) {
		char piece[2] = {*p, '\0'};

		cr_assert_eq(calls, 0, "before its end");
		say(fd, piece);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	expect_line(fd, "{\"ok\":true,\"value\":7}");
	expect_closed(fd);
}

Test(control_server, one_request_a_connection)
{
	ask("{\"verb\":\"echo\"}\n{\"verb\":\"echo\"}\n", "{\"ok\":true}");
	settle();
	cr_expect_eq(calls, 2, "the second on the first connection was run");
}

Test(control_server, mistakes, .description = "are named, with the code of a wrong usage")
{
	static const char no_object[] =
		"{\"ok\":false,\"error\":\"the request is not a JSON object on one "
		"line\",\"code\":2}";
	static const char no_verb[] =
		"{\"ok\":false,\"error\":\"the request has no \\\"verb\\\"\",\"code\":2}";

	ask("{\"verb\":\"dance\"}\n", "{\"ok\":false,\"error\":\"unknown verb\",\"code\":2}");
	ask("\n", no_object);
	ask("status\n", no_object);
	ask("[\"echo\"]\n", no_object);
	ask("{\"verb\":\"echo\"\n", no_object);
	ask("{}\n", no_verb);
	ask("{\"verb\":7}\n", no_verb);
	cr_expect_eq(calls, 0);
}

Test(control_server, failure, .description = "what a failing verb had put into its reply is gone")
{
	ask("{\"verb\":\"fail\"}\n", "{\"ok\":false,\"error\":\"no such session\",\"code\":4}");
}

Test(control_server, oversized, .description = "closed without an answer; the largest one is read")
{
	static char request[REQUEST_ROOM + 2];
	int fd;

	memset(request, ' ', REQUEST_ROOM);
	memcpy(request, "{\"verb\":\"echo\"}", 15);
	request[REQUEST_ROOM - 1] = '\n';
	ask(request, "{\"ok\":true}");
	cr_expect_eq(calls, 1);

	request[REQUEST_ROOM - 1] = ' ';
	request[REQUEST_ROOM] = '\n';
	fd = connect_to(path);
	say(fd, request);
	expect_closed(fd);
	cr_expect_eq(calls, 1);
	settle();
}

Test(control_server, gone_before_the_reply, .description = "a client that leaves harms nobody")
{
	int fd = connect_to(path);

	say(fd, "{\"verb\":\"echo\"}\n");
	close(fd);
	fd = connect_to(path);
	say(fd, "{\"ve");
	close(fd);
	settle();
	cr_expect_eq(calls, 2);
}

Test(control_server, too_many_clients, .description = "one more is closed; one less, and it is not")
{
	int fd[CLIENTS_MAX], more;

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		fd[i] = connect_to(path);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	more = connect_to(path);
	expect_closed(more);
	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		say(fd[i], "{\"verb\":\"echo\"}\n");
		expect_line(fd[i], "{\"ok\":true}");
		expect_closed(fd[i]);
	}
	settle();
}

/* ---- who may ----------------------------------------------------------------------- */

Test(control_server, changes_are_for_root, .description = "reading is for whom the file lets in")
{
	int fd;

	ask("{\"verb\":\"change\"}\n", "{\"ok\":true}");
	if (geteuid() != 0)
		cr_skip("needs root");
	cr_assert_eq(chmod(dir, 0711), 0);
	cr_assert_eq(chmod(path, 0666), 0);
	cr_assert_eq(seteuid(65534), 0); /* the peer's credentials are those at its connect */
	fd = connect_to(path);
	cr_assert_eq(seteuid(0), 0);
	say(fd, "{\"verb\":\"change\"}\n");
	expect_line(fd, "{\"ok\":false,\"error\":\"only root may do that\",\"code\":1}");
	expect_closed(fd);
	cr_expect_eq(calls, 1);

	cr_assert_eq(seteuid(65534), 0);
	fd = connect_to(path);
	cr_assert_eq(seteuid(0), 0);
	say(fd, "{\"verb\":\"echo\"}\n");
	expect_line(fd, "{\"ok\":true}");
	expect_closed(fd);
}

/* ---- streams ----------------------------------------------------------------------- */

Test(control_server, kept, .description = "a reply that comes later, in lines, and then the end")
{
	int fd = connect_to(path);

	say(fd, "{\"verb\":\"keep\"}\n");
	settle();
	cr_assert_not_null(kept);
	control_stream(control, "not for those who do not follow");
	control_write(kept, "one");
	control_write(kept, "two");
	control_end(kept);
	expect_line(fd, "one");
	expect_line(fd, "two");
	expect_closed(fd);
}

Test(control_server, end_without_a_word)
{
	int fd = connect_to(path);

	say(fd, "{\"verb\":\"keep\"}\n");
	settle();
	control_end(kept);
	expect_closed(fd);
}

static int follow(void)
{
	int fd = connect_to(path);

	say(fd, "{\"verb\":\"follow\"}\n");
	expect_line(fd, "hello");
	return fd;
}

Test(control_server, follow, .description = "every line to every one that follows, in order")
{
	int a = follow(), b = follow();
	char line[16];

	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "%d", i);
		control_stream(control, line);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "%d", i);
		expect_line(a, line);
		expect_line(b, line);
	}
	say(a, "what a follower says is not read as a request\n");
	close(a);
	control_stream(control, "still");
	settle();
	control_stream(control, "there");
	expect_line(b, "still");
	expect_line(b, "there");
	close(b);
}

/* Reads what is there; false at the end. */
static bool drain(int fd, size_t *ret_octets)
{
	static char buffer[65536];
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		*ret_octets += (size_t)n;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Test(control_server, does_not_read,
     .description = "who does not read is closed; others miss nothing")
{
	enum { LINE = 4000, LINES = 1000 }; /* 4 MB: room for 1 MB and the socket's */
	static char line[LINE + 1];
	int slow = follow(), good = follow();
	size_t heard = 0, at_slow = 0;
	int64_t deadline;

	memset(line, 'x', LINE);
	for (int i = 0; i < LINES; i++) {
		control_stream(control, line);
		uv_run(&loop, UV_RUN_NOWAIT);
		cr_assert(drain(good, &heard), "the one that reads was closed");
	}
	deadline = now_ms() + DEADLINE_MS;
	while (heard < (size_t)LINES * (LINE + 1)) {
		turn(good, deadline);
		cr_assert(drain(good, &heard));
	}
	while (drain(slow, &at_slow))
		turn(slow, deadline);
	cr_expect_lt(at_slow, 2 * STREAM_ROOM, "%zu octets were kept for it", at_slow);
	close(slow);
	control_stream(control, "goes on");
	expect_line(good, "goes on");
	close(good);
}

/* ---- the socket file --------------------------------------------------------------- */

Test(control_server, file, .description = "for its group, and gone with the server")
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_expect(S_ISSOCK(st.st_mode));
	cr_expect_eq(st.st_mode & 0777, 0660);
}

Test(control_server, live, .description = "the socket of a server that answers is not taken")
{
	struct control *other = NULL;
	uv_loop_t second;

	uv_loop_init(&second);
	cr_expect_eq(control_open(&second, path, verbs, &loop, &other), -EADDRINUSE);
	cr_expect_null(other);
	cr_expect_eq(uv_loop_close(&second), 0);
	settle();
}

Test(control_server, live_and_busy, .description = "one that hangs with a full queue is alive, too")
{
	struct control *other = NULL;
	uv_loop_t second;
	int fd[40], n = 0;

	for (; n < 40; n++) { /* nobody accepts: the server gets no turn */
		struct sockaddr_un address = {.sun_family = AF_UNIX};

		fd[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		memcpy(address.sun_path, path, strlen(path) + 1);
		if (connect(fd[n], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	}
	cr_assert_eq(errno, EAGAIN);
	uv_loop_init(&second);
	cr_expect_eq(control_open(&second, path, verbs, &loop, &other), -EADDRINUSE);
	cr_expect_eq(uv_loop_close(&second), 0);
	for (; n >= 0; n--)
		close(fd[n]);
	uv_run(&loop, UV_RUN_NOWAIT);
	settle();
}

static int try_open(const char *where, struct control **ret)
{
	*ret = NULL;
	return control_open(&loop, where, verbs, &loop, ret);
}

Test(control_server, stale, .description = "what a daemon that died left is replaced")
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control *other;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/old", dir);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	close(fd);
	cr_assert_eq(access(address.sun_path, F_OK), 0);

	cr_assert_eq(try_open(address.sun_path, &other), 0);
	fd = connect_to(address.sun_path);
	say(fd, "{\"verb\":\"echo\"}\n");
	expect_line(fd, "{\"ok\":true}");
	expect_closed(fd);
	control_close(other);
	cr_expect_lt(access(address.sun_path, F_OK), 0);
}

Test(control_server, foreign_file, .description = "a file that is no socket is not removed")
{
	struct control *other;
	char name[96];
	int fd;

	snprintf(name, sizeof(name), "%s/note", dir);
	fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_eq(write(fd, "keep", 4), 4);
	close(fd);
	cr_expect_eq(try_open(name, &other), -EEXIST);
	cr_expect_null(other);
	cr_expect_eq(unlink(name), 0, "it is gone");
}

Test(control_server, no_place, .description = "no directory, or too long a name: an error")
{
	struct control *other;
	char name[200];

	snprintf(name, sizeof(name), "%s/no/such.sock", dir);
	cr_expect_lt(try_open(name, &other), 0);
	cr_expect_null(other);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_expect_eq(try_open(name, &other), -ENAMETOOLONG);
}

Test(control_server, closes, .description = "its end is that of every client, also of the kept")
{
	struct control *other;
	char name[96];
	int idle, follower;

	snprintf(name, sizeof(name), "%s/second.sock", dir);
	cr_assert_eq(try_open(name, &other), 0);
	idle = connect_to(name);
	follower = connect_to(name);
	say(follower, "{\"verb\":\"follow\"}\n");
	expect_line(follower, "hello");
	control_close(other);
	expect_closed(idle);
	expect_closed(follower);
}
