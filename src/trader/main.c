/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-trader: the trading bot. A service of the keeper like any other, a bot of the hub. */
#include "base/log.h"
#include "trader/trader.h"
#include "wire/config.h"
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

static const char usage[] = "usage: holdfast-trader --config PATH [--run FOLDER]\n";
static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"run", required_argument, NULL, 'r'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

int main(int argc, char **argv) {
    const char *path = NULL, *run = NULL;
    log_open("trader");
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* keys are in our memory */
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == 'c')
            path = optarg;
        else if (c == 'r')
            run = optarg;
        else if (c == 'h')
            return fputs(usage, stdout) < 0;
        else
            return EX_USAGE;
    }
    if (!path || optind < argc)
        fatal(EX_USAGE, "the config is missing\n%s", usage);
    struct config *config = config_load_in_force_or_exit(path, run);
    if (!config->trader.bot)
        fatal(EX_CONFIG,
              "%s has no section trader:, so there is nothing to trade; add one such "
              "as `trader: {bot: main, mode: paper}`",
              path);
    struct trader *trader = memory_new(sizeof *trader);
    int code = trader_run(trader, config);
    free(trader);
    config_free(config);
    return code;
}
