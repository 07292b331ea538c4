/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's control socket: what services do, and restarts on request. The hub works without a
 * keeper too; then services are "unknown". */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/json_scan.h"

enum {
    RETRY_FIRST_MS = 200,
    RETRY_MAX_MS = 10000,
    STATUS_OLD_MS = 5000,
    SILENT_MS = 5000,
    RETELL_MS = 5000,
    RESTART_MS_MAX = 10000
};

struct restart_wait { /* who waits for the keeper's answer: a POST /restart, or a press */
    struct restart_wait *next;
    int64_t id;
    struct http_request *request; /* NULL: `answered` is called */
    hub_answered *answered;
    void *context;
    char *what;
    int64_t due_ms; /* hub_now(): a keeper that hangs is not waited for longer */
};

static void connect_now(struct hub *hub);

/* ---- asking ---- */

static int64_t ask(struct hub *hub, const char *rest) {
    AUTO_BUFFER struct buffer line = {0};
    int64_t id = ++hub->keeper.request_last;
    buffer_print(&line, "{\"id\":%lld,%s}", (long long)id, rest);
    (void)line_send(hub->keeper.connection, buffer_slice(&line)); /* `closed` tells of a failure */
    return id;
}

/* One question at a time; events in between make one more. */
static void ask_status(struct hub *hub) {
    struct keeper *keeper = &hub->keeper;
    if (keeper->asking) {
        keeper->ask_again = true;
        return;
    }
    keeper->asking = true;
    keeper->asked_ms = clock_ms();
    keeper->status_id = ask(hub, "\"do\":\"status\"");
}

void keeper_ask_figures(struct hub *hub) {
    struct keeper *keeper = &hub->keeper;
    if (keeper->connected && !keeper->figures_id)
        keeper->figures_id = ask(hub, "\"do\":\"figures\"");
}

/* ---- services ---- */

static void free_services(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->service_count; i++) {
        free(keeper->services[i].name);
        free(keeper->services[i].state);
        free(keeper->services[i].health);
    }
    free(keeper->services);
    keeper->services = NULL;
    keeper->service_count = 0;
}

static char *text_member(struct slice object, const char *name) {
    AUTO_BUFFER struct buffer text = {0};
    if (json_to_text(json_member(object, name), &text) < 0)
        return text_copy("");
    return buffer_take(&text);
}

static int64_t int_member(struct slice object, const char *name) {
    int64_t value;
    return json_to_int(json_member(object, name), &value) == 0 ? value : 0;
}

static void take_status(struct hub *hub, struct slice result) {
    struct keeper *keeper = &hub->keeper;
    struct json_walk walk;
    struct slice key, value;
    size_t capacity = 0;
    if (json_walk_begin(json_member(result, "services"), '[', &walk) < 0)
        return;
    free_services(keeper);
    while (json_walk_next(&walk, &key, &value) == 1) {
        if (keeper->service_count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            keeper->services = memory_grow(keeper->services, capacity, sizeof *keeper->services);
        }
        keeper->services[keeper->service_count++] = (struct keeper_service){
            .name = text_member(value, "name"),
            .state = text_member(value, "state"),
            .health = text_member(value, "health"),
            .critical = slice_is(json_member(value, "critical"), "true"),
            .restarts = int_member(value, "restarts"),
        };
    }
    keeper->known = true;
    hub_incidents_look(hub);
    hub_health_changed(hub);
}

/* ---- events ---- */

struct tell {
    const char *what;
    enum alert_priority priority;
    const char *words; /* between the service and what the keeper says */
};
static const struct tell tells[] = {
    {"failed", ALERT_CRITICAL, "has failed"},
    {"unhealthy", ALERT_HIGH, "does not work and is restarted"},
    {"job_failed", ALERT_HIGH, "has not done its work"},
    {"job_missed", ALERT_HIGH, "did not run"},
};

/* Remembered in the run folder, so that a restart of the hub alone tells nothing twice. */
static void remember_event(struct hub *hub, int64_t number) {
    AUTO_FREE char *text = text_format("%lld\n", (long long)number);
    if (file_replace_fast(hub->keeper.events_path, slice_of(text), 0600) < 0)
        log_debug("%s cannot be written", hub->keeper.events_path);
}

static void recall_event(struct hub *hub) {
    AUTO_FREE char *text = NULL;
    size_t size;
    if (file_read(hub->keeper.events_path, 32, &text, &size) < 0)
        return;
    text[strcspn(text, "\n")] = 0;
    if (text_to_int(text, 0, INT64_MAX, &hub->keeper.last_event) < 0)
        hub->keeper.last_event = 0;
}

/* In the file only what is told for good: nothing is on its way, and nothing was refused. */
static void remember_told(struct hub *hub) {
    struct keeper *keeper = &hub->keeper;
    if (keeper->telling == 0 && keeper->untold == 0)
        remember_event(hub, keeper->last_event);
}

/* The keeper is asked for the untold ones once more, by a new connection. */
static void on_retell(uv_timer_t *timer) {
    struct hub *hub = timer->data;
    struct keeper *keeper = &hub->keeper;
    keeper->last_event = keeper->untold - 1;
    keeper->untold = 0;
    if (keeper->connection)
        line_close(keeper->connection);
}

void keeper_told(struct hub *hub, int64_t event, bool kept) {
    struct keeper *keeper = &hub->keeper;
    keeper->telling--;
    if (!kept && !keeper->closing) {
        if (keeper->untold == 0)
            uv_timer_start(&keeper->retell, on_retell, RETELL_MS, 0);
        if (keeper->untold == 0 || event < keeper->untold)
            keeper->untold = event;
    }
    remember_told(hub);
}

static void take_event(struct hub *hub, struct slice event) {
    AUTO_FREE char *what = text_member(event, "what"), *service = text_member(event, "service");
    AUTO_FREE char *said = text_member(event, "text");
    AUTO_FREE char *time = text_member(event, "time");
    int64_t number = int_member(event, "number"), at_ms = 0;
    if (number > hub->keeper.last_event)
        hub_incidents_event(hub, service, what, said,
                            clock_read(time, &at_ms) == 0 ? at_ms : hub_now(hub));
    for (size_t i = 0; i < COUNT_OF(tells) && number > hub->keeper.last_event; i++) {
        if (strcmp(what, tells[i].what) != 0)
            continue;
        AUTO_BUFFER struct buffer text = {0};
        AUTO_FREE char *key = text_format("event %lld %s", (long long)number, service);
        buffer_print(&text, "%s %s: %s", service, tells[i].words, said);
        struct alert alert = {.priority = tells[i].priority,
                              .type = "service",
                              .service = service,
                              .title = hub->config->name,
                              .text = text.data,
                              .dedup_key = key,
                              .group = what}; /* of all services */
        hub->keeper.telling++;
        hub_alert_event(hub, &alert, number);
    }
    if (number != hub->keeper.last_event) {
        hub->keeper.last_event = number;
        remember_told(hub);
    }
    ask_status(hub);
}

/* ---- restarts ---- */

static void answer_restart(struct hub *hub, struct restart_wait *wait, struct slice line) {
    if (!wait->request) {
        AUTO_FREE char *text = text_member(json_member(line, "error"), "text");
        bool done = slice_is(json_member(line, "ok"), "true");
        wait->answered(hub, wait->context, done ? 0 : 502, text, 1);
    } else if (slice_is(json_member(line, "ok"), "true")) {
        AUTO_BUFFER struct buffer body = {0};
        buffer_add_text(&body, "{\"message\":");
        json_add_text(&body, slice_of(wait->what));
        buffer_add_text(&body, ",");
        hub_add_timestamp(&body, "timestamp");
        buffer_add_text(&body, "}\n");
        http_respond_json(wait->request, 200, buffer_slice(&body));
    } else {
        AUTO_FREE char *text = text_member(json_member(line, "error"), "text");
        hub_problem(wait->request, 502, "Bad Gateway",
                    text[0] ? text : "the keeper did not restart it; see holdfast status", -1);
    }
    free(wait->what);
    free(wait);
}

static bool take_restart_answer(struct hub *hub, int64_t id, struct slice line) {
    for (struct restart_wait **place = &hub->keeper.waits; *place; place = &(*place)->next)
        if ((*place)->id == id) {
            struct restart_wait *wait = *place;
            *place = wait->next;
            answer_restart(hub, wait, line);
            return true;
        }
    return false;
}

/* Those that are due at `now` (hub_now()), or all. */
static void fail_restarts(struct hub *hub, int64_t now, const char *why) {
    for (struct restart_wait **place = &hub->keeper.waits, *wait; (wait = *place);) {
        if (wait->due_ms > now) {
            place = &wait->next;
            continue;
        }
        *place = wait->next;
        if (wait->request)
            hub_problem(wait->request, 503, "Service Unavailable", why, 2);
        else
            wait->answered(hub, wait->context, 503, why, 0);
        free(wait->what);
        free(wait);
        place = &hub->keeper.waits; /* who was answered may have asked again */
    }
}

static void fail_all_restarts(struct hub *hub) {
    fail_restarts(hub, INT64_MAX, "the keeper went away before it answered; ask again");
}

void keeper_expire(struct hub *hub) {
    fail_restarts(hub, hub_now(hub),
                  "the keeper does not answer; `holdfast status` shows whether it does it later");
}

int64_t keeper_next_ms(const struct hub *hub) {
    int64_t next = INT64_MAX;
    for (const struct restart_wait *wait = hub->keeper.waits; wait; wait = wait->next)
        next = wait->due_ms < next ? wait->due_ms : next;
    return next;
}

static struct restart_wait *add_wait(struct hub *hub) {
    struct restart_wait *wait = memory_new(sizeof *wait);
    wait->next = hub->keeper.waits;
    wait->due_ms = hub_now(hub) + RESTART_MS_MAX;
    hub->keeper.waits = wait;
    return wait;
}

/* All but the hub itself, which could not answer any more; the keeper is none of the services. */
static bool add_all_services(const struct config *config, struct buffer *request) {
    bool any = false;
    buffer_add_text(request, "\"do\":\"restart\",\"services\":[");
    for (size_t i = 0; i < config->service_count; i++) {
        if (config->services[i].part == PART_HUB)
            continue;
        buffer_add_text(request, any ? "," : "");
        json_add_text(request, slice_of(config->services[i].name));
        any = true;
    }
    buffer_add_text(request, "]");
    return any;
}

static void ask_restart(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer question = {0};
    if (rest[0]) {
        buffer_add_text(&question, "\"do\":\"restart\",\"services\":[");
        json_add_text(&question, slice_of(rest));
        buffer_add_text(&question, "]");
    } else if (!add_all_services(hub->config, &question)) {
        hub_problem(request, 404, "Not Found",
                    "the config has no services to restart; add one under services", -1);
        return;
    }
    struct restart_wait *wait = add_wait(hub);
    wait->request = request;
    wait->what =
        rest[0] ? text_format("restarting %s", rest) : text_copy("restarting all services");
    wait->id = ask(hub, question.data);
}

static void ask_about(struct hub *hub, const char *verb, const char *service,
                      hub_answered *answered, void *context) {
    AUTO_BUFFER struct buffer question = {0};
    if (!hub->keeper.connected) {
        answered(hub, context, 503, "the keeper cannot be reached", 0);
        return;
    }
    buffer_print(&question, "\"do\":\"%s\",\"services\":[", verb);
    json_add_text(&question, slice_of(service));
    buffer_add_text(&question, "]");
    struct restart_wait *wait = add_wait(hub);
    wait->answered = answered;
    wait->context = context;
    wait->id = ask(hub, question.data);
}

void keeper_restart(struct hub *hub, const char *service, hub_answered *answered, void *context) {
    ask_about(hub, "restart", service, answered, context);
}

void keeper_stop_service(struct hub *hub, const char *service, hub_answered *answered,
                         void *context) {
    ask_about(hub, "stop", service, answered, context);
}

void hub_post_restart(struct hub *hub, struct http_request *request, const char *rest) {
    if (!secret_is_set(&hub->config->http.token)) {
        hub_problem(request, 403, "Forbidden",
                    "no token is configured: set http.token in the config (for example "
                    "${HOLDFAST_TOKEN}) and send it as Authorization: Bearer TOKEN",
                    -1);
        return;
    }
    if (!hub_may_change(hub, request))
        return;
    if (rest[0] && !config_service(hub->config, rest))
        hub_problem(request, 404, "Not Found",
                    "the config has no service of this name; `holdfast status` lists them", -1);
    else if (!hub->keeper.connected)
        hub_problem(request, 503, "Service Unavailable",
                    "the keeper cannot be reached; start it with holdfast up", 5);
    else
        ask_restart(hub, request, rest);
}

/* ---- the connection ---- */

static void on_opened(void *context, struct line_connection *connection) {
    struct hub *hub = context;
    struct keeper *keeper = &hub->keeper;
    keeper->connected = true;
    keeper->asking = keeper->ask_again = false;
    keeper->figures_id = 0;
    keeper->retry_ms = RETRY_FIRST_MS;
    /* First what was missed, then how it is: an old event does not undo what is so now. */
    AUTO_FREE char *follow = text_format("\"do\":\"events\",\"after\":%lld,\"follow\":true",
                                         (long long)keeper->last_event);
    ask(hub, follow);
    ask_status(hub);
}

static void on_line(void *context, struct line_connection *connection, struct slice line) {
    struct hub *hub = context;
    struct keeper *keeper = &hub->keeper;
    if (!json_is_valid(line))
        return;
    struct slice event = json_member(line, "event");
    int64_t id = int_member(line, "id");
    if (event.size > 0) {
        take_event(hub, event);
    } else if (id == keeper->status_id && keeper->asking) {
        keeper->asking = false;
        take_status(hub, json_member(line, "result"));
        if (keeper->ask_again) {
            keeper->ask_again = false;
            ask_status(hub);
        }
    } else if (id == keeper->figures_id) {
        keeper->figures_id = 0;
        if (slice_is(json_member(line, "ok"), "true"))
            hub_events_figures(hub, json_member(line, "result"));
    } else {
        (void)take_restart_answer(hub, id, line);
    }
}

static void on_retry(uv_timer_t *timer) {
    connect_now(timer->data);
}

static void on_closed(void *context, struct line_connection *connection, int reason) {
    struct hub *hub = context;
    struct keeper *keeper = &hub->keeper;
    if (keeper->connected && !keeper->closing)
        log_warning("the keeper has gone; trying to reach it again");
    keeper->connection = NULL;
    keeper->connected = keeper->known = false;
    free_services(keeper);
    fail_all_restarts(hub);
    if (keeper->closing)
        return;
    uv_timer_start(&keeper->retry, on_retry, (uint64_t)keeper->retry_ms, 0);
    keeper->retry_ms = keeper->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : keeper->retry_ms * 2;
}

static const struct line_events events = {
    .opened = on_opened, .line = on_line, .closed = on_closed};

static void connect_now(struct hub *hub) {
    struct keeper *keeper = &hub->keeper;
    struct line_options options = {.path = keeper->path, .events = &events, .context = hub};
    int r = line_connect(&hub->loop, &options, &keeper->connection);
    if (r < 0) {
        log_error("%s: %s; shorten the path of the run folder", keeper->path, strerror(-r));
        keeper->connection = NULL;
    }
}

void keeper_open(struct hub *hub) {
    struct keeper *keeper = &hub->keeper;
    keeper->path = path_join(hub->config->run, "control.sock");
    keeper->events_path = path_join(hub->config->run, "hub.events");
    keeper->retry_ms = RETRY_FIRST_MS;
    uv_timer_init(&hub->loop, &keeper->retry);
    uv_timer_init(&hub->loop, &keeper->retell);
    keeper->retell.data = hub;
    keeper->retry.data = hub;
    recall_event(hub);
    connect_now(hub);
}

void keeper_close(struct hub *hub) {
    struct keeper *keeper = &hub->keeper;
    keeper->closing = true;
    fail_all_restarts(hub);
    if (keeper->connection)
        line_close(keeper->connection);
    uv_close((uv_handle_t *)&keeper->retry, NULL);
    uv_close((uv_handle_t *)&keeper->retell, NULL);
}

void keeper_stop(struct hub *hub) {
    hub->keeper.closing = true;
    fail_all_restarts(hub);
}

void keeper_look(struct hub *hub) {
    struct keeper *keeper = &hub->keeper;
    if (keeper->connected && !keeper->asking && clock_ms() - keeper->asked_ms > STATUS_OLD_MS)
        ask_status(hub);
}

bool keeper_is_silent(const struct hub *hub) {
    const struct keeper *keeper = &hub->keeper;
    return keeper->asking && clock_ms() - keeper->asked_ms > SILENT_MS;
}
