/* SPDX-License-Identifier: Apache-2.0 */
/* Files from Telegram stream through: as fast as the slower side, a few pieces in memory. */
#include "base/log.h"
#include "hub/hub.h"

enum {
    FILE_MS_MAX = 3600000,
    SILENCE_MS_MAX = 60000, /* of Telegram; a consumer that takes nothing is cut by the server */
    PIECE_BYTES = 64 << 10,
    WAITING_BYTES_MAX = 256 << 10
};

static void on_drained(void *context) {
    struct exchange *exchange = context;
    http_call_resume(exchange->call);
}

static void on_stream_gone(void *context) {
    struct exchange *exchange = context;
    if (exchange->bot->hub->client) /* else the hub stops, and the call is gone */
        http_call_cancel(exchange->call);
    exchange_free(exchange);
}

/* Before the first byte has come. */
static void on_asker_gone(void *context) {
    struct exchange *exchange = context;
    http_call_cancel(exchange->call);
    hub_respond_error(exchange->request, 502, "Bad Gateway: nobody waits for the file", -1);
    exchange_free(exchange);
}

static void on_begun(void *context, int status, const char *content_type, int64_t size) {
    struct exchange *exchange = context;
    http_request_on_gone(exchange->request, NULL, NULL);
    exchange->stream = http_respond_stream(
        exchange->request,
        &(struct http_response){.status = status,
                                .content_type = content_type[0] ? content_type : NULL},
        &(struct http_stream_options){.size = size,
                                      .piece_max = PIECE_BYTES,
                                      .drained = on_drained,
                                      .gone = on_stream_gone,
                                      .context = exchange});
}

static bool on_piece(void *context, struct slice bytes) {
    struct exchange *exchange = context;
    http_stream_add(exchange->stream, bytes);
    return http_stream_waiting(exchange->stream) < WAITING_BYTES_MAX;
}

static void answer_without_body(struct exchange *exchange, const struct http_answer *answer) {
    if (answer->outcome == HTTP_ANSWERED) {
        http_respond(exchange->request,
                     &(struct http_response){
                         .status = answer->status,
                         .content_type = answer->content_type[0] ? answer->content_type : NULL,
                         .body = answer->body});
        return;
    }
    AUTO_FREE char *text = text_format("Bad Gateway: the file did not come (%s)", answer->error);
    hub_respond_error(exchange->request, 502, text, -1);
}

static void on_file(void *context, const struct http_answer *answer) {
    struct exchange *exchange = context;
    bool is_whole = answer->outcome == HTTP_ANSWERED;
    if (exchange->stream) {
        if (!is_whole)
            log_warning("%s: a file broke off on its way from Telegram: %s",
                        exchange->bot->config->name, answer->error);
        http_stream_add(exchange->stream, answer->body);
        http_stream_end(exchange->stream, is_whole);
    } else {
        answer_without_body(exchange, answer);
    }
    exchange_free(exchange);
}

static void add_encoded(struct buffer *ret, const char *path) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    for (; *path; path++)
        if (strchr(plain, *path))
            buffer_add(ret, path, 1);
        else
            buffer_print(ret, "%%%02X", (unsigned char)*path);
}

void files_get(struct hub_bot *bot, struct http_request *request, const char *path) {
    static const struct http_receiver receiver = {on_begun, on_piece};
    if (strstr(path, "..")) { /* it would leave the bot's own folder */
        hub_respond_error(request, 404, "Not Found", -1);
        return;
    }
    AUTO_BUFFER struct buffer url = {0};
    bot_add_url(bot, "/file", &url);
    add_encoded(&url, path);
    struct exchange *exchange = exchange_new(EXCHANGE_CALL, bot);
    exchange->request = request;
    http_request_on_gone(request, on_asker_gone, exchange);
    struct http_call_options options = {.method = "GET",
                                        .url = url.data,
                                        .proxy = bot->config->proxy,
                                        .total_ms_max = FILE_MS_MAX,
                                        .silence_ms_max = SILENCE_MS_MAX,
                                        .receiver = &receiver};
    http_call_start(bot->hub->client, &options, on_file, exchange, &exchange->call);
}
