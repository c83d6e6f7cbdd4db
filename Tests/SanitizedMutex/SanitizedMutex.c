/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "SanitizedMutex.h"

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <stdio.h>
#include <stdlib.h>

typedef __attribute__((swiftcall)) void (*lock_method)(uint32_t thread, __attribute__((swift_context)) void *handle);
typedef __attribute__((swiftcall)) void (*unlock_method)(__attribute__((swift_context)) void *handle);

static lock_method library_lock;
static unlock_method library_unlock;

/* Before Swift takes a lock. A program without the library has no Mutex. */
__attribute__((constructor)) static void find_library(void)
{
	if (!dlopen("libswiftSynchronization.so", RTLD_LAZY | RTLD_NOLOAD))
		return;
	library_lock = (lock_method)dlsym(RTLD_NEXT, SANITIZED_MUTEX_LOCK);
	library_unlock = (unlock_method)dlsym(RTLD_NEXT, SANITIZED_MUTEX_UNLOCK);
	if (library_lock && library_unlock)
		return;
	fputs("SanitizedMutex: this version of Swift has another Mutex\n", stderr);
	abort();
}

__attribute__((swiftcall)) void sanitized_mutex_lock(uint32_t thread, __attribute__((swift_context)) void *handle)
{
	library_lock(thread, handle);
	__tsan_acquire(handle);
}

__attribute__((swiftcall)) void sanitized_mutex_unlock(__attribute__((swift_context)) void *handle)
{
	__tsan_release(handle);
	library_unlock(handle);
}
