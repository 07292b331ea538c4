/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out what the alerts engine says, and the API for alerts. */
#include "base/log.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/alert.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"

enum {
    BODY_BYTES_MAX = 4 << 20,
    PAGE_MAX = 500,
    PAGE_USUAL = 50,
    SEND_MS_MAX = 60000,
    ANSWER_BYTES_MAX = 1 << 20
};

struct alerts_ticket {
    struct hub *hub;
    uint64_t number;
    int64_t id;
};
struct intake_wait { /* a request that waits for its commit; its address is its number */
    struct http_request *request;
    bool one, replay;
    int status;             /* of the good answer; 0: 202 */
    int64_t event;          /* request NULL: of the keeper */
    hub_answered *answered; /* or, not NULL, of somebody else */
    void *context;
};
struct page_wait { /* a request that waits for the store's answer */
    struct hub *hub;
    struct http_request *request;
    bool one, replay;
};

/* ---- what the engine says ---- */

static struct exchange **slot_of(struct hub *hub, int64_t id) {
    for (size_t i = 0; i < ALERT_PRIORITIES; i++)
        if (hub->alerts_flying[i] && hub->alerts_flying[i]->alert == id)
            return &hub->alerts_flying[i];
    return NULL;
}

void alerts_forget(struct exchange *exchange) {
    struct exchange **slot = slot_of(exchange->bot->hub, exchange->alert);
    if (slot && *slot == exchange)
        *slot = NULL;
}

static void on_stored(void *context, int r) {
    struct alerts_ticket *ticket = context;
    ticket->hub->commits--;
    alerts_feed(ticket->hub,
                &(struct alerts_event){
                    .on = ALERTS_ON_STORED, .ticket = ticket->number, .id = ticket->id, .r = r});
    free(ticket);
}

static void do_persist(struct hub *hub, struct alerts_command *command) {
    struct alerts_ticket *ticket = memory_new(sizeof *ticket);
    *ticket = (struct alerts_ticket){hub, command->ticket, command->id};
    hub_persist(hub, &command->records, on_stored, ticket);
}

static void tell_waiting(struct hub *hub, struct intake_wait *wait, int code, const char *refusal,
                         size_t count) {
    if (wait->answered)
        wait->answered(hub, wait->context, code, refusal, count);
    else
        keeper_told(hub, wait->event, code == 0);
    free(wait);
}

static void do_accept(struct hub *hub, struct alerts_command *command) {
    struct intake_wait *wait = (struct intake_wait *)(uintptr_t)command->request;
    AUTO_BUFFER struct buffer body = {0};
    hub_health_changed(hub);
    if (!wait->request) {
        tell_waiting(hub, wait, 0, NULL, command->id_count);
        return;
    }
    if (!wait->one)
        buffer_add_text(&body, "{\"alerts\":[");
    for (size_t i = 0; i < command->id_count; i++)
        buffer_print(&body, "%s{\"id\":%lld}", i ? "," : "", (long long)command->ids[i]);
    if (!wait->one)
        buffer_add_text(&body, "]}");
    http_respond_json(wait->request, wait->status ? wait->status : 202, buffer_slice(&body));
    free(wait);
}

uint64_t alerts_wait(struct http_request *request, int status) {
    struct intake_wait *wait = memory_new(sizeof *wait);
    *wait = (struct intake_wait){.request = request, .one = true, .status = status};
    return (uint64_t)(uintptr_t)wait;
}

uint64_t alerts_wait_call(hub_answered *answered, void *context) {
    struct intake_wait *wait = memory_new(sizeof *wait);
    *wait = (struct intake_wait){.answered = answered, .context = context};
    return (uint64_t)(uintptr_t)wait;
}

static void do_refuse(struct hub *hub, struct alerts_command *command) {
    struct intake_wait *wait = (struct intake_wait *)(uintptr_t)command->request;
    if (!wait->request) {
        tell_waiting(hub, wait, command->code, command->text, 0);
        return;
    }
    const char *title = command->code == 507   ? "Insufficient Storage"
                        : command->code == 409 ? "Conflict"
                        : command->code == 404 ? "Not Found"
                                               : "Service Unavailable";
    hub_problem(wait->request, command->code, title, command->text, command->retry_after_s);
    free(wait);
}

static void do_queue(struct hub *hub, struct alerts_command *command) {
    if (command->way > 0 && hub->draining)
        return;             /* it waits on disk */
    if (command->way > 0) { /* no budgets there: its turn is now */
        alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_TURN, .id = command->id});
        return;
    }
    struct exchange *exchange = exchange_new(EXCHANGE_ALERT, hub->alerts_bot);
    must(!hub->alerts_flying[command->priority]);
    exchange->alert = command->id;
    hub->alerts_flying[command->priority] = exchange;
    const struct alert *alert = alerts_live(hub->alerts, command->id);
    int64_t chat = alert && alert->chat ? alert->chat : alerts_chat(hub->alerts);
    gateway_feed(exchange->bot, &(struct gateway_event){.on = GATEWAY_ON_SEND,
                                                        .request = (uint64_t)(uintptr_t)exchange,
                                                        .chat = chat,
                                                        .priority = command->priority,
                                                        .budget = GATEWAY_MESSAGE,
                                                        .raw = true});
}

void alerts_turn(struct exchange *exchange) {
    alerts_feed(exchange->bot->hub,
                &(struct alerts_event){.on = ALERTS_ON_TURN, .id = exchange->alert});
}

/* Back to the gateway as if it had been sent and answered. */
static void do_cancel(struct hub *hub, struct alerts_command *command) {
    struct exchange **slot = slot_of(hub, command->id);
    if (!slot)
        return; /* of another way than Telegram: nobody holds a place for it */
    struct exchange *exchange = *slot;
    *slot = NULL;
    gateway_feed(exchange->bot, &(struct gateway_event){.on = GATEWAY_ON_SENT,
                                                        .request = (uint64_t)(uintptr_t)exchange,
                                                        .outcome = GATEWAY_ANSWERED,
                                                        .class = TELEGRAM_BENIGN,
                                                        .description = ""});
}

static struct telegram_buttons buttons_of(struct hub *hub, const struct alerts_command *command) {
    struct telegram_buttons buttons = {0};
    const char *service = command->alert->service;
    bool reminder = command->alert->reminder;
    if (command->alert->priority > ALERT_CRITICAL || (reminder && !command->ack) ||
        !buttons_are_read(hub))
        return buttons;
    buttons =
        (struct telegram_buttons){.id = command->id, .ack = command->ack, .all = command->ack_all};
    if (service && config_service(hub->config, service))
        buttons.service = service;
    return buttons;
}

static void do_send(struct hub *hub, struct alerts_command *command) {
    if (command->way > 0) {
        ways_send(hub, command);
        return;
    }
    struct exchange **slot = slot_of(hub, command->id);
    must(slot);
    struct hub_bot *bot = hub->alerts_bot;
    AUTO_BUFFER struct buffer url = {0}, body = {0};
    bot_add_url(bot, "", &url);
    buffer_add_text(&url, "sendMessage");
    struct telegram_buttons buttons = buttons_of(hub, command);
    if (command->other_count)
        telegram_add_alerts(command->alert, command->others, command->other_count, command->chat,
                            &buttons, &body);
    else if (!telegram_add_alert(command->alert, command->alert->part, command->chat, &buttons,
                                 &body)) /* a part that is gone */
        (void)telegram_add_alert(command->alert, 0, command->chat, &buttons, &body);
    (*slot)->flying = true;
    struct http_call_options options = {.method = "POST",
                                        .url = url.data,
                                        .body = buffer_slice(&body),
                                        .content_type = "application/json",
                                        .proxy = bot->config->proxy,
                                        .total_ms_max = SEND_MS_MAX,
                                        .answer_bytes_max = ANSWER_BYTES_MAX};
    http_call_start(hub->client, &options, gateway_on_answer, *slot, NULL);
}

void alerts_sent(struct exchange *exchange, const struct gateway_event *event) {
    struct hub *hub = exchange->bot->hub;
    const struct alert *alert = alerts_live(hub->alerts, exchange->alert);
    AUTO_BUFFER struct buffer scratch = {0};
    bool more = alert && telegram_add_alert(alert, alert->part + 1, 1, NULL, &scratch);
    alerts_forget(exchange);
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_SENT,
                                            .id = exchange->alert,
                                            .outcome = event->outcome,
                                            .class = event->class,
                                            .description = event->description,
                                            .migrate_to = event->chat,
                                            .more = more});
}

struct load_wait {
    struct hub *hub;
    size_t way;
    enum alert_priority priority;
};

static void on_loaded(void *context, int r, const struct alert *alerts, size_t count) {
    struct load_wait *wait = context;
    wait->hub->commits--;
    alerts_feed(wait->hub, &(struct alerts_event){.on = ALERTS_ON_LOADED,
                                                  .r = r,
                                                  .way = wait->way,
                                                  .priority = wait->priority,
                                                  .list = alerts,
                                                  .count = count});
    free(wait);
}

static void do_load(struct hub *hub, struct alerts_command *command) {
    struct load_wait *wait = memory_new(sizeof *wait);
    *wait = (struct load_wait){hub, command->way, command->priority};
    hub->commits++;
    store_find_alerts(
        hub->store,
        &(struct store_query){.queue = true,
                              .way = command->way > 0 ? hub->ways[command->way - 1].name : NULL,
                              .priority = command->priority,
                              .after = command->after,
                              .limit = command->limit},
        on_loaded, wait);
}

typedef void carry(struct hub *hub, struct alerts_command *command);
static carry *const carriers[] = {
    [ALERTS_DO_PERSIST] = do_persist, [ALERTS_DO_ACCEPT] = do_accept,
    [ALERTS_DO_REFUSE] = do_refuse,   [ALERTS_DO_QUEUE] = do_queue,
    [ALERTS_DO_SEND] = do_send,       [ALERTS_DO_CANCEL] = do_cancel,
    [ALERTS_DO_LOAD] = do_load,
};

/* What a person should know of the way out is logged when it changes. */
static void log_breakers(struct hub *hub) {
    struct alerts_figures figures;
    alerts_figures(hub->alerts, hub_now(hub), &figures);
    for (size_t i = 0; i < figures.way_count; i++) {
        const struct alerts_way_figures *way = &figures.ways[i];
        const char *name = way->name ? way->name : "Telegram";
        bool open = way->breaker.state != BREAKER_CLOSED;
        if (open == hub->breakers_were_open[i])
            continue;
        hub->breakers_were_open[i] = open;
        if (open)
            log_warning("alerts: the way out by %s failed %u times in a row (%s); alerts wait on "
                        "disk",
                        name, way->breaker.failures_in_row, way->problem);
        else
            log_info("alerts: the way out by %s works again", name);
    }
}

void alerts_feed(struct hub *hub, const struct alerts_event *event) {
    struct alerts_commands commands = {0};
    alerts_step(hub->alerts, event, hub_now(hub), &commands);
    for (size_t i = 0; i < commands.count; i++)
        carriers[commands.list[i].what](hub, &commands.list[i]);
    alerts_commands_deinit(&commands);
    if (event->on == ALERTS_ON_SENT)
        log_breakers(hub);
    hub_events_changed(hub);
}

void hub_alert(struct hub *hub, enum alert_priority priority, const char *type, const char *service,
               const char *text, const char *dedup_key) {
    struct alert alert = {.priority = priority,
                          .type = (char *)type, /* borrowed: the engine copies */
                          .service = (char *)service,
                          .title = hub->config->name,
                          .text = (char *)text,
                          .dedup_key = (char *)dedup_key};
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_INTAKE, .list = &alert, .count = 1});
}

void hub_alert_event(struct hub *hub, const struct alert *alert, int64_t event) {
    struct intake_wait *wait = memory_new(sizeof *wait);
    wait->event = event;
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_INTAKE,
                                            .request = (uint64_t)(uintptr_t)wait,
                                            .list = alert,
                                            .count = 1});
}

/* ---- POST ---- */

static void intake(struct hub *hub, struct http_request *request) {
    struct slice body = http_request_body(request);
    struct alert_list list;
    AUTO_BUFFER struct buffer error = {0};
    if (body.size > BODY_BYTES_MAX) {
        hub_problem(request, 413, "Content Too Large", "send at most 4 MiB and 1000 alerts at once",
                    -1);
        return;
    }
    if (alerts_read(body, &list, &error) != 0) {
        hub_problem(request, 400, "Bad Request", error.data, -1);
        return;
    }
    struct intake_wait *wait = memory_new(sizeof *wait);
    *wait = (struct intake_wait){.request = request, .one = list.one};
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_INTAKE,
                                            .request = (uint64_t)(uintptr_t)wait,
                                            .list = list.list,
                                            .count = list.count});
    alert_list_deinit(&list);
}

/* 0: Telegram, unless another one is named; SIZE_MAX: there is none of this name. */
static size_t way_named(const struct hub *hub, struct slice wish) {
    AUTO_BUFFER struct buffer name = {0};
    struct slice way = json_member(wish, "way");
    if (way.size == 0 || slice_is(way, "\"telegram\""))
        return 0;
    for (size_t i = 0; json_to_text(way, &name) == 0 && i < hub->config->alerts.way_count; i++)
        if (strcmp(hub->ways[i].name, name.data ? name.data : "") == 0)
            return i + 1;
    return SIZE_MAX;
}

static void set_breaker(struct hub *hub, struct http_request *request) {
    struct slice wish = http_request_body(request), state = json_member(wish, "state");
    bool valid =
        json_is_valid(wish) && (slice_is(state, "\"open\"") || slice_is(state, "\"closed\""));
    size_t way = valid ? way_named(hub, wish) : 0;
    if (!valid || way == SIZE_MAX) {
        hub_problem(request, 400, "Bad Request",
                    !valid ? "send {\"state\":\"open\"} to hold all alerts back, or "
                             "{\"state\":\"closed\"}; \"way\" names another way than Telegram"
                           : "\"way\" is none of alerts.also in the config",
                    -1);
        return;
    }
    enum alerts_on on = slice_is(state, "\"open\"") ? ALERTS_ON_OPEN : ALERTS_ON_CLOSED;
    hub_health_changed(hub);
    log_warning("alerts: the breaker of %s was set to %.*s by hand",
                way ? hub->ways[way - 1].name : "Telegram", (int)state.size, state.data);
    alerts_feed(hub, &(struct alerts_event){.on = on, .way = way});
    http_respond_json(request, 200, wish);
}

/* rest: "ack" or "17/ack" */
static void acknowledge(struct hub *hub, struct http_request *request, int64_t id) {
    AUTO_BUFFER struct buffer by = {0};
    struct slice body = http_request_body(request);
    struct json_walk walk;
    bool is_object = json_is_valid(body) && json_walk_begin(body, '{', &walk) == 0;
    struct slice who = is_object ? json_member(body, "by") : (struct slice){0};
    if (body.size > 0 && (!is_object || (who.size > 0 && json_to_text(who, &by) < 0))) {
        hub_problem(request, 400, "Bad Request", "send nothing, or {\"by\":\"who you are\"}", -1);
        return;
    }
    struct intake_wait *wait = memory_new(sizeof *wait);
    *wait = (struct intake_wait){.request = request, .status = 200};
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_ACK,
                                            .request = (uint64_t)(uintptr_t)wait,
                                            .id = id,
                                            .by = by.data && by.data[0] ? by.data : "the API"});
}

/* ---- GET, and the store's answers ---- */

static void start_replay(struct hub *hub, struct http_request *request, const struct alert *alert) {
    struct intake_wait *wait = memory_new(sizeof *wait);
    *wait = (struct intake_wait){.request = request, .one = true, .replay = true};
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_REPLAY,
                                            .request = (uint64_t)(uintptr_t)wait,
                                            .list = alert,
                                            .count = 1});
}

static void on_found(void *context, int r, const struct alert *alerts, size_t count) {
    struct page_wait *wait = context;
    wait->hub->commits--;
    AUTO_BUFFER struct buffer body = {0};
    if (r < 0) {
        hub_refuse_unread(wait->request, r);
    } else if (wait->one && count == 0) {
        hub_problem(wait->request, 404, "Not Found",
                    "there is no alert with this id; ended ones are kept for 30 days", -1);
    } else if (wait->replay) {
        start_replay(wait->hub, wait->request, &alerts[0]);
    } else {
        buffer_add_text(&body, wait->one ? "" : "{\"alerts\":[");
        for (size_t i = 0; i < count; i++) {
            buffer_add_text(&body, i ? "," : "");
            alert_add_json(&body, &alerts[i]);
        }
        buffer_add_text(&body, wait->one ? "" : "]}");
        http_respond_json(wait->request, 200, buffer_slice(&body));
    }
    free(wait);
}

static void find(struct hub *hub, struct http_request *request, const struct store_query *query,
                 bool replay) {
    struct page_wait *wait = memory_new(sizeof *wait);
    *wait = (struct page_wait){hub, request, query->id != 0, replay};
    hub->commits++;
    store_find_alerts(hub->store, query, on_found, wait);
}

void hub_post_alerts(struct hub *hub, struct http_request *request, const char *rest) {
    if (!hub_may_change(hub, request))
        return;
    size_t digits = strspn(rest, "0123456789");
    AUTO_FREE char *id = text_copy_n(rest, digits);
    struct store_query query = {.state = -1, .limit = 1};
    if (!rest[0])
        intake(hub, request);
    else if (strcmp(rest, "breaker") == 0)
        set_breaker(hub, request);
    else if (strcmp(rest, "ack") == 0)
        acknowledge(hub, request, 0);
    else if (strcmp(rest + digits, "/ack") == 0 && text_to_int(id, 1, INT64_MAX, &query.id) == 0)
        acknowledge(hub, request, query.id);
    else if (strcmp(rest + digits, "/replay") == 0 && text_to_int(id, 1, INT64_MAX, &query.id) == 0)
        find(hub, request, &query, true);
    else
        hub_problem(
            request, 404, "Not Found",
            "known are POST /v1/alerts, /v1/alerts/ID/replay, /v1/alerts/ID/ack, /v1/alerts/ack "
            "and /v1/alerts/breaker",
            -1);
}

static bool int_query(struct http_request *request, const char *name, int64_t max, int64_t *ret) {
    const char *text = http_request_query(request, name);
    return !text || text_to_int(text, 1, max, ret) == 0;
}

void hub_get_alerts(struct hub *hub, struct http_request *request, const char *rest) {
    struct store_query query = {.state = -1};
    int64_t limit = PAGE_USUAL;
    enum alert_state state;
    const char *word = http_request_query(request, "state");
    if (rest[0]) {
        query.limit = 1;
        if (text_to_int(rest, 1, INT64_MAX, &query.id) == 0)
            find(hub, request, &query, false);
        else
            hub_problem(request, 404, "Not Found", "an alert's id is a number", -1);
        return;
    }
    if (word && alert_state_from(word, &state) < 0) {
        hub_problem(request, 400, "Bad Request",
                    "state is one of waiting, sending, delivered, failed, unknown, silenced", -1);
        return;
    }
    if (!int_query(request, "limit", PAGE_MAX, &limit) ||
        !int_query(request, "before", INT64_MAX, &query.before)) {
        hub_problem(request, 400, "Bad Request",
                    "limit is a number from 1 to 500, before is the id of an alert", -1);
        return;
    }
    query.state = word ? (int)state : -1;
    query.limit = (uint32_t)limit;
    find(hub, request, &query, false);
}
