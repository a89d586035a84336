/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The PBA (RFC 5213 5.3.6, spec base section 13). It goes to the source of the PBU from the address
 * that the PBU was sent to; what it echoes depends on the request and the status alone. MMB is
 * echoed whenever it was readable and heeded, MAG-ID never (D1, D2).
 */
#include "core/lma_state.h"

#include <string.h>

static void answer_prefixes(struct mh_message *pba, const struct lma_request *req, bool accepted)
{
	const struct mh_message *pbu = req->msg;

	pba->has |= MH_HAS(HNP);
	if (accepted) {
		pba->n_hnp = req->session->n_prefix;
		for (uint8_t i = 0; i < pba->n_hnp; i++)
			pba->hnp[i] = req->session->prefix[i]->prefix;
	} else if (pbu->n_hnp != 0) {
		pba->n_hnp = pbu->n_hnp;
		memcpy(pba->hnp, pbu->hnp, pbu->n_hnp * sizeof(pba->hnp[0]));
	} else {
		pba->n_hnp = 1; /* ALL_ZERO */
		memset(&pba->hnp[0], 0, sizeof(pba->hnp[0]));
	}
}

static void answer_echoes(struct mh_message *pba, const struct lma_request *req, bool accepted)
{
	const struct mh_message *pbu = req->msg;

	pba->has |= req->has & (MH_HAS(LLID) | MH_HAS(LINK_LOCAL) | MH_HAS(TIMESTAMP));
	if ((req->has & MH_HAS(LLID)) != 0)
		pba->llid = pbu->llid;
	if ((req->has & MH_HAS(LINK_LOCAL)) != 0)
		pba->link_local = accepted ? req->session->set.link_local : pbu->link_local;
	if ((req->has & MH_HAS(TIMESTAMP)) != 0)
		pba->timestamp = pba->status == MH_STATUS_TIMESTAMP_MISMATCH ||
						 pba->status == MH_STATUS_TIMESTAMP_OLD
					 ? req->now->stamp
					 : pbu->timestamp;
	if ((req->has & MH_HAS(MMB)) != 0) {
		pba->has |= MH_HAS(MMB);
		pba->mmb = pbu->mmb;
	}
}

static void transmit(struct lma *lma, const struct core_peer *from)
{
	struct core_peer peer = *from;

	/* Routing decides the device: an anchor with two uplinks may hear and speak by different
	 * ones. */
	peer.ifindex = 0;
	lma->statuses[lma->answer.status]++;
	lma->port.send(lma->port.ctx, &peer, &lma->answer);
}

void lma_answer(struct lma *lma, const struct lma_request *req, uint8_t status)
{
	const struct mh_message *pbu = req->msg;
	struct mh_message *pba = &lma->answer;
	bool accepted = status < MH_STATUS_UNSPECIFIED;

	memset(pba, 0, sizeof(*pba));
	pba->type = MH_BA;
	pba->status = status;
	pba->flags = MH_BA_P;
	pba->sequence = status == MH_STATUS_SEQUENCE ? req->last_sequence : pbu->sequence;
	pba->lifetime = accepted ? req->granted : 0;
	pba->has = MH_HAS(MN_ID) | MH_HAS(HI) | MH_HAS(ATT);
	if ((req->has & MH_HAS(MN_ID)) != 0)
		pba->mn_id = pbu->mn_id;
	else
		pba->mn_id.subtype = MH_ID_NAI;
	pba->hi = (req->has & MH_HAS(HI)) != 0 ? pbu->hi : 0;
	pba->att = (req->has & MH_HAS(ATT)) != 0 ? pbu->att : 0;
	answer_prefixes(pba, req, accepted);
	answer_echoes(pba, req, accepted);
	transmit(lma, req->from);
}

/* B-OWN-MH-5: we are no home agent of MIPv6, and a node that asks for one is told so. */
void lma_answer_home_registration(struct lma *lma, const struct core_peer *from,
				  const struct mh_message *msg)
{
	struct mh_message *ba = &lma->answer;

	memset(ba, 0, sizeof(*ba));
	ba->type = MH_BA;
	ba->status = MH_STATUS_NO_HOME_REGISTRATION;
	ba->sequence = msg->sequence;
	transmit(lma, from);
}
