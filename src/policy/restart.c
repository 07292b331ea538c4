/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/restart.h"

enum { CODE_TEMPORARY = 75, CODE_PERMISSION = 77, CODE_CONFIG = 78 };

static bool speaks_of_network(struct slice lines) {
    static const char *const words[] = {
        "Connection refused",
        "Connection reset",
        "Network is unreachable",
        "Temporary failure in name resolution",
        "ECONNREFUSED",
        "ECONNRESET",
        "ENOTFOUND",
        "EAI_AGAIN",
        "ETIMEDOUT",
        "Connection timed out",
        "No route to host",
    };
    for (size_t i = 0; lines.size && i < COUNT_OF(words); i++)
        if (memmem(lines.data, lines.size, words[i], strlen(words[i])))
            return true;
    return false;
}

enum exit_class restart_classify(const struct service_exit *exit) {
    if (exit->signal == 0 && exit->code == 0)
        return EXIT_CLASS_CLEAN;
    if (exit->code == CODE_CONFIG || exit->code == CODE_PERMISSION)
        return EXIT_CLASS_CONFIG;
    if (exit->code == CODE_TEMPORARY || (exit->signal == 0 && speaks_of_network(exit->last_lines)))
        return EXIT_CLASS_TEMPORARY;
    return EXIT_CLASS_FAILURE;
}

/* delay, doubled for each restart so far, at most the cap, spread by +-10 %. */
static int64_t backoff(const struct restart_config *config, int64_t restarts, uint32_t random) {
    int64_t delay = config->delay_ms;
    for (int64_t i = 0; i < restarts && delay < config->delay_max_ms; i++)
        delay *= 2;
    if (delay > config->delay_max_ms)
        delay = config->delay_max_ms;
    int64_t spread = delay / 10;
    return spread ? delay - spread + (int64_t)random % (2 * spread + 1) : delay;
}

struct restart_decision restart_decide(const struct restart_case *restart) {
    const struct restart_config *config = restart->config;
    bool clean = restart->class == EXIT_CLASS_CLEAN;
    if (config->mode == RESTART_NEVER || (config->mode == RESTART_ON_FAILURE && clean))
        return (struct restart_decision){.action = clean ? RESTART_DONE : RESTART_FAILED};
    if (restart->class == EXIT_CLASS_CONFIG)
        return (struct restart_decision){.action = RESTART_AFTER_CHANGE};
    bool counted = restart->class != EXIT_CLASS_TEMPORARY;
    if (counted && restart->restarts >= config->max)
        return (struct restart_decision){.action = RESTART_FAILED, .delay_ms = config->retry_ms};
    int64_t steps = restart->restarts + (restart->was_ready ? 0 : 1);
    return (struct restart_decision){.action = RESTART_AGAIN,
                                     .counted = counted,
                                     .delay_ms = backoff(config, steps, restart->random)};
}
