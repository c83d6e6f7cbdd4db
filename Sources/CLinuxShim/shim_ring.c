/* SPDX-License-Identifier: Apache-2.0 */
#include "CLinuxShim.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct bh_ring {
	unsigned long *consumer;
	unsigned long *producer;
	unsigned char *data;
	size_t size;
	size_t page;
};

struct bh_ring *bh_ring_open(int map, size_t size)
{
	struct bh_ring *ring = calloc(1, sizeof(*ring));
	if (!ring)
		return NULL;
	ring->size = size;
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	void *consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	/* The kernel maps the data twice in a row, so that no record is in two pieces. */
	void *producer = mmap(NULL, ring->page + 2 * size, PROT_READ, MAP_SHARED, map, (off_t)ring->page);
	if (consumer == MAP_FAILED || producer == MAP_FAILED) {
		int code = errno;
		if (consumer != MAP_FAILED)
			munmap(consumer, ring->page);
		if (producer != MAP_FAILED)
			munmap(producer, ring->page + 2 * size);
		free(ring);
		errno = code;
		return NULL;
	}
	ring->consumer = consumer;
	ring->producer = producer;
	ring->data = (unsigned char *)producer + ring->page;
	return ring;
}

void bh_ring_close(struct bh_ring *ring)
{
	if (!ring)
		return;
	munmap(ring->consumer, ring->page);
	munmap(ring->producer, ring->page + 2 * ring->size);
	free(ring);
}

int bh_ring_next(struct bh_ring *ring, void *record, size_t size)
{
	unsigned long at = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
	while (at < __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE)) {
		unsigned char *header = ring->data + (at & (ring->size - 1));
		uint32_t word = __atomic_load_n((uint32_t *)header, __ATOMIC_ACQUIRE);
		if (word & BPF_RINGBUF_BUSY_BIT)
			return 0;
		uint32_t length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		int wanted = !(word & BPF_RINGBUF_DISCARD_BIT) && length == size;
		if (wanted)
			memcpy(record, header + BPF_RINGBUF_HDR_SZ, size);
		at += (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
		if (wanted)
			return 1;
	}
	return 0;
}
