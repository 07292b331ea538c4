/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.h - for src/cli only: what `holdfast alerts` shows. */
#pragma once
#include "cli/hub_client.h"

/* `health` is the hub's own answer, NULL when there is none. */
void alerts_print_list(const struct cli *cli, const json_t *alerts, const json_t *health);
void alerts_print_one(const json_t *alert);
void alerts_print_stats(const json_t *stats);
