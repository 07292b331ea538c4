/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

static struct {
    char text[SECRET_BYTES_MAX];
    size_t size;
} registered[SECRET_REGISTERED_MAX];
static _Atomic size_t registered_count; /* raised last: another thread may be masking */

void secret_deinit(struct secret *secret) {
    if (secret->value)
        explicit_bzero(secret->value, strlen(secret->value));
    free(secret->value);
    secret->value = NULL;
}

const char *secret_shown(const struct secret *secret) {
    return secret_is_set(secret) ? "***" : "(not set)";
}

void secret_register(const char *value) {
    size_t size = value ? strlen(value) : 0;
    if (size < SECRET_BYTES_MIN || size > SECRET_BYTES_MAX)
        return;
    for (size_t i = 0; i < registered_count; i++)
        if (registered[i].size == size && memcmp(registered[i].text, value, size) == 0)
            return;
    if (registered_count == SECRET_REGISTERED_MAX)
        return;
    memcpy(registered[registered_count].text, value, size);
    registered[registered_count++].size = size;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_token_char(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

/* Every token has a ':' between digits and its long tail: one memchr finds the candidates. */
static void mask_tokens(char *data, size_t size) {
    enum { DIGITS_MIN = 6, TAIL_MIN = 30 };
    char *end = data + size, *p = data;
    while (p < end && (p = memchr(p, ':', (size_t)(end - p)))) {
        char *first = p, *last = p + 1;
        while (first > data && is_digit(first[-1]))
            first--;
        while (last < end && is_token_char(*last))
            last++;
        if (p - first >= DIGITS_MIN && last - (p + 1) >= TAIL_MIN)
            memset(first, '*', (size_t)(last - first));
        p = last;
    }
}

void secret_mask(char *data, size_t size) {
    mask_tokens(data, size);
    for (size_t i = 0; i < registered_count; i++) {
        char *end = data + size, *p = data;
        while ((p = memmem(p, (size_t)(end - p), registered[i].text, registered[i].size))) {
            memset(p, '*', registered[i].size);
            p += registered[i].size;
        }
    }
}
