/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - the command line of holdfast-sim. */
#pragma once
#include "mimic/bybit.h"
#include "mimic/telegram.h"

struct options {
    const char *listen; /* borrowed from argv */
    uint16_t port;
    uint64_t seed;
    struct {
        char *token, *username;
    } bots[TELEGRAM_BOTS_MAX];
    size_t bot_count;
    struct {
        char *key, *secret;
    } accounts[EXCHANGE_SIM_ACCOUNTS_MAX];
    size_t account_count; /* at least one */
    struct decimal balance;
    bool still;
    int64_t chats[15];
    size_t chat_count;
};
/* Reads argv; prints help or the version and exits 0; a mistake exits 64 with a sentence. */
void options_read(struct options *options, int argc, char **argv);
void options_deinit(struct options *options);
