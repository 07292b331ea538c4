/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h - what a store needs of a database. Called by one thread at a time. All return 0 or
 * -errno; open also the outcomes of store.h with a sentence in ret_error. */
#pragma once
#include "store/store.h"

struct store_backend {
    int (*open)(struct store_backend *backend, const char *path, struct buffer *ret_error);
    int (*load)(struct store_backend *backend,
                void (*each)(void *context, const struct record *record), void *context);
    int (*begin)(struct store_backend *backend);
    int (*apply)(struct store_backend *backend, const struct record *record);
    int (*commit)(struct store_backend *backend);
    /* After commits: whatever housekeeping is due. is_idle: nothing waits just now. */
    void (*tidy)(struct store_backend *backend, bool is_idle);
    /* Adds copies to *ret_list (the caller deinits and frees). */
    int (*find)(struct store_backend *backend, const struct store_query *query,
                struct alert **ret_list, size_t *ret_count);
    void (*close)(struct store_backend *backend); /* also in the middle of a transaction */
    void (*free)(struct store_backend *backend);  /* closed */
};
