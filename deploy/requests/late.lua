-- SPDX-License-Identifier: Apache-2.0
-- Whether the client may still send; if not, it has ended its direction of the connection.
core.register_fetches("may_receive", function(transaction) return transaction.req:may_recv() end)
