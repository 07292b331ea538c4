/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/services_jobs.h"
#include "base/text.h"
#include "policy/calendar.h"
#include <stdio.h>

const char *const job_outcome_names[] = {"", "done", "failed", "stopped", "missed"};
_Static_assert(COUNT_OF(job_outcome_names) == JOB_OUTCOME_COUNT, "a name for each outcome");

/* A slot is on time when it is not older than this: a busy machine, a restart of the keeper. */
enum { ON_TIME_MS = 10000, DAY_MS = 86400000 };

static const struct zone utc;

static const struct schedule_config *schedule_of(const struct step *step) {
    return &step->service->config->schedule;
}

static const struct zone *zone_of(const struct step *step) {
    return step->service->zone ? step->service->zone : &utc;
}

static bool runs_or_waits(const struct service *service) {
    return service_is_busy(service) || service->state == SERVICE_WAITING;
}

static void begin(struct step *step, int64_t slot_ms) {
    struct service_job *job = &step->service->job;
    job->run_slot_ms = slot_ms;
    job->last_run_ms = step->event->wall_ms;
    job->retries = job->missed = 0;
    job->timed_out = false;
    step_run(step);
}

static void tell_missed(struct step *step, int64_t count, int64_t newest, const char *why) {
    char slot[CALENDAR_TEXT_BYTES], text[SERVICE_TEXT_BYTES];
    calendar_text(zone_of(step), newest, slot);
    if (count == 1)
        snprintf(text, sizeof text, "the run of %s was left out: %s", slot, why);
    else
        snprintf(text, sizeof text, "%lld runs were left out, the last of %s: %s", (long long)count,
                 slot, why);
    step->service->job.outcome = JOB_MISSED;
    step_tell(step, "job_missed", text);
}

static void run_slot(struct step *step, int64_t missed, int64_t newest) {
    int64_t late = step->event->wall_ms - newest;
    char how_late[TEXT_DURATION_BYTES], slot[CALENDAR_TEXT_BYTES], text[SERVICE_TEXT_BYTES];
    if (missed)
        tell_missed(step, missed, calendar_newest(schedule_of(step), zone_of(step), newest - 1),
                    "nobody was there, or the clock went past it");
    if (late > ON_TIME_MS) {
        text_from_duration(late, how_late);
        calendar_text(zone_of(step), newest, slot);
        snprintf(text, sizeof text, "the run of %s comes %s late", slot, how_late);
        step_tell(step, "job_late", text);
    }
    begin(step, newest);
}

/* Said at the first one; a run that hangs all night is not told of each minute. */
static void leave_out(struct step *step, int64_t count, int64_t newest) {
    struct service_job *job = &step->service->job;
    if (!job->missed)
        tell_missed(step, count, newest, "the run before it is still going");
    job->missed += count;
}

static void tell_all_left_out(struct step *step) {
    int64_t missed = step->service->job.missed;
    char text[SERVICE_TEXT_BYTES];
    snprintf(text, sizeof text, "%lld runs in all were left out while this one went on",
             (long long)missed);
    if (missed > 1)
        step_tell(step, "job_missed", text);
    step->service->job.missed = 0;
}

/* Slots have come, all up to `newest`. The newest runs if it can; the others never do. */
static void take_slots(struct step *step, int64_t newest) {
    struct service *service = step->service;
    struct service_job *job = &service->job;
    int64_t count = calendar_count(schedule_of(step), zone_of(step), job->slot_done_ms, newest);
    int64_t late_max =
        schedule_of(step)->late_ms > ON_TIME_MS ? schedule_of(step)->late_ms : ON_TIME_MS;
    job->slot_done_ms = newest;
    job->next_slot_ms = calendar_next(schedule_of(step), zone_of(step), newest);
    if (runs_or_waits(service))
        leave_out(step, count, newest);
    else if (step->event->wall_ms - newest > late_max)
        tell_missed(step, count, newest, "nobody was there, and it is too late now");
    else
        run_slot(step, count - 1, newest);
}

/* A clock that went back repeats no slot. One that went back further than a day (or than the
 * distance of two slots) was wrong before, or is wrong now, as after a boot without a battery: its
 * slots go on from there, and when it comes to the others again, what was done of them counts. */
static void follow_correction(struct step *step) {
    struct service_job *job = &step->service->job;
    int64_t every = schedule_of(step)->every_ms, wall = step->event->wall_ms;
    int64_t far_at = wall + (every ? every : DAY_MS);
    if (job->far_slot_ms && job->far_slot_ms <= far_at) {
        if (job->slot_done_ms < job->far_slot_ms)
            job->slot_done_ms = job->far_slot_ms;
        job->far_slot_ms = 0;
    }
    if (job->slot_done_ms <= far_at)
        return;
    if (job->far_slot_ms < job->slot_done_ms)
        job->far_slot_ms = job->slot_done_ms;
    job->slot_done_ms = wall + (every ? every - 1 : 0);
    step_tell(step, "job_planned", "the clock went back: its slots go on from there");
}

void job_clock(struct step *step) {
    struct service *service = step->service;
    struct service_job *job = &service->job;
    if (!service_is_job(service->config) || !service->wanted || !job->slot_done_ms ||
        step->all->ending)
        return;
    follow_correction(step);
    job->next_slot_ms = calendar_next(schedule_of(step), zone_of(step), job->slot_done_ms);
    if (job->next_slot_ms <= step->event->wall_ms)
        take_slots(step, calendar_newest(schedule_of(step), zone_of(step), step->event->wall_ms));
}

/* Slots of a time when nobody wanted it are not missed. A job that was never planned in this `up`
 * was not put aside by anybody: what it missed since its last slot counts. */
static void plan(struct step *step) {
    struct service_job *job = &step->service->job;
    bool put_aside = !step->service->wanted && job->next_slot_ms;
    if ((put_aside || !job->slot_done_ms) && job->slot_done_ms < step->event->wall_ms)
        job->slot_done_ms = step->event->wall_ms;
    job->next_slot_ms = calendar_next(schedule_of(step), zone_of(step), job->slot_done_ms);
    step->service->wanted = true;
}

static void follow_schedule(struct step *step) {
    plan(step);
    step_set_state(step, SERVICE_SCHEDULED, 0);
    job_clock(step);
}

void job_run(struct step *step) {
    plan(step);
    if (!runs_or_waits(step->service) && !step->all->ending)
        begin(step, 0);
}

void job_want(struct step *step) {
    struct service *service = step->service;
    bool known = service->job.slot_done_ms != 0;
    if (step->event->kind == SERVICE_EVENT_RESTART && known)
        job_run(step);
    else if (known && (service->state == SERVICE_BACKOFF || service->state == SERVICE_SCHEDULED))
        service->wanted = true;
    else if (!step->all->ending)
        follow_schedule(step);
}

void job_expired(struct step *step) {
    char limit[TEXT_DURATION_BYTES], text[SERVICE_TEXT_BYTES];
    text_from_duration(schedule_of(step)->timeout_ms, limit);
    snprintf(text, sizeof text, "has run for longer than its timeout of %s", limit);
    step->service->job.timed_out = true;
    step_tell(step, "stopping", text);
    step_stop(step);
}

/* ---- the end of a run ---- */

/* Milliseconds to wait, or -1: it is not tried again before its next slot. */
static int64_t retry_delay(struct step *step) {
    struct service *service = step->service;
    enum exit_class class = (enum exit_class)service->exit_class;
    if (service->job.retries >= schedule_of(step)->retry || class == EXIT_CLASS_CONFIG ||
        !service->wanted)
        return -1;
    struct restart_config config = service->config->restart;
    config.mode = RESTART_ALWAYS;
    config.max = INT64_MAX;
    struct restart_case restart = {.config = &config,
                                   .class = EXIT_CLASS_FAILURE,
                                   .was_ready = true,
                                   .restarts = service->job.retries,
                                   .random = step->event->random};
    return restart_decide(&restart).delay_ms;
}

static void fail(struct step *step, const char *why) {
    struct service *service = step->service;
    char text[SERVICE_TEXT_BYTES], when[CALENDAR_TEXT_BYTES];
    int64_t delay = retry_delay(step);
    service->job.outcome = JOB_FAILED;
    if (service->why != why)
        text_print(service->why, sizeof service->why, "%s", why);
    if (delay >= 0)
        text_from_duration(delay, when);
    else
        calendar_text(zone_of(step), service->job.next_slot_ms, when);
    text_print(text, sizeof text, "%.120s; %s%s", service->why,
               delay >= 0 ? "trying again in " : "its next run: ", when);
    step_tell(step, "job_failed", text);
    if (delay >= 0) {
        service->job.retries++;
        service->job.timed_out = false;
        service->restarts_total++;
    }
    step_set_state(step,
                   !service->wanted ? SERVICE_STOPPED
                   : delay >= 0     ? SERVICE_BACKOFF
                                    : SERVICE_SCHEDULED,
                   delay);
}

static void end_stopped(struct step *step, const char *how) {
    step->service->job.outcome = JOB_STOPPED;
    step_tell(step, "stopped", how);
    if (step->service->wanted && !step->service->job.slot_done_ms)
        follow_schedule(step); /* it was a service until now */
    else
        step_set_state(step, step->service->wanted ? SERVICE_WAITING : SERVICE_STOPPED, 0);
}

void job_ended(struct step *step, bool asked, bool hung, const char *how) {
    struct service *service = step->service;
    const struct service_exit *exit = &service->last_exit;
    char text[SERVICE_TEXT_BYTES], took[TEXT_DURATION_BYTES];
    service->job.last_took_ms = service->last_life_ms;
    tell_all_left_out(step);
    text_from_duration(service->last_life_ms, took);
    if (service->job.timed_out) {
        char limit[TEXT_DURATION_BYTES];
        text_from_duration(schedule_of(step)->timeout_ms, limit);
        snprintf(text, sizeof text, "ran longer than its timeout of %s", limit);
        fail(step, text);
    } else if (hung) {
        fail(step, service->why);
    } else if (asked) {
        end_stopped(step, how);
    } else if (!exit->known || exit->signal || exit->code) {
        fail(step, how);
    } else {
        service->job.outcome = JOB_DONE;
        service->why[0] = 0;
        snprintf(text, sizeof text, "took %s", took);
        step_tell(step, "job_done", text);
        step_set_state(step, service->wanted ? SERVICE_SCHEDULED : SERVICE_STOPPED, 0);
    }
}

/* ---- for the shell ---- */

int64_t services_next_slot(const struct services *services) {
    int64_t next = 0;
    for (size_t i = 0; i < services->count; i++) {
        const struct service *service = &services->list[i];
        if (!service_is_job(service->config) || !service->wanted || services->ending)
            continue;
        if (service->job.next_slot_ms && (!next || service->job.next_slot_ms < next))
            next = service->job.next_slot_ms;
    }
    return next;
}

void services_look_at_clock(struct services *services, int64_t now_ms, int64_t wall_ms,
                            uint32_t random) {
    for (size_t i = 0; i < services->count; i++) {
        if (!service_is_job(services->list[i].config))
            continue;
        struct service_event clock = {.kind = SERVICE_EVENT_CLOCK,
                                      .index = i,
                                      .now_ms = now_ms,
                                      .wall_ms = wall_ms,
                                      .random = random * 2654435761u + (uint32_t)i};
        services_step(services, &clock);
    }
}

void service_note_of_job(const struct service *service, char *ret, size_t size) {
    const struct service_job *job = &service->job;
    const struct zone *zone = service->zone ? service->zone : &utc;
    char next[CALENDAR_TEXT_BYTES], last[CALENDAR_TEXT_BYTES], took[TEXT_DURATION_BYTES];
    int n = 0;
    ret[0] = 0;
    if (service->wanted && job->next_slot_ms) {
        calendar_text(zone, job->next_slot_ms, next);
        n = snprintf(ret, size, "next %s", next);
    }
    if (!job->outcome || n < 0 || (size_t)n >= size)
        return;
    int64_t moment = job->outcome == JOB_MISSED ? job->slot_done_ms : job->last_run_ms;
    calendar_text(zone, moment, last);
    text_from_duration(job->last_took_ms, took);
    text_print(ret + n, size - (size_t)n, "%slast %s %s%s%s", n ? "; " : "",
               job_outcome_names[job->outcome], last, job->outcome == JOB_DONE ? ", took " : "",
               job->outcome == JOB_DONE ? took : "");
    size_t used = strlen(ret);
    if (job->outcome == JOB_FAILED && service->why[0])
        text_print(ret + used, size - used, ": %s", service->why);
}
