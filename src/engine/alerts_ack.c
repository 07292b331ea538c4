/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledging: what CRITICAL alerts have told is told again, all of it in one message, until
 * somebody says that they know. Who acknowledges one, knows of those of its kind before it too. */
#include "base/text.h"
#include "engine/alerts_state.h"

enum { REPEAT_GROWS_TO = 12 /* times repeat_ms */, LINES_MAX = 10, LINE_BYTES_MAX = 160 };

struct unacked {
    int64_t id;
    char *kind; /* NULL: of no kind */
    char *line; /* what it said, short */
};
/* An acknowledgement on its way to the disk. */
struct ack {
    struct ack *next;
    uint64_t request, ticket;
    int64_t *ids;
    size_t count;
};

static char *line_of(const struct alert *alert) {
    char line[LINE_BYTES_MAX];
    const char *what = alert->service ? alert->service : alert->title;
    text_print(line, sizeof line, "%s%s%s", what ? what : "", what ? ": " : "",
               alert->text ? alert->text : "");
    for (char *c = line; *c; c++)
        if (strchr("\r\n\t", *c))
            *c = ' ';
    return text_copy(line);
}

static size_t place_of(const struct alerts *a, int64_t id) {
    size_t low = 0, high = a->unacked_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->unacked[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void put(struct alerts *a, const struct alert *alert) {
    size_t at = place_of(a, alert->id);
    if (at < a->unacked_count && a->unacked[at].id == alert->id)
        return; /* told once more, by a replay */
    if (a->unacked_count == a->unacked_capacity) {
        a->unacked_capacity = a->unacked_capacity ? a->unacked_capacity * 2 : 16;
        a->unacked = memory_grow(a->unacked, a->unacked_capacity, sizeof *a->unacked);
    }
    memmove(a->unacked + at + 1, a->unacked + at, (a->unacked_count++ - at) * sizeof *a->unacked);
    a->unacked[at] = (struct unacked){alert->id, alerts_kind(alert), line_of(alert)};
}

static void drop(struct alerts *a, int64_t id) {
    size_t at = place_of(a, id);
    if (at == a->unacked_count || a->unacked[at].id != id)
        return;
    free(a->unacked[at].kind);
    free(a->unacked[at].line);
    memmove(a->unacked + at, a->unacked + at + 1, (--a->unacked_count - at) * sizeof *a->unacked);
}

/* ---- told, and told again ---- */

bool alerts_wants_ack(const struct alerts *a, const struct alert *alert) {
    return a->options.repeat_ms > 0 && alert->priority == ALERT_CRITICAL && !alert->reminder;
}

/* The next message comes soon again, however long the pauses had become. */
void alerts_ack_told(struct alerts *a, struct item *item, int64_t now) {
    if (!alerts_wants_ack(a, &item->alert))
        return;
    item->alert.acked_ms = ALERT_ACK_WANTED;
    put(a, &item->alert);
    if (a->repeats == 0 && a->unacked_count > 1)
        return;
    a->repeats = 0;
    a->repeat_at = now + a->options.repeat_ms;
}

void alerts_ack_restore(struct alerts *a, const struct alert *alert, int64_t now) {
    put(a, alert);
    a->repeat_at = now + a->options.repeat_ms;
}

static char *reminder_text(const struct alerts *a) {
    AUTO_BUFFER struct buffer text = {0};
    size_t first = a->unacked_count > LINES_MAX ? a->unacked_count - LINES_MAX : 0;
    buffer_print(&text, "%zu CRITICAL alert%s not acknowledged:", a->unacked_count,
                 a->unacked_count == 1 ? " is" : "s are");
    for (size_t i = a->unacked_count; i-- > first;)
        buffer_print(&text, "\n%lld \xc2\xb7 %s", (long long)a->unacked[i].id, a->unacked[i].line);
    if (first > 0)
        buffer_print(&text, "\n\xe2\x80\xa6 and %zu more", first);
    return buffer_take(&text);
}

int64_t alerts_ack_next_ms(const struct alerts *a) {
    bool waits = a->unacked_count > 0 && a->options.repeat_ms > 0;
    return waits && !alerts_item(a, a->reminder) ? a->repeat_at : INT64_MAX;
}

void alerts_ack_remind(struct alerts *a, int64_t now, struct alerts_commands *commands) {
    if (now < alerts_ack_next_ms(a))
        return;
    AUTO_FREE char *text = reminder_text(a);
    struct alert alert = {
        .priority = ALERT_CRITICAL, .reminder = true, .text = text, .group = (char *)""};
    int64_t most = a->options.repeat_ms * REPEAT_GROWS_TO, wait = a->options.repeat_ms;
    for (uint32_t i = 0; i <= a->repeats && wait < most; i++)
        wait *= 2;
    a->repeats++;
    a->repeat_at = now + (wait < most ? wait : most);
    alerts_on_intake(a, &(struct alerts_event){.list = &alert, .count = 1}, now, commands);
    a->reminder = a->id_last;
}

/* ---- acknowledged ---- */

static bool is_meant(const struct unacked *one, const struct alerts_event *event,
                     const char *kind) {
    return one->id == event->id || event->id == 0 ||
           (one->id < event->id &&
            (event->all || (kind && one->kind && strcmp(kind, one->kind) == 0)));
}

void alerts_on_ack(struct alerts *a, const struct alerts_event *event, int64_t now,
                   struct alerts_commands *commands) {
    size_t at = place_of(a, event->id);
    bool known = at < a->unacked_count && a->unacked[at].id == event->id;
    if (!known && event->id != 0 && !event->all) {
        alerts_refuse(a, event->request, 409,
                      text_copy("nobody waits for an acknowledgement of this alert: it was "
                                "acknowledged before, is not CRITICAL, or was not delivered yet"),
                      -1, commands);
        return;
    }
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
    struct ack *ack = memory_new(sizeof *ack);
    *ack = (struct ack){.request = event->request, .ticket = ++a->tickets};
    ack->ids = memory_array(a->unacked_count + 1, sizeof *ack->ids);
    command->ticket = ack->ticket;
    for (size_t i = 0; i < a->unacked_count; i++) {
        if (!is_meant(&a->unacked[i], event, known ? a->unacked[at].kind : NULL))
            continue;
        ack->ids[ack->count++] = a->unacked[i].id;
        struct alert *row = &records_add(&command->records, RECORD_ALERT_ACK)->alert;
        row->id = a->unacked[i].id;
        row->acked_ms = now;
        row->acked_by = text_copy(event->by);
    }
    *a->acks_end = ack;
    a->acks_end = &ack->next;
}

bool alerts_on_stored_ack(struct alerts *a, const struct alerts_event *event,
                          struct alerts_commands *commands) {
    struct ack *ack = a->acks;
    if (!ack || ack->ticket != event->ticket)
        return false;
    a->acks = ack->next;
    if (!a->acks)
        a->acks_end = &a->acks;
    for (size_t i = 0; event->r == 0 && i < ack->count; i++)
        drop(a, ack->ids[i]);
    if (event->r == 0)
        alerts_accept(ack->request, TAKE(ack->ids), ack->count, commands);
    else
        alerts_refuse_unkept(a, ack->request, event->r, commands);
    free(ack->ids);
    free(ack);
    return true;
}

void alerts_ack_deinit(struct alerts *a) {
    for (struct ack *ack = a->acks, *next; ack; ack = next) {
        next = ack->next;
        free(ack->ids);
        free(ack);
    }
    while (a->unacked_count > 0)
        drop(a, a->unacked[a->unacked_count - 1].id);
    free(a->unacked);
}

int64_t alerts_unacked_last(const struct alerts *a) {
    return a->unacked_count > 0 ? a->unacked[a->unacked_count - 1].id : 0;
}
