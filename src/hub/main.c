/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-hub: gateway to Telegram, alerts, HTTP API. A service of the keeper like any other. */
#include "base/log.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/config.h"
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

static const char usage[] =
    "usage: holdfast-hub --config PATH [--run FOLDER]\n"
    "  --sends-per-second N         budget of a bot (30; 0: none)\n"
    "  --chat-sends-per-second N    budget of a chat (1; 0: none)\n"
    "  --group-sends-per-minute N   budget of a group (20; 0: none)\n"
    "  --breaker-open DURATION      rest of the way out for alerts after 5 failures (60s)\n"
    "  --monitor-check DURATION     how often monitors are looked at (30s)\n"
    "  --check-online [--running]   asks Telegram about tokens and chats, prints that, and ends\n";

enum {
    OPTION_CONFIG,
    OPTION_RUN,
    OPTION_SENDS,
    OPTION_CHAT,
    OPTION_GROUP,
    OPTION_BREAKER,
    OPTION_MONITOR,
    OPTION_CHECK,
    OPTION_RUNNING,
    OPTION_HELP
};
static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"run", required_argument, NULL, OPTION_RUN},
    {"sends-per-second", required_argument, NULL, OPTION_SENDS},
    {"chat-sends-per-second", required_argument, NULL, OPTION_CHAT},
    {"group-sends-per-minute", required_argument, NULL, OPTION_GROUP},
    {"breaker-open", required_argument, NULL, OPTION_BREAKER},
    {"monitor-check", required_argument, NULL, OPTION_MONITOR},
    {"check-online", no_argument, NULL, OPTION_CHECK},
    {"running", no_argument, NULL, OPTION_RUNNING},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static int64_t number(const char *text) {
    int64_t value;
    if (text_to_int(text, 0, 100000, &value) < 0)
        fatal(EX_USAGE, "\"%s\" is not a number from 0 to 100000\n%s", text, usage);
    return value;
}

static int64_t duration(const char *text) {
    int64_t ms;
    if (text_to_duration(text, 100, 86400000, &ms) < 0)
        fatal(EX_USAGE, "\"%s\" is not a duration such as 60s\n%s", text, usage);
    return ms;
}

static struct hub_options read_options(int argc, char **argv) {
    struct hub_options options = {.sends_per_second = -1,
                                  .chat_sends_per_second = -1,
                                  .group_sends_per_minute = -1,
                                  .breaker_open_ms = -1,
                                  .monitor_check_ms = -1};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == OPTION_CONFIG)
            options.config = optarg;
        else if (c == OPTION_RUN)
            options.run = optarg;
        else if (c == OPTION_SENDS)
            options.sends_per_second = number(optarg);
        else if (c == OPTION_CHAT)
            options.chat_sends_per_second = number(optarg);
        else if (c == OPTION_GROUP)
            options.group_sends_per_minute = number(optarg);
        else if (c == OPTION_BREAKER)
            options.breaker_open_ms = duration(optarg);
        else if (c == OPTION_MONITOR)
            options.monitor_check_ms = duration(optarg);
        else if (c == OPTION_CHECK)
            options.check_online = true;
        else if (c == OPTION_RUNNING)
            options.running = true;
        else if (c == OPTION_HELP) {
            fputs(usage, stdout);
            exit(0);
        } else
            exit(EX_USAGE);
    }
    if (!options.config || optind < argc)
        fatal(EX_USAGE, "the config is missing\n%s", usage);
    return options;
}

int main(int argc, char **argv) {
    log_open("hub");
    struct rlimit files;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* tokens are in our memory */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){files.rlim_max, files.rlim_max});
    struct hub_options options = read_options(argc, argv);
    /* A check is of the files as they are: they may not be in force yet. */
    struct config *config = options.check_online
                                ? config_load_or_exit(options.config, options.run)
                                : config_load_in_force_or_exit(options.config, options.run);
    struct hub *hub = memory_new(sizeof *hub);
    int code = options.check_online ? hub_check_online(config, options.running)
                                    : hub_run(hub, config, &options);
    free(hub);
    config_free(config);
    return code;
}
