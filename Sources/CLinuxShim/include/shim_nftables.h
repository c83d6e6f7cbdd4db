/* SPDX-License-Identifier: Apache-2.0 */
/* Netfilter's netlink: sockets, and the headers that the nftables datapath speaks. */
#pragma once
/* Before any linux/netfilter*.h, or the C library's and the kernel's address types collide in Swift. */
#include <netinet/in.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stddef.h>
#include <stdint.h>

/* Opens a NETLINK_NETFILTER socket of the calling thread's network namespace: kernel messages only, short
 * acknowledgements with the kernel's text, `receive_bytes` asked for as receive buffer. The descriptor, or -errno. */
int bh_netfilter_open(int receive_bytes);

/* Sends one datagram; grows the send buffer when it is too small for it. 0 or -errno. */
int bh_netfilter_send(int descriptor, const void *bytes, size_t size);

/* Receives one datagram, waiting up to `milliseconds`. Its whole length (above `size` when it was cut), or -errno
 * (-EAGAIN: nothing came). */
long bh_netfilter_receive(int descriptor, void *buffer, size_t size, int milliseconds);
