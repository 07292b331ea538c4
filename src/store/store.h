/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what a program must not forget, written by one thread of its own with group commit: it
 * takes all that waits, commits it as one, and tells each caller. The caller's loop never waits.
 *
 *   store_put() -> the store's thread: commit -> store_fd() readable -> store_collect() -> done()
 *
 * Jobs are committed in the order of their store_put(). A failed commit fails every job of its
 * group as one. After a failed fsync nobody knows whether the group is on disk: it may come back
 * whole at the next open. So the file is closed and opened anew before the next commit, which is
 * tried after 0.1 to 5 s; what is put until then fails at once with the same error. When another
 * program has locked the file meanwhile, each job waits up to 30 s for it, then fails with -EBUSY.
 */
#pragma once
#include "base/buffer.h"
#include "model/record.h"

enum { STORE_CORRUPT = 1, STORE_NEWER, STORE_BUSY }; /* ways in which a store cannot be opened */

struct store;
struct store_backend; /* where to: store/backend.h */
/* r: 0 the records are on disk, -errno (-ENOSPC: full; record_unkept_why()) they are not. On the
 * loop's thread. */
typedef void store_done(void *context, int r);

/* What to look for among alerts. */
struct store_query {
    int64_t id;     /* 0: any */
    int state;      /* enum alert_state, -1: any */
    int64_t before; /* id; 0: from the newest on */
    uint32_t limit;
    bool queue; /* instead: the waiting ones of `priority` behind `after`, in the order they go */
    const char *way; /* NULL: Telegram; borrowed until the answer */
    enum alert_priority priority;
    struct alert_place after;
};
/* `alerts` is borrowed. r < 0: the store cannot be read now. */
typedef void store_found(void *context, int r, const struct alert *alerts, size_t count);

struct store_figures {
    uint64_t commits, records, failures;
    int last_error;         /* -errno of the last commit, 0 when it worked */
    size_t waiting;         /* records handed over and not yet told of */
    int64_t commit_ms_last; /* how long the last one took */
};
/* Loads every state record into `each` (which takes nothing: the record is borrowed), then starts
 * the thread. On error `ret_error` is one sentence with the next step. Takes the backend. */
MUST_CHECK int store_open(struct store_backend *backend, const char *path,
                          void (*each)(void *context, const struct record *record), void *context,
                          struct store **ret, struct buffer *ret_error);
/* Commits what waits, ends the thread; callbacks not yet collected are dropped. NULL is fine. */
struct store *store_close(struct store *store);
int store_fd(const struct store *store); /* readable: call store_collect() */
void store_collect(struct store *store);
/* Takes the content of `records` and leaves it empty. No records are fine: done() comes in turn.
 * `done` may be NULL. */
void store_put(struct store *store, struct records *records, store_done *done, void *context);
void store_find_alerts(struct store *store, const struct store_query *query, store_found *found,
                       void *context);
void store_figures(struct store *store, struct store_figures *ret);
