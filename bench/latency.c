/* SPDX-License-Identifier: Apache-2.0 */
/* bench-latency - how long one Bot API call takes by two ways, in turns (A B A B), on blocking
 * sockets: no event loop, no pool, no thread of the measuring side stands between.
 *
 *   bench-latency send COUNT SIM_PORT PORT_A PATH_A TOKEN_A PORT_B PATH_B TOKEN_B
 *     sendMessage, from the first byte written to the last byte of the answer
 *   bench-latency update COUNT SIM_PORT PORT_A PATH_A TOKEN_A PORT_B PATH_B TOKEN_B
 *     from the first byte of a message injected into the simulator to the last byte of the answer
 *     of a getUpdates that was waiting for it
 *
 * PATH is what stands before /METHOD. Prints a line of JSON: microseconds by way and percentile. */
#include "base/text.h"
#include "bot_api.h"
#include <poll.h>
#include <stdio.h>

enum { COUNT_MAX = 1000000, WARM_UP = 50, PARK_MS = 4 };

struct way {
    uint16_t port;
    const char *path, *token;
    int fd;
    int64_t next_update;
    int64_t *took_ns;
};

static void measure_send(struct way *way, int64_t *ret_ns) {
    static const char body[] =
        "{\"chat_id\":42,\"text\":\"BTCUSDT limit filled: 0.015 at 64,250.50, stop 63,900\"}";
    char answer[65536];
    int64_t start = now_ns();
    write_request(way->fd, way->path, "sendMessage", body);
    read_answer(way->fd, answer, sizeof answer);
    *ret_ns = now_ns() - start;
}

/* Takes note of the newest update in an answer; false when there is none. */
static bool note_updates(struct way *way, const char *text) {
    int64_t before = way->next_update;
    way->next_update = next_update(text, before);
    return way->next_update != before;
}

/* What an earlier run left behind would be answered at once and measured as fast. */
static void drain(struct way *way) {
    char answer[1 << 20], body[64];
    bool more = true;
    while (more) {
        snprintf(body, sizeof body, "{\"offset\":%lld,\"timeout\":0}", (long long)way->next_update);
        write_request(way->fd, way->path, "getUpdates", body);
        more = note_updates(way, read_answer(way->fd, answer, sizeof answer));
    }
}

static void measure_update(struct way *way, int inject_fd, int64_t *ret_ns) {
    char answer[65536], body[256];
    snprintf(body, sizeof body, "{\"offset\":%lld,\"timeout\":20}", (long long)way->next_update);
    write_request(way->fd, way->path, "getUpdates", body);
    poll(NULL, 0, PARK_MS); /* it waits, and so does the poll of the gateway behind it */
    snprintf(body, sizeof body,
             "{\"chat_id\":42,\"from_id\":42,\"text\":\"/price BTCUSDT\",\"token\":\"%s\"}",
             way->token);
    int64_t start = now_ns();
    write_request(inject_fd, "/sim", "message", body);
    char *text = read_answer(way->fd, answer, sizeof answer);
    *ret_ns = now_ns() - start;
    if (!note_updates(way, text))
        give_up("getUpdates came back without an update");
    read_answer(inject_fd, answer, sizeof answer);
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_us(const int64_t *sorted, int64_t count, int per_thousand) {
    return (double)sorted[(count - 1) * per_thousand / 1000] / 1000;
}

static void print_way(const char *name, struct way *way, int64_t count) {
    qsort(way->took_ns, (size_t)count, sizeof *way->took_ns, compare);
    printf("\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
           percentile_us(way->took_ns, count, 500), percentile_us(way->took_ns, count, 900),
           percentile_us(way->took_ns, count, 990), percentile_us(way->took_ns, count, 1000));
}

static void read_way(char **arguments, struct way *ret) {
    int64_t port;
    if (text_to_int(arguments[0], 1, 65535, &port) < 0)
        give_up("not a port");
    *ret = (struct way){.port = (uint16_t)port, .path = arguments[1], .token = arguments[2]};
    ret->fd = connect_to(ret->port);
    ret->took_ns = memory_array(COUNT_MAX, sizeof *ret->took_ns);
}

int main(int argc, char **arguments) {
    int64_t count, sim_port;
    struct way ways[2];
    if (argc != 10 || text_to_int(arguments[2], 1, COUNT_MAX, &count) < 0 ||
        text_to_int(arguments[3], 1, 65535, &sim_port) < 0)
        give_up("see the top of bench/latency.c for its arguments");
    bool send = strcmp(arguments[1], "send") == 0;
    int inject_fd = connect_to((uint16_t)sim_port);
    read_way(arguments + 4, &ways[0]);
    read_way(arguments + 7, &ways[1]);
    for (size_t w = 0; w < 2 && !send; w++)
        drain(&ways[w]);
    for (int64_t i = -WARM_UP; i < count; i++) {
        for (size_t w = 0; w < 2; w++) {
            int64_t *place = &ways[w].took_ns[i < 0 ? 0 : i];
            if (send)
                measure_send(&ways[w], place);
            else
                measure_update(&ways[w], inject_fd, place);
        }
    }
    printf("{\"count\":%lld,", (long long)count);
    print_way("a", &ways[0], count);
    printf(",");
    print_way("b", &ways[1], count);
    printf("}\n");
    free(ways[0].took_ns);
    free(ways[1].took_ns);
    return 0;
}
