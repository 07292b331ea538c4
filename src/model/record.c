/* SPDX-License-Identifier: Apache-2.0 */
#include "model/record.h"

void record_deinit(struct record *record) {
    free(record->bot);
    free(record->consumer);
    free(record->body);
    alert_deinit(&record->alert);
}

struct record *records_add(struct records *records, enum record_kind kind) {
    if (records->count == records->capacity) {
        records->capacity = records->capacity ? records->capacity * 2 : 4;
        records->list = memory_grow(records->list, records->capacity, sizeof *records->list);
    }
    struct record *record = &records->list[records->count++];
    *record = (struct record){.kind = kind};
    return record;
}

void records_deinit(struct records *records) {
    for (size_t i = 0; i < records->count; i++)
        record_deinit(&records->list[i]);
    free(records->list);
    *records = (struct records){0};
}
