/* SPDX-License-Identifier: Apache-2.0 */
/* buffer.h - bytes that grow, always NUL-terminated behind the end. Start with {0}. Growing past
 * memory ends the program; callers bound the size of what they put in. */
#pragma once
#include "base/common.h"

struct buffer {
    char *data;
    size_t size, capacity;
};
void buffer_deinit(struct buffer *buffer); /* twice is fine */
void buffer_clear(struct buffer *buffer);  /* keeps the memory */
void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_add(struct buffer *buffer, const void *bytes, size_t size);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_print(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3)
    __attribute__((nonnull));
void buffer_drop_front(struct buffer *buffer, size_t size);
char *buffer_take(struct buffer *buffer); /* moves the text out; never NULL; caller frees */
static inline struct slice buffer_slice(const struct buffer *buffer) {
    return (struct slice){buffer->data, buffer->size};
}
#define AUTO_BUFFER __attribute__((cleanup(buffer_deinit)))
