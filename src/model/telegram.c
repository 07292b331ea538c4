/* SPDX-License-Identifier: Apache-2.0 */
#include "model/telegram.h"

/* Bot API 9.x and 10.0, in the order of its documentation. The index is the bit and is kept on
 * disk: add at the end only. */
static const char *const kinds[] = {"message",
                                    "edited_message",
                                    "channel_post",
                                    "edited_channel_post",
                                    "business_connection",
                                    "business_message",
                                    "edited_business_message",
                                    "deleted_business_messages",
                                    "message_reaction",
                                    "message_reaction_count",
                                    "inline_query",
                                    "chosen_inline_result",
                                    "callback_query",
                                    "shipping_query",
                                    "pre_checkout_query",
                                    "purchased_paid_media",
                                    "poll",
                                    "poll_answer",
                                    "my_chat_member",
                                    "chat_member",
                                    "chat_join_request",
                                    "chat_boost",
                                    "removed_chat_boost"};
_Static_assert(COUNT_OF(kinds) < 63, "kinds are bits of 64");

uint64_t telegram_kind_bit(struct slice name) {
    for (unsigned i = 0; i < COUNT_OF(kinds); i++)
        if (slice_is(name, kinds[i]))
            return UINT64_C(1) << i;
    return TELEGRAM_KIND_OTHER;
}

uint64_t telegram_kinds_default(void) {
    return ~(telegram_kind_bit(slice_of("chat_member")) |
             telegram_kind_bit(slice_of("message_reaction")) |
             telegram_kind_bit(slice_of("message_reaction_count")));
}

const char *telegram_kind_name(unsigned index) {
    return index < COUNT_OF(kinds) ? kinds[index] : NULL;
}

const char *telegram_class_name(enum telegram_class class) {
    static const char *const names[] = {"ok",        "benign",     "rate limited", "chat gone",
                                        "migrated",  "bad markup", "too long",     "bad request",
                                        "bad token", "conflict",   "transient"};
    return names[class];
}
