/* SPDX-License-Identifier: Apache-2.0 */
/* Updates, through the hub's gateway like any other bot. The next ones are asked for when the last
 * ones are on disk: asking confirms them. */
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "trader/trader.h"
#include "wire/telegram_bot.h"

enum { POLL_S = 25, POLL_MS_MAX = 40000, RETRY_MS = 500, RETRY_MS_MAX = 5000 };
#define IDS_FAR_APART 1000000 /* after a silence update ids may begin anywhere */

/* The hub may have fallen back to another port; it keeps the one it listens on in the run folder.
 */
void hub_add_url(const struct trader *trader, struct buffer *ret) {
    AUTO_FREE char *path = path_join(trader->config->run, "hub.port");
    AUTO_FREE char *text = NULL;
    size_t size;
    int64_t port = trader->config->http.port;
    if (file_read(path, 16, &text, &size) == 0) {
        text[strcspn(text, "\n")] = 0;
        if (text_to_int(text, 1, 65535, &port) != 0)
            port = trader->config->http.port;
    }
    buffer_print(ret, "http://%s:%lld", trader->config->http.host, (long long)port);
}

void bot_add_url(const struct trader *trader, const char *method, struct buffer *ret) {
    hub_add_url(trader, ret);
    buffer_print(ret, "/telegram/bot%s.trader/%s", trader->options->bot, method);
}

static bool is_repeat(const struct trader *trader, int64_t id) {
    return id <= trader->last_update && trader->last_update - id < IDS_FAR_APART;
}

static void take(struct trader *trader, const struct incoming *update) {
    if (is_repeat(trader, update->update_id))
        return;
    commit_begin(trader);
    trader->last_update = update->update_id;
    commit_fact(trader, "update", update->update_id);
    if (update->kind != INCOMING_OTHER)
        feed_dialogs(trader,
                     &(struct dialogs_event){
                         .on = update->kind == INCOMING_TEXT ? DIALOGS_ON_TEXT : DIALOGS_ON_PRESS,
                         .update_id = update->update_id,
                         .user = update->user,
                         .chat = update->chat,
                         /* In our clock, which may be wrong; the exchange's is not. */
                         .sent_ms = update->sent_ms - trader->exchange.clock_offset_ms,
                         .message_id = update->message_id,
                         .is_private = update->is_private,
                         .text = update->text,
                         .data = update->data,
                         .query_id = update->query_id,
                         .instruments = &trader->instruments,
                         .wallet = trader->wallet_known ? &trader->wallet : NULL});
    commit_end(trader);
}

static void poll_later(struct trader *trader, const char *why) {
    int64_t wait = RETRY_MS << (trader->poll_failures < 4 ? trader->poll_failures : 4);
    if (trader->poll_failures++ == 1) /* the first time is a hub that restarts */
        log_warning("no updates from the hub (%s); tried again", why);
    trader->poll_due_ms = trader_now(trader) + (wait < RETRY_MS_MAX ? wait : RETRY_MS_MAX);
}

/* The menu of the chat. Once a start: whoever changed it meant to. */
static void show_commands(struct trader *trader) {
    if (trader->commands_shown)
        return;
    trader->commands_shown = true;
    commit_begin(trader);
    buffer_add_text(commit_courtesy(trader, "setMyCommands"),
                    "{\"scope\":{\"type\":\"all_private_chats\"},\"commands\":["
                    "{\"command\":\"limitbuy\",\"description\":\"buy at a price\"},"
                    "{\"command\":\"limitsell\",\"description\":\"sell at a price\"},"
                    "{\"command\":\"status\",\"description\":\"orders and positions\"},"
                    "{\"command\":\"cancel\",\"description\":\"end what you have begun\"},"
                    "{\"command\":\"help\",\"description\":\"all commands\"}]}");
    commit_end(trader);
}

static void on_polled(void *context, const struct http_answer *answer) {
    struct trader *trader = context;
    struct incoming_list updates = {0};
    trader->poll = NULL;
    if (answer->outcome != HTTP_ANSWERED || answer->status != 200 ||
        telegram_bot_read_updates(answer->body, &updates) != 0) {
        AUTO_FREE char *status = text_format("status %d", answer->status);
        poll_later(trader, answer->outcome == HTTP_ANSWERED ? status : answer->error);
        return;
    }
    if (trader->poll_failures > 1)
        log_info("updates come again");
    trader->poll_failures = 0;
    trader->poll_due_ms = trader_now(trader);
    for (size_t i = 0; i < updates.count; i++)
        take(trader, &updates.list[i]);
    incoming_list_deinit(&updates);
    show_commands(trader);
}

void telegram_turn(struct trader *trader) {
    if (trader->poll || trader->stopping || trader->commits > 0 ||
        trader_now(trader) < trader->poll_due_ms)
        return;
    AUTO_BUFFER struct buffer url = {0}, body = {0};
    bot_add_url(trader, "getUpdates", &url);
    buffer_print(&body,
                 "{\"offset\":%lld,\"timeout\":%d,\"limit\":20,"
                 "\"allowed_updates\":[\"message\",\"callback_query\"]}",
                 (long long)(trader->last_update > 0 ? trader->last_update + 1 : 0), POLL_S);
    trader->poll_due_ms = INT64_MAX;
    http_call_start(trader->client,
                    &(struct http_call_options){.method = "POST",
                                                .url = url.data,
                                                .body = buffer_slice(&body),
                                                .content_type = "application/json",
                                                .total_ms_max = POLL_MS_MAX},
                    on_polled, trader, &trader->poll);
}

int64_t telegram_next_ms(const struct trader *trader) {
    return trader->poll || trader->stopping || trader->commits > 0 ? INT64_MAX
                                                                   : trader->poll_due_ms;
}

void telegram_stop(struct trader *trader) {
    if (trader->poll)
        http_call_cancel(trader->poll);
    trader->poll = NULL;
}
