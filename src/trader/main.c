/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-trader: the trading bot. A service of the keeper like any other, a bot of the hub. */
#include "base/log.h"
#include "base/text.h"
#include "trader/trader.h"
#include "wire/config.h"
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

static const char usage[] =
    "usage: holdfast-trader --config PATH [--run FOLDER]\n"
    "  --read-every DURATION   how often the exchange is read while something is open (2s)\n"
    "  --check-online          asks the exchange about clock and key, prints that, and ends\n";
static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"run", required_argument, NULL, 'r'},
    {"read-every", required_argument, NULL, 'e'},
    {"check-online", no_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

int main(int argc, char **argv) {
    const char *path = NULL, *run = NULL;
    int64_t read_ms = 2000;
    bool check_online = false;
    log_open("trader");
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* keys are in our memory */
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == 'c')
            path = optarg;
        else if (c == 'r')
            run = optarg;
        else if (c == 'e' && text_to_duration(optarg, 50, 60000, &read_ms) < 0)
            fatal(EX_USAGE, "\"%s\" is not a duration from 50ms to 60s\n%s", optarg, usage);
        else if (c == 'o')
            check_online = true;
        else if (c == 'h')
            return fputs(usage, stdout) < 0;
        else if (c != 'e')
            return EX_USAGE;
    }
    if (!path || optind < argc)
        fatal(EX_USAGE, "the config is missing\n%s", usage);
    /* A check is of the files as they are: they may not be in force yet. */
    struct config *config =
        check_online ? config_load_or_exit(path, run) : config_load_in_force_or_exit(path, run);
    if (!config->trader.bot)
        fatal(EX_CONFIG,
              "%s has no section trader:, so there is nothing to trade; add one such "
              "as `trader: {bot: main, mode: paper}`",
              path);
    struct trader *trader = memory_new(sizeof *trader);
    int code = check_online ? trader_check_online(config) : trader_run(trader, config, read_ms);
    free(trader);
    config_free(config);
    return code;
}
