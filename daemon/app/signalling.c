/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages in and out. A batch of messages is handed to core one by one; their answers wait in the
 * socket's queue until what they promise is stored, then leave together (group commit).
 */
#include <errno.h>

#include "app/app.h"
#include "util/log.h"

#define BINDING_ERROR_UNKNOWN_TYPE 2
#define BINDING_ERRORS_PER_SECOND  10

static struct log_limit malformed_limit, commit_limit, encode_limit;

/* RFC 6275 9.2, 9.3.3: an unknown MH Type is answered, rate-limited; other faults are silent. */
static void answer_fault(struct app *app, const struct core_peer *from, enum mh_fault fault)
{
	static uint64_t window_ns;
	static unsigned int sent;
	struct mh_message be = {.type = MH_BE, .status = BINDING_ERROR_UNKNOWN_TYPE};
	struct core_time now;

	if (fault != MH_FAULT_TYPE_UNKNOWN)
		return;
	app_now(&now);
	if (now.mono_ns - window_ns >= CORE_NSEC_PER_SEC) {
		window_ns = now.mono_ns;
		sent = 0;
	}
	if (sent++ < BINDING_ERRORS_PER_SECOND)
		signalling_send(app, from, &be);
}

static void on_message(void *ctx, const struct core_peer *from, const uint8_t *octets, size_t len)
{
	struct app *app = ctx;
	struct mh_message msg;
	struct core_time now;
	enum mh_fault fault;

	fault = mh_decode(octets, len, &msg);
	if (fault != MH_FAULT_NONE) {
		char text[IP_TEXT_MAX];

		app->faults[fault]++;
		log_limited(&malformed_limit, LOG_LEVEL_WARNING, "message from %s ignored: %s",
			    ip_text(&from->remote, text), mh_fault_text(fault));
		answer_fault(app, from, fault);
		return;
	}
	app_now(&now);
	app->role->receive(app, &now, from, &msg);
}

void signalling_flush(struct app *app)
{
	int r = app->role->commit(app);

	if (r < 0)
		log_limited(
			&commit_limit, LOG_LEVEL_ERROR,
			"bindings could not be stored (error %d): they would not survive a restart",
			-r);
	mh_socket_flush(app->mh);
}

static void on_batch_end(void *ctx)
{
	struct app *app = ctx;

	signalling_flush(app);
	app_rearm(app);
}

void signalling_send(void *ctx, const struct core_peer *peer, const struct mh_message *msg)
{
	struct app *app = ctx;
	uint8_t octets[MH_MAX];
	int n = mh_encode(msg, octets, sizeof(octets));

	if (n < 0) {
		log_limited(&encode_limit, LOG_LEVEL_ERROR,
			    "a message of type %u cannot be encoded: error %d", msg->type, -n);
		return;
	}
	mh_socket_send(app->mh, peer, octets, (size_t)n);
}

int signalling_open(struct app *app)
{
	struct mh_handler handler = {.ctx = app, .message = on_message, .batch_end = on_batch_end};

	return mh_socket_open(&app->loop, &handler, &app->mh);
}
