/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state of a session as the data plane is to have it, computed anew each time and published
 * when it differs from what was published last. Nothing is published before the anchor has accepted
 * a registration: until then what an earlier run left pinned goes on forwarding (M29).
 *
 * Every configured path is in the view, without BINDING_TX while it must not carry packets, so that
 * the flows it would carry are remembered. Tunnels receive from the first PBU on (M1) and until the
 * end of their drain (M23). With 254 paths there is no room for the second entry of a path whose
 * address changed: then what is under way to the old address is lost.
 */
#include "core/mag_state.h"

#include <string.h>

#define PUBLISH_FIRST_MS 100
#define PUBLISH_MAX_MS	 5000

static bool has_tunnel(const struct mag_binding *b, uint64_t now_ns)
{
	switch (b->state) {
	case MAG_INIT:
	case MAG_ACTIVE:
	case MAG_REFRESH:
	case MAG_SUSPECT:
	case MAG_DEREG:
		return true;
	case MAG_IDLE:
	case MAG_WAIT:
	case MAG_REJECTED:
		return now_ns < b->rx_until_ns;
	}
	return false;
}

static bool transmits(const struct mag_session *s, const struct mag_path *path,
		      const struct mag_binding *b, uint64_t now_ns)
{
	if (b->state != MAG_ACTIVE && b->state != MAG_REFRESH)
		return false;
	return path->link.usable && path->alive && now_ns >= b->usable_ns && !s->leaving;
}

/*
 * Nothing is left that answers: it may be the anchor's daemon alone that does not. Then what is
 * bound goes on carrying packets, as good or bad as it is (PL-25), instead of M21's empty set.
 */
static bool last_resort(const struct mag_session *s, const struct mag_path *path,
			const struct mag_binding *b)
{
	if (b->state != MAG_ACTIVE && b->state != MAG_REFRESH && b->state != MAG_SUSPECT)
		return false;
	return path->link.usable && !s->leaving;
}

static bool any_transmits(const struct session_view *view)
{
	for (unsigned int i = 0; i < view->n; i++) {
		if (view->binding[i].use & BINDING_TX)
			return true;
	}
	return false;
}

static void use_last_resort(const struct mag *mag, const struct mag_session *s,
			    struct session_view *view)
{
	for (unsigned int i = 0; i < view->n; i++) {
		struct binding_view *v = &view->binding[i];
		size_t path = mag->by_bid[v->bid] - (size_t)1;

		if (v->weight != 0 && last_resort(s, &mag->path[path], &s->binding[path]))
			v->use |= BINDING_TX;
	}
}

static struct binding_view *add(struct session_view *view, const struct mag_path_config *config,
				const struct core_peer *tunnel)
{
	struct binding_view *v = &view->binding[view->n++];

	v->bid = config->bid;
	v->label = config->label;
	v->att = config->att;
	if (tunnel) {
		v->use = BINDING_RX;
		v->local = tunnel->local;
		v->remote = tunnel->remote;
		v->ifindex = tunnel->ifindex;
	}
	return v;
}

static void build(const struct mag *mag, const struct mag_session *s, uint64_t now_ns,
		  struct session_view *view)
{
	size_t room = CORE_MAX_BINDINGS - mag->n_path;

	memset(view, 0, sizeof(*view));
	view->id = s->id;
	view->mn_id = &s->node.mn_id;
	if (!s->up)
		return;
	view->state = SESSION_ACTIVE;
	view->n_prefix = s->node.n_prefix;
	memcpy(view->prefix, s->node.prefix, s->node.n_prefix * sizeof(view->prefix[0]));
	for (unsigned int bid = 1; bid <= CORE_MAX_BINDINGS; bid++) {
		size_t i = mag->by_bid[bid] - (size_t)1;
		const struct mag_binding *b;
		struct binding_view *v;
		bool tunnel;

		if (!mag->by_bid[bid])
			continue;
		b = &s->binding[i];
		tunnel = has_tunnel(b, now_ns);
		if (mag->path[i].leaving && !tunnel)
			continue;
		v = add(view, &mag->path[i].config, tunnel ? &b->tunnel : NULL);
		v->weight = mag->path[i].config.weight ? mag->path[i].config.weight : 1;
		if (transmits(s, &mag->path[i], b, now_ns))
			v->use |= BINDING_TX;
		if (now_ns < b->old_until_ns && room > 0) {
			add(view, &mag->path[i].config, &b->old);
			room--;
		}
	}
	if (!any_transmits(view))
		use_last_resort(mag, s, view);
}

static bool same(const struct session_view *a, const struct session_view *b)
{
	return a->id == b->id && a->state == b->state && a->n_prefix == b->n_prefix &&
	       a->n == b->n &&
	       memcmp(a->prefix, b->prefix, a->n_prefix * sizeof(a->prefix[0])) == 0 &&
	       memcmp(a->binding, b->binding, a->n * sizeof(a->binding[0])) == 0;
}

int mag_sync(struct mag *mag, struct mag_session *s, uint64_t now_ns)
{
	struct session_view view;
	int r;

	build(mag, s, now_ns, &view);
	if (same(&view, &s->published) || (!s->up && !s->published.id)) {
		s->behind = false;
		return 0;
	}
	mag->publishing = true;
	r = mag->port.publish(mag->port.ctx, &view);
	mag->publishing = false;
	if (r < 0) {
		s->publish_wait_ms = !s->behind ? PUBLISH_FIRST_MS : s->publish_wait_ms * 2;
		if (s->publish_wait_ms > PUBLISH_MAX_MS)
			s->publish_wait_ms = PUBLISH_MAX_MS;
		s->behind = true;
		s->publish_ns = now_ns + s->publish_wait_ms * MSEC;
		mag_note(mag, s, MAG_NONE, CORE_NOTE_DATAPATH, "the session's view was refused");
		return r;
	}
	s->behind = false;
	if (s->up)
		s->published = view;
	else
		memset(&s->published, 0, sizeof(s->published));
	return 0;
}
