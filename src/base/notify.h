/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h - what a service tells its supervisor (sd_notify(3)): "READY=1", "WATCHDOG=1",
 * "STATUS=...", lines joined by '\n'. */
#pragma once
#include "base/common.h"

/* One datagram to $NOTIFY_SOCKET (a path, or '@' and an abstract name). 0: sent, or nobody asked;
 * else -errno. */
int notify_send(const char *state);
