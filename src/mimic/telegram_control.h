/* SPDX-License-Identifier: Apache-2.0 */
/* telegram_control.h - the side of the simulated Telegram that Telegram does not have: what people
 * do (write, press a button, block), the book of what was said, the log of calls, and faults.
 * holdfast-sim serves it below /sim/; tests call it directly. */
#pragma once
#include "mimic/telegram.h"

/* Does what `name` says: message, press, messages, chats, set_chat, bots, arm_fault, faults,
 * clear_faults, limits, set_limits, calls, jump (docs/simulator.md has their parameters).
 * `request` is an object, its values may be text. Fills *ret with an object and returns 0, or
 * fills it with {"error": a sentence} and returns the HTTP status to say so with (400, 404, 409).
 */
MUST_CHECK int telegram_control(struct telegram *telegram, const char *name, const json_t *request,
                                int64_t now, json_t **ret);
/* Grows with every change that a book, a chat list or a call log can show. */
uint64_t telegram_changes(const struct telegram *telegram);
