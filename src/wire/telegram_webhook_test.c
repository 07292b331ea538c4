/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "model/telegram.h"
#include "wire/telegram_webhook.h"

static const char *check(const char *url, const char *secret, int64_t connections) {
    return telegram_webhook_check(&(struct telegram_webhook){
        .url = (char *)url, .secret = (char *)secret, .max_connections = connections});
}

static void test_where_it_may_lead(void **state) {
    static const char *const good[] = {
        "http://127.0.0.1:3000/hook", "http://localhost/x?y=1", "HTTP://LOCALHOST",
        "http://[::1]:80/",           "http://bot:8080/",       "http://10.0.0.7/",
        "http://172.31.0.1/",         "http://192.168.1.5/",    "http://[fd00::1]/",
        "http://bot.internal/",       "https://example.org/",   "https://203.0.113.7:8443/x"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (check(good[i], NULL, 40))
            fail_msg("%s: %s", good[i], check(good[i], NULL, 40));
    static const char *const bad[][2] = {
        {"http://example.org/", "HTTPS URL must be provided"},
        {"http://172.32.0.1/", "HTTPS URL must be provided"},
        {"http://203.0.113.7/", "HTTPS URL must be provided"},
        {"http://[2001:db8::1]/", "HTTPS URL must be provided"},
        {"http://10.0.0.1.example.org/", "HTTPS URL must be provided"},
        {"http://localhost@example.org/", "user name"},
        {"http://", "no host"},
        {"http:///path", "no host"},
        {"http://127.0.0.1/a b", "space"},
        {"http://127.0.0.1/\n", "space"},
        {"ftp://127.0.0.1/", "must begin with https://"},
        {"", "must begin with https://"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *said = check(bad[i][0], NULL, 40);
        if (!said || !strstr(said, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], said ? said : "taken");
    }
    char longest[3000] = "https://example.org/";
    memset(longest + strlen(longest), 'x', 2900);
    assert_non_null(strstr(check(longest, NULL, 40), "longer than 2048"));
}

static void test_secret_and_connections(void **state) {
    char long_secret[300] = {0};
    memset(long_secret, 'x', 256);
    assert_null(check("http://bot/", "A-z_09", 1));
    assert_null(check("http://bot/", long_secret, 100));
    long_secret[256] = 'x';
    assert_non_null(strstr(check("http://bot/", long_secret, 40), "secret token"));
    assert_non_null(strstr(check("http://bot/", "a b", 40), "secret token"));
    assert_non_null(strstr(check("http://bot/", NULL, 0), "from 1 to 100"));
    assert_non_null(strstr(check("http://bot/", NULL, 101), "from 1 to 100"));
}

static void test_on_disk_and_back(void **state) {
    struct telegram_webhook here = {.url = (char *)"http://bot/\"x\"",
                                    .secret = (char *)"s3",
                                    .max_connections = 7,
                                    .kinds = telegram_kind_bit(slice_of("callback_query"))};
    struct telegram_webhook back;
    AUTO_BUFFER struct buffer json = {0};
    telegram_webhook_add(&here, &json);
    assert_true(telegram_webhook_read(buffer_slice(&json), &back));
    assert_string_equal(back.url, here.url);
    assert_string_equal(back.secret, here.secret);
    assert_int_equal(back.max_connections, 7);
    assert_true(back.kinds == here.kinds);
    telegram_webhook_deinit(&back);
    static const char *const broken[] = {"",
                                         "{}",
                                         "{\"url\":\"http://bot/\"",
                                         "[]",
                                         "{\"url\":\"nowhere\",\"max_connections\":40}",
                                         "{\"url\":\"http://bot/\",\"max_connections\":400}"};
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        assert_false(telegram_webhook_read(slice_of(broken[i]), &back));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_where_it_may_lead),
                                       cmocka_unit_test(test_secret_and_connections),
                                       cmocka_unit_test(test_on_disk_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
