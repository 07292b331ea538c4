/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: one JSON object a line, asked by the command line and the hub. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "wire/config.h"
#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

struct control {
    struct keeper *keeper;
    struct line_server *server;
    struct line_connection *listeners[64]; /* who follows the events */
    size_t listener_count;
};

struct question {
    struct keeper *keeper;
    struct control *control;
    struct line_connection *connection;
    const json_t *request;
};

/* ---- answers ---- */

static void send_json(struct line_connection *connection, json_t *object) {
    AUTO_FREE char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text)
        line_send(connection, slice_of(text));
}

static void answer(const struct question *question, json_t *result) {
    json_t *id = json_object_get(question->request, "id");
    send_json(question->connection,
              json_pack("{s:O?,s:b,s:o}", "id", id, "ok", 1, "result", result));
}

static void refuse(const struct question *question, const char *code, const char *text) {
    json_t *id = json_object_get(question->request, "id");
    send_json(question->connection, json_pack("{s:O?,s:b,s:{s:s,s:s}}", "id", id, "ok", 0, "error",
                                              "code", code, "text", text));
}

/* ---- status ---- */

static json_t *exit_json(const struct service *service) {
    if (!service->exit_count)
        return json_null();
    char time[CLOCK_TEXT_BYTES];
    clock_format(clock_wall_ms() - (clock_ms() - service->last_exit_ms), time);
    const struct service_exit *exit = &service->last_exit;
    return json_pack("{s:s,s:i,s:i,s:b,s:I,s:s}", "time", time, "code", exit->code, "signal",
                     exit->signal, "known", exit->known, "uptime_ms",
                     (json_int_t)service->last_life_ms, "why", service->why);
}

static const char *health_word(const struct service *service) {
    bool looked_at = service->config->health.kind != PROBE_NONE || service->config->watchdog_ms;
    if (!looked_at || service->state != SERVICE_READY)
        return "unknown";
    return service->healthy && service->probe_failures == 0 ? "healthy" : "unhealthy";
}

static json_t *service_json(struct keeper *keeper, size_t index) {
    const struct service *service = &keeper->services.list[index];
    const struct unit *unit = keeper->units[index];
    int64_t now = clock_ms();
    bool runs = service_has_process(service);
    json_t *object = json_pack(
        "{s:s,s:s,s:i,s:b,s:I,s:I,s:I,s:I,s:b,s:s?,s:s,s:s,s:s,s:o}", "name", service->config->name,
        "state", service_state_names[service->state], "pid", (int)service->pid, "ready",
        service->state == SERVICE_READY, "since_ms", (json_int_t)(now - service->since_ms),
        "uptime_ms", (json_int_t)(runs ? now - service->started_ms : 0), "restarts",
        (json_int_t)service->restarts_total, "exits", (json_int_t)service->exit_count, "critical",
        service->config->critical, "consumer", service->config->consumer, "health",
        health_word(service), "status_text", unit->status_text, "why", service->why, "last_exit",
        exit_json(service));
    must(object);
    json_object_set_new(object, "own", json_boolean(service->config->part != PART_NONE));
    if (unit->log)
        json_object_set_new(object, "log_dropped_bytes",
                            json_integer(service_log_dropped(unit->log)));
    const char *log_error = unit->log ? service_log_trouble(unit->log) : "it has no log";
    if (log_error)
        json_object_set_new(object, "log_error", json_string(log_error));
    jobs_add_status(object, service);
    return object;
}

static bool find_all(const struct question *question, const json_t *names);

/* All services; or the named ones, with how they died. */
static json_t *services_json(const struct question *question) {
    struct keeper *keeper = question->keeper;
    const json_t *names = json_object_get(question->request, "services");
    json_t *services = json_array();
    size_t k;
    json_t *name;
    json_array_foreach(names, k, name) {
        for (size_t i = 0; i < keeper->services.count; i++) {
            const struct service_config *config = keeper->services.list[i].config;
            if (!service_is_called(config, json_string_value(name)))
                continue;
            json_t *service = service_json(keeper, i);
            json_object_set_new(service, "deaths", deaths_of(keeper, i));
            json_array_append_new(services, service);
        }
    }
    for (size_t i = 0; json_array_size(names) == 0 && i < keeper->services.count; i++)
        if (!keeper->units[i]->leaving || service_is_busy(&keeper->services.list[i]))
            json_array_append_new(services, service_json(keeper, i));
    return services;
}

static void on_status(const struct question *question) {
    struct keeper *keeper = question->keeper;
    if (!find_all(question, json_object_get(question->request, "services")))
        return;
    json_t *services = services_json(question);
    AUTO_FREE char *isolation =
        keeper->cgroup ? text_format("cgroup v2 %s", keeper->cgroup) : text_copy("subreaper");
    answer(question,
           json_pack("{s:s,s:s,s:i,s:i,s:I,s:I,s:s,s:b,s:s,s:o}", "name", keeper->config->name,
                     "version", HOLDFAST_VERSION, "pid", (int)getppid(), "keeper_pid",
                     (int)getpid(), "uptime_ms", (json_int_t)(clock_ms() - keeper->up_ms),
                     "keeper_uptime_ms", (json_int_t)(clock_ms() - keeper->started_ms), "config",
                     keeper->config->path, "stopping", keeper->services.ending, "isolation",
                     isolation, "services", services));
}

/* ---- wishes ---- */

static bool is_known(const struct keeper *keeper, const char *name) {
    for (size_t i = 0; i < keeper->services.count; i++)
        if (service_is_called(keeper->services.list[i].config, name))
            return true;
    return false;
}

static bool find_all(const struct question *question, const json_t *names) {
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name) {
        const char *text = json_string_value(name);
        if (text && is_known(question->keeper, text))
            continue;
        AUTO_FREE const char **known =
            memory_array(question->keeper->services.count + 1, sizeof *known);
        for (size_t k = 0; k < question->keeper->services.count; k++)
            known[k] = question->keeper->services.list[k].config->name;
        const char *nearest = text ? text_did_you_mean(text, known) : NULL;
        AUTO_FREE char *why = text_format(
            "'%s' is not a service%s%s%s", text ? text : "?", nearest ? "; did you mean '" : "",
            nearest ? nearest : "; `holdfast status` lists them", nearest ? "'?" : "");
        refuse(question, "unknown_service", why);
        return false;
    }
    return true;
}

/* A job that is started by its name runs now; with all others it only follows its schedule. */
static enum service_event_kind wish_for(const struct service_config *config, bool all,
                                        enum service_event_kind kind) {
    if (!service_is_job(config) || kind == SERVICE_EVENT_DOWN)
        return kind;
    return all ? SERVICE_EVENT_UP : kind == SERVICE_EVENT_UP ? SERVICE_EVENT_RUN : kind;
}

/* All but the hub, when nobody is named: who asks through the hub wants its answer. */
static void for_services(const struct question *question, enum service_event_kind kind) {
    struct keeper *keeper = question->keeper;
    const json_t *names = json_object_get(question->request, "services");
    bool all = json_is_true(json_object_get(question->request, "all"));
    if (!all && json_array_size(names) == 0) {
        refuse(question, "no_service", "name at least one service, or say all");
        return;
    }
    if (!find_all(question, names))
        return;
    if (keeper->services.ending) {
        refuse(question, "stopping", "everything is being stopped");
        return;
    }
    answer(question, json_object());
    for (size_t i = 0; i < keeper->services.count; i++) {
        bool named = all && keeper->services.list[i].config->part != PART_HUB;
        for (size_t k = 0; !all && k < json_array_size(names); k++)
            named |= service_is_called(keeper->services.list[i].config,
                                       json_string_value(json_array_get(names, k)));
        if (named)
            keeper_event(keeper, (struct service_event){
                                     .kind = wish_for(keeper->services.list[i].config, all, kind),
                                     .index = i});
    }
}

static void on_start(const struct question *question) {
    for_services(question, SERVICE_EVENT_UP);
}

static void on_stop(const struct question *question) {
    for_services(question, SERVICE_EVENT_DOWN);
}

static void on_restart(const struct question *question) {
    for_services(question, SERVICE_EVENT_RESTART);
}

static void on_down(const struct question *question) {
    answer(question, json_object());
    keeper_down(question->keeper, false, 0);
}

/* Anchor and keeper are replaced; services notice nothing. */
static void on_upgrade(const struct question *question) {
    struct keeper *keeper = question->keeper;
    if (keeper->services.ending) {
        refuse(question, "stopping", "everything is being stopped");
        return;
    }
    events_add(keeper, "", "upgrade", "anchor and keeper are replaced; services go on");
    if (!state_save_changed(keeper)) {
        refuse(question, "disk",
               "the run state cannot be written, so nothing is replaced; see the keeper's log");
        return;
    }
    deaths_write(keeper);
    anchor_link_free_slots(keeper);
    answer(question, json_pack("{s:s}", "version", HOLDFAST_VERSION));
    keeper->upgrading = keeper->quitting = true;
    uv_stop(&keeper->loop);
}

/* What somebody did with a service from outside, such as a step of a deploy: for the history. */
static void on_note(const struct question *question) {
    const char *name = json_string_value(json_object_get(question->request, "service"));
    const char *what = json_string_value(json_object_get(question->request, "what"));
    const char *text = json_string_value(json_object_get(question->request, "text"));
    size_t index = 0;
    if (!name || !keeper_find(question->keeper, name, &index) || !what ||
        strcmp(what, "deploy") != 0 || !text) {
        refuse(question, "wrong_note", "expected service, what: deploy, and text");
        return;
    }
    events_add(question->keeper, name, "deploy", text);
    answer(question, json_object());
}

static void on_ping(const struct question *question) {
    answer(question, json_pack("{s:b}", "pong", 1));
}

static void on_figures(const struct question *question) {
    answer(question, figures_take(question->keeper));
}

static void on_doctor(const struct question *question) {
    answer(question, json_pack("{s:o}", "findings", doctor_findings(question->keeper)));
}

static void on_reload(const struct question *question) {
    struct config_errors errors = {0};
    if (keeper_reload(question->keeper, &errors) == 0) {
        answer(question, json_object());
    } else {
        AUTO_BUFFER struct buffer text = {0};
        for (size_t i = 0; i < errors.count; i++)
            buffer_print(&text, "%s%s: %s", i ? "\n" : "", errors.list[i].place,
                         errors.list[i].text);
        buffer_add_text(&text, "\nnothing was changed");
        refuse(question, "config", text.data);
    }
    config_errors_deinit(&errors);
}

static void on_log_level(const struct question *question) {
    AUTO_FREE char *why = NULL;
    json_t *levels = levels_answer(question->keeper, question->request, &why);
    if (levels)
        answer(question, json_pack("{s:o}", "levels", levels));
    else
        refuse(question, "log_level", why);
}

/* ---- events ---- */

static void send_event(void *context, struct slice line) {
    line_send(context, line);
}

static void on_events(const struct question *question) {
    struct control *control = question->control;
    int64_t after = json_integer_value(json_object_get(question->request, "after"));
    answer(question, json_object());
    events_since(question->keeper->events, after, send_event, question->connection);
    bool follow = json_is_true(json_object_get(question->request, "follow"));
    if (follow && control->listener_count < COUNT_OF(control->listeners))
        control->listeners[control->listener_count++] = question->connection;
}

void control_tell_event(struct control *control, struct slice line) {
    for (size_t i = 0; i < control->listener_count; i++)
        line_send(control->listeners[i], line);
}

/* ---- the socket ---- */

static const struct {
    const char *name;
    void (*handle)(const struct question *question);
} handlers[] = {{"status", on_status},      {"start", on_start},   {"stop", on_stop},
                {"restart", on_restart},    {"down", on_down},     {"reload", on_reload},
                {"events", on_events},      {"ping", on_ping},     {"upgrade", on_upgrade},
                {"figures", on_figures},    {"doctor", on_doctor}, {"note", on_note},
                {"log_level", on_log_level}};

static void on_line(void *context, struct line_connection *connection, struct slice line) {
    struct control *control = context;
    json_t *request = json_loadb(line.data, line.size, JSON_REJECT_DUPLICATES, NULL);
    struct question question = {.keeper = control->keeper,
                                .control = control,
                                .connection = connection,
                                .request = request};
    const char *name = json_string_value(json_object_get(request, "do"));
    bool handled = false;
    for (size_t i = 0; name && i < COUNT_OF(handlers) && !handled; i++) {
        handled = strcmp(name, handlers[i].name) == 0;
        if (handled)
            handlers[i].handle(&question);
    }
    if (!handled)
        refuse(&question, "unknown_request",
               "expected one JSON object a line, such as {\"id\":1,\"do\":\"status\"}");
    json_decref(request);
}

static void on_closed(void *context, struct line_connection *connection, int reason) {
    struct control *control = context;
    for (size_t i = 0; i < control->listener_count; i++)
        if (control->listeners[i] == connection)
            control->listeners[i--] = control->listeners[--control->listener_count];
}

struct control *control_open(struct keeper *keeper) {
    static const struct line_events events = {.line = on_line, .closed = on_closed};
    struct control *control = memory_new(sizeof *control);
    AUTO_FREE char *path = path_join(keeper->run, "control.sock");
    struct line_options options = {
        .path = path, .clients_max = 256, .events = &events, .context = control};
    control->keeper = keeper;
    int r = line_server_open(&keeper->loop, &options, &control->server);
    if (r < 0)
        fatal(EX_UNAVAILABLE, "the control socket %s cannot be opened: %s", path, strerror(-r));
    return control;
}

/* The loop ends with the program: what the closing connections still hold goes with it. */
struct control *control_close(struct control *control) {
    control->server = line_server_close(control->server);
    uv_run(&control->keeper->loop, UV_RUN_NOWAIT);
    free(control);
    return NULL;
}
