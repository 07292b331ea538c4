/* SPDX-License-Identifier: Apache-2.0 */
/* Monitors: the API, and what the engine wants to have done. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/json_scan.h"
#include "wire/monitor.h"
#include <errno.h>
#include <stdio.h>

enum {
    BODY_BYTES_MAX = 65536,
    POST_MS_MAX = 4000 /* below what a stop waits for */,
    ILL_SHOWN_MAX = 20
};

/* ---- the disk ---- */

struct put { /* waits for its commit; NULL in its place: nobody waits */
    struct hub *hub;
    struct http_request *request;
    char *id;
    int status;
};

static void respond_monitor(struct hub *hub, struct http_request *request, int status,
                            const char *id) {
    AUTO_BUFFER struct buffer body = {0};
    enum monitor_state state;
    const struct monitor *monitor = monitors_find(hub->monitors, id, hub_now(hub), &state);
    if (!monitor) {
        hub_problem(request, 404, "Not Found",
                    "there is no monitor of this id; GET /v1/monitors lists them", -1);
        return;
    }
    monitor_add_json(&body, monitor, state, hub_now(hub));
    http_respond_json(request, status, buffer_slice(&body));
}

static void on_kept(void *context, int r) {
    struct put *put = context;
    struct hub *hub = put->hub;
    hub->commits--;
    if (r < 0)
        monitors_unkept(hub->monitors);
    if (put->request && !hub->closed) {
        if (r < 0)
            hub_problem(put->request, r == -ENOSPC || r == -EDQUOT ? 507 : 503, "Not Kept",
                        record_unkept_why(r), 5);
        else if (put->status == 204)
            http_respond(put->request, &(struct http_response){.status = 204});
        else
            respond_monitor(hub, put->request, put->status, put->id);
    }
    free(put->id);
    free(put);
}

static void keep(struct hub *hub, struct records *records, struct http_request *request,
                 const char *id, int status) {
    if (records->count == 0)
        return;
    struct put *put = memory_new(sizeof *put);
    *put = (struct put){hub, request, text_copy(id), status};
    hub_persist(hub, records, on_kept, put);
}

/* ---- what is done ---- */

struct act { /* on its way to a program */
    struct hub *hub;
    char *id;
    enum monitor_action action;
};

static struct act *act_new(struct hub *hub, const struct monitors_command *command) {
    struct act *act = memory_new(sizeof *act);
    *act = (struct act){hub, text_copy(command->monitor->id), command->action};
    hub->works++;
    return act;
}

static void act_end(struct act *act, const char *refusal) {
    if (refusal)
        log_warning("monitor %s: %s was not done: %s", act->id, monitor_action_name(act->action),
                    refusal);
    else
        log_info("monitor %s: %s is done", act->id, monitor_action_name(act->action));
    act->hub->works--;
    free(act->id);
    free(act);
}

static void on_service(struct hub *hub, void *context, int code, const char *refusal,
                       size_t count) {
    act_end(context, code ? refusal : NULL);
}

static void do_service(struct hub *hub, const struct monitors_command *command) {
    const char *service = command->monitor->wish.service;
    if (command->action == MONITOR_EMERGENCY_STOP)
        keeper_stop_service(hub, service, on_service, act_new(hub, command));
    else
        keeper_restart(hub, service, on_service, act_new(hub, command));
}

static void on_posted(void *context, const struct http_answer *answer) {
    AUTO_FREE char *status = text_format("its URL answered HTTP %d", answer->status);
    bool taken = answer->outcome == HTTP_ANSWERED && answer->status / 100 == 2;
    act_end(context, taken ? NULL : answer->outcome == HTTP_ANSWERED ? status : answer->error);
}

static void do_post(struct hub *hub, const struct monitors_command *command) {
    const struct monitor *monitor = command->monitor;
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{\"monitor\":");
    json_add_text(&body, slice_of(monitor->id));
    buffer_print(&body, ",\"action\":\"%s\",\"cause\":\"%s\",\"attempt\":%u}",
                 monitor_action_name(command->action), monitor_cause_name(monitor->cause),
                 monitor->attempts);
    http_call_start(hub->client,
                    &(struct http_call_options){.method = "POST",
                                                .url = monitor->wish.url,
                                                .body = buffer_slice(&body),
                                                .content_type = "application/json",
                                                .total_ms_max = POST_MS_MAX},
                    on_posted, act_new(hub, command), NULL);
}

/* A critical one is never taken for one that was told already. */
static void do_tell(struct hub *hub, const struct monitors_command *command) {
    const struct monitor *monitor = command->monitor;
    bool once = command->priority == ALERT_CRITICAL;
    AUTO_FREE char *key = text_format("monitor %s %s %lld", monitor->id, command->key,
                                      once ? (long long)monitor->failures : 0);
    hub_alert(hub, command->priority, "monitor", monitor->wish.service, command->text, key);
}

static void carry(struct hub *hub, struct monitors_commands *commands, struct http_request *request,
                  const char *id, int status) {
    bool changed = commands->records.count > 0;
    keep(hub, &commands->records, request, id, status);
    for (size_t i = 0; i < commands->count; i++) {
        const struct monitors_command *command = &commands->list[i];
        if (command->what == MONITORS_DO_SERVICE)
            do_service(hub, command);
        else if (command->what == MONITORS_DO_POST)
            do_post(hub, command);
        else
            do_tell(hub, command);
    }
    monitors_commands_deinit(commands);
    if (changed)
        hub_health_changed(hub);
}

/* ---- time ---- */

static void on_check(uv_timer_t *timer) {
    struct hub *hub = timer->data;
    struct monitors_commands commands = {0};
    monitors_check(hub->monitors, hub_now(hub), &commands);
    carry(hub, &commands, NULL, NULL, 0);
}

/* No monitors, no timer. */
static void watch(struct hub *hub) {
    int64_t each =
        hub->options.monitor_check_ms > 0 ? hub->options.monitor_check_ms : MONITORS_CHECK_MS;
    if (monitors_count(hub->monitors) == 0)
        uv_timer_stop(&hub->monitor_timer);
    else if (!uv_is_active((uv_handle_t *)&hub->monitor_timer))
        uv_timer_start(&hub->monitor_timer, on_check, (uint64_t)each, (uint64_t)each);
}

void hub_monitors_open(struct hub *hub) {
    uv_timer_init(&hub->loop, &hub->monitor_timer);
    hub->monitor_timer.data = hub;
    watch(hub);
}

void hub_monitors_save(struct hub *hub) {
    struct monitors_commands commands = {0};
    uv_timer_stop(&hub->monitor_timer);
    monitors_save(hub->monitors, &commands);
    carry(hub, &commands, NULL, NULL, 0);
}

/* ---- requests ---- */

static bool id_is_good(const char *id) {
    size_t size = strlen(id);
    for (const char *at = id; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            return false;
    return size > 0 && size <= MONITOR_ID_BYTES_MAX && text_is_utf8(slice_of(id), NULL);
}

static bool refuse_early(struct hub *hub, struct http_request *request, const char *id) {
    if (!hub_may_change(hub, request))
        return true;
    if (!id_is_good(id)) {
        AUTO_FREE char *detail = text_format("the id of a monitor is 1 to %d bytes of UTF-8, "
                                             "without control characters",
                                             MONITOR_ID_BYTES_MAX);
        hub_problem(request, 400, "Bad Request", detail, -1);
        return true;
    }
    if (http_request_body(request).size <= BODY_BYTES_MAX)
        return false;
    hub_problem(request, 413, "Content Too Large", "a monitor is a few words; send at most 64 KiB",
                -1);
    return true;
}

static void refuse_more(struct http_request *request) {
    AUTO_FREE char *detail =
        text_format("there are %d monitors, and no more are taken; delete some", MONITORS_MAX);
    hub_problem(request, 507, "Insufficient Storage", detail, -1);
}

static void put(struct hub *hub, struct http_request *request, const struct monitor *wish) {
    struct monitors_commands commands = {0};
    enum monitor_state state;
    bool is_new = !monitors_find(hub->monitors, wish->id, hub_now(hub), &state);
    if (monitors_put(hub->monitors, wish, hub_now(hub), &commands) < 0)
        refuse_more(request);
    carry(hub, &commands, request, wish->id, is_new ? 201 : 200);
    watch(hub);
}

void hub_put_monitor(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer error = {0};
    struct monitor *wish = NULL;
    if (refuse_early(hub, request, rest))
        return;
    if (monitor_wish_read(rest, http_request_body(request), &wish, &error) != 0) {
        hub_problem(request, 400, "Bad Request", error.data, -1);
        return;
    }
    if (wish->wish.service && !config_service(hub->config, wish->wish.service))
        hub_problem(request, 400, "Bad Request",
                    "the config has no service of the name in \"service\"; `holdfast status` "
                    "lists them",
                    -1);
    else
        put(hub, request, wish);
    monitor_free(wish);
}

void hub_delete_monitor(struct hub *hub, struct http_request *request, const char *rest) {
    struct monitors_commands commands = {0};
    if (refuse_early(hub, request, rest))
        return;
    if (monitors_drop(hub->monitors, rest, &commands) < 0)
        respond_monitor(hub, request, 404, rest);
    carry(hub, &commands, request, rest, 204);
    watch(hub);
}

static void pause_it(struct hub *hub, struct http_request *request, const char *id, bool paused) {
    enum monitor_state state;
    const struct monitor *monitor = monitors_find(hub->monitors, id, hub_now(hub), &state);
    if (!monitor) {
        respond_monitor(hub, request, 404, id);
        return;
    }
    struct monitor *wish = monitor_copy(monitor);
    wish->wish.paused = paused;
    put(hub, request, wish);
    monitor_free(wish);
}

static void respond_beat(struct hub *hub, struct http_request *request, const char *id,
                         enum monitor_action action) {
    enum monitor_state state;
    const struct monitor *monitor = monitors_find(hub->monitors, id, hub_now(hub), &state);
    char body[128];
    int size = snprintf(body, sizeof body, "{\"status\":\"%s\",\"cause\":\"%s\",\"action\":",
                        monitor_state_name(state), monitor_cause_name(monitor->cause));
    size += action ? snprintf(body + size, sizeof body - (size_t)size, "\"%s\"}",
                              monitor_action_name(action))
                   : snprintf(body + size, sizeof body - (size_t)size, "null}");
    http_respond_json(request, 200, (struct slice){body, (size_t)size});
}

/* What stands behind .../beat: nothing, a word, an exit code. */
static bool read_word(const char *word, struct monitor_beat *beat) {
    static const char *const words[] = {"/ok", "/start", "/fail", "/critical"};
    if (!word[0])
        return true;
    for (int i = 0; i < (int)COUNT_OF(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *(int *)&beat->kind = i;
            return true;
        }
    return word[0] == '/' && text_to_int(word + 1, 0, 255, &beat->exit_code) == 0;
}

static void take_beat(struct hub *hub, struct http_request *request, const char *id,
                      const char *word) {
    AUTO_BUFFER struct buffer error = {0};
    struct monitor_beat beat;
    struct monitors_commands commands = {0};
    enum monitor_action action;
    if (monitor_beat_read(http_request_body(request), &beat, &error) != 0) {
        hub_problem(request, 400, "Bad Request", error.data, -1);
        return;
    }
    if (!read_word(word, &beat))
        hub_problem(request, 404, "Not Found",
                    "behind /beat stands nothing, /ok, /start, /fail, /critical or an exit code "
                    "from 0 to 255",
                    -1);
    else if (monitors_beat(hub->monitors, id, &beat, hub_now(hub), &action, &commands) < 0)
        refuse_more(request);
    else
        respond_beat(hub, request, id, action);
    free(beat.message);
    carry(hub, &commands, NULL, NULL, 0);
    watch(hub);
}

/* "ID/beat", "ID/beat/WORD", "ID/pause", "ID/resume"; an id may hold slashes. */
void hub_post_monitor(struct hub *hub, struct http_request *request, const char *rest) {
    const char *verb = NULL;
    static const char *const verbs[] = {"/beat", "/pause", "/resume"};
    size_t which = 0;
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        for (const char *at = rest; (at = strstr(at, verbs[i])); at++) {
            size_t size = strlen(verbs[i]);
            bool fits = at[size] == 0 || (i == 0 && at[size] == '/');
            if (fits && (!verb || at > verb)) {
                verb = at;
                which = i;
            }
        }
    AUTO_FREE char *id = text_copy_n(rest, verb ? (size_t)(verb - rest) : 0);
    if (!verb) {
        hub_problem(request, 404, "Not Found",
                    "known are POST /v1/monitors/ID/beat, /pause and /resume, and PUT, GET and "
                    "DELETE of /v1/monitors/ID",
                    -1);
        return;
    }
    if (refuse_early(hub, request, id))
        return;
    if (which == 0)
        take_beat(hub, request, id, verb + strlen(verbs[0]));
    else
        pause_it(hub, request, id, which == 1);
}

void hub_get_monitors(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer body = {0};
    const char *wanted = http_request_query(request, "status");
    int64_t now = hub_now(hub);
    if (rest[0]) {
        respond_monitor(hub, request, 200, rest);
        return;
    }
    buffer_add_text(&body, "{\"monitors\":[");
    bool any = false;
    for (size_t i = 0; i < monitors_count(hub->monitors); i++) {
        enum monitor_state state;
        const struct monitor *monitor = monitors_at(hub->monitors, i, now, &state);
        if (wanted && strcmp(wanted, monitor_state_name(state)) != 0)
            continue;
        buffer_add_text(&body, any ? "," : "");
        monitor_add_json(&body, monitor, state, now);
        any = true;
    }
    buffer_add_text(&body, "]}");
    http_respond_json(request, 200, buffer_slice(&body));
}

/* ---- health ---- */

static bool is_ill(enum monitor_state state) {
    return state == MONITOR_WARNING || state == MONITOR_RECOVERING || state == MONITOR_CRITICAL;
}

static void add_ill(const struct monitor *monitor, enum monitor_state state, bool first,
                    struct buffer *ret) {
    buffer_add_text(ret, first ? "" : ",");
    json_add_text(ret, slice_of(monitor->id));
    buffer_print(ret, ":{\"status\":\"%s\",\"cause\":\"%s\",\"critical\":%s",
                 monitor_state_name(state), monitor_cause_name(monitor->cause),
                 monitor->wish.critical ? "true" : "false");
    if (monitor->message) {
        buffer_add_text(ret, ",\"message\":");
        json_add_text(ret, slice_of(monitor->message));
    }
    buffer_add_text(ret, "}");
}

void hub_monitors_judge(const struct hub *hub, struct monitors_health *ret, struct buffer *ill) {
    int64_t now = hub_now(hub);
    *ret = (struct monitors_health){0};
    for (size_t i = 0; i < monitors_count(hub->monitors); i++) {
        enum monitor_state state;
        const struct monitor *monitor = monitors_at(hub->monitors, i, now, &state);
        ret->counts[state]++;
        if (!is_ill(state))
            continue;
        if (ret->ill++ < ILL_SHOWN_MAX)
            add_ill(monitor, state, ret->ill == 1, ill);
        ret->fatal = ret->fatal || (state == MONITOR_CRITICAL && monitor->wish.critical);
    }
}
