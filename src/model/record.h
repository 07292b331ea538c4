/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - what hub and trader keep on disk, one typed record for each change. Engines make them,
 * the store writes them, and at the next start the same records (those that describe a state)
 * rebuild the engines. A record owns its texts. */
#pragma once
#include "model/alert.h"
#include "model/incident.h"
#include "model/monitor.h"
#include "model/silence.h"
#include "model/trade.h"

enum record_kind {
    RECORD_BOT,           /* how far a bot's poller is; replaces the former one */
    RECORD_UPDATE,        /* an update that came; added */
    RECORD_UPDATES_DROP,  /* all updates of a bot up to and including seq are let go */
    RECORD_CONSUMER,      /* how far a consumer is; replaces */
    RECORD_CONSUMER_DROP, /* forget a consumer */
    RECORD_ALERT,         /* a new alert; added */
    RECORD_ALERT_CHANGE,  /* all but its texts; replaces */
    RECORD_ALERTS_DROP,   /* all ended before at_ms are let go */
    RECORD_WAY_GONE,      /* what waits for alert.way fails: it is no longer in the config; at_ms */
    RECORD_ALERT_ACK,     /* alert.id is acknowledged: acked_ms, acked_by */
    RECORD_CHAT,          /* chat `id` became chat `offset`; replaces */
    RECORD_SILENCE,       /* `silence`; replaces the former one of its id */
    RECORD_SILENCES_DROP, /* all ended before at_ms are let go */
    RECORD_WEBHOOK,       /* where a consumer wants its updates: body, wire/telegram_webhook.h */
    RECORD_WEBHOOK_DROP,  /* ... nowhere any more */
    RECORD_MONITOR,       /* `monitor`; replaces the former one of its id */
    RECORD_MONITOR_DROP,  /* the one whose id is `bot` */
    RECORD_INCIDENT,      /* `incident`; replaces the former one of its id */
    RECORD_INCIDENTS_DROP, /* all ended before at_ms are let go */
    RECORD_SEEN,           /* load only: highest alert id (in id) */
    RECORD_ALERT_SEEN,     /* load only: one that came a short time ago */
    RECORD_ALERT_UNACKED,  /* load only: one that waits for somebody to acknowledge it */
    RECORD_ESCALATED,      /* load only: all up to `id` was told by the way alert.way, too */
    RECORD_ALERTS_WAITING, /* load only: id many of alert.priority by alert.way, at_ms: when the
                              last one came */
    /* The trader's; what they hold stands in `trade`. */
    RECORD_ORDER,       /* replaces the former one of its id */
    RECORD_FILL,        /* added; an exec_id that is there already is left as it is */
    RECORD_POSITION,    /* replaces the former one of its symbol */
    RECORD_DIALOG,      /* replaces the former one of its id */
    RECORD_DIALOG_DROP, /* dialog.id is let go */
    RECORD_OUTBOX,      /* replaces the former one of its id */
    RECORD_OUTBOX_DROP, /* outbox.id is let go */
    RECORD_FACT,        /* a number by name; replaces */
    RECORD_KINDS
};
struct trade_record {
    union {
        struct order order;
        struct fill fill;
        struct position position;
        struct dialog dialog;
        struct outbox outbox;
        struct {
            char name[32];
            int64_t value;
        } fact;
    };
};
struct record {
    enum record_kind kind;
    char *bot;      /* name in the config; NULL for alerts */
    char *consumer; /* RECORD_CONSUMER, WEBHOOK, their _DROP */
    int64_t seq;    /* UPDATE: own number, growing; UPDATES_DROP; CONSUMER: confirmed up to here */
    int64_t id;     /* UPDATE: update_id; BOT: Telegram's id of the account */
    int64_t epoch;  /* UPDATE, CONSUMER, BOT: runs of growing update ids, see engine/gateway.h */
    int64_t offset; /* BOT: of the next poll; CONSUMER: highest polled beyond what we had */
    int64_t at_ms;  /* UPDATE: received; CONSUMER: last poll; BOT: last update; ALERTS_DROP */
    uint64_t mask;  /* UPDATE: slots of consumers that do not see it; CONSUMER: kinds it wants */
    uint32_t slot;  /* CONSUMER */
    char *body;     /* UPDATE, WEBHOOK: raw JSON */
    size_t body_bytes;
    struct alert alert;         /* ALERT, ALERT_CHANGE, ALERT_ACK */
    struct silence *silence;    /* SILENCE, else NULL; owned */
    struct monitor *monitor;    /* MONITOR, else NULL; owned */
    struct incident *incident;  /* INCIDENT, else NULL; owned */
    struct trade_record *trade; /* ORDER and later, else NULL; owned */
};
void record_deinit(struct record *record);
struct records { /* start with {0} */
    struct record *list;
    size_t count, capacity;
};
/* Room for `count` more: the next ones cost no move. */
void records_reserve(struct records *records, size_t count);
/* Zeroed but kind, and `trade` or `silence` where the kind has it. */
struct record *records_add(struct records *records, enum record_kind kind);
void records_deinit(struct records *records);
/* Why records could not be written (-errno), and what to do; for people. */
const char *record_unkept_why(int r);
void records_move(struct records *to, struct records *from); /* behind those there; empties from */
