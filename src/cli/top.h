/* SPDX-License-Identifier: Apache-2.0 */
/* top.h - for holdfast-top only: what is shown (top_model.c, no terminal), how (top_draw.c), and
 * the loop with its keys (top.c). */
#pragma once
#include "base/common.h"
#include <jansson.h>

enum top_sort { TOP_BY_ORDER, TOP_BY_CPU, TOP_BY_MEMORY, TOP_BY_NAME, TOP_BY_WORST };
enum top_view { TOP_TABLE, TOP_LOG, TOP_HELP };
enum { TOP_UNKNOWN = -1 }; /* a figure that nobody told: shown as "-" */

struct top_row {
    char name[64], state[16], note[400];
    int pid;
    double cpu_percent; /* of one core */
    int64_t memory_bytes, fds, threads, restarts, since_ms;
    int order;     /* in the config */
    bool troubled; /* failed, backing off, unhealthy, without log */
};
struct top_machine {
    double cpu_percent, load1, memory_percent, disk_percent;
    int64_t cores, memory_total, memory_available, disk_total, disk_available;
};
struct top {
    char name[64];
    int64_t uptime_ms;
    bool connected, stopping;
    struct top_row *rows;
    size_t count;
    struct top_machine machine;
    enum top_sort sort;
    enum top_view view;
    size_t selected, first; /* row, and the first one on the screen */
    char wish[16];          /* "stop", "restart" that waits for y; else "" */
    char message[400];      /* the answer to the last wish; until the next key */
    const char *log_folder;
};
void top_init(struct top *top, const char *log_folder);
void top_deinit(struct top *top);
/* The answers to {"do":"status"} and {"do":"figures"}; NULL: it was refused. The selection stays
 * on its service. */
void top_take_status(struct top *top, const json_t *status);
void top_take_figures(struct top *top, const json_t *figures);
void top_set_sort(struct top *top, enum top_sort sort);
void top_move(struct top *top, int64_t rows);              /* the selection */
const struct top_row *top_selected(const struct top *top); /* NULL: there is none */
/* "6 services: 4 ready, 1 failed"; ret_troubled: somebody should look. */
void top_summary(const struct top *top, char *ret, size_t size, bool *ret_troubled);
/* "812 KB", "48.1 MB", "-". */
enum { TOP_SIZE_BYTES = 24 };
void top_size(int64_t bytes, char ret[TOP_SIZE_BYTES]);

/* The whole screen, or -errno / 0 at start. */
int top_draw_open(void);
void top_draw_close(void);
void top_draw(struct top *top);

/* Until q; returns the exit code. */
int top_run(const char *run, const char *data);
