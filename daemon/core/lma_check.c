/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The checks of a PBU in their normative order: the first that fails decides the status (RFC 5213
 * 5.3.1; spec base 0.5, 3.1 and section 9; for MMB: spec multipath D24). The order is the table at
 * the end of this file. A check reads, and says in req->detail which field of which option it was.
 */
#include "core/lma_state.h"

typedef unsigned int check_fn(const struct lma *lma, struct lma_request *req);

static unsigned int fail(struct lma_request *req, uint8_t status, const char *detail)
{
	req->detail = detail;
	return status;
}

static bool has(const struct lma_request *req, uint32_t option)
{
	return (req->has & option) != 0;
}

/* Present, whatever its condition. */
static bool absent(const struct lma_request *req, uint32_t option)
{
	return ((req->has | req->bad) & option) == 0;
}

static unsigned int check_mn_id(const struct lma *lma, struct lma_request *req)
{
	(void)lma;
	if (!has(req, MH_HAS(MN_ID)) || req->msg->mn_id.len == 0)
		return fail(req, MH_STATUS_MISSING_MN_ID, "Mobile Node Identifier: missing");
	return 0;
}

static unsigned int check_authorized(const struct lma *lma, struct lma_request *req)
{
	const struct mh_id *mag_id = req->multi ? &req->msg->mag_id : NULL;

	if (!lma_peer_allowed(lma, &req->from->remote, mag_id, &req->coa))
		return fail(req, MH_STATUS_MAG_NOT_AUTHORIZED,
			    "MAG Identifier, source or care-of address: not allowed together");
	return 0;
}

static unsigned int check_hnp(const struct lma *lma, struct lma_request *req)
{
	(void)lma;
	if (absent(req, MH_HAS(HNP)))
		return fail(req, MH_STATUS_MISSING_HNP, "Home Network Prefix: missing");
	return 0;
}

static unsigned int check_hi(const struct lma *lma, struct lma_request *req)
{
	(void)lma;
	if (absent(req, MH_HAS(HI)))
		return fail(req, MH_STATUS_MISSING_HI, "Handoff Indicator: missing");
	return 0;
}

static unsigned int check_att(const struct lma *lma, struct lma_request *req)
{
	(void)lma;
	if (absent(req, MH_HAS(ATT)))
		return fail(req, MH_STATUS_MISSING_ATT, "Access Technology Type: missing");
	return 0;
}

static unsigned int check_wellformed(const struct lma *lma, struct lma_request *req)
{
	static const struct {
		uint32_t option;
		const char *bad;
		const char *twice;
	} text[] = {
#define X(name, type, ax, ay, string) \
	{MH_HAS(name), string ": illegal length or value", string ": more than once"},
		MH_OPTIONS(X)
#undef X
	};

	(void)lma;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		if ((req->bad & text[i].option) != 0)
			return fail(req, MH_STATUS_UNSPECIFIED, text[i].bad);
		if ((req->dup & text[i].option) != 0)
			return fail(req, MH_STATUS_UNSPECIFIED, text[i].twice);
	}
	return 0;
}

/* B-OWN-LMA-4: all of one's own, or one that says "any". */
static unsigned int check_prefixes(const struct lma *lma, struct lma_request *req)
{
	uint8_t zero = 0;

	(void)lma;
	for (uint8_t i = 0; i < req->msg->n_hnp; i++)
		zero = (uint8_t)(zero + ip_is_zero(&req->msg->hnp[i].addr));
	if (zero > 1 || (zero == 1 && req->msg->n_hnp > 1))
		return fail(req, MH_STATUS_UNSPECIFIED,
			    "Home Network Prefix: ALL_ZERO beside another");
	return 0;
}

static unsigned int check_link_local(const struct lma *lma, struct lma_request *req)
{
	const struct ip_addr *a = &req->msg->link_local;

	(void)lma;
	if (has(req, MH_HAS(LINK_LOCAL)) && !ip_is_zero(a) &&
	    !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80))
		return fail(req, MH_STATUS_UNSPECIFIED,
			    "Link-local Address: not a link-local address");
	return 0;
}

static unsigned int check_multipath(const struct lma *lma, struct lma_request *req)
{
	const struct mh_mmb *mmb = &req->msg->mmb;

	if (!has(req, MH_HAS(MMB)))
		return 0;
	if (mmb->bid == 0 || mmb->bid == 255)
		return fail(req, MH_STATUS_UNSPECIFIED,
			    "MAG Multipath Binding: binding identifier is not in 1..254");
	if (mmb->bulk && mmb->overwrite)
		return fail(req, MH_STATUS_UNSPECIFIED,
			    "MAG Multipath Binding: B and O exclude each other");
	if (!req->multi)
		return fail(req, MH_STATUS_UNSPECIFIED,
			    "MAG Identifier: missing or empty beside MAG Multipath Binding");
	if (!lma->config.multipath)
		return fail(req, MH_STATUS_NO_MULTIPATH,
			    "MAG Multipath Binding: multipath is switched off here");
	return 0;
}

static unsigned int check_lookup(const struct lma *lma, struct lma_request *req)
{
	(void)lma;
	return req->verdict == LMA_REFUSED ? req->refusal : 0;
}

unsigned int lma_check(const struct lma *lma, struct lma_request *req)
{
	static check_fn *const checks[] = {
		check_mn_id,	  /* 160 */
		check_authorized, /* 154; 153 and 152 need profiles */
		lma_check_order,  /* 157, 156, 135, or a duplicate */
		check_hnp,	  /* 158 */
		check_hi,	  /* 161 */
		check_att,	  /* 162 */
		check_wellformed, /* 128 */
		check_prefixes,	  /* 128 */
		check_link_local, /* 128 */
		check_multipath,  /* 128, 180 */
		check_lookup,	  /* 155, 159, 129 */
	};
	const char *of_lookup = req->detail;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		unsigned int status;

		req->detail = NULL;
		status = checks[i](lma, req);
		if (status != 0) {
			if (checks[i] == check_lookup)
				req->detail = of_lookup;
			return status;
		}
	}
	return 0;
}
