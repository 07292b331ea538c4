/* SPDX-License-Identifier: Apache-2.0 */
/* The Bot API for consumers:
 *   /telegram/bot<WHO>/METHOD   /telegram/file/bot<WHO>/PATH
 * Every answer of ours has the Bot API's own shape. What concerns updates and webhooks is answered
 * here; everything else, known or not, goes to Telegram as it came. */
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/telegram.h"
#include <stdio.h>
#include <strings.h>

enum { NAME_BYTES_MAX = 64, OWN_BODY_BYTES_MAX = 65536 };

void hub_respond_error(struct http_request *request, int code, const char *description,
                       int64_t retry_after_s) {
    AUTO_BUFFER struct buffer body = {0};
    AUTO_FREE char *safe = text_copy(description);
    secret_mask(safe, strlen(safe)); /* an error of the network may name the address */
    telegram_add_error(&body, code, safe, retry_after_s);
    char seconds[24] = "";
    struct http_header header = {"Retry-After", seconds};
    if (retry_after_s >= 0)
        (void)!snprintf(seconds, sizeof seconds, "%lld", (long long)retry_after_s);
    http_respond(request, &(struct http_response){.status = code,
                                                  .content_type = "application/json",
                                                  .body = buffer_slice(&body),
                                                  .headers = &header,
                                                  .header_count = seconds[0] ? 1 : 0});
}

/* ---- who asks ---- */

struct who {
    struct hub_bot *bot;
    char consumer[NAME_BYTES_MAX + 1];
};

static bool is_name(const char *text) {
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return size > 0 && size <= NAME_BYTES_MAX && text[size] == 0;
}

static bool who_by_name(struct hub *hub, const char *name, struct who *ret) {
    ret->bot = hub_bot(hub, name);
    if (ret->bot) {
        snprintf(ret->consumer, sizeof ret->consumer, "%s", ret->bot->consumer);
        return true;
    }
    const char *dot = strrchr(name, '.');
    if (!dot || !is_name(dot + 1))
        return false;
    AUTO_FREE char *bot = text_copy_n(name, (size_t)(dot - name));
    ret->bot = hub_bot(hub, bot);
    snprintf(ret->consumer, sizeof ret->consumer, "%s", dot + 1);
    return ret->bot != NULL;
}

/* "main", "main.consumer", "123:main", "123:main.consumer", or the real token; through a proxy,
 * from another machine, only that opens anything. */
static bool read_who(struct hub *hub, const char *text, bool from_afar, struct who *ret) {
    for (size_t i = 0; i < hub->bot_count; i++) {
        struct hub_bot *bot = &hub->bots[i];
        if (!secret_is_set(&bot->config->token) ||
            !text_equal_secret(slice_of(text), secret_slice(&bot->config->token)))
            continue;
        ret->bot = bot;
        snprintf(ret->consumer, sizeof ret->consumer, "%s", bot->consumer);
        return true;
    }
    if (from_afar)
        return false;
    const char *colon = strchr(text, ':');
    if (colon && strspn(text, "0123456789") == (size_t)(colon - text))
        text = colon + 1;
    return who_by_name(hub, text, ret);
}

static bool came_through_proxy(const struct http_request *request) {
    return http_request_header(request, "X-Forwarded-For") ||
           http_request_header(request, "Forwarded") || http_request_header(request, "X-Real-IP");
}

/* ---- parameters, wherever they stand ---- */

static bool param(struct http_request *request, const char *name, struct buffer *ret) {
    const char *query = http_request_query(request, name);
    if (query) {
        buffer_add_text(ret, query);
        return true;
    }
    return telegram_body_param(http_request_header(request, "Content-Type"),
                               http_request_body(request), name, ret);
}

static int64_t int_param(struct http_request *request, const char *name) {
    AUTO_BUFFER struct buffer text = {0};
    int64_t value;
    if (!param(request, name, &text) || !text.data ||
        text_to_int(text.data, INT32_MIN, INT64_MAX / 2, &value) < 0)
        return 0;
    return value;
}

static bool is_true(struct http_request *request, const char *name) {
    AUTO_BUFFER struct buffer text = {0};
    return param(request, name, &text) && text.data &&
           (strcasecmp(text.data, "true") == 0 || strcmp(text.data, "1") == 0);
}

/* ---- methods that are ours ---- */

typedef void method(struct who *who, struct http_request *request);

static void get_updates(struct who *who, struct http_request *request) {
    if (who->bot->hub->draining) { /* what it confirms, it confirms again to the next hub */
        http_respond_json(request, 200, slice_of("{\"ok\":true,\"result\":[]}"));
        return;
    }
    if (webhook_is_set(who->bot, who->consumer)) {
        hub_respond_error(request, 409,
                          "Conflict: can't use getUpdates method while webhook is active; use "
                          "deleteWebhook to delete the webhook first",
                          -1);
        return;
    }
    AUTO_BUFFER struct buffer kinds = {0};
    struct exchange *exchange = exchange_new(EXCHANGE_CALL, who->bot);
    struct gateway_event event = {.on = GATEWAY_ON_ASK,
                                  .request = (uint64_t)(uintptr_t)exchange,
                                  .consumer = who->consumer,
                                  .offset = int_param(request, "offset"),
                                  .limit = int_param(request, "limit"),
                                  .timeout_s = int_param(request, "timeout")};
    event.has_kinds = param(request, "allowed_updates", &kinds) &&
                      telegram_read_kinds(buffer_slice(&kinds), &event.kinds) == 0;
    exchange->request = request;
    gateway_start_call(exchange);
    gateway_feed(who->bot, &event);
}

/* What Telegram would take and Holdfast cannot do is not passed over. */
static bool asks_too_much(struct http_request *request) {
    static const char *const unknown[] = {"certificate", "ip_address"};
    AUTO_BUFFER struct buffer value = {0};
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        if (param(request, unknown[i], &value) && value.size > 0) {
            AUTO_FREE char *text = text_format(
                "Bad Request: Holdfast takes no %s for a webhook; leave it out, and name an http "
                "address of this machine, or https with a certificate that this machine trusts",
                unknown[i]);
            hub_respond_error(request, 400, text, -1);
            return true;
        }
    return false;
}

static void set_webhook(struct who *who, struct http_request *request) {
    AUTO_BUFFER struct buffer url = {0}, secret = {0}, most = {0}, kinds = {0};
    struct webhook_wish wish = {.to.max_connections = WEBHOOK_CONNECTIONS_USUAL,
                                .drops = is_true(request, "drop_pending_updates")};
    if (asks_too_much(request))
        return;
    if (param(request, "url", &url) && url.size > 0)
        wish.to.url = url.data;
    if (wish.to.url && came_through_proxy(request) && strncasecmp(wish.to.url, "https:", 6) != 0) {
        hub_respond_error(request, 400,
                          "Bad Request: bad webhook: from another machine only https:// is taken",
                          -1);
        return;
    }
    if (param(request, "secret_token", &secret) && secret.size > 0)
        wish.to.secret = secret.data;
    if (param(request, "max_connections", &most) && most.size > 0 &&
        text_to_int(most.data, 1, 100, &wish.to.max_connections) < 0)
        wish.to.max_connections = 0;
    if (param(request, "allowed_updates", &kinds) &&
        telegram_read_kinds(buffer_slice(&kinds), &wish.to.kinds) < 0)
        wish.to.kinds = 0; /* the API keeps the last setting, too */
    webhook_set(who->bot, who->consumer, request, &wish);
}

static void delete_webhook(struct who *who, struct http_request *request) {
    struct webhook_wish wish = {.drops = is_true(request, "drop_pending_updates")};
    webhook_set(who->bot, who->consumer, request, &wish);
}

static void get_webhook_info(struct who *who, struct http_request *request) {
    struct gateway_figures figures;
    gateway_figures(who->bot->gateway, &figures);
    size_t waiting = 0;
    for (size_t i = 0; i < figures.consumer_count; i++)
        if (strcmp(figures.consumers[i].name, who->consumer) == 0)
            waiting = figures.consumers[i].waiting;
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{\"ok\":true,\"result\":");
    webhook_add_info(who->bot, who->consumer, waiting, &body);
    buffer_add_text(&body, "}");
    http_respond_json(request, 200, buffer_slice(&body));
}

static void say_true(struct who *who, struct http_request *request) {
    http_respond_json(request, 200, slice_of("{\"ok\":true,\"result\":true}"));
}

struct own_method {
    const char *name;
    method *handle;
};
static const struct own_method own_methods[] = {
    {"getUpdates", get_updates},
    {"setWebhook", set_webhook},
    {"deleteWebhook", delete_webhook},
    {"getWebhookInfo", get_webhook_info},
    {"close", say_true},
    {"logOut", say_true},
};

/* ---- all others ---- */

static bool begins(const char *text, const char *with) {
    return strncasecmp(text, with, strlen(with)) == 0;
}

static enum gateway_budget budget_of(const char *name) {
    if (strcasecmp(name, "sendChatAction") == 0)
        return GATEWAY_FREE;
    if (begins(name, "send") || begins(name, "copyMessage") || begins(name, "forwardMessage"))
        return GATEWAY_MESSAGE;
    return begins(name, "edit") ? GATEWAY_EDIT : GATEWAY_FREE;
}

static const struct own_method *own_method_of(const char *name) {
    for (size_t i = 0; i < COUNT_OF(own_methods); i++)
        if (strcasecmp(name, own_methods[i].name) == 0)
            return &own_methods[i];
    return NULL;
}

void telegram_call(struct hub_bot *bot, const char *name, const char *content_type,
                   struct slice body) {
    if (own_method_of(name)) { /* it concerns all who read this bot */
        log_warning(
            "%s: a webhook answered with the method %s, which Holdfast does not pass on; call it "
            "by itself",
            bot->config->name, name);
        return;
    }
    AUTO_BUFFER struct buffer chat = {0};
    struct exchange *exchange = exchange_new(EXCHANGE_OWN, bot);
    enum gateway_budget budget = budget_of(name);
    bool has_chat = budget != GATEWAY_FREE &&
                    telegram_body_param(content_type, body, "chat_id", &chat) && chat.data;
    exchange->method = text_copy(name);
    exchange->content_type = text_copy(content_type);
    buffer_add(&exchange->body, body.data, body.size);
    gateway_feed(bot, &(struct gateway_event){.on = GATEWAY_ON_SEND,
                                              .request = (uint64_t)(uintptr_t)exchange,
                                              .chat = has_chat ? telegram_chat_key(chat.data) : 0,
                                              .priority = ALERT_MEDIUM,
                                              .budget = budget});
}

void telegram_say_done(struct http_request *request, const char *description) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_print(&body, "{\"ok\":true,\"result\":true,\"description\":\"%s\"}", description);
    http_respond_json(request, 200, buffer_slice(&body));
}

void telegram_drop(struct hub_bot *bot, const char *consumer, struct http_request *request,
                   const char *description) {
    struct exchange *exchange = exchange_new(EXCHANGE_CALL, bot);
    exchange->request = request;
    exchange->done = description;
    gateway_start_call(exchange);
    gateway_feed(bot, &(struct gateway_event){.on = GATEWAY_ON_SKIP,
                                              .request = (uint64_t)(uintptr_t)exchange,
                                              .consumer = consumer});
}

static enum alert_priority priority_of(struct http_request *request, enum gateway_budget budget) {
    enum alert_priority priority;
    const char *asked = http_request_header(request, "X-Holdfast-Priority");
    if (asked && alert_priority_from(asked, &priority) == 0)
        return priority;
    return budget == GATEWAY_FREE ? ALERT_HIGH : ALERT_MEDIUM;
}

static void pass_on(struct who *who, struct http_request *request, const char *name) {
    AUTO_BUFFER struct buffer chat = {0};
    struct exchange *exchange = exchange_new(EXCHANGE_CALL, who->bot);
    enum gateway_budget budget = budget_of(name);
    bool has_chat = budget != GATEWAY_FREE && param(request, "chat_id", &chat) && chat.data;
    exchange->request = request;
    exchange->method = text_copy(name);
    gateway_start_call(exchange);
    gateway_feed(who->bot,
                 &(struct gateway_event){.on = GATEWAY_ON_SEND,
                                         .request = (uint64_t)(uintptr_t)exchange,
                                         .chat = has_chat ? telegram_chat_key(chat.data) : 0,
                                         .priority = priority_of(request, budget),
                                         .budget = budget});
}

struct address { /* what a path behind "/telegram" names */
    bool is_file;
    struct who who;   /* bot NULL: nobody whom we know */
    const char *what; /* method, or path of a file; NULL: no path of the Bot API */
};

static void read_address(struct hub *hub, const struct http_request *request, const char *path,
                         struct address *ret) {
    *ret = (struct address){.is_file = strncmp(path, "/file/bot", 9) == 0};
    const char *begin = ret->is_file ? path + 9 : strncmp(path, "/bot", 4) == 0 ? path + 4 : NULL;
    const char *slash = begin ? strchr(begin, '/') : NULL;
    if (!slash || !slash[1])
        return;
    AUTO_FREE char *name = text_copy_n(begin, (size_t)(slash - begin));
    ret->what = slash + 1;
    if (!read_who(hub, name, came_through_proxy(request), &ret->who))
        ret->who.bot = NULL;
}

bool telegram_takes_files(struct hub *hub, const struct http_request *request, const char *path) {
    struct address at;
    read_address(hub, request, path, &at);
    return at.what && at.who.bot && !at.is_file && !own_method_of(at.what);
}

void hub_telegram(struct hub *hub, struct http_request *request, const char *path) {
    struct address at;
    read_address(hub, request, path, &at);
    if (!at.what) {
        hub_respond_error(request, 404, "Not Found", -1);
        return;
    }
    if (!at.who.bot) {
        hub_respond_error(request, 401, "Unauthorized", -1);
        return;
    }
    if (at.is_file) {
        files_get(at.who.bot, request, at.what);
        return;
    }
    const struct own_method *own = own_method_of(at.what);
    if (own && http_request_body(request).size > OWN_BODY_BYTES_MAX) { /* they are four words */
        hub_respond_error(request, 413, "Request Entity Too Large", -1);
        return;
    }
    if (own) {
        own->handle(&at.who, request);
        return;
    }
    /* A method is one word; anything else would change the address at Telegram. */
    if (is_name(at.what))
        pass_on(&at.who, request, at.what);
    else
        hub_respond_error(request, 404, "Not Found: method not found", -1);
}
