/* SPDX-License-Identifier: Apache-2.0 */
/* store_test.h - what the tests of the store share: a folder of their own, and waiting for its
 * thread. Tests only. */
#pragma once
#include "base/test.h"
#include "store/store.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[64], path[96];

static int make_folder(void **state) {
    snprintf(folder, sizeof folder, "/tmp/holdfast-store-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/store.db", folder);
    return 0;
}

static int remove_folder(void **state) {
    const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static void note(void *context, int r) {
    *(int *)context = r;
}

static void wait_for(struct store *store, const int *result) {
    for (int i = 0; i < 200 && *result == 99; i++) {
        struct pollfd fd = {.fd = store_fd(store), .events = POLLIN};
        poll(&fd, 1, 50);
        store_collect(store);
    }
    assert_int_not_equal(*result, 99);
}

static int put(struct store *store, struct records *records) {
    int result = 99;
    store_put(store, records, note, &result);
    wait_for(store, &result);
    return result;
}

/* The real thing fails: files of this process may not grow past 64 KiB. */
static int put_on_full_disk(struct store *store, struct records *records) {
    struct rlimit old, low;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 65536;
    setrlimit(RLIMIT_FSIZE, &low);
    int r = put(store, records);
    setrlimit(RLIMIT_FSIZE, &old);
    return r;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
