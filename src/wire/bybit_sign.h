/* SPDX-License-Identifier: Apache-2.0 */
/* bybit_sign.h - HMAC-SHA256 as Bybit V5 wants it: over the bytes exactly as sent. */
#pragma once
#include "base/common.h"

enum { BYBIT_SIGNATURE_BYTES = 65 };
/* One secret, made ready once: choosing the algorithm costs four times what a signature does. */
struct bybit_signer;
struct bybit_signer *bybit_signer_new(struct slice secret);          /* copies the secret */
struct bybit_signer *bybit_signer_free(struct bybit_signer *signer); /* wipes it; NULL is fine */
/* Lower-case hex of HMAC-SHA256(secret, all parts one after the other). For REST the parts are
 * timestamp, key, recv_window, payload (the raw query or the raw body). */
void bybit_sign(struct bybit_signer *signer, const struct slice *parts, size_t count,
                char ret[BYBIT_SIGNATURE_BYTES]);
