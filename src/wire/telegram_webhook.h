/* SPDX-License-Identifier: Apache-2.0 */
/* telegram_webhook.h - where a bot wants its updates, as setWebhook says it. Nothing here trusts
 * its input. */
#pragma once
#include "base/buffer.h"

enum {
    WEBHOOK_CONNECTIONS_USUAL = 40,
    WEBHOOK_URL_BYTES_MAX = 2048,
    WEBHOOK_SECRET_BYTES_MAX = 256
};
struct telegram_webhook {
    char *url;               /* owned */
    char *secret;            /* owned; NULL: none */
    int64_t max_connections; /* 1..100 */
    uint64_t kinds;          /* of updates that it wants; 0: as before */
};
void telegram_webhook_deinit(struct telegram_webhook *webhook);
/* NULL, or what is wrong, as a description of the Bot API; a constant. http is for hosts near by:
 * loopback, private addresses, names without a dot or below .local, .internal, .lan, .home.arpa. */
const char *telegram_webhook_check(const struct telegram_webhook *webhook);
/* As JSON, for the disk; and back: false when it is none. */
void telegram_webhook_add(const struct telegram_webhook *webhook, struct buffer *ret);
bool telegram_webhook_read(struct slice json, struct telegram_webhook *ret);
