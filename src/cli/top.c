/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of holdfast-top: keys, the keeper's answers, and the two seconds between questions.
 * Never waits for the keeper: an answer that does not come is shown as such. */
#include "cli/top.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/screen.h"
#include <curses.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { REFRESH_MS = 2000, LOG_MS = 500, SOON_MS = 100, AGAIN_MS = 500, SILENT_MS_MAX = 6000 };
enum { ID_STATUS = 1, ID_FIGURES, ID_EVENTS, ID_WISH };

struct loop {
    struct top top;
    const char *run;
    struct keeper_stream stream;
    int64_t ask_at_ms;   /* the next question, or the next try to connect */
    int64_t heard_at_ms; /* the last answer */
    bool drawn, quit;
    bool told; /* something is known to be shown: services, or that nobody answers */
};

static void send_request(struct loop *loop, json_t *request) {
    if (loop->stream.fd < 0)
        json_decref(request);
    else
        (void)!keeper_stream_send(&loop->stream, request); /* reading will say that it has gone */
}

static void ask(struct loop *loop) {
    send_request(loop, json_pack("{s:i,s:s}", "id", ID_STATUS, "do", "status"));
    send_request(loop, json_pack("{s:i,s:s}", "id", ID_FIGURES, "do", "figures"));
    loop->ask_at_ms = clock_ms() + REFRESH_MS;
}

static void lose(struct loop *loop) {
    keeper_stream_close(&loop->stream);
    loop->top.connected = false;
    loop->ask_at_ms = clock_ms() + AGAIN_MS;
    loop->drawn = false;
    loop->told = true;
}

static void connect_keeper(struct loop *loop) {
    loop->stream = (struct keeper_stream){.fd = keeper_connect(loop->run)};
    if (loop->stream.fd < 0) {
        lose(loop);
        return;
    }
    loop->heard_at_ms = clock_ms();
    send_request(loop, json_pack("{s:i,s:s,s:I,s:b}", "id", ID_EVENTS, "do", "events", "after",
                                 (json_int_t)INT64_MAX, "follow", 1));
    ask(loop);
}

static void take_line(struct loop *loop, const json_t *line) {
    const json_t *result = json_object_get(line, "result");
    const json_t *error = json_object_get(line, "error");
    int64_t soon = clock_ms() + SOON_MS;
    loop->heard_at_ms = clock_ms();
    loop->top.connected = true; /* by its word, not by its socket: it may hang */
    loop->drawn = false;
    if (json_object_get(line, "event") && loop->ask_at_ms > soon)
        loop->ask_at_ms = soon; /* many at once are one question */
    switch (json_number(line, "id")) {
    case ID_STATUS:
        if (result)
            top_take_status(&loop->top, result);
        loop->told = true;
        break;
    case ID_FIGURES:
        top_take_figures(&loop->top, result);
        break;
    case ID_WISH:
        text_print(loop->top.message, sizeof loop->top.message, "%s", json_text(error, "text"));
        break;
    default:
        break;
    }
}

static void hear(struct loop *loop) {
    int r = keeper_stream_fill(&loop->stream);
    for (json_t *line; (line = keeper_stream_take(&loop->stream)); json_decref(line))
        take_line(loop, line);
    if (r < 0)
        lose(loop);
}

/* ---- keys ---- */

static void wish(struct loop *loop, const char *what) {
    const struct top_row *row = top_selected(&loop->top);
    loop->top.wish[0] = 0;
    if (!row)
        return;
    if (!loop->top.connected)
        text_print(loop->top.message, sizeof loop->top.message, "not done: the keeper is away");
    send_request(loop,
                 json_pack("{s:i,s:s,s:[s]}", "id", ID_WISH, "do", what, "services", row->name));
}

static void confirm(struct loop *loop, const char *what) {
    if (top_selected(&loop->top))
        snprintf(loop->top.wish, sizeof loop->top.wish, "%s", what);
}

static void stop_or_start(struct loop *loop) {
    static const char *const running[] = {"ready",    "running", "preparing",
                                          "starting", "waiting", "backoff"};
    const struct top_row *row = top_selected(&loop->top);
    for (size_t i = 0; row && i < COUNT_OF(running); i++) {
        if (strcmp(row->state, running[i]) == 0) {
            confirm(loop, "stop");
            return;
        }
    }
    wish(loop, "start");
}

static bool sort_key(struct loop *loop, int key) {
    static const char keys[] = "ocmnw"; /* in the order of enum top_sort */
    const char *at = key > 0 && key < 128 ? strchr(keys, key) : NULL;
    if (at)
        top_set_sort(&loop->top, (enum top_sort)(at - keys));
    return at != NULL;
}

static bool move_key(struct loop *loop, int key) {
    const struct {
        int key;
        int64_t rows;
    } moves[] = {{KEY_UP, -1},           {'k', -1},
                 {KEY_DOWN, 1},          {'j', 1},
                 {KEY_PPAGE, 8 - LINES}, {KEY_NPAGE, LINES - 8},
                 {KEY_HOME, INT32_MIN},  {KEY_END, INT32_MAX}};
    for (size_t i = 0; i < COUNT_OF(moves); i++) {
        if (moves[i].key == key) {
            top_move(&loop->top, moves[i].rows);
            return true;
        }
    }
    return false;
}

static void table_key(struct loop *loop, int key) {
    enum { RETURN = '\r' };
    if (sort_key(loop, key) || move_key(loop, key))
        return;
    if (key == 'q')
        loop->quit = true;
    else if (key == 'r')
        confirm(loop, "restart");
    else if (key == 's')
        stop_or_start(loop);
    else if ((key == 'l' || key == RETURN || key == KEY_ENTER) && top_selected(&loop->top))
        loop->top.view = TOP_LOG;
    else if (key == '?' || key == 'h')
        loop->top.view = TOP_HELP;
}

static void take_key(struct loop *loop, int key) {
    enum { ESCAPE = 27 };
    struct top *top = &loop->top;
    loop->drawn = false;
    if (key == KEY_RESIZE)
        return;
    top->message[0] = 0;
    if (top->wish[0]) {
        if (key == 'y' || key == 'Y')
            wish(loop, top->wish[0] == 's' ? "stop" : "restart");
        top->wish[0] = 0;
    } else if (top->view == TOP_TABLE) {
        table_key(loop, key);
    } else if (top->view == TOP_HELP || key == 'l' || key == 'q' || key == ESCAPE) {
        top->view = TOP_TABLE;
    }
}

/* ---- the loop ---- */

static void tick(struct loop *loop) {
    int64_t now = clock_ms();
    if (loop->stream.fd >= 0 && now - loop->heard_at_ms > SILENT_MS_MAX)
        lose(loop); /* it hangs: a new connection tells when it is back */
    else if (now >= loop->ask_at_ms && loop->stream.fd >= 0)
        ask(loop);
    else if (now >= loop->ask_at_ms)
        connect_keeper(loop);
    loop->drawn &= loop->top.view != TOP_LOG;
    if (!loop->drawn && loop->told)
        top_draw(&loop->top);
    loop->drawn = true;
}

static void wait_for_something(struct loop *loop) {
    int64_t wait = loop->ask_at_ms - clock_ms();
    if (loop->top.view == TOP_LOG && wait > LOG_MS)
        wait = LOG_MS;
    struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = loop->stream.fd, .events = POLLIN}};
    if (poll(ready, 2, wait > 0 ? (int)wait : 0) <= 0)
        return;
    if (ready[1].revents)
        hear(loop);
    if (ready[0].revents & (POLLHUP | POLLERR | POLLNVAL))
        loop->quit = true; /* the terminal has gone */
}

int top_run(const char *run, const char *data) {
    AUTO_FREE char *folder = path_join(data, "logs");
    struct loop loop = {.run = run, .stream = {.fd = -1}};
    top_init(&loop.top, folder);
    screen_init();
    if (top_draw_open() < 0) {
        const char *term = getenv("TERM");
        fatal(EX_USAGE,
              "the terminal '%s' is not known here: set TERM to what it is, such as xterm",
              term ? term : "");
    }
    while (!loop.quit) {
        tick(&loop);
        wait_for_something(&loop);
        for (int key; !loop.quit && (key = getch()) != ERR;)
            take_key(&loop, key);
    }
    top_draw_close();
    keeper_stream_close(&loop.stream);
    top_deinit(&loop.top);
    return 0;
}
