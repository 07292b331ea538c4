/* SPDX-License-Identifier: Apache-2.0 */
/* An update, an answer of the exchange, a timer: all that the engines want to keep of it is one
 * commit, together with the update's id and what people are to be told. */
#include "base/log.h"
#include "trader/trader.h"
#include "wire/telegram_bot.h"
#include <sched.h>
#include <stdio.h>

void commit_begin(struct trader *trader) {
    if (trader->commit_depth++ > 0)
        return;
    struct commit *commit = memory_new(sizeof *commit);
    commit->trader = trader;
    commit->courtesies_end = &commit->courtesies;
    trader->commit = commit;
}

void commit_add(struct trader *trader, struct records *records, enum commit_waiter who,
                uint64_t ticket) {
    struct commit *commit = trader->commit;
    must(commit);
    records_move(&commit->records, records);
    if (commit->wait_count == commit->wait_capacity) {
        commit->wait_capacity = commit->wait_capacity ? commit->wait_capacity * 2 : 8;
        commit->waits = memory_grow(commit->waits, commit->wait_capacity, sizeof *commit->waits);
    }
    commit->waits[commit->wait_count].who = who;
    commit->waits[commit->wait_count++].ticket = ticket;
}

void commit_fact(struct trader *trader, const char *name, int64_t value) {
    struct trade_record *record = records_add(&trader->commit->records, RECORD_FACT)->trade;
    (void)snprintf(record->fact.name, sizeof record->fact.name, "%s", name);
    record->fact.value = value;
}

struct buffer *commit_courtesy(struct trader *trader, const char *method) {
    struct courtesy *courtesy = memory_new(sizeof *courtesy);
    courtesy->method = method;
    *trader->commit->courtesies_end = courtesy;
    trader->commit->courtesies_end = &courtesy->next;
    return &courtesy->body;
}

/* The outbox cannot help: it is on the same disk. */
static void tell_refused(struct commit *commit, int r) {
    struct courtesy *courtesy = memory_new(sizeof *courtesy);
    AUTO_FREE char *text = text_format("This could not be written to the disk (%s), so nothing was "
                                       "done. Free space and try again.",
                                       strerror(-r));
    courtesy->method = "sendMessage";
    telegram_bot_add_say(commit->chat, text, NULL, &courtesy->body);
    outbox_send_courtesies(commit->trader, courtesy);
}

/* Straight to the owner: alerts of ours stand on the same disk. */
static void tell_owner(struct trader *trader, const char *text) {
    struct courtesy *courtesy = memory_new(sizeof *courtesy);
    courtesy->method = "sendMessage";
    telegram_bot_add_say(trader->bot->owner, text, NULL, &courtesy->body);
    outbox_send_courtesies(trader, courtesy);
}

static void note_store(struct trader *trader, int r) {
    if (r < 0 && !trader->store_refuses) {
        AUTO_FREE char *text = text_format("the disk of %s refuses writes (%s): nothing new is "
                                           "accepted, positions are watched on. "
                                           "Free space there",
                                           trader->config->data, strerror(-r));
        log_error("%s", text);
        tell_owner(trader, text);
    }
    if (r == 0 && trader->store_refuses) {
        log_info("the store works again");
        tell_owner(trader, "The disk takes writes again.");
    }
    trader->store_refuses = r < 0;
}

/* Nothing of it happened: what the engines believe already is taken back, or written again. */
static void on_refused(struct commit *commit, int r) {
    struct trader *trader = commit->trader;
    trader->facts_unsaved = true;
    if (commit->confirms_live) {
        trader->live_ms = 0;
        dialogs_ask_for_live(trader->dialogs, trader->live_phrase);
    }
    if (commit->chat)
        tell_refused(commit, r);
}

static void on_committed(void *context, int r) {
    struct commit *commit = context;
    struct trader *trader = commit->trader;
    trader->commits--;
    if (commit->writes)
        note_store(trader, r);
    if (r < 0)
        on_refused(commit, r);
    commit_begin(trader);
    trader->prepared = &commit->prepared;
    if (r == 0)
        outbox_save_again(trader);
    for (size_t i = 0; i < commit->wait_count; i++) {
        uint64_t ticket = commit->waits[i].ticket;
        if (commit->waits[i].who == COMMIT_ORDERS)
            feed_orders(trader,
                        &(struct orders_event){.on = ORDERS_ON_STORED, .ticket = ticket, .r = r});
        else if (commit->waits[i].who == COMMIT_POSITIONS)
            feed_positions(trader, &(struct positions_event){
                                       .on = POSITIONS_ON_STORED, .ticket = ticket, .r = r});
        else
            outbox_stored(trader, ticket, r);
    }
    trader->prepared = NULL;
    exchange_drop(&commit->prepared);
    if (r == 0) /* orders first */
        outbox_send_courtesies(trader, TAKE(commit->courtesies));
    courtesies_free(commit->courtesies);
    free(commit->waits);
    free(commit);
    commit_end(trader);
}

/* An order that waits for this commit alone. */
static bool find_intent(const struct records *records, struct order *ret) {
    for (size_t i = 0; i < records->count; i++) {
        const struct record *record = &records->list[i];
        if (record->kind != RECORD_ORDER || record->trade->order.state != ORDER_SENDING)
            continue;
        *ret = record->trade->order;
        return true;
    }
    return false;
}

static void hand_over(struct commit *commit) {
    struct trader *trader = commit->trader;
    struct order intent;
    bool places = find_intent(&commit->records, &intent);
    store_put(trader->store, &commit->records, on_committed, commit);
    if (!places)
        return;
    sched_yield(); /* the store's thread may have been woken on this very core: it goes first */
    exchange_prepare(trader, &intent, &commit->prepared);
}

void commit_end(struct trader *trader) {
    must(trader->commit_depth > 0);
    if (--trader->commit_depth > 0)
        return;
    if (trader->facts_unsaved && trader->commit->records.count > 0) {
        commit_fact(trader, "update", trader->last_update);
        commit_fact(trader, "born", trader->store_born_ms); /* else the next start is a first one */
        commit_fact(trader, "account", trader->account);
        trader->facts_unsaved = false;
    }
    struct commit *commit = TAKE(trader->commit);
    trader->commits++;
    commit->writes = commit->records.count > 0;
    if (commit->writes || commit->courtesies) {
        hand_over(commit);
        return;
    }
    trader->commits--;
    must(commit->wait_count == 0);
    free(commit);
}
