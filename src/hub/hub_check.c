/* SPDX-License-Identifier: Apache-2.0 */
/* --check-online: asks Telegram what the config alone cannot tell, one question after the other,
 * and prints what it found. Changes nothing and confirms no update. */
#include "hub/hub.h"
#include "link/http_fetch.h"
#include "wire/config.h"
#include "wire/finding.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"
#include <stdio.h>

enum { CHECK_MS_MAX = 15000, POLL_SECONDS = 8, TEXT_MAX = 512 };

struct check {
    uv_loop_t loop;
    struct http_client *client;
    const struct config *config;
    const struct bot_config *bot;
    char username[80];
};

/* Asks and reads; false: there was no answer of the Bot API, `ret` says why. */
static bool ask(struct check *check, const char *method, struct http_fetched *fetched,
                struct telegram_answer *ret) {
    AUTO_BUFFER struct buffer url = {0};
    buffer_print(&url, "%s/bot%s/%s", check->bot->api_url, check->bot->token.value, method);
    struct http_call_options options = {
        .method = "GET", .url = url.data, .proxy = check->bot->proxy, .total_ms_max = CHECK_MS_MAX};
    http_fetch(&check->loop, check->client, &options, fetched);
    *ret = (struct telegram_answer){.class = TELEGRAM_TRANSIENT};
    if (fetched->outcome == HTTP_ANSWERED)
        telegram_read_answer(fetched->status, buffer_slice(&fetched->body), ret);
    else
        snprintf(ret->description, sizeof ret->description, "%s", fetched->error);
    return ret->class != TELEGRAM_TRANSIENT;
}

static void say(const struct check *check, const char *part, bool fine, const char *text,
                const char *advice) {
    AUTO_FREE char *what = text_format("bot %s: %s", check->bot->name, part);
    finding_print(&(struct finding){what, fine, text, fine ? "" : advice});
}

static void member_text(struct slice object, const char *name, struct buffer *ret) {
    struct slice value = json_member(object, name);
    if (value.size == 0 || json_to_text(value, ret) < 0)
        buffer_add_text(ret, "");
}

/* False: nothing else is worth asking. */
static bool check_token(struct check *check) {
    struct http_fetched fetched;
    struct telegram_answer answer;
    bool reached = ask(check, "getMe", &fetched, &answer);
    AUTO_BUFFER struct buffer name = {0};
    AUTO_FREE char *text = NULL;
    if (answer.class == TELEGRAM_OK) {
        member_text(json_member(buffer_slice(&fetched.body), "result"), "username", &name);
        text = text_format("Telegram knows it as @%s", name.data ? name.data : "?");
        snprintf(check->username, sizeof check->username, "%s", name.data ? name.data : "?");
        say(check, "token", true, text, "");
    } else if (!reached) {
        text = text_format("%s cannot be reached: %s", check->bot->api_url, answer.description);
        say(check, "token", false, text,
            "is this machine's network up? behind a firewall set proxy: of the bot");
    } else {
        text = text_format("Telegram refuses the token: %s", answer.description);
        say(check, "token", false, text,
            "take the token anew from @BotFather (/mybots, API Token)");
    }
    http_fetched_deinit(&fetched);
    return answer.class == TELEGRAM_OK;
}

/* True when one is set: then nobody can poll. */
static bool check_webhook(struct check *check) {
    struct http_fetched fetched;
    struct telegram_answer answer;
    (void)ask(check, "getWebhookInfo", &fetched, &answer);
    AUTO_BUFFER struct buffer url = {0};
    member_text(json_member(buffer_slice(&fetched.body), "result"), "url", &url);
    const char *host = url.data ? strstr(url.data, "://") : NULL;
    host = host ? host + 3 : "";
    AUTO_FREE char *text =
        text_format("a webhook is set (at %.*s): updates go there", (int)strcspn(host, "/"), host);
    bool set = url.size > 0;
    bool known = answer.class == TELEGRAM_OK;
    say(check, "webhook", known && !set,
        !known ? answer.description
        : set  ? text
               : "none is set",
        set ? "Holdfast removes it when it starts; when it comes back, the program that sets it "
              "still runs somewhere: stop that one"
            : "ask again later");
    http_fetched_deinit(&fetched);
    return set;
}

/* A poll of our own without an offset: nothing is confirmed by it. Whoever polls too is ended by
 * it, comes back after a while, and ends ours; Telegram may tell that 3 s later. */
static void check_poller(struct check *check) {
    struct http_fetched fetched;
    struct telegram_answer answer;
    char method[64];
    snprintf(method, sizeof method, "getUpdates?limit=1&timeout=%d", POLL_SECONDS);
    (void)ask(check, method, &fetched, &answer);
    bool conflict = answer.class == TELEGRAM_CONFLICT;
    bool fine = answer.class == TELEGRAM_OK;
    say(check, "other pollers", fine, fine ? "nobody else reads its updates" : answer.description,
        conflict ? "another program polls with this token: stop it, or give this bot a token of "
                   "its own"
                 : "ask again later");
    http_fetched_deinit(&fetched);
}

static void check_chat(struct check *check, const char *part, int64_t chat) {
    struct http_fetched fetched;
    struct telegram_answer answer;
    char method[64], advice[TEXT_MAX];
    snprintf(method, sizeof method, "getChat?chat_id=%lld", (long long)chat);
    (void)ask(check, method, &fetched, &answer);
    AUTO_FREE char *text = answer.class == TELEGRAM_OK
                               ? text_format("chat %lld can be reached", (long long)chat)
                               : text_format("chat %lld: %s", (long long)chat, answer.description);
    snprintf(advice, sizeof advice,
             "is the id right (@userinfobot tells it)? that person must write /start to @%s first; "
             "to a group the bot must be added",
             check->username);
    say(check, part, answer.class == TELEGRAM_OK, text, advice);
    http_fetched_deinit(&fetched);
}

static void check_bot(struct check *check, bool running) {
    const struct alerts_config *alerts = &check->config->alerts;
    if (!check_token(check))
        return;
    bool webhook = check_webhook(check);
    if (!running && !webhook) /* else the hub itself polls, and says so when somebody disturbs it */
        check_poller(check);
    if (check->bot->owner)
        check_chat(check, "owner", check->bot->owner);
    for (size_t i = 0; i < check->bot->admin_count; i++)
        check_chat(check, "admin", check->bot->admins[i]);
    if (alerts->bot && strcmp(alerts->bot, check->bot->name) == 0 &&
        alerts->chat != check->bot->owner)
        check_chat(check, "chat of alerts", alerts->chat);
}

int hub_check_online(const struct config *config, bool running) {
    struct check check = {.config = config};
    config_register_secrets(config);
    uv_loop_init(&check.loop);
    check.client = http_client_open(&check.loop, 2);
    for (size_t i = 0; i < config->bot_count; i++) {
        check.bot = &config->bots[i];
        check_bot(&check, running);
    }
    check.client = http_client_close(check.client);
    uv_run(&check.loop, UV_RUN_DEFAULT);
    uv_loop_close(&check.loop);
    return 0;
}
