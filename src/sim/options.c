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
    "                    [--seed N]\n"
    "Simulates Telegram's Bot API on this machine, with faults on demand and a page to chat with\n"
    "bots. No message leaves this machine.\n"
    "  --listen ADDRESS      numeric address to listen on (127.0.0.1)\n"
    "  --port PORT           0: any free one, printed at start (8090)\n"
    "  --bot TOKEN=username  a bot; with one or more, other tokens are refused with 401\n"
    "  --chat ID             a person who has started every bot; 42 (Ann) always has\n"
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
    static const struct option table[] = {
        {"listen", required_argument, NULL, 'l'}, {"port", required_argument, NULL, 'p'},
        {"bot", required_argument, NULL, 'b'},    {"chat", required_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 's'},   {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {0}};
    *options = (struct options){.listen = "127.0.0.1", .port = 8090, .seed = 1};
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
}

void options_deinit(struct options *options) {
    for (size_t i = 0; i < options->bot_count; i++) {
        free(options->bots[i].token);
        free(options->bots[i].username);
    }
}
