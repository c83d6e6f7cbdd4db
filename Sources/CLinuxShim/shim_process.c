/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "shim_process.h"

#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct bh_peer) == sizeof(struct ucred), "struct ucred");
_Static_assert(offsetof(struct bh_peer, user) == offsetof(struct ucred, uid), "struct ucred");

void bh_bound_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
}

void bh_name_thread(const char *name)
{
	pthread_setname_np(pthread_self(), name);
}
