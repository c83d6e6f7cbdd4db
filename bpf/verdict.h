/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A program's matrix, and the counters of its rules. */
#ifndef BULKHEAD_VERDICT_H
#define BULKHEAD_VERDICT_H

#include "classes.h"

/* The daemon's own notes, kept for the next daemon: struct bh_key by class, program, rule, endpoint. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bh_key));
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_counter);
} counters SEC(".maps");

/* 16 bits: element `index` of the array that starts at word `offset`. -1 if out of range. */
static __always_inline __s32 half_at(const struct view *v, __u32 offset, __u32 index)
{
	__u32 at = offset + (index >> 1);
	if (at >= v->words)
		return -1;
	return ((const __u16 *)((const __u32 *)v->fixed + at))[index & 1];
}

/* Whether the program holds only policies in audit. */
static __always_inline int is_audit_only(const struct view *v, __u32 program)
{
	program = opaque(program);
	if (program >= v->words)
		return 0;
	const struct bh_program *p = (const void *)((const __u32 *)v->fixed + program);
	return p->flags & BH_PROGRAM_AUDIT_ONLY;
}

/* The cell for a peer's class and a port class; 0, which is never a cell, if the tables are inconsistent. */
static __always_inline __u32 find_cell(const struct view *v, __u32 program, __u32 class, __u32 port)
{
	program = opaque(program);
	if (program >= v->words)
		return 0;
	const struct bh_program *p = (const void *)((const __u32 *)v->fixed + program);
	if (class >= p->row_capacity || port >= p->column_capacity)
		return 0;
	__s32 row = half_at(v, program + p->rows, class);
	__s32 column = half_at(v, program + p->columns, port);
	__u32 at = program + p->cells + row * p->stride + column;
	if (row < 0 || column < 0 || at >= v->words)
		return 0;
	return word_at(v, at, 0);
}

/* Counts for a rule on this processor. -1 if there is no such counter. */
static __always_inline int count_rule(__u32 rule, __u32 bytes)
{
	struct bh_counter *counter = bpf_map_lookup_elem(&counters, &rule);
	if (!counter)
		return -1;
	counter->packets++;
	counter->bytes += bytes;
	return 0;
}

#endif
