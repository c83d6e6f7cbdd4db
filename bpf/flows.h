/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The record of new flows: a ring in memory that user space maps and looks at now and then. Its own, so that no flood of
 * flows displaces an event of a drop; and written without a call, a lock or a clock: a ring buffer, its lock and the clock
 * take longer than everything else that a first packet costs here.
 */
#ifndef BULKHEAD_FLOWS_H
#define BULKHEAD_FLOWS_H

#include "bulkhead_flows.h"
#include "events.h"

struct flow_ring {
	struct bh_flow_head head;
	struct bh_event events[BH_FLOW_RECORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_ring);
} flows SEC(".maps");

/* Processors that want a place at the same moment: so often one of them tries again. */
#define FLOW_TRIES 8
/* Ticks after which the clock is read again. */
#define MOMENT_TICKS 256
/* Bits of bh_flow_head.state, and of nanoseconds that it leaves out. */
#define FLOW_NUMBER_BITS 16
#define FLOW_TIME_SHIFT 10

/* Odd: it makes a moment and a tick of different pairs look like one that is long past. */
#define MOMENT_SCRAMBLE 0x9e3779b97f4a7c15ull

/*
 * The time, exact to a tick. The clock takes longer than everything else here, and ticks are of equal length: it is read
 * for the first new flow, and again after a while. What a processor reads while another one writes does not fit together,
 * and is not used.
 */
static __always_inline __u64 flow_time(struct bh_flow_head *head, __u32 tick_ns)
{
	volatile __u64 *moment = &head->moment_ns;
	volatile __u64 *scrambled = &head->moment_tick;
	__u64 tick = bpf_jiffies64();
	__u64 ns = *moment;
	__u64 passed = tick - (*scrambled - ns * MOMENT_SCRAMBLE);
	if (passed < MOMENT_TICKS)
		return ns + passed * tick_ns;
	ns = bpf_ktime_get_ns();
	*moment = ns;
	*scrambled = tick + ns * MOMENT_SCRAMBLE;
	return ns;
}

/* The number of the next event, or -1: none may be written, and it is counted why. */
static __always_inline int claim_flow(struct bh_flow_head *head, const struct bh_header *settings, __u64 now_ns)
{
	__u64 now = now_ns >> FLOW_TIME_SHIFT;
	__u64 interval = settings->flow_interval_ns >> FLOW_TIME_SHIFT;
	__u64 window = settings->flow_window_ns >> FLOW_TIME_SHIFT;
	__u32 stat = BH_STAT_FLOWS_LEFT_OUT;
#pragma unroll
	for (int i = 0; i < FLOW_TRIES; i++) {
		__u64 old = *(volatile __u64 *)&head->state;
		__u64 full = old >> FLOW_NUMBER_BITS;
		__u64 from = full > now ? full : now;
		if (from - now > window)
			break;
		if ((__u16)((__u16)old - *(volatile __u32 *)&head->taken) >= BH_FLOW_RECORDS) {
			stat = BH_STAT_FLOWS_LOST;
			break;
		}
		__u64 next = (from + interval) << FLOW_NUMBER_BITS | (__u16)(old + 1);
		if (__sync_val_compare_and_swap(&head->state, old, next) == old)
			return (__u16)old;
	}
	count_stat(stat);
	return -1;
}

/* The event is complete: the exchange orders its parts before. */
static __always_inline void publish_flow(struct bh_event *e, __u32 number)
{
	__sync_lock_test_and_set(&e->ready, number + 1);
}

#endif
