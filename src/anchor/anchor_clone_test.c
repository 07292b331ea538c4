/* SPDX-License-Identifier: Apache-2.0 */
/* Built without sanitizers: what is tested is not there with them. */
#include "anchor/anchor.h"
#include "base/test.h"
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int seen;

static int status_of(pid_t pid) {
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void become_true(void *context) {
    char *argv[] = {(char[]){"true"}, NULL};
    seen = *(int *)context;
    execv("/bin/true", argv);
    _exit(1);
}

/* A frame as deep as that of a real start. */
static void end_with_it(void *context) {
    volatile char room[16 * 1024];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = (char)i;
    seen = room[100];
    _exit(*(int *)context);
}

static void test_it_becomes_another_program_before_we_go_on(void **state) {
    for (int i = 1; i <= 200; i++) {
        pid_t pid = anchor_clone(-1, become_true, &i);
        assert_true(pid > 0);
        assert_int_equal(seen, i); /* it shares our memory until then */
        /* Not its name (comm), which the kernel changes a moment later; -1: it has ended already.
         */
        char path[64], program[256] = {0};
        snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
        if (readlink(path, program, sizeof program - 1) >= 0)
            assert_non_null(strstr(program, "/true"));
        int status = status_of(pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void test_one_that_ends_without_exec(void **state) {
    int code = 42;
    pid_t pid = anchor_clone(-1, end_with_it, &code);
    assert_true(pid > 0);
    assert_int_equal(seen, 100);
    assert_int_equal(WEXITSTATUS(status_of(pid)), 42);
}

static void test_what_is_no_cgroup_is_an_error(void **state) {
    int code = 0;
    errno = 0;
    assert_int_equal(anchor_clone(STDIN_FILENO, end_with_it, &code), -1);
    assert_int_not_equal(errno, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_becomes_another_program_before_we_go_on),
        cmocka_unit_test(test_one_that_ends_without_exec),
        cmocka_unit_test(test_what_is_no_cgroup_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
