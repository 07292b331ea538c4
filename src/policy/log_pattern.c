/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/log_pattern.h"

enum { BLOCK_BYTES = 16, CASE_BIT = 0x20 };
typedef uint8_t block __attribute__((vector_size(BLOCK_BYTES)));

static char fold(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | CASE_BIT) : c;
}

bool log_pattern_set(struct log_pattern *pattern, const char *text) {
    size_t size = strlen(text);
    if (size < LOG_PATTERN_BYTES_MIN || size > LOG_PATTERN_BYTES_MAX || strchr(text, '\n'))
        return false;
    *pattern = (struct log_pattern){.size = size};
    memcpy(pattern->text, text, size);
    for (size_t i = 0; i < size; i++)
        pattern->folded[i] = fold(text[i]);
    return true;
}

static bool stands_at(const struct log_pattern *pattern, const char *at) {
    for (size_t i = 0; i < pattern->size; i++)
        if (fold(at[i]) != pattern->folded[i])
            return false;
    return true;
}

static block load(const char *at) {
    block bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes | CASE_BIT;
}

static block all_of(char c) {
    block bytes = {0};
    return bytes + (uint8_t)((uint8_t)c | CASE_BIT);
}

/* Sixteen places at a time: which may hold the first, second and last byte is settled with a
 * handful of vector operations, so text without it passes at the speed of memory. */
const char *log_pattern_find(const struct log_pattern *pattern, struct slice text) {
    if (text.size < pattern->size)
        return NULL;
    size_t last = pattern->size - 1, places = text.size - last, i = 0;
    const block want_first = all_of(pattern->folded[0]), want_second = all_of(pattern->folded[1]),
                want_last = all_of(pattern->folded[last]);
    for (; i + BLOCK_BYTES <= places; i += BLOCK_BYTES) {
        const char *at = text.data + i;
        block maybe = (block)(load(at) == want_first) & (block)(load(at + 1) == want_second) &
                      (block)(load(at + last) == want_last);
        uint64_t halves[2];
        memcpy(halves, &maybe, sizeof halves);
        if (!(halves[0] | halves[1]))
            continue;
        for (size_t k = 0; k < BLOCK_BYTES; k++)
            if (maybe[k] && stands_at(pattern, at + k))
                return at + k;
    }
    for (; i < places; i++)
        if (stands_at(pattern, text.data + i))
            return text.data + i;
    return NULL;
}
