/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Stores that publish: everything written before is visible to a reader that sees the new value. */
void bh_store32(uint32_t *word, uint32_t value);
void bh_store64(void *pair, uint64_t value);
uint32_t bh_load32(const uint32_t *word);

/* Records the messages of libbpf and the verifier, up to the last 64 KiB, for the error of the failing call. */
void bh_log_start(void);
/* The text since bh_log_start, NUL-terminated; valid until the next call of either on this thread. */
const char *bh_log_text(void);

/* Attaches a BPF_PROG_TYPE_NETFILTER program (bpf(BPF_LINK_CREATE)). Returns the link's descriptor or -errno. */
int bh_link_netfilter(int program, uint32_t family, uint32_t hook, int32_t priority, uint32_t flags);
/* Loads a BPF_PROG_TYPE_NETFILTER program that accepts every packet. Its descriptor or -errno. */
int bh_load_accepting_program(void);
/* Priority of a netfilter link. 0 or -errno. */
int bh_link_info(int link, uint32_t *family, uint32_t *hook, int32_t *priority, uint32_t *program);

/* The kernel's number of a link; 0 if it cannot be read. */
uint32_t bh_link_number(int link);

struct bh_test_result {
	uint32_t verdict;
	uint32_t duration_ns;
};
/* Runs a netfilter program `repeat` times over an Ethernet frame, as at a hook. 0 or -errno. */
int bh_test_run(
	int program, const void *frame, uint32_t size, uint8_t hook, uint8_t family, uint32_t repeat,
	struct bh_test_result *result);

/* Facts of a loaded program: instructions after the verifier, time spent loading it, verified instructions. */
int bh_program_info(int program, uint32_t *translated_bytes, uint32_t *verified_instructions);

/*
 * Drops every capability except those in `keep` (bits of CAP_*) from this thread and its bounding set. It gains none that
 * it does not have. 0 or -errno.
 */
int bh_keep_capabilities(uint64_t keep);

/* Identifies the calling thread's network namespace until the machine starts again. 0 if unknown. */
uint64_t bh_network_namespace(void);

int bh_duplicate(int descriptor);
int bh_open_directory(const char *path);
/* 1 if the directory is on a BPF file system, 0 if not, or -errno. */
int bh_is_bpffs(const char *directory);

/*
 * Moves the calling thread into a new network and mount namespace and mounts a BPF file system there at `directory`; all
 * of it disappears when the thread ends. For tests and benchmarks. 0 or -errno.
 */
int bh_enter_private_kernel(const char *directory);

/* Reads a BPF ring buffer of `size` bytes. NULL: see errno. */
struct bh_ring;
struct bh_ring *bh_ring_open(int map, size_t size);
void bh_ring_close(struct bh_ring *ring);
/* Copies the next record of exactly `size` bytes and skips others. 1, or 0 if there is none. */
int bh_ring_next(struct bh_ring *ring, void *record, size_t size);
