/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The layout of the record of new flows. */
#ifndef BULKHEAD_FLOW_ABI_H
#define BULKHEAD_FLOW_ABI_H

#include "bulkhead_abi.h"

/* A power of two, at most 2^15. */
#define BH_FLOW_RECORDS 4096

/*
 * The start of the map `flows`, a ring of BH_FLOW_RECORDS events of new flows that follows it. The number of an event
 * counts from 0 and wraps after 16 bits; its place is the rest of a division by BH_FLOW_RECORDS. `ready` is its number
 * + 1 once it is written.
 */
struct bh_flow_head {
	/* Bits 15..0: how many events there were. Bits 63..16: when the rate limit will be used by none of them, in units
	 * of 1024 ns. */
	bh_u64 state;
	/* A moment, and the tick in which it was, each scrambled with the other. */
	bh_u64 moment_ns;
	bh_u64 moment_tick;
	bh_u64 more[5];
	/* How many events user space has read; it alone writes here. */
	bh_u32 taken;
	bh_u32 reserved[15];
};

_Static_assert(sizeof(struct bh_flow_head) == 128, "flow head");
_Static_assert(__builtin_offsetof(struct bh_flow_head, taken) == 64, "taken");

#endif
