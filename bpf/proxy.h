/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Packets on their way to and from the node's proxy, which decides about requests. Bits of the packet's mark tell: the
 * node's own rules at prerouting set them, clear them for every other packet, and a mark does not survive the way out of
 * a pod. None of this runs for a packet that is simply allowed.
 */
#ifndef BULKHEAD_PROXY_H
#define BULKHEAD_PROXY_H

#include "judged.h"

/* Whether a packet is on its way to or from the proxy. */
__noinline int is_handed_over(struct bpf_nf_ctx *ctx)
{
	struct view v;
	return !open_view(&v) && (ctx->skb->mark & v.fixed->header.proxy_marks);
}

/* Whether a packet with a foreign source is the proxy's, which speaks TCP for others, but never for the node. */
__noinline int is_from_proxy(struct bpf_nf_ctx *ctx, struct judged *j)
{
	struct view v;
	if (!j || open_view(&v) || !(ctx->skb->mark & v.fixed->header.from_proxy_mark))
		return 0;
	if (j->flow.protocol != PROTO_TCP || j->flow.flags & TUPLE_UNPARSABLE || j->turned & TURNED_QUOTE)
		return 0;
	return !is_own(&v, find_apart(&j->sender, j->family));
}

/* Whether a packet that leaves through another endpoint's interface than its receiver's is on its way to the proxy. */
static __always_inline int is_to_proxy(struct bpf_nf_ctx *ctx)
{
	struct view v;
	if (open_view(&v))
		return 0;
	const struct bh_header *header = &v.fixed->header;
	return (ctx->skb->mark & header->proxy_marks & ~header->from_proxy_mark) != 0;
}

#endif
