/* SPDX-License-Identifier: Apache-2.0 */
/* anchor.h - the parent of every service: forks, reaps, remembers exits, holds the log FIFOs open
 * and restarts the keeper. It decides nothing, reads no config and allocates nothing after its
 * start. */
#pragma once
#include "base/common.h"
#include <sys/resource.h>

struct anchor_options {
    const char *run;          /* run folder */
    char *const *keeper_argv; /* absolute path first, NULL-ended */
};
/* Runs until the keeper says QUIT; returns the exit code. */
int anchor_run(const struct anchor_options *options);

/* anchor_child.c: called in the forked child; becomes the service or ends with 126 or 127 after
 * saying why on its log. `body` is a checked START message. */
extern struct rlimit anchor_core_limit; /* what services may dump; we ourselves dump nothing */
struct launch_body;
_Noreturn void anchor_become(const struct launch_body *body, const char *strings);
