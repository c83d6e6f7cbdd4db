/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "shim_netlink.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_socket(int protocol)
{
	int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	return descriptor < 0 ? -errno : descriptor;
}

/* The forced size needs CAP_NET_ADMIN and passes net.core.rmem_max; without it the plain one is what we get. */
static void ask_for_room(int descriptor, int receive_bytes)
{
	if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof(receive_bytes)) != 0)
		(void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
}

/* The descriptor, or -errno; then it is closed. */
static int bound(int descriptor, uint32_t groups)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
	if (bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
		return descriptor;
	int code = errno;
	close(descriptor);
	return -code;
}

int bh_route_open(uint32_t groups, int receive_bytes)
{
	int descriptor = open_socket(NETLINK_ROUTE);
	if (descriptor < 0)
		return descriptor;
	ask_for_room(descriptor, receive_bytes);
	return bound(descriptor, groups);
}

int bh_generic_open(void)
{
	return open_socket(NETLINK_GENERIC);
}

int bh_netfilter_open(int receive_bytes)
{
	int descriptor = open_socket(NETLINK_NETFILTER);
	if (descriptor < 0)
		return descriptor;
	ask_for_room(descriptor, receive_bytes);
	int on = 1;
	(void)setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return bound(descriptor, 0);
}

int bh_netlink_send(int descriptor, const void *bytes, size_t size)
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

long bh_netlink_receive(int descriptor, void *buffer, size_t size, int milliseconds)
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

/* A request in the making: the header of all messages, that of its kind, and one attribute. */
struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ndmsg neighbor;
		struct genlmsghdr generic;
		/* Room for the header and the attribute. */
		char bytes[sizeof(struct ifinfomsg) + sizeof(struct rtattr) + GENL_NAMSIZ];
	} body;
};

/* `body_size` is that of the header of its kind. What is longer is "leftover" in the kernel's log. */
static struct request begin(uint16_t type, uint16_t flags, uint32_t sequence, size_t body_size)
{
	return (struct request){
		.header = {
			.nlmsg_len = (uint32_t)NLMSG_LENGTH(body_size),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
			.nlmsg_seq = sequence,
		},
	};
}

/* The caller sees to it that there is room. */
static void add_attribute(struct request *request, uint16_t type, const void *value, size_t size)
{
	struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

static int ask(int descriptor, const struct request *request)
{
	return bh_netlink_send(descriptor, request, request->header.nlmsg_len);
}

/* Without strict checking the kernel does not look at what a request is narrowed to. */
static int ask_strictly(int descriptor, const struct request *request)
{
	int on = 1;
	if (setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) != 0)
		return -errno;
	return ask(descriptor, request);
}

static size_t body_size(uint16_t type)
{
	switch (type) {
	case RTM_GETADDR: return sizeof(struct ifaddrmsg);
	case RTM_GETROUTE: return sizeof(struct rtmsg);
	case RTM_GETNEIGH: return sizeof(struct ndmsg);
	default: return sizeof(struct ifinfomsg);
	}
}

int bh_route_dump(int descriptor, uint16_t type, uint8_t family, uint32_t sequence)
{
	struct request request = begin(type, NLM_F_DUMP, sequence, body_size(type));
	/* All of the headers begin with the family. */
	request.body.link.ifi_family = family;
	return ask(descriptor, &request);
}

int bh_route_dump_port(int descriptor, uint32_t port, uint32_t sequence)
{
	struct request request = begin(RTM_GETNEIGH, NLM_F_DUMP, sequence, sizeof(struct ndmsg));
	request.body.neighbor.ndm_family = AF_BRIDGE;
	request.body.neighbor.ndm_ifindex = (int)port;
	return ask_strictly(descriptor, &request);
}

int bh_route_ask_link_of(int descriptor, int32_t nsid, uint32_t index, uint32_t sequence)
{
	struct request request = begin(RTM_GETLINK, NLM_F_ACK, sequence, sizeof(struct ifinfomsg));
	request.body.link.ifi_index = (int)index;
	add_attribute(&request, IFLA_TARGET_NETNSID, &nsid, sizeof(nsid));
	return ask_strictly(descriptor, &request);
}

int bh_route_dump_addresses_of(int descriptor, int32_t nsid, uint32_t sequence)
{
	struct request request = begin(RTM_GETADDR, NLM_F_DUMP, sequence, sizeof(struct ifaddrmsg));
	add_attribute(&request, IFA_TARGET_NETNSID, &nsid, sizeof(nsid));
	return ask_strictly(descriptor, &request);
}

int bh_generic_ask_family(int descriptor, const char *name, uint32_t sequence)
{
	char terminated[GENL_NAMSIZ] = {0};
	size_t length = strnlen(name, GENL_NAMSIZ - 1);
	memcpy(terminated, name, length);
	struct request request = begin(GENL_ID_CTRL, 0, sequence, sizeof(struct genlmsghdr));
	request.body.generic = (struct genlmsghdr){.cmd = CTRL_CMD_GETFAMILY, .version = 1};
	add_attribute(&request, CTRL_ATTR_FAMILY_NAME, terminated, length + 1);
	return ask(descriptor, &request);
}

int bh_generic_dump(int descriptor, uint16_t family, uint8_t command, uint32_t sequence)
{
	struct request request = begin(family, NLM_F_DUMP, sequence, sizeof(struct genlmsghdr));
	request.body.generic = (struct genlmsghdr){.cmd = command, .version = 1};
	return ask(descriptor, &request);
}

int bh_enter_network_namespace(int descriptor)
{
	return setns(descriptor, CLONE_NEWNET) == 0 ? 0 : -errno;
}
