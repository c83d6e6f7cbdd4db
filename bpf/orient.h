/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From a packet to its flow in the original direction, by connection tracking. */
#ifndef BULKHEAD_ORIENT_H
#define BULKHEAD_ORIENT_H

#include "judged.h"

static __always_inline void swap(struct tuple *t)
{
	struct address a = t->source;
	t->source = t->destination;
	t->destination = a;
	__u16 port = t->source_port;
	t->source_port = t->destination_port;
	t->destination_port = port;
}

/* Turns the packet's tuple into that of its flow in the original direction. */
static __always_inline void orient(struct bpf_nf_ctx *ctx, struct judged *j)
{
	struct tuple *t = &j->flow;
	unsigned long conntrack = ctx->skb->_nfct;
	__u32 state = conntrack & CT_INFO_MASK;
	j->turned = 0;
	j->error = 0;
	if (!(conntrack & ~CT_INFO_MASK))
		return;
	if (state == CT_ESTABLISHED_REPLY) {
		swap(t);
		j->turned = TURNED_BACK;
		return;
	}
	if (state != CT_RELATED && state != CT_RELATED_REPLY)
		return;
	struct tuple quoted = {};
	int error = parse_quoted(ctx, t, &quoted);
	if (error >= 0) {
		/* An error travels against the packet that it quotes: one that travels as a reply quotes an original. */
		*t = quoted;
		if (state == CT_RELATED)
			swap(t);
		j->error = (__u8)error;
		j->turned = state == CT_RELATED ? TURNED_QUOTE : TURNED_QUOTE | TURNED_BACK;
	} else if (state == CT_RELATED_REPLY) {
		swap(t);
		j->turned = TURNED_BACK;
	}
}

/* The same off the fast path. */
__noinline int orient_apart(struct bpf_nf_ctx *ctx, struct judged *j)
{
	if (j)
		orient(ctx, j);
	return 0;
}

/* Whether connection tracking says that the packet is a reply in its flow. */
static __always_inline int is_reply(const struct sk_buff *skb)
{
	unsigned long conntrack = skb->_nfct;
	__u32 state = conntrack & CT_INFO_MASK;
	return (conntrack & ~CT_INFO_MASK) && (state == CT_ESTABLISHED_REPLY || state == CT_RELATED_REPLY);
}

/* Whether the packet's destination was translated: an endpoint that sends to itself used a Service. */
static __always_inline int is_translated(const struct sk_buff *skb)
{
	unsigned long conntrack = skb->_nfct & ~CT_INFO_MASK;
	if (!conntrack || !bpf_core_field_exists(struct nf_conn, status))
		return 0;
	return (word_in((const void *)(conntrack + bpf_core_field_offset(struct nf_conn, status))) & CT_DESTINATION_NAT) != 0;
}

#endif
