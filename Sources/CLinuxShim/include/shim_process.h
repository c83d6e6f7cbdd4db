/* SPDX-License-Identifier: Apache-2.0 */
/* The process itself: what Glibc's module hides from Swift. */
#pragma once
#include <spawn.h>
#include <stdint.h>
#include <sys/types.h>

/* One heap for all threads; of what is free, some megabytes at most are kept. */
void bh_bound_heap(void);

/* All memory that is free goes back to the system. */
void bh_trim_heap(void);

/* Unmaps the pages of programs and libraries that were only read so far. Most were touched by the start alone; what is
 * needed again comes back from the page cache. */
void bh_forget_start(void);

/* Raises the soft limit of open descriptors to `enough`, as far as the hard limit allows; never lowers it. */
void bh_raise_descriptor_limit(unsigned long enough);

/* posix_spawnp of a program that inherits nothing by accident: of descriptors it has 0, 1 and 2 alone, no signal is
 * blocked (threads that run tasks block them: a shell would never hear of the end of its children) and none ignored. */
int bh_spawn(pid_t *child, posix_spawn_file_actions_t *actions, char *const arguments[], char *const environment[]);

/* What SO_PEERCRED gives (struct ucred): who was at a unix socket's other end when it was connected. */
struct bh_peer {
	int32_t process;
	uint32_t user;
	uint32_t group;
};
