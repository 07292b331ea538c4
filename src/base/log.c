/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"
#include "base/secret.h"
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
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

/* A terminal that is held, a pipe that nobody reads: a line is rather lost, and counted, than a
 * loop stopped. A disk that hangs is not seen this way. */
static void write_if_taken(const char *line, size_t size) {
    static unsigned lost;
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) == 0) {
        lost++;
        return;
    }
    char note[64];
    int n = lost ? snprintf(note, sizeof note, "(%u lines were lost here)\n", lost) : 0;
    lost = 0;
    (void)!write(STDERR_FILENO, note, (size_t)n);
    (void)!write(STDERR_FILENO, line, size);
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
    write_if_taken(line, (size_t)size);
}

/* For a person at a terminal: the time of day, and the level only when it is bad. */
static int begin_for_person(enum log_level level, char *ret) {
    static const char *const marks[] = {"\033[31;1merror\033[0m ", "\033[33mwarning\033[0m ", "",
                                        "debug "};
    static const char *const plain[] = {"error ", "warning ", "", "debug "};
    const char *no_color = getenv("NO_COLOR");
    time_t now = time(NULL);
    struct tm t;
    localtime_r(&now, &t);
    return snprintf(ret, LINE_BYTES_MAX, "%02d:%02d:%02d  %s", t.tm_hour, t.tm_min, t.tm_sec,
                    (no_color && *no_color ? plain : marks)[level]);
}

static int begin_for_file(enum log_level level, char *ret) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char now[CLOCK_TEXT_BYTES];
    clock_format(clock_wall_ms(), now);
    return snprintf(ret, LINE_BYTES_MAX, "%s %s %s: ", now, names[level], program_name);
}

void log_line(enum log_level level, const char *format, ...) {
    static int terminal = -1;
    if (level > level_max)
        return;
    if (terminal < 0)
        terminal = isatty(STDERR_FILENO);
    char line[LINE_BYTES_MAX];
    int size = (terminal ? begin_for_person : begin_for_file)(level, line);
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
