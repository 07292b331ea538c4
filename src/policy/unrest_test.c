/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "policy/unrest.h"

static void check(const size_t *counts, size_t count, double spread, const char *text) {
    static const char *const names[] = {"a", "b", "c", "d"};
    struct unrest unrest = unrest_look(counts, count);
    char words[UNREST_TEXT_BYTES];
    assert_true(unrest.spread > spread - 0.01 && unrest.spread < spread + 0.01);
    unrest_text(&unrest, names[unrest.most], "the last hour", words);
    assert_string_equal(words, text);
}

static void test_quiet(void **state) {
    check((size_t[]){0, 0, 0, 0}, 4, 0, "no restart in the last hour");
    check(NULL, 0, 0, "no restart in the last hour");
}

static void test_one_alone(void **state) {
    check((size_t[]){0, 1, 0, 0}, 4, 0, "1 restart in the last hour, all of b");
    check((size_t[]){0, 0, 12, 0}, 4, 0, "12 restarts in the last hour, all of c");
    check((size_t[]){7}, 1, 0, "7 restarts in the last hour, all of a");
}

static void test_some(void **state) {
    check((size_t[]){1, 9, 0, 0}, 4, 0.24,
          "10 restarts in the last hour, of 2 services, most of them of b");
    check((size_t[]){1, 1, 1, 1}, 4, 1, /* too few to say more */
          "4 restarts in the last hour, of 4 services, most of them of a");
}

static void test_all_alike(void **state) {
    check((size_t[]){3, 3, 3, 3}, 4, 1,
          "12 restarts in the last hour, of 4 services alike: look at the machine");
    check((size_t[]){3, 2, 4, 0}, 4, 0.856,
          "9 restarts in the last hour, of 3 services alike: look at the machine");
}

/* Three of ten: something that they share, but not the machine. */
static void test_a_few_of_many(void **state) {
    check((size_t[]){4, 4, 4, 0, 0, 0, 0, 0, 0, 0}, 10, 0.74,
          "12 restarts in the last hour, of 3 services, most of them of a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet), cmocka_unit_test(test_one_alone), cmocka_unit_test(test_some),
        cmocka_unit_test(test_all_alike), cmocka_unit_test(test_a_few_of_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
