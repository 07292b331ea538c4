/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/services.h"
#include "base/option.h"
#include "base/text.h"
#include "engine/services_jobs.h"
#include <stdarg.h>
#include <stdio.h>

const char *const service_state_names[] = {"stopped", "waiting",  "preparing", "starting",
                                           "ready",   "stopping", "cleaning",  "backoff",
                                           "failed",  "done",     "scheduled"};
_Static_assert(COUNT_OF(service_state_names) == SERVICE_STATE_COUNT, "a name for each state");

enum { HOOK_KILL = -1, HOOK_BEFORE_START, HOOK_AFTER_STOP };
enum { KILL_AGAIN_MS = 1000, SECOND_MS = 1000 };

bool service_has_process(const struct service *service) {
    return service->state == SERVICE_STARTING || service->state == SERVICE_READY ||
           service->state == SERVICE_STOPPING;
}

bool service_is_busy(const struct service *service) {
    return service_has_process(service) || service->state == SERVICE_PREPARING ||
           service->state == SERVICE_CLEANING;
}

/* ---- commands ---- */

static struct service_command *add_command(struct services *all, enum service_command_kind kind,
                                           size_t index) {
    if (all->command_count == all->command_room) {
        all->command_room = all->command_room ? all->command_room * 2 : 64;
        all->commands = memory_grow(all->commands, all->command_room, sizeof *all->commands);
    }
    struct service_command *command = &all->commands[all->command_count++];
    *command = (struct service_command){.kind = kind, .index = index};
    return command;
}

static void send_signal(struct step *step, int number) {
    add_command(step->all, SERVICE_COMMAND_SIGNAL, step->index)->value = number;
}

static void PRINTF_LIKE(3, 4) tell(struct step *step, const char *what, const char *format, ...) {
    struct service_command *command = add_command(step->all, SERVICE_COMMAND_TELL, step->index);
    command->what = what;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command->text, sizeof command->text, format, arguments);
    va_end(arguments);
    text_make_utf8(command->text);
}

/* ---- the one door to a new state ---- */

static int64_t deadline_of(const struct service *service, int64_t delay_ms, int64_t now) {
    switch (service->state) {
    case SERVICE_PREPARING:
    case SERVICE_STARTING:
        return now + service->config->start_timeout_ms;
    case SERVICE_READY:
        if (service_is_job(service->config))
            return service->config->schedule.timeout_ms ? now + service->config->schedule.timeout_ms
                                                        : 0;
        return service->restarts ? now + service->config->restart.stable_ms : 0;
    case SERVICE_STOPPING:
    case SERVICE_CLEANING:
        return now + service->config->stop_timeout_ms;
    case SERVICE_BACKOFF:
        return now + delay_ms;
    case SERVICE_FAILED:
        return delay_ms ? now + delay_ms : 0;
    default:
        return 0;
    }
}

static void set_state(struct step *step, enum service_state state, int64_t delay_ms) {
#define FROM(name) (1u << SERVICE_##name)
#define ENDED (FROM(STARTING) | FROM(READY) | FROM(STOPPING) | FROM(PREPARING) | FROM(CLEANING))
    static const unsigned allowed_from[SERVICE_STATE_COUNT] = {
        [SERVICE_STOPPED] = FROM(WAITING) | FROM(STOPPING) | FROM(BACKOFF) | FROM(FAILED) |
                            FROM(DONE) | FROM(STARTING) | FROM(READY) | FROM(PREPARING) |
                            FROM(CLEANING) | FROM(SCHEDULED),
        [SERVICE_WAITING] = FROM(STOPPED) | FROM(BACKOFF) | FROM(FAILED) | FROM(DONE) |
                            FROM(STOPPING) | FROM(CLEANING) | FROM(SCHEDULED),
        [SERVICE_PREPARING] = FROM(WAITING),
        [SERVICE_STARTING] = FROM(WAITING) | FROM(PREPARING),
        [SERVICE_READY] = FROM(STARTING),
        [SERVICE_STOPPING] = FROM(STARTING) | FROM(READY),
        [SERVICE_CLEANING] = FROM(STARTING) | FROM(READY) | FROM(STOPPING),
        [SERVICE_BACKOFF] = ENDED,
        [SERVICE_FAILED] = ENDED,
        [SERVICE_DONE] = ENDED,
        [SERVICE_SCHEDULED] = ENDED | FROM(STOPPED) | FROM(BACKOFF) | FROM(FAILED) | FROM(DONE),
    };
#undef FROM
#undef ENDED
    struct service *service = step->service;
    must(allowed_from[state] & (1u << service->state));
    service->state = state;
    service->since_ms = step->now;
    service->state_at_ms = deadline_of(service, delay_ms, step->now);
    service->probe_at_ms = 0;
    service->probe_failures = 0;
}

/* ---- starting ---- */

/* A need is met by a ready service, or by a one-shot that ended well. */
static const struct service *unmet_need(const struct services *all, const struct service *service) {
    for (size_t i = 0; i < service->need_count; i++) {
        const struct service *need = &all->list[service->needs[i]];
        if (need->state != SERVICE_READY && need->state != SERVICE_DONE)
            return need;
    }
    return NULL;
}

static void start_process(struct step *step) {
    struct service *service = step->service;
    set_state(step, SERVICE_STARTING, 0);
    service->was_ready = service->killed = service->again = service->own_end = false;
    service->healthy = true;
    service->watchdog_at_ms = 0;
    service->started_ms = step->now;
    add_command(step->all, SERVICE_COMMAND_START, step->index);
}

static void start_if_met(struct step *step) {
    struct service *service = step->service;
    const struct service *need = unmet_need(step->all, service);
    if (need) {
        text_print(service->why, sizeof service->why, "needs %s, which is %s", need->config->name,
                   service_state_names[need->state]);
        return;
    }
    service->why[0] = 0;
    if (!service->config->before_start) {
        start_process(step);
        return;
    }
    set_state(step, SERVICE_PREPARING, 0);
    service->started_ms = step->now;
    service->was_ready = service->killed = service->again = service->own_end = false;
    add_command(step->all, SERVICE_COMMAND_HOOK, step->index)->value = HOOK_BEFORE_START;
}

static void wait_or_start(struct step *step) {
    set_state(step, SERVICE_WAITING, 0);
    start_if_met(step);
}

static void become_ready(struct step *step) {
    struct service *service = step->service;
    set_state(step, SERVICE_READY, 0);
    service->was_ready = true;
    service->why[0] = 0;
    if (service->config->health.kind != PROBE_NONE)
        service->probe_at_ms = step->now + service->config->health.every_ms;
    if (service->config->watchdog_ms && !service->watchdog_at_ms)
        service->watchdog_at_ms = step->now + service->config->watchdog_ms;
    if (!service_is_job(service->config))
        tell(step, "ready", "pid %d, ready after %lld ms", (int)service->pid,
             (long long)(step->now - service->started_ms));
}

static void on_started(struct step *step) {
    struct service *service = step->service;
    const struct probe_config *ready = &service->config->ready;
    service->pid = step->event->pid;
    tell(step, "started", "pid %d", (int)service->pid);
    if (service->state != SERVICE_STARTING)
        return;
    if (ready->kind == PROBE_NONE)
        become_ready(step);
    else if (ready->kind != PROBE_NOTIFY)
        service->probe_at_ms = step->now;
}

/* ---- stopping ---- */

static void begin_stop(struct step *step, bool again) {
    struct service *service = step->service;
    set_state(step, SERVICE_STOPPING, 0);
    service->again = again;
    service->watchdog_at_ms = 0;
    send_signal(step, service->config->stop_signal);
}

static void begin_restart(struct step *step) {
    tell(step, "restarting", "asked for");
    step->service->restarts = 0;
    begin_stop(step, true);
}

static void on_hung(struct step *step, const char *why) {
    struct service *service = step->service;
    service->healthy = false;
    text_print(service->why, sizeof service->why, "%s", why);
    tell(step, "unhealthy", "%s; %s it", why,
         service_is_job(service->config) ? "stopping" : "restarting");
    begin_stop(step, true);
}

static void kill_again(struct step *step) {
    struct service *service = step->service;
    char text[TEXT_DURATION_BYTES];
    text_from_duration(service->config->stop_timeout_ms, text);
    if (!service->killed && step->event->kind == SERVICE_EVENT_TIMER)
        tell(step, "stopping", "did not end within %s of %s%s: SIGKILL", text,
             service->own_end ? "its own STOPPING=1" : "SIG",
             service->own_end ? "" : option_signal_name(service->config->stop_signal));
    service->killed = true;
    service->state_at_ms = step->now + KILL_AGAIN_MS;
    send_signal(step, 9);
}

static bool has_running_dependent(const struct services *all, size_t index) {
    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; k < all->list[i].need_count; k++)
            if (all->list[i].needs[k] == index && service_is_busy(&all->list[i]))
                return true;
    return false;
}

/* ---- after an exit ---- */

static void describe_exit(const struct step *step, char *ret, size_t size) {
    const struct service *service = step->service;
    const struct service_exit *exit = &service->last_exit;
    char life[TEXT_DURATION_BYTES];
    text_from_duration(service->last_life_ms, life);
    if (!exit->known)
        snprintf(ret, size, "ended while nobody was there to see how");
    else if (exit->signal)
        snprintf(ret, size, "killed by SIG%s%s after %s", option_signal_name(exit->signal),
                 exit->core ? " (core dumped)" : "", life);
    else
        snprintf(ret, size, "exit code %d after %s", exit->code, life);
}

/* Who needs it and is meant to run hears of it; what runs goes on. */
static void tell_dependents(struct step *step) {
    for (size_t i = 0; i < step->all->count; i++) {
        const struct service *other = &step->all->list[i];
        for (size_t k = 0; k < other->need_count && other->wanted; k++) {
            if (other->needs[k] != step->index)
                continue;
            struct step told = *step;
            told.index = i;
            tell(&told, "need_failed", "needs %s, which has failed", step->service->config->name);
        }
    }
}

static void follow_decision(struct step *step, const struct restart_decision *decision) {
    struct service *service = step->service;
    char delay[TEXT_DURATION_BYTES];
    text_from_duration(decision->delay_ms, delay);
    switch (decision->action) {
    case RESTART_AGAIN:
        service->restarts += decision->counted;
        service->restarts_total++;
        set_state(step, SERVICE_BACKOFF, decision->delay_ms);
        tell(step, "restarting", "in %s", delay);
        break;
    case RESTART_DONE:
        set_state(step, SERVICE_DONE, 0);
        tell(step, "done", "ended well");
        break;
    case RESTART_FAILED:
        set_state(step, SERVICE_FAILED, service->config->restart.give_up ? 0 : decision->delay_ms);
        tell(step, "failed", "%s; %lld restarts without stability%s%s", service->why,
             (long long)service->restarts, service->state_at_ms ? "; trying again every " : "",
             service->state_at_ms ? delay : "");
        tell_dependents(step);
        break;
    case RESTART_AFTER_CHANGE:
        set_state(step, SERVICE_FAILED, 0);
        tell(step, "failed",
             "%s: it says that its config or its permissions are wrong; mend that, "
             "then `holdfast start %s`",
             service->why, service->config->name);
        tell_dependents(step);
        break;
    }
}

/* What follows its end, once nothing of it runs any more. */
static void follow_end(struct step *step) {
    struct service *service = step->service;
    bool hung = service->asked && service->again && !service->healthy;
    if (service_is_job(service->config)) {
        char how[SERVICE_TEXT_BYTES];
        describe_exit(step, how, sizeof how);
        job_ended(step, service->asked, hung, how);
        return;
    }
    if (!service->wanted) {
        set_state(step, SERVICE_STOPPED, 0);
        return;
    }
    if (service->asked && !hung) {
        service->restarts_total++;
        set_state(step, SERVICE_WAITING, 0);
        return; /* settle() starts it */
    }
    struct restart_case restart = {.config = &service->config->restart,
                                   .class = (enum exit_class)service->exit_class,
                                   .was_ready = service->was_ready,
                                   .restarts = service->restarts,
                                   .random = step->event->random};
    struct restart_decision decision = restart_decide(&restart);
    follow_decision(step, &decision);
}

static void note_exit(struct step *step) {
    struct service *service = step->service;
    service->last_exit = step->event->exit;
    service->last_exit.last_lines = (struct slice){0};
    service->last_exit_ms = step->now;
    service->last_life_ms = step->now - service->started_ms;
    service->exit_count++;
    service->exit_class = (int)restart_classify(&step->event->exit);
}

static void on_exited(struct step *step) {
    struct service *service = step->service;
    service->asked = service->state == SERVICE_STOPPING && !service->own_end;
    bool hung = service->asked && service->again && !service->healthy;
    note_exit(step);
    if (hung)
        service->exit_class = EXIT_CLASS_FAILURE;
    else
        describe_exit(step, service->why, sizeof service->why);
    char how[SERVICE_TEXT_BYTES];
    describe_exit(step, how, sizeof how);
    pid_t session = service->pid;
    service->pid = 0;
    service->watchdog_at_ms = 0;
    if (!service_is_job(service->config))
        tell(step, service->asked && !hung ? "stopped" : "exited", "%s", how);
    add_command(step->all, SERVICE_COMMAND_SWEEP, step->index)->value = session;
    if (!service->config->after_stop) {
        follow_end(step);
        return;
    }
    set_state(step, SERVICE_CLEANING, 0);
    add_command(step->all, SERVICE_COMMAND_HOOK, step->index)->value = HOOK_AFTER_STOP;
}

/* ---- hooks ---- */

static bool hook_failed(struct step *step, const char *name) {
    const struct service_exit *exit = &step->event->exit;
    if (exit->known && !exit->signal && exit->code == 0)
        return false;
    char how[80];
    if (!exit->known)
        snprintf(how, sizeof how, "ended while nobody was there to see how");
    else if (exit->signal)
        snprintf(how, sizeof how, "killed by SIG%s", option_signal_name(exit->signal));
    else
        snprintf(how, sizeof how, "exit code %d", exit->code);
    text_print(step->service->why, sizeof step->service->why, "%s: %s", name, how);
    tell(step, "hook_failed", "%s: %s", name, how);
    return true;
}

/* A hook that fails is a start that failed: tried again like any other. */
static void on_prepared(struct step *step) {
    struct service *service = step->service;
    bool wanted = service->wanted && !step->all->ending;
    bool failed = wanted && hook_failed(step, "before_start");
    if (wanted && !failed) {
        start_process(step);
        return;
    }
    add_command(step->all, SERVICE_COMMAND_SWEEP, step->index)->value = 0;
    if (failed) {
        service->asked = false;
        note_exit(step);
        follow_end(step);
    } else {
        set_state(step, SERVICE_STOPPED, 0);
    }
}

static void on_cleaned(struct step *step) {
    if (!step->event->exit.known) /* the anchor was killed: it may run on */
        add_command(step->all, SERVICE_COMMAND_SWEEP, step->index)->value = 0;
    (void)hook_failed(step, "after_stop");
    follow_end(step);
}

static void kill_hook(struct step *step) {
    step->service->state_at_ms = step->now + KILL_AGAIN_MS;
    add_command(step->all, SERVICE_COMMAND_HOOK, step->index)->value = HOOK_KILL;
}

static void hook_timer(struct step *step) {
    char text[TEXT_DURATION_BYTES];
    text_from_duration(step->now - step->service->since_ms, text);
    tell(step, "hook_failed", "did not end within %s: SIGKILL", text);
    kill_hook(step);
}

/* ---- wishes ---- */

static void want_up(struct step *step) {
    if (service_is_job(step->service->config)) {
        job_want(step);
        return;
    }
    step->service->wanted = true;
    step->service->restarts = 0;
    if (!step->all->ending)
        wait_or_start(step);
}

static void want_up_later(struct step *step) { /* still stopping, or already up */
    step->service->wanted = true;
}

static void want_again_later(struct step *step) { /* stopping by itself: that is not the end */
    step->service->wanted = true;
    step->service->own_end = false;
}

static void want_down(struct step *step) {
    step->service->wanted = false;
    set_state(step, SERVICE_STOPPED, 0);
    step->service->why[0] = 0;
}

static void want_down_later(struct step *step) { /* settle() stops it after its dependents */
    step->service->wanted = false;
}

static void want_down_unprepared(struct step *step) {
    step->service->wanted = false;
    kill_hook(step);
}

/* ---- probes and time ---- */

static void on_probe_ok(struct step *step) {
    struct service *service = step->service;
    if (service->probe_failures >= service->config->health.failures || !service->healthy)
        tell(step, "healthy", "answers again");
    service->healthy = true;
    service->probe_failures = 0;
    service->probe_at_ms = step->now + service->config->health.every_ms;
}

static void on_probe_bad(struct step *step) {
    struct service *service = step->service;
    const struct probe_config *health = &service->config->health;
    service->probe_at_ms = step->now + health->every_ms;
    if (++service->probe_failures < health->failures)
        return;
    char why[SERVICE_TEXT_BYTES];
    text_print(why, sizeof why, "%lld health probes in a row failed: %.120s",
               (long long)service->probe_failures, step->event->text ? step->event->text : "");
    on_hung(step, why);
}

static void on_not_ready_yet(struct step *step) {
    text_print(step->service->why, sizeof step->service->why, "not ready yet: %s",
               step->event->text ? step->event->text : "");
    step->service->probe_at_ms = step->now + step->service->config->ready.every_ms;
}

static void on_heartbeat(struct step *step) {
    if (step->service->config->watchdog_ms)
        step->service->watchdog_at_ms = step->now + step->service->config->watchdog_ms;
}

static void on_main_pid(struct step *step) {
    if (step->service->pid == step->event->pid)
        return;
    step->service->pid = step->event->pid;
    tell(step, "main_pid", "its main process is %d now", (int)step->event->pid);
}

/* It ends by itself, and has as long for that as for a stop. What follows is as for any exit. */
static void on_says_stopping(struct step *step) {
    set_state(step, SERVICE_STOPPING, 0);
    step->service->own_end = true;
    step->service->again = false;
    step->service->watchdog_at_ms = 0;
    text_print(step->service->why, sizeof step->service->why, "it says that it is stopping");
    tell(step, "stopping", "it says that it is stopping");
}

static void on_extend(struct step *step) {
    int64_t later = step->now + step->event->value;
    if (step->service->state_at_ms && !step->service->killed && later > step->service->state_at_ms)
        step->service->state_at_ms = later;
}

static bool passed(int64_t deadline_ms, int64_t now) {
    return deadline_ms && deadline_ms <= now;
}

static void probe_now(struct step *step, int which) {
    step->service->probe_at_ms = 0;
    add_command(step->all, SERVICE_COMMAND_PROBE, step->index)->value = which;
}

static void starting_timer(struct step *step) {
    char text[TEXT_DURATION_BYTES];
    if (passed(step->service->state_at_ms, step->now)) {
        text_from_duration(step->now - step->service->started_ms, text);
        char why[SERVICE_TEXT_BYTES];
        text_print(why, sizeof why, "was not ready within %s%s%s", text,
                   step->service->why[0] ? ": " : "", step->service->why);
        on_hung(step, why);
    } else if (passed(step->service->probe_at_ms, step->now)) {
        probe_now(step, 0);
    }
}

static void ready_timer(struct step *step) {
    struct service *service = step->service;
    if (passed(service->state_at_ms, step->now) && service_is_job(service->config)) {
        job_expired(step);
        return;
    }
    if (passed(service->state_at_ms, step->now)) {
        service->restarts = 0;
        service->state_at_ms = 0;
    }
    if (passed(service->watchdog_at_ms, step->now)) {
        char text[TEXT_DURATION_BYTES], why[SERVICE_TEXT_BYTES];
        text_from_duration(service->config->watchdog_ms, text);
        text_print(why, sizeof why, "no sd_notify WATCHDOG=1 for %s", text);
        on_hung(step, why);
    } else if (passed(service->probe_at_ms, step->now)) {
        probe_now(step, 1);
    }
}

static void retry(struct step *step) {
    if (!step->all->ending)
        wait_or_start(step);
}

static void ignore(struct step *step) {}

/* ---- for services_jobs.c ---- */

void step_tell(struct step *step, const char *what, const char *text) {
    tell(step, what, "%s", text);
}

void step_set_state(struct step *step, enum service_state state, int64_t delay_ms) {
    set_state(step, state, delay_ms);
}

void step_run(struct step *step) {
    wait_or_start(step);
}

void step_stop(struct step *step) {
    begin_stop(step, true);
}

/* ---- the machine ---- */

typedef void action(struct step *step);
#define E(name) [SERVICE_EVENT_##name]
static action *const actions[SERVICE_STATE_COUNT][SERVICE_EVENT_COUNT] = {
    [SERVICE_STOPPED] = {E(UP) = want_up, E(RESTART) = want_up, E(DOWN) = want_down_later,
                         E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_WAITING] = {E(UP) = want_up_later, E(RESTART) = want_up_later, E(DOWN) = want_down,
                         E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_PREPARING] = {E(UP) = want_up_later, E(DOWN) = want_down_unprepared,
                           E(HOOK_DONE) = on_prepared, E(TIMER) = hook_timer, E(RUN) = job_run,
                           E(CLOCK) = job_clock},
    [SERVICE_CLEANING] = {E(UP) = want_up_later, E(RESTART) = want_up_later,
                          E(DOWN) = want_down_later, E(HOOK_DONE) = on_cleaned,
                          E(TIMER) = hook_timer, E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_STARTING] = {E(UP) = want_up_later, E(RESTART) = begin_restart,
                          E(DOWN) = want_down_later, E(STARTED) = on_started, E(EXITED) = on_exited,
                          E(MAIN_PID) = on_main_pid, E(SAYS_STOPPING) = on_says_stopping,
                          E(READY) = become_ready, E(PROBE_OK) = become_ready,
                          E(PROBE_BAD) = on_not_ready_yet, E(EXTEND) = on_extend,
                          E(TIMER) = starting_timer, E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_READY] = {E(UP) = want_up_later, E(RESTART) = begin_restart, E(DOWN) = want_down_later,
                       E(STARTED) = on_started, E(EXITED) = on_exited, E(PROBE_OK) = on_probe_ok,
                       E(PROBE_BAD) = on_probe_bad, E(HEARTBEAT) = on_heartbeat,
                       E(MAIN_PID) = on_main_pid, E(SAYS_STOPPING) = on_says_stopping,
                       E(TIMER) = ready_timer, E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_STOPPING] = {E(UP) = want_up_later, E(RESTART) = want_again_later,
                          E(MAIN_PID) = on_main_pid, E(DOWN) = want_down_later,
                          E(STARTED) = on_started, E(EXITED) = on_exited, E(EXTEND) = on_extend,
                          E(TIMER) = kill_again, E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_BACKOFF] = {E(UP) = want_up, E(RESTART) = want_up, E(DOWN) = want_down,
                         E(TIMER) = retry, E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_FAILED] = {E(UP) = want_up, E(RESTART) = want_up, E(DOWN) = want_down,
                        E(TIMER) = retry, E(RUN) = job_run, E(CLOCK) = job_clock},
    [SERVICE_DONE] = {E(UP) = want_up, E(RESTART) = want_up, E(DOWN) = want_down, E(RUN) = job_run,
                      E(CLOCK) = job_clock},
    [SERVICE_SCHEDULED] = {E(UP) = want_up, E(RESTART) = want_up, E(DOWN) = want_down,
                           E(RUN) = job_run, E(CLOCK) = job_clock},
};
#undef E

static void step_one(struct services *all, const struct service_event *event) {
    struct step step = {.all = all,
                        .service = &all->list[event->index],
                        .index = event->index,
                        .event = event,
                        .now = event->now_ms};
    action *act = actions[step.service->state][event->kind];
    (act ? act : ignore)(&step);
}

/* Starts what now can start and stops what nobody wants once nothing that needs it runs; repeated
 * while something changes. */
static void settle(struct services *all, int64_t now, uint32_t random) {
    bool changed = true;
    struct service_event event = {.now_ms = now, .random = random};
    while (changed) {
        changed = false;
        for (size_t i = 0; i < all->count; i++) {
            struct service *service = &all->list[i];
            struct step step = {
                .all = all, .service = service, .index = i, .event = &event, .now = now};
            enum service_state before = service->state;
            bool running = before == SERVICE_STARTING || before == SERVICE_READY;
            if (before == SERVICE_WAITING && !all->ending)
                start_if_met(&step);
            else if (running && !service->wanted && !has_running_dependent(all, i))
                begin_stop(&step, false);
            changed |= service->state != before;
        }
    }
}

/* Down means: with everything that needs it. */
static void mark_dependents_down(struct services *all, const struct service_event *event) {
    for (size_t i = 0; i < all->count; i++) {
        for (size_t k = 0; k < all->list[i].need_count; k++) {
            if (all->list[i].needs[k] != event->index || !all->list[i].wanted)
                continue;
            struct service_event down = *event;
            down.index = i;
            step_one(all, &down);
            mark_dependents_down(all, &down);
        }
    }
}

/* Up means: with everything it needs. */
static void mark_needs_up(struct services *all, const struct service_event *event) {
    const struct service *service = &all->list[event->index];
    for (size_t k = 0; k < service->need_count; k++) {
        const struct service *need = &all->list[service->needs[k]];
        if (need->wanted)
            continue;
        struct service_event up = *event; /* of a restart too: what it needs is not restarted */
        up.kind = SERVICE_EVENT_UP;
        up.index = service->needs[k];
        step_one(all, &up);
        mark_needs_up(all, &up);
    }
}

void services_step(struct services *services, const struct service_event *event) {
    must(event->index < services->count && event->kind < SERVICE_EVENT_COUNT);
    if (event->kind == SERVICE_EVENT_DOWN)
        mark_dependents_down(services, event);
    bool up = event->kind == SERVICE_EVENT_UP || event->kind == SERVICE_EVENT_RESTART ||
              event->kind == SERVICE_EVENT_RUN;
    if (up && !services->ending)
        mark_needs_up(services, event);
    step_one(services, event);
    settle(services, event->now_ms, event->random);
}

void services_end(struct services *services, int64_t now_ms, bool at_once) {
    services->ending = true;
    for (size_t i = 0; i < services->count; i++) {
        struct service_event down = {.kind = SERVICE_EVENT_DOWN, .index = i, .now_ms = now_ms};
        step_one(services, &down);
        struct service *service = &services->list[i];
        struct step step = {
            .all = services, .service = service, .index = i, .event = &down, .now = now_ms};
        if (at_once && (service->state == SERVICE_STARTING || service->state == SERVICE_READY))
            begin_stop(&step, false);
        if (at_once && service->state == SERVICE_STOPPING)
            kill_again(&step);
        if (at_once && service->state == SERVICE_CLEANING)
            kill_hook(&step);
    }
    settle(services, now_ms, 0);
}

bool services_all_down(const struct services *services) {
    for (size_t i = 0; i < services->count; i++)
        if (service_is_busy(&services->list[i]))
            return false;
    return true;
}

static void earlier(int64_t *least, int64_t deadline_ms) {
    if (deadline_ms && (!*least || deadline_ms < *least))
        *least = deadline_ms;
}

int64_t services_deadline(const struct services *services) {
    int64_t least = 0;
    for (size_t i = 0; i < services->count; i++) {
        earlier(&least, services->list[i].state_at_ms);
        earlier(&least, services->list[i].probe_at_ms);
        earlier(&least, services->list[i].watchdog_at_ms);
    }
    return least;
}

void services_tick(struct services *services, int64_t now_ms, uint32_t random) {
    for (size_t i = 0; i < services->count; i++) {
        const struct service *s = &services->list[i];
        if (!passed(s->state_at_ms, now_ms) && !passed(s->probe_at_ms, now_ms) &&
            !passed(s->watchdog_at_ms, now_ms))
            continue;
        struct service_event timer = {.kind = SERVICE_EVENT_TIMER,
                                      .index = i,
                                      .now_ms = now_ms,
                                      .random = random * 2654435761u + (uint32_t)i};
        services_step(services, &timer);
    }
}

void services_commands_done(struct services *services) {
    services->command_count = 0;
}

static size_t *find_needs(const struct config *config, const struct service_config *service,
                          size_t *ret_count) {
    *ret_count = text_list_count(service->needs);
    size_t *needs = memory_array(*ret_count, sizeof *needs);
    for (size_t i = 0; i < *ret_count; i++) {
        const struct service_config *need = config_service(config, service->needs[i]);
        must(need);
        needs[i] = (size_t)(need - config->services);
    }
    return needs;
}

void services_init(struct services *services, const struct config *config) {
    *services = (struct services){.count = config->service_count};
    services->list = memory_array(config->service_count, sizeof *services->list);
    for (size_t i = 0; i < config->service_count; i++) {
        struct service *service = &services->list[i];
        service->config = &config->services[i];
        service->needs = find_needs(config, service->config, &service->need_count);
        service->healthy = true;
    }
}

void services_deinit(struct services *services) {
    for (size_t i = 0; i < services->count; i++)
        free((void *)(uintptr_t)services->list[i].needs);
    free(services->list);
    free(services->commands);
    *services = (struct services){0};
}

void services_resume(struct services *services, int64_t now_ms) {
    for (size_t i = 0; i < services->count; i++) {
        struct service *service = &services->list[i];
        const struct service_config *config = service->config;
        bool ready = service->state == SERVICE_READY;
        bool asks = config->ready.kind != PROBE_NONE && config->ready.kind != PROBE_NOTIFY;
        if (ready && config->health.kind != PROBE_NONE)
            service->probe_at_ms = now_ms + config->health.every_ms;
        if (service->state == SERVICE_STARTING && asks)
            service->probe_at_ms = now_ms;
        if (ready && config->watchdog_ms)
            service->watchdog_at_ms = now_ms + config->watchdog_ms;
    }
}
