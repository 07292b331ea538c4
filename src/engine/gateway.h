/* SPDX-License-Identifier: Apache-2.0 */
/* gateway.h - what the hub decides for one bot: polling Telegram, keeping updates for consumers,
 * sending in order of importance inside the budgets. Pure: step(state, event, now) -> commands.
 *
 * The order that loses nothing: updates are persisted, and only when they are on disk (ON_STORED)
 * is Telegram polled with a higher offset, which is what makes it forget them. Consumers are given
 * them meanwhile: a bot need not wait for our disk, since what a crash takes from us Telegram still
 * has. It comes again then, and a consumer whose offset says that it had it is not given it twice.
 * A consumer's answer waits for the commit of what that same poll confirmed.
 *
 * Positions are own numbers (seq), because update ids may start anew at a lower number after a
 * silence; a run of growing ids is an epoch. `now` is milliseconds and never goes back; it goes on
 * over restarts. Requests are numbers of the shell's; each gets exactly one ANSWER, REFUSE or PASS.
 */
#pragma once
#include "base/buffer.h"
#include "model/record.h"
#include "model/telegram.h"
#include "policy/quota.h"

enum { GATEWAY_CONSUMERS_MAX = 32, GATEWAY_POLL_LIMIT = 100 /* of a poll of ours */ };
#define GATEWAY_OWN "(holdfast)" /* no name that a program can ask for */
struct gateway;
struct gateway_options {
    const char *bot; /* name; borrowed for life */
    int64_t account; /* the bot's id, from its token */
    bool own;        /* there is the consumer GATEWAY_OWN: it is given what people say to Holdfast
                        itself and nothing else, and others are not given that */
    bool own_reads;  /* ... and the bot is polled for it alone, too */
    int64_t old_after_ms; /* updates that age are let go when they are so old before a consumer has
                             confirmed them; 0: never */
    uint64_t seed;        /* of the jitter */
    struct quota_rate rate_all, rate_chat, rate_group;
    int64_t poll_timeout_s;          /* of our long poll, 0..50 */
    size_t held_max, held_bytes_max; /* updates kept; then Telegram keeps them */
    size_t sends_max, in_flight_max;
    int64_t wait_429_ms_max; /* 429 is waited out for the caller this long */
    int64_t connect_ms_max;  /* ... and failed connects are retried this long */
};
struct gateway_options gateway_options_default(void);

enum gateway_outcome { GATEWAY_ANSWERED, GATEWAY_NOT_SENT, GATEWAY_UNKNOWN };
enum gateway_budget {                  /* what a call counts as */
                      GATEWAY_FREE,    /* no message: getMe, answerCallbackQuery, ... */
                      GATEWAY_EDIT,    /* all and group */
                      GATEWAY_MESSAGE, /* all, chat and group */
};
enum gateway_on {
    GATEWAY_ON_START,    /* once, after all gateway_restore() and gateway_declare() */
    GATEWAY_ON_TIMER,    /* gateway_next_ms() has come; any time is fine */
    GATEWAY_ON_UNHOOKED, /* deleteWebhook came back: outcome, class, description, retry_after_s */
    GATEWAY_ON_POLLED,   /* the same, and updates when class is TELEGRAM_OK */
    GATEWAY_ON_STORED,   /* ticket, r */
    GATEWAY_ON_ASK,      /* getUpdates of a consumer: request, consumer, offset ... */
    GATEWAY_ON_SKIP,     /* request: consumer lets go of all that waits, here and at Telegram */
    GATEWAY_ON_SEND,     /* a call to pass on: request, chat, priority, budget, raw */
    GATEWAY_ON_SENT,     /* it came back: request, outcome, class, description, retry_after_s */
    GATEWAY_ON_GONE,     /* the caller of request has left */
    GATEWAY_ON_CLOSE,    /* answers all that wait; nothing is polled or sent any more */
};
struct gateway_event {
    enum gateway_on on;
    uint64_t request, ticket;
    int r;
    enum gateway_outcome outcome;
    enum telegram_class class;
    const char *description;               /* of an answer, or why there was none; "" */
    int64_t retry_after_s;                 /* -1: none */
    const struct telegram_update *updates; /* copied */
    size_t update_count;
    int64_t wall_ms; /* POLLED: the wall clock, which `now` need not be */
    const char *consumer;
    int64_t offset, limit, timeout_s; /* as asked, unchecked */
    bool has_kinds;
    uint64_t kinds;
    int64_t chat; /* telegram_chat_key(), 0: none */
    enum alert_priority priority;
    enum gateway_budget budget;
    bool raw; /* one try; every outcome comes back as PASS (alerts decide for themselves) */
};
enum gateway_do {
    GATEWAY_DO_PERSIST,   /* ticket, records */
    GATEWAY_DO_UNHOOK,    /* call deleteWebhook */
    GATEWAY_DO_POLL,      /* call getUpdates: offset, timeout_s, kinds */
    GATEWAY_DO_STOP_POLL, /* cancel it: another one follows */
    GATEWAY_DO_ANSWER,    /* request: body is the whole answer */
    GATEWAY_DO_REFUSE,    /* request: code, text, retry_after_s in the Bot API's shape */
    GATEWAY_DO_SEND,      /* request may go out now */
    GATEWAY_DO_PASS,      /* request gets the answer that just came, unchanged */
    GATEWAY_DO_ALARM,     /* tell people: priority, text; `code` names the kind for dedup */
};
struct gateway_command {
    enum gateway_do what;
    uint64_t request, ticket;
    struct records records; /* to be taken */
    int64_t offset, timeout_s, retry_after_s;
    uint64_t kinds;
    struct buffer body; /* to be taken, or freed by gateway_commands_deinit() */
    int code;
    char *text;
    enum alert_priority priority;
};
struct gateway_commands { /* start with {0} */
    struct gateway_command *list;
    size_t count, capacity;
};
void gateway_commands_deinit(struct gateway_commands *commands);

struct gateway *gateway_new(const struct gateway_options *options);
struct gateway *gateway_free(struct gateway *gateway);
void gateway_restore(struct gateway *gateway, const struct record *record); /* of this bot */
/* A consumer that the config names: known before its first poll, never forgotten. */
void gateway_declare(struct gateway *gateway, const char *consumer);
void gateway_step(struct gateway *gateway, const struct gateway_event *event, int64_t now,
                  struct gateway_commands *commands);
/* "" or a sentence with the next step; borrowed until the next step. */
const char *gateway_problem(const struct gateway *gateway);
uint64_t gateway_old(const struct gateway *gateway);    /* let go for their age, since the start */
bool gateway_is_polled(const struct gateway *gateway);  /* somebody reads this bot */
int64_t gateway_next_ms(const struct gateway *gateway); /* INT64_MAX: nothing is due */

struct gateway_consumer_figures {
    const char *name; /* borrowed until the next step */
    bool declared, parked;
    size_t waiting;
    int64_t oldest_ms;  /* received time of its oldest unconfirmed update, 0: none */
    int64_t seen_ms;    /* last poll, 0: never */
    uint64_t confirmed; /* since this start */
};
struct gateway_figures {
    const char *poller;                   /* "off", "polling", "waiting", ... */
    const char *problem;                  /* "" or a sentence with the next step */
    bool polls;                           /* somebody reads this bot */
    int64_t last_poll_ms, last_update_ms; /* 0: never */
    uint64_t updates, old, errors, errors_in_row, duplicates, sends, sends_429, sends_failed;
    size_t held, sends_waiting, in_flight;
    int64_t oldest_ms;
    struct gateway_consumer_figures consumers[GATEWAY_CONSUMERS_MAX];
    size_t consumer_count;
};
void gateway_figures(const struct gateway *gateway, struct gateway_figures *ret);
