/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink sockets and network namespaces: what Swift cannot call, being macros, variadic or hidden by feature tests. */
#pragma once
#include <linux/fib_rules.h>
#include <linux/fou.h>
#include <linux/genetlink.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>

/*
 * Opens a NETLINK_ROUTE socket of the calling thread's network namespace, subscribed to `groups` (RTMGRP_ bits), and
 * requests a receive buffer of `receive_bytes`; the kernel may give less. The descriptor, or -errno.
 */
int bh_route_open(uint32_t groups, int receive_bytes);

/* Opens a NETLINK_GENERIC socket of the calling thread's network namespace. The descriptor, or -errno. */
int bh_generic_open(void);

/*
 * Opens a NETLINK_NETFILTER socket of the calling thread's network namespace: only kernel messages, short
 * acknowledgments with the kernel's text, and a requested receive buffer of `receive_bytes`. The descriptor, or -errno.
 */
int bh_netfilter_open(int receive_bytes);

/* Sends one datagram to the kernel; enlarges the send buffer if it is too small. 0 or -errno. */
int bh_netlink_send(int descriptor, const void *bytes, size_t size);

/*
 * Receives one datagram from the kernel, waiting up to `milliseconds`. Its whole length (above `size` if truncated), or
 * -errno (-EAGAIN: nothing arrived).
 */
long bh_netlink_receive(int descriptor, void *buffer, size_t size, int milliseconds);

/*
 * Requests a dump of `type` (RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH) for one address family (0: all).
 * 0 or -errno.
 */
int bh_route_dump(int descriptor, uint16_t type, uint8_t family, uint32_t sequence);

/*
 * Requests the addresses in the network namespace with the number `nsid` in the socket's own namespace
 * (IFA_TARGET_NETNSID, Linux 4.20). 0 or -errno.
 */
int bh_route_dump_addresses_of(int descriptor, int32_t nsid, uint32_t sequence);

/*
 * Requests the link `index` in the network namespace with the number `nsid` in the socket's own namespace
 * (IFLA_TARGET_NETNSID). The answer is one message and an acknowledgment, or an error. 0 or -errno.
 */
int bh_route_ask_link_of(int descriptor, int32_t nsid, uint32_t index, uint32_t sequence);

/* Requests the hardware addresses that a bridge reaches through its port `port`. 0 or -errno. */
int bh_route_dump_port(int descriptor, uint32_t port, uint32_t sequence);

/* Requests the number of the generic netlink family `name`. 0 or -errno. */
int bh_generic_ask_family(int descriptor, const char *name, uint32_t sequence);

/* Requests the dump of the command `command` from a generic netlink family. 0 or -errno. */
int bh_generic_dump(int descriptor, uint16_t family, uint8_t command, uint32_t sequence);

/* Moves the calling thread into the network namespace of `descriptor`. 0 or -errno. */
int bh_enter_network_namespace(int descriptor);
