/* SPDX-License-Identifier: Apache-2.0 */
/* deploy.h - for src/cli only: one deploy of one service, while its lock is held.
 *
 * A note on disk says what ran before and how far the deploy is; it goes once all is settled. What
 * `before` says stays the way back through any number of interrupted deploys. */
#pragma once
#include "base/buffer.h"
#include "cli/cli.h"
#include "model/config.h"

struct deploy {
    const struct cli *cli;
    const struct config *config;
    const char *name;                     /* of the service; of instances that of them all */
    const struct service_config *service; /* the first of them */
    const struct service_config *unwell;  /* after a restart that failed: which */
    size_t restarted;                     /* how many run the new one, or tried to */
    char *note_path;                      /* DATA/deploy/NAME.json */
    char *before;                         /* commit or release that ran before */
    char *now;                            /* the new one */
    bool interrupted;                     /* an earlier deploy did not end */
    bool switched;                        /* the service's folder shows the new one */
    struct buffer output;                 /* of the command that ran last */
};
enum deploy_outcome { DEPLOY_NEW, DEPLOY_NOTHING_NEW, DEPLOY_FAILED };

/* deploy.c: an event, and a line for people. */
void deploy_tell(struct deploy *deploy, const char *format, ...) PRINTF_LIKE(2, 3);
/* The step is on disk before it begins. */
void deploy_note(struct deploy *deploy, const char *step);

/* deploy_run.c: a command in `folder`, as the service's user with its environment. Returns its exit
 * code, 128 + signal, or -ETIMEDOUT; what it printed is in deploy->output. */
int deploy_run(struct deploy *deploy, const char *folder, char *const *argv);
void deploy_print_output(struct deploy *deploy); /* its end, on stderr; secrets blanked */
/* Restarts the service, of instances one after the other; true when each becomes ready and stays
 * so. Else *ret_why says more, and those behind the one that is unwell were not touched. `back`: on
 * the way back, all that may run the new one are restarted, however they fare. */
bool deploy_restart(struct deploy *deploy, bool back, char **ret_why);

/* Each fetches and checks; `switched` then tells whether there is something to take back. */
enum deploy_outcome deploy_git(struct deploy *deploy);
enum deploy_outcome deploy_archive(struct deploy *deploy, const char *archive);
bool deploy_git_back(struct deploy *deploy);
bool deploy_archive_back(struct deploy *deploy);
void deploy_archive_prune(struct deploy *deploy);
