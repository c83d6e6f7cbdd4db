// SPDX-License-Identifier: Apache-2.0
// Netlink sockets and network namespaces: what Swift cannot call, being macros, variadic or hidden by feature tests.
#ifndef BULKHEAD_SHIM_NETLINK_H
#define BULKHEAD_SHIM_NETLINK_H

#include <linux/fou.h>
#include <linux/genetlink.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>

/// Opens a NETLINK_ROUTE socket of the calling thread's network namespace, subscribed to `groups` (RTMGRP_ bits).
/// `receive_bytes` is asked for as receive buffer; the kernel may give less. Returns the descriptor, or -errno.
int shim_netlink_open(uint32_t groups, int receive_bytes);

/// Asks for a dump of `type` (RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH) of one address family (0: all).
/// Returns 0 or -errno.
int shim_netlink_dump(int descriptor, uint16_t type, uint8_t family, uint32_t sequence);

/// Asks for the addresses in the network namespace that the socket's own one knows by the number `nsid`
/// (IFA_TARGET_NETNSID, Linux 4.20). Returns 0 or -errno.
int shim_netlink_dump_addresses_of(int descriptor, int32_t nsid, uint32_t sequence);

/// Asks for the link `index` in the network namespace that the socket's own one knows by the number `nsid`
/// (IFLA_TARGET_NETNSID). One message and an acknowledgement answer, or an error. Returns 0 or -errno.
int shim_netlink_ask_link_of(int descriptor, int32_t nsid, uint32_t index, uint32_t sequence);

/// Asks for the hardware addresses that a bridge reaches by its port `port`. Returns 0 or -errno.
int shim_netlink_dump_port(int descriptor, uint32_t port, uint32_t sequence);

/// Opens a NETLINK_GENERIC socket of the calling thread's network namespace. Returns the descriptor, or -errno.
int shim_generic_open(void);

/// Asks for the number of the generic netlink family `name`. Returns 0 or -errno.
int shim_generic_ask_family(int descriptor, const char *name, uint32_t sequence);

/// Asks a generic netlink family for all that its command `command` dumps. Returns 0 or -errno.
int shim_generic_dump(int descriptor, uint16_t family, uint8_t command, uint32_t sequence);

/// Receives one datagram without waiting. Returns its whole length, which is above `size` when it was cut; 0 when it
/// did not come from the kernel; -errno on failure (-EAGAIN: nothing there).
long shim_netlink_receive(int descriptor, void *buffer, size_t size);

/// Moves the calling thread into the network namespace that `descriptor` names. Returns 0 or -errno.
int shim_enter_network_namespace(int descriptor);

#endif
