/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Policy for a flow whose two entries are known. */
#ifndef BULKHEAD_JUDGE_H
#define BULKHEAD_JUDGE_H

#include "orient.h"
#include "proxy.h"

/*
 * One direction of one endpoint with a program. `is_own`: the endpoint sends to itself through a Service. `ctx` is null
 * where no packet is on its way to or from the proxy.
 */
static __always_inline int judge_direction(
	struct bpf_nf_ctx *ctx, const struct view *v, struct judged *j, __u32 program, __u32 direction, __u32 peer,
	__u32 port, int is_own)
{
	if (j->flow.flags & TUPLE_UNPARSABLE)
		return is_audit_only(v, program) ? NF_ACCEPT : tell(j, BH_CAUSE_UNPARSABLE, direction, 0);
	__u32 cell = find_cell(v, program, peer & BH_CLASS_MASK, port);
	if (is_own && cell & BH_CELL_SPARES_ITSELF)
		return NF_ACCEPT;
	__u32 rule = cell & BH_CELL_RULE_MASK;
	if (count_rule(rule, j->bytes))
		return tell(j, BH_CAUSE_INCONSISTENT, direction, rule);
	cell &= BH_CELL_ACTION_MASK;
	if (cell == BH_CELL_ALLOW)
		return NF_ACCEPT;
	if (cell == BH_CELL_AUDIT)
		return tell(j, BH_CAUSE_AUDIT, direction, rule);
	if (cell == BH_CELL_HAND_OVER)
		return ctx && is_handed_over(ctx) ? NF_ACCEPT : tell(j, BH_CAUSE_HAND_OVER, direction, rule);
	return tell(j, cell == BH_CELL_DENY ? BH_CAUSE_RULE : BH_CAUSE_INCONSISTENT, direction, rule);
}

/* From an endpoint to itself through a Service: NetworkPolicy and authorization never deny it; the other tiers may. */
__noinline int judge_hairpin(struct judged *j)
{
	struct view v;
	if (!j || open_view(&v))
		return NF_DROP;
	const struct bh_endpoint *endpoint = &v.fixed->endpoints[endpoint_of(j->source)];
	__u32 egress = endpoint->egress;
	__u32 ingress = endpoint->ingress;
	__u32 port = port_class(&v, j->flow.protocol, j->flow.destination_port);
	if (egress && judge_direction(NULL, &v, j, egress, BH_EGRESS, j->destination, port, 1) != NF_ACCEPT)
		return NF_DROP;
	return ingress ? judge_direction(NULL, &v, j, ingress, BH_INGRESS, j->source, port, 1) : NF_ACCEPT;
}

/* Both directions. */
static __always_inline int judge_flow(struct bpf_nf_ctx *ctx, const struct view *v, struct judged *j)
{
	if ((j->source | j->destination) & BH_POINTER)
		return tell(j, BH_CAUSE_INCONSISTENT, BH_INGRESS, 0);
	__u32 from = endpoint_of(j->source);
	__u32 to = endpoint_of(j->destination);
	if (from == to)
		return from && is_translated(ctx->skb) ? judge_hairpin(j) : NF_ACCEPT;
	__u32 egress = from ? v->fixed->endpoints[from].egress : 0;
	__u32 ingress = to ? v->fixed->endpoints[to].ingress : 0;
	/* Allowed because no policy selects the endpoint: counted as rule 0, once for each such direction. */
	if ((from && !egress) || (to && !ingress))
		count_rule(0, j->bytes);
	if (!(egress | ingress))
		return NF_ACCEPT;
	__u32 port = port_class(v, j->flow.protocol, j->flow.destination_port);
	if (egress && judge_direction(ctx, v, j, egress, BH_EGRESS, j->destination, port, 0) != NF_ACCEPT)
		return NF_DROP;
	return ingress ? judge_direction(ctx, v, j, ingress, BH_INGRESS, j->source, port, 0) : NF_ACCEPT;
}

#endif
