/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out what the gateway engines say. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/telegram.h"
#include <stdio.h>

enum {
    CALL_MS_MAX = 60000,
    POLL_EXTRA_MS = 10000,
    UPLOAD_MS_MAX = 3600000,
    UPLOAD_SILENCE_MS_MAX = 120000, /* the other side thinks about it before it answers */
    ANSWER_BYTES_MAX = 16 << 20,    /* of a method; files are larger */
    RETRY_AFTER_S_MAX = 86400
};

struct ticket { /* a commit that an engine waits for */
    struct hub_bot *bot;
    uint64_t number;
};

struct exchange *exchange_new(enum exchange_kind kind, struct hub_bot *bot) {
    struct exchange *exchange = memory_new(sizeof *exchange);
    exchange->kind = kind;
    exchange->bot = bot;
    exchange->next = bot->exchanges;
    if (exchange->next)
        exchange->next->place = &exchange->next;
    exchange->place = &bot->exchanges;
    bot->exchanges = exchange;
    return exchange;
}

void exchange_free(struct exchange *exchange) {
    *exchange->place = exchange->next;
    if (exchange->next)
        exchange->next->place = exchange->place;
    free(exchange->method);
    free(exchange->press);
    free(exchange->content_type);
    buffer_deinit(&exchange->body);
    free(exchange);
}

static uint64_t number_of(const struct exchange *exchange) {
    return (uint64_t)(uintptr_t)exchange;
}

static struct exchange *exchange_of(uint64_t number) {
    return (struct exchange *)(uintptr_t)number;
}

void bot_add_url(const struct hub_bot *bot, const char *folder, struct buffer *ret) {
    buffer_print(ret, "%s%s/bot%s/", bot->config->api_url, folder, bot->config->token.value);
}

static enum gateway_outcome outcome_of(const struct http_answer *answer) {
    return answer->outcome == HTTP_ANSWERED   ? GATEWAY_ANSWERED
           : answer->outcome == HTTP_NOT_SENT ? GATEWAY_NOT_SENT
                                              : GATEWAY_UNKNOWN;
}

/* What came back, as the engine wants to hear it. `read` keeps the description. */
static struct gateway_event event_of(enum gateway_on on, const struct http_answer *answer,
                                     struct telegram_answer *read) {
    struct gateway_event event = {.on = on, .outcome = outcome_of(answer)};
    telegram_read_answer(answer->status, answer->body, read);
    event.class = read->class;
    event.description = answer->outcome != HTTP_ANSWERED ? answer->error : read->description;
    event.retry_after_s = read->retry_after_s >= 0 ? read->retry_after_s : answer->retry_after_s;
    if (event.retry_after_s > RETRY_AFTER_S_MAX) /* nobody means more than a day */
        event.retry_after_s = RETRY_AFTER_S_MAX;
    if (answer->outcome == HTTP_ANSWERED && !read->description[0] && read->class != TELEGRAM_OK)
        event.description = "an answer that is not the Bot API's";
    return event;
}

/* ---- polling ---- */

static void on_polled(void *context, const struct http_answer *answer) {
    struct hub_bot *bot = context;
    struct telegram_answer read;
    struct telegram_updates updates = {0};
    bot->poll = NULL;
    struct gateway_event event = event_of(GATEWAY_ON_POLLED, answer, &read);
    if (event.outcome == GATEWAY_ANSWERED && event.class == TELEGRAM_OK &&
        telegram_read_updates(answer->body, &updates) < 0) {
        event.class = TELEGRAM_TRANSIENT;
        event.description = "getUpdates answered something that is not a list of updates";
    }
    event.wall_ms = clock_wall_ms();
    event.updates = updates.list;
    event.update_count = updates.count;
    gateway_feed(bot, &event);
    free(updates.list);
    bool works = event.outcome == GATEWAY_ANSWERED && event.class == TELEGRAM_OK;
    /* News only when it did not work before: polls may go well while sends are refused. */
    bool is_news = works && bot->link_down;
    bot->link_down = !works;
    if (is_news && bot == bot->hub->alerts_bot)
        alerts_feed(bot->hub, &(struct alerts_event){.on = ALERTS_ON_LINK_UP});
}

static void on_unhooked(void *context, const struct http_answer *answer) {
    struct hub_bot *bot = context;
    struct telegram_answer read;
    bot->poll = NULL;
    struct gateway_event event = event_of(GATEWAY_ON_UNHOOKED, answer, &read);
    gateway_feed(bot, &event);
}

static void call_for_us(struct hub_bot *bot, const char *method, const struct buffer *body,
                        int64_t total_ms, http_answered *answered) {
    AUTO_BUFFER struct buffer url = {0};
    bot_add_url(bot, "", &url);
    buffer_add_text(&url, method);
    struct http_call_options options = {.method = "POST",
                                        .url = url.data,
                                        .body = buffer_slice(body),
                                        .content_type = "application/json",
                                        .proxy = bot->config->proxy,
                                        .total_ms_max = total_ms,
                                        .answer_bytes_max = ANSWER_BYTES_MAX};
    http_call_start(bot->hub->client, &options, answered, bot, &bot->poll);
}

static void do_poll(struct hub_bot *bot, struct gateway_command *command) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_print(&body, "{\"offset\":%lld,\"timeout\":%lld,\"limit\":%d,\"allowed_updates\":",
                 (long long)command->offset, (long long)command->timeout_s, GATEWAY_POLL_LIMIT);
    telegram_add_kinds(command->kinds, &body);
    buffer_add_text(&body, "}");
    call_for_us(bot, "getUpdates", &body, command->timeout_s * 1000 + POLL_EXTRA_MS, on_polled);
}

static void do_unhook(struct hub_bot *bot, struct gateway_command *command) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{}");
    call_for_us(bot, "deleteWebhook", &body, POLL_EXTRA_MS, on_unhooked);
}

static void do_stop_poll(struct hub_bot *bot, struct gateway_command *command) {
    if (bot->poll)
        http_call_cancel(bot->poll);
    bot->poll = NULL;
}

void gateway_stop_polls(struct hub *hub) {
    for (size_t i = 0; i < hub->bot_count; i++)
        do_stop_poll(&hub->bots[i], NULL);
}

/* ---- the disk ---- */

static void on_stored(void *context, int r) {
    struct ticket *ticket = context;
    ticket->bot->hub->commits--;
    gateway_feed(ticket->bot,
                 &(struct gateway_event){.on = GATEWAY_ON_STORED,
                                         .ticket = ticket->number,
                                         .r = r,
                                         .description = r < 0 ? record_unkept_why(r) : ""});
    free(ticket);
}

static void do_persist(struct hub_bot *bot, struct gateway_command *command) {
    struct ticket *ticket = memory_new(sizeof *ticket);
    *ticket = (struct ticket){bot, command->ticket};
    hub_persist(bot->hub, &command->records, on_stored, ticket);
}

/* ---- consumers ---- */

static void on_gone(void *context) {
    struct exchange *exchange = context;
    gateway_feed(exchange->bot,
                 &(struct gateway_event){.on = GATEWAY_ON_GONE, .request = number_of(exchange)});
}

void gateway_start_call(struct exchange *exchange) {
    http_request_on_gone(exchange->request, on_gone, exchange);
}

static void do_answer(struct hub_bot *bot, struct gateway_command *command) {
    struct exchange *exchange = exchange_of(command->request);
    if (exchange->kind == EXCHANGE_OWN) {
        struct webhook *webhook = exchange->webhook;
        exchange_free(exchange);
        if (webhook)
            webhook_updates(webhook, buffer_slice(&command->body));
        else
            buttons_updates(bot, buffer_slice(&command->body));
        return;
    }
    if (exchange->done)
        telegram_say_done(exchange->request, exchange->done);
    else
        http_respond_json(exchange->request, 200, buffer_slice(&command->body));
    static const char updates[] = "{\"ok\":true,\"result\":[";
    if (command->body.size > sizeof updates + 1 &&
        memcmp(command->body.data, updates, sizeof updates - 1) == 0)
        bot->hub->given_ms = clock_ms();
    exchange_free(exchange);
}

static void refuse_own(struct hub_bot *bot, struct exchange *exchange,
                       const struct gateway_command *command) {
    if (exchange->webhook) {
        webhook_refused(exchange->webhook, command->text);
        return;
    }
    log_warning("%s: %s of our own was not done: %s", bot->config->name,
                exchange->method ? exchange->method : "reading presses", command->text);
    if (exchange->press)
        buttons_called(TAKE(exchange->press), NULL);
    else if (!exchange->method)
        buttons_refused(bot);
}

static void do_refuse(struct hub_bot *bot, struct gateway_command *command) {
    struct exchange *exchange = exchange_of(command->request);
    if (exchange->kind == EXCHANGE_CALL)
        hub_respond_error(exchange->request, command->code, command->text, command->retry_after_s);
    else if (exchange->kind == EXCHANGE_OWN)
        refuse_own(bot, exchange, command);
    else
        alerts_forget(exchange); /* the hub stops; the alert is on disk */
    exchange_free(exchange);
}

void gateway_on_answer(void *context, const struct http_answer *answer) {
    struct exchange *exchange = context;
    struct hub_bot *bot = exchange->bot;
    struct telegram_answer read;
    struct gateway_event event = event_of(GATEWAY_ON_SENT, answer, &read);
    event.request = number_of(exchange);
    exchange->answer = answer;
    exchange->flying = false;
    struct gateway_event told = event;
    told.chat = read.migrate_to;
    exchange->came = exchange->kind == EXCHANGE_ALERT ? &told : NULL;
    gateway_feed(bot, &event);
}

static void do_send(struct hub_bot *bot, struct gateway_command *command) {
    struct exchange *exchange = exchange_of(command->request);
    exchange->answer = NULL;
    exchange->came = NULL;
    if (exchange->kind == EXCHANGE_ALERT && !exchange->flying) {
        alerts_turn(exchange);
        return;
    }
    struct http_request *request = exchange->request;
    AUTO_BUFFER struct buffer url = {0};
    bot_add_url(bot, "", &url);
    buffer_add_text(&url, exchange->method);
    exchange->flying = true;
    if (exchange->kind == EXCHANGE_OWN) {
        struct http_call_options own = {
            .method = "POST",
            .url = url.data,
            .body = buffer_slice(&exchange->body),
            .content_type = exchange->content_type ? exchange->content_type : "application/json",
            .proxy = bot->config->proxy,
            .total_ms_max = CALL_MS_MAX,
            .answer_bytes_max = ANSWER_BYTES_MAX};
        http_call_start(bot->hub->client, &own, gateway_on_answer, exchange, NULL);
        return;
    }
    const char *query = http_request_raw_query(request);
    if (query[0])
        buffer_print(&url, "?%s", query);
    const struct http_file *file = http_request_file(request);
    struct http_call_options options = {.method = http_request_method(request),
                                        .url = url.data,
                                        .body = http_request_body(request),
                                        .file = file,
                                        .content_type =
                                            http_request_header(request, "Content-Type"),
                                        .proxy = bot->config->proxy,
                                        .total_ms_max = file ? UPLOAD_MS_MAX : CALL_MS_MAX,
                                        .silence_ms_max = file ? UPLOAD_SILENCE_MS_MAX : 0,
                                        .answer_bytes_max = ANSWER_BYTES_MAX};
    http_call_start(bot->hub->client, &options, gateway_on_answer, exchange, NULL);
}

/* The answer as it came, byte for byte. */
static void do_pass(struct hub_bot *bot, struct gateway_command *command) {
    struct exchange *exchange = exchange_of(command->request);
    const struct http_answer *answer = exchange->answer;
    if (exchange->kind == EXCHANGE_OWN) {
        if (exchange->press)
            buttons_called(TAKE(exchange->press), answer->status == 200 ? &answer->body : NULL);
        else if (answer->status != 200)
            log_warning("%s: %s of our own was not done: HTTP %d", bot->config->name,
                        exchange->method, answer->status);
    } else if (exchange->kind == EXCHANGE_CALL) {
        char seconds[24] = "";
        struct http_header header = {"Retry-After", seconds};
        if (answer->retry_after_s >= 0)
            (void)!snprintf(seconds, sizeof seconds, "%lld", (long long)answer->retry_after_s);
        http_respond(exchange->request,
                     &(struct http_response){
                         .status = answer->status,
                         .content_type = answer->content_type[0] ? answer->content_type : NULL,
                         .body = answer->body,
                         .headers = &header,
                         .header_count = seconds[0] ? 1 : 0});
    } else if (exchange->came) {
        /* After the gateway has learnt of a 429, and before it lets the next one go. */
        alerts_sent(exchange, exchange->came);
    }
    exchange_free(exchange);
}

static void do_alarm(struct hub_bot *bot, struct gateway_command *command) {
    AUTO_FREE char *key = text_format("gateway %s %d", bot->config->name, command->code);
    hub_alert(bot->hub, command->priority, "gateway", NULL, command->text, key);
}

typedef void carry(struct hub_bot *bot, struct gateway_command *command);
static carry *const carriers[] = {
    [GATEWAY_DO_PERSIST] = do_persist, [GATEWAY_DO_UNHOOK] = do_unhook,
    [GATEWAY_DO_POLL] = do_poll,       [GATEWAY_DO_STOP_POLL] = do_stop_poll,
    [GATEWAY_DO_ANSWER] = do_answer,   [GATEWAY_DO_REFUSE] = do_refuse,
    [GATEWAY_DO_SEND] = do_send,       [GATEWAY_DO_PASS] = do_pass,
    [GATEWAY_DO_ALARM] = do_alarm,
};

/* A change for better or worse is logged once. */
static void log_problem(struct hub_bot *bot) {
    const char *problem = gateway_problem(bot->gateway);
    if (strcmp(problem, bot->problem ? bot->problem : "") == 0)
        return;
    hub_health_changed(bot->hub);
    if (problem[0])
        log_warning("gateway %s: %s", bot->config->name, problem);
    else
        log_info("gateway %s: all is well again", bot->config->name);
    free(bot->problem);
    bot->problem = text_copy(problem);
}

static void log_old(struct hub_bot *bot) {
    uint64_t old = gateway_old(bot->gateway);
    if (old == bot->old_told)
        return;
    log_info("gateway %s: %llu updates were older than bots.%s.old_after and were let go",
             bot->config->name, (unsigned long long)(old - bot->old_told), bot->config->name);
    bot->old_told = old;
}

void gateway_feed(struct hub_bot *bot, const struct gateway_event *event) {
    struct gateway_commands commands = {0};
    gateway_step(bot->gateway, event, hub_now(bot->hub), &commands);
    for (size_t i = 0; i < commands.count; i++)
        carriers[commands.list[i].what](bot, &commands.list[i]);
    gateway_commands_deinit(&commands);
    log_old(bot);
    if (event->on == GATEWAY_ON_POLLED || event->on == GATEWAY_ON_UNHOOKED ||
        event->on == GATEWAY_ON_STORED)
        log_problem(bot);
}
