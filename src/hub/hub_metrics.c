/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics, for Prometheus: what the engines know now, nothing else. What is not known has no
 * sample; a 0 was counted. States are those of /health, from its own text, so that the two never
 * differ. The families are told in docs/metrics.md. */
#include "base/clock.h"
#include "hub/hub.h"
#include "wire/json_scan.h"

static const char *const statuses[] = {"healthy", "degraded", "unhealthy", "unknown"};

/* A moment of hub_now() in seconds of the wall clock. */
static double wall_seconds(int64_t now, int64_t ms) {
    return (double)(clock_wall_ms() - (now - ms)) / 1000;
}

/* ---- families that differ in a field only ---- */

enum kind { COUNTER, NUMBER, SIZE, FLAG, MOMENT /* 0: never */, SINCE /* 0: nothing */ };
struct field {
    const char *name, *help;
    enum kind kind;
    size_t at; /* in the figures */
};

/* False: it is not known. */
static bool read_field(const struct field *field, const void *figures, int64_t now, double *ret) {
    const char *place = (const char *)figures + field->at;
    int64_t ms = 0;
    switch (field->kind) {
    case COUNTER:
    case NUMBER:
        *ret = (double)*(const uint64_t *)(const void *)place;
        return true;
    case SIZE:
        *ret = (double)*(const size_t *)(const void *)place;
        return true;
    case FLAG:
        *ret = *(const bool *)(const void *)place;
        return true;
    case MOMENT:
        ms = *(const int64_t *)(const void *)place;
        *ret = wall_seconds(now, ms);
        return ms > 0;
    case SINCE:
        ms = *(const int64_t *)(const void *)place;
        *ret = (double)(now - ms) / 1000;
        return ms > 0;
    }
    return false;
}

static void begin_field(struct metrics_text *text, const struct field *field) {
    metrics_family(text, field->name, field->kind == COUNTER ? "counter" : "gauge", field->help);
}

static void add_field(struct metrics_text *text, const struct field *field, const void *figures,
                      const char *labels, int64_t now) {
    double value;
    if (read_field(field, figures, now, &value))
        metrics_add(text, labels, value);
}

static void add_fields(struct metrics_text *text, const struct field *fields, size_t count,
                       const void *figures, int64_t now) {
    for (size_t i = 0; i < count; i++) {
        begin_field(text, &fields[i]);
        add_field(text, &fields[i], figures, "", now);
    }
}

/* ---- the whole, and what /health says ---- */

static void add_status(struct metrics_text *text, const char *labels, struct slice part) {
    AUTO_BUFFER struct buffer status = {0};
    if (json_to_text(json_member(part, "status"), &status) == 0)
        metrics_add_choice(text, labels, "status", statuses, COUNT_OF(statuses), status.data);
}

/* Of each member of an object of /health. */
static void add_statuses(struct metrics_text *text, struct slice members, const char *label) {
    AUTO_BUFFER struct buffer labels = {0}, name = {0};
    struct json_walk walk;
    struct slice key, value;
    if (json_walk_begin(members, '{', &walk) < 0)
        return;
    while (json_walk_next(&walk, &key, &value) == 1) {
        buffer_clear(&name);
        buffer_clear(&labels);
        /* A key comes without its quotes, and decoding wants them. */
        if (json_to_text((struct slice){key.data - 1, key.size + 2}, &name) < 0)
            continue;
        metrics_label(&labels, label, name.size ? name.data : "");
        add_status(text, labels.data, value);
    }
}

static void add_health(struct metrics_text *text, struct slice health) {
    metrics_family(text, "holdfast_health_status", "gauge",
                   "1 for the status that /health gives the part; all: the whole.");
    struct slice alerts = json_member(health, "alerts");
    add_status(text, "part=\"all\"", health);
    add_status(text, "part=\"alerts\"", alerts);
    add_status(text, "part=\"store\"", json_member(health, "store"));
    add_status(text, "part=\"heartbeat\"", json_member(health, "heartbeat"));
    metrics_family(text, "holdfast_alerts_way_status", "gauge",
                   "1 for the status of a way out for alerts beside Telegram.");
    add_statuses(text, json_member(alerts, "ways"), "way");
}

static void add_hub(struct hub *hub, struct metrics_text *text) {
    AUTO_BUFFER struct buffer labels = {0};
    metrics_label(&labels, "version", HOLDFAST_VERSION);
    metrics_family(text, "holdfast_build_info", "gauge", "The version that runs; always 1.");
    metrics_add(text, labels.data, 1);
    metrics_family(text, "holdfast_uptime_seconds", "gauge", "Since the hub started.");
    metrics_add(text, "", (double)(clock_ms() - hub->started_ms) / 1000);
}

/* ---- services ---- */

static const char *service_labels(struct buffer *labels, const struct keeper_service *service) {
    buffer_clear(labels);
    metrics_label(labels, "service", service->name);
    return labels->data;
}

static void add_service_states(const struct keeper *keeper, struct metrics_text *text,
                               struct buffer *labels) {
    static const char *const healths[] = {"healthy", "unhealthy", "unknown"};
    metrics_family(text, "holdfast_service_state", "gauge",
                   "1 for the state that the service is in; other states have no sample.");
    for (size_t i = 0; i < keeper->service_count; i++) {
        (void)service_labels(labels, &keeper->services[i]);
        metrics_label(labels, "state", keeper->services[i].state);
        metrics_add(text, labels->data, 1);
    }
    metrics_family(text, "holdfast_service_health", "gauge",
                   "1 for what probe or watchdog say; unknown: nobody looks at it.");
    for (size_t i = 0; i < keeper->service_count; i++)
        metrics_add_choice(text, service_labels(labels, &keeper->services[i]), "health", healths,
                           COUNT_OF(healths), keeper->services[i].health);
}

static void add_services(struct hub *hub, struct metrics_text *text, struct slice health) {
    const struct keeper *keeper = &hub->keeper;
    AUTO_BUFFER struct buffer labels = {0};
    bool known = hub_services_are_known(hub);
    metrics_family(text, "holdfast_services_known", "gauge",
                   "1 while the keeper answers; without it nothing is known of services.");
    if (known || hub->config->service_count > 1) /* alone there is nothing to know */
        metrics_add(text, "", known);
    if (!known)
        return;
    metrics_family(text, "holdfast_service_status", "gauge",
                   "1 for the status that /health gives the service.");
    add_statuses(text, json_member(health, "services"), "service");
    add_service_states(keeper, text, &labels);
    metrics_family(text, "holdfast_service_restarts_total", "counter",
                   "Restarts of the service since holdfast up.");
    for (size_t i = 0; i < keeper->service_count; i++)
        metrics_add(text, service_labels(&labels, &keeper->services[i]),
                    (double)keeper->services[i].restarts);
    metrics_family(text, "holdfast_service_critical", "gauge",
                   "1 when the whole is unhealthy without this service.");
    for (size_t i = 0; i < keeper->service_count; i++)
        metrics_add(text, service_labels(&labels, &keeper->services[i]),
                    keeper->services[i].critical);
}

/* ---- bots ---- */

#define OF_BOT(member) offsetof(struct gateway_figures, member)
static const struct field bot_fields[] = {
    {"holdfast_bot_read", "1 when somebody reads this bot, so that the hub polls it.", FLAG,
     OF_BOT(polls)},
    {"holdfast_bot_updates_total", "Updates taken from Telegram.", COUNTER, OF_BOT(updates)},
    {"holdfast_bot_updates_old_total", "Updates let go for their age (old_after).", COUNTER,
     OF_BOT(old)},
    {"holdfast_bot_duplicates_total", "Updates that Telegram gave again.", COUNTER,
     OF_BOT(duplicates)},
    {"holdfast_bot_errors_total", "Polls that failed.", COUNTER, OF_BOT(errors)},
    {"holdfast_bot_errors_in_row", "Polls that failed since the last good one.", NUMBER,
     OF_BOT(errors_in_row)},
    {"holdfast_bot_updates_held", "Updates kept until each consumer has confirmed them.", SIZE,
     OF_BOT(held)},
    {"holdfast_bot_last_poll_timestamp_seconds", "When Telegram last answered a poll.", MOMENT,
     OF_BOT(last_poll_ms)},
    {"holdfast_bot_last_update_timestamp_seconds", "When the last update came.", MOMENT,
     OF_BOT(last_update_ms)},
    {"holdfast_bot_oldest_unconfirmed_seconds", "Age of the oldest update not confirmed.", SINCE,
     OF_BOT(oldest_ms)},
    {"holdfast_bot_sends_total", "Calls passed to Telegram.", COUNTER, OF_BOT(sends)},
    {"holdfast_bot_sends_429_total", "Answers 429, too many requests.", COUNTER, OF_BOT(sends_429)},
    {"holdfast_bot_sends_failed_total", "Calls that ended without an answer.", COUNTER,
     OF_BOT(sends_failed)},
    {"holdfast_bot_sends_waiting", "Calls that wait for their turn.", SIZE, OF_BOT(sends_waiting)},
    {"holdfast_bot_sends_in_flight", "Calls on their way.", SIZE, OF_BOT(in_flight)},
};
#define OF_CONSUMER(member) offsetof(struct gateway_consumer_figures, member)
static const struct field consumer_fields[] = {
    {"holdfast_consumer_polling", "1 while a poll of the consumer waits.", FLAG,
     OF_CONSUMER(parked)},
    {"holdfast_consumer_updates_waiting", "Updates that it has not confirmed.", SIZE,
     OF_CONSUMER(waiting)},
    {"holdfast_consumer_updates_confirmed_total", "Updates that it has confirmed.", COUNTER,
     OF_CONSUMER(confirmed)},
    {"holdfast_consumer_last_poll_timestamp_seconds", "When it last polled.", MOMENT,
     OF_CONSUMER(seen_ms)},
    {"holdfast_consumer_oldest_unconfirmed_seconds", "Age of its oldest update not confirmed.",
     SINCE, OF_CONSUMER(oldest_ms)},
};

static void add_consumers(const struct hub *hub, const struct gateway_figures *figures,
                          const struct field *field, int64_t now, struct metrics_text *text) {
    AUTO_BUFFER struct buffer labels = {0};
    begin_field(text, field);
    for (size_t i = 0; i < hub->bot_count; i++)
        for (size_t c = 0; c < figures[i].consumer_count; c++) {
            buffer_clear(&labels);
            metrics_label(&labels, "bot", hub->bots[i].config->name);
            metrics_label(&labels, "consumer", figures[i].consumers[c].name);
            add_field(text, field, &figures[i].consumers[c], labels.data, now);
        }
}

static void add_pollers(const struct hub *hub, const struct gateway_figures *figures,
                        struct metrics_text *text) {
    AUTO_BUFFER struct buffer labels = {0};
    metrics_family(text, "holdfast_bot_poller_state", "gauge",
                   "1 for the state of the bot's poller; other states have no sample.");
    for (size_t i = 0; i < hub->bot_count; i++) {
        buffer_clear(&labels);
        metrics_label(&labels, "bot", hub->bots[i].config->name);
        metrics_label(&labels, "state", figures[i].poller);
        metrics_add(text, labels.data, 1);
    }
}

static void add_bots(const struct hub *hub, int64_t now, struct metrics_text *text,
                     struct slice health) {
    AUTO_FREE struct gateway_figures *figures = memory_array(hub->bot_count + 1, sizeof *figures);
    AUTO_BUFFER struct buffer labels = {0};
    for (size_t i = 0; i < hub->bot_count; i++)
        gateway_figures(hub->bots[i].gateway, &figures[i]);
    metrics_family(text, "holdfast_bot_status", "gauge",
                   "1 for the status that /health gives the bot.");
    add_statuses(text, json_member(health, "bots"), "bot");
    add_pollers(hub, figures, text);
    for (size_t f = 0; f < COUNT_OF(bot_fields); f++) {
        begin_field(text, &bot_fields[f]);
        for (size_t i = 0; i < hub->bot_count; i++) {
            buffer_clear(&labels);
            metrics_label(&labels, "bot", hub->bots[i].config->name);
            add_field(text, &bot_fields[f], &figures[i], labels.data, now);
        }
    }
    for (size_t f = 0; f < COUNT_OF(consumer_fields); f++)
        add_consumers(hub, figures, &consumer_fields[f], now, text);
}

/* ---- alerts ---- */

#define OF_ALERTS(member) offsetof(struct alerts_figures, member)
static const struct field alert_fields[] = {
    {"holdfast_alerts_accepted_total", "Alerts taken and on disk.", COUNTER, OF_ALERTS(accepted)},
    {"holdfast_alerts_duplicates_total", "Alerts dropped as repeats.", COUNTER,
     OF_ALERTS(duplicates)},
    {"holdfast_alerts_delivered_total", "Alerts delivered.", COUNTER, OF_ALERTS(delivered)},
    {"holdfast_alerts_failed_total", "Alerts given up.", COUNTER, OF_ALERTS(failed)},
    {"holdfast_alerts_unknown_total", "Alerts of which nobody knows whether they arrived.", COUNTER,
     OF_ALERTS(unknown)},
    {"holdfast_alerts_silenced_total", "Alerts that a silence or another alert took.", COUNTER,
     OF_ALERTS(silenced)},
    {"holdfast_alerts_refused_total",
     "Requests with alerts refused: too many wait, or the disk is full.", COUNTER,
     OF_ALERTS(refused)},
    {"holdfast_alerts_unacknowledged", "Alerts that wait for somebody to acknowledge them.", SIZE,
     OF_ALERTS(unacked)},
    {"holdfast_alerts_oldest_waiting_seconds", "Age of the oldest alert that waits.", SINCE,
     OF_ALERTS(oldest_ms)},
};
#define OF_WAY(member) offsetof(struct alerts_way_figures, member)
static const struct field way_fields[] = {
    {"holdfast_alerts_last_delivered_timestamp_seconds", "When the way last took an alert.", MOMENT,
     OF_WAY(last_delivered_ms)},
    {"holdfast_alerts_breaker_opened_total", "How often its breaker opened.", COUNTER,
     OF_WAY(breaker.opened)},
    {"holdfast_alerts_breaker_failures_total", "Deliveries that failed for the way's sake.",
     COUNTER, OF_WAY(breaker.failures)},
};

static void add_deliveries(const struct alerts_figures *figures, struct metrics_text *text) {
    AUTO_BUFFER struct buffer labels = {0};
    metrics_family(text, "holdfast_alerts_delivery_seconds", "summary",
                   "From accepted to delivered; the sum and how many.");
    for (size_t p = 0; p < ALERT_PRIORITIES; p++) {
        buffer_clear(&labels);
        metrics_label(&labels, "priority", alert_priority_name((enum alert_priority)p));
        metrics_add_part(text, "_sum", labels.data, (double)figures->deliveries[p].ms / 1000);
        metrics_add_part(text, "_count", labels.data, (double)figures->deliveries[p].count);
    }
}

static const char *way_labels(struct buffer *labels, const struct alerts_way_figures *way) {
    buffer_clear(labels);
    metrics_label(labels, "way", way->name ? way->name : "telegram");
    return labels->data;
}

/* Without a bot for alerts Telegram is no way. */
static size_t first_way(const struct hub *hub) {
    return hub->config->alerts.bot ? 0 : 1;
}

static void add_waiting(const struct hub *hub, const struct alerts_figures *figures,
                        struct metrics_text *text) {
    AUTO_BUFFER struct buffer labels = {0};
    metrics_family(text, "holdfast_alerts_waiting", "gauge", "Alerts that wait for their way.");
    for (size_t i = first_way(hub); i < figures->way_count; i++)
        for (size_t p = 0; p < ALERT_PRIORITIES; p++) {
            (void)way_labels(&labels, &figures->ways[i]);
            metrics_label(&labels, "priority", alert_priority_name((enum alert_priority)p));
            metrics_add(text, labels.data, (double)figures->ways[i].waiting[p]);
        }
}

static void add_ways(const struct hub *hub, const struct alerts_figures *figures, int64_t now,
                     struct metrics_text *text) {
    static const char *const states[] = {"closed", "open", "half_open"};
    AUTO_BUFFER struct buffer labels = {0};
    metrics_family(text, "holdfast_alerts_breaker_state", "gauge",
                   "1 for the state of the way's breaker; open: it is not tried.");
    for (size_t i = first_way(hub); i < figures->way_count; i++)
        metrics_add_choice(text, way_labels(&labels, &figures->ways[i]), "state", states,
                           COUNT_OF(states), breaker_state_name(figures->ways[i].breaker.state));
    for (size_t f = 0; f < COUNT_OF(way_fields); f++) {
        begin_field(text, &way_fields[f]);
        for (size_t i = first_way(hub); i < figures->way_count; i++)
            add_field(text, &way_fields[f], &figures->ways[i],
                      way_labels(&labels, &figures->ways[i]), now);
    }
}

static void add_alerts(const struct hub *hub, int64_t now, struct metrics_text *text) {
    struct alerts_figures figures;
    alerts_figures(hub->alerts, now, &figures);
    add_fields(text, alert_fields, COUNT_OF(alert_fields), &figures, now);
    metrics_family(text, "holdfast_alerts_muted", "gauge", "1 while somebody has muted alerts.");
    metrics_add(text, "", now < figures.mute_until_ms);
    add_deliveries(&figures, text);
    add_waiting(hub, &figures, text);
    add_ways(hub, &figures, now, text);
}

/* ---- store, heartbeat ---- */

#define OF_STORE(member) offsetof(struct store_figures, member)
static const struct field store_fields[] = {
    {"holdfast_store_commits_total", "Commits of the store.", COUNTER, OF_STORE(commits)},
    {"holdfast_store_records_total", "Records that it has written.", COUNTER, OF_STORE(records)},
    {"holdfast_store_failures_total", "Commits that failed.", COUNTER, OF_STORE(failures)},
    {"holdfast_store_records_waiting", "Records not yet on disk.", SIZE, OF_STORE(waiting)},
};

static void add_store(const struct hub *hub, int64_t now, struct metrics_text *text) {
    struct store_figures figures;
    store_figures(hub->store, &figures);
    add_fields(text, store_fields, COUNT_OF(store_fields), &figures, now);
    metrics_family(text, "holdfast_store_failing", "gauge", "1 when the last commit failed.");
    metrics_add(text, "", figures.last_error != 0);
    metrics_family(text, "holdfast_store_last_commit_seconds", "gauge",
                   "How long the last commit took.");
    if (figures.commits)
        metrics_add(text, "", (double)figures.commit_ms_last / 1000);
}

static void add_heartbeat(const struct hub *hub, struct metrics_text *text) {
    const struct heartbeat *heartbeat = &hub->heartbeat;
    if (!hub->config->heartbeat.url)
        return;
    metrics_family(text, "holdfast_heartbeat_failing", "gauge",
                   "1 when the watcher elsewhere was not reached by the last try.");
    if (heartbeat->told_ms || heartbeat->problem)
        metrics_add(text, "", heartbeat->problem != NULL);
    metrics_family(text, "holdfast_heartbeat_last_heard_timestamp_seconds", "gauge",
                   "When the watcher elsewhere last heard us.");
    if (heartbeat->told_ms)
        metrics_add(text, "", wall_seconds(clock_ms(), heartbeat->told_ms));
}

/* Figures that a monitor tells would be a series each; their states are enough to look at them. */
static void add_monitors(const struct hub *hub, struct metrics_text *text) {
    struct monitors_health health;
    AUTO_BUFFER struct buffer labels = {0}, ill = {0};
    hub_monitors_judge(hub, &health, &ill);
    metrics_family(text, "holdfast_monitors", "gauge", "Monitors in each state.");
    for (int i = 0; i < MONITOR_STATES; i++) {
        buffer_clear(&labels);
        metrics_label(&labels, "state", monitor_state_name((enum monitor_state)i));
        metrics_add(text, labels.data, (double)health.counts[i]);
    }
}

/* ---- the page ---- */

void hub_get_metrics(struct hub *hub, struct http_request *request, const char *rest) {
    struct metrics_text text = {0};
    int64_t now = hub_now(hub);
    keeper_look(hub);
    struct slice health = hub_health_body(hub);
    add_hub(hub, &text);
    add_health(&text, health);
    add_services(hub, &text, health);
    add_bots(hub, now, &text, health);
    add_alerts(hub, now, &text);
    add_store(hub, now, &text);
    add_heartbeat(hub, &text);
    add_monitors(hub, &text);
    times_add_metrics(hub, &text);
    process_add_metrics(hub, &text);
    http_respond(request, &(struct http_response){.status = 200,
                                                  .content_type = METRICS_CONTENT_TYPE,
                                                  .body = buffer_slice(&text.to)});
    buffer_deinit(&text.to);
}
