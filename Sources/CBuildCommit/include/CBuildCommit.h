/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commit that was built, or "unknown". In C, so that a new commit compiles one file of two lines. */
const char *bh_build_commit(void);
