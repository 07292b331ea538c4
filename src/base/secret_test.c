/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"
#include "base/test.h"

static void check(const char *input, const char *expected) {
    AUTO_FREE char *text = text_copy(input);
    secret_mask(text, strlen(text));
    assert_string_equal(text, expected);
}

static void test_bot_tokens(void **state) {
    check("GET /bot123456:AAbbCCddEEffGGhhIIjjKKllMMnnOO/x",
          "GET /bot*************************************/x");
    check("123456:short 12:34:56", "123456:short 12:34:56");
    check("12345:AAbbCCddEEffGGhhIIjjKKllMMnnOO", "12345:AAbbCCddEEffGGhhIIjjKKllMMnnOO");
    check("", "");
    check(":::", ":::");
}

static void test_registered_values(void **state) {
    secret_register("hunter2hunter2");
    secret_register("abc"); /* too short to be masked */
    secret_register(NULL);
    check("abc hunter2hunter2hunter2hunter2", "abc ****************************");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bot_tokens),
                                       cmocka_unit_test(test_registered_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
