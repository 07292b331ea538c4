/* SPDX-License-Identifier: Apache-2.0 */
/* Silences: for some time no alert that fits one is told. It ends as silenced when it comes, or
 * when its turn comes; so nothing is said twice, nothing is forgotten, and all of it can be
 * replayed. */
#include "engine/alerts_state.h"

enum { KEPT_MS = 86400000, SILENCES_MAX = 1000, SILENCES_KEPT = 10000 };

static struct silence *find(const struct alerts *a, int64_t id) {
    for (size_t i = 0; i < a->silence_count; i++)
        if (a->silences[i].id == id)
            return &a->silences[i];
    return NULL;
}

void alerts_silence_put(struct alerts *a, const struct silence *silence) {
    struct silence *known = find(a, silence->id);
    if (!known) {
        a->silences = memory_grow(a->silences, a->silence_count + 1, sizeof *a->silences);
        memmove(a->silences + 1, a->silences, a->silence_count++ * sizeof *a->silences);
        known = a->silences;
        *known = (struct silence){0};
    }
    struct silence copy = silence_copy(silence);
    silence_deinit(known);
    *known = copy;
}

void alerts_silence_restore(struct alerts *a, const struct silence *silence) {
    alerts_silence_put(a, silence);
    if (silence->id > a->silence_last)
        a->silence_last = silence->id;
}

static void save(struct alerts *a, const struct silence *silence, uint64_t request,
                 struct alerts_commands *commands) {
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
    struct wish *wish = memory_new(sizeof *wish);
    wish->request = request;
    wish->ticket = command->ticket = ++a->tickets;
    wish->silence = silence_copy(silence);
    *records_add(&command->records, RECORD_SILENCE)->silence = silence_copy(silence);
    *a->wishes_end = wish;
    a->wishes_end = &wish->next;
}

void alerts_on_silence(struct alerts *a, const struct alerts_event *event, int64_t now,
                       struct alerts_commands *commands) {
    struct silence silence = *event->silence; /* texts borrowed */
    size_t in_force = 0;
    for (size_t i = 0; i < a->silence_count; i++)
        in_force += now < a->silences[i].ends_ms;
    if (in_force >= SILENCES_MAX || a->silence_count >= SILENCES_KEPT) {
        alerts_refuse(a, event->request, 503,
                      text_copy("there are 1000 silences already, or were 10,000 in the last day; "
                                "end some of them, or wait"),
                      -1, commands);
        return;
    }
    silence.id = ++a->silence_last;
    save(a, &silence, event->request, commands);
}

void alerts_on_unsilence(struct alerts *a, const struct alerts_event *event, int64_t now,
                         struct alerts_commands *commands) {
    const struct silence *known = find(a, event->id);
    if (!known) {
        alerts_refuse(a, event->request, 404,
                      text_copy("there is no silence with this id; GET /v1/silences lists them"),
                      -1, commands);
        return;
    }
    struct silence silence = *known;
    silence.ends_ms = silence.ends_ms < now ? silence.ends_ms : now;
    save(a, &silence, event->request, commands);
}

bool alerts_on_stored_silence(struct alerts *a, const struct alerts_event *event,
                              struct alerts_commands *commands) {
    struct wish *wish = a->wishes;
    if (!wish || wish->ticket != event->ticket)
        return false;
    a->wishes = wish->next;
    if (!a->wishes)
        a->wishes_end = &a->wishes;
    if (event->r == 0) {
        alerts_silence_put(a, &wish->silence);
        int64_t *id = memory_new(sizeof *id);
        *id = wish->silence.id;
        alerts_accept(wish->request, id, 1, commands);
    } else {
        alerts_refuse_unkept(a, wish->request, event->r, commands);
    }
    silence_deinit(&wish->silence);
    free(wish);
    return true;
}

char *alerts_silenced(const struct alerts *a, const struct alert *alert, int64_t now) {
    if (alert->reminder && !alert->way && a->unacked_count == 0)
        return text_copy("acknowledged meanwhile");
    for (size_t i = 0; i < a->silence_count; i++) {
        const struct silence *silence = &a->silences[i];
        if (!silence_fits(silence, alert, now) || alerts_explains(a, alert, silence, now))
            continue;
        return text_format("silence %lld%s%s%s%s", (long long)silence->id,
                           silence->author ? " of " : "", silence->author ? silence->author : "",
                           silence->comment ? ": " : "", silence->comment ? silence->comment : "");
    }
    return NULL;
}

bool alerts_silence_ends(struct alerts *a, struct item *item, int64_t now,
                         struct alerts_commands *commands) {
    AUTO_FREE char *why = alerts_silenced(a, &item->alert, now);
    if (why)
        alerts_end(a, item, ALERT_SILENCED, why, now, commands);
    return why != NULL;
}

void alerts_silences_sweep(struct alerts *a, int64_t now, struct alerts_commands *commands) {
    size_t kept = 0;
    for (size_t i = 0; i < a->silence_count; i++)
        if (i > 0 && a->silences[i].ends_ms < now - KEPT_MS) /* the newest keeps its number taken */
            silence_deinit(&a->silences[i]);
        else
            a->silences[kept++] = a->silences[i];
    if (kept == a->silence_count)
        return;
    a->silence_count = kept;
    struct alerts_command *command = alerts_add(commands, ALERTS_DO_PERSIST);
    command->ticket = ++a->tickets;
    records_add(&command->records, RECORD_SILENCES_DROP)->at_ms = now - KEPT_MS;
}

void alerts_silences_deinit(struct alerts *a) {
    for (struct wish *wish = a->wishes, *next; wish; wish = next) {
        next = wish->next;
        silence_deinit(&wish->silence);
        free(wish);
    }
    for (size_t i = 0; i < a->silence_count; i++)
        silence_deinit(&a->silences[i]);
    free(a->silences);
}

const struct silence *alerts_silences(const struct alerts *a, size_t *ret_count) {
    *ret_count = a->silence_count;
    return a->silences;
}
