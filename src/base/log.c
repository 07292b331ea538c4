/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"
#include "base/secret.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096 };
static const char *program_name = "holdfast";
static enum log_level level_max = LOG_INFO;

void log_open(const char *program) {
    program_name = program;
}

void log_set_level(enum log_level level) {
    level_max = level;
}

/* `size` bytes in `line` are used; adds the words, masks, ends the line and writes it at once. */
__attribute__((format(printf, 3, 0))) static void
write_line(char *line, int size, const char *format, va_list arguments) {
    int n = vsnprintf(line + size, (size_t)(LINE_BYTES_MAX - size), format, arguments);
    size = n < 0 ? size : size + n;
    if (size > LINE_BYTES_MAX - 2)
        size = LINE_BYTES_MAX - 2;
    secret_mask(line, (size_t)size);
    line[size++] = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)size);
}

void log_line(enum log_level level, const char *format, ...) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (level > level_max)
        return;
    char now[CLOCK_TEXT_BYTES], line[LINE_BYTES_MAX];
    clock_format(clock_wall_ms(), now);
    int size = snprintf(line, sizeof line, "%s %s %s: ", now, names[level], program_name);
    va_list arguments;
    va_start(arguments, format);
    write_line(line, size, format, arguments);
    va_end(arguments);
}

_Noreturn void fatal(int exit_code, const char *format, ...) {
    char line[LINE_BYTES_MAX];
    int size = snprintf(line, sizeof line, "%s: ", program_name);
    va_list arguments;
    va_start(arguments, format);
    write_line(line, size, format, arguments);
    va_end(arguments);
    exit(exit_code);
}
