/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What endpoints may never, and may always, send, whatever policy says. */
#ifndef BULKHEAD_SENDER_H
#define BULKHEAD_SENDER_H

#include "orient.h"

#define OPTION_BYTES 40

/* Addresses of the cluster's other nodes, as struct address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_TUNNEL_NODES);
	__uint(key_size, sizeof(struct address));
	__uint(value_size, sizeof(__u32));
} tunnel_nodes SEC(".maps");

/* 1 where a == b, else 0, without a branch; both below 2^31. */
static __always_inline __u32 equal(__u32 a, __u32 b)
{
	return opaque((a ^ b) - 1) >> 31;
}

/*
 * Whether IPv4 options name a route: loose and strict source routes (RFC 791). Each byte is checked, and counts if an
 * option begins there: without branches, which would multiply the verifier's work.
 */
__noinline int has_source_route(struct bpf_nf_ctx *ctx)
{
	struct sk_buff *skb = ctx->skb;
	__u32 words[OPTION_BYTES / 4 + 1] = {};
	__u32 first = 0;
	if (copy4(skb, 0, &first))
		return 0;
	__u32 size = (first & 15) * 4 - IPV4_HEADER;
	for (__u32 at = 0; at < OPTION_BYTES && at < size; at += 4)
		if (copy4(skb, IPV4_HEADER + at, &words[at / 4]))
			return 0;
	const __u8 *bytes = (const __u8 *)words;
	__u32 next = 0;
	__u32 found = 0;
	for (__u32 at = 0; at < OPTION_BYTES; at++) {
		__u32 kind = bytes[at];
		__u32 length = bytes[at + 1];
		__u32 begins = equal(at, next);
		found |= begins & (equal(kind, 131) | equal(kind, 137));
		/* One byte long: no operation. The end of the list ends the walk, as a length of 0 does. */
		length ^= (length ^ 1) & -equal(kind, 1);
		length &= -(1 - equal(kind, 0));
		next += length & -begins;
	}
	return found;
}

/* Whether one of a word's `lanes` of equal width is 0; `ones` has a 1 in each. */
static __always_inline int has_zero_lane(__u64 lanes, __u64 ones, __u32 width)
{
	return ((lanes - ones) & ~lanes & ones << (width - 1)) != 0;
}

/* Whether the packet's protocol or UDP destination port is that of a tunnel. */
static __always_inline int is_tunnel(const struct view *v, const struct judged *j)
{
	const struct bh_header *header = &v->fixed->header;
	if (j->flow.protocol != PROTO_UDP) {
		__u64 protocols = *(const __u64 *)header->tunnel_protocols;
		const __u64 ones = 0x0101010101010101ull;
		return protocols && has_zero_lane(protocols ^ ones * j->flow.protocol, ones, 8);
	}
	const __u64 *ports = (const __u64 *)header->tunnel_ports;
	const __u64 ones = 0x0001000100010001ull;
	if (!ports[0])
		return 0;
	__u64 port = ones * (j->turned & TURNED_BACK ? j->flow.source_port : j->flow.destination_port);
	return has_zero_lane(ports[0] ^ port, ones, 16) || has_zero_lane(ports[1] ^ port, ones, 16)
		|| has_zero_lane(ports[2] ^ port, ones, 16) || has_zero_lane(ports[3] ^ port, ones, 16);
}

static __always_inline int is_other_node(const struct judged *j)
{
	struct address to = j->turned & TURNED_BACK ? j->flow.source : j->flow.destination;
	return bpf_map_lookup_elem(&tunnel_nodes, &to) != NULL;
}

static __always_inline int is_same(struct address a, struct address b)
{
	return !((a.high ^ b.high) | (a.low ^ b.low));
}

/* Whether the sender is a side of the flow that its ICMP error reports. */
static __always_inline int is_side(const struct judged *j)
{
	return j->from == endpoint_of(j->source) || j->from == endpoint_of(j->destination)
		|| is_same(j->sender, j->flow.source) || is_same(j->sender, j->flow.destination);
}

/* The offense of an endpoint's ICMP message: a redirect, a router advertisement (RFC 792, RFC 4861). A cause, or 0. */
static __always_inline __u32 find_icmp_offense(struct bpf_nf_ctx *ctx, const struct judged *j)
{
	__u32 message = 0;
	if (j->flow.protocol != (j->family == 4 ? PROTO_ICMP : PROTO_ICMPV6))
		return 0;
	if (j->flow.flags & TUPLE_UNPARSABLE || copy4(ctx->skb, j->flow.transport, &message))
		return 0;
	__u32 type = message & 255;
	if (j->family == 4)
		return type == 5 ? BH_CAUSE_UNRELATED_ERROR : 0;
	return type == 137 ? BH_CAUSE_UNRELATED_ERROR : type == 134 ? BH_CAUSE_SPOOFED : 0;
}

/* Why an endpoint may not send an ICMP error that quotes a packet: a cause, or 0. */
static __always_inline __u32 find_quote_offense(struct bpf_nf_ctx *ctx, const struct judged *j)
{
	/* The flow is that of the quoted packet. */
	struct tuple own = {};
	if (parse_anywhere(ctx, j->family, 0, &own))
		return BH_CAUSE_MALFORMED;
	if (own.flags & TUPLE_SOURCE_ROUTE || (own.flags & TUPLE_OPTIONS && has_source_route(ctx)))
		return BH_CAUSE_SOURCE_ROUTED;
	return (j->family == 4 && j->error == 5) || !is_side(j) ? BH_CAUSE_UNRELATED_ERROR : 0;
}

/* Why an endpoint may not send such a packet to any receiver: a cause, or 0. */
__noinline __u32 find_offense(struct bpf_nf_ctx *ctx, const struct judged *j)
{
	if (!j)
		return BH_CAUSE_MALFORMED;
	if (j->turned & TURNED_QUOTE)
		return find_quote_offense(ctx, j);
	if (j->flow.flags & TUPLE_SOURCE_ROUTE || (j->flow.flags & TUPLE_OPTIONS && has_source_route(ctx)))
		return BH_CAUSE_SOURCE_ROUTED;
	return find_icmp_offense(ctx, j);
}

/*
 * What a link needs to work: IPv6 neighbor discovery (RFC 4861: types 133 to 137, hop limit 255) and multicast listener
 * discovery (RFC 3810, RFC 2710: hop limit 1, to a group). A router decrements the hop limit and forwards no such
 * groups, so such a packet is from a neighbor.
 */
static __always_inline int is_link_upkeep(struct bpf_nf_ctx *ctx, const struct judged *j)
{
	struct sk_buff *skb = ctx->skb;
	const struct tuple *t = &j->flow;
	__u32 word = 0;
	__u32 message = 0;
	if (j->family != 6 || t->protocol != PROTO_ICMPV6 || j->turned || t->flags & TUPLE_UNPARSABLE)
		return 0;
	if (copy4(skb, 4, &word) || copy4(skb, t->transport, &message))
		return 0;
	__u32 type = message & 255;
	if (word >> 24 == 255)
		return type >= 133 && type <= 137;
	int is_listener = (type >= 130 && type <= 132) || type == 143;
	return word >> 24 == 1 && is_listener && t->destination.high >> 56 == 0xff;
}

#define NOT_DHCP 0
#define DHCP_QUESTION 1
#define DHCP_ANSWER 2

/* Whether a packet is DHCP from a client or a server, by its own ports (RFC 2131, RFC 8415). */
static __always_inline int dhcp_kind(const struct judged *j)
{
	if (j->flow.protocol != PROTO_UDP || j->turned & TURNED_QUOTE)
		return NOT_DHCP;
	__u16 from = j->turned ? j->flow.destination_port : j->flow.source_port;
	__u16 to = j->turned ? j->flow.source_port : j->flow.destination_port;
	__u16 client = j->family == 4 ? 68 : 546;
	__u16 server = j->family == 4 ? 67 : 547;
	if (from == client && to == server)
		return DHCP_QUESTION;
	return from == server && to == client ? DHCP_ANSWER : NOT_DHCP;
}

#endif
