/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/bybit_fields.h"
#include "base/text.h"
#include <errno.h>
#include <stdio.h>

enum { NUMBER_BYTES_MAX = 64 };
static const int64_t time_max_ms = INT64_C(253402300799999); /* the end of the year 9999 */

int bybit_read_int(const json_t *value, int64_t min, int64_t max, int64_t *ret) {
    const char *text = json_string_value(value);
    if (text) /* no spaces, which text_to_int() takes from people */
        return text[strspn(text, "-0123456789")] == 0 && text_to_int(text, min, max, ret) == 0
                   ? 0
                   : -EPROTO;
    int64_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < min || number > max)
        return -EPROTO;
    *ret = number;
    return 0;
}

/* An average can have more places than fit; what is cut is less than a billionth of it. */
static int read_number(struct slice text, struct decimal *ret) {
    bool point = text.size <= NUMBER_BYTES_MAX && memchr(text.data, '.', text.size);
    int r = decimal_read(text, ret);
    while (r == -ERANGE && point && text.data[text.size - 1] != '.') {
        text.size--;
        r = decimal_read(text, ret);
    }
    return r;
}

static int read_decimal(const json_t *value, unsigned rules, struct decimal *ret) {
    struct decimal number = decimal_of(json_integer_value(value));
    if (json_is_string(value)) {
        struct slice text = {json_string_value(value), json_string_length(value)};
        bool empty = text.size == 0 && (rules & BYBIT_EMPTY);
        if (!empty && read_number(text, &number) < 0)
            return -EPROTO;
    } else if (!json_is_integer(value) || number.mantissa == INT64_MIN) {
        return -EPROTO;
    }
    int sign = decimal_sign(number);
    if ((sign < 0 && (rules & BYBIT_NOT_NEGATIVE)) || (sign <= 0 && (rules & BYBIT_POSITIVE)))
        return -EPROTO;
    *ret = number;
    return 0;
}

static int read_text(const json_t *value, unsigned rules, char *ret, size_t size) {
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length >= size || (length == 0 && !(rules & BYBIT_EMPTY)))
        return -EPROTO;
    memcpy(ret, json_string_value(value), length + 1);
    return 0;
}

static int read_field(const json_t *value, const struct bybit_field *field, void *ret) {
    switch (field->kind) {
    case BYBIT_TEXT:
        return read_text(value, field->rules, ret, field->size);
    case BYBIT_DECIMAL:
        return read_decimal(value, field->rules, ret);
    case BYBIT_TIME:
        return bybit_read_int(value, 0, time_max_ms, ret);
    case BYBIT_FLAG:
        *(bool *)ret = json_is_true(value);
        return json_is_boolean(value) ? 0 : -EPROTO;
    }
    return -EPROTO;
}

int bybit_read_fields(const json_t *row, const struct bybit_field *fields, size_t count,
                      void *ret) {
    for (size_t i = 0; i < count; i++)
        if (read_field(json_object_get(row, fields[i].name), &fields[i],
                       (char *)ret + fields[i].offset) < 0)
            return -EPROTO;
    return 0;
}

const char *bybit_text(const json_t *row, const char *name) {
    const json_t *value = json_object_get(row, name);
    return value ? json_string_value(value) : "";
}

int bybit_read_word(const json_t *row, const char *name, const struct bybit_word *words,
                    size_t count, int *ret) {
    const char *text = bybit_text(row, name);
    for (size_t i = 0; text && i < count; i++) {
        if (strcmp(words[i].text, text) != 0)
            continue;
        *ret = words[i].value;
        return 0;
    }
    return -EPROTO;
}

int bybit_read_list(const json_t *result, bybit_read_row *read, size_t bytes, void **ret_list,
                    size_t *ret_count) {
    const json_t *list = json_object_get(result, "list");
    size_t size = json_array_size(list), count = 0;
    if (!json_is_array(list))
        return -EPROTO;
    AUTO_FREE char *rows = size ? memory_array(size, bytes) : NULL;
    for (size_t i = 0; i < size; i++) {
        int r = read(json_array_get(list, i), rows + count * bytes);
        if (r < 0)
            return r;
        if (r == BYBIT_SKIP)
            memset(rows + count * bytes, 0, bytes);
        else
            count++;
    }
    *ret_list = TAKE(rows);
    *ret_count = count;
    return 0;
}

static bool is_hex(char c) {
    return c && strchr("0123456789abcdefABCDEF", c);
}

/* Bybit sends it encoded already ("page_token%3D39380%26"). What is not, is encoded here: a cursor
 * must not be able to add a parameter or a header to our request. */
int bybit_read_cursor(const json_t *result, char ret[BYBIT_CURSOR_BYTES]) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    const json_t *cursor = json_object_get(result, "nextPageCursor");
    const char *text = json_string_value(cursor);
    size_t at = 0;
    if (!text)
        return -EPROTO;
    for (; *text; text++) {
        if (at + 4 > BYBIT_CURSOR_BYTES)
            return -EPROTO;
        if (strchr(plain, *text) || (*text == '%' && is_hex(text[1]) && is_hex(text[2])))
            ret[at++] = *text;
        else
            at += (size_t)snprintf(ret + at, 4, "%%%02X", (unsigned)(unsigned char)*text);
    }
    ret[at] = 0;
    return 0;
}
