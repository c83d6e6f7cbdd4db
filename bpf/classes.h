/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From addresses to endpoint and class, from ports to class: plain array reads, each block's offset checked once. */
#ifndef BULKHEAD_CLASSES_H
#define BULKHEAD_CLASSES_H

#include "parse.h"

/* Constants for the verifier, which proves every access with them and leaves out what they rule out. */
const volatile struct bh_constants constants = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, BH_FIXED_BYTES + BH_SLACK_BYTES);
} tables SEC(".maps");

struct view {
	struct bh_fixed *fixed;
	__u32 words;
};

/* 0, or -1: the value always exists, which the verifier cannot know. */
static __always_inline int open_view(struct view *v)
{
	__u32 zero = 0;
	v->fixed = bpf_map_lookup_elem(&tables, &zero);
	v->words = constants.table_words;
	return v->fixed ? 0 : -1;
}

/* Not a valid entry: an offset was out of range, or a walk did not end. */
#define BAD_ENTRY 0xffffffffu

/* Word `offset + small` of the tables; `offset` is below `words`, `small` below BH_SLACK_BYTES / 4. */
static __always_inline __u32 word_at(const struct view *v, __u32 offset, __u32 small)
{
	return ((const __u32 *)v->fixed + small)[offset];
}

/* 1 where a <= b, else 0, without a branch; both below 2^31. */
static __always_inline __u32 at_most(__u32 a, __u32 b)
{
	return (a - b - 1) >> 31;
}

static __always_inline __u32 find_in_list(const struct view *v, __u32 entry, __u32 key)
{
	__u32 offset = entry & BH_OFFSET_MASK;
	if (offset >= v->words)
		return BAD_ENTRY;
	const __u32 *list = (const __u32 *)v->fixed + offset;
	const __u16 *first = (const __u16 *)(list + 1);
	__u32 size = list[0] & 127;
	__u32 at = 0;
	if (size > 8) {
		if (size > 16) {
			if (size > 32)
				at = opaque(at_most(first[32], key) << 5);
			at = opaque(at + (at_most(first[at + 16], key) << 4));
		}
		at = opaque(at + (at_most(first[at + 8], key) << 3));
	}
	if (size > 4)
		at = opaque(at + (at_most(first[at + 4], key) << 2));
	at = opaque(at + (at_most(first[at + 2], key) << 1));
	at = opaque(at + at_most(first[at + 1], key));
	return list[1 + size / 2 + at];
}

/* Entry of 16 bits of an address under an address word that is a pointer: a leaf, or a node of the IPv6 tree. */
static __always_inline __u32 find_in_window(const struct view *v, __u32 entry, __u32 key)
{
	if (!(entry & BH_LIST)) {
		__u32 offset = entry & BH_OFFSET_MASK;
		if (offset >= v->words)
			return BAD_ENTRY;
		entry = word_at(v, offset, key >> 8);
		if (!(entry & BH_POINTER) || (entry & BH_NODE))
			return entry;
		if (!(entry & BH_LIST)) {
			offset = entry & BH_OFFSET_MASK;
			if (offset >= v->words)
				return BAD_ENTRY;
			return word_at(v, offset, key & 255);
		}
	}
	return find_in_list(v, entry, key);
}

static __always_inline __u32 find_address4(const struct view *v, struct address a)
{
	__u32 entry = v->fixed->root4[(__u32)a.low >> 16];
	if (entry & BH_POINTER)
		entry = find_in_window(v, entry, a.low & 0xffff);
	return entry;
}

static __always_inline __u32 find_address6(const struct view *v, struct address a)
{
	__u32 entry = v->fixed->root6[a.high >> 48];
	/* A node decides by one of the 7 other groups of 16 bits, each deeper one by a later group. */
	for (int i = 0; i < 7; i++) {
		if (!(entry & BH_POINTER))
			return entry;
		__u32 offset = entry & BH_OFFSET_MASK;
		if (offset >= v->words)
			return BAD_ENTRY;
		const struct bh_node *node = (const void *)((const __u32 *)v->fixed + offset);
		if (((a.high ^ node->prefix_high) & node->mask_high) | ((a.low ^ node->prefix_low) & node->mask_low))
			return node->otherwise;
		__u32 group = node->group;
		__u64 half = group & 4 ? a.low : a.high;
		entry = node->window;
		if (entry & BH_POINTER)
			entry = find_in_window(v, entry, half >> ((3 - (group & 3)) * 16) & 0xffff);
	}
	return entry;
}

static __always_inline __u32 port_class(const struct view *v, __u8 protocol, __u16 port)
{
	switch (protocol) {
	case PROTO_TCP:
		return v->fixed->ports[0][port];
	case PROTO_UDP:
		return v->fixed->ports[1][port];
	case PROTO_SCTP:
		return v->fixed->ports[2][port];
	default:
		return 0;
	}
}

#endif
