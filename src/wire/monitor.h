/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.h - monitors as JSON: what PUT /v1/monitors/ID and POST .../beat take, and what GET
 * shows.
 *   PUT   {"service":"bot","stale_after":"5m","memory_max":"300MB","critical":true,
 *          "actions":{"stale":"RESTART_MONITOR","errors":"none"}}
 *   beat  {"status":"ok|start|fail|critical","exit":0,"errors":1,"warnings":0,"response_ms":12,
 *          "connected":true,"sync":true,"memory":"120MB","cpu":3.5,"message":".."}; {} is ok */
#pragma once
#include "base/buffer.h"
#include "model/monitor.h"

enum { MONITOR_INVALID = 1 };
/* What is not named is as usual. MONITOR_INVALID: `ret_error` says what was wrong and what is
 * expected. */
MUST_CHECK int monitor_wish_read(const char *id, struct slice json, struct monitor **ret,
                                 struct buffer *ret_error);
/* No bytes at all are a beat too. The caller frees ret->message. */
MUST_CHECK int monitor_beat_read(struct slice json, struct monitor_beat *ret,
                                 struct buffer *ret_error);
void monitor_add_json(struct buffer *ret, const struct monitor *monitor, enum monitor_state shown,
                      int64_t now);
