/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reads the same headers as bulkhead.bpf.c and decides nothing: the baseline of its cost. */
#include "parse.h"

const char program_license[] SEC("license") = "GPL";

/* Uses every field, so that none is optimized away; accepts in practice. */
static __always_inline int accept(struct bpf_nf_ctx *ctx, const struct tuple *t)
{
	__u64 all = t->source.high ^ t->source.low ^ t->destination.high ^ t->destination.low;
	all ^= ctx->skb->_nfct ^ ctx->state->in->ifindex ^ ctx->skb->len;
	all ^= (__u64)t->source_port << 48 ^ (__u64)t->destination_port << 32 ^ t->protocol ^ t->flags;
	return all == 0x6bd1c9f2a9e03b17ull ? NF_DROP : NF_ACCEPT;
}

SEC("netfilter")
int baseline4(struct bpf_nf_ctx *ctx)
{
	struct tuple t;
	return parse4(ctx->skb, &t) ? NF_DROP : accept(ctx, &t);
}

SEC("netfilter")
int baseline6(struct bpf_nf_ctx *ctx)
{
	struct tuple t;
	/* Linux before 6.8 accepts a buffer as an argument only if the frame has written below it. */
	*(volatile __u8 *)&t = 0;
	return parse6(ctx, &t) ? NF_DROP : accept(ctx, &t);
}
