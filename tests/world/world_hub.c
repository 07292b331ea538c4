/* SPDX-License-Identifier: Apache-2.0 */
/* The hub in miniature: what src/hub/hub_gateway.c and hub_alerts.c do with sockets and a store,
 * done with the world's network and disk. The order of things is theirs. */
#include "engine/alerts.h"
#include "tests/world/world.h"
#include "wire/telegram.h"
#include <stdio.h>

enum { SEND_MS_MAX = 60000, POLL_EXTRA_MS = 10000 };

struct request { /* to the gateway engine; its number there is its place, from 1 */
    bool is_alert, flying;
    uint64_t call; /* of a consumer */
    int64_t alert;
    const struct gateway_event *came; /* while it is being handled */
};
struct alerts_ticket {
    uint64_t number;
    int64_t id;
};
struct hub {
    struct gateway *gateway;
    struct alerts *alerts;
    struct request *requests;
    size_t request_count;
    struct alerts_ticket *tickets; /* of the alerts engine; a commit's context is its place */
    size_t ticket_count;
    uint64_t flying[ALERT_PRIORITIES];          /* requests of alerts, 0: none */
    struct alert_place after[ALERT_PRIORITIES]; /* of the load under way */
    uint64_t poll;                              /* call, 0: none */
    bool link_down;
};

static void feed_gateway(struct world *w, const struct gateway_event *event);
static void feed_alerts(struct world *w, const struct alerts_event *event);

static struct request *request_of(struct world *w, uint64_t number) {
    must(number >= 1 && number <= w->hub->request_count);
    return &w->hub->requests[number - 1];
}

static uint64_t request_new(struct world *w) {
    struct hub *hub = w->hub;
    hub->requests = memory_grow(hub->requests, hub->request_count + 1, sizeof *hub->requests);
    hub->requests[hub->request_count] = (struct request){0};
    return ++hub->request_count;
}

static struct gateway_event event_of(enum gateway_on on, const struct answer *answer,
                                     struct telegram_answer *read) {
    struct gateway_event event = {.on = on, .outcome = answer->outcome};
    telegram_read_answer(answer->status, answer->body, read);
    event.class = read->class;
    event.description = answer->outcome != GATEWAY_ANSWERED ? answer->error : read->description;
    event.retry_after_s = read->retry_after_s >= 0 ? read->retry_after_s : answer->retry_after_s;
    if (answer->outcome == GATEWAY_ANSWERED && !read->description[0] && read->class != TELEGRAM_OK)
        event.description = "an answer that is not the Bot API's";
    return event;
}

/* ---- gateway: polling ---- */

static void on_polled(struct world *w, uint64_t context, const struct answer *answer) {
    struct hub *hub = w->hub;
    struct telegram_answer read;
    struct telegram_updates updates = {0};
    hub->poll = 0;
    struct gateway_event event = event_of(GATEWAY_ON_POLLED, answer, &read);
    if (event.outcome == GATEWAY_ANSWERED && event.class == TELEGRAM_OK &&
        telegram_read_updates(answer->body, &updates) < 0) {
        event.class = TELEGRAM_TRANSIENT;
        event.description = "getUpdates answered something that is not a list of updates";
    }
    event.updates = updates.list;
    event.update_count = updates.count;
    feed_gateway(w, &event);
    free(updates.list);
    bool works = event.outcome == GATEWAY_ANSWERED && event.class == TELEGRAM_OK;
    bool is_news = works && hub->link_down;
    hub->link_down = !works;
    if (is_news)
        feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_LINK_UP});
}

static void on_unhooked(struct world *w, uint64_t context, const struct answer *answer) {
    struct telegram_answer read;
    w->hub->poll = 0;
    struct gateway_event event = event_of(GATEWAY_ON_UNHOOKED, answer, &read);
    feed_gateway(w, &event);
}

static void do_poll(struct world *w, struct gateway_command *command) {
    struct buffer body = {0};
    buffer_print(&body, "{\"offset\":%lld,\"timeout\":%lld,\"limit\":100,\"allowed_updates\":",
                 (long long)command->offset, (long long)command->timeout_s);
    telegram_add_kinds(command->kinds, &body);
    buffer_add_text(&body, "}");
    w->hub->poll =
        net_call(w, (struct call){.from = HUB,
                                  .to = AT_TELEGRAM,
                                  .method = "POST",
                                  .path = "getUpdates",
                                  .body = buffer_take(&body),
                                  .total_ms_max = command->timeout_s * 1000 + POLL_EXTRA_MS,
                                  .answered = on_polled});
}

static void do_unhook(struct world *w, struct gateway_command *command) {
    w->hub->poll = net_call(w, (struct call){.from = HUB,
                                             .to = AT_TELEGRAM,
                                             .method = "POST",
                                             .path = "deleteWebhook",
                                             .body = text_copy("{}"),
                                             .total_ms_max = POLL_EXTRA_MS,
                                             .answered = on_unhooked});
}

static void do_stop_poll(struct world *w, struct gateway_command *command) {
    if (!w->hub->poll)
        return;
    net_find(w, w->hub->poll)->over = true;
    telegram_left(w, w->hub->poll);
    w->hub->poll = 0;
}

/* ---- gateway: disk, consumers, sends ---- */

static void on_gateway_stored(struct world *w, uint64_t context, int r) {
    feed_gateway(w, &(struct gateway_event){.on = GATEWAY_ON_STORED,
                                            .ticket = context,
                                            .r = r,
                                            .description = r < 0 ? strerror(-r) : ""});
}

static void do_persist(struct world *w, struct gateway_command *command) {
    disk_put(&w->disks[HUB], &command->records, on_gateway_stored, command->ticket, NULL);
}

static void do_answer(struct world *w, struct gateway_command *command) {
    uint64_t call = request_of(w, command->request)->call;
    net_find(w, call)->at_peer = 0;
    struct call *asked = net_find(w, call);
    asked->unsure |= checks_confirm_failed(w, (size_t)(asked->from - BOT));
    net_answer(w, call, 200, buffer_slice(&command->body), -1);
}

static void forget_alert(struct world *w, uint64_t request) {
    for (size_t i = 0; i < ALERT_PRIORITIES; i++)
        if (w->hub->flying[i] == request)
            w->hub->flying[i] = 0;
}

static void do_refuse(struct world *w, struct gateway_command *command) {
    struct request *request = request_of(w, command->request);
    if (request->is_alert) {
        forget_alert(w, command->request);
        return;
    }
    net_find(w, request->call)->at_peer = 0;
    net_answer(w, request->call, command->code, slice_of(command->text), command->retry_after_s);
}

static void do_send(struct world *w, struct gateway_command *command) {
    struct request *request = request_of(w, command->request);
    must(request->is_alert && !request->flying);
    feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_TURN, .id = request->alert});
}

static void sent_alert(struct world *w, uint64_t number, const struct gateway_event *event) {
    struct hub *hub = w->hub;
    int64_t id = request_of(w, number)->alert;
    const struct alert *alert = alerts_live(hub->alerts, id);
    AUTO_BUFFER struct buffer scratch = {0};
    bool more = alert && telegram_add_alert(alert, alert->part + 1, 1, NULL, &scratch);
    forget_alert(w, number);
    feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_SENT,
                                          .id = id,
                                          .outcome = event->outcome,
                                          .class = event->class,
                                          .description = event->description,
                                          .migrate_to = event->chat,
                                          .more = more});
}

static void do_pass(struct world *w, struct gateway_command *command) {
    const struct gateway_event *came = request_of(w, command->request)->came;
    if (came)
        sent_alert(w, command->request, came);
}

static void do_alarm(struct world *w, struct gateway_command *command) {
    AUTO_FREE char *key = text_format("gateway main %d", command->code);
    struct alert alert = {.priority = command->priority,
                          .type = (char *)"gateway",
                          .text = command->text,
                          .dedup_key = key};
    feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_INTAKE, .list = &alert, .count = 1});
}

typedef void carry_gateway(struct world *w, struct gateway_command *command);
static carry_gateway *const gateway_carriers[] = {
    [GATEWAY_DO_PERSIST] = do_persist, [GATEWAY_DO_UNHOOK] = do_unhook,
    [GATEWAY_DO_POLL] = do_poll,       [GATEWAY_DO_STOP_POLL] = do_stop_poll,
    [GATEWAY_DO_ANSWER] = do_answer,   [GATEWAY_DO_REFUSE] = do_refuse,
    [GATEWAY_DO_SEND] = do_send,       [GATEWAY_DO_PASS] = do_pass,
    [GATEWAY_DO_ALARM] = do_alarm,
};

static void feed_gateway(struct world *w, const struct gateway_event *event) {
    struct gateway_commands commands = {0};
    if (!world_is_up(w, HUB))
        return;
    gateway_step(w->hub->gateway, event, w->now, &commands);
    for (size_t i = 0; i < commands.count && !world_dies(w, HUB); i++)
        gateway_carriers[commands.list[i].what](w, &commands.list[i]);
    gateway_commands_deinit(&commands);
}

/* ---- alerts ---- */

static void on_alerts_stored(struct world *w, uint64_t context, int r) {
    struct alerts_ticket ticket = w->hub->tickets[context];
    feed_alerts(w, &(struct alerts_event){
                       .on = ALERTS_ON_STORED, .ticket = ticket.number, .id = ticket.id, .r = r});
}

static void alerts_persist(struct world *w, struct alerts_command *command) {
    struct hub *hub = w->hub;
    hub->tickets = memory_grow(hub->tickets, hub->ticket_count + 1, sizeof *hub->tickets);
    hub->tickets[hub->ticket_count] = (struct alerts_ticket){command->ticket, command->id};
    disk_put(&w->disks[HUB], &command->records, on_alerts_stored, hub->ticket_count++, NULL);
}

static void alerts_accept(struct world *w, struct alerts_command *command) {
    struct call *call = net_find(w, command->request);
    call->at_peer = 0;
    checks_accepted(w, command->ids, command->id_count, call->text);
    net_answer(w, command->request, 202, slice_of("{}"), -1);
}

static void alerts_refuse(struct world *w, struct alerts_command *command) {
    net_find(w, command->request)->at_peer = 0;
    net_answer(w, command->request, command->code, slice_of(command->text), command->retry_after_s);
}

static void alerts_queue(struct world *w, struct alerts_command *command) {
    struct hub *hub = w->hub;
    uint64_t number = request_new(w);
    must(!hub->flying[command->priority]);
    request_of(w, number)->is_alert = true;
    request_of(w, number)->alert = command->id;
    hub->flying[command->priority] = number;
    const struct alert *alert = alerts_live(hub->alerts, command->id);
    int64_t chat = alert && alert->chat ? alert->chat : alerts_chat(hub->alerts);
    feed_gateway(w, &(struct gateway_event){.on = GATEWAY_ON_SEND,
                                            .request = number,
                                            .chat = chat,
                                            .priority = command->priority,
                                            .budget = GATEWAY_MESSAGE,
                                            .raw = true});
}

static uint64_t flying_of(struct world *w, int64_t alert) {
    for (size_t i = 0; i < ALERT_PRIORITIES; i++)
        if (w->hub->flying[i] && request_of(w, w->hub->flying[i])->alert == alert)
            return w->hub->flying[i];
    return 0;
}

/* Back to the gateway as if it had been sent and answered. */
static void alerts_cancel(struct world *w, struct alerts_command *command) {
    uint64_t number = flying_of(w, command->id);
    must(number);
    forget_alert(w, number);
    request_of(w, number)->came = NULL;
    feed_gateway(w, &(struct gateway_event){.on = GATEWAY_ON_SENT,
                                            .request = number,
                                            .outcome = GATEWAY_ANSWERED,
                                            .class = TELEGRAM_BENIGN,
                                            .description = ""});
}

static void on_sent(struct world *w, uint64_t number, const struct answer *answer) {
    struct telegram_answer read;
    struct gateway_event event = event_of(GATEWAY_ON_SENT, answer, &read);
    event.request = number;
    struct gateway_event told = event;
    told.chat = read.migrate_to;
    request_of(w, number)->flying = false;
    request_of(w, number)->came = &told;
    feed_gateway(w, &event);
}

static void alerts_send(struct world *w, struct alerts_command *command) {
    struct buffer body = {0};
    uint64_t number = flying_of(w, command->id);
    must(number);
    if (command->other_count)
        telegram_add_alerts(command->alert, command->others, command->other_count, command->chat,
                            NULL, &body);
    else
        must(telegram_add_alert(command->alert, command->alert->part, command->chat, NULL, &body));
    request_of(w, number)->flying = true;
    net_call(w, (struct call){.from = HUB,
                              .to = AT_TELEGRAM,
                              .method = "POST",
                              .path = "sendMessage",
                              .body = buffer_take(&body),
                              .total_ms_max = SEND_MS_MAX,
                              .answered = on_sent,
                              .context = number});
}

static void on_loaded(struct world *w, uint64_t context, int r) {
    enum alert_priority priority = (enum alert_priority)(context & 3);
    size_t limit = (size_t)(context >> 2);
    struct alert *list = NULL;
    size_t count = disk_queue(&w->disks[HUB], priority, w->hub->after[priority], &list);
    feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_LOADED,
                                          .r = r,
                                          .priority = priority,
                                          .list = list,
                                          .count = count < limit ? count : limit});
    free(list);
}

static void alerts_load(struct world *w, struct alerts_command *command) {
    struct records none = {0};
    w->hub->after[command->priority] = command->after;
    disk_put(&w->disks[HUB], &none, on_loaded,
             (uint64_t)command->limit << 2 | (uint64_t)command->priority, NULL);
}

typedef void carry_alerts(struct world *w, struct alerts_command *command);
static carry_alerts *const alerts_carriers[] = {
    [ALERTS_DO_PERSIST] = alerts_persist, [ALERTS_DO_ACCEPT] = alerts_accept,
    [ALERTS_DO_REFUSE] = alerts_refuse,   [ALERTS_DO_QUEUE] = alerts_queue,
    [ALERTS_DO_SEND] = alerts_send,       [ALERTS_DO_CANCEL] = alerts_cancel,
    [ALERTS_DO_LOAD] = alerts_load,
};

static void feed_alerts(struct world *w, const struct alerts_event *event) {
    struct alerts_commands commands = {0};
    if (!world_is_up(w, HUB))
        return;
    alerts_step(w->hub->alerts, event, w->now, &commands);
    for (size_t i = 0; i < commands.count && !world_dies(w, HUB); i++)
        alerts_carriers[commands.list[i].what](w, &commands.list[i]);
    alerts_commands_deinit(&commands);
}

/* ---- what comes in ---- */

bool hub_arrive(struct world *w, uint64_t number) {
    if (!world_is_up(w, HUB))
        return false;
    struct call *call = net_find(w, number);
    if (strcmp(call->path, "alerts") == 0) {
        struct alert alert = {.priority = call->priority,
                              .text = call->text,
                              .type = call->type,
                              .service = (char *)program_names[call->from],
                              .dedup_key = call->key,
                              .group = (char *)(call->from == TRADER ? "" : NULL)};
        call->at_peer = number;
        feed_alerts(w, &(struct alerts_event){
                           .on = ALERTS_ON_INTAKE, .request = number, .list = &alert, .count = 1});
        return true;
    }
    uint64_t request = call->at_peer = request_new(w);
    world_trace(w, "getUpdates of %s arrives: offset %lld, timeout %lld", program_names[call->from],
                (long long)call->offset, (long long)call->timeout_s);
    request_of(w, request)->call = number;
    feed_gateway(w, &(struct gateway_event){.on = GATEWAY_ON_ASK,
                                            .request = request,
                                            .consumer = program_names[call->from],
                                            .offset = call->offset,
                                            .limit = 100,
                                            .timeout_s = call->timeout_s});
    return true;
}

void hub_gone(struct world *w, uint64_t number) {
    struct call *call = net_find(w, number);
    if (call->at_peer && strcmp(call->path, "getUpdates") == 0)
        feed_gateway(w, &(struct gateway_event){.on = GATEWAY_ON_GONE, .request = call->at_peer});
}

/* Somebody says that all CRITICAL alerts are known. */
void hub_acknowledge(struct world *w) {
    if (!world_is_up(w, HUB))
        return;
    world_trace(w, "a person acknowledges all alerts");
    feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_ACK, .by = "Ann"});
}

/* ---- start and end ---- */

static void restore(struct world *w, const struct record *record) {
    alerts_restore(w->hub->alerts, record, w->now);
    if (record->bot)
        gateway_restore(w->hub->gateway, record);
}

static void start(struct world *w) {
    struct gateway_options gateway = gateway_options_default();
    struct alerts_options alerts = alerts_options_default();
    struct hub *hub = w->hub = memory_new(sizeof *w->hub);
    gateway.bot = "main";
    gateway.account = 1001;
    gateway.seed = dice(w, UINT32_MAX);
    alerts.chat = OWNER_CHAT;
    alerts.seed = dice(w, UINT32_MAX);
    alerts.window = 2 + dice(w, 3);
    alerts.repeat_ms = 10000;
    hub->gateway = gateway_new(&gateway);
    hub->alerts = alerts_new(&alerts);
    disk_load(&w->disks[HUB], restore);
    for (size_t i = 0; i < READERS; i++)
        gateway_declare(hub->gateway, program_names[BOT + i]);
    feed_gateway(w, &(struct gateway_event){.on = GATEWAY_ON_START});
    feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_START});
}

static void crash(struct world *w) {
    if (!w->hub)
        return;
    gateway_free(w->hub->gateway);
    alerts_free(w->hub->alerts);
    free(w->hub->requests);
    free(w->hub->tickets);
    free(w->hub);
    w->hub = NULL;
}

static int64_t next_ms(struct world *w) {
    int64_t gateway = gateway_next_ms(w->hub->gateway);
    int64_t alerts = alerts_next_ms(w->hub->alerts, w->now);
    return gateway < alerts ? gateway : alerts;
}

static void due(struct world *w) {
    if (gateway_next_ms(w->hub->gateway) <= w->now)
        feed_gateway(w, &(struct gateway_event){.on = GATEWAY_ON_TIMER});
    if (world_is_up(w, HUB) && alerts_next_ms(w->hub->alerts, w->now) <= w->now)
        feed_alerts(w, &(struct alerts_event){.on = ALERTS_ON_TIMER});
}

char *hub_unrest(struct world *w) {
    struct alerts_figures figures;
    alerts_figures(w->hub->alerts, w->now, &figures);
    for (size_t i = 0; i < ALERT_PRIORITIES; i++)
        if (figures.ways[0].waiting[i] > 0)
            return text_format("%zu alerts wait; %s", figures.ways[0].waiting[i],
                               figures.ways[0].problem);
    struct gateway_figures gateway;
    gateway_figures(w->hub->gateway, &gateway);
    if (gateway.held > 0)
        return text_format("%zu updates are held; %s", gateway.held, gateway.problem);
    return NULL;
}

const struct program_rules hub_rules = {start, crash, next_ms, due};
