/* SPDX-License-Identifier: Apache-2.0 */
/* What people say to Holdfast itself in a chat: the buttons below alerts, and /holdfast. The
 * gateway keeps such updates for the consumer GATEWAY_OWN, which is read here; so a press outlives
 * a kill of the hub, and no bot sees it. It is carried out, then confirmed: at least once. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"
#include "wire/telegram_press.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    POLL_S = 50,
    TOAST_POINTS_MAX = 190,    /* Telegram takes 200 in the answer to a press */
    MESSAGE_POINTS_MAX = 4000, /* ... and 4096 in a message */
    LOG_BYTES = 3000,          /* of the end of a log, in one message */
    COMMAND_OLD_S = 300,       /* a restart that was asked for longer ago is not carried out */
    SILENCE_MS = 3600000,
    RETRIES_MAX = 50,
    REFUSED_AGAIN_MS = 60000,
    STRANGERS_PAUSE_MS = 60000 /* who may not is told so, but not as often as it likes */
};

struct press;
typedef void press_called(struct press *press, const struct slice *body);
struct press { /* one at a time, until it is done */
    struct hub_bot *bot;
    struct telegram_press said;
    press_called *called; /* when its call comes back */
    bool shown;           /* its person was answered; more is said in the chat */
    int64_t silence_ms, alert;
    size_t open; /* replays that are under way */
    size_t done;
};

/* ---- calls of our own ---- */

static void call(struct hub_bot *bot, const char *method, enum gateway_budget budget, int64_t chat,
                 struct buffer *body, struct press *then) {
    struct exchange *exchange = exchange_new(EXCHANGE_OWN, bot);
    exchange->method = text_copy(method);
    exchange->press = then;
    exchange->body = *body;
    *body = (struct buffer){0};
    gateway_feed(bot, &(struct gateway_event){.on = GATEWAY_ON_SEND,
                                              .request = (uint64_t)(uintptr_t)exchange,
                                              .chat = chat,
                                              .priority = ALERT_HIGH,
                                              .budget = budget});
}

void buttons_called(struct press *press, const struct slice *body) {
    press->called(press, body);
}

/* As many code points of it as fit. */
static struct slice head_of(const char *text, size_t points) {
    const char *end = text;
    for (; *end; end++)
        if (((unsigned char)*end & 0xc0) != 0x80 && points-- == 0)
            break;
    return (struct slice){text, (size_t)(end - text)};
}

static void say_in_chat(struct hub_bot *bot, int64_t chat, const char *text) {
    struct buffer body = {0};
    buffer_print(&body, "{\"chat_id\":%lld,\"text\":", (long long)chat);
    json_add_text(&body, head_of(text, MESSAGE_POINTS_MAX));
    buffer_add_text(&body, "}");
    call(bot, "sendMessage", GATEWAY_MESSAGE, chat, &body, NULL);
}

static void say_in_toast(struct hub_bot *bot, const char *query, const char *text,
                         struct press *then) {
    struct buffer body = {0};
    buffer_add_text(&body, "{\"callback_query_id\":");
    json_add_text(&body, slice_of(query));
    buffer_add_text(&body, ",\"text\":");
    json_add_text(&body, head_of(text, TOAST_POINTS_MAX));
    buffer_add_text(&body, "}");
    call(bot, "answerCallbackQuery", GATEWAY_FREE, 0, &body, then);
}

/* It is done, and may be confirmed: the next one is asked for. */
static void end(struct press *press, const char *text) {
    if (press->said.query[0] && !press->shown)
        say_in_toast(press->bot, press->said.query, text, NULL);
    else if (text[0])
        say_in_chat(press->bot, press->said.chat, text);
    press->bot->presses.due_ms = clock_ms();
    free(press);
}

/* Telegram takes the answer to a fresh press only. So it proves that this is not one that was kept
 * while nobody read, and must not do anything hours later. */
static void prove(struct press *press, const char *text, press_called *called) {
    press->called = called;
    press->shown = true;
    say_in_toast(press->bot, press->said.query, text, press);
}

/* In the place of the buttons: who did it, and when. */
static void show_done(const struct press *press) {
    struct buffer body = {0};
    char at[CALENDAR_TEXT_BYTES];
    if (!press->said.button || !press->said.message)
        return;
    calendar_text(&press->bot->hub->zone, clock_wall_ms() / 1000 * 1000, at);
    AUTO_FREE char *text = text_format("\xe2\x9c\x94 %s, %s", press->said.name, at);
    buffer_print(&body, "{\"chat_id\":%lld,\"message_id\":%lld,\"reply_markup\":",
                 (long long)press->said.chat, (long long)press->said.message);
    telegram_add_done(&body, text, press->said.service);
    buffer_add_text(&body, "}");
    call(press->bot, "editMessageReplyMarkup", GATEWAY_EDIT, press->said.chat, &body, NULL);
}

/* ---- acknowledge ---- */

enum { FASTER = 409 /* nobody waits for it any more */ };

static void on_acked(struct hub *hub, void *context, int code, const char *refusal, size_t count) {
    struct press *press = context;
    bool again = alerts_live(hub->alerts, press->alert) != NULL; /* its answer was lost */
    AUTO_FREE char *text =
        code == FASTER && again ? text_copy("It is being sent once more; acknowledge that message")
        : code == FASTER && press->said.button ? text_copy("It was acknowledged before")
        : code                                 ? text_format("Not acknowledged: %s", refusal)
        : count == 0                           ? text_copy("No alert waits for an acknowledgement")
        : count == 1                           ? text_copy("Acknowledged")
                                               : text_format("Acknowledged: %zu alerts", count);
    if (code == 0 || (code == FASTER && !again)) /* the button has done its work */
        show_done(press);
    end(press, text);
}

static void acknowledge(struct press *press, bool all) {
    int64_t id = 0;
    const char *word = press->said.words[0];
    if (word[0] && strcmp(word, "all") != 0 && text_to_int(word, 1, INT64_MAX, &id) < 0) {
        end(press, "/holdfast ack takes the number of an alert, or all");
        return;
    }
    press->alert = id;
    alerts_feed(press->bot->hub,
                &(struct alerts_event){.on = ALERTS_ON_ACK,
                                       .request = alerts_wait_call(on_acked, press),
                                       .id = id,
                                       .all = all,
                                       .by = press->said.name});
}

static void ack(struct press *press) {
    acknowledge(press, false);
}

static void ack_all(struct press *press) {
    acknowledge(press, true);
}

/* ---- restart ---- */

static void on_restarted(struct hub *hub, void *context, int code, const char *refusal,
                         size_t count) {
    struct press *press = context;
    AUTO_FREE char *text =
        code ? text_format("%s was not restarted: %s", press->said.words[0], refusal)
             : text_format("%s is being restarted", press->said.words[0]);
    end(press, text);
}

static void restart_now(struct press *press) {
    keeper_restart(press->bot->hub, press->said.words[0], on_restarted, press);
}

static void restart_if_fresh(struct press *press, const struct slice *body) {
    if (body) {
        restart_now(press);
        return;
    }
    AUTO_FREE char *text =
        text_format("%s was not restarted: Telegram took no answer to this press, it may be an old "
                    "one; press again",
                    press->said.words[0]);
    end(press, text);
}

static void restart(struct press *press) {
    const struct config *config = press->bot->hub->config;
    if (!press->said.words[0][0] || !config_service(config, press->said.words[0]))
        end(press, "/holdfast restart takes the name of a service; /holdfast shows them");
    else if (press->said.button)
        prove(press, "Restarting\xe2\x80\xa6", restart_if_fresh);
    else if (clock_wall_ms() / 1000 - press->said.at_s > COMMAND_OLD_S)
        end(press, "This restart was asked for minutes ago and was not carried out; ask again");
    else
        restart_now(press);
}

/* ---- logs ---- */

struct log_work {
    uv_work_t work;
    struct press *press;
    char *path;
    char text[LOG_BYTES + 1];
    ssize_t size;
};

/* In a thread of its own: a disk may hang. */
static void read_log(uv_work_t *work) {
    struct log_work *log = work->data;
    struct stat state;
    int fd = open(log->path, O_RDONLY | O_CLOEXEC);
    log->size = -1;
    if (fd < 0)
        return;
    if (fstat(fd, &state) == 0)
        log->size = pread(fd, log->text, LOG_BYTES,
                          state.st_size > LOG_BYTES ? state.st_size - LOG_BYTES : 0);
    close(fd);
}

static void on_log_read(uv_work_t *work, int status) {
    struct log_work *log = work->data;
    struct press *press = log->press;
    press->bot->hub->works--;
    size_t size = log->size > 0 ? (size_t)log->size : 0;
    log->text[size] = 0;
    text_make_utf8(log->text);
    const char *from = size == LOG_BYTES ? strchr(log->text, '\n') : NULL;
    AUTO_FREE char *text = text_format("%s\n%s", press->said.words[0], from ? from + 1 : log->text);
    if (size > 0 && press->said.button)
        say_in_chat(press->bot, press->said.chat, text);
    if (size == 0)
        end(press, "It has written nothing yet");
    else
        end(press, press->said.button ? "" : text);
    free(log->path);
    free(log);
}

static void logs(struct press *press) {
    struct hub *hub = press->bot->hub;
    if (!press->said.words[0][0] || !config_service(hub->config, press->said.words[0])) {
        end(press, "/holdfast logs takes the name of a service; /holdfast shows them");
        return;
    }
    struct log_work *log = memory_new(sizeof *log);
    log->press = press;
    log->path = text_format("%s/logs/%s.log", hub->config->data, press->said.words[0]);
    log->work.data = log;
    hub->works++;
    int r = uv_queue_work(&hub->loop, &log->work, read_log, on_log_read);
    must(r == 0);
}

/* ---- silence ---- */

/* Who silences an alert knows of it: it is not told again either. */
static void on_silenced(struct hub *hub, void *context, int code, const char *refusal,
                        size_t count) {
    struct press *press = context;
    char wait[TEXT_DURATION_BYTES];
    text_from_duration(press->silence_ms, wait);
    AUTO_FREE char *text =
        code ? text_format("Not silenced: %s", refusal)
             : text_format("Silenced for %s; holdfast silences ends it sooner", wait);
    if (code == 0 && press->alert)
        alerts_feed(hub, &(struct alerts_event){
                             .on = ALERTS_ON_ACK, .id = press->alert, .by = press->said.name});
    end(press, text);
}

/* A pattern that fits this text alone; NULL: none. */
static char *literal(const char *text) {
    AUTO_BUFFER struct buffer pattern = {0};
    if (!text)
        return NULL;
    for (; *text; text++) {
        if (strchr("*?[\\", *text))
            buffer_add_text(&pattern, "\\");
        buffer_add(&pattern, text, 1);
    }
    return buffer_take(&pattern);
}

/* Since when it is wished: a command may have waited in Telegram while nobody read. */
static int64_t asked_ms(const struct press *press) {
    int64_t now = hub_now(press->bot->hub), at = press->said.at_s * 1000;
    return at > 0 && at < now ? at : now;
}

static void silence_like(struct press *press, const struct alert *alert) {
    struct hub *hub = press->bot->hub;
    int64_t now = hub_now(hub);
    struct silence silence = {.starts_ms = now,
                              .ends_ms = asked_ms(press) + press->silence_ms,
                              .priorities = (1U << ALERT_PRIORITIES) - 1,
                              .author = press->said.name,
                              .comment = (char *)"said in the chat"};
    if (silence.ends_ms <= now) {
        end(press, "This silence was asked for so long ago that it is over; ask again");
        return;
    }
    /* The narrowest words that name its kind. */
    silence.service = literal(alert->service);
    silence.type = literal(alert->type);
    if (!alert->service && !alert->type)
        *(alert->title ? &silence.title : &silence.text) =
            literal(alert->title ? alert->title : alert->text);
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_SILENCE,
                                            .request = alerts_wait_call(on_silenced, press),
                                            .silence = &silence});
    free(silence.service);
    free(silence.type);
    free(silence.title);
    free(silence.text);
}

static void on_alert_to_silence(void *context, int r, const struct alert *alerts, size_t count) {
    struct press *press = context;
    press->bot->hub->commits--;
    if (r < 0 || count == 0)
        end(press, "This alert is not known any more");
    else
        silence_like(press, &alerts[0]);
}

static void silence_alert(struct press *press) {
    struct store_query query = {.state = -1, .limit = 1, .id = press->alert};
    press->bot->hub->commits++;
    store_find_alerts(press->bot->hub->store, &query, on_alert_to_silence, press);
}

static void silence_if_fresh(struct press *press, const struct slice *body) {
    if (body)
        silence_alert(press);
    else
        end(press, "Nothing was silenced: Telegram took no answer to this press, it may be an old "
                   "one; press again");
}

static void silence(struct press *press) {
    const char *word = press->said.words[0], *wait = press->said.words[1];
    press->silence_ms = SILENCE_MS;
    if (!word[0] || (wait[0] && text_to_duration(wait, 60000, INT64_C(30) * 86400000,
                                                 &press->silence_ms) < 0)) {
        end(press, "/holdfast silence takes a service or the number of an alert, and for how long: "
                   "/holdfast silence db 2h");
    } else if (text_to_int(word, 1, INT64_MAX, &press->alert) == 0) {
        if (press->said.button)
            prove(press, "Silencing\xe2\x80\xa6", silence_if_fresh);
        else
            silence_alert(press);
    } else {
        silence_like(press, &(struct alert){.service = press->said.words[0]});
    }
}

/* ---- retry ---- */

static void on_retried(struct hub *hub, void *context, int code, const char *refusal,
                       size_t count) {
    struct press *press = context;
    press->done += code == 0;
    if (--press->open > 0)
        return;
    AUTO_FREE char *text = text_format("Sent again: %zu", press->done);
    end(press, text);
}

static void on_alerts_to_retry(void *context, int r, const struct alert *alerts, size_t count) {
    struct press *press = context;
    struct hub *hub = press->bot->hub;
    hub->commits--;
    if (r < 0 || count == 0) {
        end(press, press->said.words[0][0] ? "There is no such alert" : "No alert has failed");
        return;
    }
    press->open = count;
    for (size_t i = count; i-- > 0;) /* the oldest first */
        alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_REPLAY,
                                                .request = alerts_wait_call(on_retried, press),
                                                .list = &alerts[i],
                                                .count = 1});
}

static void retry(struct press *press) {
    struct store_query query = {.state = ALERT_FAILED, .limit = RETRIES_MAX};
    const char *word = press->said.words[0];
    if (word[0] && strcmp(word, "failed") != 0) {
        query = (struct store_query){.state = -1, .limit = 1};
        if (text_to_int(word, 1, INT64_MAX, &query.id) < 0) {
            end(press, "/holdfast retry takes the number of an alert; alone it means all that "
                       "failed, 50 at a time");
            return;
        }
    }
    press->bot->hub->commits++;
    store_find_alerts(press->bot->hub->store, &query, on_alerts_to_retry, press);
}

/* ---- status, help ---- */

static void help(struct press *press) {
    end(press, "/holdfast \xc2\xb7 how things stand\n"
               "/holdfast ack [NUMBER|all] \xc2\xb7 stops the repeats\n"
               "/holdfast restart SERVICE\n"
               "/holdfast logs SERVICE\n"
               "/holdfast silence SERVICE|NUMBER [2h]\n"
               "/holdfast retry [NUMBER] \xc2\xb7 alerts that failed, once more");
}

/* Red: somebody should look; green: it runs; white: it need not run, or not yet. */
static const char *mark_of(const struct keeper_service *service) {
    if (hub_service_is_ill(service))
        return "\xf0\x9f\x94\xb4";
    return strcmp(service->state, "ready") == 0 ? "\xf0\x9f\x9f\xa2" : "\xe2\x9a\xaa";
}

static void status(struct press *press) {
    struct hub *hub = press->bot->hub;
    struct alerts_figures f;
    AUTO_BUFFER struct buffer text = {0};
    alerts_figures(hub->alerts, hub_now(hub), &f);
    buffer_print(&text, "%s", hub->config->name);
    bool known = hub_services_are_known(hub);
    for (size_t i = 0; known && i < hub->keeper.service_count; i++) {
        const struct keeper_service *service = &hub->keeper.services[i];
        buffer_print(&text, "\n%s ", mark_of(service));
        hub_add_service(service, &text);
    }
    if (!known)
        buffer_add_text(&text, "\nThe keeper does not answer: services are unknown");
    buffer_print(&text, "\nAlerts: %zu wait, %zu not acknowledged",
                 f.ways[0].waiting[0] + f.ways[0].waiting[1] + f.ways[0].waiting[2] +
                     f.ways[0].waiting[3],
                 f.unacked);
    buffer_add_text(&text, "\n/holdfast help");
    end(press, text.data);
}

static void known(struct press *press) {
    end(press, "");
}

/* ---- who said what ---- */

typedef void verb(struct press *press);
static const struct {
    const char *name;
    verb *handle;
} verbs[] = {
    {"", status},        {"status", status}, {"help", help},       {"ack", ack},
    {"ackall", ack_all}, {"logs", logs},     {"restart", restart}, {"silence", silence},
    {"retry", retry},    {"known", known},
};

/* Owner and admins of the bot; and the person whom alerts go to. */
static bool may_say(const struct hub_bot *bot, int64_t person) {
    for (size_t i = 0; i < bot->config->admin_count; i++)
        if (bot->config->admins[i] == person)
            return true;
    return person == bot->config->owner || person == bot->hub->config->alerts.chat;
}

static void refuse_stranger(struct press *press) {
    struct hub_bot *bot = press->bot;
    static const char why[] = "Only the owner and the admins of this bot may do that";
    int64_t now = clock_ms(), *told_ms = &bot->presses.stranger_ms;
    if (*told_ms && now - *told_ms < STRANGERS_PAUSE_MS) {
        end(press, press->said.button ? why : "");
        return;
    }
    log_warning("%s: %s (%lld) may not say '%s' to Holdfast: neither owner nor admin",
                bot->config->name, press->said.name, (long long)press->said.from, press->said.verb);
    *told_ms = press->said.button ? *told_ms : now;
    end(press, why);
}

static void carry_out(struct press *press) {
    struct hub_bot *bot = press->bot;
    if (!may_say(bot, press->said.from)) {
        refuse_stranger(press);
        return;
    }
    if (press->said.verb[0])
        log_info("%s: %s says %s %s", bot->config->name, press->said.name, press->said.verb,
                 press->said.words[0]);
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(press->said.verb, verbs[i].name) == 0) {
            verbs[i].handle(press);
            return;
        }
    help(press);
}

static void carry_out_if_ours(struct press *press) {
    if (press->bot->presses.name && strcasecmp(press->said.to, press->bot->presses.name) != 0)
        end(press, ""); /* said to another bot of the group */
    else
        carry_out(press);
}

static void learn_name(struct press *press, const struct slice *body) {
    AUTO_BUFFER struct buffer name = {0};
    if (body && json_is_valid(*body) &&
        json_to_text(json_member(json_member(*body, "result"), "username"), &name) == 0)
        press->bot->presses.name = buffer_take(&name);
    carry_out_if_ours(press);
}

static void handle(struct hub_bot *bot, struct slice update) {
    struct press *press = memory_new(sizeof *press);
    struct buffer body = {0};
    press->bot = bot;
    press->called = learn_name;
    if (!telegram_read_press(update, &press->said)) {
        end(press, "");
    } else if (press->said.to[0] && !bot->presses.name) {
        buffer_add_text(&body, "{}");
        call(bot, "getMe", GATEWAY_FREE, 0, &body, press);
    } else if (press->said.to[0]) {
        carry_out_if_ours(press);
    } else {
        carry_out(press);
    }
}

/* ---- reading ---- */

static void ask(struct hub_bot *bot) {
    struct exchange *exchange = exchange_new(EXCHANGE_OWN, bot);
    gateway_feed(bot, &(struct gateway_event){.on = GATEWAY_ON_ASK,
                                              .request = (uint64_t)(uintptr_t)exchange,
                                              .consumer = GATEWAY_OWN,
                                              .offset = bot->presses.offset,
                                              .limit = 1,
                                              .timeout_s = POLL_S});
}

void buttons_open(struct hub *hub) {
    if (hub->alerts_bot && hub->config->alerts.buttons != BUTTONS_NEVER)
        ask(hub->alerts_bot);
}

void buttons_updates(struct hub_bot *bot, struct slice answer) {
    struct telegram_updates updates = {0};
    bool any = telegram_read_updates(answer, &updates) == 0 && updates.count > 0;
    if (any) { /* one: that was the limit */
        bot->presses.offset = updates.list[0].id + 1;
        handle(bot, updates.list[0].raw);
    } else {
        bot->presses.due_ms = clock_ms();
    }
    free(updates.list);
}

void buttons_refused(struct hub_bot *bot) {
    bot->presses.due_ms = clock_ms() + REFUSED_AGAIN_MS;
}

void buttons_turn(struct hub_bot *bot) {
    if (!bot->presses.due_ms || clock_ms() < bot->presses.due_ms || bot->hub->draining)
        return;
    bot->presses.due_ms = 0;
    ask(bot);
}

void buttons_close(struct hub_bot *bot) {
    free(bot->presses.name);
}

bool buttons_are_read(struct hub *hub) {
    if (!hub->alerts_bot || hub->config->alerts.buttons == BUTTONS_NEVER)
        return false;
    return gateway_is_polled(hub->alerts_bot->gateway);
}
