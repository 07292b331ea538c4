/* SPDX-License-Identifier: Apache-2.0 */
/* service_log.h - the log of one service: from its FIFO into the ring (loop's thread), from the
 * ring to the file with rotation and masking (one writer thread for all).
 *
 * While the disk keeps up, nothing is dropped: a full ring makes the service wait in its pipe for
 * moments. When the disk has not moved for LOG_PATIENCE_MS, what does not fit is dropped, counted
 * and said in the log: a service is never held up by a hung or full disk. */
#pragma once
#include "keeper/log_watch.h"
#include <uv.h>

struct service_log;
struct log_writer;
enum { LOG_SETTLE_MS = 300, LOG_PATIENCE_MS = 1000, LOG_HANGS_MS = 5000, LOG_TAIL_BYTES = 2048 };

struct log_writer *log_writer_new(uv_loop_t *loop);
/* Writes what is left (at most `wait_ms`) and ends the thread; NULL is fine; returns NULL. */
struct log_writer *log_writer_free(struct log_writer *writer, int wait_ms);

/* Called on the loop for each word that a service printed (see log_watch.h). It must not open or
 * close a log. */
void log_writer_on_found(struct log_writer *writer, log_found_fn found, void *context);

struct service_log_options {
    const char *name;
    const char *folder_run;  /* holds NAME.fifo and NAME.ring */
    const char *folder_logs; /* holds NAME.log, NAME.log.1, ..., and their times in .NAME.log... */
    int64_t bytes_max;       /* of one file */
    int64_t files;           /* the current one included */
    uid_t owner;             /* of the FIFO: the service's user */
    char *const *patterns;   /* words that raise events; NULL: none */
    int64_t cooldown_ms;
};
MUST_CHECK int service_log_open(struct log_writer *writer,
                                const struct service_log_options *options,
                                struct service_log **ret);
/* The files of logs that were just opened are opened by the writer; this waits for them, not longer
 * than for a disk that works: what a service says before that stays in its pipe. */
void log_writer_settle(struct log_writer *writer, int wait_ms);
/* What it holds is written by the writer, however long that takes; nobody waits. NULL is fine;
 * returns NULL. */
struct service_log *service_log_close(struct service_log *log);
/* Changed options of the same log, the folders aside. */
void service_log_refit(struct service_log *log, const struct service_log_options *options);
const char *service_log_fifo(const struct service_log *log);
/* Reads what is in the pipe now. `ended`: the process is gone, so its last line is ended for it
 * once the pipe is empty. */
void service_log_flush(struct service_log *log, bool ended);
/* A new process begins: the tail is that of its life alone. */
void service_log_begin_life(struct service_log *log);
/* The last bytes that came, at most LOG_TAIL_BYTES; borrowed until the next turn of the loop. */
struct slice service_log_tail(const struct service_log *log);
int64_t service_log_dropped(const struct service_log *log); /* bytes, since the ring was made */
/* What keeps it from the disk now; NULL: nothing. */
const char *service_log_trouble(const struct service_log *log);
