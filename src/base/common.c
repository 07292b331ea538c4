/* SPDX-License-Identifier: Apache-2.0 */
#include "base/common.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

_Noreturn void must_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "holdfast: bug: %s is false at %s:%d; please report it\n", condition, file,
            line);
    abort();
}

static void *memory_or_end(void *memory) {
    if (!memory) {
        static const char words[] = "holdfast: out of memory\n";
        (void)!write(STDERR_FILENO, words, sizeof words - 1);
        abort();
    }
    return memory;
}

void *memory_new(size_t bytes) {
    return memory_or_end(calloc(1, bytes ? bytes : 1));
}

void *memory_array(size_t count, size_t bytes_each) {
    return memory_or_end(calloc(count ? count : 1, bytes_each));
}

void *memory_grow(void *old, size_t count, size_t bytes_each) {
    return memory_or_end(reallocarray(old, count ? count : 1, bytes_each));
}

char *text_copy_n(const char *text, size_t bytes) {
    char *copy = memory_new(bytes + 1);
    if (bytes)
        memcpy(copy, text, bytes);
    return copy;
}

char *text_copy(const char *text) {
    return text ? text_copy_n(text, strlen(text)) : NULL;
}

char *text_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    return memory_or_end(n < 0 ? NULL : text);
}

void auto_close_(int *fd) {
    if (*fd >= 0)
        close(*fd);
}
