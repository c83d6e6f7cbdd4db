/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Local endpoints and the interfaces by which their packets enter. */
#ifndef BULKHEAD_ENDPOINT_H
#define BULKHEAD_ENDPOINT_H

#include "classes.h"

static __always_inline __u32 endpoint_of(__u32 entry)
{
	return entry >> BH_ENDPOINT_SHIFT & BH_ENDPOINT_MASK;
}

/* Whether packets from this interface are an endpoint's. */
static __always_inline int is_endpoint_interface(const struct view *v, __u32 ifindex)
{
	__u32 found = v->fixed->interfaces[ifindex % BH_INTERFACES];
	if (!found)
		return 0;
	for (__u32 i = 1; found && found != ifindex && i < BH_INTERFACE_PROBES; i++)
		found = v->fixed->interfaces[(ifindex + i) % BH_INTERFACES];
	return found == ifindex;
}

#endif
