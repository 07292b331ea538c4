/* SPDX-License-Identifier: Apache-2.0 */
/* Taking alerts in. */
#include "engine/alerts_state.h"
#include <errno.h>

enum { RETRY_AFTER_S = 30 };

/* What makes two alerts the same. The caller's key if there is one; otherwise only alerts of a type
 * are compared, and then in everything that they say, so that a second fill, another service or
 * another take-profit is never taken for the first. False: never a duplicate. */
static bool dedup_key_at(const struct alert *alert, enum alert_priority priority,
                         struct buffer *ret) {
    if (alert->dedup_key && alert->dedup_key[0]) {
        buffer_print(ret, "key\x1f%d\x1f%s", (int)priority, alert->dedup_key);
        return true;
    }
    if (!alert->type || !alert->type[0])
        return false;
    buffer_print(ret, "same\x1f%d\x1f%s\x1f%s\x1f%s\x1f%s", (int)priority, alert->type,
                 alert->service ? alert->service : "", alert->title ? alert->title : "",
                 alert->text);
    return true;
}

static bool dedup_key_of(const struct alert *alert, struct buffer *ret) {
    return dedup_key_at(alert, alert->priority, ret);
}

/* The id of the one it repeats, 0: none. Only one at least as important counts: an escalation is
 * never taken for a repeat. */
static int64_t first_of(struct alerts *a, const struct alert *alert, int64_t now) {
    for (size_t p = 0; p <= alert->priority; p++) {
        AUTO_BUFFER struct buffer key = {0};
        int64_t first = dedup_key_at(alert, (enum alert_priority)p, &key)
                            ? dedup_find(a->dedup, buffer_slice(&key), now)
                            : 0;
        if (first)
            return first;
    }
    return 0;
}

/* It was not delivered: who sends it again, means it. */
void alerts_forget_key(struct alerts *a, const struct alert *alert, int64_t now) {
    AUTO_BUFFER struct buffer key = {0};
    if (dedup_key_of(alert, &key) && dedup_find(a->dedup, buffer_slice(&key), now) == alert->id)
        dedup_forget(a->dedup, buffer_slice(&key));
}

void alerts_remember(struct alerts *a, const struct alert *alert, int64_t now) {
    AUTO_BUFFER struct buffer key = {0};
    if (alert->state > ALERT_DELIVERED)
        return;
    if (now - alert->created_ms >= a->options.dedup_ms || !dedup_key_of(alert, &key) ||
        dedup_find(a->dedup, buffer_slice(&key), alert->created_ms) != 0)
        return;
    dedup_put(a->dedup, buffer_slice(&key), alert->id, alert->created_ms);
}

static bool wants(const struct way *way, enum alert_priority priority) {
    return way->options->after_ms == 0 && priority <= way->options->from;
}

/* Telegram; where that is no way out, the first other one that wants it. */
static const struct way *first_way(const struct alerts *a, enum alert_priority priority) {
    for (size_t i = 1; i < a->way_count && !a->ways[0].open; i++)
        if (wants(&a->ways[i], priority))
            return &a->ways[i];
    return &a->ways[0];
}

static bool has_room(const struct alerts *a, const struct alerts_event *event,
                     enum alert_priority *ret_full) {
    size_t more[ALERT_PRIORITIES] = {0};
    for (size_t i = 0; i < event->count; i++)
        more[event->list[i].priority]++;
    for (size_t p = 0; p < ALERT_PRIORITIES; p++)
        if (a->options.waiting_max[p] && more[p] &&
            alerts_waiting(first_way(a, (enum alert_priority)p), (enum alert_priority)p) + more[p] >
                a->options.waiting_max[p]) {
            *ret_full = (enum alert_priority)p;
            return false;
        }
    return true;
}

void alerts_refuse(struct alerts *a, uint64_t request, int code, char *text, int64_t retry_after_s,
                   struct alerts_commands *commands) {
    if (request == 0) {
        free(text);
        return;
    }
    a->refused++;
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_REFUSE);
    command->request = request;
    command->code = code;
    command->text = text;
    command->retry_after_s = retry_after_s;
}

/* On its way to the disk. Its texts stay here only if it is among the next ones. */
static struct item *add_item(struct alerts *a, const struct alert *from, uint64_t ticket,
                             struct records *records) {
    struct alert alert = *from;
    char *way = alert.way;
    records_add(records, RECORD_ALERT)->alert = alert_copy(&alert);
    if (alert.state != ALERT_WAITING ||
        !alerts_window_has_room(a, alerts_way(a, way), alert.priority))
        alert_without_texts(&alert); /* it waits on disk, or has ended */
    alert.way = way;
    struct item *item = alerts_make_item(a, &alert, PHASE_INTAKE);
    item->ticket = ticket;
    return item;
}

/* Each other way out that wants it has a copy of its own, with its own end. */
static void copy_to_ways(struct alerts *a, const struct alert *original, uint64_t ticket,
                         int64_t now, struct records *records) {
    const struct way *first = first_way(a, original->priority);
    for (size_t i = 1; i < a->way_count; i++) {
        struct alert copy = *original;
        size_t most = a->options.waiting_max[copy.priority];
        if (&a->ways[i] == first || !wants(&a->ways[i], copy.priority))
            continue;
        copy.id = ++a->id_last;
        copy.origin = original->id;
        copy.way = (char *)a->ways[i].options->name;
        if (most && alerts_waiting(&a->ways[i], copy.priority) >= most) {
            copy.state = ALERT_FAILED;
            copy.ended_ms = now;
            copy.reason = (char *)"as many as may wait for this way wait already";
        }
        (void)add_item(a, &copy, ticket, records);
    }
}

/* Returns the id: its own, or that of the one it repeats. */
static int64_t take(struct alerts *a, const struct alert *from, struct intake *intake, int64_t now,
                    struct records *records) {
    uint64_t ticket = intake->ticket;
    AUTO_BUFFER struct buffer key = {0};
    bool can_repeat = dedup_key_of(from, &key);
    int64_t first = from->way ? 0 : first_of(a, from, now);
    if (first) { /* what is told no second time may begin or end something all the same */
        alerts_inhibit(a, from, now, intake, records);
        a->duplicates++;
        return first;
    }
    struct alert alert = *from;
    const struct way *first_out = first_way(a, from->priority);
    alert.id = ++a->id_last;
    alert.state = ALERT_WAITING;
    if (!alert.way && first_out->options)
        alert.way = (char *)first_out->options->name;
    alert.next_ms = now;
    alert.created_ms = a->newest_ms = now > a->newest_ms ? now : a->newest_ms;
    AUTO_FREE char *silenced = alerts_silenced(a, from, now);
    if (silenced) {
        alert.state = ALERT_SILENCED;
        alert.ended_ms = now;
        alert.reason = silenced;
        can_repeat = false; /* who sends it again later, means it */
    }
    struct item *item = add_item(a, &alert, ticket, records);
    if (!item->alert.text && can_repeat)
        item->key = text_copy(key.data);
    if (can_repeat)
        dedup_put(a->dedup, buffer_slice(&key), alert.id, now);
    if (!alert.reminder)
        alerts_inhibit(a, from, now, intake, records);
    if (!silenced && !alert.reminder)
        copy_to_ways(a, &alert, ticket, now, records);
    return alert.id;
}

static struct intake *add_intake(struct alerts *a, uint64_t request, size_t count) {
    struct intake *intake = memory_new(sizeof *intake);
    intake->request = request;
    intake->ticket = ++a->tickets;
    intake->ids = memory_array(count, sizeof *intake->ids);
    intake->count = count;
    intake->first = a->id_last + 1;
    *a->intakes_end = intake;
    a->intakes_end = &intake->next;
    return intake;
}

void alerts_on_intake(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands) {
    enum alert_priority full;
    must(event->count > 0);
    if (!has_room(a, event, &full)) {
        alerts_refuse(
            a, event->request, 503,
            text_format("%zu %s alerts wait already; try again later, or send what is urgent "
                        "as HIGH",
                        alerts_waiting(first_way(a, full), full), alert_priority_name(full)),
            RETRY_AFTER_S, commands);
        return;
    }
    struct intake *intake = add_intake(a, event->request, event->count);
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
    command->ticket = intake->ticket;
    records_reserve(&command->records, event->count);
    for (size_t i = 0; i < event->count; i++)
        intake->ids[i] = take(a, &event->list[i], intake, now, &command->records);
    intake->last = a->id_last;
}

void alerts_on_replay(struct alerts *a, const struct alerts_event *event, int64_t now,
                      struct alerts_commands *commands) {
    const struct alert *from = &event->list[0];
    struct intake *intake;
    if (!alerts_way(a, from->way)) {
        alerts_refuse(
            a, event->request, 409,
            text_format("the way out '%s' is no longer in the config; add it to alerts.also again",
                        from->way),
            -1, commands);
        return;
    }
    if (from->state < ALERT_DELIVERED || alerts_item(a, from->id)) {
        alerts_refuse(a, event->request, 409,
                      text_copy("this alert is still on its way; nothing to replay"), -1, commands);
        return;
    }
    struct alert alert = *from;
    alert.state = ALERT_WAITING;
    alert.next_ms = now;
    /* Its lifetime begins anew, behind all that have come: its id is lower than theirs. */
    alert.created_ms = a->newest_ms = now > a->newest_ms ? now : a->newest_ms + 1;
    alert.ended_ms = alert.acked_ms = 0;
    alert.attempts = alert.part = 0;
    alert.maybe_sent = from->maybe_sent || from->state == ALERT_UNKNOWN;
    intake = add_intake(a, event->request, 1);
    intake->ids[0] = intake->first = intake->last = alert.id;
    struct item *item = alerts_make_item(a, &alert, PHASE_INTAKE);
    item->ticket = intake->ticket;
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
    command->ticket = intake->ticket;
    struct alert *copy = &records_add(&command->records, RECORD_ALERT_CHANGE)->alert;
    *copy = alert;
    alert_without_texts(copy);
    copy->reason = text_copy(alert.reason);
}

/* Not kept: as if it had never come. Whoever was answered with its id, must hear so too. */
static void void_item(struct alerts *a, struct item *item, int64_t now) {
    AUTO_BUFFER struct buffer key = {0};
    if (item->key)
        buffer_add_text(&key, item->key);
    if (item->key || dedup_key_of(&item->alert, &key))
        dedup_forget(a->dedup, buffer_slice(&key));
    for (struct intake *intake = a->intakes; intake; intake = intake->next)
        for (size_t i = 0; i < intake->count; i++)
            intake->failed = intake->failed || intake->ids[i] == item->alert.id;
    if (item->alert.reminder)
        alerts_ack_unkept(a, &item->alert, now);
    alerts_drop_item(a, item);
}

static void settle_items(struct alerts *a, const struct intake *intake, bool kept, int64_t now) {
    for (int64_t id = intake->first; id <= intake->last; id++) {
        struct item *item = alerts_item(a, id);
        if (!item || item->phase != PHASE_INTAKE || item->ticket != intake->ticket)
            continue;
        a->accepted += kept && !item->alert.origin;
        a->silenced += kept && item->alert.state == ALERT_SILENCED;
        a->failed += kept && item->alert.state == ALERT_FAILED;
        if (kept && item->alert.reminder)
            alerts_ack_kept(a, item);
        if (!kept)
            void_item(a, item, now);
        else if (item->alert.state >= ALERT_DELIVERED)
            alerts_drop_item(a, item);
        else
            alerts_window_take(a, item);
    }
}

void alerts_refuse_unkept(struct alerts *a, uint64_t request, int r,
                          struct alerts_commands *commands) {
    alerts_refuse(a, request, r == -ENOSPC ? 507 : 503,
                  text_format("nothing was accepted: %s, and send again", record_unkept_why(r)),
                  RETRY_AFTER_S, commands);
}

void alerts_accept(uint64_t request, int64_t *ids, size_t count, struct alerts_commands *commands) {
    if (request == 0) {
        free(ids);
        return;
    }
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_ACCEPT);
    command->request = request;
    command->ids = ids;
    command->id_count = count;
}

static void reply(struct alerts *a, struct intake *intake, int r,
                  struct alerts_commands *commands) {
    if (r == 0 && !intake->failed)
        alerts_accept(intake->request, TAKE(intake->ids), intake->count, commands);
    else
        alerts_refuse_unkept(a, intake->request, r, commands);
}

bool alerts_on_stored_intake(struct alerts *a, const struct alerts_event *event, int64_t now,
                             struct alerts_commands *commands) {
    struct intake *intake = a->intakes;
    if (!intake || intake->ticket != event->ticket)
        return false;
    a->intakes = intake->next;
    if (!a->intakes)
        a->intakes_end = &a->intakes;
    settle_items(a, intake, event->r == 0, now);
    if (event->r < 0)
        alerts_inhibit_undo(a, intake);
    reply(a, intake, event->r, commands);
    free(intake->ids);
    free(intake->silences);
    free(intake);
    return true;
}

void alerts_drop_intakes(struct alerts *a) {
    for (struct intake *intake = a->intakes, *next; intake; intake = next) {
        next = intake->next;
        free(intake->ids);
        free(intake->silences);
        free(intake);
    }
    a->intakes = NULL;
}
