/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/events: server-sent events for pages. "services" and "state" (all else that may be well
 * or ill) are sent whole whenever they have changed; "figures" is what the keeper measures. Each is
 * made and held once for all who listen, and not at all while nobody does. Whoever takes nothing is
 * owed the newest of each, no more. */
#include "base/text.h"
#include "hub/hub.h"
#include "wire/json_scan.h"

enum {
    CLIENTS_MAX = 2000,
    TICK_MS = 500,
    SOON_MS = 20, /* what changes in a row is told once */
    FIGURES_TICKS = 4,
    ALIVE_TICKS = 30,
    PIECE_BYTES = 1024 /* for each that listens */
};

struct listener {
    struct listener *next, **place;
    struct hub *hub;
    struct http_stream *stream;
    bool owed[HUB_TOPICS]; /* what it had no room for */
};

/* ---- what is sent ---- */

static void add_member(struct buffer *ret, const char *name, const char *text) {
    buffer_print(ret, ",\"%s\":", name);
    json_add_text(ret, slice_of(text));
}

static void make_services(struct hub *hub, struct buffer *ret) {
    buffer_add_text(ret, "event: services\ndata: [");
    for (size_t i = 0; hub_services_are_known(hub) && i < hub->keeper.service_count; i++) {
        const struct keeper_service *service = &hub->keeper.services[i];
        buffer_add_text(ret, i ? ",{\"name\":" : "{\"name\":");
        json_add_text(ret, slice_of(service->name));
        add_member(ret, "level", hub_service_level(service));
        add_member(ret, "state", service->state);
        add_member(ret, "health", service->health);
        buffer_print(ret, ",\"critical\":%s,\"restarts\":%lld}",
                     service->critical ? "true" : "false", (long long)service->restarts);
    }
    buffer_add_text(ret, "]\n\n");
}

struct parts {
    struct buffer *body;
    bool any;
};

static void add_part(void *context, const char *kind, const char *name, const char *level,
                     const char *problem) {
    struct parts *parts = context;
    buffer_add_text(parts->body, parts->any ? ",{\"kind\":" : "{\"kind\":");
    json_add_text(parts->body, slice_of(kind));
    add_member(parts->body, "name", name);
    add_member(parts->body, "level", level);
    add_member(parts->body, "problem", problem);
    buffer_add_text(parts->body, "}");
    parts->any = true;
}

static void add_monitors(struct hub *hub, struct buffer *ret) {
    struct monitors_health health;
    AUTO_BUFFER struct buffer ill = {0};
    hub_monitors_judge(hub, &health, &ill);
    buffer_print(ret, ",\"monitors\":{\"count\":%zu,\"ill\":{%s}}", monitors_count(hub->monitors),
                 ill.data ? ill.data : "");
}

static void add_alerts(struct hub *hub, struct buffer *ret) {
    struct alerts_figures f;
    size_t waiting = 0;
    alerts_figures(hub->alerts, hub_now(hub), &f);
    for (size_t p = 0; p < ALERT_PRIORITIES; p++)
        waiting += f.ways[0].waiting[p];
    buffer_print(ret,
                 ",\"alerts\":{\"accepted\":%llu,\"delivered\":%llu,\"failed\":%llu,"
                 "\"waiting\":%zu,\"unacknowledged\":%zu}",
                 (unsigned long long)f.accepted, (unsigned long long)f.delivered,
                 (unsigned long long)f.failed, waiting, f.unacked);
}

static void make_state(struct hub *hub, struct buffer *ret) {
    struct parts parts = {ret, false};
    buffer_add_text(ret, "event: state\ndata: {\"status\":");
    json_add_text(ret, slice_of(hub_health_word(hub)));
    add_member(ret, "bot", hub->config->name);
    add_member(ret, "version", HOLDFAST_VERSION);
    buffer_print(ret, ",\"needs_token\":%s",
                 secret_is_set(&hub->config->http.token) ? "true" : "false");
    buffer_print(ret, ",\"keeper\":%s,\"parts\":[", hub_services_are_known(hub) ? "true" : "false");
    hub_health_each(hub, add_part, &parts);
    buffer_add_text(ret, "]");
    add_monitors(hub, ret);
    add_alerts(hub, ret);
    buffer_add_text(ret, "}\n\n");
}

/* ---- who listens ---- */

/* One thing at a time: what it holds already is not added to. */
static void send_topic(struct listener *listener, size_t topic) {
    bool busy = http_stream_waiting(listener->stream) > 0;
    listener->owed[topic] = busy;
    if (!busy)
        http_stream_add_shared(listener->stream, listener->hub->events.topics[topic].shared);
}

static void send_to_all(struct hub *hub, struct slice text) {
    struct http_shared *shared = http_shared_new(text);
    for (struct listener *l = hub->events.listeners; l; l = l->next)
        if (http_stream_waiting(l->stream) == 0)
            http_stream_add_shared(l->stream, shared);
    http_shared_drop(shared);
}

static void look_at_topic(struct hub *hub, size_t topic) {
    static void (*const makers[HUB_TOPICS])(struct hub * hub, struct buffer * ret) = {make_services,
                                                                                      make_state};
    struct hub_topic *last = &hub->events.topics[topic];
    AUTO_BUFFER struct buffer text = {0};
    makers[topic](hub, &text);
    if (last->shared && text.size == last->text.size &&
        memcmp(text.data, last->text.data, text.size) == 0)
        return;
    http_shared_drop(last->shared);
    last->shared = http_shared_new(buffer_slice(&text));
    buffer_deinit(&last->text);
    last->text = text;
    text = (struct buffer){0};
    for (struct listener *l = hub->events.listeners; l; l = l->next)
        send_topic(l, topic);
}

static void look(struct hub *hub) {
    for (size_t topic = 0; topic < HUB_TOPICS; topic++)
        look_at_topic(hub, topic);
}

static void on_soon(uv_timer_t *timer) {
    look(timer->data);
}

void hub_events_changed(struct hub *hub) {
    if (hub->events.listeners && !uv_is_active((uv_handle_t *)&hub->events.soon))
        uv_timer_start(&hub->events.soon, on_soon, SOON_MS, 0);
}

static void on_tick(uv_timer_t *timer) {
    struct hub *hub = timer->data;
    hub->events.tick++;
    keeper_look(hub);
    look(hub);
    if (hub->events.tick % FIGURES_TICKS == 0)
        keeper_ask_figures(hub);
    if (hub->events.tick % ALIVE_TICKS == 0)
        send_to_all(hub, slice_of(": still here\n\n"));
}

void hub_events_figures(struct hub *hub, struct slice result) {
    AUTO_BUFFER struct buffer text = {0};
    if (!hub->events.listeners)
        return;
    buffer_print(&text, "event: figures\ndata: %.*s\n\n", (int)result.size, result.data);
    send_to_all(hub, buffer_slice(&text));
}

static void on_drained(void *context) {
    struct listener *listener = context;
    for (size_t topic = 0; topic < HUB_TOPICS; topic++)
        if (listener->owed[topic]) {
            send_topic(listener, topic);
            return;
        }
}

static void on_gone(void *context) {
    struct listener *listener = context;
    struct hub *hub = listener->hub;
    *listener->place = listener->next;
    if (listener->next)
        listener->next->place = listener->place;
    hub->events.count--;
    free(listener);
    if (hub->events.listeners)
        return;
    uv_timer_stop(&hub->events.timer);
    uv_timer_stop(&hub->events.soon);
}

static void listen_in(struct hub *hub, struct http_request *request) {
    static const struct http_header headers[] = {{"Cache-Control", "no-store"},
                                                 {"X-Accel-Buffering", "no"}};
    struct listener *listener = memory_new(sizeof *listener);
    listener->hub = hub;
    listener->next = hub->events.listeners;
    listener->place = &hub->events.listeners;
    if (listener->next)
        listener->next->place = &listener->next;
    hub->events.listeners = listener;
    hub->events.count++;
    listener->stream =
        http_respond_stream(request,
                            &(struct http_response){.status = 200,
                                                    .content_type = "text/event-stream",
                                                    .headers = headers,
                                                    .header_count = COUNT_OF(headers)},
                            &(struct http_stream_options){.size = -1,
                                                          .piece_max = PIECE_BYTES,
                                                          .drained = on_drained,
                                                          .gone = on_gone,
                                                          .context = listener});
}

void hub_get_events(struct hub *hub, struct http_request *request, const char *rest) {
    if (strcmp(http_request_method(request), "HEAD") == 0) {
        http_respond(request,
                     &(struct http_response){.status = 200, .content_type = "text/event-stream"});
        return;
    }
    if (hub->events.count >= CLIENTS_MAX) {
        hub_problem(request, 503, "Service Unavailable",
                    "2000 listen already; close pages that nobody looks at", 30);
        return;
    }
    listen_in(hub, request);
    struct listener *listener = hub->events.listeners;
    if (hub->events.count == 1) {
        uv_timer_start(&hub->events.timer, on_tick, TICK_MS, TICK_MS);
        keeper_look(hub);
        keeper_ask_figures(hub);
    }
    for (size_t topic = 0; topic < HUB_TOPICS; topic++)
        listener->owed[topic] = true;
    look(hub); /* what has not changed since the last look is sent to this one alone */
    on_drained(listener);
}

void hub_events_open(struct hub *hub) {
    uv_timer_init(&hub->loop, &hub->events.timer);
    uv_timer_init(&hub->loop, &hub->events.soon);
    hub->events.timer.data = hub->events.soon.data = hub;
}

void hub_events_close(struct hub *hub) {
    uv_close((uv_handle_t *)&hub->events.timer, NULL);
    uv_close((uv_handle_t *)&hub->events.soon, NULL);
    for (size_t topic = 0; topic < HUB_TOPICS; topic++) {
        buffer_deinit(&hub->events.topics[topic].text);
        http_shared_drop(hub->events.topics[topic].shared);
    }
}
