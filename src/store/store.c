/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"
#include "base/clock.h"
#include "store/backend.h"
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    GROUP_RECORDS_MAX = 10000,
    PAUSE_FIRST_MS = 100,
    PAUSE_MAX_MS = 5000,
    LOCK_MS_MAX = 30000, /* how long a job waits for another program to unlock the file */
    LOCK_LOOK_MS = 100,
    IDLE_MS = 20, /* after so long without work there is time for housekeeping */
};

struct job {
    struct job *next;
    struct records records;
    store_done *done;
    bool is_query;
    struct store_query query;
    store_found *found;
    struct alert *alerts;
    size_t alert_count;
    void *context;
    int64_t put_ms;
    int r;
};
struct queue {
    struct job *first, **last;
};
/* After a failure, at growing intervals, so that a dead or full disk is not hammered. */
struct pause {
    int error;
    int64_t until_ms, wait_ms;
};
struct store {
    struct store_backend *backend;
    char *path;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;
    struct queue waiting, finished;
    bool closing;
    struct store_figures figures;
    /* Of the store's thread alone: */
    bool is_open;
    struct pause opens, writes; /* reads go on while writes pause */
};

static void queue_init(struct queue *queue) {
    *queue = (struct queue){NULL, &queue->first};
}

static void queue_add(struct queue *queue, struct job *job) {
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
}

static struct job *queue_take_all(struct queue *queue) {
    struct job *first = queue->first;
    queue_init(queue);
    return first;
}

static void job_free(struct job *job) {
    records_deinit(&job->records);
    for (size_t i = 0; i < job->alert_count; i++)
        alert_deinit(&job->alerts[i]);
    free(job->alerts);
    free(job);
}

static void pause_grow(struct pause *pause, int error) {
    pause->error = error;
    pause->wait_ms = pause->wait_ms ? pause->wait_ms * 2 : PAUSE_FIRST_MS;
    if (pause->wait_ms > PAUSE_MAX_MS)
        pause->wait_ms = PAUSE_MAX_MS;
    pause->until_ms = clock_ms() + pause->wait_ms;
}

/* It is known at once, not only when the first job has failed. False: the store closes. */
static bool tell_locked(struct store *store, int error) {
    pthread_mutex_lock(&store->lock);
    if (error || store->figures.last_error == -EBUSY)
        store->figures.last_error = error;
    bool closing = store->closing;
    pthread_mutex_unlock(&store->lock);
    return !closing;
}

/* Another program may hold the file when we want it back: a backup, a person with sqlite3. */
static int open_when_unlocked(struct store *store, int64_t since_ms) {
    struct timespec pause = {.tv_nsec = LOCK_LOOK_MS * 1000000L};
    for (bool waited = false;; waited = true) {
        AUTO_BUFFER struct buffer error = {0};
        int r = store->backend->open(store->backend, store->path, &error);
        if (r != STORE_BUSY) {
            if (waited)
                (void)tell_locked(store, 0);
            return r;
        }
        if (!tell_locked(store, -EBUSY) || clock_ms() - since_ms >= LOCK_MS_MAX)
            return -EBUSY;
        nanosleep(&pause, NULL);
    }
}

/* After a failure: a new file handle. */
static int ensure_open(struct store *store, int64_t since_ms) {
    if (store->is_open)
        return 0;
    if (clock_ms() < store->opens.until_ms)
        return store->opens.error;
    int r = open_when_unlocked(store, since_ms);
    if (r == 0) {
        store->is_open = true;
        return 0;
    }
    if (r == -EBUSY) /* the next one has its own time to wait */
        return r;
    pause_grow(&store->opens, r < 0 ? r : -EIO);
    return store->opens.error;
}

static int write_group(struct store *store, struct job *first, const struct job *end) {
    struct store_backend *backend = store->backend;
    if (clock_ms() < store->writes.until_ms)
        return store->writes.error;
    int r = ensure_open(store, first->put_ms);
    if (r < 0)
        return r;
    r = backend->begin(backend);
    for (struct job *job = first; job != end && r == 0; job = job->next)
        for (size_t i = 0; i < job->records.count && r == 0; i++)
            r = backend->apply(backend, &job->records.list[i]);
    if (r == 0)
        r = backend->commit(backend);
    if (r == 0) {
        store->opens = store->writes = (struct pause){0};
        return 0;
    }
    backend->close(backend);
    store->is_open = false;
    pause_grow(&store->writes, r);
    return r;
}

static void run_query(struct store *store, struct job *job) {
    job->r = ensure_open(store, job->put_ms);
    if (job->r == 0)
        job->r = store->backend->find(store->backend, &job->query, &job->alerts, &job->alert_count);
}

static void publish(struct store *store, struct job *first, struct job *end, size_t records, int r,
                    int64_t took_ms) {
    pthread_mutex_lock(&store->lock);
    for (struct job *job = first, *next; job != end; job = next) {
        next = job->next;
        queue_add(&store->finished, job);
    }
    store->figures.waiting -= records;
    if (records > 0) {
        store->figures.commits++;
        store->figures.records += r == 0 ? records : 0;
        store->figures.failures += r < 0;
        store->figures.last_error = r;
        store->figures.commit_ms_last = took_ms;
    }
    pthread_mutex_unlock(&store->lock);
    uint64_t one = 1;
    (void)!write(store->fd, &one, sizeof one);
}

/* Behind the jobs that have waited long enough for a lock: the others go on waiting. */
static struct job *first_in_time(struct job *first, struct job *end) {
    int64_t now = clock_ms();
    struct job *job = first->next;
    while (job != end && now - job->put_ms >= LOCK_MS_MAX)
        job = job->next;
    return job;
}

/* One commit for as many jobs as wait, up to the limit; a query is alone. Returns what remains. */
static struct job *run_group(struct store *store, struct job *first) {
    struct job *end = first;
    size_t records = 0;
    if (first->is_query) {
        end = first->next;
        run_query(store, first);
        publish(store, first, end, 0, 0, 0);
        return end;
    }
    while (end && !end->is_query && records < GROUP_RECORDS_MAX) {
        records += end->records.count;
        end = end->next;
    }
    int64_t begun = clock_ms();
    int r = records > 0 ? write_group(store, first, end) : 0;
    if (r == -EBUSY) {
        end = first_in_time(first, end);
        records = 0;
        for (struct job *job = first; job != end; job = job->next)
            records += job->records.count;
    }
    for (struct job *job = first; job != end; job = job->next)
        job->r = r;
    publish(store, first, end, records, r, clock_ms() - begun);
    return end;
}

static void tidy(struct store *store, bool is_idle) {
    if (store->is_open)
        store->backend->tidy(store->backend, is_idle);
}

/* Locked. Returns when there is work or the store closes; before that, when nothing came for a
 * while, the housekeeping is done once. */
static void wait_for_work(struct store *store, bool tidy_when_idle) {
    struct timespec end = clock_deadline(IDLE_MS);
    int r = tidy_when_idle ? 0 : ETIMEDOUT;
    while (!store->waiting.first && !store->closing && r == 0)
        r = pthread_cond_timedwait(&store->work, &store->lock, &end);
    if (tidy_when_idle && r == ETIMEDOUT && !store->waiting.first) {
        pthread_mutex_unlock(&store->lock);
        tidy(store, true);
        pthread_mutex_lock(&store->lock);
    }
    while (!store->waiting.first && !store->closing)
        pthread_cond_wait(&store->work, &store->lock);
}

static void *run(void *argument) {
    struct store *store = argument;
    pthread_mutex_lock(&store->lock);
    for (bool worked = false;; worked = true) {
        wait_for_work(store, worked);
        struct job *job = queue_take_all(&store->waiting);
        if (!job)
            break;
        pthread_mutex_unlock(&store->lock);
        while (job)
            job = run_group(store, job);
        tidy(store, false);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

static void store_free(struct store *store) {
    if (store->is_open)
        store->backend->close(store->backend);
    store->backend->free(store->backend);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->lock);
    if (store->fd >= 0)
        close(store->fd);
    free(store->path);
    free(store);
}

static int open_and_load(struct store *store,
                         void (*each)(void *context, const struct record *record), void *context,
                         struct buffer *ret_error) {
    int r = store->backend->open(store->backend, store->path, ret_error);
    if (r != 0)
        return r;
    store->is_open = true;
    r = store->backend->load(store->backend, each, context);
    if (r != 0)
        buffer_print(ret_error,
                     "%s: cannot be read (%s); check the disk, or move the file away to "
                     "start with an empty store",
                     store->path, strerror(-r));
    return r;
}

int store_open(struct store_backend *backend, const char *path,
               void (*each)(void *context, const struct record *record), void *context,
               struct store **ret, struct buffer *ret_error) {
    struct store *store = memory_new(sizeof *store);
    store->backend = backend;
    store->path = text_copy(path);
    store->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue_init(&store->waiting);
    queue_init(&store->finished);
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int r = store->fd < 0 ? -errno : open_and_load(store, each, context, ret_error);
    if (r == 0)
        r = -pthread_create(&store->thread, NULL, run, store);
    if (r != 0) {
        store_free(store);
        return r;
    }
    *ret = store;
    return 0;
}

struct store *store_close(struct store *store) {
    if (!store)
        return NULL;
    pthread_mutex_lock(&store->lock);
    store->closing = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    for (struct job *job = queue_take_all(&store->finished), *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
    store_free(store);
    return NULL;
}

int store_fd(const struct store *store) {
    return store->fd;
}

void store_collect(struct store *store) {
    uint64_t count;
    (void)!read(store->fd, &count, sizeof count);
    pthread_mutex_lock(&store->lock);
    struct job *job = queue_take_all(&store->finished);
    pthread_mutex_unlock(&store->lock);
    for (struct job *next; job; job = next) {
        next = job->next;
        if (job->is_query)
            job->found(job->context, job->r, job->alerts, job->alert_count);
        else if (job->done)
            job->done(job->context, job->r);
        job_free(job);
    }
}

static void hand_over(struct store *store, struct job *job) {
    job->put_ms = clock_ms();
    pthread_mutex_lock(&store->lock);
    store->figures.waiting += job->records.count;
    queue_add(&store->waiting, job);
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
}

void store_put(struct store *store, struct records *records, store_done *done, void *context) {
    struct job *job = memory_new(sizeof *job);
    job->records = *records;
    *records = (struct records){0};
    job->done = done;
    job->context = context;
    hand_over(store, job);
}

void store_find_alerts(struct store *store, const struct store_query *query, store_found *found,
                       void *context) {
    struct job *job = memory_new(sizeof *job);
    job->is_query = true;
    job->query = *query;
    job->found = found;
    job->context = context;
    hand_over(store, job);
}

void store_figures(struct store *store, struct store_figures *ret) {
    pthread_mutex_lock(&store->lock);
    *ret = store->figures;
    pthread_mutex_unlock(&store->lock);
}
