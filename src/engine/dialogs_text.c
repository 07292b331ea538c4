/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dialogs_text.h"
#include "base/buffer.h"

/* Plain text for a phone: short lines, no markup. Toasts are at most 200 characters (Telegram). */
static const char *const english[SENTENCES] = {
    [SAY_NOTHING] = "",
    [SAY_BUY] = "Limit buy",
    [SAY_SELL] = "Limit sell",
    [SAY_STATUS] = "Status",
    [SAY_HELP] = "Help",
    [SAY_CONFIRM] = "Confirm",
    [SAY_BACK] = "Back",
    [SAY_CANCEL] = "Cancel",
    [SAY_RATIO] = "{1}R = {2}",
    [SAY_RATIO_DEFAULT] = "{1}R = {2} (default)",

    [SAY_BADGE] = "{1} (no real money)",
    [SAY_BADGE_LIVE] = "{1} (real money)",
    [SAY_HEAD] = "{1}\n{2}\n\n",
    [SAY_HEAD_SYMBOL] = "{1}\n{2} {3}\n\n",
    [SAY_ASK_SYMBOL] = "Which symbol? Choose one, or type it, like BTC.",
    [SAY_ASK_ENTRY] = "Last price: {1}\n\nAt which price shall the order wait? Type the entry.",
    [SAY_ASK_ENTRY_ONLY] = "At which price shall the order wait? Type the entry.",
    [SAY_ASK_STOP_BELOW] = "Entry: {1}\n\nType the stop loss, below the entry. The size is chosen "
                           "so that a hit stop costs at most {2} USDT, without fees.",
    [SAY_ASK_STOP_ABOVE] = "Entry: {1}\n\nType the stop loss, above the entry. The size is chosen "
                           "so that a hit stop costs at most {2} USDT, without fees.",
    [SAY_ASK_TAKE] = "Entry: {1}\nStop loss: {2}\nQuantity: {3}\n\nWhere is the take profit? "
                     "Choose a multiple of the risk (R), or type a price, or one like 2.5R.",
    [SAY_PREVIEW] = "Entry: {1}\nStop loss: {2}\nTake profit: {3}\nQuantity: {4}\n"
                    "Risk: {5} USDT\nReward: {6} USDT\nR:R: 1 : {7}\nNotional: {8} USDT\n",
    [SAY_LAST] = "Last price: {1}\n",
    [SAY_AT_ONCE] = "\nThe last price is better than the entry: this order fills at once.\n",
    [SAY_FAR] = "\nThe entry is more than 10 % away from the last price.\n",
    [SAY_ASK_CONFIRM] = "\nPlace this order?",

    [SAY_LOT_RISKS] = "With this stop the smallest lot would risk {1} USDT, and {2} USDT is "
                      "allowed. A stop nearer to the entry makes it possible.",
    [SAY_TOO_DEAR] = "With this stop the order is worth {1} USDT. {3} USDT is available, enough "
                     "for {2} USDT at the highest leverage. A stop farther from the entry makes "
                     "the order smaller.",
    [SAY_TOO_LARGE] = "These numbers are too large to be an order. Please check them.",
    [SAY_BELOW_ZERO] = "{1}R would be a price below 0. Choose less.",
    [SAY_USE_BUTTONS] = "Nothing is placed yet. Please press Confirm, Back or Cancel.",
    [SAY_TEXT_ONLY] = "I can only read text. Please type the answer.",
    [SAY_TOO_MANY_WORDS] = "There was more in the command than symbol, entry, stop loss and take "
                           "profit. Please look at the numbers.",
    [SAY_CHANGED] = "The size has changed since you saw it. Please look again.",
    [SAY_LONG_AGO] = "This was asked {1} minutes ago. Please look again.",
    [SAY_NOT_ANSWERED] = "The exchange has not answered yet. Please try again in a moment.",

    [SAY_CHOSEN_SYMBOL] = "Symbol: {1}",
    [SAY_CHOSEN_TAKE] = "Take profit: {1}",
    [SAY_WENT_BACK] = "Went back.",
    [SAY_CANCELLED] = "Cancelled. Nothing was placed.",
    [SAY_PLACED] = "{1}\nConfirmed. You will be told what becomes of it.",
    [SAY_NOTHING_TO_CANCEL] = "There is nothing to cancel. To begin: /limitbuy or /limitsell.",
    [SAY_EXPIRED] = "{1}: time is up, nothing was placed. To begin anew: /limitbuy or /limitsell.",
    [SAY_SUPERSEDED] = "{1}: ended by your new command, nothing was placed.",

    [SAY_TOAST_PLACED] = "Confirmed",
    [SAY_TOAST_CANCELLED] = "Cancelled",
    [SAY_TOAST_OLD] = "This button has expired. Please use those of the newest message.",
    [SAY_TOAST_EXPIRED] = "This button has expired. Nothing was changed. To begin: /limitbuy",
    [SAY_TOAST_WAS_PLACED] = "Already confirmed. It is placed once only.",
    [SAY_TOAST_WAS_CANCELLED] = "This has expired: it was cancelled. Nothing was placed.",
    [SAY_TOAST_STRANGER] = "This button is not yours.",
    [SAY_TOAST_PRIVATE] = "Only in our private chat.",
    [SAY_TOAST_LOOK] = "Not placed. Please read the new message.",

    [SAY_GREETING] = "{1}\n\nI place limit orders, always with a stop loss, and tell you what "
                     "becomes of them. A hit stop costs at most {2} USDT, without fees. Nothing is "
                     "placed before you confirm it.",
    [SAY_COMMANDS] = "{1}\n\n"
                     "/limitbuy - buy at a price\n"
                     "/limitsell - sell at a price\n"
                     "/status - orders and positions\n"
                     "/cancel - end what you have begun\n"
                     "/help - this\n\n"
                     "Quicker: /limitbuy BTC 64250.5 63000\n"
                     "(symbol, entry, stop loss)\n\n"
                     "Risk a trade: {2} USDT",
    [SAY_UNKNOWN] = "I am not waiting for an answer now. To begin an order: /limitbuy or "
                    "/limitsell. All commands: /help",
    [SAY_NO_COMMAND] = "There is no command {1}. All commands: /help",
    [SAY_MEANT] = "There is no command {1}. Did you mean {2}?",
    [SAY_STALE] = "You wrote this {2} minutes ago: \"{1}\"\nNothing was done. Send it again if you "
                  "still want it.",
    [SAY_TYPE_PHRASE] = "This is LIVE: real money. Nothing is placed yet. Before the first order "
                        "please type exactly this sentence, once:\n\n{1}",
    [SAY_LIVE_ON] = "Thank you. Orders with real money are possible from now on.",
    [SAY_PRIVATE_ONLY] = "Please write to me in our private chat.",
    [SAY_STRANGER] = "This bot serves its owner only. Your Telegram id is {1}.",
    [SAY_NO_OWNER] = "This bot has no owner yet. If it is yours, name your Telegram id in its "
                     "configuration: {1}.",
    [SAY_LOG] = "user {1} in chat {2} is not the owner and was refused",
};

const char *dialogs_words(enum sentence which) {
    must(which < SENTENCES && english[which]);
    return english[which];
}

char *dialogs_text(enum sentence which, const char *const values[]) {
    struct buffer text = {0};
    size_t count = 0;
    while (values[count])
        count++;
    for (const char *p = dialogs_words(which); *p;) {
        bool place = p[0] == '{' && p[1] >= '1' && p[1] <= '9' && p[2] == '}';
        size_t which_value = place ? (size_t)(p[1] - '0') : 0;
        must(which_value < count);
        if (place)
            buffer_add_text(&text, values[which_value]);
        else
            buffer_add(&text, p, 1);
        p += place ? 3 : 1;
    }
    return buffer_take(&text);
}
