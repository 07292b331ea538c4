/* SPDX-License-Identifier: Apache-2.0 */
/* pages.h - man pages (as scdoc source) and completions of shells, on stdout, from the tables of
 * the command line and of the config. Run by the build; not installed. */
#pragma once

void pages_bash(void);
void pages_zsh(void);
void pages_fish(void);
void pages_man_command(void); /* holdfast(1) */
void pages_man_config(void);  /* holdfast.yaml(5) */
