/* SPDX-License-Identifier: Apache-2.0 */
#include "mimic/telegram_test.h"

/* The ids in an answer to getUpdates with these parameters, compared with "+0,+1" relative to
 * base. */
static void gets(struct world *world, const char *params, int64_t base, const char *wanted) {
    json_t *list = result(world, "getUpdates", params), *update;
    AUTO_BUFFER struct buffer ids = {0};
    size_t i;
    buffer_add_text(&ids, "");
    json_array_foreach(list, i, update) {
        buffer_print(&ids, "%s+%lld", i ? "," : "",
                     (long long)(number(update, "update_id") - base));
    }
    assert_string_equal(ids.size ? ids.data : "", wanted);
    json_decref(list);
    world->now += 10000; /* so that damping does not disturb */
}

static void gets_at(struct world *world, int64_t offset, int64_t base, const char *wanted) {
    AUTO_FREE char *params = text_format("{\"offset\":%lld}", (long long)offset);
    gets(world, params, base, wanted);
}

static void test_offset(void **state) {
    struct world *world = *state;
    int64_t first = say(world, "a");
    for (int i = 0; i < 4; i++)
        say(world, "b");
    gets(world, "{}", first, "+0,+1,+2,+3,+4");
    gets_at(world, 0, first, "+0,+1,+2,+3,+4");
    gets_at(world, first + 2, first, "+2,+3,+4");
    gets(world, "{}", first, "+2,+3,+4"); /* the confirmed ones are gone */
    gets_at(world, first, first, "+2,+3,+4");
    gets_at(world, -2, first, "+3,+4");
    gets(world, "{}", first, "+3,+4"); /* a negative offset drops the older ones */
    gets_at(world, -1000, first, "+3,+4");
    gets_at(world, first + 5, first, "");
    gets(world, "{}", first, "");
}

static void test_impossible_offset_is_the_head(void **state) {
    struct world *world = *state;
    int64_t first = say(world, "a");
    gets_at(world, first + 12, first, "+0");      /* more than 10 beyond the end */
    gets_at(world, first - 3000000, first, "+0"); /* far behind */
    gets(world, "{\"offset\":\"nonsense\"}", first, "+0");
    gets_at(world, first + 11, first, ""); /* up to 10 ahead is believed */
}

static void test_limit(void **state) {
    struct world *world = *state;
    int64_t first = say(world, "a");
    for (int i = 0; i < 104; i++)
        say(world, "b");
    gets(world, "{\"limit\":2}", first, "+0,+1");
    gets(world, "{\"limit\":\"2\"}", first, "+0,+1"); /* numbers as text */
    gets(world, "{\"limit\":0}", first, "+0");
    json_t *list = result(world, "getUpdates", "{\"limit\":1000}");
    assert_int_equal(json_array_size(list), 100);
    json_decref(list);
}

static void test_parked_poll_is_woken(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":30}");
    nothing_due(world);
    assert_int_equal(telegram_deadline(world->telegram), world->now + 30000);
    world->now += 1000;
    say(world, "hi");
    nothing_due(world); /* what comes within 2 ms goes together */
    assert_int_equal(telegram_deadline(world->telegram), world->now + 2);
    say(world, "ho");
    world->now += 2;
    struct telegram_answer answer = taken(world, poll);
    assert_non_null(strstr(answer.body, "\"text\":\"hi\""));
    assert_non_null(strstr(answer.body, "\"text\":\"ho\""));
    telegram_answer_deinit(&answer);
    assert_int_equal(telegram_deadline(world->telegram), INT64_MAX);
}

static void test_timeout_is_at_most_50(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":3600}");
    assert_int_equal(telegram_deadline(world->telegram), world->now + 50000);
    world->now += 50000;
    answered(world, poll, 200, "{\"ok\":true,\"result\":[]}");
    world->now += 5000;
    check(world, "getUpdates", "{\"timeout\":-5}", 200, "{\"ok\":true,\"result\":[]}");
}

static void test_same_offset_is_damped(void **state) {
    struct world *world = *state;
    check(world, "getUpdates", "{}", 200, "{\"ok\":true,\"result\":[]}");
    world->now += 100;
    uint64_t poll = start(world, "getUpdates", "{}"); /* a timeout of 0 becomes 3 s */
    assert_int_equal(telegram_deadline(world->telegram), world->now + 3000);
    world->now += 3000;
    answered(world, poll, 200, "{\"ok\":true,\"result\":[]}");
    int64_t first = say(world, "a");
    say(world, "b");
    world->now += 5000;
    json_decref(result(world, "getUpdates", "{}"));
    world->now += 400;
    gets(world, "{}", first, "+0"); /* again within 0.5 s: one at a time */
    gets(world, "{}", first, "+0,+1");
}

static const char other_poll[] =
    "{\"ok\":false,\"error_code\":409,\"description\":\"Conflict: terminated by other getUpdates "
    "request; make sure that only one bot instance is running\"}";

static void test_newer_poll_ends_older(void **state) {
    struct world *world = *state;
    uint64_t older = start(world, "getUpdates", "{\"timeout\":50}");
    world->now += 1000;
    uint64_t newer = start(world, "getUpdates", "{\"timeout\":50}");
    answered(world, older, 409, other_poll);
    nothing_due(world);
    /* The next 409 within 3 s waits 3 s. */
    world->now += 1000;
    uint64_t newest = start(world, "getUpdates", "{\"timeout\":50}");
    nothing_due(world);
    assert_int_equal(telegram_deadline(world->telegram), world->now + 3000);
    world->now += 3000;
    answered(world, newer, 409, other_poll);
    say(world, "hi");
    world->now += 2;
    answered(world, newest, 200, "{\"ok\":true,\"result\":[...]}");
}

static void test_poll_that_does_not_park_ends_nothing(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":50}");
    world->now += 4000;
    check(world, "getUpdates", "{}", 200, "{\"ok\":true,\"result\":[]}");
    say(world, "hi");
    world->now += 2;
    answered(world, poll, 200, "{\"ok\":true,\"result\":[...]}");
}

static void test_webhook_ends_parked_poll(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":50}");
    uint64_t set = start(world, "setWebhook", "{\"url\":\"https://example.org/h\"}");
    answered(
        world, poll, 409,
        "{\"ok\":false,\"error_code\":409,\"description\":\"Conflict: terminated by setWebhook "
        "request\"}");
    answered(world, set, 200, "{\"ok\":true,\"result\":true,\"description\":\"Webhook was set\"}");
    world->now += 10000;
    refused(world, "getUpdates", "{}", 409,
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to "
            "delete the webhook first");
    /* A second one within 3 s comes 3 s later. */
    uint64_t second = start(world, "getUpdates", "{}");
    nothing_due(world);
    world->now += 3000;
    answered(world, second, 409, "{\"ok\":false,\"error_code\":409,...}");
}

static void test_webhook_settings(void **state) {
    struct world *world = *state;
    check(world, "deleteWebhook", "{}", 200,
          "{\"ok\":true,\"result\":true,\"description\":\"Webhook is already deleted\"}");
    refused(world, "setWebhook", "{\"url\":\"http://example.org\"}", 400,
            "Bad Request: bad webhook: An HTTPS URL must be provided for webhook");
    refused(world, "setWebhook", "{\"url\":\"https://example.org:8001/\"}", 400,
            "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443");
    refused(world, "setWebhook", "{\"url\":\"https://a.org\",\"secret_token\":\"a b\"}", 400,
            "Bad Request: secret token contains unallowed characters");
    AUTO_FREE char *secret = memory_new(258);
    memset(secret, 'a', 257);
    AUTO_FREE char *params =
        text_format("{\"url\":\"https://a.org\",\"secret_token\":\"%s\"}", secret);
    refused(world, "setWebhook", params, 400, "Bad Request: secret token is too long");
    check(world, "setWebhook", "{\"url\":\"https://a.org:8443/x\",\"max_connections\":\"7\"}", 200,
          "{\"ok\":true,\"result\":true,\"description\":\"Webhook was set\"}");
    check(world, "setWebhook", "{\"url\":\"https://a.org:8443/x\",\"max_connections\":7}", 200,
          "{\"ok\":true,\"result\":true,\"description\":\"Webhook is already set\"}");
    check(world, "setWebhook", "{\"url\":\"https://b.org/\"}", 429,
          "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after "
          "1\",\"parameters\":{\"retry_after\":1}}");
    say(world, "waits");
    check(
        world, "getWebhookInfo", "{}", 200,
        "{\"ok\":true,\"result\":{\"url\":\"https://a.org:8443/"
        "x\",\"has_custom_certificate\":false,\"pending_update_count\":1,\"max_connections\":7}}");
    check(world, "deleteWebhook", "{\"drop_pending_updates\":\"true\"}", 200,
          "{\"ok\":true,\"result\":true,\"description\":\"Webhook was deleted\"}");
    check(world, "getWebhookInfo", "{}", 200,
          "{\"ok\":true,\"result\":{\"url\":\"\",\"has_custom_certificate\":false,\"pending_update_"
          "count\":0}}");
}

static void test_allowed_updates(void **state) {
    struct world *world = *state;
    gets(world, "{\"allowed_updates\":[\"callback_query\"]}", 0, "");
    assert_int_equal(say(world, "filtered"), 0);
    gets(world, "{}", 0, ""); /* omitted: the setting stays */
    assert_int_equal(say(world, "filtered"), 0);
    gets(world, "{\"allowed_updates\":\"[\\\"message\\\"]\"}", 0, ""); /* as text */
    int64_t id = say(world, "queued");
    assert_true(id > 0);
    /* It does not filter what is queued already; a wrong list changes nothing. */
    gets(world, "{\"allowed_updates\":[\"callback_query\"]}", id, "+0");
    gets(world, "{\"allowed_updates\":[1]}", id, "+0");
    gets(world, "{\"allowed_updates\":\"{\"}", id, "+0");
    assert_int_equal(say(world, "filtered"), 0);
    check(world, "getWebhookInfo", "{}", 200,
          "{\"ok\":true,\"result\":{...,\"allowed_updates\":[\"callback_query\"]}}");
    gets(world, "{\"allowed_updates\":[\"unheard_of\"]}", id, "+0"); /* nothing known: default */
    assert_int_equal(say(world, "b"), id + 1);
    gets(world, "{\"allowed_updates\":[]}", id, "+0,+1");
}

static void test_updates_live_24_hours(void **state) {
    struct world *world = *state;
    int64_t first = say(world, "old");
    world->now += 86399999;
    say(world, "young");
    gets(world, "{}", first, "+0,+1"); /* moves the clock past the day */
    gets(world, "{}", first, "+1");
}

static void test_ids_jump_after_a_week(void **state) {
    struct world *world = *state;
    int64_t first = say(world, "a");
    assert_true(first > 2000000);
    assert_int_equal(say(world, "b"), first + 1);
    world->now += 8LL * 86400000;
    int64_t later = say(world, "c");
    assert_true(later > first + 2 || later < first);
    gets(world, "{}", later, "+0");
    json_t *jumped = control(world, "jump", "{}");
    assert_int_equal(say(world, "d"), number(jumped, "next_update_id"));
    json_decref(jumped);
}

/* A press repeats the whole message with its keyboard, so 100 of them pass 4 MiB. */
static void test_answers_are_cut_at_4_mib(void **state) {
    struct world *world = *state;
    AUTO_BUFFER struct buffer params = {0};
    buffer_add_text(&params,
                    "{\"chat_id\":42,\"text\":\"x\",\"reply_markup\":{\"inline_keyboard\":[[");
    for (int i = 0; i < 100; i++)
        buffer_print(&params, "%s{\"text\":\"%0500d\",\"callback_data\":\"d\"}", i ? "," : "", i);
    buffer_add_text(&params, "]]}}");
    json_t *message = result(world, "sendMessage", params.data);
    AUTO_FREE char *press = text_format("{\"chat_id\":42,\"data\":\"d\",\"message_id\":%lld}",
                                        (long long)number(message, "message_id"));
    json_decref(message);
    for (int i = 0; i < 100; i++)
        run_control(world, "press", press);
    struct telegram_answer answer = taken(world, start(world, "getUpdates", "{}"));
    assert_in_range(answer.body_size, 4000000, 4 << 20);
    json_t *body = json_loads(answer.body, 0, NULL), *list = json_object_get(body, "result");
    size_t first_part = json_array_size(list);
    assert_in_range(first_part, 50, 99);
    int64_t last = number(json_array_get(list, first_part - 1), "update_id");
    json_decref(body);
    telegram_answer_deinit(&answer);
    AUTO_FREE char *rest = text_format("{\"offset\":%lld}", (long long)last + 1);
    list = result(world, "getUpdates", rest); /* the others come with the next poll */
    assert_int_equal(json_array_size(list), 100 - first_part);
    json_decref(list);
}

static void test_poll_of_a_client_that_left(void **state) {
    struct world *world = *state;
    uint64_t poll = start(world, "getUpdates", "{\"timeout\":50}");
    telegram_leave(world->telegram, poll, world->now);
    struct telegram_answer answer = taken(world, poll);
    assert_true(answer.reset);
    telegram_answer_deinit(&answer);
    int64_t id = say(world, "kept");
    gets(world, "{\"offset\":-1}", id, "+0");
}

static void test_a_full_queue_drops(void **state) {
    struct world *world = *state;
    for (int i = 0; i < TELEGRAM_UPDATES_MAX; i++)
        assert_true(say(world, "x") > 0);
    assert_int_equal(say(world, "too many"), 0);
    json_t *bots = control(world, "bots", "{}");
    assert_int_equal(number(json_array_get(json_object_get(bots, "bots"), 0), "dropped_updates"),
                     1);
    json_decref(bots);
}

static void test_too_many_calls_at_once(void **state) {
    struct world *world = *state;
    arm(world, "{\"method\":\"getMe\",\"kind\":\"delay\",\"ms\":1000,\"count\":0}");
    for (int i = 0; i < TELEGRAM_PENDING_MAX; i++)
        start(world, "getMe", "{}");
    check(world, "getMe", "{}", 429,
          "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after "
          "60\",\"parameters\":{\"retry_after\":60}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_offset),
        WORLD_TEST(test_impossible_offset_is_the_head),
        WORLD_TEST(test_limit),
        WORLD_TEST(test_parked_poll_is_woken),
        WORLD_TEST(test_timeout_is_at_most_50),
        WORLD_TEST(test_same_offset_is_damped),
        WORLD_TEST(test_newer_poll_ends_older),
        WORLD_TEST(test_poll_that_does_not_park_ends_nothing),
        WORLD_TEST(test_webhook_ends_parked_poll),
        WORLD_TEST(test_webhook_settings),
        WORLD_TEST(test_allowed_updates),
        WORLD_TEST(test_updates_live_24_hours),
        WORLD_TEST(test_ids_jump_after_a_week),
        WORLD_TEST(test_answers_are_cut_at_4_mib),
        WORLD_TEST(test_poll_of_a_client_that_left),
        WORLD_TEST(test_a_full_queue_drops),
        WORLD_TEST(test_too_many_calls_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
