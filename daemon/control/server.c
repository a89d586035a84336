/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket's server. A request is at most REQUEST_MAX octets and must arrive within
 * REQUEST_MS; a streaming client may lag by STREAM_MAX octets. So no client can hold memory or the
 * daemon.
 */
#include "control/control.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <utlist.h>

#include "util/log.h"

#define REQUEST_MAX 4096
#define REQUEST_MS  5000
#define STREAM_MAX  (1U << 20)
#define MAX_CLIENTS 64

struct control_client {
	struct control *control;
	uv_pipe_t pipe;
	uv_timer_t timer;
	char request[REQUEST_MAX + 1];
	size_t used;
	bool kept;
	bool ended;
	bool follows;
	bool closing;
	unsigned int open_handles;
	struct control_client *prev, *next;
};

struct control {
	uv_loop_t *loop;
	uv_pipe_t pipe;
	const struct control_verb *verb;
	void *ctx;
	char *path;
	unsigned int n_clients;
	struct control_client *clients;
};

struct write_request {
	uv_write_t req;
	char data[];
};

static void handle_closed(uv_handle_t *handle)
{
	struct control_client *client = handle->data;

	if (--client->open_handles > 0)
		return;
	free(client);
}

static void client_close(struct control_client *client)
{
	if (client->closing)
		return;
	client->closing = true;
	client->control->n_clients--;
	DL_DELETE(client->control->clients, client);
	uv_close((uv_handle_t *)&client->pipe, handle_closed);
	uv_close((uv_handle_t *)&client->timer, handle_closed);
}

static void write_done(uv_write_t *req, int status)
{
	struct control_client *client = req->handle->data;

	free(req);
	if (client->closing)
		return;
	if (status < 0 ||
	    (!client->kept && uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0))
		client_close(client);
}

void control_write(struct control_client *client, const char *line)
{
	size_t len = strlen(line);
	struct write_request *w;
	uv_buf_t buf;

	if (client->closing)
		return;
	if (uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) > STREAM_MAX) {
		client_close(client);
		return;
	}
	w = malloc(sizeof(*w) + len + 1);
	if (!w) {
		client_close(client);
		return;
	}
	memcpy(w->data, line, len);
	w->data[len] = '\n';
	buf = uv_buf_init(w->data, (unsigned int)(len + 1));
	if (uv_write(&w->req, (uv_stream_t *)&client->pipe, &buf, 1, write_done) < 0) {
		free(w);
		client_close(client);
	}
}

void control_keep(struct control_client *client)
{
	client->kept = true;
}

void control_follow(struct control_client *client)
{
	client->kept = true;
	client->follows = true;
}

void control_end(struct control_client *client)
{
	client->kept = false;
	client->ended = true;
	if (!client->closing && uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0)
		client_close(client);
}

void control_stream(struct control *control, const char *line)
{
	struct control_client *client, *tmp;

	DL_FOREACH_SAFE (control->clients, client, tmp) {
		if (client->follows)
			control_write(client, line);
	}
}

static bool peer_is_root(const struct control_client *client)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)&client->pipe, &fd) < 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}

static int run_verb(struct control_client *client, struct json_object *request,
		    struct json_object *reply, const char **ret_error)
{
	struct json_object *name;
	const struct control_verb *verb;

	if (!request || !json_object_is_type(request, json_type_object)) {
		*ret_error = "the request is not a JSON object on one line";
		return CONTROL_USAGE;
	}
	if (!json_object_object_get_ex(request, "verb", &name) ||
	    !json_object_is_type(name, json_type_string)) {
		*ret_error = "the request has no \"verb\"";
		return CONTROL_USAGE;
	}
	for (verb = client->control->verb; verb->name; verb++) {
		if (strcmp(verb->name, json_object_get_string(name)) != 0)
			continue;
		if (verb->changes && !peer_is_root(client)) {
			*ret_error = "only root may do that";
			return CONTROL_FAILED;
		}
		return verb->run(client->control->ctx, client, request, reply, ret_error);
	}
	*ret_error = "unknown verb";
	return CONTROL_USAGE;
}

static void answer(struct control_client *client)
{
	struct json_object *request = json_tokener_parse(client->request);
	struct json_object *reply = json_object_new_object();
	const char *error = "failed";
	int code;

	uv_timer_stop(&client->timer);
	uv_read_stop((uv_stream_t *)&client->pipe);

	json_object_object_add(reply, "ok", json_object_new_boolean(1));
	code = run_verb(client, request, reply, &error);
	if (code != CONTROL_OK) {
		client->kept = false;
		json_object_put(reply);
		reply = json_object_new_object();
		json_object_object_add(reply, "ok", json_object_new_boolean(0));
		json_object_object_add(reply, "error", json_object_new_string(error));
		json_object_object_add(reply, "code", json_object_new_int(code));
	}
	if (!client->kept && !client->ended)
		control_write(client, json_object_to_json_string_ext(
					      reply, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(reply);
	json_object_put(request);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct control_client *client = handle->data;

	(void)suggested;
	*buf = uv_buf_init(client->request + client->used,
			   (unsigned int)(REQUEST_MAX - client->used));
}

/* After its request a kept client is read only to notice that it has gone. */
static void on_drain_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct control_client *client = handle->data;

	(void)suggested;
	*buf = uv_buf_init(client->request, REQUEST_MAX);
}

static void on_drain(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	if (n < 0)
		client_close(stream->data);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct control_client *client = stream->data;
	char *newline;

	(void)buf;
	if (n < 0) {
		client_close(client);
		return;
	}
	client->used += (size_t)n;
	client->request[client->used] = '\0';
	newline = memchr(client->request, '\n', client->used);
	if (newline) {
		*newline = '\0';
		answer(client);
		if (client->kept && !client->closing)
			uv_read_start(stream, on_drain_alloc, on_drain);
	} else if (client->used == REQUEST_MAX) {
		client_close(client);
	}
}

static void on_timeout(uv_timer_t *timer)
{
	client_close(timer->data);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct control *control = server->data;
	struct control_client *client;

	if (status < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (!client)
		return; /* stays in the backlog; the next event tries again */

	client->control = control;
	client->open_handles = 2;
	uv_pipe_init(control->loop, &client->pipe, 0);
	uv_timer_init(control->loop, &client->timer);
	client->pipe.data = client;
	client->timer.data = client;
	control->n_clients++;
	DL_APPEND(control->clients, client);

	if (uv_accept(server, (uv_stream_t *)&client->pipe) < 0 ||
	    control->n_clients > MAX_CLIENTS) {
		client_close(client);
		return;
	}
	uv_timer_start(&client->timer, on_timeout, REQUEST_MS, 0);
	uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read);
}

/*
 * A socket that refuses was left by a daemon that died; one that answers, or has more callers than
 * it takes, belongs to a live one; a file of any other kind is not ours.
 */
static int remove_stale(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
	close(fd);
	if (r == 0 || r == EAGAIN)
		return -EADDRINUSE;
	if (r != ECONNREFUSED)
		return -r;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static void server_closed(uv_handle_t *handle)
{
	struct control *control = handle->data;

	free(control->path);
	free(control);
}

int control_open(uv_loop_t *loop, const char *path, const struct control_verb *verb, void *ctx,
		 struct control **ret_control)
{
	struct control *control;
	int r;

	signal(SIGPIPE, SIG_IGN); /* libuv writes without MSG_NOSIGNAL */
	r = remove_stale(path);
	if (r < 0) {
		log_error("control: %s: %s", path,
			  r == -EADDRINUSE ? "another magpied answers there" : strerror(-r));
		return r;
	}
	control = calloc(1, sizeof(*control));
	if (!control)
		return -ENOMEM;
	*control = (struct control){.loop = loop, .verb = verb, .ctx = ctx, .path = strdup(path)};
	uv_pipe_init(loop, &control->pipe, 0);
	control->pipe.data = control;

	r = control->path ? uv_pipe_bind(&control->pipe, path) : -ENOMEM;
	if (r < 0)
		goto fail;
	if (chmod(path, 0660) < 0) {
		r = -errno;
		goto fail;
	}
	r = uv_listen((uv_stream_t *)&control->pipe, 16, on_connection);
	if (r < 0)
		goto fail;
	*ret_control = control;
	return 0;

fail:
	log_error("control: cannot listen on %s: %s", path, strerror(-r));
	uv_close((uv_handle_t *)&control->pipe, server_closed);
	return r;
}

void control_close(struct control *control)
{
	struct control_client *client, *tmp;

	if (!control)
		return;
	DL_FOREACH_SAFE (control->clients, client, tmp)
		client_close(client);
	unlink(control->path);
	uv_close((uv_handle_t *)&control->pipe, server_closed);
}
