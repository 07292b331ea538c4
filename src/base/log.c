/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"
#include "base/secret.h"
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096 };
static const char *program_name = "holdfast";
const char *const log_level_names[] = {"error", "warning", "info", "debug", NULL};
static int level_fd = -1;

void log_open(const char *program) {
    const char *run = getenv("HOLDFAST_RUN"), *service = getenv("HOLDFAST_SERVICE");
    program_name = program;
    if (!run || !service || strchr(service, '/'))
        return;
    AUTO_FREE char *path = text_format("%s/level/%s", run, service);
    log_follow_level(path);
}

void log_follow_level(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (level_fd >= 0)
        close(level_fd);
    level_fd = fd;
}

static enum log_level level_max(void) {
    char letter = 0;
    if (level_fd < 0 || pread(level_fd, &letter, 1, 0) != 1)
        return LOG_INFO;
    for (int i = 0; log_level_names[i]; i++)
        if (letter == log_level_names[i][0])
            return (enum log_level)i;
    return LOG_INFO;
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
    if (lost) {
        char note[64];
        int n = snprintf(note, sizeof note, "(%u lines were lost here)\n", lost);
        (void)!write(STDERR_FILENO, note, (size_t)n);
        lost = 0;
    }
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
    char now[CLOCK_TEXT_BYTES];
    clock_format(clock_wall_ms(), now);
    return snprintf(ret, LINE_BYTES_MAX, "%s %s %s: ", now, log_level_names[level], program_name);
}

void log_line(enum log_level level, const char *format, ...) {
    static int terminal = -1;
    if (level > LOG_ERROR && level > level_max())
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
