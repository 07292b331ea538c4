/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - what a program says to its operator: one line on stderr, secrets masked (at a terminal
 * the time of day stands in front instead of the whole date). Only shells log; each failure once,
 * naming the object and the next step. 2026-11-22T08:00:00.123Z warning hub: gateway main: ... */
#pragma once
#include "base/common.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
extern const char *const log_level_names[]; /* "error", ..., NULL */
void log_open(const char *program);         /* borrowed for the life of the process */
/* From now on the level is what the first letter of this file says (e, w, i, d), read at each line:
 * one pread of a file on tmpfs, no wake-up, no signal that could come before somebody listens for
 * it; and a program that is started anew finds the level that was set. The file is changed in
 * place, never replaced. log_open() follows HOLDFAST_RUN/level/HOLDFAST_SERVICE. */
void log_follow_level(const char *path);
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
/* The environment is not good enough to start: says so and exits with a code of sysexits.h. */
_Noreturn void fatal(int exit_code, const char *format, ...) PRINTF_LIKE(2, 3);
