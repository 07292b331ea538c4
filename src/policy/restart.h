/* SPDX-License-Identifier: Apache-2.0 */
/* restart.h - what follows the exit of a service: how it is understood, and when it is tried again.
 * Pure. Exit codes as in sysexits.h. */
#pragma once
#include "model/config.h"

enum exit_class {
    EXIT_CLASS_CLEAN,     /* code 0 */
    EXIT_CLASS_FAILURE,   /* any other code or signal */
    EXIT_CLASS_CONFIG,    /* 78, 77: wrong config or permission; waits for a change */
    EXIT_CLASS_TEMPORARY, /* 75, or the last lines speak of the network: not its fault */
};
struct service_exit {
    int code;                /* -1 when ended by a signal or unknown */
    int signal;              /* 0 when it exited */
    bool known;              /* false: the exit was not seen (anchor was killed) */
    bool core;               /* dumped core */
    struct slice last_lines; /* of its log; may be empty */
};
enum exit_class restart_classify(const struct service_exit *exit);

enum restart_action { RESTART_AGAIN, RESTART_DONE, RESTART_FAILED, RESTART_AFTER_CHANGE };
struct restart_decision {
    enum restart_action action;
    int64_t delay_ms;
    bool counted; /* towards restart.max */
};
struct restart_case {
    const struct restart_config *config;
    enum exit_class class;
    bool was_ready;   /* before it ended: what dies earlier is throttled harder */
    int64_t restarts; /* counted so far without stability */
    uint32_t random;  /* any; spreads the delay by 10 % */
};
struct restart_decision restart_decide(const struct restart_case *restart);
