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
/* What services inherit; ours differ: no cores, as many descriptors as can be had. */
extern struct rlimit anchor_core_limit, anchor_files_limit;
struct launch_body;
/* fork(), the child in the cgroup that the strings behind the body name, where that can be. */
pid_t anchor_fork(const char *strings);
_Noreturn void anchor_become(const struct launch_body *body, const char *strings);

/* anchor_kept.c */
void anchor_keep(const char *name, int fd); /* takes fd */
void anchor_drop(const char *name);
void anchor_kept_untell(void);        /* a new keeper knows of none */
bool anchor_tell_kept(int keeper_fd); /* false: no room now */
