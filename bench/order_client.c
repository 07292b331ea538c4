/* SPDX-License-Identifier: Apache-2.0 */
/* bench-order-client URL COUNT: market orders one after the other with the trader's own pieces
 * (wire, signature, HTTP client), the answer read before the next. Prints a line of JSON:
 * microseconds an order at p50, and processor time an order. */
#include "base/clock.h"
#include "base/text.h"
#include "link/http_client.h"
#include "wire/bybit.h"
#include "wire/bybit_sign.h"
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

enum { COUNT_MAX = 100000, WARM_UP = 100 };
struct bench {
    struct http_client *client;
    struct bybit_signer *signer;
    const char *url;
    struct order order;
    int64_t done, count, sent_ns, cpu_ns, *took_ns;
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void send_one(struct bench *bench);

static void on_answer(void *context, const struct http_answer *answer) {
    struct bench *bench = context;
    struct bybit_answer read;
    char exchange_id[EXCHANGE_ID_BYTES];
    bybit_read_answer(answer->status, answer->body, &read);
    if (answer->outcome != HTTP_ANSWERED || read.class != EXCHANGE_OK ||
        bybit_read_created(read.result, exchange_id) != 0) {
        fprintf(stderr, "bench-order-client: %s %s\n", answer->error, read.message);
        exit(1);
    }
    bybit_answer_deinit(&read);
    if (bench->done >= 0)
        bench->took_ns[bench->done] = now_ns() - bench->sent_ns;
    if (++bench->done == 0)
        bench->cpu_ns = cpu_ns();
    if (bench->done < bench->count)
        send_one(bench);
    else
        bench->cpu_ns = cpu_ns() - bench->cpu_ns;
}

static void send_one(struct bench *bench) {
    AUTO_BUFFER struct buffer body = {0};
    char timestamp[24], hex[BYBIT_SIGNATURE_BYTES];
    bench->sent_ns = now_ns();
    (void)snprintf(bench->order.link_id, sizeof bench->order.link_id, "ours-%d-%lld", WARM_UP,
                   (long long)bench->done);
    bybit_add_create(&bench->order, &body);
    (void)snprintf(timestamp, sizeof timestamp, "%lld", (long long)clock_wall_ms());
    struct slice parts[] = {slice_of(timestamp), slice_of("ours"), slice_of("5000"),
                            buffer_slice(&body)};
    bybit_sign(bench->signer, parts, COUNT_OF(parts), hex);
    struct http_header headers[] = {{"X-BAPI-API-KEY", "ours"},
                                    {"X-BAPI-TIMESTAMP", timestamp},
                                    {"X-BAPI-RECV-WINDOW", "5000"},
                                    {"X-BAPI-SIGN", hex}};
    http_call_start(bench->client,
                    &(struct http_call_options){.method = "POST",
                                                .url = bench->url,
                                                .headers = headers,
                                                .header_count = COUNT_OF(headers),
                                                .body = buffer_slice(&body),
                                                .content_type = "application/json"},
                    on_answer, bench, NULL);
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    struct bench bench = {.done = -WARM_UP,
                          .order = {.symbol = "BTCUSDT",
                                    .side = SIDE_BUY,
                                    .type = ORDER_MARKET, /* so that none stays open */
                                    .qty = {1, 3},
                                    .stop = {590000, 1}}};
    uv_loop_t loop;
    if (argc != 3 || text_to_int(argv[2], 1, COUNT_MAX, &bench.count) != 0)
        return 64;
    bench.url = argv[1];
    bench.took_ns = memory_array((size_t)bench.count, sizeof *bench.took_ns);
    must(uv_loop_init(&loop) == 0);
    bench.signer = bybit_signer_new(slice_of("ours"));
    bench.client = http_client_open(&loop, 4);
    send_one(&bench);
    while (bench.done < bench.count)
        uv_run(&loop, UV_RUN_ONCE);
    http_client_close(bench.client);
    uv_run(&loop, UV_RUN_DEFAULT);
    qsort(bench.took_ns, (size_t)bench.count, sizeof *bench.took_ns, compare);
    printf("{\"p50_us\":%.1f,\"cpu_us\":%.1f}\n", (double)bench.took_ns[bench.count / 2] / 1000,
           (double)bench.cpu_ns / 1000 / (double)bench.count);
    bybit_signer_free(bench.signer);
    free(bench.took_ns);
    return 0;
}
