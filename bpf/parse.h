/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From headers to a tuple: addresses, protocol, ports. */
#ifndef BULKHEAD_PARSE_H
#define BULKHEAD_PARSE_H

#include "kernel.h"

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMPV6 58
#define PROTO_SCTP 132

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define ICMP_HEADER 8
#define EXTENSIONS_MAX 32

/* An address of either family: IPv4 in the low 32 bits of `low`, host byte order. */
struct address {
	__u64 high;
	__u64 low;
};

/* The transport header was not found. */
#define TUPLE_UNPARSABLE 1
/* IPv4 options. */
#define TUPLE_OPTIONS 2
/* An IPv6 routing header of any type. */
#define TUPLE_SOURCE_ROUTE 4

struct tuple {
	struct address source;
	struct address destination;
	/* For TCP, UDP and SCTP, in host byte order; otherwise 0. */
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	/* TUPLE_*. */
	__u8 flags;
	/* Bytes before the transport header; not set if unparsable. */
	__u16 transport;
};

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == PROTO_TCP || protocol == PROTO_UDP || protocol == PROTO_SCTP;
}

/* Bytes of the packet in one piece at skb->data. */
static __always_inline __u32 linear_bytes(const struct sk_buff *skb)
{
	return skb->len - skb->data_len;
}

/* 16 bytes at an offset that linear_bytes() covers. */
static __always_inline const void *direct(const struct sk_buff *skb, __u32 offset)
{
	return memory(skb->data + offset);
}

/* Copies from anywhere in the packet, linear or not. `size` is a constant. */
static __always_inline int copy(struct sk_buff *skb, __u32 offset, void *target, __u32 size)
{
	struct bpf_dynptr packet;
	if (bpf_dynptr_from_skb(skb, 0, &packet))
		return -1;
	const void *bytes = bpf_dynptr_slice(&packet, offset, target, size);
	if (!bytes)
		return -1;
	if (bytes != target)
		__builtin_memcpy(target, bytes, size);
	return 0;
}

static __noinline int copy4(struct sk_buff *skb, __u32 offset, __u32 *target)
{
	return copy(skb, offset, target, 4);
}

static __noinline int copy8(struct sk_buff *skb, __u32 offset, __u64 *target)
{
	return copy(skb, offset, target, 8);
}

static __always_inline void set_ports(struct tuple *t, __u32 ports)
{
	t->source_port = bpf_ntohs((__u16)ports);
	t->destination_port = bpf_ntohs((__u16)(ports >> 16));
}

/* Ports at the transport header, if the fast path has not read them. */
static __always_inline void find_ports(struct sk_buff *skb, struct tuple *t, __u32 offset)
{
	__u32 ports = 0;
	if (copy4(skb, offset, &ports))
		t->flags |= TUPLE_UNPARSABLE;
	else
		set_ports(t, ports);
}

/* `words`: the first 20 bytes, and 4 more if `size` says so. `start`: where the header begins in the packet. */
static __always_inline void parse4_words(
	struct sk_buff *skb, struct tuple *t, const __u64 words[3], __u32 start, __u32 size)
{
	__u32 length = (words[0] & 15) * 4;
	t->source.high = 0;
	t->source.low = bpf_ntohl((__u32)(words[1] >> 32));
	t->destination.high = 0;
	t->destination.low = bpf_ntohl((__u32)words[2]);
	t->protocol = (__u8)(words[1] >> 8);
	t->source_port = 0;
	t->destination_port = 0;
	t->transport = (__u16)(start + length);
	/* A fragment beyond the first; defragmentation should leave none. */
	t->flags = (words[0] >> 48 & bpf_htons(0x1fff)) != 0 || length < IPV4_HEADER ? TUPLE_UNPARSABLE : 0;
	if (length > IPV4_HEADER)
		t->flags |= TUPLE_OPTIONS;
	if (!has_ports(t->protocol) || t->flags & TUPLE_UNPARSABLE)
		return;
	if (length == IPV4_HEADER && size >= IPV4_HEADER + 4)
		set_ports(t, (__u32)(words[2] >> 32));
	else
		find_ports(skb, t, start + length);
}

/* 20 bytes into words[0..2]. */
static __noinline int copy4_header(struct sk_buff *skb, __u32 start, __u64 words[3])
{
	__u8 bytes[IPV4_HEADER] = {};
	if (copy(skb, start, bytes, IPV4_HEADER))
		return -1;
	words[2] = 0;
	__builtin_memcpy(words, bytes, IPV4_HEADER);
	return 0;
}

/* 0, or -1 if there is not even an IP header. */
static __always_inline int parse4(struct sk_buff *skb, struct tuple *t)
{
	__u64 words[3];
	/* A datagram without payload has 28 bytes. */
	if (linear_bytes(skb) >= IPV4_HEADER + 4) {
		const __u64 *head = direct(skb, 0);
		const __u64 *tail = direct(skb, 8);
		words[0] = head[0];
		words[1] = tail[0];
		words[2] = tail[1];
		parse4_words(skb, t, words, 0, IPV4_HEADER + 4);
		return 0;
	}
	if (copy4_header(skb, 0, words))
		return -1;
	parse4_words(skb, t, words, 0, IPV4_HEADER);
	return 0;
}

/* Hop-by-hop, routing, fragment, destination options. Authentication is a protocol of its own, as with IPv4. */
static __always_inline int is_extension(__u32 next)
{
	return next == 0 || next == 43 || next == 44 || next == 60;
}

/* Walks extension headers from `offset` on; `next` is the kind of the first. */
__noinline int walk6(struct bpf_nf_ctx *ctx, __u32 offset, __u32 next, struct tuple *t)
{
	struct sk_buff *skb = ctx->skb;
	if (!t)
		return -1;
	t->source_port = 0;
	t->destination_port = 0;
	t->flags = TUPLE_UNPARSABLE;
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(next); i++) {
		t->protocol = (__u8)next;
		__u64 word = 0;
		if (copy8(skb, offset, &word))
			return 0;
		__u32 length = (__u32)(word >> 8) & 255;
		/* A fragment beyond the first. */
		if (next == 44 && (word >> 16 & bpf_htons(0xfff8)))
			return 0;
		if (next == 43)
			t->flags |= TUPLE_SOURCE_ROUTE;
		offset += next == 44 ? 8 : (length + 1) * 8;
		next = word & 255;
	}
	t->protocol = (__u8)next;
	if (is_extension(next))
		return 0;
	t->transport = (__u16)offset;
	/* The last header may claim to be longer than the packet. */
	if (offset > skb->len)
		return 0;
	t->flags &= ~TUPLE_UNPARSABLE;
	if (has_ports(t->protocol))
		find_ports(skb, t, offset);
	return 0;
}

static __always_inline void set_addresses6(struct tuple *t, const __u64 words[4])
{
	t->source.high = bpf_be64_to_cpu(words[0]);
	t->source.low = bpf_be64_to_cpu(words[1]);
	t->destination.high = bpf_be64_to_cpu(words[2]);
	t->destination.low = bpf_be64_to_cpu(words[3]);
}

/* The same from any place in the packet: 0, or -1 if there is no whole IP header. */
__noinline int parse_anywhere(struct bpf_nf_ctx *ctx, __u32 family, __u32 start, struct tuple *t)
{
	struct sk_buff *skb = ctx->skb;
	__u64 words[5] = {};
	if (!t)
		return -1;
	if (family == 4) {
		if (copy4_header(skb, start, words))
			return -1;
		parse4_words(skb, t, words, start, IPV4_HEADER);
		return 0;
	}
	if (copy(skb, start, words, IPV6_HEADER))
		return -1;
	set_addresses6(t, words + 1);
	walk6(ctx, start + IPV6_HEADER, (__u32)(words[0] >> 48) & 255, t);
	return 0;
}

/* 0, or -1 if there is not even an IP header. */
static __always_inline int parse6(struct bpf_nf_ctx *ctx, struct tuple *t)
{
	struct sk_buff *skb = ctx->skb;
	/* No transport header with ports is shorter than 8 bytes. */
	if (linear_bytes(skb) < IPV6_HEADER + 8)
		return parse_anywhere(ctx, 6, 0, t);
	const __u64 *head = direct(skb, 0);
	const __u64 *middle = direct(skb, 16);
	const __u64 *tail = direct(skb, 32);
	__u64 words[4] = {head[1], middle[0], middle[1], tail[0]};
	set_addresses6(t, words);
	__u8 next = (__u8)(head[0] >> 48);
	if (!has_ports(next)) {
		walk6(ctx, IPV6_HEADER, next, t);
		return 0;
	}
	t->protocol = next;
	t->flags = 0;
	t->transport = IPV6_HEADER;
	set_ports(t, (__u32)tail[1]);
	return 0;
}

/* Whether an ICMP message quotes a packet that it is about (RFC 792, RFC 4443). */
static __always_inline int is_error(__u8 protocol, __u8 type)
{
	if (protocol == PROTO_ICMPV6)
		return type < 128;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* The tuple of the packet that an ICMP error quotes. The error's type, or -1 if `t` is not an error or is truncated. */
__noinline int parse_quoted(struct bpf_nf_ctx *ctx, const struct tuple *t, struct tuple *quoted)
{
	__u32 message = 0;
	if (!t || !quoted || t->flags & TUPLE_UNPARSABLE)
		return -1;
	if (t->protocol != PROTO_ICMP && t->protocol != PROTO_ICMPV6)
		return -1;
	if (copy4(ctx->skb, t->transport, &message) || !is_error(t->protocol, (__u8)message))
		return -1;
	if (parse_anywhere(ctx, t->protocol == PROTO_ICMP ? 4 : 6, t->transport + ICMP_HEADER, quoted))
		return -1;
	return message & 255;
}

#endif
