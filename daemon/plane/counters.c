/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sums over processors of what the programs count, and the sweep of pinned flows. */
#include "plane/state.h"

#define SWEEP_BATCH 1024

int plane_reasons(const struct plane *p, struct magpie_reason_count *ret)
{
	struct magpie_reason_count *cpu = calloc((size_t)p->cpus, sizeof(*cpu));

	if (!cpu)
		return -ENOMEM;
	for (uint32_t i = 0; i < MAGPIE_REASON_COUNT; i++) {
		ret[i] = (struct magpie_reason_count){.reason = (enum magpie_reason)i};
		if (bpf_map_lookup_elem(p->map[PLANE_MAP_reason].fd, &i, cpu) < 0)
			continue;
		for (int c = 0; c < p->cpus; c++) {
			ret[i].packets += cpu[c].packets;
			ret[i].bytes += cpu[c].bytes;
		}
	}
	free(cpu);
	return 0;
}

int plane_rule_counts(const struct plane *p, struct magpie_rule_count *ret)
{
	struct magpie_rule_count *cpu = calloc((size_t)p->cpus, sizeof(*cpu));

	if (!cpu)
		return -ENOMEM;
	for (uint32_t i = 0; i <= MAGPIE_RULES; i++) {
		ret[i] = (struct magpie_rule_count){0};
		if (bpf_map_lookup_elem(p->map[PLANE_MAP_rulestat].fd, &i, cpu) < 0)
			continue;
		for (int c = 0; c < p->cpus; c++) {
			ret[i].packets += cpu[c].packets;
			ret[i].bytes += cpu[c].bytes;
		}
	}
	free(cpu);
	return 0;
}

void plane_flush_nexthops(struct plane *p)
{
	struct magpie_config *c = plane_config_map(p);

	plane_store(&c->nexthop_generation, c->nexthop_generation + 1);
}

struct sweep {
	struct plane *p;
	uint64_t idle_ns;
	uint64_t now_ns;
	uint8_t *seen; /* by session: it has a flow that is still in use */
};

static void sweep_batch(struct sweep *s, const struct magpie_flow_key *key,
			const struct magpie_flow *flow, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (flow[i].seen_ns + s->idle_ns < s->now_ns)
			bpf_map_delete_elem(s->p->map[PLANE_MAP_flow].fd, &key[i]);
		else if (key[i].session < s->p->session_ids.size)
			s->seen[key[i].session] = 1;
	}
}

static bool sweep_flows(struct sweep *s)
{
	struct magpie_flow_key *key = calloc(SWEEP_BATCH, sizeof(*key));
	struct magpie_flow *flow = calloc(SWEEP_BATCH, sizeof(*flow));
	int fd = s->p->map[PLANE_MAP_flow].fd;
	uint32_t position = 0, n;
	void *in = NULL;
	int r = key && flow ? 0 : -ENOMEM;

	while (r == 0) {
		n = SWEEP_BATCH;
		r = bpf_map_lookup_batch(fd, in, &position, key, flow, &n, NULL);
		if (r == 0 || r == -ENOENT)
			sweep_batch(s, key, flow, n);
		in = &position;
	}
	free(key);
	free(flow);
	return r == -ENOENT; /* the end of the map */
}

/*
 * A program sets the flag of a session only where it is clear, so a pin made between the look and
 * the store would be lost: after clearing, the flows are looked at again and the flag is put back
 * where one is found.
 */
void plane_sweep(struct plane *p)
{
	uint32_t n = p->session_ids.size;
	struct sweep s = {
		.p = p,
		.now_ns = plane_now_ns(),
		.idle_ns = (uint64_t)plane_config_map(p)->flow_idle_s * 1000000000U,
		.seen = calloc(n, 1),
	};
	struct plane_session *session, *tmp;
	bool cleared = false;

	if (!s.seen || !sweep_flows(&s))
		goto out;
	HASH_ITER (hh_id, p->by_id, session, tmp) {
		uint8_t *pinned = plane_pinned_byte(p, session->id);

		if (*pinned && !s.seen[session->id]) {
			plane_store(pinned, 0);
			cleared = true;
		}
	}
	if (!cleared)
		goto out;
	memset(s.seen, 0, n);
	sweep_flows(&s);
	HASH_ITER (hh_id, p->by_id, session, tmp) {
		if (s.seen[session->id])
			plane_store(plane_pinned_byte(p, session->id), 1);
	}
out:
	free(s.seen);
}
