/* SPDX-License-Identifier: Apache-2.0 */
/* log_time.h - times as people write them, in the time zone that tzset() was told. */
#pragma once
#include "base/common.h"

/* "10m", "2h" (ago), "18:00", "18:00:30" (the last one before now), "2026-11-24", "2026-11-24
 * 18:00", ISO 8601 with or without zone ("2026-11-24T18:00:30.5Z", "...+07:00"). -EINVAL: none of
 * these. */
MUST_CHECK int log_time_parse(const char *text, int64_t now_ms, int64_t *ret_ms);
enum { LOG_TIME_TEXT_BYTES = 32 };
void log_time_format(int64_t wall_ms, char ret[LOG_TIME_TEXT_BYTES]); /* 2026-11-24 18:00:30 */
