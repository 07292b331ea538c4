/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of input drive a simulated Telegram: 'c' METHOD JSON is a call, 'p' NAME JSON what a person
 * does, 't' advances the clock, and 'h', 'v', 'm' are texts to format. Whatever comes in, each call
 * is answered once, each body is JSON, and entities lie inside of their text, in order. */
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "mimic/telegram_control.h"
#include "mimic/telegram_text.h"

enum { TICKETS_MAX = 256 };

struct world {
    struct telegram *telegram;
    int64_t now;
    uint64_t next;
    bool answered[TICKETS_MAX];
};

static void take_answers(struct world *world) {
    struct telegram_answer answer;
    while (telegram_next_answer(world->telegram, world->now, &answer)) {
        must(answer.ticket < world->next && !world->answered[answer.ticket]);
        world->answered[answer.ticket] = true;
        must(answer.status >= 200 && answer.status <= 599);
        if (answer.body && answer.body[0] == '{') {
            json_t *body = json_loads(answer.body, 0, NULL);
            must(json_is_object(body));
            must(json_is_true(json_object_get(body, "ok")) == (answer.status == 200));
            json_decref(body);
        } else {
            must(answer.reset || strcmp(answer.content_type, "text/html") == 0);
        }
        telegram_answer_deinit(&answer);
    }
}

static void format(const char *mode, const char *text) {
    struct formatted formatted = {0};
    char *why = telegram_format(text, mode, "", &formatted);
    if (why) {
        must(text_is_utf8(slice_of(why), NULL));
        free(why);
        return;
    }
    must(text_is_utf8(slice_of(formatted.text), NULL));
    json_int_t end = (json_int_t)telegram_utf16_length(formatted.text, strlen(formatted.text));
    json_int_t last = 0;
    size_t i;
    json_t *entity;
    json_array_foreach(formatted.entities, i, entity) {
        json_int_t from = json_integer_value(json_object_get(entity, "offset"));
        json_int_t length = json_integer_value(json_object_get(entity, "length"));
        must(from >= last && length > 0 && from + length <= end);
        last = from;
    }
    formatted_deinit(&formatted);
}

static void step(struct world *world, const char *line) {
    const char *brace = strchr(line + 1, '{');
    json_t *json = brace ? json_loads(brace, 0, NULL) : NULL;
    AUTO_FREE char *name =
        text_copy_n(line + 1, brace ? (size_t)(brace - line - 1) : strlen(line + 1));
    if (*line == 'c' && json && world->next < TICKETS_MAX) {
        struct telegram_call call = {
            .ticket = world->next++, .token = "1001:a", .method = name, .params = json};
        telegram_call(world->telegram, &call, world->now);
    } else if (*line == 'p' && json) {
        json_t *ret = NULL;
        (void)!telegram_control(world->telegram, name, json, world->now, &ret);
        json_decref(ret);
    } else if (*line == 't') {
        world->now += (int64_t)strlen(line) * 1000;
    } else if (strchr("hvm", *line)) {
        format(*line == 'h' ? "HTML" : *line == 'v' ? "MarkdownV2" : "Markdown", line + 1);
    }
    json_decref(json);
    take_answers(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    if (!size || size > 8192 || !text_is_utf8(input, NULL) || memchr(data, 0, size))
        return 0;
    struct world world = {.telegram = telegram_new(1), .now = 1795310513000};
    must(telegram_add_person(world.telegram, 42, "Ann") == 0);
    must(telegram_add_bot(world.telegram, "1001:a", "a_bot") == 0);
    AUTO_FREE char *text = text_copy_n(input.data, input.size);
    for (char *line = text, *end; line; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (*line)
            step(&world, line);
    }
    for (int i = 0; i < 3; i++) { /* whatever waits is answered: a poll ends, then its delay */
        world.now += 86400001;
        take_answers(&world);
    }
    for (uint64_t i = 0; i < world.next; i++)
        must(world.answered[i]);
    telegram_free(world.telegram);
    return 0;
}
