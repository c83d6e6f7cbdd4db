/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The events for user space about drops, and about what a rule in audit would drop. No other packet runs this code. */
#ifndef BULKHEAD_EVENTS_H
#define BULKHEAD_EVENTS_H

#include "classes.h"

#define SEEN_FLOWS 4096
#define NS_PER_SECOND 1000000000ull
#define NS_PER_MS 1000000ull

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BH_STATS);
	__type(key, __u32);
	__type(value, __u64);
} stats SEC(".maps");

/* The flow last reported under a hash, and when. */
struct seen {
	__u64 flow;
	__u64 time_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SEEN_FLOWS);
	__type(key, __u32);
	__type(value, struct seen);
} seen_flows SEC(".maps");

/* When the bucket of events will be full again (generic cell rate algorithm); one for all processors. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} event_bucket SEC(".maps");

static __always_inline void count_stat(__u32 stat)
{
	__u64 *value = bpf_map_lookup_elem(&stats, &stat);
	if (value)
		*value += 1;
}

static __always_inline __u64 mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

static __always_inline __u64 flow_hash(const struct bh_event *e, __u32 start)
{
	const __u64 *words = (const __u64 *)e;
	__u64 hash = mix(start, words[1]);
	hash = mix(hash, words[2]);
	hash = mix(hash, words[3]);
	hash = mix(hash, words[4]);
	hash = mix(hash, (__u64)e->rule << 32 | (__u32)e->destination_port << 16 | e->source_port);
	return mix(hash, (__u64)e->protocol << 16 | (__u64)e->cause << 8 | e->direction);
}

/* Whether this flow was not reported just now; records the report. */
static __always_inline int first_of_flow(const struct bh_event *e, __u64 repeat_ns, __u32 start)
{
	__u64 hash = flow_hash(e, start);
	__u32 slot = hash % SEEN_FLOWS;
	struct seen *seen = bpf_map_lookup_elem(&seen_flows, &slot);
	if (!seen)
		return 0;
	if (seen->flow == hash && seen->time_ns + repeat_ns > e->time_ns)
		return 0;
	seen->flow = hash;
	seen->time_ns = e->time_ns;
	return 1;
}

static __always_inline int within_rate(__u64 now, __u32 rate, __u32 burst)
{
	__u32 zero = 0;
	__u64 *full = bpf_map_lookup_elem(&event_bucket, &zero);
	if (!full || !rate)
		return 0;
	__u64 interval = NS_PER_SECOND / rate;
	__u64 old = *full;
	__u64 from = old > now ? old : now;
	if (from - now > interval * burst)
		return 0;
	/* The loser of a race sends no event. */
	return __sync_val_compare_and_swap(full, old, from + interval) == old;
}

/* Fills in the time and sends. While events are not wanted, nothing is recorded or counted. */
__noinline int send_event(struct bh_event *e)
{
	struct view v;
	if (!e || open_view(&v))
		return 0;
	/* Answers are events of their own map. */
	if (constants.only_answers) {
		bpf_ringbuf_output(&events, e, sizeof(*e), 0);
		return 0;
	}
	if (!v.fixed->header.is_listened)
		return 0;
	const struct bh_header *settings = &v.fixed->header;
	e->time_ns = bpf_ktime_get_ns();
	if (!first_of_flow(e, settings->event_repeat_ms * NS_PER_MS, settings->is_listened)
		|| !within_rate(e->time_ns, settings->event_rate, settings->event_burst))
		count_stat(BH_STAT_SUPPRESSED);
	else if (bpf_ringbuf_output(&events, e, sizeof(*e), 0))
		count_stat(BH_STAT_LOST);
	return 0;
}

#endif
