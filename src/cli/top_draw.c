/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/screen.h"
#include "cli/top.h"
#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { GREEN = 1, RED, YELLOW, DIM };
static bool with_colours;

int top_draw_open(void) {
    const char *no = getenv("NO_COLOR");
    if (!newterm(NULL, stdout, stdin))
        return -ENOTTY;
    cbreak();
    noecho();
    nonl();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    with_colours = has_colors() && !(no && *no);
    if (!with_colours)
        return 0;
    start_color();
    use_default_colors();
    init_pair(GREEN, COLOR_GREEN, -1);
    init_pair(RED, COLOR_RED, -1);
    init_pair(YELLOW, COLOR_YELLOW, -1);
    init_pair(DIM, COLORS > 8 ? 8 : COLOR_BLUE, -1);
    return 0;
}

void top_draw_close(void) {
    endwin();
}

static attr_t look(short pair, attr_t without) {
    return with_colours ? (attr_t)COLOR_PAIR(pair) | (without & A_BOLD) : without;
}

static void put(int y, int x, const char *text, int width, attr_t attributes) {
    if (width <= 0 || y < 0 || y >= LINES)
        return;
    AUTO_FREE char *cut = cells_cut(text, width);
    attrset((int)attributes);
    mvaddstr(y, x, cut);
    attrset((int)A_NORMAL);
}

/* A whole line, filled with spaces. */
static void put_line(int y, const char *text, attr_t attributes) {
    AUTO_FREE char *line = cells_fit(text, COLS, false);
    put(y, 0, line, COLS, attributes);
}

/* ---- header ---- */

static short colour_of_percent(double percent) {
    return percent >= 90 ? RED : percent >= 75 ? YELLOW : GREEN;
}

/* "CPU [||||      ]  38 %", and below it what it means. */
static void put_meter(int y, int x, const char *label, double percent, const char *below) {
    enum { BARS = 10 };
    char text[16] = "   -";
    int at = x + (int)strlen(label) + 1;
    int bars = percent < 0 ? 0 : percent >= 100 ? BARS : (int)(percent * BARS / 100 + 0.5);
    if (percent >= 0)
        snprintf(text, sizeof text, "%3.0f %%", percent);
    put(y, x, label, COLS - x, A_NORMAL);
    put(y, at, "[          ]", COLS - at, look(DIM, A_NORMAL));
    static const char full[BARS + 1] = "||||||||||";
    put(y, at + 1, &full[BARS - bars], COLS - at - 1, look(colour_of_percent(percent), A_BOLD));
    put(y, at + BARS + 3, text, COLS - at - BARS - 3, A_NORMAL);
    put(y + 1, x, below, COLS - x, look(DIM, A_NORMAL));
}

static void describe_share(int64_t total, int64_t available, char *ret, size_t size) {
    char used[TOP_SIZE_BYTES], whole[TOP_SIZE_BYTES];
    ret[0] = 0;
    if (total <= 0 || available < 0)
        return;
    top_size(total - available, used);
    top_size(total, whole);
    snprintf(ret, size, "%s of %s", used, whole);
}

static void draw_machine(const struct top *top, int y) {
    const struct top_machine *machine = &top->machine;
    char cpu[64] = "", memory[64], disk[64];
    if (machine->load1 >= 0)
        snprintf(cpu, sizeof cpu, "load %.2f, %lld core%s", machine->load1,
                 (long long)machine->cores, machine->cores == 1 ? "" : "s");
    describe_share(machine->memory_total, machine->memory_available, memory, sizeof memory);
    describe_share(machine->disk_total, machine->disk_available, disk, sizeof disk);
    put_meter(y, 1, "CPU", machine->cpu_percent, cpu);
    put_meter(y, 27, "memory", machine->memory_percent, memory);
    put_meter(y, 56, "disk", machine->disk_percent, disk);
}

static void draw_head(const struct top *top) {
    char summary[160], up[TEXT_DURATION_BYTES], clock[16] = "";
    bool troubled = false;
    time_t now = time(NULL);
    struct tm t;
    if (localtime_r(&now, &t))
        strftime(clock, sizeof clock, "%H:%M:%S", &t);
    top_summary(top, summary, sizeof summary, &troubled);
    text_from_duration(top->uptime_ms, up);
    put(0, 1, top->name, COLS - 1, A_BOLD);
    int x = cells_width(top->name) + 3;
    AUTO_FREE char *connected = text_format("up %s%s", up, top->stopping ? ", stopping" : "");
    const char *state = top->connected ? connected : "the keeper does not answer; trying again";
    put(0, x, state, COLS - x - 10, top->connected ? look(DIM, A_NORMAL) : look(RED, A_BOLD));
    x += cells_width(state) + 2;
    if (top->connected)
        put(0, x, summary, COLS - x - 10, look(troubled ? RED : GREEN, A_BOLD));
    put(0, COLS - 9, clock, 9, A_NORMAL);
}

/* ---- table ---- */

enum column { NAME, STATE, SINCE, RESTARTS, PID, CPU, MEMORY, FDS, THREADS, NOTE, COLUMN_COUNT };
static const struct {
    const char *title;
    int width;
    bool right;
    enum top_sort sort; /* marked when it is by this */
} columns[COLUMN_COUNT] = {
    [NAME] = {"SERVICE", 7, false, TOP_BY_NAME},   [STATE] = {"STATE", 8, false, TOP_BY_WORST},
    [SINCE] = {"SINCE", 9, true, TOP_BY_ORDER},    [RESTARTS] = {"RST", 4, true, TOP_BY_ORDER},
    [PID] = {"PID", 7, true, TOP_BY_ORDER},        [CPU] = {"CPU%", 6, true, TOP_BY_CPU},
    [MEMORY] = {"MEMORY", 8, true, TOP_BY_MEMORY}, [FDS] = {"FDS", 5, true, TOP_BY_ORDER},
    [THREADS] = {"THR", 4, true, TOP_BY_ORDER},    [NOTE] = {"NOTE", 0, false, TOP_BY_ORDER}};

/* Widths for this screen; 0: there is no room. */
static void lay_out(const struct top *top, int ret[COLUMN_COUNT]) {
    static const enum column dropped[] = {THREADS, FDS, PID, RESTARTS, SINCE, MEMORY, CPU};
    enum { NOTE_MIN = 10 };
    int used = 1;
    for (int c = 0; c < NOTE; c++)
        ret[c] = columns[c].width;
    for (size_t i = 0; i < top->count; i++) {
        int width = cells_width(top->rows[i].name);
        ret[NAME] = width > ret[NAME] ? width : ret[NAME];
    }
    if (ret[NAME] > COLS / 2)
        ret[NAME] = COLS / 2;
    for (int c = 0; c < NOTE; c++)
        used += ret[c] + 1;
    for (size_t k = 0; k < COUNT_OF(dropped) && used > COLS; k++) {
        used -= ret[dropped[k]] + 1;
        ret[dropped[k]] = 0;
    }
    ret[NOTE] = COLS - used - 1 >= NOTE_MIN ? COLS - used - 1 : 0;
}

static void format_number(int64_t value, char *ret, size_t size) {
    if (value < 0)
        snprintf(ret, size, "-");
    else
        snprintf(ret, size, "%lld", (long long)value);
}

static void format_cell(const struct top_row *row, enum column column, char *ret, size_t size) {
    switch (column) {
    case NAME:
        text_print(ret, size, "%s", row->name);
        break;
    case STATE:
        text_print(ret, size, "%s", row->state);
        break;
    case SINCE:
        screen_short_duration(row->since_ms, ret);
        break;
    case RESTARTS:
        format_number(row->restarts, ret, size);
        break;
    case PID:
        format_number(row->pid ? row->pid : TOP_UNKNOWN, ret, size);
        break;
    case CPU:
        if (row->cpu_percent < 0)
            snprintf(ret, size, "-");
        else
            snprintf(ret, size, "%.1f", row->cpu_percent);
        break;
    case MEMORY:
        top_size(row->memory_bytes, ret);
        break;
    case FDS:
        format_number(row->fds, ret, size);
        break;
    case THREADS:
        format_number(row->threads, ret, size);
        break;
    case NOTE:
    case COLUMN_COUNT:
        text_print(ret, size, "%s", row->note);
        break;
    }
}

static attr_t look_of_state(const struct top_row *row) {
    const char *state = row->state;
    if (row->troubled)
        return look(RED, A_BOLD);
    if (strcmp(state, "ready") == 0 || strcmp(state, "done") == 0)
        return look(GREEN, A_NORMAL);
    return strcmp(state, "stopped") == 0 ? look(DIM, A_NORMAL) : look(YELLOW, A_NORMAL);
}

/* Without a process there are no figures: the reason takes their place. */
static void draw_row(const struct top_row *row, int y, const int *widths, bool selected) {
    int x = 1;
    attr_t mark = selected ? A_REVERSE : A_NORMAL;
    if (selected)
        put_line(y, "", A_REVERSE);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        char text[sizeof row->note];
        if (c == PID && !row->pid && row->note[0]) {
            put(y, x + 2, row->note, COLS - x - 3, mark);
            return;
        }
        if (!widths[c])
            continue;
        format_cell(row, (enum column)c, text, sizeof text);
        AUTO_FREE char *cell = cells_fit(text, widths[c], columns[c].right);
        put(y, x, cell, widths[c], mark | (c == STATE ? look_of_state(row) : (attr_t)A_NORMAL));
        x += widths[c] + 1;
    }
}

static void draw_titles(const struct top *top, int y, const int *widths) {
    int x = 1;
    put_line(y, "", look(DIM, A_UNDERLINE) | A_UNDERLINE);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        bool sorted = columns[c].sort == top->sort && top->sort != TOP_BY_ORDER;
        if (!widths[c])
            continue;
        AUTO_FREE char *cell = cells_fit(columns[c].title, widths[c], columns[c].right);
        put(y, x, cell, widths[c], A_UNDERLINE | (sorted ? (attr_t)A_BOLD : look(DIM, A_NORMAL)));
        x += widths[c] + 1;
    }
}

static void draw_table(struct top *top, int y, int height) {
    int widths[COLUMN_COUNT];
    size_t shown = height > 1 ? (size_t)(height - 1) : 0;
    lay_out(top, widths);
    draw_titles(top, y, widths);
    if (top->selected < top->first)
        top->first = top->selected;
    if (shown && top->selected >= top->first + shown)
        top->first = top->selected - shown + 1;
    if (top->first + shown > top->count)
        top->first = top->count > shown ? top->count - shown : 0;
    for (size_t i = 0; i < shown && top->first + i < top->count; i++)
        draw_row(&top->rows[top->first + i], y + 1 + (int)i, widths,
                 top->first + i == top->selected);
    if (top->count == 0)
        put(y + 1, 1, "No services: add one under services: in the config, then holdfast reload.",
            COLS - 1, A_NORMAL);
}

static void draw_foot(const struct top *top) {
    const struct top_row *row = top_selected(top);
    AUTO_FREE char *line = NULL;
    attr_t attributes = A_NORMAL;
    if (top->wish[0] && row) {
        bool stop = strcmp(top->wish, "stop") == 0;
        line = text_format(" %s %s%s? y/n", stop ? "Stop" : "Restart", row->name,
                           stop ? ", and what needs it" : "");
        attributes = look(YELLOW, A_BOLD) | A_BOLD;
    } else if (top->message[0]) {
        line = text_format(" %s", top->message);
        attributes = look(RED, A_BOLD) | A_BOLD;
    } else if (row) {
        line =
            text_format(" %s %s%s%s", row->name, row->state, row->note[0] ? ": " : "", row->note);
    }
    put_line(LINES - 2, line ? line : "", attributes);
    put_line(LINES - 1, " r restart  s stop/start  l log  c m n w o sort  ? help  q quit",
             look(DIM, A_NORMAL));
}

/* ---- the other two ---- */

/* Colours that a service printed would be shown as rubbish. */
static void drop_escapes(char *line) {
    char *to = line;
    for (const char *at = line; *at;) {
        if (at[0] == '\033' && at[1] == '[') {
            at += 2;
            while (*at && (*at < '@' || *at > '~'))
                at++;
            at += *at != 0;
        } else {
            *to++ = *at++;
        }
    }
    *to = 0;
}

static char *read_tail(const char *path) {
    enum { TAIL_BYTES = 64 << 10 };
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end < 0)
        return NULL;
    off_t start = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
    char *text = memory_new(TAIL_BYTES + 1);
    ssize_t n = pread(fd, text, TAIL_BYTES, start);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void draw_log(const struct top *top) {
    const struct top_row *row = top_selected(top);
    AUTO_FREE char *name = text_format("%s.log", row ? row->name : "");
    AUTO_FREE char *path = path_join(top->log_folder, name);
    AUTO_FREE char *text = read_tail(path);
    AUTO_FREE char *title = text_format(" log of %s", row ? row->name : "-");
    put_line(0, title, A_REVERSE);
    int y = LINES - 2;
    char *end = text ? text + strlen(text) : NULL;
    if (end && end > text && end[-1] == '\n')
        *--end = 0;
    if (!end || end == text)
        put(1, 1, "It has printed nothing yet.", COLS - 1, look(DIM, A_NORMAL));
    for (; end && end > text && y > 0; y--) {
        char *start = memrchr(text, '\n', (size_t)(end - text));
        char *line = start ? start + 1 : text;
        drop_escapes(line);
        put(y, 1, line, COLS - 1, A_NORMAL);
        end = start;
        if (end)
            *end = 0;
    }
    put_line(LINES - 1, " l, q or Esc: back", look(DIM, A_NORMAL));
}

static void draw_help(void) {
    static const char *const lines[] = {
        "arrows, j k, PgUp PgDn, Home End   select a service",
        "r          restart it (asks first)",
        "s          stop it, with what needs it (asks first), or start it",
        "l, Enter   the last lines of its log",
        "c          sort by CPU",
        "m          sort by memory",
        "n          sort by name",
        "w          sort by state, the worst first",
        "o          sort as in the config",
        "q          quit",
        "",
        "CPU% is of one core; memory, FDS (open files) and THR (threads) are of",
        "the service with all its processes. RST counts restarts. \"-\": not known."};
    put_line(0, " holdfast top", A_REVERSE);
    for (int i = 0; i < (int)COUNT_OF(lines); i++)
        put(i + 2, 1, lines[i], COLS - 1, A_NORMAL);
    put_line(LINES - 1, " any key: back", look(DIM, A_NORMAL));
}

void top_draw(struct top *top) {
    enum { LINES_WITH_MACHINE = 12 };
    erase();
    if (top->view == TOP_LOG) {
        draw_log(top);
    } else if (top->view == TOP_HELP) {
        draw_help();
    } else {
        bool machine = LINES >= LINES_WITH_MACHINE;
        int y = machine ? 5 : 1;
        draw_head(top);
        if (machine)
            draw_machine(top, 2);
        draw_table(top, y, LINES - y - 2);
        draw_foot(top);
    }
    refresh();
}
