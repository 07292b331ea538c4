/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/screen.h"
#include "base/buffer.h"
#include "cli/cli.h"
#include <locale.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* C.UTF-8 is part of the C library; a locale that is set but not installed would be "C". */
void screen_init(void) {
    setlocale(LC_CTYPE, "C.UTF-8");
}

bool colours_wanted(int fd) {
    const char *no = getenv("NO_COLOR");
    return isatty(fd) && !(no && *no);
}

int screen_columns(int fd) {
    enum { COLUMNS_MIN = 20 };
    struct winsize size;
    if (!isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col;
}

/* One character: its bytes and its cells. What is no character, or none to be seen, is one cell
 * and shown as something harmless. */
static size_t next_character(const char *text, int *ret_cells, bool *ret_harmless) {
    wchar_t wide = 0;
    mbstate_t state = {0};
    size_t bytes = mbrtowc(&wide, text, MB_CUR_MAX, &state);
    *ret_harmless = bytes != 0 && bytes < (size_t)-2;
    if (!*ret_harmless)
        bytes = 1;
    *ret_cells = *ret_harmless ? wcwidth(wide) : 1;
    if (*ret_cells < 0) {
        *ret_harmless = false;
        *ret_cells = 1;
    }
    return bytes;
}

int cells_width(const char *text) {
    int width = 0;
    while (*text) {
        int cells = 0;
        bool harmless = true;
        text += next_character(text, &cells, &harmless);
        width += cells;
    }
    return width;
}

char *cells_cut(const char *text, int width) {
    struct buffer out = {0};
    bool cut = cells_width(text) > width;
    int left = cut ? width - 1 : width;
    buffer_add_text(&out, "");
    while (*text) {
        int cells = 0;
        bool harmless = true;
        size_t bytes = next_character(text, &cells, &harmless);
        if (cells > left)
            break;
        if (harmless)
            buffer_add(&out, text, bytes);
        else
            buffer_add_text(&out, " ");
        left -= cells;
        text += bytes;
    }
    if (cut && width > 0)
        buffer_add_text(&out, "…");
    char *done = text_copy(out.data ? out.data : "");
    buffer_deinit(&out);
    return done;
}

char *cells_fit(const char *text, int width, bool right) {
    AUTO_FREE char *cut = cells_cut(text, width);
    int space = width - cells_width(cut);
    return right ? text_format("%*s%s", space, "", cut) : text_format("%s%*s", cut, space, "");
}

const char *state_colour(const char *state) {
    static const char *const colours[][2] = {
        {"ready", "32"},     {"done", "32"},     {"failed", "31;1"}, {"backoff", "31"},
        {"stopped", "90"},   {"starting", "33"}, {"waiting", "33"},  {"stopping", "33"},
        {"preparing", "33"}, {"cleaning", "33"}, {"running", "32"},  {"scheduled", "36"}};
    for (size_t i = 0; i < COUNT_OF(colours); i++)
        if (strcmp(state, colours[i][0]) == 0)
            return colours[i][1];
    return "0";
}

void screen_time(const char *utc, time_t now, char ret[SCREEN_TIME_BYTES]) {
    struct tm t = {0}, local, today;
    const char *end = strptime(utc, "%Y-%m-%dT%H:%M:%S", &t);
    time_t when = end ? timegm(&t) : 0;
    if (!end || !localtime_r(&when, &local) || !localtime_r(&now, &today)) {
        snprintf(ret, SCREEN_TIME_BYTES, "%.19s", utc);
        return;
    }
    bool is_today = local.tm_yday == today.tm_yday && local.tm_year == today.tm_year;
    if (!strftime(ret, SCREEN_TIME_BYTES, is_today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local))
        ret[0] = 0;
}

void screen_short_duration(int64_t ms, char ret[SCREEN_SHORT_BYTES]) {
    long long seconds = ms > 0 ? ms / 1000 : 0, minutes = seconds / 60, hours = minutes / 60;
    if (seconds < 60)
        snprintf(ret, SCREEN_SHORT_BYTES, "%lld s", seconds);
    else if (hours == 0)
        snprintf(ret, SCREEN_SHORT_BYTES, "%lld m", minutes);
    else if (hours < 24)
        snprintf(ret, SCREEN_SHORT_BYTES, "%lld h %lld m", hours, minutes % 60);
    else
        snprintf(ret, SCREEN_SHORT_BYTES, "%lld d %lld h", hours / 24, hours % 24);
}
