/* SPDX-License-Identifier: Apache-2.0 */
/* /, /ping and /health: only what was checked is called healthy. The body is built from what the
 * engines know and kept for a moment, so a question costs next to nothing and never waits for
 * anybody. */
#include "base/clock.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/json_scan.h"

enum { KEPT_MS = 250, SILENCE_MS_MAX = 300000, UNCONFIRMED_MS_MAX = 300000 };

enum level { LEVEL_HEALTHY, LEVEL_DEGRADED, LEVEL_UNHEALTHY, LEVEL_UNKNOWN };

static const char *name_of(enum level level) {
    switch (level) {
    case LEVEL_HEALTHY:
        return "healthy";
    case LEVEL_DEGRADED:
        return "degraded";
    case LEVEL_UNHEALTHY:
        return "unhealthy";
    case LEVEL_UNKNOWN:
        break;
    }
    return "unknown";
}

struct totals {
    uint64_t updates, errors;
    int64_t last_update_ms;
    enum level level; /* never UNKNOWN: what is not known degrades */
};

static void worsen(struct totals *totals, enum level level) {
    enum level counts = level == LEVEL_UNKNOWN ? LEVEL_DEGRADED : level;
    totals->level = counts > totals->level ? counts : totals->level;
}

static void add_text(struct buffer *body, const char *name, const char *text) {
    buffer_print(body, "\"%s\":", name);
    json_add_text(body, slice_of(text));
}

/* Seconds since a moment of hub_now(), or null. */
static void add_ago(struct buffer *body, const char *name, int64_t now, int64_t ms) {
    if (ms > 0)
        buffer_print(body, "\"%s\":%lld", name, (long long)((now - ms) / 1000));
    else
        buffer_print(body, "\"%s\":null", name);
}

static enum level level_of_bot(const struct hub_bot *bot, const struct gateway_figures *f,
                               int64_t now) {
    const struct hub *hub = bot->hub;
    int64_t started = hub->started_ms + hub->wall_offset_ms;
    int64_t heard = f->last_poll_ms > started ? f->last_poll_ms : started;
    if (f->polls && now - heard > SILENCE_MS_MAX)
        return LEVEL_UNHEALTHY;
    if (f->oldest_ms && now - f->oldest_ms > UNCONFIRMED_MS_MAX)
        return LEVEL_UNHEALTHY;
    if (f->problem[0] || webhooks_fail(bot))
        return LEVEL_DEGRADED;
    if (!f->polls)
        return LEVEL_UNKNOWN; /* nobody reads it: it was never tried */
    return f->last_poll_ms ? LEVEL_HEALTHY : LEVEL_UNKNOWN;
}

static void add_consumers(const struct hub_bot *bot, struct buffer *body,
                          const struct gateway_figures *f, int64_t now) {
    buffer_add_text(body, "\"consumers\":{");
    for (size_t i = 0; i < f->consumer_count; i++) {
        const struct gateway_consumer_figures *c = &f->consumers[i];
        buffer_add_text(body, i ? "," : "");
        json_add_text(body, slice_of(c->name));
        buffer_print(body, ":{\"updates_waiting\":%zu,\"updates_confirmed\":%llu,\"polling\":%s,",
                     c->waiting, (unsigned long long)c->confirmed, c->parked ? "true" : "false");
        add_ago(body, "last_poll_ago", now, c->seen_ms);
        buffer_add_text(body, ",");
        add_ago(body, "oldest_unconfirmed_seconds", now, c->oldest_ms);
        webhook_add_health(bot, c->name, body);
        buffer_add_text(body, "}");
    }
    buffer_add_text(body, "}");
}

static void add_bot(struct hub *hub, struct hub_bot *bot, int64_t now, struct totals *totals,
                    struct buffer *body) {
    struct gateway_figures f;
    gateway_figures(bot->gateway, &f);
    enum level level = level_of_bot(bot, &f, now);
    if (level != LEVEL_UNKNOWN || f.polls) /* one that nobody uses can miss nothing */
        worsen(totals, level);
    totals->updates += f.updates;
    totals->errors += f.errors;
    if (f.last_update_ms > totals->last_update_ms)
        totals->last_update_ms = f.last_update_ms;
    json_add_text(body, slice_of(bot->config->name));
    buffer_print(body, ":{\"status\":\"%s\",", name_of(level));
    add_text(body, "poller", f.poller);
    buffer_add_text(body, ",");
    add_text(body, "problem", f.problem);
    buffer_add_text(body, ",");
    add_ago(body, "last_completed_poll_ago", now, f.last_poll_ms);
    buffer_add_text(body, ",");
    add_ago(body, "last_update_ago", now, f.last_update_ms);
    buffer_add_text(body, ",");
    add_ago(body, "oldest_unconfirmed_seconds", now, f.oldest_ms);
    buffer_print(
        body,
        ",\"updates\":%llu,\"updates_old\":%llu,\"duplicates\":%llu,\"updates_held\":%zu,"
        "\"errors\":%llu,"
        "\"errors_in_row\":%llu,\"sends\":%llu,\"sends_waiting\":%zu,\"sends_in_flight\":%zu,"
        "\"sends_429\":%llu,\"sends_failed\":%llu,",
        (unsigned long long)f.updates, (unsigned long long)f.old, (unsigned long long)f.duplicates,
        f.held, (unsigned long long)f.errors, (unsigned long long)f.errors_in_row,
        (unsigned long long)f.sends, f.sends_waiting, f.in_flight, (unsigned long long)f.sends_429,
        (unsigned long long)f.sends_failed);
    add_consumers(bot, body, &f, now);
    buffer_add_text(body, "}");
}

static void add_bots(struct hub *hub, int64_t now, struct totals *totals, struct buffer *body) {
    buffer_add_text(body, "\"bots\":{");
    for (size_t i = 0; i < hub->bot_count; i++) {
        buffer_add_text(body, i ? "," : "");
        add_bot(hub, &hub->bots[i], now, totals, body);
    }
    buffer_add_text(body, "}");
}

static size_t silences_in_force(const struct hub *hub, int64_t now) {
    size_t count = 0, in_force = 0;
    const struct silence *list = alerts_silences(hub->alerts, &count);
    for (size_t i = 0; i < count; i++)
        in_force += now < list[i].ends_ms;
    return in_force;
}

static enum level level_of_way(const struct alerts_way_figures *way) {
    bool fails = way->breaker.state != BREAKER_CLOSED || way->problem[0];
    return fails ? LEVEL_DEGRADED : way->last_delivered_ms ? LEVEL_HEALTHY : LEVEL_UNKNOWN;
}

static void add_way(const struct alerts_way_figures *way, int64_t now, struct totals *totals,
                    struct buffer *body) {
    enum level level = level_of_way(way);
    size_t waiting = 0;
    for (size_t p = 0; p < ALERT_PRIORITIES; p++)
        waiting += way->waiting[p];
    if (level != LEVEL_UNKNOWN)
        worsen(totals, level);
    json_add_text(body, slice_of(way->name));
    buffer_print(body, ":{\"status\":\"%s\",", name_of(level));
    add_text(body, "problem", way->problem);
    buffer_print(body, ",\"waiting\":%zu,\"breaker\":\"%s\",", waiting,
                 breaker_state_name(way->breaker.state));
    add_ago(body, "last_delivered_ago", now, way->last_delivered_ms);
    buffer_add_text(body, "}");
}

static void add_alerts(struct hub *hub, int64_t now, struct totals *totals, struct buffer *body) {
    struct alerts_figures f;
    alerts_figures(hub->alerts, now, &f);
    bool wanted = hub->config->alerts.bot != NULL;
    enum level level = wanted ? level_of_way(&f.ways[0]) : LEVEL_UNKNOWN;
    /* That no alert had to go out yet says nothing bad. */
    if (level != LEVEL_UNKNOWN)
        worsen(totals, level);
    buffer_print(body, "\"alerts\":{\"status\":\"%s\",", name_of(level));
    add_text(body, "problem",
             wanted            ? f.ways[0].problem
             : f.way_count > 1 ? ""
                               : "no way out: set alerts.bot and alerts.chat, or alerts.also");
    buffer_add_text(body, ",\"waiting\":{");
    for (size_t p = 0; p < ALERT_PRIORITIES; p++)
        buffer_print(body, "%s\"%s\":%zu", p ? "," : "",
                     alert_priority_name((enum alert_priority)p), f.ways[0].waiting[p]);
    buffer_add_text(body, "},");
    add_ago(body, "oldest_waiting_seconds", now, f.oldest_ms);
    buffer_add_text(body, ",");
    add_ago(body, "last_delivered_ago", now, f.ways[0].last_delivered_ms);
    buffer_print(body,
                 ",\"accepted\":%llu,\"duplicates\":%llu,\"delivered\":%llu,\"failed\":%llu,"
                 "\"unknown\":%llu,\"silenced\":%llu,\"refused\":%llu,\"silences\":%zu,"
                 "\"unacknowledged\":%zu,\"muted\":%s,\"breaker\":"
                 "{\"state\":\"%s\",\"by_hand\":%s,"
                 "\"failures_in_row\":%u,\"successes\":%llu,\"failures\":%llu,\"opened\":%llu}",
                 (unsigned long long)f.accepted, (unsigned long long)f.duplicates,
                 (unsigned long long)f.delivered, (unsigned long long)f.failed,
                 (unsigned long long)f.unknown, (unsigned long long)f.silenced,
                 (unsigned long long)f.refused, silences_in_force(hub, now), f.unacked,
                 now < f.mute_until_ms ? "true" : "false",
                 breaker_state_name(f.ways[0].breaker.state),
                 f.ways[0].breaker.by_hand ? "true" : "false", f.ways[0].breaker.failures_in_row,
                 (unsigned long long)f.ways[0].breaker.successes,
                 (unsigned long long)f.ways[0].breaker.failures,
                 (unsigned long long)f.ways[0].breaker.opened);
    buffer_add_text(body, ",\"ways\":{");
    for (size_t i = 1; i < f.way_count; i++) {
        buffer_add_text(body, i > 1 ? "," : "");
        add_way(&f.ways[i], now, totals, body);
    }
    buffer_add_text(body, "}}");
}

static enum level level_of_store(const struct store_figures *f) {
    return f->last_error ? LEVEL_DEGRADED : f->commits ? LEVEL_HEALTHY : LEVEL_UNKNOWN;
}

static void add_store(struct hub *hub, struct totals *totals, struct buffer *body) {
    struct store_figures f;
    store_figures(hub->store, &f);
    enum level level = level_of_store(&f);
    if (level == LEVEL_DEGRADED)
        worsen(totals, level);
    buffer_print(body,
                 "\"store\":{\"status\":\"%s\",\"commits\":%llu,\"records\":%llu,\"failures\":%llu,"
                 "\"waiting\":%zu,\"last_commit_ms\":%lld,",
                 name_of(level), (unsigned long long)f.commits, (unsigned long long)f.records,
                 (unsigned long long)f.failures, f.waiting, (long long)f.commit_ms_last);
    add_text(body, "problem", f.last_error ? record_unkept_why(f.last_error) : "");
    buffer_add_text(body, "}");
}

static enum level level_of_service(const struct keeper_service *service) {
    bool failed = strcmp(service->state, "failed") == 0;
    bool ill = strcmp(service->health, "unhealthy") == 0;
    if (failed && service->critical)
        return LEVEL_UNHEALTHY;
    if (failed || ill || strcmp(service->state, "backoff") == 0)
        return LEVEL_DEGRADED;
    return strcmp(service->health, "healthy") == 0 ? LEVEL_HEALTHY : LEVEL_UNKNOWN;
}

bool hub_service_is_ill(const struct keeper_service *service) {
    enum level level = level_of_service(service);
    return level == LEVEL_DEGRADED || level == LEVEL_UNHEALTHY;
}

const char *hub_service_level(const struct keeper_service *service) {
    return name_of(level_of_service(service));
}

bool hub_services_are_known(const struct hub *hub) {
    return hub->keeper.known && !keeper_is_silent(hub);
}

void hub_add_service(const struct keeper_service *service, struct buffer *ret) {
    bool unhealthy = strcmp(service->health, "unhealthy") == 0;
    buffer_print(ret, "%s: %s%s", service->name, service->state, unhealthy ? ", unhealthy" : "");
    if (service->restarts > 0)
        buffer_print(ret, ", %lld restart%s", (long long)service->restarts,
                     service->restarts == 1 ? "" : "s");
}

static void add_services(struct hub *hub, struct totals *totals, struct buffer *body) {
    const struct keeper *keeper = &hub->keeper;
    if (!hub_services_are_known(hub)) {
        /* Alone, without a keeper and services of its own, there is nothing to know. */
        if (hub->config->service_count > 1)
            worsen(totals, LEVEL_UNKNOWN);
        buffer_add_text(body, "\"services\":\"unknown\"");
        return;
    }
    buffer_add_text(body, "\"services\":{");
    for (size_t i = 0; i < keeper->service_count; i++) {
        const struct keeper_service *service = &keeper->services[i];
        enum level level = level_of_service(service);
        if (level != LEVEL_UNKNOWN) /* runs, but nobody looks at it: no probe */
            worsen(totals, level);
        buffer_add_text(body, i ? "," : "");
        json_add_text(body, slice_of(service->name));
        buffer_print(body, ":{\"status\":\"%s\",", name_of(level));
        add_text(body, "state", service->state);
        buffer_print(body, ",\"critical\":%s,\"restarts\":%lld}",
                     service->critical ? "true" : "false", (long long)service->restarts);
    }
    buffer_add_text(body, "}");
}

static void add_monitors(struct hub *hub, struct totals *totals, struct buffer *body) {
    struct monitors_health health;
    AUTO_BUFFER struct buffer ill = {0};
    hub_monitors_judge(hub, &health, &ill);
    size_t looked = health.counts[MONITOR_HEALTHY] + health.ill;
    enum level level = health.fatal ? LEVEL_UNHEALTHY
                       : health.ill ? LEVEL_DEGRADED
                       : looked     ? LEVEL_HEALTHY
                                    : LEVEL_UNKNOWN;
    if (level != LEVEL_UNKNOWN)
        worsen(totals, level);
    buffer_print(body, "\"monitors\":{\"status\":\"%s\"", name_of(level));
    for (int i = 0; i < MONITOR_STATES; i++)
        buffer_print(body, ",\"%s\":%zu", monitor_state_name((enum monitor_state)i),
                     health.counts[i]);
    buffer_print(body, ",\"ill\":{%s}}", ill.data ? ill.data : "");
}

static enum level level_of_heartbeat(const struct hub *hub) {
    const struct heartbeat *heartbeat = &hub->heartbeat;
    return !hub->config->heartbeat.url ? LEVEL_UNKNOWN
           : heartbeat->problem        ? LEVEL_DEGRADED
           : heartbeat->told_ms        ? LEVEL_HEALTHY
                                       : LEVEL_UNKNOWN;
}

/* The network is down when neither Telegram nor the watcher can be reached; one of them alone may
 * be their own fault. */
static void add_heartbeat(struct hub *hub, struct totals *totals, struct buffer *body) {
    const struct heartbeat *heartbeat = &hub->heartbeat;
    bool all_down = hub->bot_count > 0;
    for (size_t i = 0; i < hub->bot_count; i++)
        all_down = all_down && hub->bots[i].link_down;
    enum level level = level_of_heartbeat(hub);
    if (level != LEVEL_UNKNOWN)
        worsen(totals, level);
    buffer_print(body, "\"heartbeat\":{\"status\":\"%s\",", name_of(level));
    add_text(body, "problem", heartbeat->problem ? heartbeat->problem : "");
    buffer_add_text(body, ",");
    add_ago(body, "last_heard_ago", clock_ms(), heartbeat->told_ms);
    buffer_print(body, ",\"network\":\"%s\"}",
                 !hub->config->heartbeat.url                 ? "unknown"
                 : heartbeat->no_network && all_down         ? "down"
                 : heartbeat->told_ms && !heartbeat->problem ? "up"
                                                             : "unknown");
}

void hub_health_each(struct hub *hub, hub_health_part *each, void *context) {
    int64_t now = hub_now(hub);
    struct alerts_figures alerts;
    struct store_figures store;
    for (size_t i = 0; i < hub->bot_count; i++) {
        struct gateway_figures f;
        gateway_figures(hub->bots[i].gateway, &f);
        each(context, "bot", hub->bots[i].config->name,
             name_of(level_of_bot(&hub->bots[i], &f, now)), f.problem);
    }
    alerts_figures(hub->alerts, now, &alerts);
    for (size_t i = 0; i < alerts.way_count; i++)
        if (i > 0 || hub->config->alerts.bot)
            each(context, "alerts by", i ? alerts.ways[i].name : "telegram",
                 name_of(level_of_way(&alerts.ways[i])), alerts.ways[i].problem);
    store_figures(hub->store, &store);
    each(context, "store", "", name_of(level_of_store(&store)),
         store.last_error ? record_unkept_why(store.last_error) : "");
    if (hub->config->heartbeat.url)
        each(context, "heartbeat", "", name_of(level_of_heartbeat(hub)),
             hub->heartbeat.problem ? hub->heartbeat.problem : "");
}

static void build(struct hub *hub) {
    int64_t now = hub_now(hub);
    struct totals totals = {0};
    AUTO_BUFFER struct buffer parts = {0};
    add_services(hub, &totals, &parts);
    buffer_add_text(&parts, ",");
    add_bots(hub, now, &totals, &parts);
    buffer_add_text(&parts, ",");
    add_alerts(hub, now, &totals, &parts);
    buffer_add_text(&parts, ",");
    add_store(hub, &totals, &parts);
    buffer_add_text(&parts, ",");
    add_monitors(hub, &totals, &parts);
    buffer_add_text(&parts, ",");
    add_heartbeat(hub, &totals, &parts);
    struct buffer *body = &hub->health.body;
    buffer_clear(body);
    hub->health.word = name_of(totals.level);
    hub->health.status = totals.level == LEVEL_UNHEALTHY ? 503 : 200;
    buffer_print(body, "{\"status\":\"%s\",\"uptime_seconds\":%lld,", hub->health.word,
                 (long long)((clock_ms() - hub->started_ms) / 1000));
    add_ago(body, "last_update_ago", now, totals.last_update_ms);
    double all = (double)(totals.updates + totals.errors);
    buffer_print(body, ",\"total_updates\":%llu,\"total_errors\":%llu,\"error_rate\":%.4f,",
                 (unsigned long long)totals.updates, (unsigned long long)totals.errors,
                 all > 0 ? (double)totals.errors / all : 0.0);
    hub_add_timestamp(body, "timestamp");
    buffer_print(body, ",\"bot_version\":\"%s\",%s}\n", HOLDFAST_VERSION, parts.data);
    hub->health.built_ms = clock_ms();
}

static void refresh(struct hub *hub) {
    if (!hub->health.word || clock_ms() - hub->health.built_ms >= KEPT_MS)
        build(hub);
}

struct slice hub_health_body(struct hub *hub) {
    refresh(hub);
    return buffer_slice(&hub->health.body);
}

void hub_health_changed(struct hub *hub) {
    hub->health.word = NULL;
    hub_events_changed(hub);
    hub_incidents_changed(hub);
}

const char *hub_health_word(struct hub *hub) {
    refresh(hub);
    return hub->health.word;
}

bool hub_health_is_bad(struct hub *hub) {
    refresh(hub);
    return hub->health.status != 200;
}

void hub_get_health(struct hub *hub, struct http_request *request, const char *rest) {
    keeper_look(hub);
    refresh(hub);
    http_respond_json(request, hub->health.status, buffer_slice(&hub->health.body));
}

void hub_get_root(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer body = {0};
    if (page_is_wanted(request)) {
        hub_get_page(hub, request, "");
        return;
    }
    refresh(hub);
    buffer_print(&body, "{\"status\":\"%s\",", hub->health.word);
    add_text(&body, "bot", hub->config->name);
    buffer_print(&body, ",\"version\":\"%s\",", HOLDFAST_VERSION);
    hub_add_timestamp(&body, "timestamp");
    buffer_add_text(&body, "}\n");
    http_respond_json(request, 200, buffer_slice(&body));
}

void hub_get_ping(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{\"pong\":true,");
    hub_add_timestamp(&body, "timestamp");
    buffer_add_text(&body, "}\n");
    http_respond_json(request, 200, buffer_slice(&body));
}
