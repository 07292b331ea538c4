/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: the wall clock is watched by one timerfd, which also tells when somebody sets it; the last
 * slot of each job is in <data>/jobs/NAME.json before its run begins. The disk is waited for by a
 * thread: when it hangs, only jobs do. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "keeper/keeper.h"
#include <errno.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { DAY_S = 86400, ZONE_PAST_S = 60 * DAY_S, ZONE_FUTURE_S = 400 * DAY_S, NEAR_S = 30 * DAY_S };
enum { RECORD_BYTES_MAX = 4096 };

/* What outlives a reboot. */
struct record {
    int64_t slot_done_ms, far_slot_ms, last_run_ms, last_took_ms, outcome;
};

/* Of one unit that is a job. */
struct unit_job {
    struct unit *unit; /* NULL once that is gone and the disk is still waited for */
    struct zone zone;
    int64_t zone_from_s, zone_until_s;
    struct record written; /* or being written */
    bool writing;
    bool start_waits; /* for its slot to be on the disk */
    bool failing;     /* the disk refused it, and that was said */
    uv_work_t work;
    char *path, *text; /* of the write under way */
    int result;
};

struct clock_watch {
    uv_poll_t poll;
    int fd;
    int64_t armed_ms; /* 0: not */
};

static struct service *service_of(const struct unit_job *job) {
    return &job->unit->keeper->services.list[job->unit->index];
}

/* ---- the last slot on disk ---- */

static char *record_path(const struct keeper *keeper, const char *name) {
    return text_format("%s/jobs/%s.json", keeper->config->data, name);
}

static struct record record_of(const struct service *service) {
    return (struct record){service->job.slot_done_ms, service->job.far_slot_ms,
                           service->job.last_run_ms, service->job.last_took_ms,
                           service->job.outcome};
}

static bool is_written(const struct unit_job *job) {
    struct record now = record_of(service_of(job));
    return memcmp(&now, &job->written, sizeof now) == 0;
}

static void load_record(struct unit_job *job) {
    struct service *service = service_of(job);
    AUTO_FREE char *path = record_path(job->unit->keeper, service->config->name);
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    int r = file_read(path, RECORD_BYTES_MAX, &text, &size);
    json_t *object = r < 0 ? NULL : json_loadb(text, size, 0, NULL);
    if (r != -ENOENT && !json_is_object(object))
        log_error("job %s: its last slot in %s cannot be read: %s; it goes on from now",
                  service->config->name, path, r < 0 ? strerror(-r) : "not a JSON object");
    json_int_t slot = 0, far = 0, run = 0, took = 0, outcome = 0;
    if (object &&
        json_unpack(object, "{s:I,s:I,s:I,s:I,s:I}", "slot_done_ms", &slot, "far_slot_ms", &far,
                    "last_run_ms", &run, "last_took_ms", &took, "outcome", &outcome) == 0) {
        service->job.slot_done_ms = slot;
        service->job.far_slot_ms = far;
        service->job.last_run_ms = run;
        service->job.last_took_ms = took;
        service->job.outcome = outcome > 0 && outcome < JOB_OUTCOME_COUNT ? (int)outcome : 0;
    }
    json_decref(object);
    job->written = record_of(service);
}

static void write_record(uv_work_t *work) {
    struct unit_job *job = work->data;
    AUTO_FREE char *folder = text_copy_n(job->path, (size_t)(strrchr(job->path, '/') - job->path));
    job->result = folder_make(folder, 0750);
    if (job->result == 0)
        job->result = file_replace(job->path, slice_of(job->text), 0600);
}

static void free_job(struct unit_job *job) {
    zone_deinit(&job->zone);
    free(job->path);
    free(job->text);
    free(job);
}

static void begin_write(struct unit_job *job);

/* Its start was asked for while the slot was on its way to the disk. */
static void carry_on(struct unit_job *job) {
    struct keeper *keeper = job->unit->keeper;
    if (!job->start_waits || job->writing)
        return;
    job->start_waits = false;
    if (service_of(job)->state == SERVICE_STARTING)
        anchor_link_plan_start(keeper, job->unit->index);
}

static void on_written(uv_work_t *work, int status) {
    struct unit_job *job = work->data;
    job->writing = false;
    if (!job->unit) {
        free_job(job);
        return;
    }
    bool failed = job->result < 0 || status < 0;
    if (failed && !job->failing)
        log_error("job %s: its last slot cannot be written to %s: %s; it runs all the same, and "
                  "after a reboot it might run twice",
                  service_of(job)->config->name, job->path,
                  strerror(status < 0 ? -status : -job->result));
    job->failing = failed;
    if (!is_written(job))
        begin_write(job);
    carry_on(job);
}

static void begin_write(struct unit_job *job) {
    struct keeper *keeper = job->unit->keeper;
    struct record record = record_of(service_of(job));
    free(job->path);
    free(job->text);
    job->path = record_path(keeper, service_of(job)->config->name);
    job->text = text_format(
        "{\"slot_done_ms\":%lld,\"far_slot_ms\":%lld,\"last_run_ms\":%lld,\"last_took_ms\":%lld,"
        "\"outcome\":%lld}\n",
        (long long)record.slot_done_ms, (long long)record.far_slot_ms,
        (long long)record.last_run_ms, (long long)record.last_took_ms, (long long)record.outcome);
    job->written = record;
    job->work.data = job;
    job->writing = uv_queue_work(&keeper->loop, &job->work, write_record, on_written) == 0;
}

void jobs_start(struct keeper *keeper, size_t index) {
    struct unit_job *job = keeper->units[index]->job;
    job->start_waits = true;
    if (!job->writing && !is_written(job))
        begin_write(job);
    carry_on(job);
}

bool jobs_start_waits(const struct unit *unit) {
    return unit->job && unit->job->start_waits;
}

void jobs_drop_start(struct unit *unit) {
    if (unit->job)
        unit->job->start_waits = false;
}

/* ---- zones ---- */

static void load_zone(struct unit_job *job, int64_t now_s) {
    const struct service_config *config = service_of(job)->config;
    const char *name = config->schedule.zone ? config->schedule.zone : "UTC";
    zone_deinit(&job->zone);
    job->zone_from_s = now_s - ZONE_PAST_S;
    job->zone_until_s = now_s + ZONE_FUTURE_S;
    if (zone_load(name, job->zone_from_s, job->zone_until_s, &job->zone) < 0)
        log_error("job %s: the time zone %s is gone from this machine; it goes by UTC",
                  config->name, name);
}

static void refresh_zones(struct keeper *keeper, int64_t now_s) {
    for (size_t i = 0; i < keeper->services.count; i++) {
        struct unit_job *job = keeper->units[i]->job;
        if (job && (now_s < job->zone_from_s + NEAR_S || now_s > job->zone_until_s - NEAR_S))
            load_zone(job, now_s);
    }
}

/* ---- units ---- */

static struct unit_job *new_job(struct unit *unit) {
    unit->job = memory_new(sizeof *unit->job);
    unit->job->unit = unit;
    return unit->job;
}

static void fit(struct unit_job *job) {
    load_zone(job, clock_wall_ms() / 1000);
    service_of(job)->zone = &job->zone;
}

void jobs_open_unit(struct unit *unit) {
    if (!service_is_job(unit->keeper->services.list[unit->index].config))
        return;
    load_record(new_job(unit));
    fit(unit->job);
}

void jobs_close_unit(struct unit *unit) {
    struct unit_job *job = unit->job;
    unit->job = NULL;
    if (!job)
        return;
    job->unit = NULL;
    if (!job->writing)
        free_job(job);
}

void jobs_forget(const struct keeper *keeper, const char *name) {
    AUTO_FREE char *path = record_path(keeper, name);
    unlink(path);
}

/* Slots of the new schedule that lie before the change are nobody's debt. */
void jobs_refit(struct keeper *keeper, const struct config *old) {
    int64_t now = clock_wall_ms();
    for (size_t i = 0; i < keeper->services.count; i++) {
        struct service *service = &keeper->services.list[i];
        struct unit *unit = keeper->units[i];
        const struct service_config *before = config_service(old, service->config->name);
        if (!service_is_job(service->config)) {
            jobs_close_unit(unit);
            service->job = (struct service_job){0};
            continue;
        }
        if (!unit->job)
            new_job(unit);
        fit(unit->job);
        bool changed = before && service_is_job(before) &&
                       !schedule_equal(&before->schedule, &service->config->schedule);
        if (changed && service->job.slot_done_ms < now)
            service->job.slot_done_ms = now;
    }
}

/* ---- the clock ---- */

static void on_clock(uv_poll_t *poll, int status, int events) {
    struct keeper *keeper = poll->data;
    uint64_t times = 0;
    /* ECANCELED: somebody set the clock. It is looked at in any case. */
    (void)!read(keeper->clock->fd, &times, sizeof times);
    keeper->clock->armed_ms = 0;
    jobs_look(keeper);
}

void jobs_look(struct keeper *keeper) {
    refresh_zones(keeper, clock_wall_ms() / 1000);
    keeper_look_at_clock(keeper);
}

static struct clock_watch *open_watch(struct keeper *keeper) {
    struct clock_watch *clock = memory_new(sizeof *clock);
    clock->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    int r = clock->fd < 0 ? -errno : uv_poll_init(&keeper->loop, &clock->poll, clock->fd);
    if (r < 0) {
        log_error("no timer for jobs can be had: %s; none runs at its time", strerror(-r));
        clock->fd = -1;
        return clock;
    }
    clock->poll.data = keeper;
    uv_poll_start(&clock->poll, UV_READABLE, on_clock);
    return clock;
}

static void arm(struct keeper *keeper) {
    int64_t next = services_next_slot(&keeper->services);
    if (!keeper->clock && next)
        keeper->clock = open_watch(keeper);
    struct clock_watch *clock = keeper->clock;
    if (!clock || clock->fd < 0 || clock->armed_ms == next)
        return;
    struct itimerspec at = {.it_value = {.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000}};
    int r = timerfd_settime(clock->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL);
    clock->armed_ms = next;
    if (r < 0 && errno == ECANCELED) /* set in between: armed, and to be looked at */
        jobs_look(keeper);
    else if (r < 0)
        log_error("the timer for jobs cannot be set: %s", strerror(errno));
}

void jobs_before_sleep(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->services.count; i++) {
        struct unit_job *job = keeper->units[i]->job;
        if (job && !job->writing && !is_written(job))
            begin_write(job);
    }
    arm(keeper);
}

/* ---- status ---- */

static void add_time(json_t *object, const char *name, int64_t wall_ms) {
    char text[CLOCK_TEXT_BYTES];
    clock_format(wall_ms, text);
    json_object_set_new(object, name, wall_ms ? json_string(text) : json_null());
}

void jobs_add_status(json_t *object, const struct service *service) {
    const struct service_job *job = &service->job;
    char note[SERVICE_TEXT_BYTES];
    if (!service_is_job(service->config))
        return;
    service_note_of_job(service, note, sizeof note);
    add_time(object, "next_run", service->wanted ? job->next_slot_ms : 0);
    add_time(object, "last_run", job->last_run_ms);
    json_object_set_new(object, "last_outcome",
                        job->outcome ? json_string(job_outcome_names[job->outcome]) : json_null());
    json_object_set_new(object, "last_took_ms", json_integer(job->last_took_ms));
    json_object_set_new(object, "timezone", json_string(service->config->schedule.zone));
    json_object_set_new(object, "schedule", json_string(note));
    if (service->state == SERVICE_READY)
        json_object_set_new(object, "state", json_string("running"));
}
