/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "shim_nftables.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

int bh_netfilter_open(int receive_bytes)
{
	int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (descriptor < 0)
		return -errno;
	/* The forced size needs CAP_NET_ADMIN and passes net.core.rmem_max; without it the plain one is what we get. */
	if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof(receive_bytes)) != 0)
		(void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	int on = 1;
	(void)setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	if (bind(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int code = errno;
		close(descriptor);
		return -code;
	}
	return descriptor;
}

int bh_netfilter_send(int descriptor, const void *bytes, size_t size)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const struct sockaddr *address = (const struct sockaddr *)&kernel;
	for (;;) {
		if (sendto(descriptor, bytes, size, 0, address, sizeof(kernel)) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EMSGSIZE)
			return -errno;
		int wanted = (int)size + 4096, given = 0;
		socklen_t length = sizeof(given);
		(void)setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted));
		(void)getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &given, &length);
		if (given < wanted)
			return -EMSGSIZE;
	}
}

long bh_netfilter_receive(int descriptor, void *buffer, size_t size, int milliseconds)
{
	struct pollfd waiting = {.fd = descriptor, .events = POLLIN};
	for (;;) {
		struct sockaddr_nl sender = {0};
		socklen_t sender_length = sizeof(sender);
		ssize_t length =
			recvfrom(descriptor, buffer, size, MSG_TRUNC | MSG_DONTWAIT, (struct sockaddr *)&sender, &sender_length);
		if (length >= 0 && sender.nl_pid == 0)
			return length;
		if (length >= 0 || errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int ready = milliseconds > 0 ? poll(&waiting, 1, milliseconds) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return -EAGAIN;
	}
}
