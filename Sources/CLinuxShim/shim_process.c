/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "shim_process.h"

#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct bh_peer) == sizeof(struct ucred), "struct ucred");
_Static_assert(offsetof(struct bh_peer, user) == offsetof(struct ucred, uid), "struct ucred");

void bh_bound_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
	/* A page of a list and what is made of it come and go in pieces of up to some megabytes: given back to the kernel
	 * each time, they would be faulted in again page by page. */
	mallopt(M_MMAP_THRESHOLD, 8 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
}

void bh_trim_heap(void)
{
	malloc_trim(0);
}

struct mapping {
	unsigned long begin;
	unsigned long end;
	char mode[5];
	/* A private copy of a file, never written to: the page cache gives back what the pages hold. Shared mappings are
	 * not (a BPF map's pages cannot be faulted in again). */
	int is_clean;
};

static void forget(const struct mapping *mapping)
{
	if (mapping->is_clean && mapping->mode[1] == '-')
		madvise((void *)mapping->begin, mapping->end - mapping->begin, MADV_DONTNEED);
}

void bh_forget_start(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	struct mapping mapping = {0};
	char line[4096];

	while (maps && fgets(line, sizeof(line), maps)) {
		struct mapping next = {0};
		unsigned long anonymous;
		char path[2];

		/* Headers have an address range; details have a name and kilobytes. */
		int fields = sscanf(
			line, "%lx-%lx %4s %*s %*s %*s %1s", &next.begin, &next.end, next.mode, path);
		if (fields >= 3) {
			next.is_clean = fields == 4 && path[0] == '/' && next.mode[3] == 'p';
			mapping = next;
		} else if (sscanf(line, "Anonymous: %lu", &anonymous) == 1) {
			mapping.is_clean = mapping.is_clean && anonymous == 0;
			forget(&mapping);
		}
	}
	if (maps)
		fclose(maps);
}

void bh_raise_descriptor_limit(unsigned long enough)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= enough)
		return;
	limit.rlim_cur = limit.rlim_max < enough ? limit.rlim_max : enough;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int bh_spawn(pid_t *child, posix_spawn_file_actions_t *actions, char *const arguments[], char *const environment[])
{
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int failure = posix_spawn_file_actions_addclosefrom_np(actions, 3);

	if (failure)
		return failure;
	failure = posix_spawnattr_init(&attributes);
	if (failure)
		return failure;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	failure = posix_spawnp(child, arguments[0], actions, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	return failure;
}
