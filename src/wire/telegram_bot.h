/* SPDX-License-Identifier: Apache-2.0 */
/* telegram_bot.h - the Bot API as a bot of our own speaks it: updates in, messages out. Nothing of
 * an update is trusted; what is not a text or a press of a button is an update without content. */
#pragma once
#include "base/buffer.h"

enum { INCOMING_TEXT_MAX = 4096, INCOMING_DATA_MAX = 64 };
enum incoming_kind { INCOMING_OTHER, INCOMING_TEXT, INCOMING_PRESS };
struct incoming { /* an update; texts are owned */
    int64_t update_id;
    enum incoming_kind kind;
    int64_t user, chat, message_id, sent_ms;
    bool is_private;
    char *text;     /* TEXT; NULL: a message without text */
    char *data;     /* PRESS */
    char *query_id; /* PRESS */
};
struct incoming_list {
    struct incoming *list;
    size_t count;
};
void incoming_list_deinit(struct incoming_list *list);
/* The answer of getUpdates. -EPROTO: it is not such an answer. */
MUST_CHECK int telegram_bot_read_updates(struct slice body, struct incoming_list *ret);

struct outgoing_button {
    const char *label, *data;
    bool new_row;
};
/* reply_markup as JSON; "" (nothing added) without buttons. */
void telegram_bot_add_markup(const struct outgoing_button *buttons, size_t count,
                             struct buffer *ret);
/* Bodies of sendMessage, editMessageText, answerCallbackQuery. `markup` as above; NULL: none (an
 * edit then removes the buttons). */
void telegram_bot_add_say(int64_t chat, const char *text, const char *markup, struct buffer *ret);
void telegram_bot_add_edit(int64_t chat, int64_t message_id, const char *text, const char *markup,
                           struct buffer *ret);
void telegram_bot_add_toast(const char *query_id, const char *text, struct buffer *ret);
