/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out what the engines say. The three feed each other only through commands. */
#include "base/log.h"
#include "trader/trader.h"
#include "wire/telegram_bot.h"

/* ---- orders ---- */

static void orders_refuse(struct trader *trader, struct orders_command *command) {
    log_warning("order not taken: %s", command->text);
    if (!trader->store_refuses)
        outbox_say(trader, command->chat, text_copy(command->text), NULL);
}

static void carry_order(struct trader *trader, struct orders_command *command) {
    switch (command->what) {
    case ORDERS_DO_PERSIST:
        commit_add(trader, &command->records, COMMIT_ORDERS, command->ticket);
        break;
    case ORDERS_DO_CREATE:
        exchange_create(trader, &command->order);
        break;
    case ORDERS_DO_CANCEL:
        exchange_cancel(trader, &command->order);
        break;
    case ORDERS_DO_FIND:
        exchange_find(trader, &command->order);
        break;
    case ORDERS_DO_TELL:
        outbox_alert(trader, command->priority, command->type, TAKE(command->text));
        break;
    case ORDERS_DO_FILL:
        feed_positions(trader, &(struct positions_event){.on = POSITIONS_ON_FILL,
                                                         .fill = &command->fill,
                                                         .order = &command->order});
        break;
    case ORDERS_DO_REFUSE:
        orders_refuse(trader, command);
        break;
    }
}

void feed_orders(struct trader *trader, const struct orders_event *event) {
    struct orders_commands commands = {0};
    commit_begin(trader);
    orders_step(trader->orders, event, trader_now(trader), &commands);
    for (size_t i = 0; i < commands.count; i++)
        carry_order(trader, &commands.list[i]);
    orders_commands_deinit(&commands);
    commit_end(trader);
}

/* ---- positions ---- */

void feed_positions(struct trader *trader, const struct positions_event *event) {
    struct positions_commands commands = {0};
    commit_begin(trader);
    positions_step(trader->positions, event, trader_now(trader), &commands);
    for (size_t i = 0; i < commands.count; i++) {
        struct positions_command *command = &commands.list[i];
        if (command->what == POSITIONS_DO_PERSIST)
            commit_add(trader, &command->records, COMMIT_POSITIONS, command->ticket);
        else if (command->what == POSITIONS_DO_PROTECT)
            exchange_protect(trader, &command->position);
        else
            outbox_alert(trader, command->priority, command->type, TAKE(command->text));
    }
    positions_commands_deinit(&commands);
    commit_end(trader);
}

/* ---- dialogs ---- */

static char *markup_of(const struct dialogs_command *command) {
    struct outgoing_button buttons[DIALOG_BUTTONS_MAX];
    AUTO_BUFFER struct buffer markup = {0};
    for (size_t i = 0; i < command->button_count; i++)
        buttons[i] = (struct outgoing_button){command->buttons[i].label, command->buttons[i].data,
                                              command->buttons[i].new_row};
    telegram_bot_add_markup(buttons, command->button_count, &markup);
    return markup.size > 0 ? buffer_take(&markup) : NULL;
}

static void place(struct trader *trader, const struct order *order) {
    feed_orders(trader,
                &(struct orders_event){.on = ORDERS_ON_PLACE, .orders = order, .order_count = 1});
}

static void confirm_live(struct trader *trader) {
    trader->live_ms = trader_now(trader);
    commit_fact(trader, "live", trader->live_ms);
    trader->commit->confirms_live = true;
    log_warning("real money: the owner has confirmed mode live");
}

static void edit(struct trader *trader, const struct dialogs_command *command) {
    AUTO_FREE char *markup = markup_of(command);
    telegram_bot_add_edit(command->chat, command->message_id, command->text, markup,
                          commit_courtesy(trader, "editMessageText"));
}

static void carry_dialog(struct trader *trader, struct dialogs_command *command) {
    switch (command->what) {
    case DIALOGS_DO_PERSIST:
        records_move(&trader->commit->records, &command->records);
        break;
    case DIALOGS_DO_SAY:
        outbox_say(trader, command->chat, TAKE(command->text), markup_of(command));
        break;
    case DIALOGS_DO_EDIT:
        edit(trader, command);
        break;
    case DIALOGS_DO_TOAST:
        telegram_bot_add_toast(command->query_id, command->text,
                               commit_courtesy(trader, "answerCallbackQuery"));
        break;
    case DIALOGS_DO_PLACE:
        place(trader, &command->order);
        break;
    case DIALOGS_DO_STATUS:
        outbox_say(trader, command->chat, status_text(trader), NULL);
        break;
    case DIALOGS_DO_CONFIRM_LIVE:
        confirm_live(trader);
        break;
    case DIALOGS_DO_LOG:
        log_warning("%s", command->text);
        break;
    }
}

void feed_dialogs(struct trader *trader, const struct dialogs_event *event) {
    struct dialogs_commands commands = {0};
    commit_begin(trader);
    if (event->on != DIALOGS_ON_TIMER)
        trader->commit->chat = event->chat;
    dialogs_step(trader->dialogs, event, trader_now(trader), &commands);
    for (size_t i = 0; i < commands.count; i++)
        carry_dialog(trader, &commands.list[i]);
    dialogs_commands_deinit(&commands);
    commit_end(trader);
}

/* ---- the timer ---- */

void engines_timer(struct trader *trader) {
    int64_t now = trader_now(trader);
    commit_begin(trader); /* what the disk refused of one event is written again as one */
    if (orders_next_ms(trader->orders) <= now && trader->exchange.started)
        feed_orders(trader, &(struct orders_event){.on = ORDERS_ON_TIMER});
    if (positions_next_ms(trader->positions) <= now)
        feed_positions(trader, &(struct positions_event){.on = POSITIONS_ON_TIMER});
    if (dialogs_next_ms(trader->dialogs) <= now)
        feed_dialogs(trader, &(struct dialogs_event){.on = DIALOGS_ON_TIMER,
                                                     .instruments = &trader->instruments});
    commit_end(trader);
}

int64_t engines_next_ms(const struct trader *trader) {
    int64_t next = positions_next_ms(trader->positions);
    int64_t others[] = {
        trader->exchange.started ? orders_next_ms(trader->orders) : INT64_MAX,
        dialogs_next_ms(trader->dialogs),
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        next = others[i] < next ? others[i] : next;
    return next;
}
