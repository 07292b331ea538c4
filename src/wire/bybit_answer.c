/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer means: HTTP status and retCode as a class. */
#include "base/text.h"
#include "wire/bybit.h"
#include "wire/bybit_fields.h"
#include "wire/json_scan.h"

enum { CODES_MAX = 40 };
struct codes {
    enum exchange_class class;
    int32_t codes[CODES_MAX]; /* up to the first 0 */
};
/* A code that stands nowhere here is UNKNOWN: taken for a refusal it could hide an order that is
 * at work, while asking for an order that never was costs only the question. */
static const struct codes table[] = {
    {EXCHANGE_AS_WISHED, {110025, 110026, 110043, 34040}},
    {EXCHANGE_DUPLICATE, {110072, 170141, 12141, 110030}},
    {EXCHANGE_NO_ORDER, {110001, 170213}},
    {EXCHANGE_ENDED, {110008, 110010, 170139, 170142, 170190}},
    {EXCHANGE_BUSY, {110079, 170191, 170212}},
    {EXCHANGE_RATE_LIMITED, {10006, 170222, 170005}},
    {EXCHANGE_CLOCK, {10002, -1}},
    {EXCHANGE_FATAL,
     {10003, 10004, 10005, 10007, 10008, 10009, 10010, 10024, 10027, 10028, 10029, 33004, -2015}},
    {EXCHANGE_BLOCKED, {10018}},
    /* The request itself, or a route that is not ours. */
    {EXCHANGE_REFUSED, {10001, 10017}},
    /* Price, leverage, risk limits and triggers. */
    {EXCHANGE_REFUSED,
     {110003, 110011, 110013, 110016, 110032, 110036, 110038, 110039, 110040, 110057, 110058,
      110059, 110086, 110090, 110092, 110093, 110094}},
    /* Not enough money. */
    {EXCHANGE_REFUSED,
     {110004, 110006, 110007, 110012, 110044, 110045, 110051, 110052, 110053, 170131, 170033}},
    /* Too many orders; only reducing is allowed, or nothing to reduce (the position tells which);
     * not traded. */
    {EXCHANGE_REFUSED,
     {110009, 110020, 110060, 170810, 110017, 110021, 110022, 110023, 30228, 110042, 110065, 110074,
      170151}},
    /* The same of spot. */
    {EXCHANGE_REFUSED,
     {170124, 170132, 170133, 170134, 170136, 170137, 170148, 170371, 170372, 170381, 170382,
      170121, 170115, 170116, 170117, 170193, 170194, 170218, 170140}},
    /* Known, and they say nothing of what has happened. */
    {EXCHANGE_UNKNOWN,
     {429, 10000, 10014, 10016, 40004, 170007, 170146, 170147, 170149, 170150, 170210, 170032,
      170001, 170234}},
};

static enum exchange_class class_of_code(int64_t code) {
    if (code == 0)
        return EXCHANGE_OK;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        for (size_t n = 0; n < CODES_MAX && table[i].codes[n] != 0; n++)
            if (table[i].codes[n] == code)
                return table[i].class;
    return EXCHANGE_UNKNOWN;
}

/* 429 is told by a system that was overloaded: nobody knows what it had done before. */
static enum exchange_class class_of_status(int status) {
    return status == 401   ? EXCHANGE_FATAL
           : status == 403 ? EXCHANGE_BLOCKED
           : status == 404 ? EXCHANGE_REFUSED
                           : EXCHANGE_UNKNOWN;
}

static bool absent(const json_t *value) {
    return !value || json_is_null(value);
}

/* False: this is no envelope. Fills in all but the class. */
static bool read_envelope(json_t *envelope, struct bybit_answer *ret) {
    json_t *result = json_object_get(envelope, "result");
    const json_t *message = json_object_get(envelope, "retMsg");
    const json_t *time = json_object_get(envelope, "time");
    int64_t code, time_ms = 0;
    if (bybit_read_int(json_object_get(envelope, "retCode"), INT32_MIN, INT32_MAX, &code) < 0 ||
        (!absent(time) && bybit_read_int(time, 0, INT64_MAX / 2, &time_ms) < 0) ||
        (!absent(message) && !json_is_string(message)) ||
        (!absent(result) && !json_is_object(result)))
        return false;
    ret->code = code;
    ret->time_ms = time_ms;
    ret->result = absent(result) ? NULL : json_incref(result);
    const char *text = absent(message) ? "" : json_string_value(message);
    if (*text || code == 0)
        text_print(ret->message, sizeof ret->message, "%s", text);
    else
        text_print(ret->message, sizeof ret->message, "retCode %lld", (long long)code);
    return true;
}

/* Bounded in depth by json_is_valid(): jansson would go 2048 levels down the stack. A name that
 * stands twice has two meanings, so it has none. */
static json_t *parse(struct slice body) {
    return json_is_valid(body) ? json_loadb(body.data, body.size, JSON_REJECT_DUPLICATES, NULL)
                               : NULL;
}

void bybit_read_answer(int status, struct slice body, struct bybit_answer *ret) {
    *ret = (struct bybit_answer){.class = EXCHANGE_UNKNOWN, .code = -1000};
    json_t *envelope = parse(body);
    bool good = envelope && read_envelope(envelope, ret);
    json_decref(envelope);
    if (status >= 200 && status < 300 && good) {
        ret->class = class_of_code(ret->code);
        return;
    }
    bybit_answer_deinit(ret); /* what comes with another status is told, never used */
    ret->class = class_of_status(status);
    char said[TRADE_REASON_BYTES];
    text_print(said, sizeof said, "%s", good ? ret->message : "no answer of Bybit");
    text_print(ret->message, sizeof ret->message, "HTTP %d: %s", status, said);
}

void bybit_answer_deinit(struct bybit_answer *answer) {
    json_decref(answer->result);
    answer->result = NULL;
}
