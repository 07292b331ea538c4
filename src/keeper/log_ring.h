/* SPDX-License-Identifier: Apache-2.0 */
/* log_ring.h - what a service printed and the disk does not have yet: a bounded ring in shared
 * memory on tmpfs, which outlives the keeper.
 *
 * Filled by the loop's thread, emptied by the writer thread. The ring is zero ahead of the data,
 * and the size of the log file says what was written: so a keeper that comes after a kill -9 knows
 * both ends without a counter that could lie. NUL bytes of a service become blanks for that. */
#pragma once
#include "base/common.h"
#include <stdatomic.h>

enum {
    LOG_RING_BYTES = 1024 * 1024,    /* of memory under full load; a quiet service has none */
    LOG_RING_KEPT_BYTES = 32 * 1024, /* nearly none: so much may stay of a little that was said */
    LOG_WRITE_BYTES = 64 * 1024,     /* at most in one write; a longer line is cut there */
};
struct log_ring_head; /* one page, shared */

struct log_ring {
    struct log_ring_head *head;
    char *bytes;               /* mapped twice in a row: what wraps is in one piece too */
    int fd;                    /* until bound; else -1 */
    _Atomic uint64_t received; /* offsets in the stream of this ring; index = offset % size */
    _Atomic uint64_t written;
    size_t touched; /* bytes since its pages were given back; the loop's */
    int64_t gave_back_ms;
};
/* Maps the ring file, making it if needed. After this: log_ring_bind(). */
MUST_CHECK int log_ring_open(struct log_ring *ring, const char *path);
void log_ring_close(struct log_ring *ring);

/* Says which log file the stream goes on in: finds where it stood when the inode is known, else
 * starts anew with an empty ring. */
void log_ring_bind(struct log_ring *ring, uint64_t inode, uint64_t file_bytes);
/* Before a rotation: the file with inode `next` will begin at `written`; that with `now` stays
 * known, for a kill before the names change. */
void log_ring_announce(struct log_ring *ring, uint64_t now, uint64_t next);

/* Bytes that had to be dropped: all of them, and those not yet said in the log. They outlive the
 * keeper like the ring itself; the loop's thread alone uses them. */
struct log_ring_losses {
    int64_t all, unsaid;
};
struct log_ring_losses *log_ring_losses(struct log_ring *ring);

/* Reader's side: where log_ring_room() bytes are free; then what was put there becomes visible. */
size_t log_ring_room(const struct log_ring *ring);
char *log_ring_space(const struct log_ring *ring);
void log_ring_received(struct log_ring *ring, size_t bytes);
/* `text` must fit the room. False: the run folder has no memory for it. */
MUST_CHECK bool log_ring_put(struct log_ring *ring, struct slice text);
/* The same side: an empty ring costs no memory after it. False: it is not empty. */
bool log_ring_give_back(struct log_ring *ring);

/* Writer's side: up to LOG_WRITE_BYTES at *ret, to be changed in place, not yet taken. */
size_t log_ring_peek(const struct log_ring *ring, char **ret);
void log_ring_written(struct log_ring *ring, size_t bytes);
