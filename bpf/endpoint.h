/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Local endpoints, the interfaces that their packets use, and the node's own addresses. */
#ifndef BULKHEAD_ENDPOINT_H
#define BULKHEAD_ENDPOINT_H

#include "classes.h"

static __always_inline __u32 endpoint_of(__u32 entry)
{
	return entry >> BH_ENDPOINT_SHIFT & BH_ENDPOINT_MASK;
}

/* An address's entry with another endpoint. */
static __always_inline __u32 with_endpoint(__u32 entry, __u32 endpoint)
{
	return (entry & BH_CLASS_MASK) | endpoint << BH_ENDPOINT_SHIFT;
}

/* What an interface is (BH_ROLE_*), and the endpoint in the low bits. 0: nothing to do with endpoints. */
static __always_inline __u32 find_interface(const struct view *v, __u32 ifindex)
{
	const __u64 *table = (const __u64 *)v->fixed->interfaces;
	__u64 found = table[ifindex % BH_INTERFACES];
	if (!found)
		return 0;
	for (__u32 i = 1; found && (__u32)found != ifindex && i < BH_INTERFACE_PROBES; i++)
		found = table[(ifindex + i) % BH_INTERFACES];
	return (__u32)found == ifindex ? (__u32)(found >> 32) : 0;
}

/* The endpoint of an interface's role. */
static __always_inline __u32 endpoint_behind(__u32 role)
{
	return role & BH_ENDPOINT_MASK;
}

/* Whether an address is the node's own. */
static __always_inline int is_own(const struct view *v, __u32 entry)
{
	__u32 class = entry & BH_CLASS_MASK;
	return class && class < v->fixed->header.own_classes;
}

/*
 * Whether a packet through this interface cannot be from this address: the interface belongs to another endpoint, or
 * the address belongs to an endpoint in another place.
 */
static __always_inline int is_misplaced(const struct view *v, __u32 role, __u32 ifindex, __u32 entry)
{
	__u32 from = endpoint_of(entry);
	if (role & BH_ROLE_ROUTED)
		return endpoint_behind(role) != from;
	if (!from)
		return 0;
	__u32 place = v->fixed->endpoints[from].place;
	/* The packet of a question has no interface: it counts as one from the right place. */
	return place && place != ifindex && !constants.only_answers;
}

/* Whether an address does not identify its sender: none (DHCP, duplicate address detection), IPv6 link-local. */
static __always_inline int is_unbound(struct address a, __u32 family)
{
	return (!a.high && !a.low) || (family == 6 && a.high >> 54 == 0xfe80 >> 6);
}

/* Index of the bridge port through which a frame came; 0 if unknown. */
__noinline __u32 bridge_port(struct bpf_nf_ctx *ctx)
{
	const struct sk_buff *skb = ctx->skb;
	if (!bpf_core_field_exists(skb->extensions) || !bpf_core_enum_value_exists(enum skb_ext_id, SKB_EXT_BRIDGE_NF))
		return 0;
	__u32 kind = bpf_core_enum_value(enum skb_ext_id, SKB_EXT_BRIDGE_NF);
	if (!(skb->active_extensions >> (kind & 7) & 1))
		return 0;
	__u64 extensions = word_in((const char *)skb + bpf_core_field_offset(struct sk_buff, extensions));
	__u64 slot = extensions + bpf_core_field_offset(struct skb_ext, offset) + kind;
	/* Offsets count units of 8 bytes. */
	__u64 info = extensions + ((word_in((const void *)slot) & 255) << 3);
	if (bpf_core_field_exists(struct nf_bridge_info, physinif))
		return (__u32)word_in((const void *)(info + bpf_core_field_offset(struct nf_bridge_info, physinif)));
	if (!bpf_core_field_exists(struct nf_bridge_info___device, physindev))
		return 0;
	__u64 port = word_in((const void *)(info + bpf_core_field_offset(struct nf_bridge_info___device, physindev)));
	return (__u32)word_in((const void *)(port + bpf_core_field_offset(struct net_device, ifindex)));
}

/* Whether the device stands for another device (VRF), so that its packets are that device's. */
static __always_inline int is_virtual_router(const struct net_device *device)
{
	return bpf_core_field_exists(device->l3mdev_ops) && device->l3mdev_ops;
}

#endif
