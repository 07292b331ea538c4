/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_scan.h"
#include "base/text.h"
#include <errno.h>

static void skip_space(struct slice text, size_t *at) {
    while (*at < text.size && memchr(" \t\r\n", text.data[*at], 4))
        ++*at;
}

static bool is_digit(struct slice text, size_t at) {
    return at < text.size && text.data[at] >= '0' && text.data[at] <= '9';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* *at stands behind "\u"; moves behind the four digits. */
static int skip_hex4(struct slice text, size_t *at, uint32_t *ret) {
    if (text.size - *at < 4)
        return -EINVAL;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(text.data[(*at)++]);
        if (digit < 0)
            return -EINVAL;
        value = value * 16 + (uint32_t)digit;
    }
    *ret = value;
    return 0;
}

static int skip_string(struct slice text, size_t *at) {
    size_t begin = ++*at;
    while (*at < text.size && text.data[*at] != '"') {
        unsigned char c = (unsigned char)text.data[(*at)++];
        uint32_t unit;
        if (c < 0x20)
            return -EINVAL;
        if (c != '\\')
            continue;
        if (*at >= text.size || !memchr("\"\\/bfnrtu", text.data[*at], 9))
            return -EINVAL;
        if (text.data[(*at)++] == 'u' && skip_hex4(text, at, &unit) < 0)
            return -EINVAL;
    }
    if (*at >= text.size)
        return -EINVAL;
    ++*at;
    return text_is_utf8((struct slice){text.data + begin, *at - 1 - begin}, NULL) ? 0 : -EINVAL;
}

static int skip_digits(struct slice text, size_t *at) {
    if (!is_digit(text, *at))
        return -EINVAL;
    while (is_digit(text, *at))
        ++*at;
    return 0;
}

static int skip_number(struct slice text, size_t *at) {
    if (text.data[*at] == '-')
        ++*at;
    size_t begin = *at;
    if (skip_digits(text, at) < 0 || (text.data[begin] == '0' && *at > begin + 1))
        return -EINVAL;
    if (*at < text.size && text.data[*at] == '.') {
        ++*at;
        if (skip_digits(text, at) < 0)
            return -EINVAL;
    }
    if (*at < text.size && (text.data[*at] | 0x20) == 'e') {
        ++*at;
        if (*at < text.size && memchr("+-", text.data[*at], 2))
            ++*at;
        return skip_digits(text, at);
    }
    return 0;
}

static int skip_word(struct slice text, size_t *at, const char *word) {
    size_t size = strlen(word);
    if (text.size - *at < size || memcmp(text.data + *at, word, size) != 0)
        return -EINVAL;
    *at += size;
    return 0;
}

static int skip_scalar(struct slice text, size_t *at) {
    switch (text.data[*at]) {
    case '"':
        return skip_string(text, at);
    case 't':
        return skip_word(text, at, "true");
    case 'f':
        return skip_word(text, at, "false");
    case 'n':
        return skip_word(text, at, "null");
    default:
        return skip_number(text, at);
    }
}

static int skip_key(struct slice text, size_t *at, struct slice *ret) {
    skip_space(text, at);
    size_t begin = *at + 1;
    if (*at >= text.size || text.data[*at] != '"' || skip_string(text, at) < 0)
        return -EINVAL;
    if (ret)
        *ret = (struct slice){text.data + begin, *at - 1 - begin};
    skip_space(text, at);
    if (*at >= text.size || text.data[*at] != ':')
        return -EINVAL;
    ++*at;
    return 0;
}

/* After a value inside `open`: at the next one (1), behind the closing bracket (0). */
static int skip_between(struct slice text, size_t *at, char open) {
    skip_space(text, at);
    if (*at >= text.size)
        return -EINVAL;
    char c = text.data[(*at)++];
    if (c == ',')
        return 1;
    return c == (open == '{' ? '}' : ']') ? 0 : -EINVAL;
}

/* With an own stack, so that hostile depth costs nothing but an error. */
static int skip_value(struct slice text, size_t *at) {
    char open[JSON_DEPTH_MAX];
    size_t depth = 0;
    for (;;) {
        skip_space(text, at);
        if (*at >= text.size)
            return -EINVAL;
        char c = text.data[*at];
        if (c == '{' || c == '[') {
            if (depth == JSON_DEPTH_MAX)
                return -EINVAL;
            ++*at;
            skip_space(text, at);
            if (*at < text.size && text.data[*at] == (c == '{' ? '}' : ']')) {
                ++*at; /* empty: a value like any other */
            } else {
                open[depth++] = c;
                if (c == '{' && skip_key(text, at, NULL) < 0)
                    return -EINVAL;
                continue;
            }
        } else if (skip_scalar(text, at) < 0) {
            return -EINVAL;
        }
        int r = 0;
        while (depth > 0 && (r = skip_between(text, at, open[depth - 1])) == 0)
            depth--;
        if (r < 0 || depth == 0)
            return r;
        if (open[depth - 1] == '{' && skip_key(text, at, NULL) < 0)
            return -EINVAL;
    }
}

int json_skip(struct slice text, size_t *at, struct slice *ret) {
    skip_space(text, at);
    size_t begin = *at;
    if (skip_value(text, at) < 0)
        return -EINVAL;
    if (ret)
        *ret = (struct slice){text.data + begin, *at - begin};
    return 0;
}

bool json_is_valid(struct slice text) {
    size_t at = 0;
    if (json_skip(text, &at, NULL) < 0)
        return false;
    skip_space(text, &at);
    return at == text.size;
}

int json_walk_begin(struct slice text, char open, struct json_walk *ret) {
    size_t at = 0;
    skip_space(text, &at);
    if (at >= text.size || text.data[at] != open)
        return -EINVAL;
    *ret = (struct json_walk){text.data, text.size, at + 1, open == '{', false};
    return 0;
}

int json_walk_next(struct json_walk *walk, struct slice *ret_key, struct slice *ret_value) {
    struct slice text = {walk->data, walk->size};
    char open = walk->object ? '{' : '[';
    *ret_key = (struct slice){"", 0};
    if (!walk->begun) {
        skip_space(text, &walk->at);
        if (walk->at < text.size && text.data[walk->at] == (walk->object ? '}' : ']'))
            return 0;
    } else {
        int r = skip_between(text, &walk->at, open);
        if (r <= 0)
            return r;
    }
    walk->begun = true;
    if (walk->object && skip_key(text, &walk->at, ret_key) < 0)
        return -EINVAL;
    return json_skip(text, &walk->at, ret_value) < 0 ? -EINVAL : 1;
}

struct slice json_member(struct slice text, const char *name) {
    struct json_walk walk;
    struct slice key, value;
    if (json_walk_begin(text, '{', &walk) < 0)
        return (struct slice){"", 0};
    while (json_walk_next(&walk, &key, &value) == 1)
        if (slice_is(key, name))
            return value;
    return (struct slice){"", 0};
}

int json_to_int(struct slice value, int64_t *ret) {
    char digits[24];
    if (value.size >= sizeof digits)
        return -ERANGE;
    memcpy(digits, value.data, value.size);
    digits[value.size] = 0;
    return text_to_int(digits, INT64_MIN, INT64_MAX, ret);
}

static void add_utf8(struct buffer *buffer, uint32_t point) {
    char out[4];
    size_t n = 0;
    if (point < 0x80) {
        out[n++] = (char)point;
    } else if (point < 0x800) {
        out[n++] = (char)(0xc0 | point >> 6);
    } else if (point < 0x10000) {
        out[n++] = (char)(0xe0 | point >> 12);
        out[n++] = (char)(0x80 | (point >> 6 & 0x3f));
    } else {
        out[n++] = (char)(0xf0 | point >> 18);
        out[n++] = (char)(0x80 | (point >> 12 & 0x3f));
        out[n++] = (char)(0x80 | (point >> 6 & 0x3f));
    }
    if (point >= 0x80)
        out[n++] = (char)(0x80 | (point & 0x3f));
    buffer_add(buffer, out, n);
}

/* *at stands behind "\u". */
static int add_escaped_point(struct slice text, size_t *at, struct buffer *ret) {
    uint32_t high = 0, low = 0;
    if (skip_hex4(text, at, &high) < 0 || high == 0 || (high >= 0xdc00 && high < 0xe000))
        return -EINVAL;
    if (high >= 0xd800 && high < 0xdc00) {
        if (skip_word(text, at, "\\u") < 0 || skip_hex4(text, at, &low) < 0 || low < 0xdc00 ||
            low > 0xdfff)
            return -EINVAL;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    add_utf8(ret, high);
    return 0;
}

int json_to_text(struct slice value, struct buffer *ret) {
    size_t end = 0;
    if (value.size < 2 || value.data[0] != '"' || skip_string(value, &end) < 0 || end != value.size)
        return -EINVAL;
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    struct slice text = {value.data, value.size - 1};
    for (size_t at = 1; at < text.size;) {
        if (text.data[at] != '\\') {
            buffer_add(ret, &text.data[at++], 1);
            continue;
        }
        char c = text.data[at + 1];
        at += 2;
        if (c == 'u') {
            if (add_escaped_point(text, &at, ret) < 0)
                return -EINVAL;
        } else {
            buffer_add(ret, &meant[strchr(names, c) - names], 1);
        }
    }
    return 0;
}

void json_add_text(struct buffer *buffer, struct slice text) {
    buffer_add(buffer, "\"", 1);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            buffer_print(buffer, "\\%c", c);
        else if (c == '\n')
            buffer_add(buffer, "\\n", 2);
        else if (c < 0x20 || c == 0x7f)
            buffer_print(buffer, "\\u%04x", c);
        else
            buffer_add(buffer, &text.data[i], 1);
    }
    buffer_add(buffer, "\"", 1);
}
