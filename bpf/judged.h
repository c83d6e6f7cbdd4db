/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A packet that is being judged, and the report of its drop. */
#ifndef BULKHEAD_JUDGED_H
#define BULKHEAD_JUDGED_H

#include "endpoint.h"
#include "flows.h"
#include "verdict.h"

/* How judged.flow differs from the packet: turned around, so that its source is the packet's receiver. */
#define TURNED_BACK 1
/* Taken from the packet that this packet, an ICMP error, quotes. */
#define TURNED_QUOTE 2

struct judged {
	/* The flow in its original direction, and the entries of its addresses. */
	struct tuple flow;
	__u32 source;
	__u32 destination;
	/* The packet's own source, its endpoint (0: none), and the role of its input interface. */
	struct address sender;
	__u32 from;
	__u32 role;
	__u32 ifindex;
	__u32 bytes;
	__u16 family;
	/* Of an ICMP message that is not turned around: type, and code << 8. Only judge_unusual() and its like set it. */
	__u16 icmp;
	/* TURNED_*. */
	__u8 turned;
	/* A frame from one port of a bridge to another. */
	__u8 is_bridged;
	/* Type of the ICMP error that quotes the flow. */
	__u8 error;
	__u8 reserved;
};

static __always_inline __u32 find_address(const struct view *v, struct address a, __u32 family)
{
	return family == 4 ? find_address4(v, a) : find_address6(v, a);
}

/* The same off the fast path: a function that the verifier checks once, not once for each place. */
__noinline __u32 find_apart(const struct address *a, __u32 family)
{
	struct view v;
	if (!a || open_view(&v))
		return BAD_ENTRY;
	return find_address(&v, *a, family);
}

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

#define ICMP_UNKNOWN ((__u16)(BH_ICMP_UNKNOWN << 8))

static __always_inline int is_icmp(__u8 protocol)
{
	return protocol == PROTO_ICMP || protocol == PROTO_ICMPV6;
}

/* Finds type and code, for events. */
static __always_inline void set_icmp(struct bpf_nf_ctx *ctx, struct judged *j)
{
	__u32 message = 0;
	j->icmp = ICMP_UNKNOWN;
	if (!j->turned && is_icmp(j->flow.protocol) && !(j->flow.flags & TUPLE_UNPARSABLE)
		&& !copy4(ctx->skb, j->flow.transport, &message))
		j->icmp = (__u16)message;
}

static __always_inline void set_event_icmp(struct bh_event *e, const struct judged *j)
{
	__u16 icmp = is_icmp(j->flow.protocol) ? j->icmp : ICMP_UNKNOWN;
	e->icmp_type = (__u8)icmp;
	e->icmp_code = (__u8)(icmp >> 8);
}

static __always_inline void count_cause(__u32 cause)
{
	__u32 stat = cause == BH_CAUSE_SPOOFED ? BH_STAT_SPOOFED
		: cause == BH_CAUSE_UNPARSABLE ? BH_STAT_UNPARSABLE
		: cause == BH_CAUSE_INCONSISTENT ? BH_STAT_INCONSISTENT
		: cause == BH_CAUSE_AUDIT ? BH_STAT_AUDITED
		: cause == BH_CAUSE_TUNNEL ? BH_STAT_TUNNEL
		: cause == BH_CAUSE_SOURCE_ROUTED ? BH_STAT_SOURCE_ROUTED
		: cause == BH_CAUSE_UNRELATED_ERROR ? BH_STAT_UNRELATED_ERROR
		: cause == BH_CAUSE_MALFORMED ? BH_STAT_MALFORMED
		: cause == BH_CAUSE_HAND_OVER ? BH_STAT_HAND_OVER
		: BH_STATS;
	if (cause != BH_CAUSE_RULE)
		count_stat(stat);
}

/* Reports a packet that is not simply allowed. Returns its verdict: NF_DROP, except for BH_CAUSE_AUDIT. */
__noinline int tell(struct judged *j, __u32 cause, __u32 direction, __u32 rule)
{
	if (!j)
		return NF_DROP;
	count_cause(cause);
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
	set_event_icmp(&e, j);
	send_event(&e);
	return cause == BH_CAUSE_AUDIT ? NF_ACCEPT : NF_DROP;
}

/* Whether connection tracking has just made the packet's connection: no packet of it has left the node yet. */
static __always_inline int begins_connection(const struct sk_buff *skb)
{
	unsigned long conntrack = skb->_nfct & ~CT_INFO_MASK;
	if (!conntrack || !bpf_core_field_exists(struct nf_conn, status))
		return 1;
	return !(word_in((const void *)(conntrack + bpf_core_field_offset(struct nf_conn, status))) & CT_CONFIRMED);
}

/* Reports the first packet of an allowed flow from or to an endpoint. User space finds the rules. */
__noinline int tell_new(struct bpf_nf_ctx *ctx, struct judged *j)
{
	struct view v;
	__u32 zero = 0;
	struct flow_ring *ring = bpf_map_lookup_elem(&flows, &zero);
	if (!j || !ring || open_view(&v) || !begins_connection(ctx->skb))
		return 0;
	__u32 from = endpoint_of(j->source);
	__u32 to = endpoint_of(j->destination);
	if (!(from | to))
		return 0;
	__u64 now = flow_time(&ring->head, v.fixed->header.tick_ns);
	int number = claim_flow(&ring->head, &v.fixed->header, now);
	if (number < 0)
		return 0;
	struct bh_event *e = &ring->events[number & (BH_FLOW_RECORDS - 1)];
	e->time_ns = now;
	e->rule = 0;
	e->ifindex = j->ifindex;
	e->source_port = j->flow.source_port;
	e->destination_port = j->flow.destination_port;
	e->endpoint = (__u16)(from ? from : to);
	e->protocol = j->flow.protocol;
	e->family = (__u8)j->family;
	e->cause = BH_CAUSE_NEW;
	e->direction = from ? BH_EGRESS : BH_INGRESS;
	set_event_address(e->source, j->flow.source, j->family);
	set_event_address(e->destination, j->flow.destination, j->family);
	set_event_icmp(e, j);
	publish_flow(e, number);
	return 0;
}

/* Reports a new flow if it is allowed and new flows are wanted. Returns the verdict. */
static __always_inline int note_new(struct bpf_nf_ctx *ctx, const struct view *v, struct judged *j, int verdict)
{
	if (verdict == NF_ACCEPT && (ctx->skb->_nfct & CT_INFO_MASK) == CT_NEW && v->fixed->header.flow_interval_ns)
		tell_new(ctx, j);
	return verdict;
}

/* Reports a packet that is forbidden whatever policy says, with its own addresses instead of its flow's. */
__noinline int tell_packet(struct bpf_nf_ctx *ctx, struct judged *j, __u32 cause)
{
	if (!j)
		return NF_DROP;
	parse_anywhere(ctx, j->family, 0, &j->flow);
	j->turned = 0;
	set_icmp(ctx, j);
	j->source = with_endpoint(0, j->from);
	j->destination = 0;
	return tell(j, cause, BH_EGRESS, 0);
}

/* Reports a packet with a forged source, for the endpoint of the interface, not for that of the source. */
static __always_inline int tell_forged(struct bpf_nf_ctx *ctx, struct judged *j)
{
	j->from = endpoint_behind(j->role);
	return tell_packet(ctx, j, BH_CAUSE_SPOOFED);
}

/* Reports a packet without a whole IP header. */
static __always_inline int tell_malformed(struct judged *j)
{
	__builtin_memset(&j->flow, 0, sizeof(j->flow));
	j->source = with_endpoint(0, j->role & BH_ROLE_ROUTED ? endpoint_behind(j->role) : 0);
	j->destination = 0;
	return tell(j, BH_CAUSE_MALFORMED, BH_EGRESS, 0);
}

#endif
