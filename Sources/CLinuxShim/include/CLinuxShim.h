/* SPDX-License-Identifier: Apache-2.0 */
/* What Swift cannot call itself: variadic functions, macros with arguments, atomics on mapped memory. */
#pragma once
#include "shim_bpf.h"
#include "shim_netlink.h"
#include "shim_process.h"
