/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "base/text.h"
#include "engine/dialogs_test.h"
#include <stdio.h>

struct decimal d(const char *text) {
    struct decimal value = {0};
    assert_int_equal(decimal_read(slice_of(text), &value), 0);
    return value;
}

static struct instrument instrument(const char *symbol, const char *tick, const char *step,
                                    const char *last) {
    struct instrument made = {.tick = d(tick),
                              .qty_step = d(step),
                              .qty_min = d(step),
                              .notional_min = d("5"),
                              .leverage_max = d("100"),
                              .trading = true,
                              .last_price = d(last)};
    strcpy(made.symbol, symbol);
    return made;
}

void bench_begin(struct bench *b) {
    *b = (struct bench){.now = 1800000000000, .update_id = 100};
    b->options = dialogs_options_default();
    b->options.owner = OWNER;
    b->dialogs = dialogs_new(&b->options);
    b->list[0] = instrument("BTCUSDT", "0.10", "0.001", "64300");
    b->list[1] = instrument("ETHUSDT", "0.01", "0.01", "3000");
    b->list[2] = instrument("DEADUSDT", "0.01", "0.01", "1");
    b->list[2].trading = false;
    b->instruments = (struct instruments){b->list, COUNT_OF(b->list)};
    b->wallet = (struct wallet){d("10000"), d("10000"), d("10000")};
}

void bench_end(struct bench *b) {
    dialogs_commands_deinit(&b->commands);
    dialogs_free(b->dialogs);
}

void bench_restart(struct bench *b) {
    dialogs_free(b->dialogs);
    b->dialogs = dialogs_new(&b->options);
    for (size_t i = 0; i < b->kept_count; i++) {
        struct trade_record trade = {.dialog = b->kept[i]};
        dialogs_restore(b->dialogs, &(struct record){.kind = RECORD_DIALOG, .trade = &trade});
    }
}

/* As the store does: replaced by id, or let go. */
static void keep(struct bench *b, const struct record *record) {
    size_t i = 0;
    while (i < b->kept_count && b->kept[i].id != record->trade->dialog.id)
        i++;
    if (record->kind == RECORD_DIALOG_DROP) {
        assert_true(i < b->kept_count); /* what is dropped had been kept */
        b->kept[i] = b->kept[--b->kept_count];
        return;
    }
    assert_int_equal(record->kind, RECORD_DIALOG);
    assert_true(i < KEPT_MAX);
    b->kept[i] = record->trade->dialog;
    if (i == b->kept_count)
        b->kept_count++;
}

static void take_order(struct bench *b, const struct order *order) {
    char sentence[RULE_SENTENCE_BYTES];
    const struct instrument *found = instruments_find(&b->instruments, order->symbol);
    assert_non_null(found);
    if (rule_order(found, order, sentence))
        fail_msg("placed against the rules: %s", sentence);
    assert_int_equal(order->user, OWNER);
    assert_int_equal(order->chat, OWNER);
    assert_int_equal(order->cause, b->update_id);
    b->placed++;
    b->order = *order;
}

/* What Telegram asks of every message. */
static void check_message(const struct dialogs_command *command) {
    size_t points;
    assert_non_null(command->text);
    assert_true(text_is_utf8(slice_of(command->text), &points));
    assert_true(points <= (command->what == DIALOGS_DO_TOAST ? 200 : 4096));
    assert_true(points > 0 || command->what == DIALOGS_DO_TOAST);
    for (size_t i = 0; i < command->button_count; i++) {
        assert_true(strlen(command->buttons[i].data) <= 64);
        assert_true(command->buttons[i].label[0]);
    }
}

static void take(struct bench *b, const struct dialogs_command *command) {
    for (size_t i = 0; i < command->records.count; i++)
        keep(b, &command->records.list[i]);
    if (command->what == DIALOGS_DO_PLACE)
        take_order(b, &command->order);
    if (command->what == DIALOGS_DO_SAY || command->what == DIALOGS_DO_EDIT ||
        command->what == DIALOGS_DO_TOAST)
        check_message(command);
    for (size_t i = 0; i < command->button_count; i++) {
        if (b->seen_count == BUTTONS_SEEN)
            b->seen_count = BUTTONS_SEEN / 2;
        b->seen[b->seen_count++] = command->buttons[i];
    }
}

void bench_feed(struct bench *b, struct dialogs_event event) {
    if (b->restart_always)
        bench_restart(b);
    dialogs_commands_deinit(&b->commands);
    event.update_id = ++b->update_id;
    event.user = b->user ? b->user : OWNER;
    event.chat = b->chat ? b->chat : event.user;
    event.is_private = event.chat > 0;
    event.sent_ms = b->sent ? b->sent : b->now;
    event.instruments = &b->instruments;
    event.wallet = &b->wallet;
    dialogs_step(b->dialogs, &event, b->now, &b->commands);
    for (size_t i = 0; i < b->commands.count; i++)
        take(b, &b->commands.list[i]);
}

void bench_say(struct bench *b, const char *text) {
    bench_feed(b, (struct dialogs_event){.on = DIALOGS_ON_TEXT, .text = text});
}

void bench_press(struct bench *b, const char *data) {
    bench_feed(b, (struct dialogs_event){
                      .on = DIALOGS_ON_PRESS, .data = data, .query_id = "q", .message_id = 9});
}

const char *bench_button(const struct bench *b, const char *label) {
    for (size_t i = b->seen_count; i-- > 0;)
        if (strncmp(b->seen[i].label, label, strlen(label)) == 0)
            return b->seen[i].data;
    fail_msg("no button %s", label);
    return NULL;
}

struct dialogs_command *bench_find(struct bench *b, enum dialogs_do what) {
    for (size_t i = 0; i < b->commands.count; i++)
        if (b->commands.list[i].what == what)
            return &b->commands.list[i];
    return NULL;
}

static char letter(const struct dialogs_command *command) {
    if (command->what == DIALOGS_DO_PERSIST)
        return command->records.list[0].kind == RECORD_DIALOG ? 'P' : 'D';
    return "?SETOICL"[command->what];
}

/* "DEOT", what was said, and the labels of the last message's buttons. */
static void summarize(const struct bench *b, struct buffer *letters, struct buffer *said,
                      struct buffer *labels) {
    buffer_add_text(letters, "");
    buffer_add_text(said, "");
    for (size_t i = 0; i < b->commands.count; i++) {
        const struct dialogs_command *command = &b->commands.list[i];
        char one = letter(command);
        buffer_add(letters, &one, 1);
        if (command->text)
            buffer_print(said, "%s\n", command->text);
        if (command->what != DIALOGS_DO_SAY)
            continue;
        buffer_clear(labels);
        for (size_t k = 0; k < command->button_count; k++)
            buffer_print(labels, "%s%s",
                         !k                            ? ""
                         : command->buttons[k].new_row ? " / "
                                                       : " | ",
                         command->buttons[k].label);
    }
    buffer_add_text(labels, "");
}

static void act(struct bench *b, const char *what, char pressed[][DIALOG_DATA_BYTES],
                size_t *pressed_count) {
    if (strncmp(what, "say ", 4) == 0)
        bench_say(b, what + 4);
    else if (strncmp(what, "press ", 6) == 0) {
        char *data = strcpy(pressed[(*pressed_count)++], bench_button(b, what + 6));
        bench_press(b, data);
    } else if (strncmp(what, "again ", 6) == 0) {
        bench_press(b, pressed[atoi(what + 6) - 1]);
    } else if (strncmp(what, "wait ", 5) == 0) {
        b->now += atoi(what + 5) * 1000;
        bench_feed(b, (struct dialogs_event){.on = DIALOGS_ON_TIMER});
    } else {
        assert_string_equal(what, "restart");
        dialogs_commands_deinit(&b->commands);
        bench_restart(b);
    }
}

void bench_run(struct bench *b, const struct line *lines, size_t count) {
    char pressed[64][DIALOG_DATA_BYTES];
    size_t pressed_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        AUTO_BUFFER struct buffer letters = {0}, said = {0}, labels = {0};
        act(b, line->act, pressed, &pressed_count);
        summarize(b, &letters, &said, &labels);
        if (strcmp(letters.data, line->commands) != 0)
            fail_msg("line %zu, %s: %s, expected %s:\n%s", i, line->act, letters.data,
                     line->commands, said.data);
        if (line->says && !strstr(said.data, line->says))
            fail_msg("line %zu, %s: expected \"%s\" in\n%s", i, line->act, line->says, said.data);
        if (line->buttons && strcmp(line->buttons, labels.data) != 0)
            fail_msg("line %zu, %s: buttons \"%s\", expected \"%s\"", i, line->act, labels.data,
                     line->buttons);
    }
}
