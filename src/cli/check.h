/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - what the config's text alone cannot tell: programs, folders and ports of this machine.
 */
#pragma once
#include "wire/config.h"

void check_machine(const struct config *config, struct config_errors *errors);
/* Ports that services wait for but strangers hold; only while nothing of ours runs. */
void check_ports(const struct config *config, struct config_errors *errors);
/* Prints them all; returns 0 or EX_CONFIG. */
int check_report(const struct config_errors *errors, bool json);
