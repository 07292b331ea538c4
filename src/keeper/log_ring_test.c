/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "keeper/log_ring.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], ring_path[96], file_path[96];
static struct log_ring ring;
static int file_fd;

static int setup(void **state) {
    snprintf(folder, sizeof folder, "/tmp/holdfast-ring-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(ring_path, sizeof ring_path, "%s/ring", folder);
    snprintf(file_path, sizeof file_path, "%s/log", folder);
    file_fd = open(file_path, O_RDWR | O_CREAT | O_APPEND, 0600);
    assert_true(file_fd >= 0);
    return 0;
}

static int teardown(void **state) {
    log_ring_close(&ring);
    close(file_fd);
    unlink(ring_path);
    unlink(file_path);
    return rmdir(folder);
}

/* As the next keeper would find it: nothing but the ring file and the log file. */
static void reopen(void) {
    struct stat found;
    log_ring_close(&ring);
    assert_int_equal(log_ring_open(&ring, ring_path), 0);
    assert_int_equal(fstat(file_fd, &found), 0);
    log_ring_bind(&ring, (uint64_t)found.st_ino, (uint64_t)found.st_size);
}

static void write_some(size_t bytes, bool kill_before_clear) {
    char *chunk = NULL;
    size_t have = log_ring_peek(&ring, &chunk);
    size_t size = have < bytes ? have : bytes;
    assert_int_equal(write(file_fd, chunk, size), size);
    if (!kill_before_clear)
        log_ring_written(&ring, size);
}

static uint32_t seed;
static uint32_t chance(uint32_t limit) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

/* Puts a counted stream through, with a kill at any step; what reaches the file must be the stream.
 */
static void test_no_byte_is_lost_or_doubled_by_kills(void **state) {
    seed = 7;
    reopen();
    uint64_t put = 0;
    for (int turn = 0; turn < 3000; turn++) {
        char bytes[6000];
        size_t size = chance(sizeof bytes) + 1;
        if (size > log_ring_room(&ring))
            size = log_ring_room(&ring);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)('!' + (put + i) * 31 % 90);
        assert_true(log_ring_put(&ring, (struct slice){bytes, size}));
        put += size;
        bool killed = chance(10) == 0;
        write_some(chance(2 * LOG_WRITE_BYTES), killed);
        if (killed || chance(20) == 0)
            reopen();
        else if (chance(10) == 0)
            (void)log_ring_give_back(&ring);
    }
    while (log_ring_room(&ring) < LOG_RING_BYTES - LOG_WRITE_BYTES)
        write_some(LOG_WRITE_BYTES, false);
    struct stat found;
    assert_int_equal(fstat(file_fd, &found), 0);
    assert_int_equal(found.st_size, put);
    for (uint64_t at = 0; at < put;) {
        char bytes[65536];
        ssize_t n = pread(file_fd, bytes, sizeof bytes, (off_t)at);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            if (bytes[i] != (char)('!' + (at + (uint64_t)i) * 31 % 90))
                fail_msg("byte %llu differs", (unsigned long long)(at + (uint64_t)i));
        at += (uint64_t)n;
    }
}

static int64_t ring_blocks(void) {
    struct stat found;
    assert_int_equal(stat(ring_path, &found), 0);
    return found.st_blocks;
}

/* A burst leaves its pages; once the ring is empty they are given back. */
static void test_an_empty_ring_costs_no_memory(void **state) {
    static char burst[LOG_WRITE_BYTES];
    memset(burst, 'x', sizeof burst);
    reopen();
    for (int i = 0; i < 20; i++) {
        assert_true(log_ring_put(&ring, (struct slice){burst, sizeof burst}));
        if (i < 19)
            write_some(sizeof burst, false);
    }
    assert_false(log_ring_give_back(&ring)); /* not empty */
    assert_true(ring_blocks() >= LOG_RING_BYTES / 512);
    write_some(sizeof burst, false);
    assert_true(log_ring_give_back(&ring));
    assert_true(ring_blocks() <= 16);
    assert_true(log_ring_put(&ring, slice_of("more\n")));
    char *chunk = NULL;
    assert_int_equal(log_ring_peek(&ring, &chunk), 5);
}

static void test_nul_becomes_a_blank(void **state) {
    reopen();
    assert_true(log_ring_put(&ring, (struct slice){"a\0b\n", 4}));
    char *chunk = NULL;
    assert_int_equal(log_ring_peek(&ring, &chunk), 4);
    assert_memory_equal(chunk, "a b\n", 4);
}

static uint64_t inode_of_file(void) {
    struct stat found;
    assert_int_equal(fstat(file_fd, &found), 0);
    return (uint64_t)found.st_ino;
}

/* Killed in two rotations one after the other, each time before a name changed: the stream goes on
 * in the old file. */
static void test_two_rotations_that_came_to_nothing(void **state) {
    reopen();
    assert_true(log_ring_put(&ring, slice_of("first\nsecond\n")));
    write_some(6, false);
    for (int i = 0; i < 2; i++) {
        log_ring_announce(&ring, inode_of_file(), 123456789);
        reopen();
        char *chunk = NULL;
        assert_int_equal(log_ring_peek(&ring, &chunk), 7);
        assert_memory_equal(chunk, "second\n", 7);
    }
}

static void test_strange_file_starts_anew(void **state) {
    reopen();
    assert_true(log_ring_put(&ring, slice_of("old\n")));
    close(file_fd);
    /* The old name goes on existing, so that its inode is not used again. */
    AUTO_FREE char *kept = text_format("%s.kept", file_path);
    assert_int_equal(rename(file_path, kept), 0);
    file_fd = open(file_path, O_RDWR | O_CREAT | O_APPEND, 0600);
    assert_int_equal(write(file_fd, "xyz\n", 4), 4);
    reopen();
    unlink(kept);
    char *chunk = NULL;
    assert_int_equal(log_ring_peek(&ring, &chunk), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_no_byte_is_lost_or_doubled_by_kills), TEST(test_an_empty_ring_costs_no_memory),
        TEST(test_nul_becomes_a_blank), TEST(test_two_rotations_that_came_to_nothing),
        TEST(test_strange_file_starts_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
