/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The few kernel types and functions that the programs use; libbpf adjusts the offsets to the running kernel. */
#ifndef BULKHEAD_KERNEL_H
#define BULKHEAD_KERNEL_H

#include <linux/types.h>

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bulkhead_abi.h"

#define NF_DROP 0
#define NF_ACCEPT 1

/* enum ip_conntrack_info, in the low bits of sk_buff._nfct. */
#define CT_INFO_MASK 7ul
#define CT_RELATED 1
#define CT_NEW 2
#define CT_ESTABLISHED_REPLY 3
#define CT_RELATED_REPLY 4

/* The index of the loopback device in every network namespace. */
#define LOOPBACK_IFINDEX 1

/* In sk_buff._skb_refdst: the packet holds no reference to the route. */
#define ROUTE_BORROWED 1ul
/* RTN_BROADCAST. */
#define ROUTE_BROADCAST 3

/* In nf_conn.status: the destination was translated. */
#define CT_DESTINATION_NAT (1ul << 5)
/* In nf_conn.status: the first packet of the connection has left the node. */
#define CT_CONFIRMED (1ul << 3)

enum skb_ext_id {
	SKB_EXT_BRIDGE_NF,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net_device {
	int ifindex;
	/* Set for the device of a virtual router (VRF). */
	const void *l3mdev_ops;
};

struct nf_hook_state {
	struct net_device *in;
	struct net_device *out;
};

struct skb_ext {
	__u8 offset[1];
};

struct sk_buff {
	struct net_device *dev;
	unsigned int len;
	unsigned int data_len;
	unsigned long _skb_refdst;
	unsigned long _nfct;
	__u32 mark;
	__u8 active_extensions;
	unsigned char *data;
	struct skb_ext *extensions;
};

struct nf_conn {
	unsigned long status;
};

/* What a bridge records about a frame that it passes to netfilter. */
struct nf_bridge_info {
	int physinif;
};

/* The same before Linux 6.8. */
struct nf_bridge_info___device {
	struct net_device *physindev;
};

/* An IPv4 route, as a packet refers to it. */
struct rtable {
	__u16 rt_type;
};

/* 16 bytes of anything, for reading packets. */
struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

#pragma clang attribute pop

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym;
extern int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags, struct bpf_dynptr *pointer) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *pointer, __u32 offset, void *buffer, __u32 size) __ksym;

/*
 * 16 bytes of the kernel's memory. A wrong address reads as 0: the kernel guards such loads.
 */
static __always_inline const void *memory(const void *address)
{
	return bpf_rdonly_cast(address, bpf_core_type_id_kernel(struct in6_addr));
}

static __always_inline __u64 word_in(const void *address)
{
	return *(const __u64 *)memory(address);
}

/* The same value, hidden from the compiler's analysis: see README.md, "Code that old verifiers follow". */
static __always_inline __u32 opaque(__u32 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

#endif
