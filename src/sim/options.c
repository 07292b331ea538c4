/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/options.h"
#include "base/log.h"
#include "base/text.h"
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

static const char help[] =
    "Usage: holdfast-sim [--listen 127.0.0.1] [--port 8090] [--bot TOKEN=username]... [--chat "
    "ID]...\n"
    "                    [--seed N] [--account KEY=SECRET]... [--balance USDT] [--market "
    "walk|still]\n"
    "Simulates Telegram's Bot API and Bybit's V5 API on this machine, with faults on demand and a\n"
    "page to chat with bots. No message and no order leaves this machine.\n"
    "  --listen ADDRESS      numeric address to listen on (127.0.0.1)\n"
    "  --port PORT           0: any free one, printed at start (8090)\n"
    "  --bot TOKEN=username  a bot; with one or more, other tokens are refused with 401\n"
    "  --chat ID             a person who has started every bot; 42 (Ann) always has\n"
    "  --account KEY=SECRET  an account at the exchange (paper=paper: it holds no real money)\n"
    "  --balance USDT        what each of them has at start (10000)\n"
    "  --market walk|still   whether prices move by themselves (walk)\n"
    "  --seed N              first ids and everything random follow from it (1)\n"
    "  --help, --version\n";

static void add_bot(struct options *options, char *text) {
    char *equals = strchr(text, '=');
    if (!equals || !equals[1] || !text_is_utf8(slice_of(text), NULL))
        fatal(EX_USAGE, "--bot needs TOKEN=username, e.g. --bot 1001:demo=demo_bot");
    if (options->bot_count == COUNT_OF(options->bots))
        fatal(EX_USAGE, "more than %d bots", TELEGRAM_BOTS_MAX);
    options->bots[options->bot_count].token = text_copy_n(text, (size_t)(equals - text));
    options->bots[options->bot_count++].username = text_copy(equals + 1);
}

static void add_account(struct options *options, char *text) {
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        fatal(EX_USAGE, "--account needs KEY=SECRET, e.g. --account paper=paper");
    if (options->account_count == COUNT_OF(options->accounts))
        fatal(EX_USAGE, "more than %d accounts", EXCHANGE_SIM_ACCOUNTS_MAX);
    options->accounts[options->account_count].key = text_copy_n(text, (size_t)(equals - text));
    options->accounts[options->account_count++].secret = text_copy(equals + 1);
}

static void set_balance(struct options *options, const char *text) {
    if (decimal_read(slice_of(text), &options->balance) != 0 ||
        decimal_sign(options->balance) < 0 ||
        decimal_compare(options->balance, decimal_of(100000000)) > 0)
        fatal(EX_USAGE, "--balance needs an amount from 0 to 100000000, not '%s'", text);
}

static void set_market(struct options *options, const char *text) {
    options->still = strcmp(text, "still") == 0;
    if (!options->still && strcmp(text, "walk") != 0)
        fatal(EX_USAGE, "--market needs walk or still, not '%s'", text);
}

static int64_t number(const char *name, const char *text, int64_t min, int64_t max) {
    int64_t value = 0;
    if (text_to_int(text, min, max, &value) < 0)
        fatal(EX_USAGE, "%s needs a whole number from %lld to %lld, not '%s'", name, (long long)min,
              (long long)max, text);
    return value;
}

static void add_chat(struct options *options, const char *text) {
    if (options->chat_count == COUNT_OF(options->chats))
        fatal(EX_USAGE, "more than %zu --chat", COUNT_OF(options->chats));
    options->chats[options->chat_count++] = number("--chat", text, 1, INT64_MAX);
}

void options_read(struct options *options, int argc, char **argv) {
    static const struct option table[] = {{"listen", required_argument, NULL, 'l'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"bot", required_argument, NULL, 'b'},
                                          {"chat", required_argument, NULL, 'c'},
                                          {"account", required_argument, NULL, 'a'},
                                          {"balance", required_argument, NULL, 'B'},
                                          {"market", required_argument, NULL, 'm'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {0}};
    *options = (struct options){
        .listen = "127.0.0.1", .port = 8090, .seed = 1, .balance = decimal_of(10000)};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (c) {
        case 'l':
            options->listen = optarg;
            break;
        case 'p':
            options->port = (uint16_t)number("--port", optarg, 0, 65535);
            break;
        case 'b':
            add_bot(options, optarg);
            break;
        case 'c':
            add_chat(options, optarg);
            break;
        case 'a':
            add_account(options, optarg);
            break;
        case 'B':
            set_balance(options, optarg);
            break;
        case 'm':
            set_market(options, optarg);
            break;
        case 's':
            options->seed = (uint64_t)number("--seed", optarg, 0, INT64_MAX);
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        case 'V':
            puts("holdfast-sim " HOLDFAST_VERSION);
            exit(EXIT_SUCCESS);
        default:
            exit(EX_USAGE); /* getopt has said why */
        }
    }
    if (optind < argc)
        fatal(EX_USAGE, "'%s' is not an option; --help lists them", argv[optind]);
    if (options->account_count == 0) {
        char paper[] = "paper=paper"; /* public knowledge: there is nothing to protect */
        add_account(options, paper);
    }
}

void options_deinit(struct options *options) {
    for (size_t i = 0; i < options->bot_count; i++) {
        free(options->bots[i].token);
        free(options->bots[i].username);
    }
    for (size_t i = 0; i < options->account_count; i++) {
        free(options->accounts[i].key);
        free(options->accounts[i].secret);
    }
}
