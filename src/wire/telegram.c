/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/telegram.h"
#include "base/text.h"
#include "wire/json_scan.h"
#include <errno.h>
#include <strings.h>

struct rule {
    int code;         /* 0: any */
    const char *part; /* of the description, letter case ignored */
    enum telegram_class class;
};
/* The first that fits. Texts as the real server writes them. */
static const struct rule rules[] = {
    {429, "", TELEGRAM_RATE_LIMITED},
    {401, "", TELEGRAM_BAD_TOKEN},
    {421, "", TELEGRAM_BAD_TOKEN},
    {404, "method not found", TELEGRAM_BAD_REQUEST},
    {404, "", TELEGRAM_BAD_TOKEN},
    {409, "", TELEGRAM_CONFLICT},
    {400, "message is not modified", TELEGRAM_BENIGN},
    {400, "upgraded to a supergroup", TELEGRAM_MIGRATED},
    {400, "chat not found", TELEGRAM_CHAT_GONE},
    {400, "chat_id is empty", TELEGRAM_CHAT_GONE},
    {400, "parse entities", TELEGRAM_BAD_MARKUP},
    {400, "message is too long", TELEGRAM_TOO_LONG},
    {403, "", TELEGRAM_CHAT_GONE},
};

static enum telegram_class class_of(const struct telegram_answer *answer) {
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (rules[i].code != answer->code || !strcasestr(answer->description, rules[i].part))
            continue;
        /* Without the new id there is nothing to follow. */
        if (rules[i].class == TELEGRAM_MIGRATED && answer->migrate_to == 0)
            return TELEGRAM_CHAT_GONE;
        return rules[i].class;
    }
    return answer->code >= 400 && answer->code < 500 ? TELEGRAM_BAD_REQUEST : TELEGRAM_TRANSIENT;
}

/* Cut between characters. */
static void copy_description(struct slice value, struct telegram_answer *ret) {
    AUTO_BUFFER struct buffer text = {0};
    if (json_to_text(value, &text) < 0)
        return;
    size_t size = text.size < sizeof ret->description ? text.size : sizeof ret->description - 1;
    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    if (size)
        memcpy(ret->description, text.data, size);
    ret->description[size] = 0;
}

static int64_t int_member(struct slice object, const char *name, int64_t otherwise) {
    int64_t value;
    return json_to_int(json_member(object, name), &value) == 0 ? value : otherwise;
}

void telegram_read_answer(int status, struct slice body, struct telegram_answer *ret) {
    *ret =
        (struct telegram_answer){.class = TELEGRAM_TRANSIENT, .code = status, .retry_after_s = -1};
    if (!json_is_valid(body))
        return;
    struct slice ok = json_member(body, "ok");
    if (slice_is(ok, "true") && status < 400) {
        ret->class = TELEGRAM_OK;
        return;
    }
    if (!slice_is(ok, "false"))
        return;
    int64_t code = int_member(body, "error_code", status);
    ret->code = code > 0 && code < 1000 ? (int)code : status;
    copy_description(json_member(body, "description"), ret);
    struct slice parameters = json_member(body, "parameters");
    ret->retry_after_s = int_member(parameters, "retry_after", -1);
    if (ret->retry_after_s > 86400)
        ret->retry_after_s = 86400;
    ret->migrate_to = int_member(parameters, "migrate_to_chat_id", 0);
    ret->class = class_of(ret);
}

static void read_age(struct slice kind, struct slice value, struct telegram_update *ret) {
    static const char *const messages[] = {"message", "edited_message", "channel_post",
                                           "edited_channel_post"};
    static const char *const others[] = {"callback_query", "inline_query", "chosen_inline_result"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ret->ages = ret->ages || slice_is(kind, others[i]);
    for (size_t i = 0; i < COUNT_OF(messages); i++)
        if (slice_is(kind, messages[i])) {
            int64_t date_s = int_member(value, "edit_date", int_member(value, "date", 0));
            ret->ages = json_member(value, "successful_payment").size == 0 &&
                        json_member(value, "refunded_payment").size == 0;
            ret->date_ms = date_s > 0 && date_s <= UINT32_MAX ? date_s * 1000 : 0;
        }
}

static int read_update(struct slice raw, struct telegram_update *ret) {
    struct json_walk walk;
    struct slice key, value;
    int r;
    *ret = (struct telegram_update){.raw = raw, .kind_bit = TELEGRAM_KIND_OTHER};
    bool has_id = false, has_kind = false;
    if (json_walk_begin(raw, '{', &walk) < 0)
        return -EPROTO;
    while ((r = json_walk_next(&walk, &key, &value)) == 1) {
        if (slice_is(key, "update_id")) {
            has_id = json_to_int(value, &ret->id) == 0 && ret->id > 0 && ret->id <= INT32_MAX;
        } else if (!has_kind) {
            ret->kind_bit = telegram_kind_bit(key);
            read_age(key, value, ret);
            has_kind = true;
        }
    }
    ret->press = telegram_is_press(raw);
    return r == 0 && has_id ? 0 : -EPROTO;
}

int telegram_read_updates(struct slice body, struct telegram_updates *ret) {
    *ret = (struct telegram_updates){0};
    struct json_walk walk;
    struct slice key, value;
    if (!json_is_valid(body) || !slice_is(json_member(body, "ok"), "true") ||
        json_walk_begin(json_member(body, "result"), '[', &walk) < 0)
        return -EPROTO;
    AUTO_FREE struct telegram_update *list = NULL;
    size_t count = 0, capacity = 0;
    int r;
    while ((r = json_walk_next(&walk, &key, &value)) == 1) {
        if (count == TELEGRAM_UPDATES_MAX)
            return -EPROTO;
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            list = memory_grow(list, capacity, sizeof *list);
        }
        if (read_update(value, &list[count++]) < 0)
            return -EPROTO;
    }
    if (r < 0)
        return -EPROTO;
    *ret = (struct telegram_updates){TAKE(list), count};
    return 0;
}

int64_t telegram_chat_key(const char *chat_id) {
    int64_t id;
    if (text_to_int(chat_id, INT64_MIN / 4, INT64_MAX / 4, &id) == 0)
        return id;
    if (chat_id[0] != '@')
        return 0;
    uint64_t hash = 0xcbf29ce484222325U;
    for (const char *c = chat_id; *c; c++)
        hash = (hash ^ (uint64_t)(unsigned char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c)) *
               0x100000001b3U;
    /* Public groups and channels have names; both have the budget of a group: negative. */
    return INT64_MIN / 2 - (int64_t)(hash >> 3);
}

int telegram_read_kinds(struct slice json, uint64_t *ret_kinds) {
    struct json_walk walk;
    struct slice key, value;
    int r;
    uint64_t kinds = 0;
    if (!json_is_valid(json) || json_walk_begin(json, '[', &walk) < 0)
        return -EINVAL;
    while ((r = json_walk_next(&walk, &key, &value)) == 1) {
        if (value.size < 2 || value.data[0] != '"')
            return -EINVAL;
        kinds |= telegram_kind_bit((struct slice){value.data + 1, value.size - 2});
    }
    kinds &= ~TELEGRAM_KIND_OTHER;
    *ret_kinds = kinds ? kinds : telegram_kinds_default();
    return r < 0 ? -EINVAL : 0;
}

void telegram_add_kinds(uint64_t kinds, struct buffer *ret) {
    buffer_add_text(ret, "[");
    bool first = true;
    for (unsigned i = 0; kinds != telegram_kinds_default() && telegram_kind_name(i); i++) {
        if (!(kinds & UINT64_C(1) << i))
            continue;
        buffer_print(ret, "%s\"%s\"", first ? "" : ",", telegram_kind_name(i));
        first = false;
    }
    buffer_add_text(ret, "]");
}

void telegram_add_error(struct buffer *ret, int code, const char *description,
                        int64_t retry_after_s) {
    buffer_print(ret, "{\"ok\":false,\"error_code\":%d,\"description\":", code);
    json_add_text(ret, slice_of(text_is_utf8(slice_of(description), NULL) ? description : "error"));
    if (retry_after_s >= 0)
        buffer_print(ret, ",\"parameters\":{\"retry_after\":%lld}", (long long)retry_after_s);
    buffer_add_text(ret, "}");
}
