/* SPDX-License-Identifier: Apache-2.0 */
/* services_jobs.h - for services*.c only: jobs, which are services that run at the slots of a
 * calendar and end. services.c moves the states; services_jobs.c decides when a job runs and what
 * its end means. */
#pragma once
#include "engine/services.h"

/* One step at one service: what the actions need. */
struct step {
    struct services *all;
    struct service *service;
    size_t index;
    const struct service_event *event;
    int64_t now;
};

/* services.c, for services_jobs.c */
void step_tell(struct step *step, const char *what, const char *text);
void step_set_state(struct step *step, enum service_state state, int64_t delay_ms);
void step_run(struct step *step);  /* starts it, once what it needs is ready */
void step_stop(struct step *step); /* asks it to end */

/* services_jobs.c */
void job_want(struct step *step);    /* an UP or RESTART; nothing of it runs */
void job_run(struct step *step);     /* now, out of turn */
void job_clock(struct step *step);   /* event->wall_ms may have reached its next slot */
void job_expired(struct step *step); /* a run has taken longer than its timeout */
/* Its process has ended; `how` says in words how. asked: after a stop signal of ours. */
void job_ended(struct step *step, bool asked, bool hung, const char *how);
