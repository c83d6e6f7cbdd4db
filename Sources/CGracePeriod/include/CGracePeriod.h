/* SPDX-License-Identifier: Apache-2.0 */
/* When packets under way have left the kernel's network code. */
#pragma once

/* Every thread of this machine that ran kernel code before this call has left it. 0 or -errno. */
int bh_grace_period(void);

/*
 * Returns when every packet that the kernel was forwarding, or handing to this node, has left its hooks; one that comes
 * meanwhile finds all that was changed before. A packet that the node itself sends is not waited for: only
 * bh_grace_period() does that.
 *
 * Such packets are handled with softirqs off (netif_receive_skb), where no task is run on their processor: they have
 * left it once a task has run there. So a thread of its own visits one processor after the other, which takes a fraction
 * of a millisecond where they are idle; a grace period of RCU takes some milliseconds. Where it is not through soon,
 * because processors are busy, both go on, and the first to end counts. A thread of a real-time priority that keeps a
 * processor for itself therefore costs no more than a grace period.
 *
 * RCU alone where softirqs can be preempted (PREEMPT_RT), where a processor may not be visited (cpusets), and while
 * a process takes packets from an NFQUEUE of the calling thread's network namespace: they come back in a task.
 *
 * 0 or -errno, where neither way is open, as bh_grace_period().
 */
int bh_forwarding_grace_period(void);

/* The processors visited, for tests: each once. 0, or -errno where they cannot be. */
int bh_visit_processors(void);
