/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of libswiftSynchronization that replace its own where the thread sanitizer checks a program. If another
 * thread has the lock of a Mutex, or waits for it, Swift locks and unlocks in that library, which the sanitizer does not
 * see. Without these functions, it reports what two threads do under one lock as a race. Only scripts/sanitize builds
 * them.
 *
 * Methods of Synchronization._MutexHandle, by their mangled names.
 */
#ifndef SANITIZED_MUTEX_H
#define SANITIZED_MUTEX_H
#include <stdint.h>

#define SANITIZED_MUTEX_LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define SANITIZED_MUTEX_UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

__attribute__((swiftcall)) void sanitized_mutex_lock(uint32_t thread, __attribute__((swift_context)) void *handle)
	__asm__(SANITIZED_MUTEX_LOCK);
__attribute__((swiftcall)) void sanitized_mutex_unlock(__attribute__((swift_context)) void *handle)
	__asm__(SANITIZED_MUTEX_UNLOCK);
#endif
