/* SPDX-License-Identifier: Apache-2.0 */
#include "CBuildCommit.h"

const char *bh_build_commit(void)
{
	return BULKHEAD_COMMIT;
}
