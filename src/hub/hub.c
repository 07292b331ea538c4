/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/hub.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"
#include "link/mail.h"
#include "store/store_sqlite.h"
#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <sysexits.h>

enum {
    PORTS_TRIED = 50,
    STOP_MS_MAX = 5000,
    ZONE_S = 366 * 86400,
    DRAIN_MS = 3000, /* a busy machine needs its time */
    GIVEN_MS_MAX = 3000,
    DELIVER_MS = 5000, /* to a webhook: what it answers until then is confirmed */
    CONNECTIONS_OUT = 256
};
#define UPLOAD_BYTES_MAX ((uint64_t)2 << 30) /* what a Bot API server of one's own takes */

int64_t hub_now(const struct hub *hub) {
    return clock_ms() + hub->wall_offset_ms;
}

struct hub_bot *hub_bot(struct hub *hub, const char *name) {
    for (size_t i = 0; i < hub->bot_count; i++)
        if (strcmp(hub->bots[i].config->name, name) == 0)
            return &hub->bots[i];
    return NULL;
}

void hub_persist(struct hub *hub, struct records *records, store_done *done, void *context) {
    hub->commits += done != NULL;
    store_put(hub->store, records, done, context);
}

/* ---- starting ---- */

static struct quota_rate rate_or(struct quota_rate usual, int64_t count) {
    if (count >= 0) {
        usual.burst = count > usual.burst ? count : usual.burst;
        usual.count = count;
    }
    return usual;
}

static void make_bot(struct hub *hub, struct hub_bot *bot, const struct bot_config *config) {
    struct gateway_options options = gateway_options_default();
    const struct hub_options *asked = &hub->options;
    *bot = (struct hub_bot){.hub = hub, .config = config, .consumer = "default"};
    options.bot = config->name;
    options.account = config->token.value ? strtoll(config->token.value, NULL, 10) : 0;
    options.seed = hub->seed ^ (uint64_t)(uintptr_t)bot;
    options.old_after_ms = config->old_after_ms;
    options.rate_all = rate_or(options.rate_all, asked->sends_per_second);
    options.rate_chat = rate_or(options.rate_chat, asked->chat_sends_per_second);
    options.rate_group = rate_or(options.rate_group, asked->group_sends_per_minute);
    bool tells = hub->config->alerts.bot && strcmp(hub->config->alerts.bot, config->name) == 0;
    options.own = tells && hub->config->alerts.buttons != BUTTONS_NEVER;
    options.own_reads = hub->config->alerts.buttons == BUTTONS_ALWAYS;
    bot->gateway = gateway_new(&options);
}

static struct alerts_way_options *ways_of(const struct alerts_config *config) {
    struct alerts_way_options *ways = memory_array(config->way_count + 1, sizeof *ways);
    for (size_t i = 0; i < config->way_count; i++)
        ways[i] = (struct alerts_way_options){.name = config->ways[i].name,
                                              .from = (enum alert_priority)config->ways[i].from,
                                              .after_ms = config->ways[i].after_ms};
    return ways;
}

static void make_alerts(struct hub *hub) {
    struct alerts_options options = alerts_options_default();
    hub->alerts_bot = hub->config->alerts.bot ? hub_bot(hub, hub->config->alerts.bot) : NULL;
    options.chat = hub->alerts_bot ? hub->config->alerts.chat : 0;
    options.seed = hub->seed;
    options.ways = hub->ways = ways_of(&hub->config->alerts);
    options.way_count = hub->config->alerts.way_count;
    options.inhibit = hub->config->alerts.inhibit;
    options.inhibit_count = hub->config->alerts.inhibit_count;
    options.repeat_ms = hub->config->alerts.repeat_interval_ms;
    options.group_ms = hub->config->alerts.group_interval_ms;
    if (hub->options.breaker_open_ms > 0)
        options.breaker.open_ms = hub->options.breaker_open_ms;
    hub->alerts = alerts_new(&options);
}

static void make_engines(struct hub *hub) {
    hub->bot_count = hub->config->bot_count;
    hub->bots = memory_array(hub->bot_count + 1, sizeof *hub->bots);
    for (size_t i = 0; i < hub->bot_count; i++)
        make_bot(hub, &hub->bots[i], &hub->config->bots[i]);
    make_alerts(hub);
    hub->monitors = monitors_new(hub_now(hub));
    hub->incidents = incidents_new();
}

static void restore(void *context, const struct record *record) {
    struct hub *hub = context;
    alerts_restore(hub->alerts, record, hub_now(hub));
    day_restore(hub, record);
    hub_incidents_restore(hub, record);
    if (record->kind == RECORD_MONITOR)
        monitors_restore(hub->monitors, record);
    struct hub_bot *bot = record->bot ? hub_bot(hub, record->bot) : NULL;
    if (!bot) /* one that left the config stays on disk, in case it comes back */
        return;
    if (record->kind == RECORD_WEBHOOK)
        webhook_restore(bot, record);
    else
        gateway_restore(bot->gateway, record);
}

static void declare_consumers(struct hub *hub) {
    for (size_t i = 0; i < hub->bot_count; i++) {
        struct hub_bot *bot = &hub->bots[i];
        size_t count = 0;
        if (bot == hub->alerts_bot && hub->config->alerts.buttons != BUTTONS_NEVER)
            gateway_declare(bot->gateway, GATEWAY_OWN);
        for (size_t s = 0; s < hub->config->service_count; s++) {
            const struct service_config *service = &hub->config->services[s];
            if (!service->consumer || strcmp(service->consumer, bot->config->name) != 0)
                continue;
            gateway_declare(bot->gateway, service->name);
            bot->consumer = count++ == 0 ? service->name : "default";
        }
    }
}

/* A change for better or worse is logged once. */
static void log_store(struct hub *hub) {
    struct store_figures figures;
    store_figures(hub->store, &figures);
    if (figures.last_error == hub->store_error)
        return;
    hub->store_error = figures.last_error;
    if (figures.last_error)
        log_warning("store: %s (%s)", record_unkept_why(figures.last_error),
                    strerror(-figures.last_error));
    else
        log_info("store: writing works again");
}

static void on_store(uv_poll_t *handle, int status, int events) {
    struct hub *hub = handle->data;
    store_collect(hub->store);
    log_store(hub);
}

static void open_store(struct hub *hub) {
    AUTO_FREE char *folder = path_join(hub->config->data, "hub");
    AUTO_FREE char *path = path_join(folder, "hub.db");
    AUTO_BUFFER struct buffer error = {0};
    int r = folder_make(folder, 0700);
    if (r < 0)
        fatal(EX_CANTCREAT,
              "%s: cannot be made (%s); check the owner and rights of the data folder", folder,
              strerror(-r));
    r = store_open(store_sqlite_new_hub(), path, restore, hub, &hub->store, &error);
    if (r != 0)
        fatal(r == STORE_BUSY ? EX_UNAVAILABLE
              : r > 0         ? EX_DATAERR
                              : EX_CANTCREAT,
              "%s", error.data ? error.data : strerror(-r));
    uv_poll_init(&hub->loop, &hub->store_poll, store_fd(hub->store));
    hub->store_poll.data = hub;
    uv_poll_start(&hub->store_poll, UV_READABLE, on_store);
}

static bool is_declared(const struct config *config, uint16_t port) {
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].ready.port == port || config->services[i].health.port == port)
            return true;
    return false;
}

/* The port of the last run first: programs that were told of it need not be told again. */
static uint16_t read_port(const struct hub *hub, const char *name) {
    AUTO_FREE char *path = path_join(hub->config->run, name);
    AUTO_FREE char *text = NULL;
    size_t size;
    int64_t port;
    if (file_read(path, 16, &text, &size) < 0)
        return 0;
    text[strcspn(text, "\n")] = 0;
    return text_to_int(text, 1, 65535, &port) == 0 ? (uint16_t)port : 0;
}

/* Only while the config asks for the same one, and no service was given that port since. */
static uint16_t usable_port(const struct hub *hub) {
    uint16_t port = read_port(hub, "hub.port");
    bool same = read_port(hub, "hub.port.asked") == hub->config->http.port;
    return same && !is_declared(hub->config, port) ? port : 0;
}

static void write_port(const struct hub *hub, const char *name, uint16_t port) {
    AUTO_FREE char *path = path_join(hub->config->run, name);
    AUTO_FREE char *text = text_format("%u\n", port);
    int r = folder_make(hub->config->run, 0700);
    r = r < 0 ? r : file_replace_fast(path, slice_of(text), 0644);
    if (r < 0)
        fatal(EX_CANTCREAT, "%s: cannot be written (%s); check the run folder", path, strerror(-r));
}

static int listen_at(struct hub *hub, uint16_t port) {
    AUTO_FREE char *folder = path_join(hub->config->data, "hub");
    struct http_server_options options = {
        .host = hub->config->http.host,
        .port = port,
        .spool = {.folder = folder, .bytes_max = UPLOAD_BYTES_MAX, .wanted = hub_takes_files},
        .server_name = "holdfast",
        .refuse = hub_on_refuse,
        .answered = times_on_answer};
    int r = http_server_open(&hub->loop, &options, hub_on_request, hub, &hub->server);
    if (r < 0 && r != -EADDRINUSE)
        fatal(EX_UNAVAILABLE, "cannot listen at %s port %u (%s); check http.listen in the config",
              hub->config->http.host, port, strerror(-r));
    return r;
}

static void open_server(struct hub *hub) {
    uint16_t remembered = usable_port(hub), first = hub->config->http.port;
    int r = remembered ? listen_at(hub, remembered) : -EADDRINUSE;
    for (uint32_t port = first; r < 0 && port <= (uint32_t)first + PORTS_TRIED && port < 65536;
         port++)
        if (port == first || !is_declared(hub->config, (uint16_t)port))
            r = listen_at(hub, (uint16_t)port);
    if (r < 0)
        fatal(EX_UNAVAILABLE,
              "ports %u to %u of %s are all taken; stop what listens there, or set "
              "another port in http.listen",
              first, first + PORTS_TRIED, hub->config->http.host);
    hub->port = http_server_port(hub->server);
    if (hub->port != first)
        log_warning("port %u is taken or was not the last one; listening at %s port %u", first,
                    hub->config->http.host, hub->port);
    else
        log_info("listening at %s port %u", hub->config->http.host, hub->port);
    write_port(hub, "hub.port.asked", first);
    write_port(hub, "hub.port", hub->port);
}

/* ---- the one timer ---- */

static void on_due(uv_timer_t *timer) {
    struct hub *hub = timer->data;
    int64_t now = hub_now(hub);
    for (size_t i = 0; i < hub->bot_count; i++)
        if (gateway_next_ms(hub->bots[i].gateway) <= now)
            gateway_feed(&hub->bots[i], &(struct gateway_event){.on = GATEWAY_ON_TIMER});
    keeper_expire(hub);
    if (!hub->stopping && hub->day_due_ms <= now)
        day_turn(hub);
    if (!hub->stopping && alerts_next_ms(hub->alerts, now) <= now)
        alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_TIMER});
}

/* Before the loop sleeps: the alarm clock is set to the one next deadline. */
static void on_prepare(uv_prepare_t *prepare) {
    struct hub *hub = prepare->data;
    if (hub->alerts_bot)
        buttons_turn(hub->alerts_bot);
    webhooks_turn(hub);
    int64_t now = hub_now(hub), next = alerts_next_ms(hub->alerts, now);
    for (size_t i = 0; i < hub->bot_count; i++)
        if (gateway_next_ms(hub->bots[i].gateway) < next)
            next = gateway_next_ms(hub->bots[i].gateway);
    next = hub->day_due_ms < next ? hub->day_due_ms : next;
    next = webhooks_next_ms(hub) < next ? webhooks_next_ms(hub) : next;
    next = keeper_next_ms(hub) < next ? keeper_next_ms(hub) : next;
    if (hub->stopping) {
        uv_timer_stop(&hub->timer);
        return;
    }
    uv_update_time(&hub->loop);
    uv_timer_start(&hub->timer, on_due, next > now ? (uint64_t)(next - now) : 0, 0);
}

static void on_watchdog(uv_timer_t *timer) {
    (void)notify_send("WATCHDOG=1");
}

/* ---- stopping ---- */

static void close_handles(struct hub *hub) {
    uv_handle_t *handles[] = {(uv_handle_t *)&hub->prepare,    (uv_handle_t *)&hub->timer,
                              (uv_handle_t *)&hub->watchdog,   (uv_handle_t *)&hub->store_poll,
                              (uv_handle_t *)&hub->signals[0], (uv_handle_t *)&hub->signals[1],
                              (uv_handle_t *)&hub->stop_timer};
    for (size_t i = 0; i < COUNT_OF(handles); i++)
        uv_close(handles[i], NULL);
    keeper_close(hub);
    heartbeat_close(hub);
    uv_close((uv_handle_t *)&hub->monitor_timer, NULL);
    uv_close((uv_handle_t *)&hub->look_timer, NULL);
    hub_events_close(hub);
}

static void on_server_closed(void *context) {
    struct hub *hub = context;
    hub->server = NULL;
    close_handles(hub);
}

static bool is_quiet(const struct hub *hub) {
    for (size_t i = 0; i < hub->bot_count; i++)
        if (hub->bots[i].exchanges)
            return false;
    return hub->commits == 0 && hub->works == 0;
}

static void begin_close(struct hub *hub) {
    hub->stopping = true;
    hub_monitors_save(hub);
    hub_incidents_save(hub);
    hub->stop_at_ms = clock_ms() + STOP_MS_MAX;
    for (size_t i = 0; i < hub->bot_count; i++)
        gateway_feed(&hub->bots[i], &(struct gateway_event){.on = GATEWAY_ON_CLOSE});
}

/* What is under way may finish: a send that is cut off here would be an unknown one. */
static void on_stop_timer(uv_timer_t *timer) {
    struct hub *hub = timer->data;
    int64_t now = clock_ms();
    bool delivers = webhooks_deliver(hub) && now < hub->drained_at_ms + DELIVER_MS;
    if (!hub->stopping && now >= hub->drained_at_ms && !delivers)
        begin_close(hub);
    if (!hub->stopping || hub->closed || (!is_quiet(hub) && clock_ms() < hub->stop_at_ms))
        return;
    hub->closed = true;
    /* Closing the server answers and frees all requests: nobody else may answer one after it. */
    keeper_stop(hub);
    mail_stop();
    uv_poll_stop(&hub->store_poll);
    hub->client = http_client_close(hub->client);
    http_server_close(hub->server, on_server_closed, hub);
}

/* A bot that was just given updates answers them now: its sends are still served for a moment,
 * while nobody is given anything more. A stock bot would drop what it cannot answer. */
static void on_signal(uv_signal_t *handle, int number) {
    struct hub *hub = handle->data;
    if (hub->draining)
        return;
    int64_t now = clock_ms();
    hub->draining = true;
    hub->drained_at_ms = hub->given_ms && now - hub->given_ms < GIVEN_MS_MAX ? now + DRAIN_MS : now;
    log_info("stopping");
    (void)notify_send("STOPPING=1");
    gateway_stop_polls(hub);
    uv_timer_start(&hub->stop_timer, on_stop_timer, 0, 20);
}

/* ---- all of it ---- */

static void load_zone(struct hub *hub) {
    int64_t now_s = clock_wall_ms() / 1000;
    int r = zone_load(hub->config->timezone, now_s - ZONE_S, now_s + 10 * ZONE_S, &hub->zone);
    if (r < 0)
        log_warning("the zone %s is not known here; UTC is used", hub->config->timezone);
}

static void open_handles(struct hub *hub) {
    static const int numbers[] = {SIGTERM, SIGINT};
    uv_prepare_init(&hub->loop, &hub->prepare);
    uv_timer_init(&hub->loop, &hub->timer);
    uv_timer_init(&hub->loop, &hub->watchdog);
    uv_timer_init(&hub->loop, &hub->stop_timer);
    hub->prepare.data = hub->timer.data = hub->watchdog.data = hub->stop_timer.data = hub;
    uv_prepare_start(&hub->prepare, on_prepare);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uv_signal_init(&hub->loop, &hub->signals[i]);
        hub->signals[i].data = hub;
        uv_signal_start(&hub->signals[i], on_signal, numbers[i]);
    }
    int64_t watchdog_ms = notify_watchdog_ms();
    if (watchdog_ms > 0)
        uv_timer_start(&hub->watchdog, on_watchdog, (uint64_t)watchdog_ms / 2,
                       (uint64_t)(watchdog_ms + 1) / 2);
}

static void free_all(struct hub *hub) {
    hub->store = store_close(hub->store);
    webhooks_close(hub);
    for (size_t i = 0; i < hub->bot_count; i++) {
        gateway_free(hub->bots[i].gateway);
        while (hub->bots[i].exchanges) /* the time to finish was over */
            exchange_free(hub->bots[i].exchanges);
        free(hub->bots[i].problem);
        buttons_close(&hub->bots[i]);
    }
    free(hub->bots);
    free(hub->keeper.path);
    free(hub->keeper.events_path);
    alerts_free(hub->alerts);
    monitors_free(hub->monitors);
    incidents_free(hub->incidents);
    free(hub->ways);
    zone_deinit(&hub->zone);
    buffer_deinit(&hub->health.body);
    must(uv_loop_close(&hub->loop) == 0);
}

int hub_run(struct hub *hub, const struct config *config, const struct hub_options *options) {
    hub->config = config;
    hub->options = *options;
    hub->started_ms = clock_ms();
    hub->wall_offset_ms = clock_wall_ms() - hub->started_ms;
    if (getrandom(&hub->seed, sizeof hub->seed, 0) < 0)
        hub->seed = (uint64_t)clock_wall_ms();
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is a full disk, not the end */
    must(uv_loop_init(&hub->loop) == 0);
    load_zone(hub);
    make_engines(hub);
    open_store(hub);
    declare_consumers(hub);
    hub->client = http_client_open(&hub->loop, CONNECTIONS_OUT);
    open_server(hub);
    open_handles(hub);
    keeper_open(hub);
    for (size_t i = 0; i < hub->bot_count; i++)
        gateway_feed(&hub->bots[i], &(struct gateway_event){.on = GATEWAY_ON_START});
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_START});
    hub->day_due_ms = INT64_MAX;
    day_turn(hub);
    heartbeat_open(hub);
    hub_monitors_open(hub);
    hub_incidents_open(hub);
    hub_events_open(hub);
    buttons_open(hub);
    (void)notify_send("READY=1");
    uv_run(&hub->loop, UV_RUN_DEFAULT);
    free_all(hub);
    log_info("stopped");
    return 0;
}
