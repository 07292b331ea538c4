/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/service_log.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "keeper/log_file.h"
#include "keeper/log_ring.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES_A_TURN = 512 * 1024, PIPE_BYTES = 256 * 1024, NOTE_BYTES = 160 };
enum { RETRY_MS = 1000, REST_MS = 1000, RESTS_MAX = 5, WRITES_A_TURN = 32 };
/* Closed by the loop: the writer writes the rest, however long its disk takes, and lets it go. */
enum log_state { LOG_OPEN, LOG_CLOSED, LOG_GONE };

struct service_log {
    struct log_writer *writer;
    struct log_ring ring;
    char *name, *fifo, *folder;
    int fifo_fd;
    uv_poll_t *poll;   /* NULL: closed */
    bool owes_newline; /* the service ended in the middle of a line */
    char last_byte;
    char tail[2 * LOG_TAIL_BYTES];
    size_t tail_size;
    int64_t full_since_ms; /* ring full; 0: it is not */
    bool dropping;         /* reads and drops, because the disk does not move */
    bool hung;             /* and has not for long, since it last moved then: */
    int64_t hung_moved_ms;
    int64_t lost_unopened;        /* bytes dropped before the file could be opened */
    bool loud;                    /* has a pipe with more room */
    struct log_watch *watch_told; /* the newest; its first line and its counts are told from here */
    /* shared with the writer thread */
    _Atomic bool waiting; /* the loop does not read: the ring is full, or not there yet */
    _Atomic bool opened;  /* the file is, and the ring knows where it stands */
    _Atomic int error;
    _Atomic int64_t moved_ms; /* the writer last got bytes to the disk */
    _Atomic int64_t bytes_max, files;
    /* guarded by the writer's mutex */
    enum log_state state;
    bool watch_changed;
    struct log_watch *watch_offered;
    struct service_log *next; /* in writer->logs; changed by the loop's thread */
    /* writer thread only */
    struct log_file file;
    struct log_watch *watch;
};

struct log_writer {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards logs and the flags below; never held while a disk works */
    pthread_cond_t wake, idle;
    struct service_log *logs;
    bool work, end, ended;
    uv_async_t room; /* news for the loop: room in the ring of a waiting log, a word found, ... */
    uv_timer_t patience; /* runs while some log waits for room */
    uv_timer_t rest;     /* runs a while after a burst */
    int rests;           /* how often it ran since the last */
    uv_timer_t cooldown; /* the next end of one */
    log_found_fn found;
    void *found_context;
    uv_loop_t *loop;
};

/* ---- writer thread: ring to file ---- */

/* Whole lines only. One longer than a write is cut, at a blank if there is one near, so that a
 * secret stays in one piece for the mask. */
static size_t cut_at_line(const char *chunk, size_t size) {
    const char *last = memrchr(chunk, '\n', size);
    if (last)
        return (size_t)(last - chunk) + 1;
    if (size < LOG_WRITE_BYTES)
        return 0;
    const char *near = chunk + size - SECRET_BYTES_MAX;
    const char *blank = memrchr(near, ' ', SECRET_BYTES_MAX);
    return blank ? (size_t)(blank - chunk) + 1 : size;
}

/* Masked, in the ring, before the disk and before anybody looks for words in it. */
static int write_some(struct service_log *log, char *lines, size_t size) {
    secret_mask(lines, size);
    ssize_t n = log_file_write(&log->file, &log->ring, (struct slice){lines, size}, log->bytes_max,
                               log->files);
    if (n < 0)
        return (int)n;
    bool found = log_watch_scan(log->watch, (struct slice){lines, (size_t)n});
    log_ring_written(&log->ring, (size_t)n);
    log->moved_ms = clock_ms();
    if (found)
        uv_async_send(&log->writer->room);
    return 0;
}

/* One write of one log; true when more may follow at once. */
static bool drain_once(struct service_log *log) {
    char *lines = NULL;
    size_t size = log_ring_peek(&log->ring, &lines);
    size = cut_at_line(lines, size);
    if (!size)
        return false;
    int before = log->error;
    log->error = write_some(log, lines, size);
    if (log->error != before)
        uv_async_send(&log->writer->room); /* the loop tells of it */
    return log->error == 0;
}

/* Sleeps until there is work, or until a log in trouble is tried again. */
static void writer_sleep(struct log_writer *writer, bool trouble) {
    struct timespec until = clock_deadline(RETRY_MS);
    while (!writer->work && !writer->end) {
        if (!trouble)
            pthread_cond_wait(&writer->wake, &writer->mutex);
        else if (pthread_cond_clockwait(&writer->wake, &writer->mutex, CLOCK_MONOTONIC, &until) ==
                 ETIMEDOUT)
            return;
    }
}

/* None before the file is open: how much the ring holds of a former keeper is known only then. */
static size_t room_of(const struct service_log *log) {
    return log->opened ? log_ring_room(&log->ring) : 0;
}

/* A reader that waits is woken for half a ring, not for each write. */
static bool has_room(const struct service_log *log) {
    return room_of(log) >= LOG_RING_BYTES / 2;
}

static void take_new_watch(struct service_log *log) {
    if (!log->watch_changed)
        return;
    log->watch_changed = false;
    free(log->watch);
    log->watch = TAKE(log->watch_offered);
}

static void open_file(struct service_log *log) {
    int r = log_file_open(&log->file, log->folder, log->name, &log->ring);
    if (r < 0)
        log_file_close(&log->file);
    log->error = r;
    log->opened = r == 0;
    uv_async_send(&log->writer->room);
}

/* In the writer's hands, the mutex open: its disk may hang. True when more is left: others have
 * their turn first. */
static bool drain(struct service_log *log) {
    struct log_writer *writer = log->writer;
    if (!log->opened)
        open_file(log);
    for (int i = 0; log->opened && i < WRITES_A_TURN; i++) {
        if (!drain_once(log))
            return false;
        if (log->waiting && has_room(log))
            uv_async_send(&writer->room);
    }
    return log->opened;
}

/* A closed log leaves once all is written, or with an error: the ring keeps the rest. */
static void let_go(struct service_log *log) {
    log_ring_close(&log->ring);
    log_file_close(&log->file);
    log->state = LOG_GONE;
    uv_async_send(&log->writer->room);
}

static void *writer_main(void *context) {
    struct log_writer *writer = context;
    pthread_mutex_lock(&writer->mutex);
    while (!writer->end || writer->work) {
        bool trouble = false;
        writer->work = false;
        for (struct service_log *log = writer->logs; log; log = log->next) {
            if (log->state == LOG_GONE)
                continue;
            bool closed = log->state == LOG_CLOSED;
            take_new_watch(log);
            pthread_mutex_unlock(&writer->mutex);
            bool more = drain(log);
            pthread_mutex_lock(&writer->mutex);
            writer->work |= more;
            pthread_cond_broadcast(&writer->idle);
            trouble |= log->error != 0 && !closed;
            if (closed && !more && log->state == LOG_CLOSED)
                let_go(log);
        }
        writer_sleep(writer, trouble);
    }
    writer->ended = true;
    pthread_cond_broadcast(&writer->idle);
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

static void wake_writer(struct log_writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    writer->work = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
}

/* ---- loop's thread: pipe to ring ---- */

static void keep_tail(struct service_log *log, const char *bytes, size_t size) {
    if (size > LOG_TAIL_BYTES) {
        bytes += size - LOG_TAIL_BYTES;
        size = LOG_TAIL_BYTES;
    }
    if (log->tail_size + size > sizeof log->tail) {
        size_t keep = LOG_TAIL_BYTES < log->tail_size ? LOG_TAIL_BYTES : log->tail_size;
        memmove(log->tail, log->tail + log->tail_size - keep, keep);
        log->tail_size = keep;
    }
    memcpy(log->tail + log->tail_size, bytes, size);
    log->tail_size += size;
}

static void note_received(struct service_log *log, size_t size) {
    keep_tail(log, log_ring_space(&log->ring), size);
    log->last_byte = log->tail[log->tail_size - 1]; /* size > 0: there is one */
    log_ring_received(&log->ring, size);
}

/* What was lost is said once there is room to say it. */
static void say_dropped(struct service_log *log) {
    char note[NOTE_BYTES];
    struct log_ring_losses *losses = log_ring_losses(&log->ring);
    if (room_of(log) < 2 * NOTE_BYTES)
        return;
    losses->all += log->lost_unopened;
    losses->unsaid += log->lost_unopened;
    log->lost_unopened = 0;
    if (!losses->unsaid)
        return;
    int n = snprintf(note, sizeof note,
                     "%s[holdfast: %lld bytes of this log were dropped: the disk did not move]\n",
                     log->last_byte == '\n' ? "" : "\n", (long long)losses->unsaid);
    if (!log_ring_put(&log->ring, (struct slice){note, (size_t)n}))
        return;
    losses->unsaid = 0;
    log->last_byte = '\n';
}

static void end_line(struct service_log *log) {
    if (!log->owes_newline || room_of(log) == 0)
        return;
    if (log->last_byte && log->last_byte != '\n' && !log_ring_put(&log->ring, slice_of("\n")))
        return;
    log->owes_newline = false;
    log->last_byte = '\n';
}

static void drop_some(struct service_log *log) {
    char scratch[16384];
    ssize_t n = read(log->fifo_fd, scratch, sizeof scratch);
    if (n <= 0)
        return;
    keep_tail(log, scratch, (size_t)n);
    log->hung_moved_ms = log->moved_ms;
    log->hung = clock_ms() - log->hung_moved_ms >= LOG_HANGS_MS;
    if (!log->opened) {
        log->lost_unopened += n;
        return;
    }
    log_ring_losses(&log->ring)->all += n;
    log_ring_losses(&log->ring)->unsaid += n;
}

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_patience(uv_timer_t *timer);
static void on_rest(uv_timer_t *timer);

static void watch_waiting(struct log_writer *writer) {
    if (!uv_is_active((uv_handle_t *)&writer->patience))
        uv_timer_start(&writer->patience, on_patience, LOG_PATIENCE_MS / 4, LOG_PATIENCE_MS / 4);
}

/* The writer may have made room before it could see that we wait. */
static void wait_for_room(struct service_log *log) {
    log->waiting = true;
    if (has_room(log)) {
        log->waiting = false;
        return;
    }
    uv_poll_stop(log->poll);
    log->full_since_ms = log->full_since_ms ? log->full_since_ms : clock_ms();
    watch_waiting(log->writer);
    wake_writer(log->writer);
}

/* Reads what is there, at most one turn's share; false when the ring is full. A page of the ring
 * that the kernel has no memory for (EFAULT: the run folder is full) counts as a disk that does not
 * move. */
static bool fill_ring(struct service_log *log) {
    bool full = false;
    size_t turn = 0;
    uint64_t before = log->ring.received;
    if (log->opened && log->ring.touched && clock_ms() - log->ring.gave_back_ms >= REST_MS)
        (void)log_ring_give_back(&log->ring);
    while (turn < READ_BYTES_A_TURN && !full) {
        say_dropped(log);
        size_t room = room_of(log);
        ssize_t n = room ? read(log->fifo_fd, log_ring_space(&log->ring), room) : 0;
        if (n > 0) {
            note_received(log, (size_t)n);
            turn += (size_t)n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            drop_some(log);
            break;
        } else {
            full = room == 0;
            if (!full)
                end_line(log); /* the pipe is empty */
            break;
        }
    }
    if (log->ring.received != before)
        wake_writer(log->writer);
    if (turn >= LOG_WRITE_BYTES && !log->loud) /* the usual 64 KB make the two wait in turns */
        log->loud = fcntl(log->fifo_fd, F_SETPIPE_SZ, PIPE_BYTES) > 0;
    if (log->ring.touched > LOG_RING_KEPT_BYTES)
        log->writer->rests = 0;
    if (log->ring.touched > LOG_RING_KEPT_BYTES && !uv_is_active((uv_handle_t *)&log->writer->rest))
        uv_timer_start(&log->writer->rest, on_rest, REST_MS, 0);
    return !full;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct service_log *log = poll->data;
    bool full = room_of(log) == 0;
    if (log->dropping && full) {
        drop_some(log);
        return;
    }
    log->dropping = false;
    if (!fill_ring(log))
        wait_for_room(log);
}

static void resume(struct service_log *log) {
    log->waiting = false;
    log->full_since_ms = 0;
    uv_poll_start(log->poll, UV_READABLE, on_readable);
}

/* Room again, or patience is over: then read on and drop. */
static void look_at_waiting(struct log_writer *writer) {
    int64_t now = clock_ms();
    bool still = false;
    for (struct service_log *log = writer->logs; log; log = log->next) {
        if (!log->waiting || !log->poll)
            continue;
        int64_t since = log->moved_ms > log->full_since_ms ? log->moved_ms : log->full_since_ms;
        log->dropping = now - since >= LOG_PATIENCE_MS;
        if (room_of(log) > 0 || log->dropping)
            resume(log);
        else
            still = true;
    }
    if (!still)
        uv_timer_stop(&writer->patience);
}

/* Rings that a burst has filled give their pages back once they are empty. */
static void on_rest(uv_timer_t *timer) {
    struct log_writer *writer = timer->data;
    bool again = false;
    for (struct service_log *log = writer->logs; log; log = log->next)
        if (log->poll && log->opened)
            again |= !log_ring_give_back(&log->ring);
    if (again && ++writer->rests < RESTS_MAX) /* a line without an end may stay for ever */
        uv_timer_start(&writer->rest, on_rest, REST_MS, 0);
}

static void on_patience(uv_timer_t *timer) {
    look_at_waiting(timer->data);
}

static void on_cooldown(uv_timer_t *timer);

/* The words that were found, and the cooldowns that have ended. */
static void tell_found(struct log_writer *writer) {
    int64_t next = 0, now = clock_ms();
    for (struct service_log *log = writer->logs; log && writer->found; log = log->next) {
        if (!log->poll)
            continue;
        int64_t due =
            log_watch_tell(log->watch_told, log->name, now, writer->found, writer->found_context);
        next = due && (!next || due < next) ? due : next;
    }
    uv_update_time(writer->loop);
    if (next)
        uv_timer_start(&writer->cooldown, on_cooldown, next > now ? (uint64_t)(next - now) : 0, 0);
}

static void on_cooldown(uv_timer_t *timer) {
    tell_found(timer->data);
}

static void log_free(struct service_log *log) {
    free(log->watch_offered);
    free(log->watch);
    free(log->name);
    free(log->fifo);
    free(log->folder);
    free(log);
}

static void free_gone(struct log_writer *writer) {
    struct service_log *gone = NULL;
    pthread_mutex_lock(&writer->mutex);
    for (struct service_log **link = &writer->logs; *link;) {
        struct service_log *log = *link;
        if (log->state != LOG_GONE) {
            link = &log->next;
            continue;
        }
        *link = log->next;
        log->next = gone;
        gone = log;
    }
    pthread_mutex_unlock(&writer->mutex);
    for (struct service_log *next; gone; gone = next) {
        next = gone->next;
        log_free(gone);
    }
}

static void on_room(uv_async_t *async) {
    struct log_writer *writer = async->data;
    free_gone(writer);
    look_at_waiting(writer);
    tell_found(writer);
}

/* ---- opening and closing ---- */

struct log_writer *log_writer_new(uv_loop_t *loop) {
    struct log_writer *writer = memory_new(sizeof *writer);
    writer->loop = loop;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->wake, NULL);
    pthread_cond_init(&writer->idle, NULL);
    uv_async_init(loop, &writer->room, on_room);
    uv_timer_init(loop, &writer->patience);
    uv_timer_init(loop, &writer->rest);
    uv_timer_init(loop, &writer->cooldown);
    writer->room.data = writer->patience.data = writer->rest.data = writer->cooldown.data = writer;
    uv_unref((uv_handle_t *)&writer->room);
    uv_unref((uv_handle_t *)&writer->patience);
    uv_unref((uv_handle_t *)&writer->rest);
    uv_unref((uv_handle_t *)&writer->cooldown);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    int r = pthread_create(&writer->thread, &attributes, writer_main, writer);
    must(r == 0);
    pthread_attr_destroy(&attributes);
    return writer;
}

void log_writer_on_found(struct log_writer *writer, log_found_fn found, void *context) {
    writer->found = found;
    writer->found_context = context;
}

static void writer_closed(uv_handle_t *handle) {
    struct log_writer *writer = handle->data;
    if (handle == (uv_handle_t *)&writer->cooldown)
        free(writer);
}

struct log_writer *log_writer_free(struct log_writer *writer, int wait_ms) {
    if (!writer)
        return NULL;
    struct timespec until = clock_deadline(wait_ms);
    pthread_mutex_lock(&writer->mutex);
    writer->work = writer->end = true;
    pthread_cond_signal(&writer->wake);
    int r = 0;
    while (!writer->ended && r == 0)
        r = pthread_cond_clockwait(&writer->idle, &writer->mutex, CLOCK_MONOTONIC, &until);
    bool ended = writer->ended;
    pthread_mutex_unlock(&writer->mutex);
    if (!ended)
        return NULL; /* its disk hangs; the process is about to end, the ring keeps the rest */
    pthread_join(writer->thread, NULL);
    free_gone(writer);
    uv_close((uv_handle_t *)&writer->room, writer_closed);
    uv_close((uv_handle_t *)&writer->rest, writer_closed);
    uv_close((uv_handle_t *)&writer->patience, writer_closed);
    uv_close((uv_handle_t *)&writer->cooldown, writer_closed);
    return NULL;
}

static int open_fifo(struct service_log *log, uid_t owner) {
    if (mkfifo(log->fifo, 0600) < 0 && errno != EEXIST)
        return -errno;
    if (owner != geteuid() && chown(log->fifo, owner, (gid_t)-1) < 0)
        return -errno;
    /* A writing end of our own: when the last writer goes, the end of the stream would be there to
     * read again and again. */
    log->fifo_fd = open(log->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return log->fifo_fd < 0 ? -errno : 0;
}

static void poll_closed(uv_handle_t *handle) {
    free(handle);
}

/* The reading side: FIFO and poll handle. */
static int begin_reading(struct service_log *log, uid_t owner) {
    int r = open_fifo(log, owner);
    if (r < 0)
        return r;
    log->poll = memory_new(sizeof *log->poll);
    r = uv_poll_init(log->writer->loop, log->poll, log->fifo_fd);
    if (r < 0) {
        free(TAKE(log->poll));
        return r;
    }
    log->poll->data = log;
    log->waiting = true; /* until the file is open */
    if (log->opened)
        resume(log);
    else
        watch_waiting(log->writer);
    return 0;
}

static void end_reading(struct service_log *log) {
    if (log->poll)
        uv_close((uv_handle_t *)TAKE(log->poll), poll_closed);
    if (log->fifo_fd >= 0)
        close(take_fd(&log->fifo_fd));
}

static void set_watch(struct service_log *log, const struct service_log_options *options) {
    if (log_watch_is(log->watch_told, options->patterns, options->cooldown_ms))
        return;
    log->watch_told = log_watch_new(options->patterns, options->cooldown_ms);
    pthread_mutex_lock(&log->writer->mutex);
    free(log->watch_offered); /* the writer has not taken it */
    log->watch_offered = log->watch_told;
    log->watch_changed = true;
    pthread_mutex_unlock(&log->writer->mutex);
}

/* A log that was closed and whose last bytes the writer still holds is opened again: there are
 * never two at one ring. */
static struct service_log *reopen(struct log_writer *writer, const char *fifo) {
    struct service_log *found = NULL;
    pthread_mutex_lock(&writer->mutex);
    for (struct service_log *log = writer->logs; log && !found; log = log->next)
        if (log->state == LOG_CLOSED && strcmp(log->fifo, fifo) == 0)
            found = log;
    if (found)
        found->state = LOG_OPEN;
    pthread_mutex_unlock(&writer->mutex);
    return found;
}

static int open_new(struct log_writer *writer, const struct service_log_options *options,
                    struct service_log **ret) {
    struct service_log *log = memory_new(sizeof *log);
    AUTO_FREE char *ring = text_format("%s/%s.ring", options->folder_run, options->name);
    log->writer = writer;
    log->fifo_fd = -1;
    log->moved_ms = clock_ms();
    log->name = text_copy(options->name);
    log->fifo = text_format("%s/%s.fifo", options->folder_run, options->name);
    log->folder = text_copy(options->folder_logs);
    log->full_since_ms = log->moved_ms;
    int r = begin_reading(log, options->owner);
    r = r < 0 ? r : log_ring_open(&log->ring, ring);
    if (r < 0) {
        end_reading(log);
        log_ring_close(&log->ring);
        log_free(log);
        return r;
    }
    pthread_mutex_lock(&writer->mutex);
    log->next = writer->logs;
    writer->logs = log;
    pthread_mutex_unlock(&writer->mutex);
    *ret = log;
    return 0;
}

int service_log_open(struct log_writer *writer, const struct service_log_options *options,
                     struct service_log **ret) {
    AUTO_FREE char *fifo = text_format("%s/%s.fifo", options->folder_run, options->name);
    struct service_log *log = reopen(writer, fifo);
    int r = log ? begin_reading(log, options->owner) : open_new(writer, options, &log);
    if (r < 0) {
        service_log_close(log);
        return r;
    }
    log->bytes_max = options->bytes_max;
    log->files = options->files;
    set_watch(log, options);
    wake_writer(writer);
    *ret = log;
    return 0;
}

static bool is_opening(const struct log_writer *writer) {
    for (const struct service_log *log = writer->logs; log; log = log->next)
        if (log->state == LOG_OPEN && !log->opened && !log->error)
            return true;
    return false;
}

void log_writer_settle(struct log_writer *writer, int wait_ms) {
    struct timespec until = clock_deadline(wait_ms);
    int r = 0;
    pthread_mutex_lock(&writer->mutex);
    while (is_opening(writer) && r == 0)
        r = pthread_cond_clockwait(&writer->idle, &writer->mutex, CLOCK_MONOTONIC, &until);
    pthread_mutex_unlock(&writer->mutex);
    look_at_waiting(writer);
}

struct service_log *service_log_close(struct service_log *log) {
    if (!log)
        return NULL;
    struct log_writer *writer = log->writer;
    if (log->poll)
        service_log_flush(log, false);
    end_reading(log);
    log->waiting = log->dropping = false;
    pthread_mutex_lock(&writer->mutex);
    log->state = LOG_CLOSED;
    pthread_mutex_unlock(&writer->mutex);
    wake_writer(writer);
    return NULL;
}

void service_log_refit(struct service_log *log, const struct service_log_options *options) {
    log->bytes_max = options->bytes_max;
    log->files = options->files;
    set_watch(log, options);
    if (geteuid() == 0 && chown(log->fifo, options->owner, (gid_t)-1) < 0)
        log_warning("%s: its log cannot be given to its user: %s", log->name, strerror(errno));
}

const char *service_log_fifo(const struct service_log *log) {
    return log->fifo;
}

void service_log_flush(struct service_log *log, bool ended) {
    log->owes_newline = ended;
    if (!log->waiting && !fill_ring(log))
        wait_for_room(log);
}

void service_log_begin_life(struct service_log *log) {
    log->tail_size = 0;
}

struct slice service_log_tail(const struct service_log *log) {
    size_t size = log->tail_size < LOG_TAIL_BYTES ? log->tail_size : LOG_TAIL_BYTES;
    return (struct slice){log->tail + log->tail_size - size, size};
}

int64_t service_log_dropped(const struct service_log *log) {
    return log_ring_losses((struct log_ring *)&log->ring)->all + log->lost_unopened;
}

const char *service_log_trouble(const struct service_log *log) {
    int error = log->error;
    if (error < 0)
        return strerror(-error);
    return log->hung && log->moved_ms == log->hung_moved_ms ? "its disk does not move" : NULL;
}
