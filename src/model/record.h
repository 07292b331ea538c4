/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - what the hub keeps on disk, one typed record for each change. Engines make them, the
 * store writes them, and at the next start the same records (those that describe a state) rebuild
 * the engines. A record owns its texts. */
#pragma once
#include "model/alert.h"

enum record_kind {
    RECORD_BOT,           /* how far a bot's poller is; replaces the former one */
    RECORD_UPDATE,        /* an update that came; added */
    RECORD_UPDATES_DROP,  /* all updates of a bot up to and including seq are let go */
    RECORD_CONSUMER,      /* how far a consumer is; replaces */
    RECORD_CONSUMER_DROP, /* forget a consumer */
    RECORD_ALERT,         /* a new alert; added */
    RECORD_ALERT_CHANGE,  /* all but its texts; replaces */
    RECORD_ALERTS_DROP,   /* all ended before at_ms are let go */
    RECORD_CHAT,          /* chat `id` became chat `offset`; replaces */
    RECORD_SEEN,          /* load only: highest alert id (in id) */
};
struct record {
    enum record_kind kind;
    char *bot;      /* name in the config; NULL for alerts */
    char *consumer; /* RECORD_CONSUMER, _DROP */
    int64_t seq;    /* UPDATE: own number, growing; UPDATES_DROP; CONSUMER: confirmed up to here */
    int64_t id;     /* UPDATE: update_id; BOT: Telegram's id of the account */
    int64_t epoch;  /* UPDATE, CONSUMER, BOT: runs of growing update ids, see engine/gateway.h */
    int64_t offset; /* BOT: of the next poll; CONSUMER: highest polled beyond what we had */
    int64_t at_ms;  /* UPDATE: received; CONSUMER: last poll; BOT: last update; ALERTS_DROP */
    uint64_t mask;  /* UPDATE: slots of consumers that do not see it; CONSUMER: kinds it wants */
    uint32_t slot;  /* CONSUMER */
    char *body;     /* UPDATE: raw JSON */
    size_t body_bytes;
    struct alert alert; /* ALERT, ALERT_CHANGE */
};
void record_deinit(struct record *record);
struct records { /* start with {0} */
    struct record *list;
    size_t count, capacity;
};
struct record *records_add(struct records *records, enum record_kind kind); /* zeroed but kind */
void records_deinit(struct records *records);
