/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "keeper/processes.h"
#include "wire/config.h"
#include "wire/dotenv.h"
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- sending ---- */

/* The anchor reads at once and never waits for us, so waiting here for room is a matter of
 * microseconds; the limit is for a stopped anchor. */
static bool send_bytes(struct keeper *keeper, struct slice bytes) {
    enum { ROOM_MS_MAX = 2000 };
    struct pollfd room = {.fd = LAUNCH_FD, .events = POLLOUT};
    while (send(LAUNCH_FD, bytes.data, bytes.size, MSG_NOSIGNAL) < 0) {
        if (errno == EINTR || (errno == EAGAIN && poll(&room, 1, ROOM_MS_MAX) > 0))
            continue;
        log_error("the anchor cannot be told: %s", strerror(errno));
        return false;
    }
    return true;
}

static bool send_head(struct keeper *keeper, const struct launch_head *head) {
    return send_bytes(keeper, (struct slice){(const char *)head, sizeof *head});
}

static void send_name(struct keeper *keeper, uint32_t kind, const char *name, int fd) {
    struct {
        struct launch_head head;
        char name[LAUNCH_NAME_BYTES];
    } message = {.head = {.kind = kind}};
    strncpy(message.name, name, sizeof message.name - 1);
    int r = launch_send(LAUNCH_FD, (struct slice){(const char *)&message, sizeof message}, fd, 0);
    if (r < 0 && !keeper->anchor_lost)
        log_error("the anchor cannot be told of the socket of %s: %s", name, strerror(-r));
}

void anchor_link_keep(struct keeper *keeper, const char *name, int fd) {
    send_name(keeper, LAUNCH_KEEP, name, fd);
}

void anchor_link_drop(struct keeper *keeper, const char *name) {
    send_name(keeper, LAUNCH_DROP, name, -1);
}

static uint32_t take_slot(struct keeper *keeper) {
    for (uint32_t i = 0; i < LAUNCH_SLOTS_MAX; i++) {
        if (!(keeper->slots[i / 8] & 1 << i % 8)) {
            keeper->slots[i / 8] |= (uint8_t)(1 << i % 8);
            return i;
        }
    }
    return SLOT_NONE;
}

/* The anchor forgets an exit only once we have written down what followed from it. */
static void free_slot(struct keeper *keeper, uint32_t slot) {
    if (slot == SLOT_NONE)
        return;
    keeper->frees = memory_grow(keeper->frees, keeper->free_count + 1, sizeof *keeper->frees);
    keeper->frees[keeper->free_count++] = slot;
}

void anchor_link_free_slots(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->free_count; i++) {
        uint32_t slot = keeper->frees[i];
        struct launch_head head = {.kind = LAUNCH_FREE, .slot = slot};
        send_head(keeper, &head);
        keeper->slots[slot / 8] &= (uint8_t) ~(1 << slot % 8);
    }
    keeper->free_count = 0;
}

_Static_assert(LAUNCH_INHERITED == LIMIT_INHERITED, "base knows nothing of the model");

struct launch_request {
    uint32_t kind, slot;
    pid_t pid;
    int64_t start_ticks;
    bool exec_is_quick;
    const char *name, *log, *cgroup;
    const struct service_config *config;
    char *const *argv;
    char **env;
};

static void set_user(struct launch_body *body, const char *user) {
    struct passwd *entry = user ? getpwnam(user) : NULL;
    if (!entry)
        return;
    gid_t groups[LAUNCH_GROUPS_MAX];
    int count = LAUNCH_GROUPS_MAX;
    if (getgrouplist(user, entry->pw_gid, groups, &count) < 0)
        count = LAUNCH_GROUPS_MAX;
    body->change_user = geteuid() == 0;
    body->uid = entry->pw_uid;
    body->gid = entry->pw_gid;
    body->group_count = (uint32_t)count;
    for (int i = 0; i < count; i++)
        body->groups[i] = groups[i];
}

static void add_string(struct buffer *message, const char *text) {
    buffer_add(message, text, strlen(text) + 1);
}

/* False when the message is too long or the program is not there: `ret_why` says so. */
static bool send_request(struct keeper *keeper, const struct launch_request *request,
                         const char **ret_why) {
    const struct service_config *config = request->config;
    AUTO_FREE char *path =
        local_find_program(request->argv[0], config->folder, env_get(request->env, "PATH"));
    AUTO_BUFFER struct buffer message = {0};
    struct launch_head head = {.kind = request->kind, .slot = request->slot, .pid = request->pid};
    struct launch_body body = {.argc = (uint32_t)text_list_count(request->argv),
                               .envc = (uint32_t)text_list_count(request->env),
                               .start_ticks = request->start_ticks,
                               .nofile = config->nofile,
                               .limits = {[LAUNCH_NPROC] = config->limits.processes,
                                          [LAUNCH_CORE] = config->limits.core,
                                          [LAUNCH_AS] = config->limits.address_space,
                                          [LAUNCH_NICE] = config->limits.nice,
                                          [LAUNCH_OOM_SCORE_ADJ] = config->limits.oom_score_adj},
                               .umask = (int32_t)config->umask};
    *ret_why = "its program was not found in PATH, or is not executable";
    if (!path && request->kind == LAUNCH_START)
        return false;
    set_user(&body, config->user);
    body.exec_is_quick = request->exec_is_quick;
    buffer_add(&message, &head, sizeof head);
    buffer_add(&message, &body, sizeof body);
    add_string(&message, request->name);
    add_string(&message, path ? path : "");
    add_string(&message, config->folder);
    add_string(&message, request->log);
    add_string(&message, request->cgroup);
    for (uint32_t i = 0; i < body.argc; i++)
        add_string(&message, request->argv[i]);
    for (uint32_t i = 0; i < body.envc; i++)
        add_string(&message, request->env[i]);
    *ret_why = "its arguments and environment are longer than 160 KB";
    return message.size <= LAUNCH_BYTES_MAX && send_bytes(keeper, buffer_slice(&message));
}

/* ---- the environment that the keeper adds ---- */

static long hub_port(const struct keeper *keeper) {
    AUTO_FREE char *path = path_join(keeper->run, "hub.port");
    AUTO_FREE char *text = NULL;
    long port = file_read(path, 64, &text, NULL) == 0 ? strtol(text, NULL, 10) : 0;
    return port > 0 && port <= 65535 ? port : keeper->config->http.port;
}

static void set_default(char ***env, const char *name, const char *value) {
    if (!env_get(*env, name))
        env_set(env, name, value);
}

/* The bot speaks to the hub on loopback and gets a stand-in for its token: the real one stays
 * there. */
static void add_gateway_env(const struct keeper *keeper, const struct service_config *config,
                            char ***env) {
    const struct bot_config *bot = config_bot(keeper->config, config->consumer);
    const char *host = keeper->config->http.host;
    AUTO_FREE char *root = text_format("http://%s:%ld/telegram", host, hub_port(keeper));
    AUTO_FREE char *base = text_format("%s/bot", root);
    const char *real = bot ? bot->token.value : NULL;
    AUTO_FREE char *token = text_format("%.*s:%s.%s", real ? (int)strcspn(real, ":") : 1,
                                        real ? real : "1", config->consumer, config->name);
    set_default(env, "TELEGRAM_API_ROOT", root);
    set_default(env, "TELEGRAM_BASE_URL", base);
    const char *const names[] = {"BOT_TOKEN", "TELEGRAM_BOT_TOKEN", "TELEGRAM_TOKEN"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *now = env_get(*env, names[i]);
        bool holds_real = now && real && strcmp(now, real) == 0;
        if (holds_real || (!now && i == 0))
            env_set(env, names[i], token);
    }
}

static char **complete_env(const struct keeper *keeper, const struct service_config *config,
                           bool uses_notify) {
    char **env = config_service_env(config);
    env_set(&env, "HOLDFAST_RUN", keeper->run);
    env_set(&env, "HOLDFAST_SERVICE", config->name);
    if (uses_notify) {
        AUTO_FREE char *path = notify_socket_path(keeper, config->name);
        env_set(&env, "NOTIFY_SOCKET", path);
    }
    if (uses_notify && config->watchdog_ms) {
        AUTO_FREE char *usec = text_format("%lld", (long long)config->watchdog_ms * 1000);
        env_set(&env, "WATCHDOG_USEC", usec);
    }
    if (config->consumer && config->part == PART_NONE) /* our own read the config itself */
        add_gateway_env(keeper, config, &env);
    return env;
}

/* ---- requests ---- */

static void start_failed(struct keeper *keeper, size_t index, const char *why) {
    struct service *service = &keeper->services.list[index];
    log_error("service %s: cannot be started: %s", service->config->name, why);
    struct service_exit exit = {.code = 127, .known = true};
    keeper->units[index]->ended = 0;
    free_slot(keeper, keeper->units[index]->slot);
    keeper->units[index]->slot = SLOT_NONE;
    keeper_event(
        keeper, (struct service_event){.kind = SERVICE_EVENT_EXITED, .index = index, .exit = exit});
}

void anchor_link_plan_start(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    unit->slot = take_slot(keeper);
    unit->start_due = unit->unsaved = true;
}

bool anchor_link_start_is_due(const struct unit *unit) {
    return unit->start_due || jobs_start_waits(unit);
}

static void forget_start(struct unit *unit) {
    jobs_drop_start(unit);
    unit->start_due = false;
    free_slot(unit->keeper, unit->slot);
    unit->slot = SLOT_NONE;
}

void anchor_link_drop_start(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    forget_start(unit);
    unit->ended = 0;
    keeper_event(keeper, (struct service_event){.kind = SERVICE_EVENT_EXITED,
                                                .index = index,
                                                .exit = {.known = true}});
}

bool anchor_link_start(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    const struct service_config *config = keeper->services.list[index].config;
    const char *why = "all 8192 places of the anchor are taken";
    unit->start_due = false;
    char **env = complete_env(keeper, config, unit->notify != NULL);
    AUTO_FREE char *cgroup = cgroup_folder_new(keeper, config->name, &unit->cgroup_unhurt);
    struct launch_request request = {.kind = LAUNCH_START,
                                     .slot = unit->slot,
                                     .exec_is_quick = unit->exec_is_quick,
                                     .name = config->name,
                                     .config = config,
                                     .log = unit->log ? service_log_fifo(unit->log) : "",
                                     .cgroup = cgroup,
                                     .argv = config->argv,
                                     .env = env};
    bool sent = unit->slot != SLOT_NONE && send_request(keeper, &request, &why);
    text_list_free(env);
    if (!sent && !keeper->anchor_lost)
        start_failed(keeper, index, why);
    return sent || keeper->anchor_lost;
}

static char *probe_slot_name(const char *service) {
    return text_format("?%s", service);
}

bool anchor_link_start_probe(struct keeper *keeper, size_t index, char *const *argv) {
    struct unit *unit = keeper->units[index];
    const struct service_config *config = keeper->services.list[index].config;
    const char *why = NULL;
    unit->probe_slot = take_slot(keeper);
    if (unit->probe_slot == SLOT_NONE)
        return false;
    char **env = complete_env(keeper, config, false);
    env_set(&env, "HOLDFAST_PROBE", "1");
    AUTO_FREE char *name = probe_slot_name(config->name);
    AUTO_FREE char *cgroup = cgroup_folder(keeper, config->name);
    struct launch_request request = {.kind = LAUNCH_START,
                                     .slot = unit->probe_slot,
                                     .name = name,
                                     .config = config,
                                     .log = "",
                                     .cgroup = cgroup,
                                     .argv = argv,
                                     .env = env};
    bool sent = send_request(keeper, &request, &why);
    text_list_free(env);
    if (!sent) {
        free_slot(keeper, unit->probe_slot);
        unit->probe_slot = SLOT_NONE;
    }
    return sent;
}

/* ---- hooks: in slots named "<service" (before its start) and ">service" (after its end) ---- */

static void set_hook_env(const struct service *service, bool after_stop, char ***env) {
    env_set(env, "HOLDFAST_HOOK", after_stop ? "after_stop" : "before_start");
    if (!after_stop)
        return;
    AUTO_FREE char *code = text_format("%d", service->last_exit.code);
    AUTO_FREE char *number = text_format("%d", service->last_exit.signal);
    env_set(env, "HOLDFAST_EXIT_CODE", code);
    env_set(env, "HOLDFAST_EXIT_SIGNAL", number);
}

void anchor_link_start_hook(struct keeper *keeper, size_t index, bool after_stop) {
    struct unit *unit = keeper->units[index];
    const struct service *service = &keeper->services.list[index];
    const struct service_config *config = service->config;
    const char *why = "all 8192 places of the anchor are taken";
    char **env = complete_env(keeper, config, false);
    set_hook_env(service, after_stop, &env);
    AUTO_FREE char *name = text_format("%c%s", after_stop ? '>' : '<', config->name);
    AUTO_FREE char *cgroup = cgroup_folder_new(keeper, config->name, &unit->cgroup_unhurt);
    unit->hook_slot = take_slot(keeper);
    unit->hook_is_after = after_stop;
    struct launch_request request = {.kind = LAUNCH_START,
                                     .slot = unit->hook_slot,
                                     .name = name,
                                     .config = config,
                                     .log = unit->log ? service_log_fifo(unit->log) : "",
                                     .cgroup = cgroup,
                                     .argv = after_stop ? config->after_stop : config->before_start,
                                     .env = env};
    bool sent = unit->hook_slot != SLOT_NONE && send_request(keeper, &request, &why);
    text_list_free(env);
    if (sent || keeper->anchor_lost)
        return;
    log_error("service %s: its %s cannot be started: %s", config->name,
              after_stop ? "after_stop" : "before_start", why);
    free_slot(keeper, unit->hook_slot);
    unit->hook_slot = SLOT_NONE;
    keeper_event(keeper, (struct service_event){.kind = SERVICE_EVENT_HOOK_DONE,
                                                .index = index,
                                                .exit = {.code = 127, .known = true}});
}

void anchor_link_adopt(struct keeper *keeper, size_t index, pid_t pid, int64_t start_ticks) {
    struct unit *unit = keeper->units[index];
    const struct service_config *config = keeper->services.list[index].config;
    const char *why = NULL;
    unit->slot = take_slot(keeper);
    struct launch_request request = {.kind = LAUNCH_ADOPT,
                                     .slot = unit->slot,
                                     .pid = pid,
                                     .start_ticks = start_ticks,
                                     .name = config->name,
                                     .config = config,
                                     .log = unit->log ? service_log_fifo(unit->log) : "",
                                     .cgroup = "",
                                     .argv = config->argv,
                                     .env = config->env};
    if (unit->slot == SLOT_NONE || !send_request(keeper, &request, &why))
        log_error("service %s: cannot be adopted: %s", config->name, why ? why : "no place");
}

bool anchor_link_adopt_main(struct keeper *keeper, size_t index, pid_t pid, int64_t start_ticks) {
    struct unit *unit = keeper->units[index];
    const struct service_config *config = keeper->services.list[index].config;
    const char *why = "no place";
    AUTO_FREE char *name = text_format("=%s", config->name);
    uint32_t slot = take_slot(keeper);
    struct launch_request request = {.kind = LAUNCH_ADOPT,
                                     .slot = slot,
                                     .pid = pid,
                                     .start_ticks = start_ticks,
                                     .name = name,
                                     .config = config,
                                     .cgroup = "",
                                     .log = unit->log ? service_log_fifo(unit->log) : "",
                                     .argv = config->argv,
                                     .env = config->env};
    if (slot == SLOT_NONE || !send_request(keeper, &request, &why)) {
        log_error("service %s: its main process cannot be watched: %s", config->name, why);
        free_slot(keeper, slot);
        return false;
    }
    unit->main_slot = slot;
    return true;
}

void anchor_link_signal(struct keeper *keeper, uint32_t slot, int number) {
    struct launch_head head = {.kind = LAUNCH_SIGNAL, .slot = slot, .value = number};
    if (slot != SLOT_NONE)
        send_head(keeper, &head);
}

void anchor_link_quit(struct keeper *keeper, int exit_code) {
    struct launch_head head = {.kind = LAUNCH_QUIT, .value = exit_code};
    send_head(keeper, &head);
}

void anchor_link_upgrade(struct keeper *keeper) {
    struct launch_head head = {.kind = LAUNCH_UPGRADE};
    send_head(keeper, &head);
}

void anchor_link_notify(struct keeper *keeper, const char *lines) {
    enum { LINES_BYTES_MAX = 1024 };
    struct {
        struct launch_head head;
        char lines[LINES_BYTES_MAX];
    } message = {.head = {.kind = LAUNCH_NOTIFY}};
    size_t size = strnlen(lines, sizeof message.lines - 1);
    memcpy(message.lines, lines, size);
    struct slice bytes = {(const char *)&message, sizeof message.head + size + 1};
    int r = keeper->anchor_lost ? 0 : launch_send(LAUNCH_FD, bytes, -1, MSG_DONTWAIT);
    if (r < 0 && r != -EAGAIN) /* one beat less is no harm */
        log_warning("the anchor cannot be told '%s': %s", lines, strerror(-r));
}

/* ---- what the anchor tells ---- */

static struct service_exit exit_of(int status) {
    if (status == -1)
        return (struct service_exit){.code = -1};
    if (WIFSIGNALED(status))
        return (struct service_exit){
            .code = -1, .signal = WTERMSIG(status), .known = true, .core = WCOREDUMP(status)};
    return (struct service_exit){.code = WEXITSTATUS(status), .known = true};
}

static void on_probe_slot(struct keeper *keeper, const struct launch_head *head,
                          struct unit *unit) {
    if (head->value == LAUNCH_RUNNING && unit->probe_slot != head->slot)
        anchor_link_signal(keeper, head->slot, SIGKILL); /* a former keeper's: nobody times it */
    if (head->value == LAUNCH_RUNNING)
        return;
    if (unit->probe_slot == head->slot) {
        unit->probe_slot = SLOT_NONE;
        probe_exec_ended(unit, head->value == LAUNCH_DEAD ? head->status : 127 << 8);
    }
    free_slot(keeper, head->slot);
}

/* A hook that a former keeper started just before it was killed, and could not write down. */
static void on_hook_running(struct keeper *keeper, const struct launch_head *head,
                            struct unit *unit, bool after_stop) {
    struct service *service = &keeper->services.list[unit->index];
    unit->hook_slot = head->slot;
    unit->hook_is_after = after_stop;
    if (after_stop || service_is_busy(service))
        return;
    service->state = SERVICE_PREPARING;
    service->wanted = true;
    service->started_ms = service->since_ms = head->time_ms;
    service->state_at_ms = head->time_ms + service->config->start_timeout_ms;
}

static void on_hook_slot(struct keeper *keeper, const struct launch_head *head, struct unit *unit,
                         bool after_stop) {
    if (head->value == LAUNCH_RUNNING) {
        on_hook_running(keeper, head, unit, after_stop);
        return;
    }
    free_slot(keeper, head->slot);
    /* A former keeper may have begun the hook before the next start already. */
    bool another = unit->hook_slot != SLOT_NONE && unit->hook_slot != head->slot &&
                   unit->hook_is_after == after_stop;
    if (unit->hook_slot == head->slot)
        unit->hook_slot = SLOT_NONE;
    enum service_state state = keeper->services.list[unit->index].state;
    if (another || state != (after_stop ? SERVICE_CLEANING : SERVICE_PREPARING))
        return; /* that end has been acted on */
    struct service_exit failed = {.code = 126, .known = true};
    keeper_event(keeper, (struct service_event){
                             .kind = SERVICE_EVENT_HOOK_DONE,
                             .index = unit->index,
                             .exit = head->value == LAUNCH_DEAD ? exit_of(head->status) : failed});
}

/* A former keeper had it started and was killed before it could write that down. */
static void begin_unseen(struct service *service, const struct launch_head *head) {
    service->state = SERVICE_STARTING;
    service->wanted = service->healthy = true;
    service->was_ready = service->killed = service->again = service->own_end = false;
    service->started_ms = service->since_ms = head->time_ms;
    service->state_at_ms = head->time_ms + service->config->start_timeout_ms;
    service->watchdog_at_ms = 0;
}

static void on_running(struct keeper *keeper, const struct launch_head *head, struct unit *unit) {
    struct service *service = &keeper->services.list[unit->index];
    if (anchor_link_start_is_due(unit)) /* a former keeper started it, and could not write that */
        forget_start(unit);
    unit->slot = head->slot;
    if (unit->launcher && unit->launcher == head->pid && service_has_process(service))
        return; /* its main process is another */
    if (launch_start_ticks(head->pid, &unit->start_ticks) < 0)
        unit->start_ticks = 0;
    unit->in_cgroup = process_by_cgroup(keeper, head->pid) == unit->index;
    if (service->pid == head->pid)
        return; /* told again: we are the next keeper, or it is an adoption */
    if (!service_has_process(service))
        begin_unseen(service, head);
    keeper_event(keeper, (struct service_event){.kind = SERVICE_EVENT_STARTED,
                                                .index = unit->index,
                                                .pid = head->pid});
}

/* `head` tells of an earlier life that this service's state has left behind already. */
static bool is_past_life(const struct service *service, const struct unit *unit,
                         const struct launch_head *head) {
    if (!service_has_process(service))
        return unit->keeper->snapshot_done || head->pid <= 0 || head->pid == unit->ended ||
               head->pid == unit->ended_launcher || head->time_ms < service->last_exit_ms ||
               service_is_busy(service);
    bool of_the_last =
        unit->slot == SLOT_NONE && !service->pid && head->pid > 0 && head->pid == unit->ended;
    return (unit->slot != SLOT_NONE && unit->slot != head->slot) || of_the_last ||
           anchor_link_start_is_due(unit) ||
           (head->pid > 0 && service->pid > 0 && service->pid != head->pid);
}

static void on_ended(struct keeper *keeper, const struct launch_head *head, struct unit *unit) {
    struct service *service = &keeper->services.list[unit->index];
    unit->ended = head->value == LAUNCH_DEAD ? head->pid : 0;
    unit->ended_launcher = unit->launcher; /* told later, when it has ended too */
    struct death death = {.pid = unit->ended,
                          .asked = service->state == SERVICE_STOPPING,
                          .uptime_ms = clock_ms() - service->started_ms};
    death.exit = head->value == LAUNCH_DEAD ? exit_of(head->status)
                                            : (struct service_exit){.code = 126, .known = true};
    if (head->value == LAUNCH_FAILED)
        log_error("service %s: no process could be made: %s", service->config->name,
                  strerror(head->status));
    if (unit->log)
        service_log_flush(unit->log, true);
    struct slice tail = unit->log ? service_log_tail(unit->log) : slice_of("");
    AUTO_FREE char *last_lines = text_copy_n(tail.data, tail.size);
    death.exit.last_lines = (struct slice){last_lines, tail.size};
    probe_cancel(unit);
    unit->slot = SLOT_NONE;
    unit->start_ticks = 0;
    free_slot(keeper, head->slot);
    keeper_event(keeper, (struct service_event){.kind = SERVICE_EVENT_EXITED,
                                                .index = unit->index,
                                                .exit = death.exit});
    deaths_note(keeper, unit->index, &death);
}

static void on_dead(struct keeper *keeper, const struct launch_head *head, struct unit *unit) {
    struct service *service = &keeper->services.list[unit->index];
    if (unit->notify)
        notify_socket_drain(unit->notify); /* its last words may name another main process */
    if (!is_past_life(service, unit, head)) {
        if (!service_has_process(service)) {
            begin_unseen(service, head);
            service->pid = head->pid;
        }
        on_ended(keeper, head, unit);
        return;
    }
    if (head->value == LAUNCH_DEAD &&
        head->pid == unit->ended) /* its keeper may have been killed */
        deaths_note(keeper, unit->index,
                    &(struct death){.pid = head->pid,
                                    .asked = service->asked,
                                    .uptime_ms = service->last_life_ms,
                                    .exit = exit_of(head->status)});
    if (unit->slot == head->slot)
        unit->slot = SLOT_NONE;
    free_slot(keeper, head->slot);
}

static void on_main_slot(struct keeper *keeper, const struct launch_head *head, struct unit *unit) {
    if (main_pid_slot(unit, head))
        on_ended(keeper, head, unit);
    else if (head->value != LAUNCH_RUNNING)
        free_slot(keeper, head->slot);
}

static void on_slot(struct keeper *keeper, const struct launch_head *head, const char *name) {
    size_t index = 0;
    keeper->slots[head->slot / 8] |= (uint8_t)(1 << head->slot % 8);
    bool probe = name[0] == '?', hook = name[0] == '<' || name[0] == '>';
    bool named_main = name[0] == '=';
    if (!keeper_find(keeper, probe || hook || named_main ? name + 1 : name, &index)) {
        /* A service of a former config: end it, and let its exit free the place. */
        if (head->value == LAUNCH_RUNNING)
            anchor_link_signal(keeper, head->slot, SIGKILL);
        else
            free_slot(keeper, head->slot);
        return;
    }
    struct unit *unit = keeper->units[index];
    if (probe)
        on_probe_slot(keeper, head, unit);
    else if (hook)
        on_hook_slot(keeper, head, unit, name[0] == '>');
    else if (named_main)
        on_main_slot(keeper, head, unit);
    else if (head->value == LAUNCH_RUNNING)
        on_running(keeper, head, unit);
    else
        on_dead(keeper, head, unit);
}

static bool still_lives(pid_t pid, int64_t start_ticks) {
    int64_t now = 0;
    return pid > 0 && start_ticks && launch_start_ticks(pid, &now) == 0 && now == start_ticks;
}

/* After the last slot: what we believe to run and the anchor does not know. Either the anchor was
 * killed and the process is to be adopted, or its start was never carried out. */
static void on_snapshot(struct keeper *keeper, const struct launch_head *head) {
    keeper->snapshot_done = true;
    /* Asked for by a former keeper, and not here: the place that was meant says no more. */
    for (size_t i = 0; i < keeper->services.count; i++)
        if (service_has_process(&keeper->services.list[i]) && !keeper->services.list[i].pid &&
            !anchor_link_start_is_due(keeper->units[i]))
            keeper->units[i]->slot = SLOT_NONE;
    if (!keeper->began && keeper->replayed)
        tree_find_lost(keeper);
    for (size_t i = 0; i < keeper->services.count; i++) {
        struct service *service = &keeper->services.list[i];
        struct unit *unit = keeper->units[i];
        bool hook = service_is_busy(service) && !service_has_process(service);
        if (hook && unit->hook_slot == SLOT_NONE)
            keeper_event(keeper, (struct service_event){.kind = SERVICE_EVENT_HOOK_DONE,
                                                        .index = i,
                                                        .exit = {.code = -1}});
        if (hook || anchor_link_start_is_due(unit) || !service_has_process(service) ||
            unit->slot != SLOT_NONE || unit->main_slot != SLOT_NONE)
            continue;
        pid_t pid = service->pid ? service->pid : unit->found;
        if (!pid && service->state == SERVICE_STARTING) { /* never carried out */
            service->started_ms = service->since_ms = clock_ms();
            service->state_at_ms = service->started_ms + service->config->start_timeout_ms;
            keeper_start(keeper, i);
            continue;
        }
        unit->launcher = unit->found = 0;
        if (still_lives(pid, unit->start_ticks)) {
            events_add(keeper, service->config->name, "started", "adopted: it ran on without us");
            anchor_link_adopt(keeper, i, pid, unit->start_ticks);
            continue;
        }
        struct service_exit unknown = {.code = -1};
        unit->ended = service->pid;
        keeper_event(keeper, (struct service_event){
                                 .kind = SERVICE_EVENT_EXITED, .index = i, .exit = unknown});
    }
    if (keeper->began)
        events_add(keeper, "", "keeper_restarted", "the keeper was restarted; no service was");
    keeper_begin(keeper);
    struct launch_head works = {.kind = LAUNCH_WORKS};
    send_head(keeper, &works);
}

static void on_host_signal(struct keeper *keeper, int number) {
    if (number == SIGHUP) {
        struct config_errors errors = {0};
        if (keeper_reload(keeper, &errors) != 0)
            for (size_t i = 0; i < errors.count; i++)
                log_error("reload: %s: %s", errors.list[i].place, errors.list[i].text);
        config_errors_deinit(&errors);
        return;
    }
    keeper->host_stops++;
    keeper_down(keeper, keeper->host_stops > 1, keeper->host_stops > 1 ? 128 + number : 0);
}

struct anchor_message {
    struct launch_head head;
    char name[LAUNCH_NAME_BYTES];
    int fd; /* beside it, or -1 */
};

/* The notify socket of a service, as a former keeper bound it. */
static void on_kept(struct keeper *keeper, struct anchor_message *message) {
    size_t index = 0;
    AUTO_FD int fd = take_fd(&message->fd);
    if (!keeper_find(keeper, message->name, &index)) {
        anchor_link_drop(keeper, message->name);
        return;
    }
    struct unit *unit = keeper->units[index];
    if (fd >= 0 && !unit->notify && notify_socket_used(keeper->services.list[index].config))
        unit->notify = notify_socket_open(unit, take_fd(&fd));
}

static void on_message(struct keeper *keeper, const struct anchor_message *message) {
    if (message->head.kind == LAUNCH_SLOT)
        on_slot(keeper, &message->head, message->name);
    else if (message->head.kind == LAUNCH_SNAPSHOT)
        on_snapshot(keeper, &message->head);
    else if (message->head.kind == LAUNCH_HOST)
        on_host_signal(keeper, message->head.value);
}

static void lose_anchor(struct keeper *keeper) {
    log_error("the anchor is gone; the services go on by themselves until the next `holdfast up` "
              "adopts them");
    keeper->anchor_lost = true;
    uv_stop(&keeper->loop);
}

/* False when there is no message now, or never again. */
static bool receive(struct keeper *keeper, struct anchor_message *ret) {
    *ret = (struct anchor_message){0};
    ssize_t n = launch_receive(LAUNCH_FD, ret, offsetof(struct anchor_message, fd), &ret->fd);
    if (n == -EAGAIN)
        return false;
    if (n < (ssize_t)sizeof ret->head || ret->head.slot >= LAUNCH_SLOTS_MAX) {
        lose_anchor(keeper);
        return false;
    }
    ret->name[LAUNCH_NAME_BYTES - 1] = 0;
    return true;
}

static void on_anchor(uv_poll_t *poll, int status, int events) {
    struct keeper *keeper = poll->data;
    enum { MESSAGES_A_TURN = 256 };
    struct anchor_message message;
    for (int i = 0; i < MESSAGES_A_TURN && !keeper->quitting && receive(keeper, &message); i++)
        on_message(keeper, &message);
}

static void note_hook(struct keeper *keeper, const struct anchor_message *message) {
    size_t index = 0;
    bool runs = message->head.kind == LAUNCH_SLOT && message->head.value == LAUNCH_RUNNING;
    bool hook = message->name[0] == '>' || message->name[0] == '<';
    if (!runs || !hook || !keeper_find(keeper, message->name + 1, &index))
        return;
    keeper->units[index]->hook_slot = message->head.slot;
    keeper->units[index]->hook_is_after = message->name[0] == '>';
}

/* Every slot in use is marked before the first one is acted on: else a start made for one of them
 * could be given the place of another that was not told yet. */
static void take_over(struct keeper *keeper) {
    enum { SILENCE_MS_MAX = 10000 };
    struct pollfd anchor = {.fd = LAUNCH_FD, .events = POLLIN};
    struct anchor_message *messages = NULL;
    size_t count = 0;
    do {
        messages = memory_grow(messages, count + 1, sizeof *messages);
        while (!receive(keeper, &messages[count]) && !keeper->anchor_lost)
            if (poll(&anchor, 1, SILENCE_MS_MAX) == 0)
                fatal(EX_UNAVAILABLE, "the anchor has said nothing for 10 s");
        if (!keeper->anchor_lost && messages[count].head.kind == LAUNCH_SLOT)
            keeper->slots[messages[count].head.slot / 8] |=
                (uint8_t)(1 << messages[count].head.slot % 8);
    } while (!keeper->anchor_lost && messages[count++].head.kind != LAUNCH_SNAPSHOT);
    for (size_t i = 0; i < count; i++)
        if (messages[i].head.kind == LAUNCH_KEPT)
            on_kept(keeper, &messages[i]);
    for (size_t i = 0; i < keeper->services.count && !keeper->anchor_lost; i++)
        keeper_open_notify(keeper, i);
    for (size_t i = 0; i < count; i++) /* an end that is told first must not start a second one */
        note_hook(keeper, &messages[i]);
    for (size_t i = 0; i < count && !keeper->anchor_lost; i++)
        on_message(keeper, &messages[i]);
    free(messages);
}

void anchor_link_open(struct keeper *keeper) {
    int bytes = 2 * LAUNCH_BYTES_MAX;
    setsockopt(LAUNCH_FD, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    take_over(keeper);
    uv_poll_init(&keeper->loop, &keeper->anchor_poll, LAUNCH_FD);
    keeper->anchor_poll.data = keeper;
    uv_poll_start(&keeper->anchor_poll, UV_READABLE, on_anchor);
}
