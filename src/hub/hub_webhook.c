/* SPDX-License-Identifier: Apache-2.0 */
/* Local webhooks: a bot that said setWebhook is given its updates by POST, one at a time and in
 * order. Here a webhook is a program that reads with getUpdates for the bot: it confirms an update
 * with the next question, which it asks when the bot has answered 2xx, so the gateway's promises
 * hold for it as they do for all others. */
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "hub/hub.h"
#include "policy/backoff.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"
#include <stdio.h>

enum {
    POLL_S = 50,
    CALL_MS_MAX = 60000,         /* as Telegram waits for an answer */
    ANSWER_BYTES_MAX = 16 << 20, /* it may be a method call, with a file */
    RETRY_AFTER_S_MAX = 3600,
    REFUSED_AGAIN_MS = 60000,
    METHOD_BYTES_MAX = 64
};
static const struct backoff pauses = {.first_ms = 500, .max_ms = 60000, .min_ms = 250};

struct webhook {
    struct webhook *next;
    struct hub_bot *bot;
    char *consumer;
    struct telegram_webhook to;
    bool has_asked;         /* its kinds are with the gateway */
    int64_t offset;         /* all before it is confirmed, or is with the next question */
    bool asking_last;       /* it confirms before the hub ends */
    bool asking;            /* a question is with the gateway */
    struct http_call *call; /* the update is on its way to the bot */
    char *update;           /* to be delivered; NULL: none */
    int64_t id;             /* of it */
    int64_t due_ms;         /* hub_now(): nothing is done before; 0: at once */
    uint32_t failures;      /* in a row */
    int64_t failed_ms;      /* wall clock; 0: never */
    char *problem;          /* the last failure, NULL: there was none */
    bool over;              /* it was replaced or deleted: freed when no question is out */
};

static struct webhook *find(const struct hub_bot *bot, const char *consumer) {
    for (struct webhook *hook = bot->hub->webhooks; hook; hook = hook->next)
        if (!hook->over && hook->bot == bot && strcmp(hook->consumer, consumer) == 0)
            return hook;
    return NULL;
}

bool webhook_is_set(const struct hub_bot *bot, const char *consumer) {
    return find(bot, consumer) != NULL;
}

static struct webhook *add(struct hub_bot *bot, const char *consumer,
                           const struct telegram_webhook *to) {
    struct webhook *hook = memory_new(sizeof *hook);
    *hook = (struct webhook){.next = bot->hub->webhooks,
                             .bot = bot,
                             .consumer = text_copy(consumer),
                             .to = {.url = text_copy(to->url),
                                    .secret = text_copy(to->secret),
                                    .max_connections = to->max_connections,
                                    .kinds = to->kinds}};
    bot->hub->webhooks = hook;
    gateway_declare(bot->gateway, consumer); /* it is not forgotten, however long the bot is away */
    return hook;
}

static void free_one(struct webhook **place) {
    struct webhook *hook = *place;
    *place = hook->next;
    telegram_webhook_deinit(&hook->to);
    free(hook->consumer);
    free(hook->update);
    free(hook->problem);
    free(hook);
}

void webhooks_close(struct hub *hub) {
    while (hub->webhooks)
        free_one(&hub->webhooks);
}

/* What is on its way to the bot is not waited for: it stays unconfirmed. */
static void stop(struct webhook *hook) {
    if (hook->call) {
        http_call_cancel(hook->call);
        hook->bot->hub->works--;
    }
    hook->call = NULL;
    hook->over = true;
}

/* ---- questions ---- */

static void ask(struct webhook *hook, int64_t timeout_s) {
    struct exchange *exchange = exchange_new(EXCHANGE_OWN, hook->bot);
    exchange->webhook = hook;
    hook->asking = true;
    struct gateway_event event = {.on = GATEWAY_ON_ASK,
                                  .request = (uint64_t)(uintptr_t)exchange,
                                  .consumer = hook->consumer,
                                  .offset = hook->offset,
                                  .limit = 1,
                                  .timeout_s = timeout_s,
                                  .has_kinds = !hook->has_asked && hook->to.kinds,
                                  .kinds = hook->to.kinds};
    hook->has_asked = true;
    gateway_feed(hook->bot, &event);
}

void webhook_updates(struct webhook *hook, struct slice answer) {
    struct telegram_updates updates = {0};
    hook->asking = hook->asking_last = false;
    hook->due_ms = 0;
    if (hook->over)
        return;
    if (telegram_read_updates(answer, &updates) == 0 && updates.count > 0) { /* one */
        hook->update = text_copy_n(updates.list[0].raw.data, updates.list[0].raw.size);
        hook->id = updates.list[0].id;
    }
    free(updates.list);
}

void webhook_refused(struct webhook *hook, const char *why) {
    hook->asking = false;
    if (hook->over) /* its successor has asked */
        return;
    hook->due_ms = hub_now(hook->bot->hub) + REFUSED_AGAIN_MS;
    log_warning("%s: the webhook of %s is given no updates: %s", hook->bot->config->name,
                hook->consumer, why);
}

/* ---- delivery ---- */

/* The gateway is asked for it again, when it is tried again: by then it may be too old. */
static void failed(struct webhook *hook, const char *why, int64_t retry_after_s) {
    struct hub *hub = hook->bot->hub;
    free(hook->update);
    hook->update = NULL;
    int64_t wait = backoff_ms(&pauses, ++hook->failures, hub->seed ^ (uint64_t)hook->id);
    if (retry_after_s > RETRY_AFTER_S_MAX)
        retry_after_s = RETRY_AFTER_S_MAX;
    if (retry_after_s > 0)
        wait = retry_after_s * 1000;
    hook->due_ms = hub_now(hub) + wait;
    hook->failed_ms = clock_wall_ms();
    if (hook->failures == 1 || strcmp(hook->problem, why) != 0)
        log_warning("%s: the webhook of %s did not take update %lld: %s; it is tried again",
                    hook->bot->config->name, hook->consumer, (long long)hook->id, why);
    free(hook->problem);
    hook->problem = text_copy(why);
}

static void delivered(struct webhook *hook) {
    if (hook->failures > 0)
        log_info("%s: the webhook of %s takes updates again", hook->bot->config->name,
                 hook->consumer);
    hook->failures = 0;
    free(hook->update);
    hook->update = NULL;
    hook->offset = hook->id + 1;
    if (hook->bot->hub->draining && !hook->asking) { /* confirmed still, and nothing new taken */
        hook->asking_last = true;
        ask(hook, 0);
    }
}

static bool is_method(const char *name) {
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return size > 0 && size <= METHOD_BYTES_MAX && !name[size];
}

/* A bot may answer with a method call, of which it then hears no more, as at Telegram. */
static void carry_out(struct webhook *hook, const struct http_answer *answer) {
    AUTO_BUFFER struct buffer method = {0};
    if (answer->body.size == 0 ||
        !telegram_body_param(answer->content_type, answer->body, "method", &method) || !method.data)
        return;
    if (is_method(method.data))
        telegram_call(hook->bot, method.data, answer->content_type, answer->body);
    else
        log_warning("%s: the webhook of %s answered with a method that is none",
                    hook->bot->config->name, hook->consumer);
}

static void on_answer(void *context, const struct http_answer *answer) {
    struct webhook *hook = context;
    char status[64];
    hook->call = NULL;
    hook->bot->hub->works--;
    if (answer->outcome == HTTP_ANSWERED && answer->status / 100 == 2) {
        carry_out(hook, answer);
        delivered(hook);
        return;
    }
    snprintf(status, sizeof status, "Wrong response from the webhook: HTTP %d", answer->status);
    failed(hook, answer->outcome == HTTP_ANSWERED ? status : answer->error, answer->retry_after_s);
}

static void deliver(struct webhook *hook) {
    struct hub *hub = hook->bot->hub;
    struct http_header header = {"X-Telegram-Bot-Api-Secret-Token",
                                 hook->to.secret ? hook->to.secret : ""};
    struct http_call_options options = {.method = "POST",
                                        .url = hook->to.url,
                                        .headers = &header,
                                        .header_count = hook->to.secret != NULL,
                                        .body = slice_of(hook->update),
                                        .content_type = "application/json",
                                        .total_ms_max = CALL_MS_MAX,
                                        .answer_bytes_max = ANSWER_BYTES_MAX};
    hub->works++;
    hub->given_ms = clock_ms();
    http_call_start(hub->client, &options, on_answer, hook, &hook->call);
}

void webhooks_turn(struct hub *hub) {
    int64_t now = hub_now(hub);
    for (struct webhook **place = &hub->webhooks, *hook; (hook = *place);) {
        if (hook->over && !hook->asking) {
            free_one(place);
            continue;
        }
        place = &hook->next;
        if (hub->draining || hook->over || hook->asking || hook->call || hook->due_ms > now)
            continue;
        if (hook->update)
            deliver(hook);
        else
            ask(hook, POLL_S);
    }
}

bool webhooks_deliver(const struct hub *hub) {
    for (const struct webhook *hook = hub->webhooks; hook; hook = hook->next)
        if (hook->call || hook->asking_last)
            return true;
    return false;
}

int64_t webhooks_next_ms(const struct hub *hub) {
    int64_t next = INT64_MAX;
    for (const struct webhook *hook = hub->webhooks; hook && !hub->draining; hook = hook->next)
        if (!hook->over && !hook->asking && !hook->call && hook->due_ms < next)
            next = hook->due_ms;
    return next;
}

/* ---- the API's methods ---- */

struct setting { /* waits for the disk */
    struct hub_bot *bot;
    char *consumer;
    struct http_request *request;
    struct telegram_webhook to; /* no url: it is deleted */
    bool drops, was_set;
};

static void answer(const struct setting *setting) {
    const char *description = setting->to.url    ? "Webhook was set"
                              : setting->was_set ? "Webhook was deleted"
                                                 : "Webhook is already deleted";
    if (setting->drops)
        telegram_drop(setting->bot, setting->consumer, setting->request, description);
    else
        telegram_say_done(setting->request, description);
}

static void take_effect(const struct setting *setting) {
    struct webhook *former = find(setting->bot, setting->consumer);
    if (former)
        stop(former);
    answer(setting); /* before the first question: what is dropped is not delivered */
    if (!setting->to.url)
        return;
    struct webhook *hook = add(setting->bot, setting->consumer, &setting->to);
    hook->offset = former ? former->offset : 0;
    log_info("%s: updates for %s go to its webhook", setting->bot->config->name, setting->consumer);
}

static void on_kept(void *context, int r) {
    struct setting *setting = context;
    setting->bot->hub->commits--;
    if (r == 0)
        take_effect(setting);
    else
        hub_respond_error(setting->request, 500,
                          "Internal Server Error: the webhook could not be written to the disk; "
                          "nothing was changed",
                          -1);
    telegram_webhook_deinit(&setting->to);
    free(setting->consumer);
    free(setting);
}

void webhook_set(struct hub_bot *bot, const char *consumer, struct http_request *request,
                 const struct webhook_wish *wish) {
    const char *wrong = wish->to.url ? telegram_webhook_check(&wish->to) : NULL;
    if (wrong) {
        hub_respond_error(request, 400, wrong, -1);
        return;
    }
    struct setting *setting = memory_new(sizeof *setting);
    *setting = (struct setting){.bot = bot,
                                .consumer = text_copy(consumer),
                                .request = request,
                                .drops = wish->drops,
                                .was_set = webhook_is_set(bot, consumer)};
    struct records records = {0};
    struct record *record =
        records_add(&records, wish->to.url ? RECORD_WEBHOOK : RECORD_WEBHOOK_DROP);
    record->bot = text_copy(bot->config->name);
    record->consumer = text_copy(consumer);
    if (wish->to.url) {
        AUTO_BUFFER struct buffer json = {0};
        setting->to = (struct telegram_webhook){.url = text_copy(wish->to.url),
                                                .secret = text_copy(wish->to.secret),
                                                .max_connections = wish->to.max_connections,
                                                .kinds = wish->to.kinds};
        telegram_webhook_add(&wish->to, &json);
        record->body_bytes = json.size;
        record->body = buffer_take(&json);
    }
    hub_persist(bot->hub, &records, on_kept, setting);
}

void webhook_restore(struct hub_bot *bot, const struct record *record) {
    struct telegram_webhook to;
    if (!telegram_webhook_read((struct slice){record->body, record->body_bytes}, &to)) {
        log_warning("%s: the webhook of %s on disk cannot be read and is left out; the bot may set "
                    "it again",
                    bot->config->name, record->consumer);
        return;
    }
    add(bot, record->consumer, &to);
    telegram_webhook_deinit(&to);
}

void webhook_add_info(const struct hub_bot *bot, const char *consumer, size_t waiting,
                      struct buffer *ret) {
    const struct webhook *hook = find(bot, consumer);
    buffer_add_text(ret, "{\"url\":");
    json_add_text(ret, slice_of(hook ? hook->to.url : ""));
    buffer_print(ret, ",\"has_custom_certificate\":false,\"pending_update_count\":%zu", waiting);
    if (hook && hook->failed_ms) {
        AUTO_FREE char *problem = text_copy(hook->problem);
        secret_mask(problem, strlen(problem));
        buffer_print(ret, ",\"last_error_date\":%lld,\"last_error_message\":",
                     (long long)(hook->failed_ms / 1000));
        json_add_text(ret, slice_of(problem));
    }
    if (hook)
        buffer_print(ret, ",\"max_connections\":%lld", (long long)hook->to.max_connections);
    buffer_add_text(ret, "}");
}

bool webhooks_fail(const struct hub_bot *bot) {
    for (const struct webhook *hook = bot->hub->webhooks; hook; hook = hook->next)
        if (hook->bot == bot && !hook->over && hook->failures > 0)
            return true;
    return false;
}

/* "webhook":{...}, for /health; the address is the bot's own business: it may hold a secret. */
void webhook_add_health(const struct hub_bot *bot, const char *consumer, struct buffer *ret) {
    const struct webhook *hook = find(bot, consumer);
    if (!hook)
        return;
    AUTO_FREE char *problem = text_copy(hook->failures > 0 ? hook->problem : "");
    secret_mask(problem, strlen(problem));
    buffer_print(ret, ",\"webhook\":{\"failures_in_row\":%u,\"problem\":", hook->failures);
    json_add_text(ret, slice_of(problem));
    buffer_add_text(ret, "}");
}
