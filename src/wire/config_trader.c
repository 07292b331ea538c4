/* SPDX-License-Identifier: Apache-2.0 */
/* The section trader: of the config. */
#include "base/text.h"
#include "wire/config_reader.h"
#include <errno.h>

static int read_decimal(struct reader *reader, const struct yaml_node *node, void *field) {
    AUTO_FREE char *text = reader_text(reader, node);
    struct decimal value;
    if (!text)
        return -EINVAL;
    if (decimal_read(slice_of(text), &value) != 0 || decimal_sign(value) <= 0)
        return reader_error(reader, node, "'%s': expected a number above 0, such as 100 or 2.5",
                            text);
    *(struct decimal *)field = value;
    return 0;
}

#define TRADER(field) offsetof(struct trader_config, field)
static const char *const mode_names[] = {"paper", "demo", "testnet", "live", NULL};
static const char *const exchange_names[] = {"bybit", NULL};
struct trader_section {
    struct trader_config config;
    int exchange;
};
static const struct reader_option trader_options[] = {
    {{"bot", OPTION_TEXT, TRADER(bot), NULL, 0, 0, NULL, "Name in bots: whose chat it is."}, NULL},
    {{"exchange", OPTION_ENUM, offsetof(struct trader_section, exchange), "bybit", 0, 0,
      exchange_names, "Where orders go."},
     NULL},
    {{"mode", OPTION_ENUM, TRADER(mode), "paper", 0, 0, mode_names,
      "paper is the simulator; live is real money, and asks once more in the chat."},
     NULL},
    {{"api_url", OPTION_TEXT, TRADER(api_url), NULL, 0, 0, NULL,
      "Of the exchange; the mode has its own."},
     NULL},
    {{"api_key", OPTION_OTHER, TRADER(api_key), NULL, 0, 0, NULL, "From the exchange."},
     reader_secret},
    {{"api_secret", OPTION_OTHER, TRADER(api_secret), NULL, 0, 0, NULL, "From the exchange."},
     reader_secret},
    {{"risk", OPTION_OTHER, TRADER(risk), NULL, 0, 0, NULL, "USDT a trade may lose."},
     read_decimal},
    {{"rr", OPTION_OTHER, TRADER(rr), NULL, 0, 0, NULL, "Target in multiples of the risk."},
     read_decimal},
};

const struct config_section reader_trader_sections[] = {
    {"trader", "The trading bot, a service of its own.", trader_options, COUNT_OF(trader_options)},
    {0}};

static void settle(struct trader_config *trader) {
    static const char *const urls[TRADE_MODES] = {
        [TRADE_PAPER] = "http://127.0.0.1:8090",
        [TRADE_DEMO] = "https://api-demo.bybit.com",
        [TRADE_TESTNET] = "https://api-testnet.bybit.com",
        [TRADE_LIVE] = "https://api.bybit.com",
    };
    if (!trader->api_url)
        trader->api_url = text_copy(urls[trader->mode]);
    size_t end = strlen(trader->api_url);
    while (end > 0 && trader->api_url[end - 1] == '/')
        trader->api_url[--end] = 0;
    if (trader->mode != TRADE_PAPER)
        return;
    if (!secret_is_set(&trader->api_key)) /* what the simulator takes by itself */
        trader->api_key.value = text_copy("paper");
    if (!secret_is_set(&trader->api_secret))
        trader->api_secret.value = text_copy("paper");
}

int reader_trader(struct reader *reader, const struct yaml_node *node, void *field) {
    struct trader_section section = {.config = {.risk = decimal_of(100), .rr = decimal_of(2)}};
    reader->trader_place = node;
    int r = reader_mapping(reader, node, trader_options, COUNT_OF(trader_options), &section);
    struct trader_config *trader = field;
    *trader = section.config;
    settle(trader);
    return r;
}

static const struct yaml_node *place_of(const struct reader *reader, const char *key) {
    const struct yaml_node *node = yaml_tree_get(reader->trader_place, key);
    return node ? node : reader->trader_place;
}

void reader_check_trader(struct reader *reader, const struct config *config) {
    const struct trader_config *trader = &config->trader;
    if (!reader->trader_place)
        return;
    const struct bot_config *bot = trader->bot ? config_bot(config, trader->bot) : NULL;
    if (!trader->bot)
        reader_error(reader, reader->trader_place,
                     "bot: is missing: in whose chat should it trade? (a name of bots:)");
    else if (!bot)
        reader_error(reader, place_of(reader, "bot"), "'%s' is not among bots:", trader->bot);
    else if (bot->owner == 0)
        reader_error(reader, place_of(reader, "bot"),
                     "bot '%s' has no owner: nobody could trade; add `owner:` with your Telegram "
                     "user id",
                     trader->bot);
    if (strncmp(trader->api_url, "http://", 7) != 0 && strncmp(trader->api_url, "https://", 8) != 0)
        reader_error(reader, place_of(reader, "api_url"),
                     "expected a URL with http:// or https://");
    if (trader->mode != TRADE_PAPER && strncmp(trader->api_url, "https://", 8) != 0 &&
        strncmp(trader->api_url, "http://127.", 11) != 0)
        reader_error(reader, place_of(reader, "api_url"),
                     "mode %s sends a key of yours: expected https://, or http://127.0.0.1",
                     trade_mode_name((enum trade_mode)trader->mode));
    if (!secret_is_set(&trader->api_key) || !secret_is_set(&trader->api_secret))
        reader_error(reader, reader->trader_place,
                     "mode %s needs api_key: ${BYBIT_API_KEY} and api_secret: ${BYBIT_API_SECRET}, "
                     "with both in .env",
                     trade_mode_name((enum trade_mode)trader->mode));
    if (decimal_compare(trader->rr, decimal_of(10)) > 0)
        reader_error(reader, place_of(reader, "rr"), "expected at most 10");
}
