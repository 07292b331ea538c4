/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/log_ring.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, MAGIC = 0x48464c31 };

struct log_ring_head {
    uint32_t magic;
    uint32_t newest; /* index of the file announced last */
    struct {
        uint64_t inode, start; /* stream offset of the file's first byte */
    } files[2];
    struct log_ring_losses losses;
};

struct log_ring_losses *log_ring_losses(struct log_ring *ring) {
    return &ring->head->losses;
}

int log_ring_open(struct log_ring *ring, const char *path) {
    *ring = (struct log_ring){.fd = -1};
    AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, PAGE_BYTES + LOG_RING_BYTES) < 0)
        return -errno;
    int r = posix_fallocate(fd, 0, PAGE_BYTES); /* a full tmpfs is told here, not by SIGBUS later */
    if (r != 0)
        return -r;
    char *memory =
        mmap(NULL, PAGE_BYTES + LOG_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    ring->head = (struct log_ring_head *)(void *)memory;
    ring->bytes = memory + PAGE_BYTES;
    ring->fd = take_fd(&fd);
    return 0;
}

void log_ring_close(struct log_ring *ring) {
    if (ring->head)
        munmap(ring->head, PAGE_BYTES + LOG_RING_BYTES);
    if (ring->head && ring->fd >= 0)
        close(ring->fd);
    *ring = (struct log_ring){.fd = -1};
}

enum { GIVE_BACK_MS = 50 };

static char *at(const struct log_ring *ring, uint64_t offset) {
    return ring->bytes + offset % LOG_RING_BYTES;
}

/* The writer zeroes what it wrote only after the write: up to LOG_WRITE_BYTES behind `written` may
 * still hold old bytes, so data never reaches into that zone. */
static uint64_t data_limit(uint64_t written) {
    return written + LOG_RING_BYTES - LOG_WRITE_BYTES;
}

/* Whole pages are given back to the kernel, which makes them zero: a quiet service's ring costs no
 * memory. Under load that would cost eight times what the copying does (each page is taken away
 * from all processors and faulted in again), so it is done now and then, and at last when the
 * service is quiet: log_ring_give_back(). One run never wraps. */
static void clear_run(struct log_ring *ring, uint64_t from, size_t size, bool give_back) {
    char *start = at(ring, from), *end = start + size;
    char *page = start + (PAGE_BYTES - (size_t)(start - ring->bytes) % PAGE_BYTES) % PAGE_BYTES;
    char *page_end = end - (size_t)(end - ring->bytes) % PAGE_BYTES;
    if (page >= page_end || !give_back ||
        madvise(page, (size_t)(page_end - page), MADV_REMOVE) < 0) {
        ring->holds_pages = true;
        memset(start, 0, size);
        return;
    }
    memset(start, 0, (size_t)(page - start));
    memset(page_end, 0, (size_t)(end - page_end));
}

static void clear(struct log_ring *ring, uint64_t from, uint64_t to, bool give_back) {
    for (uint64_t o = from; o < to;) {
        size_t run = LOG_RING_BYTES - (size_t)(o % LOG_RING_BYTES);
        if (run > to - o)
            run = (size_t)(to - o);
        clear_run(ring, o, run, give_back);
        o += run;
    }
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
        clear(ring, 0, LOG_RING_BYTES, true);
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
    known = known && pread(ring->fd, copy, LOG_RING_BYTES, PAGE_BYTES) == LOG_RING_BYTES;
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
    clear(ring, last, first + LOG_RING_BYTES, true);
}

void log_ring_announce(struct log_ring *ring, uint64_t inode) {
    uint32_t next = !ring->head->newest;
    ring->head->files[next].start = ring->written;
    ring->head->files[next].inode = inode;
    ring->head->newest = next;
}

size_t log_ring_room(const struct log_ring *ring) {
    return (size_t)(data_limit(atomic_load(&ring->written)) - atomic_load(&ring->received));
}

int log_ring_pieces(struct log_ring *ring, struct iovec pieces[2]) {
    uint64_t from = atomic_load(&ring->received);
    size_t room = log_ring_room(ring);
    size_t first = LOG_RING_BYTES - (size_t)(from % LOG_RING_BYTES);
    if (first > room)
        first = room;
    pieces[0] = (struct iovec){at(ring, from), first};
    pieces[1] = (struct iovec){ring->bytes, room - first};
    return room == 0 ? 0 : room > first ? 2 : 1;
}

void log_ring_received(struct log_ring *ring, size_t bytes) {
    uint64_t from = atomic_load(&ring->received);
    for (uint64_t o = from; o < from + bytes;) {
        size_t run = LOG_RING_BYTES - (size_t)(o % LOG_RING_BYTES);
        if (run > from + bytes - o)
            run = (size_t)(from + bytes - o);
        for (char *p = at(ring, o), *end = p + run; (p = memchr(p, 0, (size_t)(end - p)));)
            *p = ' ';
        o += run;
    }
    atomic_store(&ring->received, from + bytes);
}

void log_ring_put(struct log_ring *ring, struct slice text) {
    must(text.size <= log_ring_room(ring));
    struct iovec pieces[2];
    int count = log_ring_pieces(ring, pieces);
    size_t done = 0;
    for (int i = 0; i < count && done < text.size; i++) {
        size_t size = text.size - done < pieces[i].iov_len ? text.size - done : pieces[i].iov_len;
        memcpy(pieces[i].iov_base, text.data + done, size);
        done += size;
    }
    log_ring_received(ring, text.size);
}

size_t log_ring_peek(const struct log_ring *ring, char *ret) {
    uint64_t from = atomic_load(&ring->written);
    size_t size = (size_t)(atomic_load(&ring->received) - from);
    if (size > LOG_WRITE_BYTES)
        size = LOG_WRITE_BYTES;
    size_t first = LOG_RING_BYTES - (size_t)(from % LOG_RING_BYTES);
    if (first > size)
        first = size;
    memcpy(ret, at(ring, from), first);
    memcpy(ret + first, ring->bytes, size - first);
    return size;
}

void log_ring_written(struct log_ring *ring, size_t bytes) {
    uint64_t from = atomic_load(&ring->written);
    int64_t now = clock_ms();
    bool give_back = now - ring->gave_back_ms >= GIVE_BACK_MS;
    clear(ring, from, from + bytes, give_back);
    ring->gave_back_ms = give_back ? now : ring->gave_back_ms;
    atomic_store(&ring->written, from + bytes);
}

bool log_ring_give_back(struct log_ring *ring) {
    if (!ring->holds_pages)
        return true;
    if (atomic_load(&ring->received) != atomic_load(&ring->written))
        return false;
    ring->holds_pages = false;
    (void)madvise(ring->bytes, LOG_RING_BYTES, MADV_REMOVE);
    return true;
}
