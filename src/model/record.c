/* SPDX-License-Identifier: Apache-2.0 */
#include "model/record.h"
#include <errno.h>

void record_deinit(struct record *record) {
    free(record->bot);
    free(record->consumer);
    free(record->body);
    alert_deinit(&record->alert);
    if (record->silence)
        silence_deinit(record->silence);
    free(record->silence);
    monitor_free(record->monitor);
    incident_free(record->incident);
    if (record->trade && (record->kind == RECORD_OUTBOX || record->kind == RECORD_OUTBOX_DROP))
        outbox_deinit(&record->trade->outbox);
    free(record->trade);
}

void records_reserve(struct records *records, size_t count) {
    if (records->capacity - records->count >= count)
        return;
    records->capacity = records->count + count;
    records->list = memory_grow(records->list, records->capacity, sizeof *records->list);
}

struct record *records_add(struct records *records, enum record_kind kind) {
    if (records->count == records->capacity)
        records_reserve(records, records->capacity ? records->capacity : 1);
    struct record *record = &records->list[records->count++];
    *record = (struct record){.kind = kind};
    if (kind == RECORD_SILENCE)
        record->silence = memory_new(sizeof *record->silence);
    if (kind >= RECORD_ORDER)
        record->trade = memory_new(sizeof *record->trade);
    return record;
}

void records_deinit(struct records *records) {
    for (size_t i = 0; i < records->count; i++)
        record_deinit(&records->list[i]);
    free(records->list);
    *records = (struct records){0};
}

void records_move(struct records *to, struct records *from) {
    if (from->count == 0) {
        records_deinit(from);
        return;
    }
    to->list = memory_grow(to->list, to->count + from->count, sizeof *to->list);
    memcpy(to->list + to->count, from->list, from->count * sizeof *to->list);
    to->count += from->count;
    to->capacity = to->count;
    free(from->list);
    *from = (struct records){0};
}

const char *record_unkept_why(int r) {
    switch (-r) {
    case ENOSPC:
    case EDQUOT:
        return "the disk of the data folder is full; free space on it";
    case EBUSY:
        return "another program has locked the store's file in the data folder; end that program "
               "(fuser -v FILE names it)";
    case EROFS:
    case EACCES:
    case EPERM:
        return "the store's file or its disk is read-only; make the data folder writable again "
               "(mount, owner, rights)";
    default:
        return "the store could not write; see the log and the disk of the data folder";
    }
}
