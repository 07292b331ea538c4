/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "model/development.h"

static const char *word_in(const char *first, const char *second, const char *third) {
    char *argv[] = {(char *)(uintptr_t)first, (char *)(uintptr_t)second, (char *)(uintptr_t)third,
                    NULL};
    struct development_finding finding = development_look(argv, NULL);
    assert_true(!finding.word == !finding.advice);
    return finding.word ? finding.word : "";
}

static const char *word_of_variable(const char *variable) {
    char *env[] = {(char *)(uintptr_t) "PATH=/bin", (char *)(uintptr_t)variable, NULL};
    const char *word = development_look(NULL, env).word;
    return word ? word : "";
}

static void test_arguments(void **state) {
    assert_string_equal(word_in("uvicorn", "api:app", "--reload"), "--reload");
    assert_string_equal(word_in("python3", "app.py", "--debug"), "--debug");
    assert_string_equal(word_in("node", "--inspect=0.0.0.0:9229", "a.js"), "--inspect");
    assert_string_equal(word_in("node", "--watch-path=./src", "a.js"), "--watch-path");
    assert_string_equal(word_in("/usr/bin/node", "/usr/local/bin/nodemon", "a.js"), "nodemon");
    assert_string_equal(word_in("watchmedo", "auto-restart", "x"), "watchmedo");
    assert_string_equal(word_in("npx", "ts-node-dev", "a.ts"), "ts-node-dev");
}

static void test_what_is_none(void **state) {
    assert_string_equal(word_in("uvicorn", "api:app", "--reload-dir"), "");
    assert_string_equal(word_in("python3", "watcher.py", "--watchdog"), "");
    assert_string_equal(word_in("/srv/nodemon/app", "reload", "debug"), "");
    assert_null(development_look(NULL, NULL).word);
}

static void test_environment(void **state) {
    assert_string_equal(word_of_variable("FLASK_ENV=development"), "FLASK_ENV=development");
    assert_string_equal(word_of_variable("FLASK_DEBUG=1"), "FLASK_DEBUG=1");
    assert_string_equal(word_of_variable("WERKZEUG_RUN_MAIN=true"), "WERKZEUG_RUN_MAIN=true");
    assert_string_equal(word_of_variable("FLASK_DEBUG=0"), "");
    assert_string_equal(word_of_variable("FLASK_ENV=production"), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
