/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Judges packets that are forwarded, and where the tables say so, packets between endpoints and the node itself.
 * README.md tells a packet's way; here is only the order of the steps.
 */
#include "classes.h"
#include "endpoint.h"
#include "events.h"
#include "kernel.h"
#include "parse.h"
#include "verdict.h"

const char program_license[] SEC("license") = "GPL";

/* Puts the types that only casts name into the object's type information, where a test compares them with Swift's. */
const struct {
	struct bh_program program;
	struct bh_node node;
	struct bh_key key;
} layout_witness SEC(".rodata.layout") __attribute__((used)) = {};

struct judged {
	struct view view;
	struct tuple flow;
	__u32 source;
	__u32 destination;
	__u32 ifindex;
	__u32 bytes;
	__u32 family;
};

static __always_inline void set_event_address(__u32 words[4], struct address a, __u32 family)
{
	if (family == 4) {
		words[0] = bpf_htonl((__u32)a.low);
		words[1] = words[2] = words[3] = 0;
		return;
	}
	words[0] = bpf_htonl((__u32)(a.high >> 32));
	words[1] = bpf_htonl((__u32)a.high);
	words[2] = bpf_htonl((__u32)(a.low >> 32));
	words[3] = bpf_htonl((__u32)a.low);
}

/* Tells of a packet that is not simply allowed. Returns its verdict: NF_DROP but for BH_CAUSE_AUDIT. */
static __noinline int tell(struct judged *j, __u32 cause, __u32 direction, __u32 rule)
{
	if (!j)
		return NF_DROP;
	if (cause == BH_CAUSE_SPOOFED)
		count_stat(BH_STAT_SPOOFED);
	else if (cause == BH_CAUSE_UNPARSABLE)
		count_stat(BH_STAT_UNPARSABLE);
	else if (cause == BH_CAUSE_INCONSISTENT)
		count_stat(BH_STAT_INCONSISTENT);
	else if (cause == BH_CAUSE_AUDIT)
		count_stat(BH_STAT_AUDITED);
	struct bh_event e = {
		.rule = rule,
		.ifindex = j->ifindex,
		.source_port = j->flow.source_port,
		.destination_port = j->flow.destination_port,
		.endpoint = (__u16)endpoint_of(direction == BH_EGRESS ? j->source : j->destination),
		.protocol = j->flow.protocol,
		.family = (__u8)j->family,
		.cause = (__u8)cause,
		.direction = (__u8)direction,
	};
	set_event_address(e.source, j->flow.source, j->family);
	set_event_address(e.destination, j->flow.destination, j->family);
	send_event(j->view.fixed, &e);
	return cause == BH_CAUSE_AUDIT ? NF_ACCEPT : NF_DROP;
}

/* One direction of one endpoint with a program. */
static __always_inline int judge_direction(
	struct judged *j, __u32 program, __u32 direction, __u32 peer, __u32 port)
{
	if (j->flow.unparsable)
		return is_audit_only(&j->view, program) ? NF_ACCEPT : tell(j, BH_CAUSE_UNPARSABLE, direction, 0);
	__u32 cell = find_cell(&j->view, program, peer & BH_CLASS_MASK, port);
	__u32 rule = cell & BH_CELL_RULE_MASK;
	if (count_rule(rule, j->bytes))
		return tell(j, BH_CAUSE_INCONSISTENT, direction, rule);
	cell &= BH_CELL_ACTION_MASK;
	if (cell == BH_CELL_ALLOW)
		return NF_ACCEPT;
	if (cell == BH_CELL_AUDIT)
		return tell(j, BH_CAUSE_AUDIT, direction, rule);
	return tell(j, cell == BH_CELL_DENY ? BH_CAUSE_RULE : BH_CAUSE_INCONSISTENT, direction, rule);
}

/* Both directions, for a flow whose two entries are known. */
static __always_inline int judge_flow(struct judged *j)
{
	if ((j->source | j->destination) & BH_POINTER)
		return tell(j, BH_CAUSE_INCONSISTENT, BH_INGRESS, 0);
	__u32 from = endpoint_of(j->source);
	__u32 to = endpoint_of(j->destination);
	if (from == to)
		return NF_ACCEPT;
	__u32 egress = from ? j->view.fixed->endpoints[from].egress : 0;
	__u32 ingress = to ? j->view.fixed->endpoints[to].ingress : 0;
	/* Allowed because no policy selects the endpoint: counted as rule 0, once for each such direction. */
	if ((from && !egress) || (to && !ingress))
		count_rule(0, j->bytes);
	if (!(egress | ingress))
		return NF_ACCEPT;
	__u32 port = port_class(&j->view, j->flow.protocol, j->flow.destination_port);
	if (egress && judge_direction(j, egress, BH_EGRESS, j->destination, port) != NF_ACCEPT)
		return NF_DROP;
	return ingress ? judge_direction(j, ingress, BH_INGRESS, j->source, port) : NF_ACCEPT;
}

static __always_inline void swap(struct tuple *t)
{
	struct address a = t->source;
	t->source = t->destination;
	t->destination = a;
	__u16 port = t->source_port;
	t->source_port = t->destination_port;
	t->destination_port = port;
}

/* Turns the packet's tuple into that of its flow in the original direction. 1 where it was not so already. */
static __always_inline int orient(struct sk_buff *skb, struct tuple *t)
{
	unsigned long conntrack = skb->_nfct;
	__u32 state = conntrack & CT_INFO_MASK;
	if (!(conntrack & ~CT_INFO_MASK))
		return 0;
	if (state == CT_ESTABLISHED_REPLY) {
		swap(t);
		return 1;
	}
	if (state != CT_RELATED && state != CT_RELATED_REPLY)
		return 0;
	struct tuple quoted = {};
	if (!parse_quoted(skb, t, &quoted)) {
		/* An error travels against the packet that it quotes: one that travels as a reply quotes an original. */
		*t = quoted;
		if (state == CT_RELATED)
			swap(t);
		return 1;
	}
	if (state == CT_RELATED)
		return 0;
	swap(t);
	return 1;
}

/* Whether connection tracking says that the packet answers one in its flow's original direction. */
static __always_inline int is_reply(const struct sk_buff *skb)
{
	unsigned long conntrack = skb->_nfct;
	__u32 state = conntrack & CT_INFO_MASK;
	return (conntrack & ~CT_INFO_MASK) && (state == CT_ESTABLISHED_REPLY || state == CT_RELATED_REPLY);
}

static __always_inline __u32 find_address(const struct view *v, struct address a, __u32 family)
{
	return family == 4 ? find_address4(v, a) : find_address6(v, a);
}

static __always_inline int judge(struct bpf_nf_ctx *ctx, __u32 family)
{
	struct sk_buff *skb = ctx->skb;
	__u32 zero = 0;
	struct judged j;
	j.view.fixed = bpf_map_lookup_elem(&tables, &zero);
	j.view.words = table_words;
	if (!j.view.fixed || (family == 4 ? parse4(skb, &j.flow) : parse6(skb, &j.flow)))
		return NF_DROP;
	j.bytes = skb->len;
	j.family = family;
	j.ifindex = ctx->state->in->ifindex;

	struct address sender = j.flow.source;
	int turned = orient(skb, &j.flow);
	j.source = find_address(&j.view, j.flow.source, family);
	j.destination = find_address(&j.view, j.flow.destination, family);
	if (is_endpoint_interface(&j.view, j.ifindex)) {
		__u32 entry = turned ? find_address(&j.view, sender, family) : j.source;
		__u32 endpoint = entry & BH_POINTER ? 0 : endpoint_of(entry);
		if (!endpoint || j.view.fixed->endpoints[endpoint].ifindex != j.ifindex)
			return tell(&j, BH_CAUSE_SPOOFED, BH_EGRESS, 0);
	}
	if (family == 6 && j.flow.protocol == PROTO_ICMPV6 && !turned && is_discovery(skb, &j.flow))
		return NF_ACCEPT;
	return judge_flow(&j);
}

SEC("netfilter")
int bulkhead4(struct bpf_nf_ctx *ctx)
{
	return judge(ctx, 4);
}

SEC("netfilter")
int bulkhead6(struct bpf_nf_ctx *ctx)
{
	return judge(ctx, 6);
}

/* A walk that is verified once for each program, not once for each place: not for the forward hook. */
static __noinline __u32 find_apart(const struct judged *j, const struct address *a)
{
	return find_address(&j->view, *a, j->family);
}

/* Egress of the flow's source, as find_apart() found it, where that is a local endpoint: a node has no ingress. */
static __noinline int judge_egress(struct judged *j)
{
	j->destination = 0;
	if (j->source & BH_POINTER)
		return tell(j, BH_CAUSE_INCONSISTENT, BH_EGRESS, 0);
	__u32 from = endpoint_of(j->source);
	if (!from)
		return NF_ACCEPT;
	__u32 egress = j->view.fixed->endpoints[from].egress;
	if (!egress) {
		count_rule(0, j->bytes);
		return NF_ACCEPT;
	}
	j->destination = find_apart(j, &j->flow.destination);
	if (j->destination & BH_POINTER)
		return tell(j, BH_CAUSE_INCONSISTENT, BH_EGRESS, 0);
	__u32 port = port_class(&j->view, j->flow.protocol, j->flow.destination_port);
	return judge_direction(j, egress, BH_EGRESS, j->destination, port);
}

/* Starts with a packet between an endpoint and its node. 0 where such packets are not judged. */
static __always_inline int begin_own_node(struct judged *j, struct sk_buff *skb, __u32 family)
{
	__u32 zero = 0;
	j->view.fixed = bpf_map_lookup_elem(&tables, &zero);
	if (!j->view.fixed || !j->view.fixed->header.own_node)
		return 0;
	j->view.words = table_words;
	j->bytes = skb->len;
	j->family = family;
	return 1;
}

/* Addresses that a packet bears whose sender has none yet, or none that leads anywhere: DHCP, DAD, link-local IPv6. */
static __always_inline int is_unbound(struct address a, __u32 family)
{
	return (!a.high && !a.low) || (family == 6 && a.high >> 54 == 0xfe80 >> 6);
}

static __always_inline int judge_input(struct bpf_nf_ctx *ctx, __u32 family)
{
	struct sk_buff *skb = ctx->skb;
	struct judged j;
	if (!begin_own_node(&j, skb, family))
		return NF_ACCEPT;
	j.ifindex = ctx->state->in->ifindex;
	int from_endpoint = is_endpoint_interface(&j.view, j.ifindex);
	int reply = is_reply(skb);
	/* Of the node's own, or an answer to what the node asked: most of a node's traffic. */
	if (j.ifindex == LOOPBACK_IFINDEX || (reply && !from_endpoint))
		return NF_ACCEPT;
	if (family == 4 ? parse4(skb, &j.flow) : parse6(skb, &j.flow))
		return NF_DROP;
	if (family == 6 && j.flow.protocol == PROTO_ICMPV6 && is_discovery(skb, &j.flow))
		return NF_ACCEPT;
	j.source = find_apart(&j, &j.flow.source);
	if (from_endpoint && !is_unbound(j.flow.source, family)) {
		__u32 endpoint = j.source & BH_POINTER ? 0 : endpoint_of(j.source);
		j.destination = 0;
		if (!endpoint || j.view.fixed->endpoints[endpoint].ifindex != j.ifindex)
			return tell(&j, BH_CAUSE_SPOOFED, BH_EGRESS, 0);
	}
	if (reply || is_group(skb, j.flow.destination, family))
		return NF_ACCEPT;
	/* An error about the node's own answer. */
	if (orient(skb, &j.flow))
		j.source = find_apart(&j, &j.flow.source);
	return judge_egress(&j);
}

static __always_inline int judge_output(struct bpf_nf_ctx *ctx, __u32 family)
{
	struct sk_buff *skb = ctx->skb;
	struct judged j;
	if (!begin_own_node(&j, skb, family) || !is_reply(skb))
		return NF_ACCEPT;
	if (family == 4 ? parse4(skb, &j.flow) : parse6(skb, &j.flow))
		return NF_DROP;
	j.ifindex = 0;
	orient(skb, &j.flow);
	j.source = find_apart(&j, &j.flow.source);
	return judge_egress(&j);
}

SEC("netfilter")
int bulkhead4_in(struct bpf_nf_ctx *ctx)
{
	return judge_input(ctx, 4);
}

SEC("netfilter")
int bulkhead6_in(struct bpf_nf_ctx *ctx)
{
	return judge_input(ctx, 6);
}

SEC("netfilter")
int bulkhead4_out(struct bpf_nf_ctx *ctx)
{
	return judge_output(ctx, 4);
}

SEC("netfilter")
int bulkhead6_out(struct bpf_nf_ctx *ctx)
{
	return judge_output(ctx, 6);
}
