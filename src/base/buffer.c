/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include <stdarg.h>
#include <stdio.h>

void buffer_deinit(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer) {
    buffer->size = 0;
    if (buffer->data)
        buffer->data[0] = 0;
}

void buffer_reserve(struct buffer *buffer, size_t more) {
    must(more < SIZE_MAX / 4 - buffer->size);
    size_t need = buffer->size + more + 1;
    if (need <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    buffer->data = memory_grow(buffer->data, capacity, 1);
    buffer->capacity = capacity;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t size) {
    buffer_reserve(buffer, size);
    if (size)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = 0;
}

void buffer_add_text(struct buffer *buffer, const char *text) {
    buffer_add(buffer, text, strlen(text));
}

void buffer_print(struct buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    must(n >= 0);
    buffer_reserve(buffer, (size_t)n);
    vsnprintf(buffer->data + buffer->size, (size_t)n + 1, format, again);
    va_end(again);
    buffer->size += (size_t)n;
}

void buffer_drop_front(struct buffer *buffer, size_t size) {
    must(size <= buffer->size);
    if (!size)
        return;
    memmove(buffer->data, buffer->data + size, buffer->size - size + 1);
    buffer->size -= size;
}

char *buffer_take(struct buffer *buffer) {
    buffer_reserve(buffer, 0);
    buffer->data[buffer->size] = 0;
    char *text = buffer->data;
    *buffer = (struct buffer){0};
    return text;
}
