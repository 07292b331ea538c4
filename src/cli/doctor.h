/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.h - for src/cli only: the parts of `holdfast doctor`. Each adds what it looked at. */
#pragma once
#include "cli/report.h"

/* doctor_machine.c: clock, time zone, memory, limits. anchor: its pid, 0 when nothing runs. */
void doctor_machine(struct report *report, const struct config *config, pid_t anchor);
/* doctor_folders.c: data, logs, run folder. */
void doctor_folders(struct report *report, const struct config *config);
/* deploy.c: deploys that were interrupted. */
void deploy_report(struct report *report, const struct config *config);
