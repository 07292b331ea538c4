/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledging: what CRITICAL alerts have told is told again, all of it in one message, until
 * somebody says that they know. Who acknowledges one, knows of those of its kind before it too. */
#include "base/text.h"
#include "engine/alerts_state.h"

enum {
    AGAIN_MS = 5000,
    REPEAT_GROWS_TO = 12 /* times repeat_ms */,
    LINES_MAX = 10,
    LINE_BYTES_MAX = 160
};

struct unacked {
    int64_t id, told_ms;
    char *kind;  /* NULL: of no kind */
    char *line;  /* what it said, short */
    bool untold; /* it was not delivered, and will not be */
};
/* An acknowledgement on its way to the disk. */
struct ack {
    struct ack *next;
    uint64_t request, ticket;
    int64_t at_ms, *ids;
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

/* `told_ms`: since when somebody may know of it. */
static void put(struct alerts *a, const struct alert *alert, int64_t told_ms) {
    size_t at = place_of(a, alert->id);
    if (at < a->unacked_count && a->unacked[at].id == alert->id) { /* once more, by a replay */
        a->unacked[at].untold = alert->state == ALERT_FAILED;
        return;
    }
    if (a->unacked_count == a->unacked_capacity) {
        a->unacked_capacity = a->unacked_capacity ? a->unacked_capacity * 2 : 16;
        a->unacked = memory_grow(a->unacked, a->unacked_capacity, sizeof *a->unacked);
    }
    memmove(a->unacked + at + 1, a->unacked + at, (a->unacked_count++ - at) * sizeof *a->unacked);
    a->unacked[at] = (struct unacked){.id = alert->id,
                                      .told_ms = told_ms,
                                      .kind = alerts_kind(alert),
                                      .line = line_of(alert),
                                      .untold = alert->state == ALERT_FAILED};
}

static bool is_in(int64_t id, const int64_t *ids, size_t count) {
    while (count > 0) {
        size_t middle = count / 2;
        if (ids[middle] == id)
            return true;
        if (ids[middle] < id) {
            ids += middle + 1;
            count -= middle + 1;
        } else {
            count = middle;
        }
    }
    return false;
}

/* ids: ascending. */
static void drop(struct alerts *a, const int64_t *ids, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < a->unacked_count; i++) {
        if (!is_in(a->unacked[i].id, ids, count)) {
            a->unacked[kept++] = a->unacked[i];
            continue;
        }
        free(a->unacked[i].kind);
        free(a->unacked[i].line);
    }
    a->unacked_count = kept;
}

/* ---- told, and told again ---- */

static bool any_escalates(const struct alerts *a) {
    for (size_t i = 1; i < a->way_count; i++)
        if (a->ways[i].options->after_ms > 0)
            return true;
    return false;
}

bool alerts_wants_ack(const struct alerts *a, const struct alert *alert) {
    return (a->options.repeat_ms > 0 || any_escalates(a)) && alert->priority == ALERT_CRITICAL &&
           !alert->reminder && !alert->way;
}

/* Longer after each reminder. */
static int64_t pause_ms(const struct alerts *a) {
    int64_t most = a->options.repeat_ms * REPEAT_GROWS_TO, pause = a->options.repeat_ms;
    for (uint32_t i = 0; i < a->repeats && pause < most; i++)
        pause *= 2;
    return pause < most ? pause : most;
}

/* The next message comes soon again, however long the pauses had become. */
void alerts_ack_told(struct alerts *a, struct item *item, int64_t now) {
    if (item->alert.reminder && !item->alert.way)
        a->repeat_at = now + pause_ms(a); /* it may have waited for an hour itself */
    if (!alerts_wants_ack(a, &item->alert))
        return;
    item->alert.acked_ms = ALERT_ACK_WANTED;
    put(a, &item->alert, now);
    if (a->repeats == 0 && a->unacked_count > 1)
        return;
    a->repeats = 0;
    a->repeat_at = now + a->options.repeat_ms;
}

void alerts_ack_restore(struct alerts *a, const struct alert *alert, int64_t now) {
    put(a, alert, alert->ended_ms);
    a->repeat_at = now + a->options.repeat_ms;
}

static const char untold_mark[] = "not delivered by Telegram: ";

static char *reminder_text(const struct alerts *a) {
    AUTO_BUFFER struct buffer text = {0};
    size_t first = a->unacked_count > LINES_MAX ? a->unacked_count - LINES_MAX : 0;
    buffer_print(&text, "%zu CRITICAL alert%s not acknowledged:", a->unacked_count,
                 a->unacked_count == 1 ? " is" : "s are");
    for (size_t i = a->unacked_count; i-- > first;)
        buffer_print(&text, "\n%lld \xc2\xb7 %s%s", (long long)a->unacked[i].id,
                     a->unacked[i].untold ? untold_mark : "", a->unacked[i].line);
    if (first > 0)
        buffer_print(&text, "\n\xe2\x80\xa6 and %zu more", first);
    return buffer_take(&text);
}

static int64_t remind_next_ms(const struct alerts *a) {
    const struct item *last = alerts_item(a, a->reminder);
    bool waits = last && last->phase != PHASE_ENDED;
    return a->unacked_count > 0 && a->options.repeat_ms > 0 && !waits ? a->repeat_at : INT64_MAX;
}

void alerts_ack_remind(struct alerts *a, int64_t now, struct alerts_commands *commands) {
    if (now < remind_next_ms(a))
        return;
    AUTO_FREE char *text = reminder_text(a);
    struct alert alert = {
        .priority = ALERT_CRITICAL, .reminder = true, .text = text, .group = (char *)""};
    a->repeats++;
    a->repeat_at = now + pause_ms(a);
    alerts_on_intake(a, &(struct alerts_event){.list = &alert, .count = 1}, now, commands);
}

void alerts_ack_unkept(struct alerts *a, const struct alert *reminder, int64_t now) {
    if (reminder->way)
        return; /* what it told of is escalated at the next look */
    a->repeats -= a->repeats > 0;
    a->repeat_at = now + AGAIN_MS;
}

void alerts_ack_kept(struct alerts *a, const struct item *item) {
    if (item->way->options)
        item->way->escalated =
            item->alert.origin > item->way->escalated ? item->alert.origin : item->way->escalated;
}

/* ---- by another way ---- */

enum { LOOK_MS = 1000 };

static bool waits_for(const struct way *way, int64_t id, int64_t since_ms, int64_t now) {
    return id > way->escalated && now - since_ms >= way->options->after_ms;
}

/* It has not been delivered, and is not known to be told of in another way. */
static bool is_untold(const struct alerts *a, const struct item *item) {
    return alerts_wants_ack(a, &item->alert) && item->phase != PHASE_INTAKE &&
           item->phase != PHASE_ENDED;
}

/* The highest id that has waited long enough; 0: none. */
static int64_t due_last(const struct alerts *a, const struct way *way, int64_t now) {
    int64_t last = 0;
    for (size_t i = a->unacked_count; i-- > 0 && last == 0;)
        if (waits_for(way, a->unacked[i].id, a->unacked[i].told_ms, now))
            last = a->unacked[i].id;
    for (size_t i = 0; i < ITEM_BUCKETS && a->ways[0].waiting[ALERT_CRITICAL] > 0; i++)
        for (const struct item *item = a->buckets[i]; item; item = item->chain)
            if (is_untold(a, item) && item->alert.id > last &&
                waits_for(way, item->alert.id, item->alert.created_ms, now))
                last = item->alert.id;
    return last;
}

struct escalation {
    struct buffer lines;
    size_t count;
};

static void add_line(struct escalation *e, int64_t id, bool untold, const char *line) {
    if (e->count++ < LINES_MAX)
        buffer_print(&e->lines, "\n%lld \xc2\xb7 %s%s", (long long)id, untold ? untold_mark : "",
                     line);
}

/* All up to the last that is due, so that none of a lower id is left behind. */
static void escalate(struct alerts *a, struct way *way, int64_t now,
                     struct alerts_commands *commands) {
    struct escalation e = {0};
    int64_t last = due_last(a, way, now);
    if (last == 0)
        return;
    for (size_t i = place_of(a, way->escalated + 1);
         i < a->unacked_count && a->unacked[i].id <= last; i++)
        add_line(&e, a->unacked[i].id, a->unacked[i].untold, a->unacked[i].line);
    for (size_t i = 0; i < ITEM_BUCKETS && a->ways[0].waiting[ALERT_CRITICAL] > 0; i++)
        for (const struct item *item = a->buckets[i]; item; item = item->chain) {
            if (!is_untold(a, item) || item->alert.id <= way->escalated || item->alert.id > last)
                continue;
            AUTO_FREE char *line = line_of(&item->alert);
            add_line(&e, item->alert.id, true, line);
        }
    if (e.count > LINES_MAX)
        buffer_print(&e.lines, "\n\xe2\x80\xa6 and %zu more", e.count - LINES_MAX);
    AUTO_FREE char *text = text_format("Nobody has acknowledged %zu CRITICAL alert%s:%s", e.count,
                                       e.count == 1 ? "" : "s", e.lines.data);
    buffer_deinit(&e.lines);
    struct alert alert = {.priority = ALERT_CRITICAL,
                          .reminder = true,
                          .text = text,
                          .group = (char *)"",
                          .way = (char *)way->options->name,
                          .origin = last};
    alerts_on_intake(a, &(struct alerts_event){.list = &alert, .count = 1}, now, commands);
    way->escalating = a->id_last;
}

static bool escalates(const struct alerts *a, const struct way *way) {
    const struct item *last = alerts_item(a, way->escalating);
    if (last && last->phase == PHASE_INTAKE)
        return false;
    return way->options && way->options->after_ms > 0 &&
           (place_of(a, way->escalated + 1) < a->unacked_count ||
            a->ways[0].waiting[ALERT_CRITICAL] > 0);
}

static int64_t escalate_next_ms(const struct alerts *a) {
    for (size_t i = 1; i < a->way_count; i++)
        if (escalates(a, &a->ways[i]))
            return a->escalate_at;
    return INT64_MAX;
}

int64_t alerts_ack_next_ms(const struct alerts *a) {
    int64_t remind = remind_next_ms(a), escalate_at = escalate_next_ms(a);
    return remind < escalate_at ? remind : escalate_at;
}

void alerts_escalate(struct alerts *a, int64_t now, struct alerts_commands *commands) {
    if (now < escalate_next_ms(a))
        return;
    a->escalate_at = now + LOOK_MS;
    for (size_t i = 1; i < a->way_count; i++)
        if (escalates(a, &a->ways[i]))
            escalate(a, &a->ways[i], now, commands);
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
    *ack = (struct ack){.request = event->request, .ticket = ++a->tickets, .at_ms = now};
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

static void acknowledged(struct alerts *a, const struct ack *ack) {
    drop(a, ack->ids, ack->count);
    for (size_t i = 0; i < ack->count; i++) {
        struct item *item = alerts_item(a, ack->ids[i]);
        if (item && item->alert.acked_ms == ALERT_ACK_WANTED) /* its end is not on disk yet */
            item->alert.acked_ms = ack->at_ms;
    }
}

bool alerts_on_stored_ack(struct alerts *a, const struct alerts_event *event,
                          struct alerts_commands *commands) {
    struct ack *ack = a->acks;
    if (!ack || ack->ticket != event->ticket)
        return false;
    a->acks = ack->next;
    if (!a->acks)
        a->acks_end = &a->acks;
    if (event->r == 0)
        acknowledged(a, ack);
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
    for (size_t i = 0; i < a->unacked_count; i++) {
        free(a->unacked[i].kind);
        free(a->unacked[i].line);
    }
    free(a->unacked);
}

int64_t alerts_unacked_last(const struct alerts *a) {
    return a->unacked_count > 0 ? a->unacked[a->unacked_count - 1].id : 0;
}
