/* SPDX-License-Identifier: Apache-2.0 */
/* When packets under way have left the kernel's network code. */
#pragma once

/* Every thread of this machine that ran kernel code before this call has left it. 0 or -errno. */
int bh_grace_period(void);

/*
 * Returns when every packet that the kernel was forwarding, or delivering to this node, has left its hooks; later packets
 * find everything that was changed before. It does not wait for packets that the node itself sends: only
 * bh_grace_period() does.
 *
 * Such packets are handled with softirqs disabled (netif_receive_skb), while their processor runs no task: they have
 * left it once a task has run there. So a dedicated thread visits one processor after the other, which takes a fraction
 * of a millisecond if they are idle; a grace period of RCU takes some milliseconds. If the visits are not complete soon,
 * because processors are busy, both continue, and the first to end counts. So a thread with a real-time priority that
 * occupies a processor costs no more than a grace period.
 *
 * RCU alone counts if softirqs can be preempted (PREEMPT_RT), if a processor may not be visited (cpusets), and while any
 * process reads an NFQUEUE of the calling thread's network namespace: its packets come back in a task.
 *
 * 0, or -errno if neither way is available, like bh_grace_period().
 */
int bh_forwarding_grace_period(void);

/* Visits each processor once; for tests. 0, or -errno if that is not possible. */
int bh_visit_processors(void);
