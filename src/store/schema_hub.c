/* SPDX-License-Identifier: Apache-2.0 */
/* What the hub keeps: bots, updates, consumers, alerts, chats. */
#include "store/sqlite_schema.h"
#include "store/store_sqlite.h"
#include <errno.h>

/* migrations[n] brings version n to n + 1. Never change one that was released: add. */
static const char *const migrations[] = {
    "CREATE TABLE bots(bot TEXT PRIMARY KEY, account INTEGER NOT NULL, next_offset INTEGER NOT "
    "NULL,"
    "  epoch INTEGER NOT NULL, last_update INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE updates(bot TEXT NOT NULL, seq INTEGER NOT NULL, id INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL, received INTEGER NOT NULL, hidden INTEGER NOT NULL, body BLOB NOT "
    "NULL,"
    "  PRIMARY KEY(bot, seq));"
    "CREATE TABLE consumers(bot TEXT NOT NULL, name TEXT NOT NULL, slot INTEGER NOT NULL,"
    "  confirmed INTEGER NOT NULL, epoch INTEGER NOT NULL, kinds INTEGER NOT NULL,"
    "  seen INTEGER NOT NULL, PRIMARY KEY(bot, name)) WITHOUT ROWID;"
    "CREATE TABLE alerts(id INTEGER PRIMARY KEY, priority INTEGER NOT NULL, state INTEGER NOT NULL,"
    "  created INTEGER NOT NULL, next_try INTEGER NOT NULL, ended INTEGER NOT NULL,"
    "  chat INTEGER NOT NULL, attempts INTEGER NOT NULL, part INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL, title TEXT, text TEXT NOT NULL, type TEXT, service TEXT,"
    "  dedup_key TEXT, reason TEXT);"
    "CREATE INDEX alerts_by_state ON alerts(state, id);"
    "CREATE TABLE chats(chat INTEGER PRIMARY KEY, became INTEGER NOT NULL);",
    "ALTER TABLE consumers ADD COLUMN ahead INTEGER NOT NULL DEFAULT 0;",
    "DROP INDEX alerts_by_state;"
    "CREATE INDEX alerts_open ON alerts(priority, created, id, state) WHERE state<2;"
    "CREATE INDEX alerts_ended ON alerts(state, id) WHERE state>=2;"
    "ALTER TABLE alerts ADD COLUMN grouped TEXT;"
    "CREATE TABLE silences(id INTEGER PRIMARY KEY, starts INTEGER NOT NULL, ends INTEGER NOT NULL,"
    "  priorities INTEGER NOT NULL, type TEXT, service TEXT, title TEXT, text TEXT, author TEXT,"
    "  comment TEXT);",
    "ALTER TABLE alerts ADD COLUMN acked INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alerts ADD COLUMN acked_by TEXT;"
    "CREATE INDEX alerts_unacked ON alerts(id) WHERE acked<0;"
    "ALTER TABLE alerts ADD COLUMN way TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE alerts ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX alerts_open;"
    "CREATE INDEX alerts_open ON alerts(way, priority, created, id, state) WHERE state<2;",
    "CREATE TABLE webhooks(bot TEXT NOT NULL, consumer TEXT NOT NULL, body TEXT NOT NULL,"
    "  PRIMARY KEY(bot, consumer)) WITHOUT ROWID;"
    "CREATE INDEX alerts_escalated ON alerts(way, origin) WHERE flags & 4;",
    "CREATE TABLE monitors(id TEXT PRIMARY KEY, service TEXT, url TEXT, advice TEXT,"
    "  stale_after INTEGER NOT NULL, retry INTEGER NOT NULL, memory_max INTEGER NOT NULL,"
    "  response_max INTEGER NOT NULL, failures_max INTEGER NOT NULL, attempts_max INTEGER NOT NULL,"
    "  critical INTEGER NOT NULL, paused INTEGER NOT NULL, on_memory INTEGER NOT NULL,"
    "  on_disconnected INTEGER NOT NULL, on_stale INTEGER NOT NULL, on_errors INTEGER NOT NULL,"
    "  on_critical INTEGER NOT NULL, state INTEGER NOT NULL, cause INTEGER NOT NULL,"
    "  created INTEGER NOT NULL, since INTEGER NOT NULL, beat INTEGER NOT NULL,"
    "  run INTEGER NOT NULL, retry_at INTEGER NOT NULL, in_row INTEGER NOT NULL,"
    "  attempts INTEGER NOT NULL, pending INTEGER NOT NULL, last_action INTEGER NOT NULL,"
    "  memory INTEGER NOT NULL, cpu INTEGER NOT NULL, response INTEGER NOT NULL,"
    "  connected INTEGER NOT NULL, sync INTEGER NOT NULL, exit_code INTEGER NOT NULL,"
    "  duration INTEGER NOT NULL, message TEXT, beats INTEGER NOT NULL, failures INTEGER NOT NULL,"
    "  errors INTEGER NOT NULL, warnings INTEGER NOT NULL, actions INTEGER NOT NULL,"
    "  recoveries INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE incidents(id INTEGER PRIMARY KEY, subject TEXT NOT NULL, level INTEGER NOT NULL,"
    "  began INTEGER NOT NULL, ended INTEGER NOT NULL, times INTEGER NOT NULL, cause TEXT,"
    "  done TEXT, lines TEXT);"
    "CREATE INDEX incidents_ended ON incidents(ended);"
    "CREATE TABLE facts(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"};
enum { FLAG_MAYBE_SENT = 1, FLAG_PLAIN = 2, FLAG_REMINDER = 4 };

enum statement {
    BOT,
    UPDATE,
    UPDATES_DROP,
    CONSUMER,
    CONSUMER_DROP,
    ALERT,
    ALERT_CHANGE,
    ALERTS_DROP,
    WAY_GONE,
    ALERT_ACK,
    CHAT,
    SILENCE,
    SILENCES_DROP,
    WEBHOOK,
    WEBHOOK_DROP,
    MONITOR,
    MONITOR_DROP,
    INCIDENT,
    INCIDENTS_DROP,
    FACT,
    STATEMENTS
};
static const char *const statements[STATEMENTS] = {
    [BOT] = "INSERT OR REPLACE INTO bots VALUES(?1,?2,?3,?4,?5)",
    [UPDATE] = "INSERT OR REPLACE INTO updates VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [UPDATES_DROP] = "DELETE FROM updates WHERE bot=?1 AND seq<=?2",
    [CONSUMER] = "INSERT OR REPLACE INTO consumers VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [CONSUMER_DROP] = "DELETE FROM consumers WHERE bot=?1 AND name=?2",
    [ALERT] = "INSERT INTO alerts VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
              "?17,0,NULL,?18,?19)",
    [ALERT_CHANGE] = "UPDATE alerts SET priority=?2, state=?3, created=?4, next_try=?5, ended=?6,"
                     " chat=?7, attempts=?8, part=?9, flags=?10, reason=?11, acked=?12,"
                     " acked_by=CASE WHEN ?12>0 THEN acked_by END WHERE id=?1",
    [WAY_GONE] = "UPDATE alerts SET state=3, ended=?2, reason='this way out is no longer in the "
                 "config' WHERE way=?1 AND state<2",
    [ALERT_ACK] = "UPDATE alerts SET acked=?2, acked_by=?3 WHERE id=?1 AND acked<0",
    /* Among the oldest only: a look at all that have ended would hold up commits. */
    [ALERTS_DROP] = "DELETE FROM alerts WHERE id IN (SELECT id FROM (SELECT id, state, ended FROM"
                    " alerts ORDER BY id LIMIT 5000) WHERE state>=2 AND ended<?1)",
    [CHAT] = "INSERT OR REPLACE INTO chats VALUES(?1,?2)",
    [SILENCE] = "INSERT OR REPLACE INTO silences VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
    /* The newest stays: numbers are not given again. */
    [SILENCES_DROP] = "DELETE FROM silences WHERE ends<?1 AND id<(SELECT max(id) FROM silences)",
    [WEBHOOK] = "INSERT OR REPLACE INTO webhooks VALUES(?1,?2,?3)",
    [WEBHOOK_DROP] = "DELETE FROM webhooks WHERE bot=?1 AND consumer=?2",
    [MONITOR] = "INSERT OR REPLACE INTO monitors VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,"
                "?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29,?30,?31,?32,?33,"
                "?34,?35,?36,?37,?38,?39,?40,?41,?42)",
    [MONITOR_DROP] = "DELETE FROM monitors WHERE id=?1",
    [INCIDENT] = "INSERT OR REPLACE INTO incidents VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    /* What began at 0 says since when a subject is known; numbers are not given again. */
    [INCIDENTS_DROP] = "DELETE FROM incidents WHERE ended>0 AND ended<?1 AND began>0"
                       " AND id<(SELECT max(id) FROM incidents)",
    [FACT] = "INSERT OR REPLACE INTO facts VALUES(?1,?2)",
};

static void bind_alert(sqlite3_stmt *statement, const struct alert *alert) {
    const int64_t values[] = {alert->id,
                              (int64_t)alert->priority,
                              (int64_t)alert->state,
                              alert->created_ms,
                              alert->next_ms,
                              alert->ended_ms,
                              alert->chat,
                              alert->attempts,
                              alert->part,
                              (alert->maybe_sent ? FLAG_MAYBE_SENT : 0) |
                                  (alert->plain ? FLAG_PLAIN : 0) |
                                  (alert->reminder ? FLAG_REMINDER : 0)};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 1, values[i]);
}

static int apply_alert(struct sqlite_backend *self, const struct alert *alert, bool is_new) {
    enum statement which = is_new ? ALERT : ALERT_CHANGE;
    sqlite3_stmt *statement = self->prepared[which];
    bind_alert(statement, alert);
    if (!is_new) {
        sqlite_bind_text(statement, 11, alert->reason);
        sqlite3_bind_int64(statement, 12, alert->acked_ms);
        return sqlite_run(self, which);
    }
    const char *const texts[] = {alert->title,     alert->text,   alert->type, alert->service,
                                 alert->dedup_key, alert->reason, alert->group};
    for (int i = 0; i < (int)COUNT_OF(texts); i++)
        sqlite_bind_text(statement, 11 + i, texts[i]);
    sqlite_bind_text(statement, 18, alert->way ? alert->way : "");
    sqlite3_bind_int64(statement, 19, alert->origin);
    return sqlite_run(self, which);
}

static int apply_update(struct sqlite_backend *self, const struct record *record) {
    sqlite3_stmt *statement = self->prepared[UPDATE];
    sqlite_bind_text(statement, 1, record->bot);
    const int64_t values[] = {record->seq, record->id, record->epoch, record->at_ms,
                              (int64_t)record->mask};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 2, values[i]);
    sqlite3_bind_blob64(statement, 7, record->body, record->body_bytes, SQLITE_STATIC);
    return sqlite_run(self, UPDATE);
}

static int apply_bot(struct sqlite_backend *self, const struct record *record) {
    sqlite3_stmt *statement = self->prepared[BOT];
    sqlite_bind_text(statement, 1, record->bot);
    const int64_t values[] = {record->id, record->offset, record->epoch, record->at_ms};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 2, values[i]);
    return sqlite_run(self, BOT);
}

static int apply_consumer(struct sqlite_backend *self, const struct record *record) {
    sqlite3_stmt *statement = self->prepared[CONSUMER];
    sqlite_bind_text(statement, 1, record->bot);
    sqlite_bind_text(statement, 2, record->consumer);
    const int64_t values[] = {record->slot,          record->seq,   record->epoch,
                              (int64_t)record->mask, record->at_ms, record->offset};
    for (int i = 0; i < (int)COUNT_OF(values); i++)
        sqlite3_bind_int64(statement, i + 3, values[i]);
    return sqlite_run(self, CONSUMER);
}

static int apply_drop(struct sqlite_backend *self, const struct record *record) {
    if (record->kind == RECORD_ALERTS_DROP) {
        sqlite3_bind_int64(self->prepared[ALERTS_DROP], 1, record->at_ms);
        return sqlite_run(self, ALERTS_DROP);
    }
    enum statement which = record->kind == RECORD_UPDATES_DROP ? UPDATES_DROP : CONSUMER_DROP;
    sqlite_bind_text(self->prepared[which], 1, record->bot);
    if (which == UPDATES_DROP)
        sqlite3_bind_int64(self->prepared[which], 2, record->seq);
    else
        sqlite_bind_text(self->prepared[which], 2, record->consumer);
    return sqlite_run(self, which);
}

static int apply_way_gone(struct sqlite_backend *self, const struct record *record) {
    _Static_assert(ALERT_FAILED == 3, "the statement has the number");
    sqlite_bind_text(self->prepared[WAY_GONE], 1, record->alert.way);
    sqlite3_bind_int64(self->prepared[WAY_GONE], 2, record->at_ms);
    return sqlite_run(self, WAY_GONE);
}

static int apply_ack(struct sqlite_backend *self, const struct alert *alert) {
    sqlite3_bind_int64(self->prepared[ALERT_ACK], 1, alert->id);
    sqlite3_bind_int64(self->prepared[ALERT_ACK], 2, alert->acked_ms);
    sqlite_bind_text(self->prepared[ALERT_ACK], 3, alert->acked_by);
    return sqlite_run(self, ALERT_ACK);
}

static int apply_chat(struct sqlite_backend *self, const struct record *record) {
    sqlite3_bind_int64(self->prepared[CHAT], 1, record->id);
    sqlite3_bind_int64(self->prepared[CHAT], 2, record->offset);
    return sqlite_run(self, CHAT);
}

static int apply_silence(struct sqlite_backend *self, const struct record *record) {
    sqlite3_stmt *statement = self->prepared[SILENCE];
    const struct silence *silence = record->silence;
    const char *const texts[] = {silence->type, silence->service, silence->title,
                                 silence->text, silence->author,  silence->comment};
    sqlite3_bind_int64(statement, 1, silence->id);
    sqlite3_bind_int64(statement, 2, silence->starts_ms);
    sqlite3_bind_int64(statement, 3, silence->ends_ms);
    sqlite3_bind_int64(statement, 4, silence->priorities);
    for (int i = 0; i < (int)COUNT_OF(texts); i++)
        sqlite_bind_text(statement, 5 + i, texts[i]);
    return sqlite_run(self, SILENCE);
}

static int apply_silences_drop(struct sqlite_backend *self, const struct record *record) {
    sqlite3_bind_int64(self->prepared[SILENCES_DROP], 1, record->at_ms);
    return sqlite_run(self, SILENCES_DROP);
}

static int apply_webhook(struct sqlite_backend *self, const struct record *record) {
    enum statement which = record->kind == RECORD_WEBHOOK ? WEBHOOK : WEBHOOK_DROP;
    sqlite_bind_text(self->prepared[which], 1, record->bot);
    sqlite_bind_text(self->prepared[which], 2, record->consumer);
    if (which == WEBHOOK)
        sqlite_bind_text(self->prepared[which], 3, record->body);
    return sqlite_run(self, which);
}

#define COLUMN(kind, member) SQLITE_COLUMN(kind, struct monitor, member)
#define ENUM_COLUMN(limit, member) SQLITE_ENUM(limit, struct monitor, member)
static const struct sqlite_column monitor_columns[] = {
    COLUMN(OWNED, id),
    COLUMN(OWNED, wish.service),
    COLUMN(OWNED, wish.url),
    COLUMN(OWNED, wish.advice),
    COLUMN(INT64, wish.stale_ms),
    COLUMN(INT64, wish.retry_ms),
    COLUMN(INT64, wish.memory_max),
    COLUMN(INT64, wish.response_ms_max),
    COLUMN(UINT32, wish.failures),
    COLUMN(UINT32, wish.attempts),
    COLUMN(BOOL, wish.critical),
    COLUMN(BOOL, wish.paused),
    ENUM_COLUMN(MONITOR_ACTIONS, wish.actions[MONITOR_MEMORY]),
    ENUM_COLUMN(MONITOR_ACTIONS, wish.actions[MONITOR_DISCONNECTED]),
    ENUM_COLUMN(MONITOR_ACTIONS, wish.actions[MONITOR_STALE]),
    ENUM_COLUMN(MONITOR_ACTIONS, wish.actions[MONITOR_ERRORS]),
    ENUM_COLUMN(MONITOR_ACTIONS, wish.actions[MONITOR_EMERGENCY]),
    ENUM_COLUMN(MONITOR_STATES, state),
    ENUM_COLUMN(MONITOR_CAUSES, cause),
    COLUMN(INT64, created_ms),
    COLUMN(INT64, since_ms),
    COLUMN(INT64, beat_ms),
    COLUMN(INT64, run_ms),
    COLUMN(INT64, retry_at_ms),
    COLUMN(UINT32, consecutive_failures),
    COLUMN(UINT32, attempts),
    ENUM_COLUMN(MONITOR_ACTIONS, pending),
    ENUM_COLUMN(MONITOR_ACTIONS, last_action),
    COLUMN(INT64, memory_bytes),
    COLUMN(INT64, cpu_permille),
    COLUMN(INT64, response_ms),
    COLUMN(INT64, connected),
    COLUMN(INT64, sync),
    COLUMN(INT64, exit_code),
    COLUMN(INT64, duration_ms),
    COLUMN(OWNED, message),
    COLUMN(INT64, beats),
    COLUMN(INT64, failures),
    COLUMN(INT64, errors),
    COLUMN(INT64, warnings),
    COLUMN(INT64, actions_done),
    COLUMN(INT64, recoveries),
};
_Static_assert(COUNT_OF(monitor_columns) == 42, "the statement has as many places");

static int apply_monitor(struct sqlite_backend *self, const struct record *record) {
    if (record->kind == RECORD_MONITOR_DROP) {
        sqlite_bind_text(self->prepared[MONITOR_DROP], 1, record->bot);
        return sqlite_run(self, MONITOR_DROP);
    }
    sqlite_bind_columns(self->prepared[MONITOR], monitor_columns, COUNT_OF(monitor_columns),
                        record->monitor);
    return sqlite_run(self, MONITOR);
}

static int read_monitor(sqlite3_stmt *row, struct record *ret) {
    ret->monitor = memory_new(sizeof *ret->monitor);
    return sqlite_read_columns(row, monitor_columns, COUNT_OF(monitor_columns), ret->monitor);
}

#undef COLUMN
#define COLUMN(kind, member) SQLITE_COLUMN(kind, struct incident, member)
static const struct sqlite_column incident_columns[] = {
    COLUMN(INT64, id),
    COLUMN(OWNED, subject),
    SQLITE_ENUM(INCIDENT_LEVELS, struct incident, level),
    COLUMN(INT64, began_ms),
    COLUMN(INT64, ended_ms),
    COLUMN(INT64, times),
    COLUMN(OWNED, cause),
    COLUMN(OWNED, done),
    COLUMN(OWNED, lines),
};

static int apply_incident(struct sqlite_backend *self, const struct record *record) {
    if (record->kind == RECORD_INCIDENTS_DROP) {
        sqlite3_bind_int64(self->prepared[INCIDENTS_DROP], 1, record->at_ms);
        return sqlite_run(self, INCIDENTS_DROP);
    }
    sqlite_bind_columns(self->prepared[INCIDENT], incident_columns, COUNT_OF(incident_columns),
                        record->incident);
    return sqlite_run(self, INCIDENT);
}

static int read_incident(sqlite3_stmt *row, struct record *ret) {
    ret->incident = memory_new(sizeof *ret->incident);
    return sqlite_read_columns(row, incident_columns, COUNT_OF(incident_columns), ret->incident);
}

static int apply_fact(struct sqlite_backend *self, const struct record *record) {
    sqlite_bind_text(self->prepared[FACT], 1, record->trade->fact.name);
    sqlite3_bind_int64(self->prepared[FACT], 2, record->trade->fact.value);
    return sqlite_run(self, FACT);
}

static int read_fact(sqlite3_stmt *row, struct record *ret) {
    ret->trade = memory_new(sizeof *ret->trade);
    ret->trade->fact.value = sqlite3_column_int64(row, 1);
    const char *name = (const char *)sqlite3_column_text(row, 0);
    if (!name || strlen(name) >= sizeof ret->trade->fact.name)
        return -EBADMSG;
    memcpy(ret->trade->fact.name, name, strlen(name) + 1);
    return 0;
}

static int apply(struct sqlite_backend *self, const struct record *record) {
    must(record->kind < RECORD_SEEN || record->kind == RECORD_FACT); /* SEEN is only read */
    switch (record->kind) {
    case RECORD_BOT:
        return apply_bot(self, record);
    case RECORD_UPDATE:
        return apply_update(self, record);
    case RECORD_CONSUMER:
        return apply_consumer(self, record);
    case RECORD_ALERT:
    case RECORD_ALERT_CHANGE:
        return apply_alert(self, &record->alert, record->kind == RECORD_ALERT);
    case RECORD_UPDATES_DROP:
    case RECORD_CONSUMER_DROP:
    case RECORD_ALERTS_DROP:
        return apply_drop(self, record);
    case RECORD_WAY_GONE:
        return apply_way_gone(self, record);
    case RECORD_ALERT_ACK:
        return apply_ack(self, &record->alert);
    case RECORD_CHAT:
        return apply_chat(self, record);
    case RECORD_SILENCE:
        return apply_silence(self, record);
    case RECORD_SILENCES_DROP:
        return apply_silences_drop(self, record);
    case RECORD_WEBHOOK:
    case RECORD_WEBHOOK_DROP:
        return apply_webhook(self, record);
    case RECORD_MONITOR:
    case RECORD_MONITOR_DROP:
        return apply_monitor(self, record);
    case RECORD_INCIDENT:
    case RECORD_INCIDENTS_DROP:
        return apply_incident(self, record);
    case RECORD_FACT:
        return apply_fact(self, record);
    default:
        break;
    }
    return -EINVAL;
}

/* "" is Telegram. */
static char *read_way(sqlite3_stmt *s, int column) {
    return sqlite3_column_bytes(s, column) > 0 ? sqlite_text(s, column) : NULL;
}

static struct alert read_alert(sqlite3_stmt *s) {
    int64_t flags = sqlite3_column_int64(s, 9);
    int priority = sqlite3_column_int(s, 1), state = sqlite3_column_int(s, 2);
    return (struct alert){
        .id = sqlite3_column_int64(s, 0),
        .priority =
            (enum alert_priority)(priority < 0 || priority >= ALERT_PRIORITIES ? 0 : priority),
        .state = (enum alert_state)(state < 0 || state >= ALERT_STATES ? ALERT_FAILED : state),
        .created_ms = sqlite3_column_int64(s, 3),
        .next_ms = sqlite3_column_int64(s, 4),
        .ended_ms = sqlite3_column_int64(s, 5),
        .chat = sqlite3_column_int64(s, 6),
        .attempts = (uint32_t)sqlite3_column_int64(s, 7),
        .part = (uint32_t)sqlite3_column_int64(s, 8),
        .maybe_sent = (flags & FLAG_MAYBE_SENT) != 0,
        .plain = (flags & FLAG_PLAIN) != 0,
        .reminder = (flags & FLAG_REMINDER) != 0,
        .title = sqlite_text(s, 10),
        .text = sqlite3_column_text(s, 11) ? sqlite_text(s, 11) : text_copy(""),
        .type = sqlite_text(s, 12),
        .service = sqlite_text(s, 13),
        .dedup_key = sqlite_text(s, 14),
        .reason = sqlite_text(s, 15),
        .group = sqlite_text(s, 16),
        .acked_ms = sqlite3_column_int64(s, 17),
        .acked_by = sqlite_text(s, 18),
        .way = read_way(s, 19),
        .origin = sqlite3_column_int64(s, 20),
    };
}

/* The conditions that look doubled are those of the partial indices. */
static const char *text_of(const struct store_query *query) {
    if (query->queue)
        return "SELECT * FROM alerts INDEXED BY alerts_open WHERE state<2 AND state=0 AND"
               " way=?8 AND priority=?5 AND (created, id)>(?6, ?7) ORDER BY created, id LIMIT ?4";
    if (query->id)
        return "SELECT * FROM alerts WHERE id=?1 LIMIT ?4";
    if (query->state < 0)
        return "SELECT * FROM alerts WHERE id<?3 ORDER BY id DESC LIMIT ?4";
    if (query->state < ALERT_DELIVERED)
        return "SELECT * FROM alerts WHERE id IN (SELECT id FROM alerts INDEXED BY alerts_open "
               "WHERE"
               " state<2 AND state=?2 AND id<?3 ORDER BY id DESC LIMIT ?4) ORDER BY id DESC";
    return "SELECT * FROM alerts INDEXED BY alerts_ended WHERE state>=2 AND state=?2 AND id<?3"
           " ORDER BY id DESC LIMIT ?4";
}

static int find(struct sqlite_backend *self, const struct store_query *query,
                struct alert **ret_list, size_t *ret_count) {
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(self->db, text_of(query), -1, &s, NULL);
    struct alert *list = memory_array(query->limit, sizeof *list);
    size_t count = 0;
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, query->id);
        sqlite3_bind_int(s, 2, query->state);
        sqlite3_bind_int64(s, 3, query->before ? query->before : INT64_MAX);
        sqlite3_bind_int64(s, 4, query->limit);
        sqlite3_bind_int(s, 5, (int)query->priority);
        sqlite3_bind_int64(s, 6, query->after.created_ms);
        sqlite3_bind_int64(s, 7, query->after.id);
        sqlite_bind_text(s, 8, query->way ? query->way : "");
        while (count < query->limit && (code = sqlite3_step(s)) == SQLITE_ROW)
            list[count++] = read_alert(s);
    }
    sqlite3_finalize(s);
    *ret_list = list;
    *ret_count = count;
    int r = sqlite_result(self->db, code);
    return r > 0 ? -EIO : r;
}

static int read_bot(sqlite3_stmt *s, struct record *ret) {
    ret->bot = sqlite_text(s, 0);
    ret->id = sqlite3_column_int64(s, 1);
    ret->offset = sqlite3_column_int64(s, 2);
    ret->epoch = sqlite3_column_int64(s, 3);
    ret->at_ms = sqlite3_column_int64(s, 4);
    return 0;
}

static int read_consumer(sqlite3_stmt *s, struct record *ret) {
    ret->bot = sqlite_text(s, 0);
    ret->consumer = sqlite_text(s, 1);
    ret->slot = (uint32_t)sqlite3_column_int64(s, 2);
    ret->seq = sqlite3_column_int64(s, 3);
    ret->epoch = sqlite3_column_int64(s, 4);
    ret->mask = (uint64_t)sqlite3_column_int64(s, 5);
    ret->at_ms = sqlite3_column_int64(s, 6);
    ret->offset = sqlite3_column_int64(s, 7);
    return 0;
}

static int read_update(sqlite3_stmt *s, struct record *ret) {
    ret->bot = sqlite_text(s, 0);
    ret->seq = sqlite3_column_int64(s, 1);
    ret->id = sqlite3_column_int64(s, 2);
    ret->epoch = sqlite3_column_int64(s, 3);
    ret->at_ms = sqlite3_column_int64(s, 4);
    ret->mask = (uint64_t)sqlite3_column_int64(s, 5);
    ret->body_bytes = (size_t)sqlite3_column_bytes(s, 6);
    ret->body = text_copy_n(sqlite3_column_blob(s, 6), ret->body_bytes);
    return 0;
}

static int read_alert_record(sqlite3_stmt *s, struct record *ret) {
    ret->alert = read_alert(s);
    return 0;
}

static int read_chat(sqlite3_stmt *s, struct record *ret) {
    ret->id = sqlite3_column_int64(s, 0);
    ret->offset = sqlite3_column_int64(s, 1);
    return 0;
}

static int read_silence(sqlite3_stmt *s, struct record *ret) {
    ret->silence = memory_new(sizeof *ret->silence);
    *ret->silence = (struct silence){.id = sqlite3_column_int64(s, 0),
                                     .starts_ms = sqlite3_column_int64(s, 1),
                                     .ends_ms = sqlite3_column_int64(s, 2),
                                     .priorities = (unsigned)sqlite3_column_int64(s, 3),
                                     .type = sqlite_text(s, 4),
                                     .service = sqlite_text(s, 5),
                                     .title = sqlite_text(s, 6),
                                     .text = sqlite_text(s, 7),
                                     .author = sqlite_text(s, 8),
                                     .comment = sqlite_text(s, 9)};
    return 0;
}

static int read_seen(sqlite3_stmt *s, struct record *ret) {
    ret->id = sqlite3_column_int64(s, 0);
    return 0;
}

static int read_waiting(sqlite3_stmt *s, struct record *ret) {
    int priority = sqlite3_column_int(s, 0);
    if (priority < 0 || priority >= ALERT_PRIORITIES)
        return -EBADMSG;
    ret->alert.priority = (enum alert_priority)priority;
    ret->id = sqlite3_column_int64(s, 1);
    ret->at_ms = sqlite3_column_int64(s, 2);
    ret->alert.way = read_way(s, 3);
    return 0;
}

static int read_escalated(sqlite3_stmt *s, struct record *ret) {
    ret->alert.way = read_way(s, 0);
    ret->id = sqlite3_column_int64(s, 1);
    return 0;
}

/* In this order: engines know a bot and its consumers before its updates. Of the alerts only what
 * was being sent; those of the dedup window, and how many wait: they are asked for in their turn.
 */
static int read_webhook(sqlite3_stmt *row, struct record *ret) {
    ret->bot = sqlite_text(row, 0);
    ret->consumer = sqlite_text(row, 1);
    ret->body = sqlite_text(row, 2);
    ret->body_bytes = strlen(ret->body);
    return 0;
}

static const struct sqlite_load loads[] = {
    {RECORD_BOT, "SELECT * FROM bots", read_bot},
    {RECORD_CONSUMER, "SELECT * FROM consumers ORDER BY bot, slot", read_consumer},
    {RECORD_UPDATE, "SELECT * FROM updates ORDER BY bot, seq", read_update},
    {RECORD_FACT, "SELECT * FROM facts", read_fact},
    {RECORD_WEBHOOK, "SELECT * FROM webhooks", read_webhook},
    {RECORD_MONITOR, "SELECT * FROM monitors ORDER BY id", read_monitor},
    /* 32 days of them, and since when each subject is known. */
    {RECORD_INCIDENT,
     "SELECT * FROM incidents WHERE ended=0 OR began=0 OR ended>"
     "(SELECT max(ended) FROM incidents)-2764800000 OR id=(SELECT max(id) FROM incidents)"
     " ORDER BY id",
     read_incident},
    {RECORD_CHAT, "SELECT * FROM chats", read_chat},
    {RECORD_SILENCE, "SELECT * FROM silences ORDER BY id", read_silence},
    {RECORD_SEEN, "SELECT coalesce(max(id), 0) FROM alerts", read_seen},
    {RECORD_ALERTS_WAITING,
     "SELECT priority, count(*), max(created), way FROM alerts INDEXED BY alerts_open"
     " WHERE state<2 AND state=0 GROUP BY way, priority",
     read_waiting},
    {RECORD_ALERT_SEEN,
     "SELECT * FROM (SELECT * FROM alerts ORDER BY id DESC LIMIT 100000) WHERE created>="
     "(SELECT created - 300000 FROM alerts ORDER BY id DESC LIMIT 1)"
     " AND origin=0 AND (type IS NOT NULL OR dedup_key IS NOT NULL) ORDER BY id",
     read_alert_record},
    {RECORD_ESCALATED,
     "SELECT way, max(origin) FROM alerts INDEXED BY alerts_escalated WHERE flags & 4 AND way<>''"
     " GROUP BY way",
     read_escalated},
    {RECORD_ALERT_UNACKED,
     "SELECT * FROM alerts INDEXED BY alerts_unacked WHERE acked<0 ORDER BY id", read_alert_record},
    {RECORD_ALERT,
     "SELECT * FROM alerts INDEXED BY alerts_open WHERE state<2 AND state=1 ORDER BY id",
     read_alert_record},
};

struct store_backend *store_sqlite_new_hub(void) {
    static const struct sqlite_schema schema = {.program = "holdfast-hub",
                                                .migrations = migrations,
                                                .version = COUNT_OF(migrations),
                                                .statements = statements,
                                                .statement_count = STATEMENTS,
                                                .loads = loads,
                                                .load_count = COUNT_OF(loads),
                                                .apply = apply,
                                                .find = find};
    return sqlite_new(&schema);
}
