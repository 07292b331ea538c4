/* SPDX-License-Identifier: Apache-2.0 */
/* What the trader reads of updates: any bytes, and texts of them sent back as a message. */
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "wire/telegram_bot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct incoming_list updates;
    if (telegram_bot_read_updates((struct slice){(const char *)data, size}, &updates) != 0)
        return 0;
    for (size_t i = 0; i < updates.count; i++) {
        const struct incoming *update = &updates.list[i];
        AUTO_BUFFER struct buffer say = {0}, toast = {0}, markup = {0};
        must(update->kind != INCOMING_PRESS || update->query_id);
        if (update->text) {
            must(text_is_utf8(slice_of(update->text), NULL));
            telegram_bot_add_markup(&(struct outgoing_button){"x", "y", false}, 1, &markup);
            telegram_bot_add_say(update->chat, update->text, markup.data, &say);
        }
        if (update->query_id)
            telegram_bot_add_toast(update->query_id, update->data ? update->data : "", &toast);
    }
    incoming_list_deinit(&updates);
    return 0;
}
