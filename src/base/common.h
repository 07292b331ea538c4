/* SPDX-License-Identifier: Apache-2.0 */
/* common.h - the few words that every file shares: result rule, must(), borrowed bytes, automatic
 * release.
 *
 * Results: < 0 is -errno, unexpected; 0 is done; > 0 is a named, expected outcome of the module. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(words, first) __attribute__((format(printf, words, first)))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A broken promise of our own code: prints where and aborts, in release builds too. The condition
 * must have no side effect. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            must_failed(#condition, __FILE__, __LINE__);                                           \
    } while (0)
_Noreturn void must_failed(const char *condition, const char *file, int line);

/* Borrowed bytes, not NUL-terminated. */
struct slice {
    const char *data;
    size_t size;
};
static inline struct slice slice_of(const char *text) {
    return (struct slice){text, text ? strlen(text) : 0};
}
static inline bool slice_equal(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
static inline bool slice_is(struct slice a, const char *text) {
    return slice_equal(a, slice_of(text));
}

/* Memory that cannot be had ends the program (the keeper restarts it). Never returns NULL. */
void *memory_new(size_t bytes); /* zeroed */
void *memory_array(size_t count, size_t bytes_each);
void *memory_grow(void *old, size_t count, size_t bytes_each);
char *text_copy(const char *text); /* NULL stays NULL */
char *text_copy_n(const char *text, size_t bytes);
char *text_format(const char *format, ...) PRINTF_LIKE(1, 2);

static inline void auto_free_(void *place) {
    free(*(void **)place);
}
void auto_close_(int *fd);
/* AUTO_FREE char *text = ...; AUTO_FD int fd = ...; released when the block ends. */
#define AUTO_FREE __attribute__((cleanup(auto_free_)))
#define AUTO_FD __attribute__((cleanup(auto_close_)))
/* Moves ownership out of an automatic variable. */
#define TAKE(pointer)                                                                              \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })
static inline int take_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}
