/* SPDX-License-Identifier: Apache-2.0 */
/* --check-online: asks the exchange what the config alone cannot tell: its clock, and what our key
 * may do. Prints what it found; places nothing. */
#include "base/clock.h"
#include "link/http_fetch.h"
#include "trader/trader.h"
#include "wire/finding.h"
#include <stdio.h>

#define RECV_WINDOW "5000"
enum { CHECK_MS_MAX = 15000, OFFSET_MS_MAX = 1000, TEXT_MAX = 512 };

struct check {
    uv_loop_t loop;
    struct http_client *client;
    const struct trader_config *config;
    int64_t offset_ms;
};

static void ask(struct check *check, const char *path, const struct http_header *headers,
                size_t header_count, struct bybit_answer *ret) {
    AUTO_FREE char *url = text_format("%s%s", check->config->api_url, path);
    struct http_call_options options = {.method = "GET",
                                        .url = url,
                                        .headers = headers,
                                        .header_count = header_count,
                                        .total_ms_max = CHECK_MS_MAX};
    struct http_fetched fetched;
    int64_t before = clock_wall_ms();
    http_fetch(&check->loop, check->client, &options, &fetched);
    int64_t middle = before + (clock_wall_ms() - before) / 2;
    *ret = (struct bybit_answer){.class = EXCHANGE_NOT_SENT};
    if (fetched.outcome == HTTP_ANSWERED)
        bybit_read_answer(fetched.status, buffer_slice(&fetched.body), ret);
    else
        snprintf(ret->message, sizeof ret->message, "%.100s", fetched.error);
    if (ret->time_ms)
        check->offset_ms = ret->time_ms - middle;
    http_fetched_deinit(&fetched);
}

static void say(const char *what, bool fine, const char *text, const char *advice) {
    finding_print(&(struct finding){what, fine, text, fine ? "" : advice});
}

/* False: nothing else is worth asking. */
static bool check_clock(struct check *check) {
    struct bybit_answer answer;
    char text[TEXT_MAX];
    ask(check, "/v5/market/time", NULL, 0, &answer);
    bool reached = answer.class == EXCHANGE_OK && answer.time_ms > 0;
    if (!reached) {
        snprintf(text, sizeof text, "%s does not answer: %s", check->config->api_url,
                 answer.message);
        say("exchange", false, text,
            check->config->mode == TRADE_PAPER
                ? "the paper exchange is holdfast-sim: is it started, on this port?"
                : "is this machine's network up? is api_url: right?");
    } else {
        bool near = llabs(check->offset_ms) <= OFFSET_MS_MAX;
        snprintf(text, sizeof text, "this clock is %lld ms %s the exchange's",
                 (long long)llabs(check->offset_ms), check->offset_ms > 0 ? "behind" : "ahead of");
        say("exchange: clock", near, text,
            "the trader allows for it, other programs do not: set the clock (timedatectl set-ntp "
            "true)");
    }
    bybit_answer_deinit(&answer);
    return reached;
}

static bool has(const json_t *permissions, const char *group, const char *name) {
    size_t i;
    json_t *each;
    json_array_foreach(json_object_get(permissions, group), i, each) {
        if (json_is_string(each) && strcmp(json_string_value(each), name) == 0)
            return true;
    }
    return false;
}

static void check_permissions(const json_t *result) {
    const json_t *permissions = json_object_get(result, "permissions");
    const json_t *read_only = json_object_get(result, "readOnly");
    bool trades = has(permissions, "Derivatives", "DerivativesTrade") ||
                  (has(permissions, "ContractTrade", "Order") &&
                   has(permissions, "ContractTrade", "Position"));
    if (!json_is_object(permissions)) {
        say("exchange: key", false, "the exchange does not say what it may",
            "look at the key's permissions on the exchange's page");
        return;
    }
    if (has(permissions, "Wallet", "Withdraw"))
        say("exchange: key", false, "it may withdraw: who steals it takes the money along",
            "make another key on the exchange's page, for trading contracts only and without "
            "Withdraw, and put it into .env; then delete this one");
    else if (json_integer_value(read_only) != 0 || !trades)
        say("exchange: key", false, "it may not trade contracts",
            "give it read and write, and Orders and Positions of contracts, on the exchange's "
            "page");
    else
        say("exchange: key", true, "it may trade and not withdraw", "");
}

static void check_key(struct check *check) {
    struct bybit_answer answer;
    char timestamp[24], hex[BYBIT_SIGNATURE_BYTES], text[TEXT_MAX];
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)(clock_wall_ms() + check->offset_ms));
    struct slice parts[] = {slice_of(timestamp), secret_slice(&check->config->api_key),
                            slice_of(RECV_WINDOW)};
    struct bybit_signer *signer = bybit_signer_new(secret_slice(&check->config->api_secret));
    bybit_sign(signer, parts, COUNT_OF(parts), hex);
    bybit_signer_free(signer);
    struct http_header headers[] = {{"X-BAPI-API-KEY", check->config->api_key.value},
                                    {"X-BAPI-TIMESTAMP", timestamp},
                                    {"X-BAPI-RECV-WINDOW", RECV_WINDOW},
                                    {"X-BAPI-SIGN", hex}};
    ask(check, "/v5/user/query-api", headers, COUNT_OF(headers), &answer);
    if (answer.class == EXCHANGE_OK) {
        check_permissions(answer.result);
    } else {
        snprintf(text, sizeof text, "%s: %s (%lld)", exchange_class_name(answer.class),
                 answer.message, (long long)answer.code);
        say("exchange: key", false, text,
            answer.class == EXCHANGE_FATAL
                ? "is it the key of this mode (live, testnet and demo have their own), whole, not "
                  "expired, and allowed for this machine's address?"
                : "ask again later");
    }
    bybit_answer_deinit(&answer);
}

int trader_check_online(const struct config *config) {
    struct check check = {.config = &config->trader};
    uv_loop_init(&check.loop);
    check.client = http_client_open(&check.loop, 2);
    if (check_clock(&check))
        check_key(&check);
    check.client = http_client_close(check.client);
    uv_run(&check.loop, UV_RUN_DEFAULT);
    uv_loop_close(&check.loop);
    return 0;
}
