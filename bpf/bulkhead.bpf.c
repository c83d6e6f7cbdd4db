/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Judges forwarded packets, and, if the tables say so, packets between endpoints and the node itself. README.md
 * describes a packet's way; this file holds only the order of the steps.
 */
#include "judge.h"
#include "own_node.h"
#include "sender.h"

const char program_license[] SEC("license") = "GPL";

/* Adds types that only casts name to the object's type information, which a test compares with Swift's types. */
const struct {
	struct bh_program program;
	struct bh_node node;
	struct bh_key key;
	struct bh_fixed fixed[0];
} layout_witness SEC(".rodata.layout") __attribute__((used)) = {};

/* The sender within a bridge without an address of its own, identified by the port. -1 if the port is unknown. */
static __always_inline int find_bridged_sender(struct bpf_nf_ctx *ctx, const struct view *v, struct judged *j)
{
	__u32 port = bridge_port(ctx);
	__u32 role = find_interface(v, port);
	if (!port)
		return -1;
	if (!(role & BH_ROLE_PORT))
		return 0;
	j->from = endpoint_behind(role);
	if (!j->turned)
		j->source = with_endpoint(j->source, j->from);
	else if (j->turned == TURNED_BACK)
		j->destination = with_endpoint(j->destination, j->from);
	return 0;
}

/* DHCP within a bridge: an endpoint may ask, and a server that is not an endpoint may answer. 1: the packet passes. */
static __always_inline int is_dhcp_upkeep(struct judged *j)
{
	__u32 kind = j->is_bridged ? dhcp_kind(j) : NOT_DHCP;
	__u32 to = endpoint_of(j->turned ? j->source : j->destination);
	if (kind == DHCP_ANSWER)
		return !j->from;
	if (kind != DHCP_QUESTION)
		return 0;
	if (!to)
		return 1;
	/* To all: the receiver's policy may still deny it. To one endpoint it is a packet like others. */
	int is_to_all = j->family == 4 ? (__u32)j->flow.destination.low == 0xffffffff : j->flow.destination.high >> 56 == 0xff;
	if (is_to_all && !j->turned)
		j->source = with_endpoint(j->source, 0);
	return 0;
}

/* Whether judge_unusual() applies: not to ordinary TCP and UDP packets. */
static __always_inline int is_unusual(const struct view *v, const struct judged *j)
{
	if (j->flow.flags || j->turned & TURNED_QUOTE || (!j->from && j->role & BH_ROLE_BRIDGE))
		return 1;
	if (j->flow.protocol == PROTO_TCP)
		return 0;
	if (j->flow.protocol != PROTO_UDP)
		return 1;
	return (j->from && is_tunnel(v, j)) || (j->is_bridged && dhcp_kind(j));
}

/* Packets that are not ordinary: what endpoints may never, and always, send. A verdict, or -1: policy decides. */
__noinline int judge_unusual(struct bpf_nf_ctx *ctx, struct judged *j)
{
	struct view v;
	int hidden = 0;
	if (!j || open_view(&v))
		return NF_DROP;
	set_icmp(ctx, j);
	if (!j->from && j->role & BH_ROLE_BRIDGE && is_unbound(j->sender, j->family))
		hidden = find_bridged_sender(ctx, &v, j);
	if (j->from) {
		__u32 cause = find_offense(ctx, j);
		if (cause)
			return tell_packet(ctx, j, cause);
		if (!(j->turned & TURNED_QUOTE) && is_tunnel(&v, j) && is_other_node(j))
			return tell_packet(ctx, j, BH_CAUSE_TUNNEL);
	}
	if (is_link_upkeep(ctx, j) || is_dhcp_upkeep(j))
		return NF_ACCEPT;
	return hidden ? tell_packet(ctx, j, BH_CAUSE_SPOOFED) : -1;
}

/* The packet leaves through the interface or port of endpoint `to`, but carries another destination: it goes to a
 * group, or is flooded, or its sender chose the frame's destination. Endpoint `to` is judged instead of the
 * address's. A packet on its way to the proxy is judged as what it is.
 */
__noinline int set_receiver(struct bpf_nf_ctx *ctx, struct judged *j, __u32 to)
{
	if (!j)
		return -1;
	if (is_to_proxy(ctx))
		return 0;
	int is_answer = j->turned & TURNED_BACK;
	if (j->turned && !(is_answer && is_unbound(j->flow.source, j->family))) {
		/* A reply to another address is not a reply to this endpoint. */
		if (parse_anywhere(ctx, j->family, 0, &j->flow))
			return -1;
		j->source = find_apart(&j->flow.source, j->family);
		j->destination = find_apart(&j->flow.destination, j->family);
		j->turned = 0;
		is_answer = 0;
	}
	if (is_answer)
		j->source = with_endpoint(j->source, to);
	else
		j->destination = with_endpoint(j->destination, to);
	return 0;
}

/* The role of the interface through which a packet leaves: within a bridge, of the port. */
static __always_inline __u32 find_exit(const struct view *v, struct bpf_nf_ctx *ctx, struct judged *j)
{
	const struct net_device *out = ctx->skb->dev;
	j->is_bridged = out != ctx->state->in;
	if (!j->is_bridged)
		out = ctx->state->out;
	return find_interface(v, out->ifindex);
}

static __always_inline int judge(struct bpf_nf_ctx *ctx, __u32 family)
{
	struct sk_buff *skb = ctx->skb;
	struct view v;
	struct judged j;
	if (open_view(&v))
		return NF_DROP;
	j.bytes = skb->len;
	j.family = family;
	j.ifindex = ctx->state->in->ifindex;
	j.role = find_interface(&v, j.ifindex);
	if (family == 4 ? parse4(skb, &j.flow) : parse6(ctx, &j.flow))
		return tell_malformed(&j);

	j.sender = j.flow.source;
	orient(ctx, &j);
	j.source = find_address(&v, j.flow.source, family);
	j.destination = find_address(&v, j.flow.destination, family);
	__u32 entry = !j.turned ? j.source : j.turned == TURNED_BACK ? j.destination : find_apart(&j.sender, family);
	j.from = endpoint_of(entry);
	if ((is_misplaced(&v, j.role, j.ifindex, entry) || (!j.from && is_own(&v, entry)))
		&& !is_virtual_router(ctx->state->in) && !is_from_proxy(ctx, &j))
		return tell_forged(ctx, &j);
	__u32 to = endpoint_behind(find_exit(&v, ctx, &j));
	if (to && to != endpoint_of(j.turned & TURNED_BACK ? j.source : j.destination) && set_receiver(ctx, &j, to))
		return tell_malformed(&j);
	if (is_unusual(&v, &j)) {
		int verdict = judge_unusual(ctx, &j);
		if (verdict >= 0)
			return verdict;
	}
	return note_new(ctx, &v, &j, judge_flow(ctx, &v, &j));
}

/* A verdict in the verifier's sense: the verifier assumes that a function returns any number. */
static __always_inline int bounded(int verdict)
{
	return opaque((__u32)verdict) == NF_ACCEPT ? NF_ACCEPT : NF_DROP;
}

SEC("netfilter")
int bulkhead4(struct bpf_nf_ctx *ctx)
{
	return bounded(judge(ctx, 4));
}

SEC("netfilter")
int bulkhead6(struct bpf_nf_ctx *ctx)
{
	return bounded(judge(ctx, 6));
}

SEC("netfilter")
int bulkhead4_in(struct bpf_nf_ctx *ctx)
{
	return bounded(judge_input(ctx, 4));
}

SEC("netfilter")
int bulkhead6_in(struct bpf_nf_ctx *ctx)
{
	return bounded(judge_input(ctx, 6));
}

SEC("netfilter")
int bulkhead4_out(struct bpf_nf_ctx *ctx)
{
	return bounded(judge_output(ctx, 4));
}

SEC("netfilter")
int bulkhead6_out(struct bpf_nf_ctx *ctx)
{
	return bounded(judge_output(ctx, 6));
}
