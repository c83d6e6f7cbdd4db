/* SPDX-License-Identifier: Apache-2.0 */
#include "CLinuxShim.h"

#include <errno.h>
#include <netinet/in.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "bulkhead-tracking"
#define CHAIN "tracking"
#define BATCH_BYTES 8192

static struct nlmsghdr *add(struct mnl_nlmsg_batch *batch, uint16_t type, uint16_t flags, uint32_t *sequence)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), type, NFPROTO_INET, flags, (*sequence)++);
}

static int add_table(struct mnl_nlmsg_batch *batch, uint16_t type, uint16_t flags, uint32_t *sequence)
{
	struct nftnl_table *table = nftnl_table_alloc();
	if (!table)
		return -ENOMEM;
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
	nftnl_table_nlmsg_build_payload(add(batch, type, flags, sequence), table);
	nftnl_table_free(table);
	mnl_nlmsg_batch_next(batch);
	return 0;
}

/* A chain that no hook and no rule leads to: an expression's being there is enough. */
static int add_chain(struct mnl_nlmsg_batch *batch, uint32_t *sequence)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	if (!chain)
		return -ENOMEM;
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, CHAIN);
	nftnl_chain_nlmsg_build_payload(add(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK, sequence), chain);
	nftnl_chain_free(chain);
	mnl_nlmsg_batch_next(batch);
	return 0;
}

/* `ct state invalid`, without a verdict. */
static int add_expressions(struct nftnl_rule *rule)
{
	uint32_t mask = NF_CT_STATE_INVALID_BIT;
	uint32_t zero = 0;
	struct nftnl_expr *load = nftnl_expr_alloc("ct");
	struct nftnl_expr *select = nftnl_expr_alloc("bitwise");
	struct nftnl_expr *compare = nftnl_expr_alloc("cmp");
	if (!load || !select || !compare)
		return -ENOMEM;
	nftnl_expr_set_u32(load, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(load, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	nftnl_expr_set_u32(select, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(select, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(select, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
	nftnl_expr_set(select, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
	nftnl_expr_set(select, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
	nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, NFT_CMP_NEQ);
	nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, &zero, sizeof(zero));
	nftnl_rule_add_expr(rule, load);
	nftnl_rule_add_expr(rule, select);
	nftnl_rule_add_expr(rule, compare);
	return 0;
}

static int add_rule(struct mnl_nlmsg_batch *batch, uint32_t *sequence)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	if (!rule)
		return -ENOMEM;
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, CHAIN);
	int code = add_expressions(rule);
	if (!code) {
		uint16_t flags = NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK;
		nftnl_rule_nlmsg_build_payload(add(batch, NFT_MSG_NEWRULE, flags, sequence), rule);
		mnl_nlmsg_batch_next(batch);
	}
	nftnl_rule_free(rule);
	return code;
}

/* Reads answers until `last` is acknowledged or one is an error. */
static int receive(struct mnl_socket *socket, uint32_t first, uint32_t last)
{
	char buffer[BATCH_BYTES];
	uint32_t port = mnl_socket_get_portid(socket);
	for (uint32_t sequence = first; sequence <= last; sequence++) {
		ssize_t length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0 || mnl_cb_run(buffer, (size_t)length, 0, port, NULL, NULL) < 0)
			return -errno;
	}
	return 0;
}

static int open_socket(struct mnl_socket **socket)
{
	*socket = mnl_socket_open2(NETLINK_NETFILTER, 02000000);
	if (!*socket)
		return -errno;
	if (mnl_socket_bind(*socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = -errno;
		mnl_socket_close(*socket);
		return code;
	}
	return 0;
}

/* Ends and sends a batch whose messages from `first` on ask to be acknowledged. */
static int send_batch(struct mnl_nlmsg_batch *batch, uint32_t first, uint32_t *sequence)
{
	struct mnl_socket *socket;
	uint32_t last = *sequence - 1;
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), (*sequence)++);
	mnl_nlmsg_batch_next(batch);
	int code = open_socket(&socket);
	if (code)
		return code;
	if (mnl_socket_sendto(socket, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch)) < 0)
		code = -errno;
	else
		code = receive(socket, first, last);
	mnl_socket_close(socket);
	return code;
}

/* In one transaction: what another version left in the table goes, and tracking is never off in between. */
static int add_new_table(struct mnl_nlmsg_batch *batch, uint32_t *sequence)
{
	int code = add_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, sequence);
	if (!code)
		code = add_table(batch, NFT_MSG_DELTABLE, NLM_F_ACK, sequence);
	if (!code)
		code = add_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, sequence);
	if (!code)
		code = add_chain(batch, sequence);
	return code ? code : add_rule(batch, sequence);
}

int bh_conntrack_table_create(void)
{
	char buffer[BATCH_BYTES * 2];
	uint32_t sequence = 1;
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, BATCH_BYTES);
	if (!batch)
		return -ENOMEM;
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), sequence++);
	mnl_nlmsg_batch_next(batch);
	uint32_t first = sequence;
	int code = add_new_table(batch, &sequence);
	if (!code)
		code = send_batch(batch, first, &sequence);
	mnl_nlmsg_batch_stop(batch);
	return code;
}

int bh_conntrack_table_delete(void)
{
	char buffer[BATCH_BYTES * 2];
	uint32_t sequence = 1;
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, BATCH_BYTES);
	if (!batch)
		return -ENOMEM;
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), sequence++);
	mnl_nlmsg_batch_next(batch);
	uint32_t first = sequence;
	int code = add_table(batch, NFT_MSG_DELTABLE, NLM_F_ACK, &sequence);
	if (!code)
		code = send_batch(batch, first, &sequence);
	mnl_nlmsg_batch_stop(batch);
	return code == -ENOENT ? 0 : code;
}

int bh_conntrack_table_exists(void)
{
	char buffer[BATCH_BYTES];
	struct mnl_socket *socket;
	struct nftnl_table *table = nftnl_table_alloc();
	if (!table)
		return -ENOMEM;
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, 1);
	nftnl_table_nlmsg_build_payload(header, table);
	nftnl_table_free(table);
	int code = open_socket(&socket);
	if (code)
		return code;
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		code = -errno;
	else
		code = receive(socket, 1, 1);
	mnl_socket_close(socket);
	return code == -ENOENT ? 0 : code ? code : 1;
}

/* Whether a rule begins by reading the state of a connection. */
static int reads_state(struct nftnl_rule *rule)
{
	struct nftnl_expr_iter *iterator = nftnl_expr_iter_create(rule);
	if (!iterator)
		return 0;
	struct nftnl_expr *first = nftnl_expr_iter_next(iterator);
	int found = first && !strcmp(nftnl_expr_get_str(first, NFTNL_EXPR_NAME), "ct")
		    && nftnl_expr_get_u32(first, NFTNL_EXPR_CT_KEY) == NFT_CT_STATE;
	nftnl_expr_iter_destroy(iterator);
	return found;
}

static int note_rule(const struct nlmsghdr *header, void *data)
{
	int *found = data;
	struct nftnl_rule *rule = nftnl_rule_alloc();
	if (!rule)
		return MNL_CB_ERROR;
	if (!nftnl_rule_nlmsg_parse(header, rule) && !strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), TABLE))
		*found |= reads_state(rule);
	nftnl_rule_free(rule);
	return MNL_CB_OK;
}

static int receive_rules(struct mnl_socket *socket, int *found)
{
	char buffer[32768];
	uint32_t port = mnl_socket_get_portid(socket);
	int code = MNL_CB_OK;
	while (code > MNL_CB_STOP) {
		ssize_t length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0)
			return -errno;
		code = mnl_cb_run(buffer, (size_t)length, 1, port, note_rule, found);
	}
	return code < 0 ? -errno : 0;
}

static int find_rule(struct mnl_socket *socket, int *found)
{
	char buffer[BATCH_BYTES];
	struct nftnl_rule *rule = nftnl_rule_alloc();
	if (!rule)
		return -ENOMEM;
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, TABLE);
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, 1);
	nftnl_rule_nlmsg_build_payload(header, rule);
	nftnl_rule_free(rule);
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	return receive_rules(socket, found);
}

int bh_conntrack_table_is_whole(void)
{
	struct mnl_socket *socket;
	int found = 0;
	int code = open_socket(&socket);
	if (code)
		return code;
	/* Somebody may change the ruleset while it is listed. */
	for (int tries = 0; tries < 10; tries++) {
		code = find_rule(socket, &found);
		if (code != -EINTR)
			break;
		mnl_socket_close(socket);
		code = open_socket(&socket);
		if (code)
			return code;
	}
	mnl_socket_close(socket);
	return code == -ENOENT ? 0 : code ? code : found;
}
