/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an answer of Telegram, as a body of a bot's request, as a list of update kinds, as
 * an update that may be said to Holdfast itself, and as where a bot wants its updates. */
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"
#include "wire/telegram_press.h"
#include "wire/telegram_webhook.h"

static const char *const content_types[] = {"application/json",
                                            "application/x-www-form-urlencoded; charset=utf-8",
                                            "multipart/form-data; boundary=xx",
                                            "multipart/form-data",
                                            "text/plain",
                                            NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice body = {(const char *)data, size};
    struct telegram_answer answer;
    telegram_read_answer(size % 2 ? 200 : 429, body, &answer);
    must(memchr(answer.description, 0, sizeof answer.description));
    struct telegram_updates updates = {0};
    if (telegram_read_updates(body, &updates) == 0) {
        for (size_t i = 0; i < updates.count; i++)
            must(json_is_valid(updates.list[i].raw));
        free(updates.list);
    }
    struct telegram_webhook webhook;
    if (telegram_webhook_read(body, &webhook)) {
        AUTO_BUFFER struct buffer json = {0};
        must(!telegram_webhook_check(&webhook));
        telegram_webhook_add(&webhook, &json);
        telegram_webhook_deinit(&webhook);
        must(telegram_webhook_read(buffer_slice(&json), &webhook));
        telegram_webhook_deinit(&webhook);
    }
    struct telegram_press press;
    if (telegram_read_press(body, &press)) {
        must(telegram_is_press(body));
        must(text_is_utf8(slice_of(press.name), NULL) && text_is_utf8(slice_of(press.verb), NULL));
    }
    for (size_t i = 0; i < COUNT_OF(content_types); i++) {
        AUTO_BUFFER struct buffer value = {0};
        if (telegram_body_param(content_types[i], body, "chat_id", &value))
            (void)telegram_chat_key(value.data ? value.data : "");
    }
    uint64_t kinds = 0;
    if (telegram_read_kinds(body, &kinds) == 0) {
        AUTO_BUFFER struct buffer list = {0};
        telegram_add_kinds(kinds, &list);
        must(json_is_valid(buffer_slice(&list)));
    }
    return 0;
}
