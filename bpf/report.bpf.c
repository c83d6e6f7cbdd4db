/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reports each packet as if it began a flow from endpoint 1, and decides nothing: what a report costs. */
#include "judged.h"

const char program_license[] SEC("license") = "GPL";

static __always_inline int report(struct bpf_nf_ctx *ctx, __u32 family)
{
	struct view v;
	struct judged j = {.family = (__u16)family, .source = with_endpoint(0, 1)};
	if (open_view(&v) || (family == 4 ? parse4(ctx->skb, &j.flow) : parse6(ctx, &j.flow)))
		return NF_DROP;
	if (v.fixed->header.flow_interval_ns)
		tell_new(ctx, &j);
	return NF_ACCEPT;
}

SEC("netfilter")
int report4(struct bpf_nf_ctx *ctx)
{
	return report(ctx, 4);
}

SEC("netfilter")
int report6(struct bpf_nf_ctx *ctx)
{
	return report(ctx, 6);
}
