/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h - tells the supervisor about this program (the sd_notify protocol). */
#pragma once
#include "base/common.h"

/* "READY=1", "WATCHDOG=1", "STOPPING=1", lines of NAME=value. 0 also when nobody listens
 * ($NOTIFY_SOCKET is not set); -errno when it could not be told. */
int notify_send(const char *state);
/* The same, but rather untold than waiting: -EAGAIN while whoever listens is behind. */
int notify_try(const char *state);
bool notify_wanted(void); /* somebody listens */
/* How often WATCHDOG=1 is expected, in milliseconds ($WATCHDOG_USEC); 0: it is not. Send it twice
 * as often. */
int64_t notify_watchdog_ms(void);
