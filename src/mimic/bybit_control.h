/* SPDX-License-Identifier: Apache-2.0 */
/* bybit_control.h - the side of the simulated exchange that an exchange does not have: prices set
 * by hand, accounts with money out of nothing, its own books, the log of calls, and faults.
 * holdfast-sim serves it below /sim/exchange/; tests call it directly. */
#pragma once
#include "mimic/bybit.h"

/* Does what `name` says: market, set_price, set_market, books, add_account, arm_fault, faults,
 * clear_faults, limits, set_limits, set_clock, calls (docs/simulator.md has their parameters).
 * `request` is an object, its values may be text. Fills *ret with an object and returns 0, or
 * fills it with {"error": a sentence} and returns the HTTP status to say so with (400, 404, 409).
 */
MUST_CHECK int exchange_sim_control(struct exchange_sim *sim, const char *name,
                                    const json_t *request, int64_t now, json_t **ret);
/* Grows with every change that the market, a book or the call log can show. */
uint64_t exchange_sim_changes(const struct exchange_sim *sim);
