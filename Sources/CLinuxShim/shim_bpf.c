/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "CLinuxShim.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Newer than the headers of the oldest distribution that we build on. */
#define BH_PROG_TYPE_NETFILTER 32
#define BH_PROGRAM_NETFILTER ((enum bpf_prog_type)32)
#define BH_ATTACH_NETFILTER 45
#define BH_LINK_TYPE_NETFILTER 10

void bh_store32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void bh_store64(void *pair, uint64_t value)
{
	__atomic_store_n((uint64_t *)pair, value, __ATOMIC_RELEASE);
}

uint32_t bh_load32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static __thread char log_text[65536];
static __thread size_t log_length;

/* Appends; of what does not fit, the end is kept: there the verifier says why. */
static void keep_log(const char *text, size_t size)
{
	size_t half = sizeof(log_text) / 2;
	if (size > half) {
		text += size - half;
		size = half;
	}
	if (log_length + size >= sizeof(log_text)) {
		memmove(log_text, log_text + log_length - half, half);
		log_length = half;
	}
	memcpy(log_text + log_length, text, size);
	log_length += size;
	log_text[log_length] = 0;
}

static int append_log(enum libbpf_print_level level, const char *format, va_list arguments)
{
	va_list again;
	if (level == LIBBPF_DEBUG)
		return 0;
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	char *line = length > 0 ? malloc((size_t)length + 1) : NULL;
	if (!line)
		return 0;
	vsnprintf(line, (size_t)length + 1, format, arguments);
	keep_log(line, (size_t)length);
	free(line);
	return length;
}

void bh_log_start(void)
{
	log_length = 0;
	log_text[0] = 0;
	libbpf_set_print(append_log);
}

const char *bh_log_text(void)
{
	return log_text;
}

/* The part of union bpf_attr for BPF_LINK_CREATE that old headers lack. */
struct link_create {
	uint32_t program;
	uint32_t target;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t family;
	uint32_t hook;
	int32_t priority;
	uint32_t netfilter_flags;
	uint64_t reserved[4];
};

int bh_link_netfilter(int program, uint32_t family, uint32_t hook, int32_t priority, uint32_t flags)
{
	struct link_create attributes = {
		.program = (uint32_t)program,
		.attach_type = BH_ATTACH_NETFILTER,
		.family = family,
		.hook = hook,
		.priority = priority,
		.netfilter_flags = flags,
	};
	long link = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
	return link < 0 ? -errno : (int)link;
}

int bh_load_accepting_program(void)
{
	const struct bpf_insn instructions[] = {
		/* r0 = NF_ACCEPT; exit */
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_prog_load_opts options = {.sz = sizeof(options), .expected_attach_type = (enum bpf_attach_type)BH_ATTACH_NETFILTER};
	int program = bpf_prog_load(BH_PROGRAM_NETFILTER, "accept", "Apache-2.0", instructions, 2, &options);
	return program < 0 ? -errno : program;
}

/* struct bpf_link_info of a netfilter link. */
struct link_info {
	uint32_t type;
	uint32_t id;
	uint32_t program;
	uint32_t reserved;
	uint32_t family;
	uint32_t hook;
	int32_t priority;
	uint32_t flags;
	uint64_t more[4];
};

int bh_link_info(int link, uint32_t *family, uint32_t *hook, int32_t *priority, uint32_t *program)
{
	struct link_info info = {0};
	uint32_t size = sizeof(info);
	if (bpf_obj_get_info_by_fd(link, &info, &size))
		return -errno;
	if (info.type != BH_LINK_TYPE_NETFILTER)
		return -EINVAL;
	*family = info.family;
	*hook = info.hook;
	*priority = info.priority;
	*program = info.program;
	return 0;
}

uint32_t bh_link_number(int link)
{
	struct link_info info = {0};
	uint32_t size = sizeof(info);
	return bpf_obj_get_info_by_fd(link, &info, &size) ? 0 : info.id;
}

/* struct nf_hook_state as BPF_PROG_TEST_RUN takes it: pointers must be NULL. */
struct hook_state {
	uint8_t hook;
	uint8_t family;
	uint8_t reserved[6];
	uint64_t pointers[5];
};

int bh_test_run(
	int program, const void *frame, uint32_t size, uint8_t hook, uint8_t family, uint32_t repeat,
	struct bh_test_result *result)
{
	struct hook_state state = {.hook = hook, .family = family};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = size, .ctx_in = &state,
		.ctx_size_in = sizeof(state), .repeat = (int)repeat);
	int code = bpf_prog_test_run_opts(program, &options);
	if (code)
		return code < 0 ? code : -errno;
	result->verdict = options.retval;
	result->duration_ns = options.duration;
	return 0;
}

int bh_program_info(int program, uint32_t *translated_bytes, uint32_t *verified_instructions)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	if (bpf_obj_get_info_by_fd(program, &info, &size))
		return -errno;
	*translated_bytes = info.xlated_prog_len;
	*verified_instructions = info.verified_insns;
	return 0;
}

int bh_keep_capabilities(uint64_t keep)
{
	/* Without CAP_SETPCAP, as in a container, the bounding set is what it is; what is not permitted stays so. */
	for (int capability = 0; capability < 64; capability++)
		if (!(keep >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) && errno != EINVAL
		    && errno != EPERM)
			return -errno;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
	struct __user_cap_data_struct data[2] = {0};
	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (int half = 0; half < 2; half++) {
		data[half].effective = data[half].permitted & (uint32_t)(keep >> (32 * half));
		data[half].permitted = data[half].effective;
		data[half].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

uint64_t bh_network_namespace(void)
{
	/* SO_NETNS_COOKIE. */
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);
	int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return 0;
	if (getsockopt(descriptor, SOL_SOCKET, 71, &cookie, &size))
		cookie = 0;
	close(descriptor);
	return cookie;
}

int bh_duplicate(int descriptor)
{
	return fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

int bh_open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int bh_is_bpffs(const char *directory)
{
	struct statfs facts;
	if (statfs(directory, &facts))
		return -errno;
	return (unsigned long)facts.f_type == BPF_FS_MAGIC;
}

int bh_enter_private_kernel(const char *directory)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return -errno;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return mount("bpf", directory, "bpf", 0, NULL) ? -errno : 0;
}
