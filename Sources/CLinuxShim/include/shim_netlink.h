/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink sockets and network namespaces: what Swift cannot call, being macros, variadic or hidden by feature tests. */
#pragma once
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
 * Opens a NETLINK_NETFILTER socket of the calling thread's network namespace: kernel messages only, short
 * acknowledgments with the kernel's text, `receive_bytes` asked for as receive buffer. The descriptor, or -errno.
 */
int bh_netfilter_open(int receive_bytes);

/* Sends one datagram to the kernel; grows the send buffer when it is too small for it. 0 or -errno. */
int bh_netlink_send(int descriptor, const void *bytes, size_t size);

/*
 * Receives one datagram of the kernel's, waiting up to `milliseconds`. Its whole length (above `size` when it was cut),
 * or -errno (-EAGAIN: nothing came).
 */
long bh_netlink_receive(int descriptor, void *buffer, size_t size, int milliseconds);

/*
 * Asks for a dump of `type` (RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH) of one address family (0: all).
 * 0 or -errno.
 */
int bh_route_dump(int descriptor, uint16_t type, uint8_t family, uint32_t sequence);

/*
 * Asks for the addresses in the network namespace that the socket's own one knows by the number `nsid`
 * (IFA_TARGET_NETNSID, Linux 4.20). 0 or -errno.
 */
int bh_route_dump_addresses_of(int descriptor, int32_t nsid, uint32_t sequence);

/*
 * Asks for the link `index` in the network namespace that the socket's own one knows by the number `nsid`
 * (IFLA_TARGET_NETNSID). One message and an acknowledgment answer, or an error. 0 or -errno.
 */
int bh_route_ask_link_of(int descriptor, int32_t nsid, uint32_t index, uint32_t sequence);

/* Asks for the hardware addresses that a bridge reaches by its port `port`. 0 or -errno. */
int bh_route_dump_port(int descriptor, uint32_t port, uint32_t sequence);

/* Asks for the number of the generic netlink family `name`. 0 or -errno. */
int bh_generic_ask_family(int descriptor, const char *name, uint32_t sequence);

/* Asks a generic netlink family for all that its command `command` dumps. 0 or -errno. */
int bh_generic_dump(int descriptor, uint16_t family, uint8_t command, uint32_t sequence);

/* Moves the calling thread into the network namespace that `descriptor` names. 0 or -errno. */
int bh_enter_network_namespace(int descriptor);
