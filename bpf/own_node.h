/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Packets to the node itself, and from it: at the input hook every address is the node. */
#ifndef BULKHEAD_OWN_NODE_H
#define BULKHEAD_OWN_NODE_H

#include "judge.h"
#include "sender.h"

/* Whether a rule of the Admin or Baseline tier denies a class. */
static __always_inline int is_denied_by_tier(const struct view *v, __u32 program, __u32 class, __u32 port)
{
	__u32 cell = find_cell(v, program, class & BH_CLASS_MASK, port);
	return !(cell & BH_CELL_SPARES_ITSELF) && (cell & BH_CELL_ACTION_MASK) == BH_CELL_DENY;
}

/*
 * Egress of the endpoint of j->source, to its node: a node has no ingress. `group`: the destination is not the node's
 * alone. The tiers' rules may deny either; NetworkPolicy about a group is not about the node. Such flows are not noted:
 * each packet would be a new one.
 */
__noinline int judge_egress(struct judged *j, int group)
{
	struct view v;
	if (!j || open_view(&v))
		return NF_DROP;
	j->destination = 0;
	if (j->source & BH_POINTER)
		return tell(j, BH_CAUSE_INCONSISTENT, BH_EGRESS, 0);
	__u32 from = endpoint_of(j->source);
	if (!from)
		return NF_ACCEPT;
	__u32 egress = v.fixed->endpoints[from].egress;
	if (!egress) {
		count_rule(0, j->bytes);
		return NF_ACCEPT;
	}
	j->destination = find_apart(&j->flow.destination, j->family);
	if (j->destination & BH_POINTER)
		return tell(j, BH_CAUSE_INCONSISTENT, BH_EGRESS, 0);
	__u32 own = v.fixed->header.own_class;
	__u32 port = port_class(&v, j->flow.protocol, j->flow.destination_port);
	int is_judged_as_group = group && is_denied_by_tier(&v, egress, j->destination, port);
	if (own && !is_own(&v, j->destination) && !is_judged_as_group)
		j->destination = own;
	return judge_direction(NULL, &v, j, egress, BH_EGRESS, j->destination, port, 0);
}

/* Whether a packet to the node is for more than one host, or for a subnet's broadcast address. */
static __always_inline int is_group(const struct sk_buff *skb, struct address destination, __u32 family)
{
	if (family == 6)
		return destination.high >> 56 == 0xff;
	__u32 address = (__u32)destination.low;
	if (address >> 28 == 0xe || address == 0xffffffff)
		return 1;
	/* Only routing knows a subnet's broadcast address; the sender chooses the frame's own kind. */
	const struct rtable *route =
		bpf_rdonly_cast((void *)(skb->_skb_refdst & ~ROUTE_BORROWED), bpf_core_type_id_kernel(struct rtable));
	return route->rt_type == ROUTE_BROADCAST;
}

/* What is known about a packet's sender. */
#define SENDER_KNOWN 0
/* The address cannot come from this interface or port. */
#define SENDER_FORGED 1
/* It is behind a bridge with endpoints, and the port is unknown. */
#define SENDER_HIDDEN 2

/*
 * Finds the endpoint that sent a packet to the node: that of the interface; behind a bridge that of the address, which
 * the check at the bridge's ports guarantees, or that of the port. `entry`: of the packet's source.
 */
static __always_inline int find_sender(struct bpf_nf_ctx *ctx, const struct view *v, struct judged *j, __u32 entry)
{
	int unbound = is_unbound(j->sender, j->family);
	j->from = endpoint_of(entry);
	if (j->role & BH_ROLE_ROUTED) {
		int is_its_own = j->from == endpoint_behind(j->role);
		j->from = endpoint_behind(j->role);
		return unbound || is_its_own ? SENDER_KNOWN : SENDER_FORGED;
	}
	if (is_misplaced(v, j->role, j->ifindex, entry))
		return SENDER_FORGED;
	if (j->from || !unbound || !(j->role & BH_ROLE_BRIDGE))
		return SENDER_KNOWN;
	__u32 port = bridge_port(ctx);
	if (!port)
		return SENDER_HIDDEN;
	__u32 role = find_interface(v, port);
	j->from = role & BH_ROLE_PORT ? endpoint_behind(role) : 0;
	return SENDER_KNOWN;
}

/* What an endpoint may not send, to its node or to others: a cause, or 0. */
static __always_inline __u32 find_node_offense(struct bpf_nf_ctx *ctx, const struct view *v, struct judged *j)
{
	/* Tunnels end here. */
	if (is_tunnel(v, j))
		return BH_CAUSE_TUNNEL;
	if (!j->flow.flags && (j->flow.protocol == PROTO_TCP || j->flow.protocol == PROTO_UDP))
		return 0;
	orient_apart(ctx, j);
	j->source = find_apart(&j->flow.source, j->family);
	j->destination = find_apart(&j->flow.destination, j->family);
	return find_offense(ctx, j);
}

/* Whether judge_unusual_to_node() applies: not to ordinary TCP and UDP packets. */
static __always_inline int is_unusual_to_node(const struct view *v, const struct judged *j)
{
	if (j->flow.flags)
		return 1;
	if (j->flow.protocol == PROTO_TCP)
		return 0;
	return j->flow.protocol != PROTO_UDP || is_tunnel(v, j) || dhcp_kind(j);
}

/* What an endpoint may never, and always, send to its node. A verdict, or -1: policy decides. */
__noinline int judge_unusual_to_node(struct bpf_nf_ctx *ctx, struct judged *j, int known)
{
	struct view v;
	if (!j || open_view(&v))
		return NF_DROP;
	__u32 cause = find_node_offense(ctx, &v, j);
	if (cause)
		return tell_packet(ctx, j, cause);
	set_icmp(ctx, j);
	if (!v.fixed->header.own_node || is_link_upkeep(ctx, j) || dhcp_kind(j) == DHCP_QUESTION)
		return NF_ACCEPT;
	if (known != SENDER_HIDDEN || is_group(ctx->skb, j->flow.destination, j->family))
		return -1;
	return tell_packet(ctx, j, BH_CAUSE_SPOOFED);
}

/* A packet from no endpoint: policy judges only an error about the node's own answer to an endpoint. */
static __always_inline int judge_foreign(struct bpf_nf_ctx *ctx, const struct view *v, struct judged *j)
{
	if (!v->fixed->header.own_node || (ctx->skb->_nfct & CT_INFO_MASK) != CT_RELATED)
		return NF_ACCEPT;
	orient_apart(ctx, j);
	j->icmp = ICMP_UNKNOWN;
	j->source = find_apart(&j->flow.source, j->family);
	return judge_egress(j, 0);
}

/* Whether an address is borne by a sender that does not have it. What the node sends itself comes by the loopback
 * device, or by that of a virtual router. */
static __always_inline int is_forged_to_node(struct bpf_nf_ctx *ctx, const struct view *v, const struct judged *j,
					     __u32 entry, int known)
{
	int forged = known == SENDER_FORGED;
	if (!endpoint_of(entry) && is_own(v, entry))
		forged |= !is_group(ctx->skb, j->flow.destination, j->family);
	return forged && !is_virtual_router(ctx->state->in);
}

static __always_inline int judge_input(struct bpf_nf_ctx *ctx, __u32 family)
{
	struct sk_buff *skb = ctx->skb;
	struct view v;
	struct judged j;
	j.ifindex = ctx->state->in->ifindex;
	/* The packet of a question may have the loopback device, but is from an endpoint. */
	if (open_view(&v) || (j.ifindex == LOOPBACK_IFINDEX && !constants.only_answers))
		return NF_ACCEPT;
	j.bytes = skb->len;
	j.family = family;
	j.role = find_interface(&v, j.ifindex);
	j.source = j.turned = 0;
	if (family == 4 ? parse4(skb, &j.flow) : parse6(ctx, &j.flow))
		return tell_malformed(&j);
	j.sender = j.flow.source;
	__u32 entry = find_address(&v, j.sender, family);
	int known = find_sender(ctx, &v, &j, entry);
	if (is_forged_to_node(ctx, &v, &j, entry, known))
		return tell_forged(ctx, &j);
	if (!j.from && known != SENDER_HIDDEN)
		return judge_foreign(ctx, &v, &j);
	if (known == SENDER_HIDDEN || is_unusual_to_node(&v, &j)) {
		int verdict = judge_unusual_to_node(ctx, &j, known);
		if (verdict >= 0)
			return verdict;
	}
	/* Answers to the node's requests pass: probes are never judged. A hidden sender has no policy. */
	if (!v.fixed->header.own_node || is_reply(skb) || known == SENDER_HIDDEN)
		return NF_ACCEPT;
	if (!(j.turned & TURNED_QUOTE) || !endpoint_of(j.source))
		j.source = with_endpoint(j.source, j.from);
	int group = is_group(skb, j.flow.destination, family);
	return group ? judge_egress(&j, 1) : note_new(ctx, &v, &j, judge_egress(&j, 0));
}

static __always_inline int judge_output(struct bpf_nf_ctx *ctx, __u32 family)
{
	struct sk_buff *skb = ctx->skb;
	struct view v;
	struct judged j = {.icmp = ICMP_UNKNOWN};
	if (open_view(&v) || !v.fixed->header.own_node || !is_reply(skb))
		return NF_ACCEPT;
	j.bytes = skb->len;
	j.family = family;
	if (family == 4 ? parse4(skb, &j.flow) : parse6(ctx, &j.flow))
		return tell_malformed(&j);
	orient_apart(ctx, &j);
	j.source = find_apart(&j.flow.source, family);
	/* An answer to an address without an owner goes to the endpoint behind the interface. */
	if (!endpoint_of(j.source) && is_unbound(j.flow.source, family)) {
		__u32 role = find_interface(&v, ctx->state->out->ifindex);
		if (role & BH_ROLE_ROUTED)
			j.source = with_endpoint(j.source, endpoint_behind(role));
	}
	return judge_egress(&j, 0);
}

#endif
