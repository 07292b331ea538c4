/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the machine's clocks. Only shells read them; policy, engine and mimic get `now` passed
 * in (a check in ./test holds them to it). */
#pragma once
#include "base/common.h"
#include <time.h>

int64_t clock_ms(void);      /* monotonic, counts while suspended (CLOCK_BOOTTIME) */
int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01 UTC */
/* For pthread_cond_clockwait(): so far from now on CLOCK_MONOTONIC, which nobody sets. */
struct timespec clock_deadline(int64_t wait_ms);
/* "2026-11-22T08:00:00.123Z"; `ret` holds at least CLOCK_TEXT_BYTES. */
enum { CLOCK_TEXT_BYTES = 32 };
void clock_format(int64_t wall_ms, char *ret);
/* What clock_format() writes. -EINVAL: something else. */
MUST_CHECK int clock_read(const char *text, int64_t *ret_wall_ms);
