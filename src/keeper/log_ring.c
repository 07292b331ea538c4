/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log_ring.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The head has room for the largest pages that a kernel may have. */
enum { HEAD_BYTES = 64 * 1024, MAGIC = 0x48464c32, MAPPED_BYTES = HEAD_BYTES + 2 * LOG_RING_BYTES };

struct log_ring_head {
    uint32_t magic;
    struct {
        uint64_t inode, start; /* stream offset of the file's first byte */
    } files[2];
    struct log_ring_losses losses;
};

struct log_ring_losses *log_ring_losses(struct log_ring *ring) {
    return &ring->head->losses;
}

/* The head, the data, and the data once more right behind it. */
static char *map_twice(int fd) {
    char *memory = mmap(NULL, MAPPED_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    char *again = memory + HEAD_BYTES + LOG_RING_BYTES;
    int rights = PROT_READ | PROT_WRITE, how = MAP_SHARED | MAP_FIXED;
    if (mmap(memory, HEAD_BYTES + LOG_RING_BYTES, rights, how, fd, 0) != MAP_FAILED &&
        mmap(again, LOG_RING_BYTES, rights, how, fd, HEAD_BYTES) != MAP_FAILED)
        return memory;
    int error = errno;
    munmap(memory, MAPPED_BYTES);
    errno = error;
    return NULL;
}

int log_ring_open(struct log_ring *ring, const char *path) {
    *ring = (struct log_ring){.fd = -1};
    AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, HEAD_BYTES + LOG_RING_BYTES) < 0)
        return -errno;
    int r = posix_fallocate(
        fd, 0, (off_t)sizeof *ring->head); /* a full tmpfs is told here, not by SIGBUS later */
    if (r != 0)
        return -r;
    char *memory = map_twice(fd);
    if (!memory)
        return -errno;
    ring->head = (struct log_ring_head *)(void *)memory;
    ring->bytes = memory + HEAD_BYTES;
    ring->fd = take_fd(&fd);
    return 0;
}

void log_ring_close(struct log_ring *ring) {
    if (ring->head)
        munmap(ring->head, MAPPED_BYTES);
    if (ring->head && ring->fd >= 0)
        close(ring->fd);
    *ring = (struct log_ring){.fd = -1};
}

static char *at(const struct log_ring *ring, uint64_t offset) {
    return ring->bytes + offset % LOG_RING_BYTES;
}

/* The writer zeroes what it wrote only after the write: up to LOG_WRITE_BYTES behind `written` may
 * still hold old bytes, so data never reaches into that zone. */
static uint64_t data_limit(uint64_t written) {
    return written + LOG_RING_BYTES - LOG_WRITE_BYTES;
}

static char *page_before(const struct log_ring *ring, const char *place) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return ring->bytes + (size_t)(place - ring->bytes) / page * page;
}

/* Whole pages are taken back by the kernel, which makes them zero. */
static void give_pages(struct log_ring *ring, uint64_t from, size_t size) {
    char *start = at(ring, from), *end = start + size;
    char *page = page_before(ring, start + sysconf(_SC_PAGESIZE) - 1);
    char *page_end = page_before(ring, end);
    if (page >= page_end || madvise(page, (size_t)(page_end - page), MADV_REMOVE) < 0) {
        memset(start, 0, size);
        return;
    }
    memset(start, 0, (size_t)(page - start));
    memset(page_end, 0, (size_t)(end - page_end));
}

/* A page that the run folder has no room for would end us when it is touched (SIGBUS). */
static bool has_pages(const struct log_ring *ring, char *start, size_t size) {
    char *page = page_before(ring, start);
    return madvise(page, (size_t)(start + size - page), MADV_POPULATE_WRITE) == 0 ||
           errno == EINVAL;
}

static bool known_start(const struct log_ring *ring, uint64_t inode, uint64_t *ret) {
    for (int i = 0; ring->head->magic == MAGIC && i < 2; i++) {
        if (ring->head->files[i].inode == inode) {
            *ret = ring->head->files[i].start;
            return true;
        }
    }
    return false;
}

static void start_anew(struct log_ring *ring, uint64_t inode, uint64_t file_bytes) {
    if (ring->head->magic) /* else it was just made */
        give_pages(ring, 0, LOG_RING_BYTES);
    *ring->head = (struct log_ring_head){.magic = MAGIC};
    ring->head->files[0].inode = inode;
    ring->head->files[0].start = LOG_RING_BYTES; /* so that no offset is ever negative */
    ring->received = ring->written = LOG_RING_BYTES + file_bytes;
}

/* Looks for the data in a copy: reading through the mapping would give each page memory. */
void log_ring_bind(struct log_ring *ring, uint64_t inode, uint64_t file_bytes) {
    uint64_t start = 0;
    bool known = known_start(ring, inode, &start);
    AUTO_FREE char *copy = known ? memory_new(LOG_RING_BYTES) : NULL;
    known = known && pread(ring->fd, copy, LOG_RING_BYTES, HEAD_BYTES) == LOG_RING_BYTES;
    close(take_fd(&ring->fd));
    if (!known) {
        start_anew(ring, inode, file_bytes);
        return;
    }
    uint64_t written = start + file_bytes, last = data_limit(written);
    while (last > written && copy[(last - 1) % LOG_RING_BYTES] == 0)
        last--;
    /* Zeros before data: the file was cut from outside. They are no text; start at the text. */
    uint64_t first = written;
    while (first < last && copy[first % LOG_RING_BYTES] == 0)
        first++;
    for (int i = 0; i < 2; i++)
        ring->head->files[i].start += first - written;
    for (uint64_t o = first; o < last; o++)
        if (copy[o % LOG_RING_BYTES] == 0)
            *at(ring, o) = ' ';
    ring->written = first;
    ring->received = last;
    ring->touched = (size_t)(last - first);
    give_pages(ring, last, (size_t)(first + LOG_RING_BYTES - last));
}

void log_ring_announce(struct log_ring *ring, uint64_t now, uint64_t next) {
    size_t place = ring->head->files[0].inode == now;
    ring->head->files[place].inode = 0; /* never a known file with a wrong start */
    atomic_signal_fence(memory_order_seq_cst);
    ring->head->files[place].start = ring->written;
    atomic_signal_fence(memory_order_seq_cst);
    ring->head->files[place].inode = next;
}

size_t log_ring_room(const struct log_ring *ring) {
    return (size_t)(data_limit(atomic_load(&ring->written)) - atomic_load(&ring->received));
}

char *log_ring_space(const struct log_ring *ring) {
    return at(ring, atomic_load(&ring->received));
}

void log_ring_received(struct log_ring *ring, size_t bytes) {
    char *start = log_ring_space(ring), *end = start + bytes;
    for (char *p = start; (p = memchr(p, 0, (size_t)(end - p)));)
        *p = ' ';
    ring->touched += bytes;
    atomic_fetch_add(&ring->received, bytes);
}

bool log_ring_put(struct log_ring *ring, struct slice text) {
    must(text.size <= log_ring_room(ring));
    if (!has_pages(ring, log_ring_space(ring), text.size))
        return false;
    memcpy(log_ring_space(ring), text.data, text.size);
    log_ring_received(ring, text.size);
    return true;
}

size_t log_ring_peek(const struct log_ring *ring, char **ret) {
    uint64_t from = atomic_load(&ring->written);
    size_t size = (size_t)(atomic_load(&ring->received) - from);
    *ret = at(ring, from);
    return size < LOG_WRITE_BYTES ? size : LOG_WRITE_BYTES;
}

/* Giving pages back here would cost eight times what the copying does: each is taken away from all
 * processors and faulted in again. */
void log_ring_written(struct log_ring *ring, size_t bytes) {
    memset(at(ring, atomic_load(&ring->written)), 0, bytes);
    atomic_fetch_add(&ring->written, bytes);
}

bool log_ring_give_back(struct log_ring *ring) {
    if (!ring->touched)
        return true;
    if (atomic_load(&ring->received) != atomic_load(&ring->written))
        return false;
    ring->touched = 0;
    ring->gave_back_ms = clock_ms();
    give_pages(ring, 0, LOG_RING_BYTES);
    return true;
}
