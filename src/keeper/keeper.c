/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/keeper.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "wire/config.h"
#include "wire/config_files.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

bool keeper_find(struct keeper *keeper, const char *name, size_t *ret_index) {
    for (size_t i = 0; i < keeper->services.count; i++) {
        if (strcmp(keeper->services.list[i].config->name, name) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

/* ---- commands of the engine ---- */

void keeper_start(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    unit->status_text[0] = 0;
    if (unit->log)
        service_log_begin_life(unit->log);
    if (unit->job)
        jobs_start(keeper, index);
    else
        anchor_link_plan_start(keeper, index);
}

static void do_start(struct keeper *keeper, const struct service_command *command) {
    keeper_start(keeper, command->index);
}

static void do_signal(struct keeper *keeper, const struct service_command *command) {
    struct unit *unit = keeper->units[command->index];
    uint32_t slot = unit->main_slot != SLOT_NONE ? unit->main_slot : unit->slot;
    if (anchor_link_start_is_due(unit)) {
        anchor_link_drop_start(keeper, command->index);
        return;
    }
    /* A stopped process does not see SIGTERM before it goes on. */
    anchor_link_signal(keeper, slot, (int)command->value);
    if (command->value == SIGKILL &&
        cgroup_kill(keeper, keeper->services.list[command->index].config->name))
        unit->cgroup_unhurt = false;
    if (command->value != SIGKILL && command->value != SIGSTOP)
        anchor_link_signal(keeper, slot, SIGCONT);
}

static void do_sweep(struct keeper *keeper, const struct service_command *command) {
    const char *name = keeper->services.list[command->index].config->name;
    struct unit *unit = keeper->units[command->index];
    int killed = cgroup_kill(keeper, name);
    unit->cgroup_unhurt &= killed == 0;
    if (!unit->in_cgroup) { /* this looks at every process of the machine */
        int marked = tree_sweep(keeper, name, (pid_t)command->value);
        if (unit->launcher)
            marked += tree_sweep(keeper, name, unit->launcher);
        killed = marked > killed ? marked : killed;
    }
    unit->in_cgroup = false;
    unit->launcher = 0;
    if (killed)
        log_info("%s: ended %d process%s that it had left behind", name, killed,
                 killed == 1 ? "" : "es");
}

static void do_hook(struct keeper *keeper, const struct service_command *command) {
    struct unit *unit = keeper->units[command->index];
    if (command->value < 0)
        anchor_link_signal(keeper, unit->hook_slot, SIGKILL);
    else if (unit->hook_slot == SLOT_NONE) /* else a former keeper has started it */
        anchor_link_start_hook(keeper, command->index, command->value == 1);
}

static void do_probe(struct keeper *keeper, const struct service_command *command) {
    probe_start(keeper->units[command->index], (int)command->value);
}

/* The end of a process is told once, with its id, however many keepers were killed over it. */
static void tell_end(struct keeper *keeper, const struct service_command *command) {
    struct unit *unit = keeper->units[command->index];
    const char *name = keeper->services.list[command->index].config->name;
    bool may_be_told = unit->ended && !unit->start_told;
    unit->start_told = false;
    if (may_be_told && events_end_is_told(keeper->events, name, unit->ended))
        return;
    events_add_with(keeper, name, command->what, command->text,
                    unit->ended ? json_pack("{s:i}", "pid", (int)unit->ended) : NULL);
}

static void do_tell(struct keeper *keeper, const struct service_command *command) {
    const char *name = keeper->services.list[command->index].config->name;
    if (strcmp(command->what, "exited") == 0 || strcmp(command->what, "stopped") == 0) {
        tell_end(keeper, command);
        return;
    }
    if (strcmp(command->what, "started") == 0)
        keeper->units[command->index]->start_told = true;
    events_add(keeper, name, command->what, command->text);
    if (strcmp(command->what, "ready") == 0)
        doctor_look_later(keeper, command->index);
}

/* Carrying one out may bring an event at once (a start that fails), and so more commands behind:
 * they are taken in order, by index, from a list that may move. */
static void carry_out(struct keeper *keeper) {
    static void (*const handlers[])(struct keeper *, const struct service_command *) = {
        [SERVICE_COMMAND_START] = do_start, [SERVICE_COMMAND_SIGNAL] = do_signal,
        [SERVICE_COMMAND_SWEEP] = do_sweep, [SERVICE_COMMAND_HOOK] = do_hook,
        [SERVICE_COMMAND_PROBE] = do_probe, [SERVICE_COMMAND_TELL] = do_tell,
    };
    static bool under_way;
    if (under_way)
        return;
    under_way = true;
    for (size_t i = 0; i < keeper->services.command_count; i++) {
        struct service_command command = keeper->services.commands[i];
        handlers[command.kind](keeper, &command);
    }
    services_commands_done(&keeper->services);
    under_way = false;
}

static uint32_t chance(void) {
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
        return (uint32_t)clock_ms();
    return number;
}

void keeper_event(struct keeper *keeper, struct service_event event) {
    event.now_ms = clock_ms();
    event.wall_ms = clock_wall_ms();
    event.random = chance();
    services_step(&keeper->services, &event);
    carry_out(keeper);
}

void keeper_look_at_clock(struct keeper *keeper) {
    services_look_at_clock(&keeper->services, clock_ms(), clock_wall_ms(), chance());
    carry_out(keeper);
}

/* ---- time and sleep ---- */

static void on_timer(uv_timer_t *timer) {
    struct keeper *keeper = timer->data;
    services_tick(&keeper->services, clock_ms(), chance());
    carry_out(keeper);
}

static void set_timer(struct keeper *keeper) {
    int64_t deadline = services_deadline(&keeper->services);
    int64_t now = clock_ms();
    if (!deadline) {
        uv_timer_stop(&keeper->timer);
        return;
    }
    uv_update_time(&keeper->loop);
    uv_timer_start(&keeper->timer, on_timer, deadline > now ? (uint64_t)(deadline - now) : 0, 0);
}

/* A log that the disk refuses, and its recovery: said once each. */
static void tell_log_troubles(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->services.count; i++) {
        struct unit *unit = keeper->units[i];
        const char *trouble = unit->log ? service_log_trouble(unit->log) : NULL;
        if (!trouble == !unit->log_trouble)
            continue;
        unit->log_trouble = trouble;
        char text[SERVICE_TEXT_BYTES];
        text_print(text, sizeof text, "%s; %lld bytes were dropped so far",
                   trouble ? trouble : "its log is written again",
                   (long long)service_log_dropped(unit->log));
        events_add(keeper, keeper->services.list[i].config->name,
                   trouble ? "log_failing" : "log_recovered", text);
    }
}

/* A word that raises an event, in the log of a service. */
static void tell_found(void *context, const struct log_found *found) {
    char text[SERVICE_TEXT_BYTES], cooldown[TEXT_DURATION_BYTES];
    text_from_duration(found->cooldown_ms, cooldown);
    if (found->line)
        text_print(text, sizeof text, "%s: %s", found->pattern, found->line);
    else
        text_print(text, sizeof text, "%s: %lld%s more line%s with it in %s", found->pattern,
                   (long long)found->more, found->more == LOG_WATCH_COUNT_MAX ? " or more" : "",
                   found->more == 1 ? "" : "s", cooldown);
    json_t *more = json_pack("{s:s,s:s?,s:I}", "pattern", found->pattern, "line", found->line,
                             "more", (json_int_t)found->more);
    events_add_with(context, found->service, "log_pattern", text, more);
}

/* What changed is written down; then the anchor makes the processes that follow from it, and once
 * the history is written too, it may forget the exits it came from. */
static void write_down(struct keeper *keeper) {
    bool saved = true, again = true;
    while (again) {
        again = false; /* unless a start fails at once */
        for (size_t i = 0; i < keeper->services.count; i++) {
            saved &= state_save(keeper, i);
            if (keeper->units[i]->start_due)
                again |= !anchor_link_start(keeper, i);
        }
    }
    deaths_write(keeper);
    if (saved)
        anchor_link_free_slots(keeper);
}

/* Right after events were read: a restart without delay does not wait for the next turn. */
static void after_events(uv_check_t *check) {
    struct keeper *keeper = check->data;
    int64_t deadline = services_deadline(&keeper->services);
    if (deadline && deadline <= clock_ms() && !keeper->anchor_lost && !keeper->quitting)
        on_timer(&keeper->timer);
    write_down(keeper);
}

/* Once a turn, before the loop sleeps; the one next deadline is set. */
static void before_sleep(uv_prepare_t *prepare) {
    struct keeper *keeper = prepare->data;
    tell_log_troubles(keeper);
    jobs_before_sleep(keeper);
    host_look(keeper);
    write_down(keeper);
    if (keeper->services.ending && !keeper->quitting && services_all_down(&keeper->services)) {
        keeper->quitting = true;
        uv_stop(&keeper->loop);
        return;
    }
    set_timer(keeper);
}

void keeper_down(struct keeper *keeper, bool at_once, int exit_code) {
    if (exit_code || !keeper->services.ending)
        keeper->exit_code = exit_code;
    events_add(keeper, "", "config",
               at_once ? "stopping everything at once" : "stopping everything");
    services_end(&keeper->services, clock_ms(), at_once);
    carry_out(keeper);
}

/* ---- units ---- */

enum { OWN_LOG_BYTES_MAX = 10 << 20, OWN_LOG_FILES = 5 };

uid_t keeper_owner_of(const struct service_config *config) {
    struct passwd *entry = config->user ? getpwnam(config->user) : NULL;
    return entry && geteuid() == 0 ? entry->pw_uid : geteuid();
}

struct service_log_options keeper_log_options(const struct service_config *config) {
    return (struct service_log_options){.name = config->name,
                                        .bytes_max = config->log_bytes_max,
                                        .files = config->log_files,
                                        .owner = keeper_owner_of(config),
                                        .patterns = config->log_patterns,
                                        .cooldown_ms = config->log_cooldown_ms};
}

/* A log that cannot be opened stops nothing: the service runs with /dev/null and that is said. */
bool keeper_open_unit(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index] = memory_new(sizeof *unit);
    const struct service_config *config = keeper->services.list[index].config;
    AUTO_FREE char *run = path_join(keeper->run, "log");
    AUTO_FREE char *logs = path_join(keeper->config->data, "logs");
    struct service_log_options options = keeper_log_options(config);
    options.folder_run = run;
    options.folder_logs = logs;
    unit->keeper = keeper;
    unit->index = index;
    unit->slot = unit->hook_slot = unit->probe_slot = unit->main_slot = SLOT_NONE;
    jobs_open_unit(unit);
    if (service_is_ours(config))
        levels_make(keeper, config->name);
    int r = service_log_open(keeper->logs, &options, &unit->log);
    if (r < 0)
        log_error("service %s: its log in %s cannot be opened: %s; it runs without", config->name,
                  logs, strerror(-r));
    return r == 0;
}

void keeper_open_notify(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    if (!unit->notify && notify_socket_used(keeper->services.list[index].config))
        unit->notify = notify_socket_open(unit, -1);
}

void keeper_close_unit(struct unit *unit) {
    probe_cancel(unit);
    deaths_drop(unit);
    jobs_close_unit(unit);
    unit->notify = notify_socket_close(unit->notify);
    unit->log = service_log_close(unit->log);
    free(unit->figures);
    free(unit);
}

/* ---- start and end ---- */

static void make_folders(const struct keeper *keeper) {
    const char *const names[] = {"log", "state", "notify", "deaths", "level"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *path = path_join(keeper->run, names[i]);
        int r = folder_make(path, 0711);
        if (r < 0)
            fatal(EX_CANTCREAT, "%s cannot be made: %s", path, strerror(-r));
    }
    AUTO_FREE char *logs = path_join(keeper->config->data, "logs");
    int r = folder_make(logs, 0750);
    if (r < 0)
        log_error("%s cannot be made: %s; services run without logs", logs, strerror(-r));
}

/* `up -d` made our output a FIFO: what the anchor and we say is a log like any other, rotated, and
 * no disk that hangs ever stops us. */
static void open_own_log(struct keeper *keeper) {
    AUTO_FREE char *run = path_join(keeper->run, "log");
    AUTO_FREE char *logs = path_join(keeper->config->data, "logs");
    AUTO_FREE char *fifo = path_join(run, "holdfast.fifo");
    struct stat ours, found;
    if (fstat(STDERR_FILENO, &ours) < 0 || stat(fifo, &found) < 0 || ours.st_ino != found.st_ino ||
        ours.st_dev != found.st_dev)
        return;
    struct service_log_options options = {.name = "holdfast",
                                          .folder_run = run,
                                          .folder_logs = logs,
                                          .bytes_max = OWN_LOG_BYTES_MAX,
                                          .files = OWN_LOG_FILES,
                                          .owner = geteuid()};
    int r = service_log_open(keeper->logs, &options, &keeper->own_log);
    if (r < 0)
        events_add(keeper, "", "log_failing", strerror(-r));
}

static void open_all(struct keeper *keeper) {
    keeper->loop.data = keeper;
    keeper->logs = log_writer_new(&keeper->loop);
    log_writer_on_found(keeper->logs, tell_found, keeper);
    open_own_log(keeper);
    keeper->events = events_open(keeper->run);
    services_init(&keeper->services, keeper->config);
    keeper->units = memory_array(keeper->services.count, sizeof *keeper->units);
    for (size_t i = 0; i < keeper->services.count; i++)
        keeper_open_unit(keeper, i);
    state_load(keeper);
    services_resume(&keeper->services, clock_ms());
    uv_timer_init(&keeper->loop, &keeper->timer);
    uv_prepare_init(&keeper->loop, &keeper->before_sleep);
    keeper->timer.data = keeper->before_sleep.data = keeper;
    uv_prepare_start(&keeper->before_sleep, before_sleep);
    uv_check_init(&keeper->loop, &keeper->after_events);
    keeper->after_events.data = keeper;
    uv_check_start(&keeper->after_events, after_events);
    cgroup_open(keeper);
    doctor_open(keeper);
    figures_open(keeper);
    keeper->control = control_open(keeper); /* answers once the loop runs */
    host_open(keeper);
    local_look(keeper);
    log_writer_settle(keeper->logs, LOG_SETTLE_MS);
    anchor_link_open(keeper);
    jobs_look(keeper);
}

static void close_all(struct keeper *keeper) {
    enum { LAST_LINES_MS = 5000 };
    (void)state_save_changed(keeper);
    deaths_write(keeper);
    keeper->control = control_close(keeper->control);
    for (size_t i = 0; i < keeper->services.count; i++)
        if (keeper->units[i]->log)
            service_log_flush(keeper->units[i]->log, false);
    if (keeper->own_log)
        service_log_flush(keeper->own_log, false);
    keeper->logs = log_writer_free(keeper->logs, LAST_LINES_MS);
    for (size_t i = 0; i < keeper->services.count; i++)
        if (keeper->units[i]->log && service_log_trouble(keeper->units[i]->log))
            log_warning("%s: its last lines could not be written: %s",
                        keeper->services.list[i].config->name,
                        service_log_trouble(keeper->units[i]->log));
    keeper->events = events_close(keeper->events);
}

/* The first keeper of an `up` takes the config as it is now and asks everything up, also what a
 * former anchor left running under an older config; only then it marks that as done. Every later
 * keeper goes on with what is in force. */
void keeper_begin(struct keeper *keeper) {
    if (keeper->began)
        return;
    struct config_errors errors = {0};
    cgroup_clean(keeper);
    if (keeper->replayed && keeper_reload(keeper, &errors) != 0)
        for (size_t i = 0; i < errors.count; i++)
            log_error("%s: %s", errors.list[i].place, errors.list[i].text);
    config_errors_deinit(&errors);
    for (size_t i = 0; i < keeper->services.count; i++)
        if (!service_is_busy(&keeper->services.list[i]) && !keeper->units[i]->leaving)
            keeper_event(keeper, (struct service_event){.kind = SERVICE_EVENT_UP, .index = i});
    (void)state_save_changed(keeper);
    AUTO_FREE char *mark = path_join(keeper->run, "began");
    keeper->began = file_replace_fast(mark, slice_of(""), 0600) == 0;
}

/* The config that a former keeper had in force, else the file, which is recorded. */
static void load_config(struct keeper *keeper) {
    AUTO_FREE char *record = config_in_force_path(keeper->run);
    AUTO_FREE char *mark = path_join(keeper->run, "began");
    struct config_files files = {0};
    struct config_errors errors = {0};
    keeper->began = access(mark, F_OK) == 0;
    keeper->replayed = config_files_open(record, &files) == 0;
    int r = config_load_files(keeper->config_path, keeper->run, &files, &keeper->config, &errors);
    if (r != 0) {
        keeper->replayed = false;
        keeper->config = config_load_or_exit(keeper->config_path, keeper->run); /* says why */
    } else if (!keeper->replayed) {
        (void)keeper_record_config(keeper, &files);
    }
    config_register_secrets(keeper->config);
    config_errors_deinit(&errors);
    config_files_deinit(&files);
}

/* After an orderly end nothing is to be resumed. */
static void forget_states(struct keeper *keeper) {
    AUTO_FREE char *record = config_in_force_path(keeper->run);
    AUTO_FREE char *mark = path_join(keeper->run, "began");
    unlink(record);
    unlink(mark);
    for (size_t i = 0; i < keeper->services.count; i++)
        state_forget(keeper, keeper->services.list[i].config->name);
}

/* A keeper whose anchor was killed still writes its last lines: two at one ring would tear them.
 * Held until we end; a disk that hangs under the other is not waited for. */
static void wait_for_former(const struct keeper *keeper) {
    enum { FORMER_MS_MAX = 5000, STEP_MS = 5 };
    AUTO_FREE char *path = path_join(keeper->run, "keeper.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (int waited = 0; fd >= 0 && waited < FORMER_MS_MAX; waited += STEP_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return;
        poll(NULL, 0, STEP_MS);
    }
}

int keeper_run(const char *run, const char *config_path) {
    static struct keeper keeper;
    keeper.run = run;
    keeper.config_path = config_path;
    mallopt(M_ARENA_MAX, 1); /* the writer's thread hardly allocates */
    load_config(&keeper);
    malloc_trim(0); /* what reading took */
    keeper.started_ms = clock_ms();
    struct stat found;
    AUTO_FREE char *up = path_join(run, "up");
    keeper.up_ms = stat(up, &found) == 0
                       ? keeper.started_ms - (clock_wall_ms() - found.st_mtim.tv_sec * 1000)
                       : keeper.started_ms;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN); /* we speak to the terminal from the background: `stty tostop` */
    uv_loop_init(&keeper.loop);
    make_folders(&keeper);
    wait_for_former(&keeper);
    levels_open(&keeper);
    open_all(&keeper);
    uv_run(&keeper.loop, UV_RUN_DEFAULT);
    close_all(&keeper);
    if (keeper.upgrading) {
        anchor_link_upgrade(&keeper);
        return 0;
    }
    if (!keeper.anchor_lost) {
        forget_states(&keeper);
        cgroup_close(&keeper);
        anchor_link_quit(&keeper, keeper.exit_code);
    }
    return keeper.anchor_lost ? EX_UNAVAILABLE : 0;
}
