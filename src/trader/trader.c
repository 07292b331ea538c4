/* SPDX-License-Identifier: Apache-2.0 */
#include "trader/trader.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"
#include "policy/backoff.h"
#include "store/store_sqlite.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sysexits.h>

enum { CONNECTIONS_OUT = 32, STOP_MS_MAX = 3000 };

int64_t trader_now(const struct trader *trader) {
    return clock_ms() + trader->wall_offset_ms;
}

/* ---- starting ---- */

static void restore_fact(struct trader *trader, const struct trade_record *record) {
    static const struct {
        const char *name;
        size_t offset;
    } facts[] = {
        {"update", offsetof(struct trader, last_update)},
        {"outbox", offsetof(struct trader, outbox_last)},
        {"born", offsetof(struct trader, store_born_ms)},
        {"live", offsetof(struct trader, live_ms)},
        {"account", offsetof(struct trader, account)},
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++)
        if (strcmp(record->fact.name, facts[i].name) == 0)
            *(int64_t *)(void *)((char *)trader + facts[i].offset) = record->fact.value;
}

/* Engines are made before the store tells what they were; their options need nothing of it but the
 * tag, which is filled in by then: facts come first. */
static void restore(void *context, const struct record *record) {
    struct trader *trader = context;
    if (record->kind == RECORD_FACT) {
        restore_fact(trader, record->trade);
    } else if (record->kind == RECORD_OUTBOX) {
        struct outbox outbox = record->trade->outbox;
        outbox.text = text_copy(outbox.text);
        outbox.markup = text_copy(outbox.markup);
        outbox_restore(trader, &outbox);
    } else {
        orders_restore(trader->orders, record);
        positions_restore(trader->positions, record);
        dialogs_restore(trader->dialogs, record);
    }
}

static void open_store(struct trader *trader) {
    AUTO_FREE char *folder = path_join(trader->config->data, "trader");
    AUTO_FREE char *name =
        text_format("%s.db", trade_mode_name((enum trade_mode)trader->options->mode));
    AUTO_FREE char *path = path_join(folder, name); /* paper orders never meet real money */
    AUTO_BUFFER struct buffer error = {0};
    int r = folder_make(folder, 0700);
    if (r < 0)
        fatal(EX_CANTCREAT,
              "%s: cannot be made (%s); check the owner and rights of the data folder", folder,
              strerror(-r));
    r = store_open(store_sqlite_new_trader(), path, restore, trader, &trader->store, &error);
    if (r != 0)
        fatal(r == STORE_BUSY ? EX_UNAVAILABLE
              : r > 0         ? EX_DATAERR
                              : EX_CANTCREAT,
              "%s", error.data ? error.data : strerror(-r));
}

/* Link ids must be new even when the store was lost: its birth is in them. */
static void make_tag(struct trader *trader) {
    char born[TEXT_BASE36_BYTES];
    (void)snprintf(trader->tag, sizeof trader->tag, "h%s",
                   text_base36(trader->store_born_ms, born));
}

static void make_engines(struct trader *trader) {
    enum trade_mode mode = (enum trade_mode)trader->options->mode;
    struct orders_options orders = orders_options_default();
    struct positions_options positions = positions_options_default();
    orders.tag = trader->tag;
    orders.mode = positions.mode = trade_mode_badge(mode);
    orders.seed = random_next(&trader->seed);
    trader->orders = orders_new(&orders);
    trader->positions = positions_new(&positions);
}

/* Real money asks once, in words, in the owner's chat. */
static void make_dialogs(struct trader *trader) {
    struct dialogs_options options = dialogs_options_default();
    options.owner = trader->bot->owner;
    options.mode = (enum trade_mode)trader->options->mode;
    options.risk = trader->options->risk;
    options.rr = trader->options->rr;
    trader->live_phrase = text_format("I trade real money on %s", trader->config->name);
    options.live_phrase = options.mode == TRADE_LIVE ? trader->live_phrase : NULL;
    trader->dialogs = dialogs_new(&options);
}

/* A number for the account at the exchange: another one knows nothing of what stands here. */
static int64_t account_of(const struct trader *trader) {
    const char *const texts[] = {trader->options->api_url, trader->options->api_key.value};
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (const char *p = texts[i]; *p; p++)
            hash = (hash ^ (unsigned char)*p) * 0x100000001b3U;
    return (int64_t)(hash >> 1) + 1;
}

static void check_account(struct trader *trader) {
    int64_t account = account_of(trader), known = trader->account;
    bool open = orders_any_open(trader->orders) || positions_any_open(trader->positions);
    if (known && known != account && open)
        fatal(EX_CONFIG,
              "orders or positions are open that belong to another account or api_url than trader: "
              "names now; put the former api_url and api_key back and let them end, or move "
              "%s/trader/%s.db away to forget them",
              trader->config->data, trade_mode_name((enum trade_mode)trader->options->mode));
    trader->account = account;
}

static void begin_store(struct trader *trader) {
    bool is_new = trader->store_born_ms == 0;
    int64_t known = trader->account;
    check_account(trader);
    if (is_new)
        trader->store_born_ms = trader_now(trader);
    make_tag(trader);
    commit_begin(trader);
    if (is_new)
        commit_fact(trader, "born", trader->store_born_ms);
    if (trader->account != known)
        commit_fact(trader, "account", trader->account);
    commit_end(trader);
    if (trader->live_ms)
        dialogs_live_is_confirmed(trader->dialogs);
}

/* ---- the loop ---- */

static void on_store(uv_poll_t *handle, int status, int events) {
    struct trader *trader = handle->data;
    store_collect(trader->store);
}

static void on_due(uv_timer_t *timer) {
    struct trader *trader = timer->data;
    if (!trader->closed)
        engines_timer(trader);
}

/* Before the loop sleeps: what is due is started, and the alarm clock set to the one next deadline.
 */
static void on_prepare(uv_prepare_t *prepare) {
    struct trader *trader = prepare->data;
    if (trader->closed)
        return;
    requests_turn(trader);
    exchange_turn(trader);
    telegram_turn(trader);
    outbox_turn(trader);
    int64_t now = trader_now(trader), next = engines_next_ms(trader);
    int64_t others[] = {exchange_next_ms(trader), telegram_next_ms(trader), outbox_next_ms(trader)};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        next = others[i] < next ? others[i] : next;
    if (next == INT64_MAX) {
        uv_timer_stop(&trader->timer);
        return;
    }
    uv_update_time(&trader->loop);
    uv_timer_start(&trader->timer, on_due, next > now ? (uint64_t)(next - now) : 0, 0);
}

static void on_watchdog(uv_timer_t *timer) {
    (void)notify_send("WATCHDOG=1");
}

/* ---- stopping ---- */

static void close_handles(struct trader *trader) {
    uv_handle_t *handles[] = {
        (uv_handle_t *)&trader->prepare,    (uv_handle_t *)&trader->timer,
        (uv_handle_t *)&trader->watchdog,   (uv_handle_t *)&trader->store_poll,
        (uv_handle_t *)&trader->signals[0], (uv_handle_t *)&trader->signals[1],
        (uv_handle_t *)&trader->stop_timer};
    trader->closed = true;
    trader->client = http_client_close(trader->client);
    for (size_t i = 0; i < COUNT_OF(handles); i++)
        uv_close(handles[i], NULL);
}

/* What is under way at the exchange may finish: its answer saves a question after the start. */
static void on_stop_timer(uv_timer_t *timer) {
    struct trader *trader = timer->data;
    bool quiet =
        !trader->requests && trader->commits == 0 && !trader->say_flying && !trader->alert_flying;
    if (!trader->closed && (quiet || trader_now(trader) >= trader->stop_at_ms))
        close_handles(trader);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct trader *trader = handle->data;
    if (trader->stopping)
        return;
    trader->stopping = true;
    trader->stop_at_ms = trader_now(trader) + STOP_MS_MAX;
    log_info("stopping; stops and targets stay at the exchange");
    (void)notify_send("STOPPING=1");
    telegram_stop(trader);
    uv_timer_start(&trader->stop_timer, on_stop_timer, 0, 20);
}

/* ---- all of it ---- */

static void open_handles(struct trader *trader) {
    static const int numbers[] = {SIGTERM, SIGINT};
    uv_prepare_init(&trader->loop, &trader->prepare);
    uv_timer_init(&trader->loop, &trader->timer);
    uv_timer_init(&trader->loop, &trader->watchdog);
    uv_timer_init(&trader->loop, &trader->stop_timer);
    uv_poll_init(&trader->loop, &trader->store_poll, store_fd(trader->store));
    trader->prepare.data = trader->timer.data = trader->watchdog.data = trader;
    trader->stop_timer.data = trader->store_poll.data = trader;
    uv_prepare_start(&trader->prepare, on_prepare);
    uv_poll_start(&trader->store_poll, UV_READABLE, on_store);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uv_signal_init(&trader->loop, &trader->signals[i]);
        trader->signals[i].data = trader;
        uv_signal_start(&trader->signals[i], on_signal, numbers[i]);
    }
    int64_t watchdog_ms = notify_watchdog_ms();
    if (watchdog_ms > 0)
        uv_timer_start(&trader->watchdog, on_watchdog, (uint64_t)watchdog_ms / 2,
                       (uint64_t)(watchdog_ms + 1) / 2);
}

static void free_all(struct trader *trader) {
    trader->store = store_close(trader->store);
    requests_close(trader);
    trader->signer = bybit_signer_free(trader->signer);
    exchange_close(trader);
    outbox_close(trader);
    orders_free(trader->orders);
    positions_free(trader->positions);
    dialogs_free(trader->dialogs);
    free(trader->live_phrase);
    must(uv_loop_close(&trader->loop) == 0);
}

int trader_run(struct trader *trader, const struct config *config, int64_t read_ms) {
    trader->read_ms = read_ms;
    trader->config = config;
    trader->options = &config->trader;
    trader->bot = config_bot(config, config->trader.bot);
    trader->wall_offset_ms = clock_wall_ms() - clock_ms();
    if (getrandom(&trader->seed, sizeof trader->seed, 0) < 0)
        trader->seed = (uint64_t)clock_wall_ms();
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is a full disk, not the end */
    must(uv_loop_init(&trader->loop) == 0);
    make_engines(trader);
    make_dialogs(trader);
    open_store(trader);
    trader->signer = bybit_signer_new(secret_slice(&trader->options->api_secret));
    trader->client = http_client_open(&trader->loop, CONNECTIONS_OUT);
    begin_store(trader);
    trader->exchange.watched_ms = trader_now(trader);
    open_handles(trader);
    log_info("trading %s for bot %s, mode %s", config->trader.api_url, config->trader.bot,
             trade_mode_badge((enum trade_mode)config->trader.mode));
    (void)notify_send("READY=1");
    uv_run(&trader->loop, UV_RUN_DEFAULT);
    free_all(trader);
    log_info("stopped");
    return 0;
}
