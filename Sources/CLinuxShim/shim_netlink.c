// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "shim_netlink.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int shim_netlink_open(uint32_t groups, int receive_bytes) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (descriptor < 0) {
        return -errno;
    }
    // The forced size needs CAP_NET_ADMIN and passes net.core.rmem_max; without it the plain one is what we get.
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) != 0) {
        (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
        int code = errno;
        close(descriptor);
        return -code;
    }
    return descriptor;
}

static int request_send(int descriptor, struct nlmsghdr *request) {
    return send(descriptor, request, request->nlmsg_len, 0) < 0 ? -errno : 0;
}

/// Without strict checking the kernel does not look at what a dump is narrowed to.
static int check_strictly(int descriptor) {
    int on = 1;
    return setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on) == 0 ? 0 : -errno;
}

/// The size of the header that a request of this type begins with. What is longer is "leftover" in the kernel's log.
static size_t request_body_size(uint16_t type) {
    switch (type) {
    case RTM_GETADDR: return sizeof(struct ifaddrmsg);
    case RTM_GETROUTE: return sizeof(struct rtmsg);
    case RTM_GETNEIGH: return sizeof(struct ndmsg);
    default: return sizeof(struct ifinfomsg);
    }
}

int shim_netlink_dump(int descriptor, uint16_t type, uint8_t family, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body; // the largest of the headers; each begins with the family
    } request = {
        .body = {.ifi_family = family},
        .header =
            {
                .nlmsg_len = NLMSG_LENGTH(request_body_size(type)),
                .nlmsg_type = type,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                .nlmsg_seq = sequence,
            },
    };
    return request_send(descriptor, &request.header);
}

int shim_netlink_dump_port(int descriptor, uint32_t port, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct ndmsg body;
    } request = {
        .header =
            {
                .nlmsg_len = sizeof request,
                .nlmsg_type = RTM_GETNEIGH,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                .nlmsg_seq = sequence,
            },
        .body = {.ndm_family = AF_BRIDGE, .ndm_ifindex = (int)port},
    };
    int code = check_strictly(descriptor);
    return code != 0 ? code : request_send(descriptor, &request.header);
}

int shim_netlink_ask_link_of(int descriptor, int32_t nsid, uint32_t index, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
        struct rtattr attribute;
        int32_t nsid;
    } request = {
        .header =
            {
                .nlmsg_len = sizeof request,
                .nlmsg_type = RTM_GETLINK,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
                .nlmsg_seq = sequence,
            },
        .body = {.ifi_index = (int)index},
        .attribute = {.rta_len = sizeof(struct rtattr) + sizeof(int32_t), .rta_type = IFLA_TARGET_NETNSID},
        .nsid = nsid,
    };
    int code = check_strictly(descriptor);
    return code != 0 ? code : request_send(descriptor, &request.header);
}

int shim_netlink_dump_addresses_of(int descriptor, int32_t nsid, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg body;
        struct rtattr attribute;
        int32_t nsid;
    } request = {
        .header =
            {
                .nlmsg_len = sizeof request,
                .nlmsg_type = RTM_GETADDR,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                .nlmsg_seq = sequence,
            },
        .attribute = {.rta_len = sizeof(struct rtattr) + sizeof(int32_t), .rta_type = IFA_TARGET_NETNSID},
        .nsid = nsid,
    };
    int code = check_strictly(descriptor);
    return code != 0 ? code : request_send(descriptor, &request.header);
}

int shim_generic_open(void) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
    return descriptor < 0 ? -errno : descriptor;
}

int shim_generic_ask_family(int descriptor, const char *name, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct genlmsghdr body;
        struct rtattr attribute;
        char name[GENL_NAMSIZ];
    } request = {
        .header = {.nlmsg_type = GENL_ID_CTRL, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = sequence},
        .body = {.cmd = CTRL_CMD_GETFAMILY, .version = 1},
        .attribute = {.rta_type = CTRL_ATTR_FAMILY_NAME},
    };
    size_t length = strnlen(name, GENL_NAMSIZ - 1);
    memcpy(request.name, name, length);
    request.attribute.rta_len = (unsigned short)(sizeof request.attribute + length + 1);
    request.header.nlmsg_len =
        (uint32_t)(offsetof(__typeof__(request), attribute) + RTA_ALIGN(request.attribute.rta_len));
    return request_send(descriptor, &request.header);
}

int shim_generic_dump(int descriptor, uint16_t family, uint8_t command, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct genlmsghdr body;
    } request = {
        .header =
            {
                .nlmsg_len = sizeof request,
                .nlmsg_type = family,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                .nlmsg_seq = sequence,
            },
        .body = {.cmd = command, .version = 1},
    };
    return request_send(descriptor, &request.header);
}

long shim_netlink_receive(int descriptor, void *buffer, size_t size) {
    struct sockaddr_nl sender = {0};
    socklen_t sender_length = sizeof sender;
    ssize_t length;
    do {
        length = recvfrom(descriptor, buffer, size, MSG_TRUNC | MSG_DONTWAIT, (struct sockaddr *)&sender,
                          &sender_length);
    } while (length < 0 && errno == EINTR);
    if (length < 0) {
        return -errno;
    }
    return sender.nl_pid == 0 ? length : 0;
}

int shim_enter_network_namespace(int descriptor) { return setns(descriptor, CLONE_NEWNET) == 0 ? 0 : -errno; }
