/* SPDX-License-Identifier: Apache-2.0 */
/* Disks as the store keeps them: commits in order, each whole or not at all, told of later than
 * they happen. A crash forgets what was not committed, though a commit that was under way may
 * still have happened. */
#include "tests/world/world.h"
#include <errno.h>

static bool is_row(const struct record *a, const struct record *b) {
    if (a->kind != b->kind)
        return false;
    switch (b->kind) {
    case RECORD_BOT:
        return true;
    case RECORD_UPDATE:
        return a->seq == b->seq;
    case RECORD_CONSUMER:
        return strcmp(a->consumer, b->consumer) == 0;
    case RECORD_CHAT:
        return a->id == b->id;
    case RECORD_ALERT:
        return a->alert.id == b->alert.id;
    case RECORD_ORDER:
        return a->trade->order.id == b->trade->order.id;
    case RECORD_FILL:
        return strcmp(a->trade->fill.exec_id, b->trade->fill.exec_id) == 0;
    case RECORD_POSITION:
        return strcmp(a->trade->position.symbol, b->trade->position.symbol) == 0;
    case RECORD_OUTBOX:
        return a->trade->outbox.id == b->trade->outbox.id;
    case RECORD_FACT:
        return strcmp(a->trade->fact.name, b->trade->fact.name) == 0;
    default:
        return false;
    }
}

static struct record *find(struct records *rows, const struct record *record) {
    for (size_t i = 0; i < rows->count; i++)
        if (is_row(&rows->list[i], record))
            return &rows->list[i];
    return NULL;
}

/* True: a drop of this kind lets go of the row. */
static bool lets_go(const struct record *drop, const struct record *row) {
    switch (drop->kind) {
    case RECORD_UPDATES_DROP:
        return row->kind == RECORD_UPDATE && row->seq <= drop->seq;
    case RECORD_CONSUMER_DROP:
        return row->kind == RECORD_CONSUMER && strcmp(row->consumer, drop->consumer) == 0;
    case RECORD_ALERTS_DROP:
        return row->kind == RECORD_ALERT && row->alert.state >= ALERT_DELIVERED &&
               row->alert.ended_ms < drop->at_ms;
    case RECORD_OUTBOX_DROP:
        return row->kind == RECORD_OUTBOX && row->trade->outbox.id == drop->trade->outbox.id;
    default:
        return false;
    }
}

static void drop(struct records *rows, const struct record *record) {
    size_t kept = 0;
    for (size_t i = 0; i < rows->count; i++)
        if (lets_go(record, &rows->list[i]))
            record_deinit(&rows->list[i]);
        else
            rows->list[kept++] = rows->list[i];
    rows->count = kept;
}

/* All but the texts of an alert, as the store's UPDATE has it. */
static void change_alert(struct records *rows, const struct record *change) {
    struct record at = {.kind = RECORD_ALERT, .alert.id = change->alert.id};
    struct record *row = find(rows, &at);
    if (!row)
        return;
    struct alert now = change->alert, *was = &row->alert;
    if (change->kind == RECORD_ALERT_ACK) {
        was->acked_ms = was->acked_ms < 0 ? now.acked_ms : was->acked_ms;
        return;
    }
    free(was->reason);
    free(was->acked_by);
    now.acked_by = NULL;
    now.title = was->title;
    now.text = was->text;
    now.type = was->type;
    now.service = was->service;
    now.dedup_key = was->dedup_key;
    now.group = was->group;
    now.reason = text_copy(change->alert.reason);
    *was = now;
}

static void write_row(struct records *rows, struct record *record) {
    if (record->kind == RECORD_ALERT_CHANGE || record->kind == RECORD_ALERT_ACK) {
        change_alert(rows, record);
        record_deinit(record);
        return;
    }
    if (record->kind == RECORD_UPDATES_DROP || record->kind == RECORD_CONSUMER_DROP ||
        record->kind == RECORD_ALERTS_DROP || record->kind == RECORD_OUTBOX_DROP) {
        drop(rows, record);
        record_deinit(record);
        return;
    }
    struct record *row = find(rows, record);
    if (row && record->kind == RECORD_FILL) { /* ON CONFLICT DO NOTHING */
        record_deinit(record);
        return;
    }
    if (row) {
        record_deinit(row);
        *row = *record;
        return;
    }
    records_add(rows, RECORD_BOT);
    rows->list[rows->count - 1] = *record;
}

/* ---- commits ---- */

static void commit(struct disk *disk, struct disk_job *job, int r) {
    struct world *w = disk->world;
    checks_committed(w, disk, job, r);
    for (size_t i = 0; i < job->records.count && r == 0; i++)
        write_row(&disk->rows, &job->records.list[i]);
    if (r == 0) {
        free(job->records.list);
        job->records = (struct records){0};
    }
    records_deinit(&job->records);
    job->snapshot = snapshot_free(job->snapshot);
}

static void start_next(struct disk *disk);

/* The program hears of it in an event of its own: a crash may come between. */
static void on_told(struct world *w, uint64_t number) {
    enum program program = number & 1 ? HUB : TRADER;
    struct disk *disk = &w->disks[program];
    struct disk_job job = disk->jobs[0];
    memmove(disk->jobs, disk->jobs + 1, --disk->job_count * sizeof *disk->jobs);
    disk->busy = false;
    start_next(disk);
    if (job.done)
        job.done(w, job.context, -(int)(number >> 1));
}

static void trace_commit(struct world *w, enum program program, bool fails) {
    const struct records *records = &w->disks[program].jobs[0].records;
    AUTO_BUFFER struct buffer what = {0};
    for (size_t i = 0; w->trace && i < records->count; i++) {
        const struct record *record = &records->list[i];
        buffer_print(&what, " %d", (int)record->kind);
        if (record->kind == RECORD_CONSUMER)
            buffer_print(&what, "(%s up to %lld)", record->consumer, (long long)record->seq);
        if (record->kind == RECORD_UPDATE)
            buffer_print(&what, "(%lld)", (long long)record->id);
    }
    world_trace(w, "disk of %s: commit of records%s%s", program_names[program],
                what.data ? what.data : "", fails ? " FAILS" : "");
}

static void on_commit(struct world *w, uint64_t number) {
    enum program program = number & 1 ? HUB : TRADER;
    struct disk *disk = &w->disks[program];
    int r = chance(w, w->rates.disk_fails) ? (dice(w, 2) ? ENOSPC : EIO) : 0;
    w->counts.disk_failures += r != 0;
    trace_commit(w, program, r != 0);
    commit(disk, &disk->jobs[0], -r);
    world_at(w, (int64_t)dice(w, 4), program, on_told, (uint64_t)r << 1 | (program == HUB));
}

static void start_next(struct disk *disk) {
    if (disk->busy || disk->job_count == 0)
        return;
    struct world *w = disk->world;
    disk->busy = true;
    int64_t takes =
        chance(w, w->rates.disk_slow) ? 200 + (int64_t)dice(w, 6000) : 1 + (int64_t)dice(w, 8);
    world_at(w, takes, disk->program, on_commit, disk->program == HUB);
}

void disk_put(struct disk *disk, struct records *records, disk_done *done, uint64_t context,
              struct snapshot *snapshot) {
    disk->jobs = memory_grow(disk->jobs, disk->job_count + 1, sizeof *disk->jobs);
    disk->jobs[disk->job_count++] = (struct disk_job){*records, done, context, snapshot};
    *records = (struct records){0};
    start_next(disk);
}

/* A write that was under way when the program was killed may have reached the disk or not. */
void disk_crash(struct disk *disk) {
    struct world *w = disk->world;
    size_t kept = dice(w, 2) ? 0 : dice(w, disk->job_count + 1);
    for (size_t i = 0; i < disk->job_count; i++) {
        if (i < kept && disk->jobs[i].records.count > 0)
            commit(disk, &disk->jobs[i], 0);
        records_deinit(&disk->jobs[i].records);
        snapshot_free(disk->jobs[i].snapshot);
    }
    disk->job_count = 0;
    disk->busy = false;
}

void disk_deinit(struct disk *disk) {
    for (size_t i = 0; i < disk->job_count; i++) {
        records_deinit(&disk->jobs[i].records);
        snapshot_free(disk->jobs[i].snapshot);
    }
    free(disk->jobs);
    records_deinit(&disk->rows);
}

/* ---- loading ---- */

static int64_t place_of(const struct record *record) {
    switch (record->kind) {
    case RECORD_UPDATE:
        return record->seq;
    case RECORD_ALERT:
        return record->alert.id;
    case RECORD_ORDER:
        return record->trade->order.id;
    case RECORD_FILL:
        return record->trade->fill.at_ms;
    case RECORD_OUTBOX:
        return record->trade->outbox.id;
    default:
        return 0;
    }
}

static int by_place(const void *a, const void *b) {
    const struct record *x = a, *y = b;
    int64_t p = place_of(x), q = place_of(y);
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : (p > q) - (p < q);
}

static int64_t highest_alert(const struct records *rows) {
    int64_t highest = 0;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].kind == RECORD_ALERT && rows->list[i].alert.id > highest)
            highest = rows->list[i].alert.id;
    return highest;
}

typedef void restorer(struct world *w, const struct record *record);

static void load_waiting(struct disk *disk, restorer *restore) {
    const struct records *rows = &disk->rows;
    for (int p = 0; p < ALERT_PRIORITIES; p++) {
        struct record waiting = {.kind = RECORD_ALERTS_WAITING,
                                 .alert.priority = (enum alert_priority)p};
        for (size_t i = 0; i < rows->count; i++) {
            const struct alert *alert = &rows->list[i].alert;
            if (rows->list[i].kind != RECORD_ALERT || alert->priority != waiting.alert.priority ||
                alert->state != ALERT_WAITING)
                continue;
            waiting.id++;
            if (alert->created_ms > waiting.at_ms)
                waiting.at_ms = alert->created_ms;
        }
        if (waiting.id > 0)
            restore(disk->world, &waiting);
    }
}

/* As the store does it: those that were being sent, what there is to know of the others. */
static void load_alerts(struct disk *disk, restorer *restore) {
    const struct records *rows = &disk->rows;
    struct record seen = {.kind = RECORD_SEEN, .id = highest_alert(rows)};
    restore(disk->world, &seen);
    load_waiting(disk, restore);
    for (size_t i = 0; i < rows->count; i++) {
        struct record row = rows->list[i];
        if (row.kind != RECORD_ALERT || row.alert.acked_ms >= 0)
            continue;
        row.kind = RECORD_ALERT_UNACKED;
        restore(disk->world, &row);
    }
    for (int sending = 0; sending < 2; sending++)
        for (size_t i = 0; i < rows->count; i++) {
            struct record row = rows->list[i];
            if (row.kind != RECORD_ALERT || (sending && row.alert.state != ALERT_SENDING))
                continue;
            row.kind = sending ? RECORD_ALERT : RECORD_ALERT_SEEN;
            restore(disk->world, &row);
        }
}

void disk_load(struct disk *disk, restorer *restore) {
    static const enum record_kind kinds[] = {
        RECORD_FACT,  RECORD_BOT,   RECORD_CONSUMER, RECORD_UPDATE, RECORD_CHAT,
        RECORD_ALERT, RECORD_ORDER, RECORD_POSITION, RECORD_FILL,   RECORD_OUTBOX};
    struct records *rows = &disk->rows;
    if (rows->count > 0)
        qsort(rows->list, rows->count, sizeof *rows->list, by_place);
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        if (kinds[k] == RECORD_ALERT && disk->program == HUB)
            load_alerts(disk, restore);
        for (size_t i = 0; i < rows->count && kinds[k] != RECORD_ALERT; i++)
            if (rows->list[i].kind == kinds[k])
                restore(disk->world, &rows->list[i]);
    }
}

static int by_queue(const void *a, const void *b) {
    const struct alert *x = a, *y = b;
    return x->created_ms != y->created_ms
               ? (x->created_ms > y->created_ms) - (x->created_ms < y->created_ms)
               : (x->id > y->id) - (x->id < y->id);
}

size_t disk_queue(const struct disk *disk, enum alert_priority priority, struct alert_place after,
                  struct alert **ret) {
    struct alert *list = memory_array(disk->rows.count + 1, sizeof *list);
    struct alert behind = {.created_ms = after.created_ms, .id = after.id};
    size_t count = 0;
    for (size_t i = 0; i < disk->rows.count; i++) {
        const struct record *row = &disk->rows.list[i];
        if (row->kind == RECORD_ALERT && row->alert.priority == priority &&
            row->alert.state == ALERT_WAITING && by_queue(&row->alert, &behind) > 0)
            list[count++] = row->alert; /* texts borrowed */
    }
    if (count > 0)
        qsort(list, count, sizeof *list, by_queue);
    *ret = list;
    return count;
}

const struct record *disk_alert(const struct disk *disk, int64_t id) {
    for (size_t i = 0; i < disk->rows.count; i++)
        if (disk->rows.list[i].kind == RECORD_ALERT && disk->rows.list[i].alert.id == id)
            return &disk->rows.list[i];
    return NULL;
}
