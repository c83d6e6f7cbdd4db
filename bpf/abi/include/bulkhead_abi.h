/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The layout of the tables that the daemon writes and the BPF program reads: the one definition for both.
 *
 * The map `tables` is one value, an array of 32-bit words: the fixed part below, then the heap. A "word offset"
 * counts words from the start of the value; 0 means "none". All numbers are in host byte order.
 */
#ifndef BULKHEAD_ABI_H
#define BULKHEAD_ABI_H

#ifdef __bpf__
typedef unsigned char bh_u8;
typedef unsigned short bh_u16;
typedef unsigned int bh_u32;
typedef unsigned long long bh_u64;
#else
#include <stdint.h>
typedef uint8_t bh_u8;
typedef uint16_t bh_u16;
typedef uint32_t bh_u32;
typedef uint64_t bh_u64;
#endif

/* Part of the pins' path: programs and tables of different versions never meet. */
#define BH_LAYOUT_VERSION 5
#define BH_MAGIC 0x424c4b48u

#define BH_ENDPOINTS 2048
#define BH_INTERFACES 8192
/* Longest search for an interface, starting at its home slot. */
#define BH_INTERFACE_PROBES 8
#define BH_PORTS 65536
#define BH_SLOTS 65536
/* Bytes kept after the last usable word, so that one check of a block's offset covers the whole block. */
#define BH_SLACK_BYTES 4096

/*
 * An address word. Bit 31 clear: leaf, bits 30..20 the local endpoint (0: none), bits 19..0 the address class.
 * Bit 31 set: bits 28..0 are a word offset of a list (bit 30), a node (bit 29) or else a chunk.
 */
#define BH_POINTER 0x80000000u
#define BH_LIST 0x40000000u
#define BH_NODE 0x20000000u
#define BH_OFFSET_MASK 0x1fffffffu
#define BH_CLASS_MASK 0x000fffffu
#define BH_ENDPOINT_SHIFT 20
#define BH_ENDPOINT_MASK 0x7ffu

/*
 * A matrix cell: bits 27..24 the action (0 is never written), bits 23..0 the rule. Bit 28: a NetworkPolicy or
 * authorization decided, which never deny what an endpoint sends itself through a Service. The program denies every
 * other action.
 */
#define BH_CELL_ALLOW 0x01000000u
#define BH_CELL_DENY 0x02000000u
/* Allowed, counted and reported: the rule, in audit, would deny it. */
#define BH_CELL_AUDIT 0x03000000u
/* Reserved, never written yet: user space first finds the name of the address. */
#define BH_CELL_ASK 0x04000000u
/* The node's proxy decides about each request: packets on their way to and from it pass (bh_header.proxy_marks). */
#define BH_CELL_HAND_OVER 0x05000000u
#define BH_CELL_ACTION_MASK 0x0f000000u
#define BH_CELL_SPARES_ITSELF 0x10000000u
#define BH_CELL_RULE_MASK 0x00ffffffu

/* bh_program.flags: only policies in audit are in the program, so packets without a transport header pass. */
#define BH_PROGRAM_AUDIT_ONLY 1u

#define BH_CHUNK_WORDS 256
/* Ranges of a list: 4, 8, 16, 32 or 64. */
#define BH_LIST_MAX 64

#define BH_INTERFACE_REMOVED 0xffffffffu

/* bh_interface.role: bits 10..0 the endpoint; the other bits say what the interface is. */
/* The endpoint's own: what comes through it is from the endpoint. */
#define BH_ROLE_ROUTED 0x80000000u
/* A port of a bridge with the endpoint behind it. */
#define BH_ROLE_PORT 0x40000000u
/* A bridge with endpoints behind its ports. */
#define BH_ROLE_BRIDGE 0x20000000u

/* bh_endpoint.place: not behind a bridge; its packets come only through its own interfaces. */
#define BH_PLACE_ROUTED 0xffffffffu

/* Limit of ports and of protocols of tunnels. */
#define BH_TUNNEL_PORTS 16
#define BH_TUNNEL_PROTOCOLS 8
/* Limit of addresses of other nodes, to which no endpoint may send tunnel packets. */
#define BH_TUNNEL_NODES 65536

#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"
#endif

struct bh_header {
	bh_u32 magic;
	bh_u32 layout;
	/* Usable words of the value; the heap ends there. */
	bh_u32 words;
	bh_u32 heap_begin;
	/* Set once the tables enforce a whole policy; tables without it are never attached. */
	bh_u32 complete;
	/* Drop events: limit per second, limit at once, and the milliseconds before one flow is reported again. */
	bh_u32 event_rate;
	bh_u32 event_burst;
	bh_u32 event_repeat_ms;
	/* Capacity of the map `keys` by kind, and of `counters` in rules. */
	bh_u32 class_keys;
	bh_u32 program_keys;
	bh_u32 rule_keys;
	/* Not 0: packets between endpoints and the node itself are judged. */
	bh_u32 own_node;
	/* Address classes 1 ... own_classes - 1 are the node's own addresses. 0: not known yet. */
	bh_u32 own_classes;
	/* At the node itself, the class for a destination whose own class is none of these. 0: the destination's own. */
	bh_u32 own_class;
	/* Not 0: events are wanted. Another number than before: what was reported before that counts as not reported. */
	bh_u32 is_listened;
	/* Identifies the build of the programs; no program reads it. Programs of another build are replaced. 0: of a build
	 * that did not say. */
	bh_u32 build;
	/* UDP destination ports and IP protocols of tunnels. The last one is repeated; all 0: none. */
	bh_u16 tunnel_ports[BH_TUNNEL_PORTS];
	bh_u8 tunnel_protocols[BH_TUNNEL_PROTOCOLS];
	/* Bits of a packet's mark, which only the node's own rules set: a packet with any of them is on its way to or from
	 * the proxy. 0: there is none. */
	bh_u32 proxy_marks;
	/* Those of them that a packet from the proxy has: it bears its client's address. */
	bh_u32 from_proxy_mark;
	/* New flows that are allowed: the time between two events on average, 0: none are sent; and how far events may be
	 * ahead of that (at most 2^31). Both are multiples of 1024. */
	bh_u32 flow_interval_ns;
	bh_u32 flow_window_ns;
	/* Nanoseconds of a tick of the kernel. */
	bh_u32 tick_ns;
	bh_u32 more[33];
};

/* A local endpoint. One aligned 64-bit store switches both programs. 0 allows everything. */
struct bh_endpoint {
	bh_u32 ingress;
	bh_u32 egress;
	/* Index of the bridge that the endpoint is behind, or BH_PLACE_ROUTED. 0: unknown. */
	bh_u32 place;
	bh_u32 reserved;
};

/* Written and read as one aligned 64-bit word: `role` is the upper half. */
struct bh_interface {
	bh_u32 ifindex;
	bh_u32 role;
};

/* Everything before the heap. */
struct bh_fixed {
	struct bh_header header;
	/* Address word of each IPv4 /16. */
	bh_u32 root4[BH_SLOTS];
	/* Address word of each IPv6 /16: a leaf or a node. */
	bh_u32 root6[BH_SLOTS];
	/* Port class by protocol (TCP, UDP, SCTP) and port. */
	bh_u16 ports[3][BH_PORTS];
	struct bh_endpoint endpoints[BH_ENDPOINTS];
	/* Interfaces of endpoints: open addressing, home slot `ifindex % BH_INTERFACES`. */
	struct bh_interface interfaces[BH_INTERFACES];
};

/*
 * A verdict matrix, with all parts in one block, at word offsets from its start:
 * u16 columns[column_capacity] by port class, u16 rows[row_capacity] by address class,
 * u32 cells[row * stride + column].
 */
struct bh_program {
	bh_u32 number;
	/* Size of the block in words. */
	bh_u32 words;
	bh_u32 column_capacity;
	bh_u32 row_capacity;
	bh_u32 columns;
	bh_u32 rows;
	bh_u32 cells;
	bh_u32 stride;
	/* BH_PROGRAM_*. */
	bh_u32 flags;
	bh_u32 reserved;
};

/* Followed by u16 first[size], u32 value[size]; ranges beyond the last one repeat it. first[0] is 0. */
struct bh_list {
	bh_u32 size;
};

/* IPv6: if the address agrees with the prefix, `window` decides by 16 bits of it; otherwise `otherwise` is the leaf. */
struct bh_node {
	bh_u64 mask_high;
	bh_u64 mask_low;
	bh_u64 prefix_high;
	bh_u64 prefix_low;
	bh_u32 otherwise;
	/* Address word: leaf, list or chunk, whose values are leaves or nodes. */
	bh_u32 window;
	/* Group of 16 bits, 1 ... 7; 0 would be the most significant. */
	bh_u32 group;
	bh_u32 reserved;
};

/* Names a class, program, rule or endpoint by its content; the program never reads it. Zero: unused number. */
struct bh_key {
	bh_u64 high;
	bh_u64 low;
};

struct bh_counter {
	bh_u64 packets;
	bh_u64 bytes;
};

enum bh_stat {
	BH_STAT_SPOOFED = 0,
	BH_STAT_UNPARSABLE = 1,
	BH_STAT_SUPPRESSED = 2,
	BH_STAT_LOST = 3,
	BH_STAT_INCONSISTENT = 4,
	BH_STAT_AUDITED = 5,
	BH_STAT_TUNNEL = 6,
	BH_STAT_SOURCE_ROUTED = 7,
	BH_STAT_UNRELATED_ERROR = 8,
	BH_STAT_MALFORMED = 9,
	BH_STAT_HAND_OVER = 10,
	/* Events of new flows that were not sent: over the rate limit, or because the ring was full. */
	BH_STAT_FLOWS_LEFT_OUT = 11,
	BH_STAT_FLOWS_LOST = 12,
	BH_STATS = 16,
};

enum bh_cause {
	BH_CAUSE_RULE = 1,
	BH_CAUSE_SPOOFED = 2,
	BH_CAUSE_UNPARSABLE = 3,
	BH_CAUSE_INCONSISTENT = 4,
	BH_CAUSE_AUDIT = 5,
	BH_CAUSE_TUNNEL = 6,
	BH_CAUSE_SOURCE_ROUTED = 7,
	BH_CAUSE_UNRELATED_ERROR = 8,
	BH_CAUSE_MALFORMED = 9,
	/* The rule hands the flow over, and the packet is not on its way to or from the proxy. */
	BH_CAUSE_HAND_OVER = 10,
	/* Not dropped: the first packet of a flow, which is allowed. */
	BH_CAUSE_NEW = 11,
};

#define BH_ICMP_UNKNOWN 255

enum bh_direction {
	BH_INGRESS = 0,
	BH_EGRESS = 1,
};

/* Read-only data of the programs. */
struct bh_constants {
	/* Usable words of `tables`. */
	bh_u32 table_words;
	/*
	 * Not 0: the programs are never attached. They only answer questions about packets that nothing sends
	 * (BPF_PROG_TEST_RUN), which have no interface.
	 */
	bh_u32 only_answers;
};

/*
 * A packet that was dropped (BH_CAUSE_AUDIT: would be; BH_CAUSE_NEW: was not), with the flow that was judged. Addresses
 * in network byte order; IPv4 in the first word.
 */
struct bh_event {
	bh_u64 time_ns;
	bh_u32 source[4];
	bh_u32 destination[4];
	bh_u32 rule;
	bh_u32 ifindex;
	bh_u16 source_port;
	bh_u16 destination_port;
	bh_u16 endpoint;
	bh_u8 protocol;
	bh_u8 family;
	bh_u8 cause;
	bh_u8 direction;
	/* Of an ICMP message. BH_ICMP_UNKNOWN as the code: neither is known. */
	bh_u8 icmp_type;
	bh_u8 icmp_code;
	/* In the record of new flows: see bulkhead_flows.h. */
	bh_u32 ready;
};

#ifdef __clang__
#pragma clang diagnostic pop
#endif

#define BH_ROOT4_OFFSET 256
#define BH_ROOT6_OFFSET 262400
#define BH_PORTS_OFFSET 524544
#define BH_ENDPOINTS_OFFSET 917760
#define BH_INTERFACES_OFFSET 950528
#define BH_FIXED_BYTES 1016064

_Static_assert(sizeof(struct bh_header) == 256, "header");
_Static_assert(__builtin_offsetof(struct bh_header, complete) == 16, "complete");
_Static_assert(__builtin_offsetof(struct bh_header, rule_keys) == 40, "rule_keys");
_Static_assert(__builtin_offsetof(struct bh_header, own_node) == 44, "own_node");
_Static_assert(__builtin_offsetof(struct bh_header, own_class) == 52, "own_class");
_Static_assert(__builtin_offsetof(struct bh_header, tunnel_ports) == 64, "tunnel_ports");
_Static_assert(__builtin_offsetof(struct bh_header, tunnel_protocols) == 96, "tunnel_protocols");
_Static_assert(__builtin_offsetof(struct bh_header, proxy_marks) == 104, "proxy_marks");
_Static_assert(__builtin_offsetof(struct bh_header, flow_interval_ns) == 112, "flow_interval_ns");
_Static_assert(sizeof(struct bh_endpoint) == 16, "endpoint");
_Static_assert(__builtin_offsetof(struct bh_endpoint, place) == 8, "place");
_Static_assert(sizeof(struct bh_interface) == 8, "interface");
_Static_assert(sizeof(struct bh_program) == 40, "program");
_Static_assert(sizeof(struct bh_node) == 48, "node");
_Static_assert(sizeof(struct bh_key) == 16, "key");
_Static_assert(sizeof(struct bh_counter) == 16, "counter");
_Static_assert(sizeof(struct bh_constants) == 8, "constants");
_Static_assert(sizeof(struct bh_event) == 64, "event");
_Static_assert(__builtin_offsetof(struct bh_event, ready) == 60, "ready");
_Static_assert(__builtin_offsetof(struct bh_event, cause) == 56, "cause");
_Static_assert(__builtin_offsetof(struct bh_fixed, root4) == BH_ROOT4_OFFSET, "root4");
_Static_assert(__builtin_offsetof(struct bh_fixed, root6) == BH_ROOT6_OFFSET, "root6");
_Static_assert(__builtin_offsetof(struct bh_fixed, ports) == BH_PORTS_OFFSET, "ports");
_Static_assert(__builtin_offsetof(struct bh_fixed, endpoints) == BH_ENDPOINTS_OFFSET, "endpoints");
_Static_assert(__builtin_offsetof(struct bh_fixed, interfaces) == BH_INTERFACES_OFFSET, "interfaces");
_Static_assert(sizeof(struct bh_fixed) == BH_FIXED_BYTES, "fixed");

#endif
