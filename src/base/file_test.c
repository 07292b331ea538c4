/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/test.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_replace_is_whole(void **state) {
    char folder[] = "/tmp/holdfast-file-XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO_FREE char *deep = path_join(folder, "a/b");
    assert_int_equal(folder_make(deep, 0700), 0);
    assert_int_equal(folder_make(deep, 0700), 0);
    AUTO_FREE char *path = path_join(deep, "x");
    assert_int_equal(file_replace(path, slice_of("first"), 0600), 0);
    assert_int_equal(file_replace(path, slice_of("2"), 0600), 0);
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    assert_int_equal(file_read(path, 100, &text, &size), 0);
    assert_string_equal(text, "2");
    assert_int_equal(size, 1);
    AUTO_FREE char *more = NULL;
    assert_int_equal(file_replace(path, slice_of("four"), 0600), 0);
    assert_int_equal(file_read(path, 3, &more, NULL), -EFBIG);
    AUTO_FREE char *temp = text_format("%s.new", path);
    assert_int_equal(access(temp, F_OK), -1);
    /* A folder where the file should be: an error, and no rest left behind. */
    assert_int_equal(file_replace(deep, slice_of("x"), 0600), -EISDIR);
    assert_int_equal(folder_make(path, 0700), -ENOTDIR);
    unlink(path);
    rmdir(deep);
    AUTO_FREE char *middle = path_join(folder, "a");
    rmdir(middle);
    assert_int_equal(rmdir(folder), 0);
}

static void check_normal(const char *path, const char *expected) {
    AUTO_FREE char *normal = path_normal(path);
    assert_string_equal(normal, expected);
}

static void test_normal_paths(void **state) {
    check_normal("/a/./b//c", "/a/b/c");
    check_normal("/a/b/../../c/", "/c");
    check_normal("/../..", "/");
    check_normal("/a..b/...", "/a..b/...");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replace_is_whole),
                                       cmocka_unit_test(test_normal_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
