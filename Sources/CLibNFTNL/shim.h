/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Before any linux/netfilter*.h, or the C library's and the kernel's address types collide in Swift. */
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
