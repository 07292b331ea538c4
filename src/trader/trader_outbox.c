/* SPDX-License-Identifier: Apache-2.0 */
/* What people must be told. Entries are written with the change that they tell of, handed over in
 * the order of their ids (alerts and answers each in a line of its own), and let go when the hub
 * has them. An alert is repeated until the hub has it, which knows it by its id; an answer whose
 * fate is not known is let go, because Telegram cannot tell a repeat. */
#include "base/log.h"
#include "policy/backoff.h"
#include "trader/trader.h"
#include "wire/json_scan.h"
#include "wire/telegram_bot.h"
#include <stdio.h>

enum { HAND_OVER_MS_MAX = 15000, SAY_MS_MAX = 70000, COURTESIES_MAX = 50 };
static const struct backoff retry = {.first_ms = 500, .max_ms = 15000, .min_ms = 200};

/* ---- into the commit ---- */

static struct sending *append(struct trader *trader, const struct outbox *outbox) {
    struct sending **place = &trader->outbox;
    while (*place)
        place = &(*place)->next;
    *place = memory_new(sizeof **place);
    (*place)->outbox = *outbox;
    return *place;
}

static void save(struct trader *trader, struct sending *sending) {
    struct records records = {0};
    struct outbox *kept = &records_add(&records, RECORD_OUTBOX)->trade->outbox;
    *kept = sending->outbox;
    kept->text = text_copy(sending->outbox.text);
    kept->markup = text_copy(sending->outbox.markup);
    sending->saving = ++trader->outbox_tickets;
    sending->unsaved = false;
    commit_add(trader, &records, COMMIT_OUTBOX, sending->saving);
    commit_fact(trader, "outbox", sending->outbox.id);
}

static void add(struct trader *trader, struct outbox *outbox) {
    int64_t now = trader_now(trader);
    outbox->id = trader->outbox_last = trader->outbox_last < now ? now : trader->outbox_last + 1;
    outbox->created_ms = now;
    save(trader, append(trader, outbox));
}

void outbox_alert(struct trader *trader, enum alert_priority priority, const char *type,
                  char *text) {
    struct outbox outbox = {.kind = OUTBOX_ALERT, .priority = (int)priority, .text = text};
    (void)snprintf(outbox.type, sizeof outbox.type, "%s", type);
    add(trader, &outbox);
}

/* While the disk refuses, answers go out without it: else nobody could be told so. */
static void say_without_disk(struct trader *trader, int64_t chat, const char *text,
                             const char *markup) {
    struct courtesy *courtesy = memory_new(sizeof *courtesy);
    courtesy->method = "sendMessage";
    telegram_bot_add_say(chat, text, markup, &courtesy->body);
    outbox_send_courtesies(trader, courtesy);
}

void outbox_say(struct trader *trader, int64_t chat, char *text, char *markup) {
    if (trader->store_refuses) {
        say_without_disk(trader, chat, text, markup);
        free(text);
        free(markup);
        return;
    }
    struct outbox outbox = {.kind = OUTBOX_SAY, .chat = chat, .text = text, .markup = markup};
    add(trader, &outbox);
}

void outbox_restore(struct trader *trader, struct outbox *outbox) {
    append(trader, outbox);
    if (outbox->id > trader->outbox_last)
        trader->outbox_last = outbox->id;
}

static void forget(struct trader *trader, struct sending *gone) {
    for (struct sending **place = &trader->outbox; *place; place = &(*place)->next)
        if (*place == gone) {
            *place = gone->next;
            outbox_deinit(&gone->outbox);
            free(gone);
            return;
        }
}

/* Refused by the disk: an answer told of something that did not happen; an alert is sent from
 * memory and written with the next commit. */
void outbox_stored(struct trader *trader, uint64_t ticket, int r) {
    for (struct sending *sending = trader->outbox; sending; sending = sending->next)
        if (sending->saving == ticket) {
            sending->saving = 0;
            sending->unsaved = r < 0;
            if (r < 0 ? sending->outbox.kind == OUTBOX_SAY && !sending->handed_over
                      : sending->handed_over)
                forget(trader, sending);
            return;
        }
}

static void drop(struct trader *trader, struct sending *sending) {
    struct records records = {0};
    records_add(&records, RECORD_OUTBOX_DROP)->trade->outbox.id = sending->outbox.id;
    sending->saving = ++trader->outbox_tickets;
    sending->unsaved = false;
    commit_add(trader, &records, COMMIT_OUTBOX, sending->saving);
}

void outbox_save_again(struct trader *trader) {
    for (struct sending *sending = trader->outbox; sending; sending = sending->next)
        if (sending->unsaved && sending->handed_over)
            drop(trader, sending);
        else if (sending->unsaved)
            save(trader, sending);
}

/* ---- out of it ---- */

struct flight { /* survives its entry being forgotten: looked up by id */
    struct trader *trader;
    int64_t id;
};

static struct sending *find(struct trader *trader, int64_t id) {
    struct sending *sending = trader->outbox;
    while (sending && sending->outbox.id != id)
        sending = sending->next;
    return sending;
}

/* It is forgotten when the disk has let go of it: else a restart would tell it again. */
static void let_go(struct trader *trader, struct sending *sending) {
    sending->handed_over = true;
    sending->flying = false;
    commit_begin(trader);
    drop(trader, sending);
    commit_end(trader);
}

static void again(struct trader *trader, struct sending *sending, int64_t retry_after_s) {
    sending->flying = false;
    sending->tries++;
    int64_t wait = retry_after_s > 0
                       ? retry_after_s * 1000
                       : backoff_ms(&retry, sending->tries, random_next(&trader->seed));
    sending->not_before = trader_now(trader) + wait;
}

static void on_alert(void *context, const struct http_answer *answer) {
    struct flight *flight = context;
    struct trader *trader = flight->trader;
    struct sending *sending = find(trader, flight->id);
    free(flight);
    trader->alert_flying = false;
    if (!sending)
        return;
    bool taken = answer->outcome == HTTP_ANSWERED && answer->status / 100 == 2;
    bool wrong = answer->outcome == HTTP_ANSWERED && answer->status == 400;
    if (taken || wrong) {
        if (wrong)
            log_error("the hub refuses an alert for ever: %.*s", (int)answer->body.size,
                      answer->body.data);
        let_go(trader, sending);
        return;
    }
    if (sending->tries == 2)
        log_warning("alerts wait: the hub does not take them (%s, status %d)", answer->error,
                    answer->status);
    again(trader, sending, answer->retry_after_s);
}

static void send_alert(struct trader *trader, struct sending *sending, struct flight *flight) {
    AUTO_BUFFER struct buffer url = {0}, body = {0}, bearer = {0};
    const struct outbox *outbox = &sending->outbox;
    hub_add_url(trader, &url);
    buffer_add_text(&url, "/v1/alerts");
    buffer_print(&body, "{\"priority\":\"%s\",\"type\":\"%s\",\"service\":\"trader\",",
                 alert_priority_name((enum alert_priority)outbox->priority), outbox->type);
    buffer_print(&body, "\"dedup_key\":\"%s-%lld\",\"group\":\"\",\"text\":", trader->tag,
                 (long long)outbox->id);
    json_add_text(&body, slice_of(outbox->text));
    buffer_add_text(&body, "}");
    const char *token = trader->config->http.token.value;
    buffer_print(&bearer, "Bearer %s", token ? token : "");
    struct http_header header = {"Authorization", bearer.data};
    trader->alert_flying = true;
    http_call_start(trader->client,
                    &(struct http_call_options){.method = "POST",
                                                .url = url.data,
                                                .headers = &header,
                                                .header_count = token != NULL,
                                                .body = buffer_slice(&body),
                                                .content_type = "application/json",
                                                .total_ms_max = HAND_OVER_MS_MAX},
                    on_alert, flight, NULL);
    explicit_bzero(bearer.data, bearer.size);
}

/* 502 of the gateway and a failed connect: nothing was sent. Any other silence: nobody knows. */
static void on_said(void *context, const struct http_answer *answer) {
    struct flight *flight = context;
    struct trader *trader = flight->trader;
    struct sending *sending = find(trader, flight->id);
    free(flight);
    trader->say_flying = false;
    if (!sending)
        return;
    bool answered = answer->outcome == HTTP_ANSWERED;
    if (answer->outcome == HTTP_NOT_SENT ||
        (answered && (answer->status == 502 || answer->status == 503 || answer->status == 429))) {
        again(trader, sending, answer->retry_after_s);
        return;
    }
    if (!answered || answer->status == 504)
        log_warning("an answer in a chat may not have arrived; it is not repeated");
    else if (answer->status != 200)
        log_warning("an answer in a chat was refused: %.*s",
                    (int)(answer->body.size < 300 ? answer->body.size : 300), answer->body.data);
    let_go(trader, sending);
}

static void send_say(struct trader *trader, struct sending *sending, struct flight *flight) {
    AUTO_BUFFER struct buffer url = {0}, body = {0};
    const struct outbox *outbox = &sending->outbox;
    bot_add_url(trader, "sendMessage", &url);
    telegram_bot_add_say(outbox->chat, outbox->text, outbox->markup, &body);
    trader->say_flying = true;
    http_call_start(trader->client,
                    &(struct http_call_options){.method = "POST",
                                                .url = url.data,
                                                .body = buffer_slice(&body),
                                                .content_type = "application/json",
                                                .total_ms_max = SAY_MS_MAX},
                    on_said, flight, NULL);
}

static struct sending *first_of(const struct trader *trader, enum outbox_kind kind) {
    for (struct sending *sending = trader->outbox; sending; sending = sending->next)
        if (sending->outbox.kind == kind && !sending->handed_over)
            return sending;
    return NULL;
}

/* CRITICAL before the rest, in the order of their making within. */
static struct sending *first_alert(const struct trader *trader) {
    struct sending *best = NULL;
    for (struct sending *sending = trader->outbox; sending; sending = sending->next)
        if (sending->outbox.kind == OUTBOX_ALERT && !sending->handed_over &&
            (!best || sending->outbox.priority < best->outbox.priority))
            best = sending;
    return best;
}

static bool is_due(const struct trader *trader, const struct sending *sending) {
    return sending && !sending->flying && !sending->saving &&
           trader_now(trader) >= sending->not_before;
}

static struct flight *take_off(struct trader *trader, struct sending *sending) {
    struct flight *flight = memory_new(sizeof *flight);
    *flight = (struct flight){trader, sending->outbox.id};
    sending->flying = true;
    return flight;
}

void outbox_turn(struct trader *trader) {
    struct sending *alert = first_alert(trader), *say = first_of(trader, OUTBOX_SAY);
    if (!trader->alert_flying && is_due(trader, alert))
        send_alert(trader, alert, take_off(trader, alert));
    if (!trader->say_flying && is_due(trader, say))
        send_say(trader, say, take_off(trader, say));
}

int64_t outbox_next_ms(const struct trader *trader) {
    const struct sending *firsts[] = {trader->alert_flying ? NULL : first_alert(trader),
                                      trader->say_flying ? NULL : first_of(trader, OUTBOX_SAY)};
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(firsts); i++)
        if (firsts[i] && !firsts[i]->flying && !firsts[i]->saving && firsts[i]->not_before < next)
            next = firsts[i]->not_before;
    return next;
}

/* ---- courtesies ---- */

static void on_courtesy(void *context, const struct http_answer *answer) {
    struct trader *trader = context;
    trader->courtesies_flying--;
}

void courtesies_free(struct courtesy *first) {
    for (struct courtesy *next; first; first = next) {
        next = first->next;
        buffer_deinit(&first->body);
        free(first);
    }
}

void outbox_send_courtesies(struct trader *trader, struct courtesy *first) {
    for (const struct courtesy *courtesy = first; courtesy; courtesy = courtesy->next) {
        AUTO_BUFFER struct buffer url = {0};
        if (trader->courtesies_flying >= COURTESIES_MAX)
            break; /* they are courtesies */
        bot_add_url(trader, courtesy->method, &url);
        trader->courtesies_flying++;
        http_call_start(trader->client,
                        &(struct http_call_options){.method = "POST",
                                                    .url = url.data,
                                                    .body = buffer_slice(&courtesy->body),
                                                    .content_type = "application/json",
                                                    .total_ms_max = HAND_OVER_MS_MAX},
                        on_courtesy, trader, NULL);
    }
    courtesies_free(first);
}

void outbox_close(struct trader *trader) {
    while (trader->outbox)
        forget(trader, trader->outbox);
}
