/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of input drive a simulated exchange: "P PATH BODY" and "G PATH QUERY" are calls, "c NAME
 * JSON" what a person sets, 't' advances the clock. Whatever comes in, each call is answered once,
 * each body is JSON unless a fault spoilt it, and the books stay sane: no order fills beyond its
 * quantity, no position is listed without a size, no figure is anything but a number. */
#include "base/decimal.h"
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "mimic/bybit_control.h"
#include <stdio.h>

enum { TICKETS_MAX = 256 };

struct world {
    struct exchange_sim *sim;
    int64_t now;
    uint64_t next;
    bool answered[TICKETS_MAX], faults;
};

static void take_answers(struct world *world) {
    struct exchange_sim_answer answer;
    while (exchange_sim_next_answer(world->sim, world->now, &answer)) {
        must(answer.ticket < world->next && !world->answered[answer.ticket]);
        world->answered[answer.ticket] = true;
        must(answer.status >= 200 && answer.status <= 599);
        json_t *body = json_loadb(answer.body, answer.body_size, 0, NULL);
        must(world->faults || answer.status == 403 ||
             json_is_integer(json_object_get(body, "retCode")));
        json_decref(body);
        exchange_sim_answer_deinit(&answer);
    }
}

static struct decimal figure(const json_t *row, const char *name) {
    struct decimal value = {0};
    const char *text = json_string_value(json_object_get(row, name));
    must(text && (!*text || decimal_read(slice_of(text), &value) == 0));
    return value;
}

static void check_books(struct world *world) {
    json_t *request = json_object(), *books = NULL, *row;
    size_t i;
    must(exchange_sim_control(world->sim, "books", request, world->now, &books) == 0);
    json_array_foreach(json_object_get(books, "orders"), i, row) {
        must(decimal_compare(figure(row, "cumExecQty"), figure(row, "qty")) <= 0);
        must(decimal_sign(figure(row, "leavesQty")) >= 0);
    }
    json_array_foreach(json_object_get(books, "positions"), i, row)
        must(decimal_sign(figure(row, "size")) > 0);
    must(decimal_sign(figure(json_object_get(books, "wallet"), "totalAvailableBalance")) >= 0);
    json_decref(books);
    json_decref(request);
}

static void call(struct world *world, const char *path, const char *text, bool post) {
    char timestamp[32];
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)world->now);
    if (world->next == TICKETS_MAX)
        return;
    struct exchange_sim_call in = {.ticket = world->next++,
                                   .method = post ? "POST" : "GET",
                                   .path = path,
                                   .query = post ? "" : text,
                                   .body = slice_of(post ? text : ""),
                                   .key = "paper",
                                   .timestamp = timestamp,
                                   .signature_good = true};
    exchange_sim_call(world->sim, &in, world->now);
}

static void set(struct world *world, const char *name, const char *text) {
    json_t *json = json_loads(text, 0, NULL), *ret = NULL;
    if (json_is_object(json)) {
        world->faults = world->faults || strcmp(name, "arm_fault") == 0;
        (void)!exchange_sim_control(world->sim, name, json, world->now, &ret);
        must(json_is_object(ret));
    }
    json_decref(ret);
    json_decref(json);
}

static void step(struct world *world, char *line) {
    char *first = strchr(line, ' '), *second = first ? strchr(first + 1, ' ') : NULL;
    if (*line == 't') {
        world->now += (int64_t)strlen(line) * 500;
    } else if (second) {
        *second = 0;
        if (*line == 'P' || *line == 'G')
            call(world, first + 1, second + 1, *line == 'P');
        else if (*line == 'c')
            set(world, first + 1, second + 1);
    }
    take_answers(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    if (!size || size > 8192 || !text_is_utf8(input, NULL) || memchr(data, 0, size))
        return 0;
    struct world world = {.sim = exchange_sim_new(1), .now = 1795310513000};
    must(exchange_sim_add_account(world.sim, "paper", "paper", decimal_of(10000)) == 0);
    AUTO_FREE char *text = text_copy_n(input.data, input.size);
    for (char *line = text, *end; line; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (*line)
            step(&world, line);
    }
    check_books(&world);
    world.now += 86400001; /* whatever waits is answered */
    take_answers(&world);
    for (uint64_t i = 0; i < world.next; i++)
        must(world.answered[i]);
    exchange_sim_free(world.sim);
    return 0;
}
