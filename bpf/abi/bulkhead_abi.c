/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Compiles the layout for the host, so that its assertions hold on both sides. */
#include "bulkhead_abi.h"
#include "bulkhead_flows.h"

_Static_assert(_Alignof(struct bh_endpoint) == 4, "endpoint records are aligned by their place");
_Static_assert(BH_ENDPOINTS_OFFSET % 64 == 0, "both programs of an endpoint lie in one aligned 64-bit word");
_Static_assert(BH_FIXED_BYTES % 64 == 0, "the heap starts on a cache line");
