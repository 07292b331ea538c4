/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers: programs that read a bot's updates, each with the rules of the API's own getUpdates.
 */
#include "engine/gateway_state.h"

enum {
    ANSWER_BYTES_MAX = 4 << 20, /* the real server cuts there too */
    LIMIT_MAX = 100,
    TIMEOUT_S_MAX = 50,
    SAVE_SEEN_MS = 3600000,
    /* The disk forgets in batches, and keeps the last ones for the ids: they tell repeats. */
    DISK_BATCH = 512,
    DISK_KEEP = 256,
    KEEP_MAX = 1000000,  /* of a negative offset */
    CATCH_UP_MS = 10000, /* whoever drops a backlog waits that long for what Telegram has of it */
};
#define CONSUMER_KEEP_MS (7 * DAY_MS)
static const char empty_answer[] = "{\"ok\":true,\"result\":[]}";
static const char dropped_answer[] =
    "{\"ok\":true,\"result\":true,\"description\":\"Webhook is already deleted\"}";

static bool is_own(const char *name) {
    return strcmp(name, GATEWAY_OWN) == 0;
}

/* Our own is no reason to poll a bot that somebody may read elsewhere, unless it is wished. */
static bool reads(const struct gateway *g, const struct consumer *c) {
    return c->name && (g->options.own_reads || !is_own(c->name));
}

bool gateway_is_polled(const struct gateway *g) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (reads(g, &g->consumers[i]))
            return true;
    return false;
}

uint64_t gateway_kinds(const struct gateway *g) {
    uint64_t kinds = 0;
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (g->consumers[i].name)
            kinds |= g->consumers[i].kinds;
    return kinds ? kinds : telegram_kinds_default();
}

/* Its offset says that it had this one: from us, before a crash came between bot and disk, or from
 * Telegram itself. Only in the epoch of that offset and just behind it, because ids may begin
 * anywhere after a silence. */
static bool had_it(const struct gateway *g, const struct consumer *c, int64_t id) {
    return c->epoch == g->epoch && id < c->ahead && c->ahead - id <= LIMIT_MAX;
}

static bool enter_epoch(struct consumer *c, int64_t epoch) {
    if (epoch <= c->epoch)
        return false;
    c->epoch = epoch;
    c->ahead = 0;
    return true;
}

static bool is_old(const struct gateway *g, int64_t since_ms, int64_t now) {
    return g->options.old_after_ms > 0 && now - since_ms > g->options.old_after_ms;
}

uint64_t gateway_hidden_for(struct gateway *g, const struct telegram_update *update,
                            int64_t wall_ms) {
    bool press = update->press && g->options.own, ages = update->ages && !press;
    uint64_t hidden = (press ? HIDDEN_PRESS : 0) | (ages ? HIDDEN_AGES : 0);
    if (ages && update->date_ms &&
        is_old(g, update->date_ms, wall_ms)) { /* Telegram kept it so long */
        hidden |= HIDDEN_OLD;
        g->old++;
    }
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++) {
        const struct consumer *c = &g->consumers[i];
        if (c->name && (c->skipping || !(c->kinds & update->kind_bit) || is_own(c->name) != press ||
                        had_it(g, c, update->id)))
            hidden |= UINT64_C(1) << i;
    }
    return hidden;
}

/* What all have confirmed; INT64_MAX when nobody reads. */
static int64_t floor_of(const struct gateway *g) {
    int64_t floor = INT64_MAX;
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (g->consumers[i].name && g->consumers[i].confirmed < floor)
            floor = g->consumers[i].confirmed;
    return floor;
}

void gateway_let_go(struct gateway *g, struct records *records) {
    int64_t floor = floor_of(g);
    if (floor == INT64_MAX)
        return;
    while (g->held_first <= g->seq_last && g->held_first <= floor &&
           gateway_held(g, g->held_first)->durable) {
        struct held *held = gateway_held(g, g->held_first);
        g->held_bytes -= held->bytes;
        free(held->body);
        g->held_first++;
    }
    int64_t gone = g->held_first - 1;
    if (gone - g->disk_dropped < DISK_BATCH)
        return;
    g->disk_dropped = gone - DISK_KEEP;
    struct record *record = records_add(records, RECORD_UPDATES_DROP);
    record->bot = text_copy(g->options.bot);
    record->seq = g->disk_dropped;
}

/* A free slot, best one that no update is hidden from; GATEWAY_CONSUMERS_MAX: there is none. */
static size_t free_slot(const struct gateway *g) {
    size_t found = GATEWAY_CONSUMERS_MAX;
    uint64_t hidden = 0;
    for (int64_t seq = g->held_first; seq <= g->seq_last; seq++)
        hidden |= gateway_held(g, seq)->hidden;
    for (size_t slot = GATEWAY_CONSUMERS_MAX; slot-- > 0;)
        if (!g->consumers[slot].name &&
            (found == GATEWAY_CONSUMERS_MAX || !(hidden >> slot & 1) || hidden >> found & 1))
            found = slot;
    return found;
}

/* What was hidden from the one who had this slot before is shown to the new one, unless it is a
 * press and not for it; on disk too, with the row that it gets. */
static void clean_slot(struct gateway *g, size_t slot) {
    uint64_t bit = UINT64_C(1) << slot;
    bool own = is_own(g->consumers[slot].name);
    for (int64_t seq = g->held_first; seq <= g->seq_last; seq++) {
        struct held *held = gateway_held(g, seq);
        bool press = (held->hidden & HIDDEN_PRESS) != 0;
        uint64_t hidden = own != press ? held->hidden | bit : held->hidden & ~bit;
        if (held->hidden == hidden)
            continue;
        held->hidden = hidden;
        held->outdated = g->outdated = true;
    }
}

/* A new one begins with what others have not confirmed yet, as if it were one of them. */
static struct consumer *make_consumer(struct gateway *g, const char *name) {
    size_t slot = free_slot(g);
    if (slot == GATEWAY_CONSUMERS_MAX)
        return NULL;
    int64_t floor = floor_of(g);
    g->consumers[slot] =
        (struct consumer){.name = text_copy(name),
                          .confirmed = floor == INT64_MAX ? g->held_first - 1 : floor,
                          .epoch = g->epoch,
                          .unsaved = true,
                          .kinds = telegram_kinds_default()};
    clean_slot(g, slot);
    return &g->consumers[slot];
}

struct consumer *gateway_consumer(struct gateway *g, const char *name, bool make) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (g->consumers[i].name && strcmp(g->consumers[i].name, name) == 0)
            return &g->consumers[i];
    return make ? make_consumer(g, name) : NULL;
}

static int64_t first_of(const struct gateway *g, const struct consumer *c) {
    return c->confirmed + 1 > g->held_first ? c->confirmed + 1 : g->held_first;
}

static bool is_hidden(const struct gateway *g, const struct consumer *c, const struct held *held) {
    return (held->hidden >> (c - g->consumers)) & 1 || held->hidden & HIDDEN_OLD;
}

static bool is_awaited(const struct gateway *g, int64_t seq) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (g->consumers[i].name && g->consumers[i].confirmed < seq &&
            !is_hidden(g, &g->consumers[i], gateway_held(g, seq)))
            return true;
    return false;
}

/* They came in the order of their time. */
static void let_old_go(struct gateway *g, int64_t now) {
    int64_t seq = g->aged + 1 > g->held_first ? g->aged + 1 : g->held_first;
    for (; seq <= g->seq_last && is_old(g, gateway_held(g, seq)->received_ms, now); seq++) {
        struct held *held = gateway_held(g, seq);
        g->aged = seq;
        if (!(held->hidden & HIDDEN_AGES) || !is_awaited(g, seq))
            continue;
        held->hidden |= HIDDEN_OLD;
        held->outdated = g->outdated = true;
        g->old++;
    }
}

/* What it does not see at its head is as good as confirmed. */
static void skip_hidden(struct gateway *g, struct consumer *c) {
    for (int64_t seq = first_of(g, c); seq <= g->seq_last; seq++) {
        if (!is_hidden(g, c, gateway_held(g, seq)))
            return;
        c->confirmed = seq;
    }
}

/* Confirms like the API: offset > 0 forgets all before it, negative keeps the last -offset. An
 * exact hit (the update before `offset` is here) counts by position; otherwise ids decide, but
 * never in an epoch that this consumer has not seen anything of: there an old high offset would
 * confirm new low ids. */
static void confirm(struct gateway *g, struct consumer *c, int64_t offset) {
    int64_t from = first_of(g, c), to = c->confirmed;
    int64_t keep = offset < -KEEP_MAX ? KEEP_MAX : -offset;
    if (offset == 0)
        return;
    for (int64_t seq = g->seq_last; seq >= from; seq--) {
        const struct held *held = gateway_held(g, seq);
        bool hit = offset < 0 ? !is_hidden(g, c, held) && keep-- == 0 : held->id == offset - 1;
        if (hit) {
            to = seq;
            break;
        }
    }
    for (int64_t seq = from; offset > 0 && to < from && seq <= g->seq_last; seq++) {
        const struct held *held = gateway_held(g, seq);
        if (held->epoch > c->epoch || held->id >= offset) {
            to = seq > from ? seq - 1 : to;
            break;
        }
        if (seq == g->seq_last)
            to = seq;
    }
    if (to >= from) {
        c->confirmed_count += (uint64_t)(to - from + 1);
        c->confirmed = to;
    }
}

/* What it lets go of and is not on disk yet: if a crash takes it from us, Telegram gives it again
 * and `ahead`, which comes to the disk with the confirmation, tells that it was had. */
static void note_undurable(struct gateway *g, struct consumer *c, int64_t before) {
    for (int64_t seq = c->confirmed; seq > before && seq >= g->held_first; seq--) {
        const struct held *held = gateway_held(g, seq);
        (void)enter_epoch(c, held->epoch);
        if (held->durable || held->epoch < c->epoch)
            return;
        c->ahead = c->ahead > held->id ? c->ahead : held->id + 1;
    }
}

static void add_row(const struct gateway *g, struct consumer *c, uint64_t ticket,
                    struct records *records) {
    struct record *record = records_add(records, RECORD_CONSUMER);
    record->bot = text_copy(g->options.bot);
    record->consumer = text_copy(c->name);
    record->slot = (uint32_t)(c - g->consumers);
    record->seq = c->confirmed;
    record->epoch = c->epoch;
    record->mask = c->kinds;
    record->offset = c->ahead;
    record->at_ms = c->seen_ms; /* 0: declared, and never polled yet */
    c->saving = ticket;
}

static void save(struct gateway *g, struct consumer *c, bool wait, int64_t now,
                 struct gateway_commands *commands) {
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_PERSIST);
    command->ticket = ++g->tickets;
    add_row(g, c, command->ticket, &command->records);
    if (g->outdated)
        gateway_add_outdated(g, command->ticket, &command->records);
    c->seen_saved_ms = now;
    gateway_let_go(g, &command->records);
    if (wait)
        c->confirming = command->ticket;
}

void gateway_add_unsaved(struct gateway *g, uint64_t ticket, struct records *records) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (g->consumers[i].name && g->consumers[i].unsaved)
            add_row(g, &g->consumers[i], ticket, records);
    if (g->outdated)
        gateway_add_outdated(g, ticket, records);
}

/* With the last consumer goes the knowledge of what was confirmed: what is on disk only for its
 * ids would be given out again after a restart. */
static void forget_confirmed(struct gateway *g, struct records *records) {
    if (g->held_first - 1 <= g->disk_dropped)
        return;
    g->disk_dropped = g->held_first - 1;
    struct record *record = records_add(records, RECORD_UPDATES_DROP);
    record->bot = text_copy(g->options.bot);
    record->seq = g->disk_dropped;
}

static void forget_consumer(struct gateway *g, struct consumer *c,
                            struct gateway_commands *commands) {
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_PERSIST);
    command->ticket = ++g->tickets;
    struct record *record = records_add(&command->records, RECORD_CONSUMER_DROP);
    record->bot = text_copy(g->options.bot);
    record->consumer = c->name;
    *c = (struct consumer){0};
    forget_confirmed(g, &command->records);
}

/* A declared one counts from its declaration: a restart before its first poll must not let go of
 * what waits for it. Another may have confirmed an update that did not reach the disk: its number
 * is given to the next one, which that confirmation must not meet there. */
void gateway_start_consumers(struct gateway *g, int64_t now, struct gateway_commands *commands) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++) {
        struct consumer *c = &g->consumers[i];
        if (c->name && is_own(c->name) && !g->options.own) /* it was, in an earlier run */
            forget_consumer(g, c, commands);
        if (!c->name)
            continue;
        c->unsaved = c->confirmed > g->seq_last;
        if (c->unsaved)
            c->confirmed = g->seq_last;
        if (c->unsaved || (c->declared && c->seen_saved_ms == 0))
            save(g, c, false, now, commands);
    }
}

/* Answers with what waits; false when nothing does. */
static bool give(struct gateway *g, struct consumer *c, uint64_t request, int64_t limit,
                 int64_t now, struct gateway_commands *commands) {
    struct buffer body = {0};
    int64_t count = 0;
    bool other_epoch = false;
    for (int64_t seq = first_of(g, c); seq <= g->seq_last && count < limit; seq++) {
        const struct held *held = gateway_held(g, seq);
        if (is_hidden(g, c, held))
            continue;
        if (count > 0 && body.size + held->bytes > ANSWER_BYTES_MAX)
            break;
        buffer_add_text(&body, count == 0 ? "{\"ok\":true,\"result\":[" : ",\n");
        buffer_add(&body, held->body, held->bytes);
        other_epoch |= enter_epoch(c, held->epoch);
        count++;
    }
    if (count == 0)
        return false;
    buffer_add_text(&body, "]}");
    if (other_epoch) /* else its next offset, after a crash, would count for the former one */
        save(g, c, false, now, commands);
    struct gateway_command *command = gateway_add(commands, GATEWAY_DO_ANSWER);
    command->request = request;
    command->body = body;
    return true;
}

static void park(struct consumer *c, const struct gateway_event *event, int64_t limit,
                 int64_t until, struct gateway_commands *commands) {
    if (c->parked)
        gateway_refuse(commands, c->parked, 409,
                       text_copy("Conflict: terminated by other getUpdates request; make sure that "
                                 "only one bot instance is running"));
    c->parked = event->request;
    c->parked_limit = limit;
    c->parked_until = until;
}

static void refuse_one_more(const struct gateway *g, uint64_t request,
                            struct gateway_commands *commands) {
    gateway_refuse(commands, request, 403,
                   text_format("Forbidden: bot %s has %d consumers already", g->options.bot,
                               GATEWAY_CONSUMERS_MAX));
}

/* What Telegram has and we have not fetched yet counts for a negative offset too: then it is
 * applied to that as well, and answered after it. */
static void take_offset(struct gateway *g, struct consumer *c, int64_t offset, int64_t now) {
    int64_t confirmed = c->confirmed;
    if (offset != 0)
        c->tail = 0;
    if (offset < 0 && !g->caught_up) {
        c->tail = offset;
        c->tail_until = now + CATCH_UP_MS;
    }
    confirm(g, c, offset);
    note_undurable(g, c, confirmed);
    skip_hidden(g, c);
}

void gateway_on_ask(struct gateway *g, const struct gateway_event *event, int64_t now,
                    struct gateway_commands *commands) {
    struct consumer *c = g->closed ? NULL : gateway_consumer(g, event->consumer, true);
    if (!c) {
        if (g->closed)
            gateway_answer(commands, event->request, empty_answer);
        else
            refuse_one_more(g, event->request, commands);
        return;
    }
    int64_t limit = event->limit < 1 || event->limit > LIMIT_MAX ? LIMIT_MAX : event->limit;
    int64_t timeout_s = event->timeout_s < 0 ? 0 : event->timeout_s;
    timeout_s = timeout_s > TIMEOUT_S_MAX ? TIMEOUT_S_MAX : timeout_s;
    int64_t confirmed = c->confirmed;
    bool other_kinds = event->has_kinds && event->kinds != c->kinds;
    if (other_kinds)
        c->kinds = event->kinds;
    take_offset(g, c, event->offset, now);
    let_old_go(g, now); /* what it confirms just now was not let go */
    c->seen_ms = now;
    bool is_ahead = event->offset > g->offset && event->offset != c->ahead && c->epoch == g->epoch;
    if (is_ahead)
        c->ahead = event->offset;
    bool refused = c->unsaved && c->seen_saved_ms > 0; /* else it is new */
    bool confirms = refused || c->confirmed != confirmed || is_ahead;
    if (other_kinds || confirms || now - c->seen_saved_ms > SAVE_SEEN_MS)
        save(g, c, confirms, now, commands);
    bool waits = c->confirming || c->tail;
    if (!waits && give(g, c, event->request, limit, now, commands))
        return;
    if (!waits && timeout_s == 0)
        gateway_answer(commands, event->request, empty_answer);
    else
        park(c, event, limit, now + timeout_s * 1000, commands);
}

static void let_go_of_all(struct gateway *g, struct consumer *c) {
    int64_t confirmed = c->confirmed;
    if (c->confirmed < g->seq_last)
        c->confirmed = g->seq_last;
    note_undurable(g, c, confirmed);
}

static void answer_drop(struct consumer *c, struct gateway_commands *commands) {
    gateway_answer(commands, c->dropping, dropped_answer);
    c->dropping = 0;
}

/* A long poll that waits at Telegram shows that nothing is pending there. Otherwise only a poll
 * that begins from now on tells what is. */
void gateway_on_skip(struct gateway *g, const struct gateway_event *event, int64_t now,
                     struct gateway_commands *commands) {
    struct consumer *c = gateway_consumer(g, event->consumer, true);
    if (!c) {
        refuse_one_more(g, event->request, commands);
        return;
    }
    if (c->dropping)
        answer_drop(c, commands);
    c->dropping = event->request;
    c->dropping_until = now + CATCH_UP_MS;
    c->tail = 0;
    if (!c->declared)
        c->seen_ms = now; /* or it would be forgotten within the hour */
    c->skipping = g->poller != POLLER_POLLING || !g->caught_up;
    c->skip_begun = false;
    if (c->skipping)
        g->caught_up = false;
    let_go_of_all(g, c);
    save(g, c, true, now, commands);
}

void gateway_begin_skips(struct gateway *g) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        g->consumers[i].skip_begun = g->consumers[i].skipping;
}

bool gateway_skips_wait(const struct gateway *g) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++)
        if (g->consumers[i].skipping && !g->consumers[i].skip_begun)
            return true;
    return false;
}

/* What waited until all that Telegram had is here. */
static void catch_up(struct gateway *g, struct consumer *c, int64_t now,
                     struct gateway_commands *commands) {
    int64_t confirmed = c->confirmed;
    if (c->skipping && c->skip_begun && g->caught_up) {
        c->skipping = false;
        let_go_of_all(g, c);
    }
    if (c->tail && (g->caught_up || now >= c->tail_until)) {
        confirm(g, c, c->tail);
        note_undurable(g, c, confirmed);
        c->tail = 0;
    }
    if (c->confirmed != confirmed)
        save(g, c, true, now, commands);
    if (c->dropping && ((!c->skipping && !c->confirming) || now >= c->dropping_until))
        answer_drop(c, commands);
}

void gateway_wake_consumers(struct gateway *g, int64_t now, struct gateway_commands *commands) {
    let_old_go(g, now);
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++) {
        struct consumer *c = &g->consumers[i];
        if (!c->name)
            continue;
        catch_up(g, c, now, commands);
        skip_hidden(g, c);
        if (!c->parked || c->confirming || c->tail)
            continue;
        if (give(g, c, c->parked, c->parked_limit, now, commands)) {
            c->parked = 0;
        } else if (now >= c->parked_until) {
            gateway_answer(commands, c->parked, empty_answer);
            c->parked = 0;
        }
    }
    struct records records = {0};
    gateway_let_go(g, &records);
    if (records.count > 0) {
        struct gateway_command *command = gateway_add(commands, GATEWAY_DO_PERSIST);
        command->ticket = ++g->tickets;
        command->records = records;
    }
}

/* When the disk failed, the confirmation stands in memory and is written with the next poll or
 * the next updates. The consumer is answered: a bot that stands still would be worse than a repeat
 * after a crash. */
void gateway_on_stored_consumer(struct gateway *g, const struct gateway_event *event) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++) {
        struct consumer *c = &g->consumers[i];
        if (!c->name || event->ticket == 0)
            continue;
        if (c->confirming == event->ticket)
            c->confirming = 0;
        if (c->saving == event->ticket) {
            c->saving = 0;
            c->unsaved = event->r < 0;
        }
    }
}

void gateway_forget_consumers(struct gateway *g, int64_t now, struct gateway_commands *commands) {
    for (size_t i = 0; i < GATEWAY_CONSUMERS_MAX; i++) {
        struct consumer *c = &g->consumers[i];
        if (!c->name || c->declared || c->parked || c->dropping ||
            now - c->seen_ms < CONSUMER_KEEP_MS)
            continue;
        forget_consumer(g, c, commands);
    }
}
