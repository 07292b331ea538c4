/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper in miniature, and the anchor that holds the processes for it: what src/keeper/ does
 * with the anchor's socket and its state files. The anchor and the processes live on when the
 * keeper is killed; what it had asked for is still done. */
#include "engine/services.h"
#include "tests/world/world.h"
#include <signal.h>

enum { SERVICES = 5, SOCKET_MS = 20, SNAPSHOT_MS = 30, BEAT_MS = 1000 };

enum slot { SLOT_FREE, SLOT_RUNNING, SLOT_DEAD }; /* DEAD: until the keeper has taken note */
struct process {
    enum slot slot;
    pid_t pid;
    bool ready, hung;
    struct service_exit exit;
};
struct keeper {
    struct services services;
    bool began; /* the anchor has told what runs */
    /* What is not the keeper's own memory. */
    struct process processes[SERVICES];
    struct service saved[SERVICES]; /* its state files */
    pid_t pid_last;
    bool wanted[SERVICES]; /* by people */
};

#define NAME(text) ((char *)(uintptr_t)(text)) /* only read */
static char *needs_db[] = {NAME("db"), NULL}, *needs_hub[] = {NAME("hub"), NULL};
#define RESTARTS                                                                                   \
    {                                                                                              \
        .mode = RESTART_ALWAYS, .max = 5, .delay_ms = 500, .delay_max_ms = 10000,                  \
        .stable_ms = 10000, .retry_ms = 30000                                                      \
    }
#define USUAL                                                                                      \
    .stop_signal = SIGTERM, .stop_timeout_ms = 5000, .start_timeout_ms = 8000, .restart = RESTARTS
#define PROBE(failures_max)                                                                        \
    { .kind = PROBE_TCP, .every_ms = 1500, .timeout_ms = 1000, .failures = failures_max }
static struct service_config configs[SERVICES] = {
    {.name = NAME("db"), .ready = {.kind = PROBE_NOTIFY}, .watchdog_ms = 4000, USUAL},
    {.name = NAME("hub"), .needs = needs_db, .ready = PROBE(1), .health = PROBE(3), USUAL},
    {.name = NAME("web"), .needs = needs_hub, .ready = PROBE(1), .health = PROBE(2), USUAL},
    {.name = NAME("chat"),
     .needs = needs_hub,
     .ready = {.kind = PROBE_NOTIFY},
     .watchdog_ms = 3000,
     USUAL},
    {.name = NAME("plain"), USUAL},
};
static const struct config config = {.services = configs, .service_count = SERVICES};

static void feed(struct world *w, struct service_event event);

/* ---- the processes and the anchor ---- */

/* The number of an event says which process is meant: it may have ended meanwhile. */
static uint64_t number_of(size_t index, pid_t pid) {
    return (uint64_t)pid * SERVICES + index;
}

static struct process *process_of(struct world *w, uint64_t number) {
    struct process *process = &w->keeper->processes[number % SERVICES];
    bool same = process->slot == SLOT_RUNNING && process->pid == (pid_t)(number / SERVICES);
    return same ? process : NULL;
}

static void tell_dead(struct world *w, uint64_t index);

static void die(struct world *w, size_t index, int code, int number) {
    struct process *process = &w->keeper->processes[index];
    world_trace(w, "service %s: pid %d ends (%d, signal %d)", configs[index].name, process->pid,
                code, number);
    process->slot = SLOT_DEAD;
    process->exit = (struct service_exit){.code = code, .signal = number, .known = true};
    world_at(w, (int64_t)dice(w, SOCKET_MS), KEEPER, tell_dead, index);
}

static void end_of(struct world *w, uint64_t number) {
    if (process_of(w, number))
        die(w, number % SERVICES, 0, 0);
}

static void live(struct world *w, uint64_t number) {
    struct process *process = process_of(w, number);
    size_t index = number % SERVICES;
    if (!process)
        return;
    if (chance(w, w->rates.service_dies)) {
        die(w, index, dice(w, 2) ? 1 : -1, dice(w, 2) ? SIGSEGV : 0);
        return;
    }
    process->hung = process->hung || chance(w, w->rates.service_hangs);
    bool says_ready = configs[index].ready.kind == PROBE_NOTIFY && !process->ready;
    if (!process->hung && dice(w, 2)) {
        process->ready = true;
        if (says_ready && world_is_up(w, KEEPER) && w->keeper->began)
            feed(w, (struct service_event){.kind = SERVICE_EVENT_READY, .index = index});
    }
    /* A READY that no keeper heard is said again with the next beat, as the socket keeps it. */
    if (!process->hung && process->ready && world_is_up(w, KEEPER) && w->keeper->began) {
        if (w->keeper->services.list[index].state == SERVICE_STARTING && !says_ready &&
            configs[index].ready.kind == PROBE_NOTIFY)
            feed(w, (struct service_event){.kind = SERVICE_EVENT_READY, .index = index});
        feed(w, (struct service_event){.kind = SERVICE_EVENT_HEARTBEAT, .index = index});
    }
    world_at(w, BEAT_MS, WORLD, live, number);
}

static void tell_running(struct world *w, uint64_t number);

static void launch(struct world *w, uint64_t index) {
    struct process *process = &w->keeper->processes[index];
    if (process->slot == SLOT_RUNNING) {
        world_break(w, "no service runs twice", "%s is started while its pid %d lives",
                    configs[index].name, process->pid);
        return;
    }
    w->counts.starts++;
    *process = (struct process){.slot = SLOT_RUNNING, .pid = ++w->keeper->pid_last};
    world_trace(w, "service %s: pid %d runs", configs[index].name, process->pid);
    uint64_t number = number_of(index, process->pid);
    world_at(w, (int64_t)dice(w, SOCKET_MS), KEEPER, tell_running, number);
    world_at(w, 1 + (int64_t)dice(w, BEAT_MS), WORLD, live, number);
}

static void send_signal(struct world *w, size_t index, int64_t number) {
    struct process *process = &w->keeper->processes[index];
    if (process->slot != SLOT_RUNNING)
        return;
    if (number == SIGKILL)
        die(w, index, -1, SIGKILL);
    else if (!process->hung)
        world_at(w, (int64_t)dice(w, 1500), WORLD, end_of, number_of(index, process->pid));
}

/* ---- what the anchor tells ---- */

static void on_running(struct world *w, size_t index) {
    struct service *service = &w->keeper->services.list[index];
    pid_t pid = w->keeper->processes[index].pid;
    if (service->pid == pid)
        return;
    if (!service_has_process(service)) { /* a former keeper could not write it down any more */
        service->state = SERVICE_STARTING;
        service->wanted = true;
        service->started_ms = service->since_ms = w->now;
    }
    feed(w, (struct service_event){.kind = SERVICE_EVENT_STARTED, .index = index, .pid = pid});
}

static void tell_running(struct world *w, uint64_t number) {
    if (w->keeper->began && process_of(w, number))
        on_running(w, number % SERVICES);
}

static void tell_dead(struct world *w, uint64_t index) {
    struct process *process = &w->keeper->processes[index];
    const struct service *service = &w->keeper->services.list[index];
    if (!w->keeper->began || process->slot != SLOT_DEAD)
        return;
    process->slot = SLOT_FREE;
    bool past = !service_has_process(service) || (service->pid > 0 && service->pid != process->pid);
    if (!past)
        feed(w, (struct service_event){
                    .kind = SERVICE_EVENT_EXITED, .index = index, .exit = process->exit});
}

static void want(struct world *w, size_t index, enum service_event_kind kind) {
    feed(w, (struct service_event){.kind = kind, .index = index});
}

/* All slots, then what we believe to run and the anchor does not know. */
static void snapshot(struct world *w, uint64_t unused) {
    struct keeper *keeper = w->keeper;
    keeper->began = true;
    for (size_t i = 0; i < SERVICES; i++) {
        if (keeper->processes[i].slot == SLOT_RUNNING)
            on_running(w, i);
        else
            tell_dead(w, i);
    }
    for (size_t i = 0; i < SERVICES && world_is_up(w, KEEPER); i++)
        if (service_has_process(&keeper->services.list[i]) &&
            keeper->processes[i].slot == SLOT_FREE)
            feed(w, (struct service_event){
                        .kind = SERVICE_EVENT_EXITED, .index = i, .exit = {.code = -1}});
    for (size_t i = 0; i < SERVICES && world_is_up(w, KEEPER); i++)
        if (keeper->wanted[i] && !keeper->services.list[i].wanted)
            want(w, i, SERVICE_EVENT_UP);
}

/* ---- carrying out ---- */

static void probed(struct world *w, uint64_t number) {
    size_t index = number % SERVICES;
    const struct process *process = process_of(w, number);
    if (!process || w->keeper->services.list[index].pid != process->pid)
        return; /* the probe was of a former life */
    bool good = process->ready && !process->hung;
    feed(w, (struct service_event){.kind = good ? SERVICE_EVENT_PROBE_OK : SERVICE_EVENT_PROBE_BAD,
                                   .index = index,
                                   .text = "no answer"});
}

static void carry(struct world *w, const struct service_command *command) {
    size_t index = command->index;
    pid_t pid = w->keeper->services.list[index].pid;
    if (command->kind == SERVICE_COMMAND_START)
        world_at(w, (int64_t)dice(w, SOCKET_MS), WORLD, launch, index);
    else if (command->kind == SERVICE_COMMAND_SIGNAL)
        send_signal(w, index, command->value);
    else if (command->kind == SERVICE_COMMAND_PROBE)
        world_at(w, 1 + (int64_t)dice(w, 900), KEEPER, probed, number_of(index, pid));
    else if (command->kind == SERVICE_COMMAND_TELL)
        world_trace(w, "service %s: %s: %s", configs[index].name, command->what, command->text);
}

static void carry_out(struct world *w) {
    struct services *services = &w->keeper->services;
    for (size_t i = 0; i < services->command_count && !world_dies(w, KEEPER); i++) {
        struct service_command command = services->commands[i];
        carry(w, &command);
    }
    services_commands_done(services);
    if (!world_dies(w, KEEPER)) /* it may end before its state is written */
        memcpy(w->keeper->saved, services->list, sizeof w->keeper->saved);
}

static void feed(struct world *w, struct service_event event) {
    if (!world_is_up(w, KEEPER))
        return;
    event.now_ms = w->now;
    event.random = (uint32_t)dice(w, UINT32_MAX);
    services_step(&w->keeper->services, &event);
    carry_out(w);
}

/* ---- people ---- */

void keeper_wish(struct world *w) {
    static const enum service_event_kind kinds[] = {SERVICE_EVENT_UP, SERVICE_EVENT_DOWN,
                                                    SERVICE_EVENT_RESTART};
    size_t index = dice(w, SERVICES), kind = dice(w, COUNT_OF(kinds));
    if (!world_is_up(w, KEEPER) || !w->keeper->began)
        return;
    world_trace(w, "a person says %s to %s",
                kind == 0   ? "up"
                : kind == 1 ? "down"
                            : "restart",
                configs[index].name);
    want(w, index, kinds[kind]);
    for (size_t i = 0; i < SERVICES; i++) /* with what it needs, or what needs it */
        w->keeper->wanted[i] = w->keeper->services.list[i].wanted;
}

/* ---- start and end ---- */

static void start(struct world *w) {
    bool first = !w->keeper;
    if (first)
        w->keeper = memory_new(sizeof *w->keeper);
    struct keeper *keeper = w->keeper;
    services_init(&keeper->services, &config);
    for (size_t i = 0; i < SERVICES; i++) {
        keeper->wanted[i] = keeper->wanted[i] || first;
        if (!first)
            memcpy(&keeper->services.list[i], &keeper->saved[i], offsetof(struct service, config));
    }
    services_resume(&keeper->services, w->now);
    world_at(w, SNAPSHOT_MS, KEEPER, snapshot, 0);
}

static void crash(struct world *w) {
    w->keeper->began = false;
    services_deinit(&w->keeper->services);
}

static int64_t next_ms(struct world *w) {
    int64_t deadline = w->keeper->began ? services_deadline(&w->keeper->services) : 0;
    return deadline ? deadline : INT64_MAX;
}

static void due(struct world *w) {
    services_tick(&w->keeper->services, w->now, (uint32_t)dice(w, UINT32_MAX));
    carry_out(w);
}

char *keeper_unrest(struct world *w) {
    const struct keeper *keeper = w->keeper;
    for (size_t i = 0; i < SERVICES; i++) {
        const struct service *service = &keeper->services.list[i];
        bool runs = keeper->processes[i].slot == SLOT_RUNNING;
        bool good = service->wanted ? service->state == SERVICE_READY && runs &&
                                          service->pid == keeper->processes[i].pid
                                    : service->state == SERVICE_STOPPED && !runs;
        if (!good)
            return text_format("service %s is %s (%swanted, %s)", configs[i].name,
                               service_state_names[service->state], service->wanted ? "" : "not ",
                               runs ? "it runs" : "it does not run");
    }
    return NULL;
}

const struct program_rules keeper_rules = {start, crash, next_ms, due};
