/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "base/buffer.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit duration_units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
                                             {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
static const struct unit size_units[] = {{"", 1},         {"B", 1},        {"KB", 1 << 10},
                                         {"MB", 1 << 20}, {"GB", 1 << 30}, {"K", 1 << 10},
                                         {"M", 1 << 20},  {"G", 1 << 30}};
static const struct unit no_units[] = {{"", 1}};

static int to_number(const char *text, const struct unit *units, size_t unit_count, int64_t min,
                     int64_t max, int64_t *ret) {
    const char *p = text;
    bool negative = *p == '-';
    if (negative)
        p++;
    if (*p < '0' || *p > '9')
        return -EINVAL;
    int64_t value = 0;
    bool overflow = false;
    for (; *p >= '0' && *p <= '9'; p++)
        overflow |= __builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, *p - '0', &value);
    while (*p == ' ')
        p++;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(p, units[i].name) != 0)
            continue;
        if (negative)
            overflow |= __builtin_sub_overflow(0, value, &value);
        overflow |= __builtin_mul_overflow(value, units[i].factor, &value);
        if (overflow || value < min || value > max)
            return -ERANGE;
        *ret = value;
        return 0;
    }
    return -EINVAL;
}

int text_to_int(const char *text, int64_t min, int64_t max, int64_t *ret) {
    return to_number(text, no_units, COUNT_OF(no_units), min, max, ret);
}

int text_to_duration(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ret_ms) {
    return to_number(text, duration_units, COUNT_OF(duration_units), min_ms, max_ms, ret_ms);
}

int text_to_size(const char *text, int64_t min, int64_t max, int64_t *ret_bytes) {
    return to_number(text, size_units, COUNT_OF(size_units), min, max, ret_bytes);
}

int text_to_bool(const char *text, bool *ret) {
    static const char *const words[][2] = {{"true", "false"}, {"yes", "no"}, {"on", "off"}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (int no = 0; no < 2; no++) {
            if (strcmp(text, words[i][no]) == 0) {
                *ret = !no;
                return 0;
            }
        }
    }
    return -EINVAL;
}

void text_from_duration(int64_t ms, char *ret) {
    long long v = ms < 0 ? 0 : ms;
    if (v < 1000)
        snprintf(ret, TEXT_DURATION_BYTES, "%lld ms", v);
    else if (v < 60000)
        snprintf(ret, TEXT_DURATION_BYTES, "%lld s", v / 1000);
    else if (v < 3600000)
        snprintf(ret, TEXT_DURATION_BYTES, "%lld m %lld s", v / 60000, v / 1000 % 60);
    else if (v < 86400000)
        snprintf(ret, TEXT_DURATION_BYTES, "%lld h %lld m", v / 3600000, v / 60000 % 60);
    else
        snprintf(ret, TEXT_DURATION_BYTES, "%lld d %lld h", v / 86400000, v / 3600000 % 24);
}

/* Reads one word at *place into `word`; false at the end of the text. */
static bool next_word(const char **place, struct buffer *word, const char **ret_error) {
    const char *p = *place;
    while (*p == ' ' || *p == '\t' || *p == '\n')
        p++;
    if (!*p)
        return false;
    char quote = 0;
    for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
        if (quote && *p == quote) {
            quote = 0;
        } else if (!quote && (*p == '\'' || *p == '"')) {
            quote = *p;
        } else if (*p == '\\' && quote != '\'') {
            if (!p[1]) {
                *ret_error = "ends with a backslash";
                return false;
            }
            if (quote && !strchr("\\\"$`", p[1]))
                buffer_add(word, p, 1);
            buffer_add(word, ++p, 1);
        } else {
            buffer_add(word, p, 1);
        }
    }
    if (quote)
        *ret_error = "has a quote that is never closed";
    *place = p;
    return !quote;
}

char **text_split_words(const char *text, const char **ret_error) {
    size_t count = 0;
    char **list = memory_array(1, sizeof *list);
    *ret_error = NULL;
    for (;;) {
        AUTO_BUFFER struct buffer word = {0};
        if (!next_word(&text, &word, ret_error))
            break;
        list = memory_grow(list, count + 2, sizeof *list);
        list[count++] = buffer_take(&word);
        list[count] = NULL;
    }
    return *ret_error ? text_list_free(list) : list;
}

char **text_list_free(char **list) {
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
    return NULL;
}

size_t text_list_count(char *const *list) {
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

enum { WORD_MAX = 48 };

/* Levenshtein distance over one row. */
static size_t edit_distance(const char *a, const char *b) {
    size_t row[WORD_MAX + 1], width = strlen(b);
    if (width > WORD_MAX || strlen(a) > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}

const char *text_did_you_mean(const char *word, const char *const *names) {
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2;
    for (; *names; names++) {
        size_t distance = edit_distance(word, *names);
        if (distance < best && distance < strlen(word)) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}

/* Length of the UTF-8 sequence at p, 0 when it is not one (overlong, surrogate, cut). */
static size_t utf8_length(const unsigned char *p, size_t left) {
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } shapes[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 0; n < COUNT_OF(shapes); n++) {
        if ((p[0] & shapes[n].mask) != shapes[n].lead)
            continue;
        if (n + 1 > left)
            return 0;
        uint32_t point = p[0] & (unsigned char)~shapes[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (p[i] & 0x3f);
        }
        bool good =
            point >= shapes[n].min && point <= 0x10ffff && !(point >= 0xd800 && point < 0xe000);
        return good ? n + 1 : 0;
    }
    return 0;
}

bool text_is_utf8(struct slice text, size_t *ret_points) {
    size_t points = 0;
    for (size_t i = 0; i < text.size; points++) {
        size_t n = utf8_length((const unsigned char *)text.data + i, text.size - i);
        if (!n)
            return false;
        i += n;
    }
    if (ret_points)
        *ret_points = points;
    return true;
}

/* The beginning of a character whose rest would stand behind the end. */
static bool is_cut(const char *text, size_t left) {
    unsigned char lead = (unsigned char)text[0];
    size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    for (size_t i = 1; i < left; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return false;
    return left < whole;
}

void text_make_utf8(char *text) {
    size_t size = strlen(text);
    for (size_t i = 0; i < size;) {
        size_t n = utf8_length((const unsigned char *)text + i, size - i);
        if (!n && is_cut(text + i, size - i)) {
            text[i] = 0;
            return;
        }
        if (!n)
            text[i] = '?';
        i += n ? n : 1;
    }
}

void text_print(char *ret, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret, size, format, arguments);
    va_end(arguments);
    text_make_utf8(ret);
}

bool text_equal_secret(struct slice a, struct slice b) {
    volatile unsigned char difference = a.size != b.size;
    for (size_t i = 0; i < a.size; i++)
        difference |= (unsigned char)(a.data[i] ^ (b.size ? b.data[i % b.size] : 0));
    return !difference && b.size;
}

const char *text_base36(int64_t value, char ret[TEXT_BASE36_BYTES]) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char reversed[TEXT_BASE36_BYTES];
    size_t size = 0, at = 0;
    must(value >= 0);
    do {
        reversed[size++] = digits[value % 36];
        value /= 36;
    } while (value > 0);
    while (size > 0)
        ret[at++] = reversed[--size];
    ret[at] = 0;
    return ret;
}
