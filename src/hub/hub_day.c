/* SPDX-License-Identifier: Apache-2.0 */
/* Times of day: mute hours, the daily report. */
#include "base/clock.h"
#include "base/text.h"
#include "hub/hub.h"
#include <stdio.h>

enum { LOOK_MS = 3600000 }; /* at least so often: somebody may set the clock */

static const char reported_fact[] = "reported_ms"; /* wall clock: the slot of the last report */

static struct schedule_config daily(int64_t *at_s) {
    return (struct schedule_config){.at_s = at_s, .at_count = 1};
}

/* Until when it is muted or, by day, when it last ended. The hub's own time goes on evenly. */
static void mute(struct hub *hub, int64_t wall_ms) {
    struct alerts_config alerts = hub->config->alerts;
    struct schedule_config from = daily(&alerts.mute_from_s), until = daily(&alerts.mute_until_s);
    int64_t began = calendar_newest(&from, &hub->zone, wall_ms);
    int64_t ended = calendar_newest(&until, &hub->zone, wall_ms);
    int64_t end = began > ended ? calendar_next(&until, &hub->zone, wall_ms) : ended;
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_MUTE,
                                            .until_ms = hub_now(hub) + end - wall_ms});
}

static void add_services(const struct hub *hub, struct buffer *text) {
    size_t ill = 0;
    if (!hub_services_are_known(hub)) {
        buffer_add_text(text, "\nservices: unknown, the keeper does not answer");
        return;
    }
    for (size_t i = 0; i < hub->keeper.service_count; i++) {
        const struct keeper_service *service = &hub->keeper.services[i];
        bool is_ill = hub_service_is_ill(service);
        ill += is_ill;
        if (!is_ill && service->restarts == 0)
            continue;
        buffer_add_text(text, "\n");
        hub_add_service(service, text);
    }
    buffer_print(text, "\n%zu of %zu services need a look", ill, hub->keeper.service_count);
}

static void report(struct hub *hub, int64_t slot_ms) {
    AUTO_BUFFER struct buffer text = {0};
    struct alerts_figures f;
    char day[CALENDAR_TEXT_BYTES], since[TEXT_DURATION_BYTES];
    alerts_figures(hub->alerts, hub_now(hub), &f);
    calendar_text(&hub->zone, slot_ms, day);
    text_from_duration(clock_ms() - hub->started_ms, since);
    buffer_print(&text, "Daily report, %.10s", day);
    add_services(hub, &text);
    for (size_t i = 0; i < hub->bot_count; i++) {
        struct gateway_figures bot;
        gateway_figures(hub->bots[i].gateway, &bot);
        buffer_print(&text, "\nbot %s: %llu updates, %llu errors%s%s", hub->bots[i].config->name,
                     (unsigned long long)bot.updates, (unsigned long long)bot.errors,
                     bot.problem[0] ? "; " : "", bot.problem);
    }
    buffer_print(&text,
                 "\nalerts: %llu accepted, %llu delivered, %llu failed, %zu not acknowledged"
                 "\ncounted for %s",
                 (unsigned long long)f.accepted, (unsigned long long)f.delivered,
                 (unsigned long long)f.failed, f.unacked, since);
    AUTO_FREE char *key = text_format("report %s", day);
    hub_alert(hub, ALERT_MEDIUM, "report", NULL, text.data, key);
}

static void on_noted(void *context, int r) {
    ((struct hub *)context)->commits--; /* not kept: the worst is the same report once more */
}

/* The slot is kept: a hub that was away at its minute reports when it is back. */
static void note_slot(struct hub *hub, int64_t slot_ms) {
    struct records records = {0};
    struct trade_record *trade = records_add(&records, RECORD_FACT)->trade;
    snprintf(trade->fact.name, sizeof trade->fact.name, "%s", reported_fact);
    trade->fact.value = hub->reported_ms = slot_ms;
    hub_persist(hub, &records, on_noted, hub);
}

void day_restore(struct hub *hub, const struct record *record) {
    if (record->kind == RECORD_FACT && strcmp(record->trade->fact.name, reported_fact) == 0)
        hub->reported_ms = record->trade->fact.value;
}

void day_turn(struct hub *hub) {
    struct alerts_config alerts = hub->config->alerts;
    struct schedule_config from = daily(&alerts.mute_from_s), until = daily(&alerts.mute_until_s),
                           at = daily(&alerts.report_s);
    int64_t wall_ms = clock_wall_ms(), next = wall_ms + LOOK_MS;
    if (!alerts.mutes && !alerts.reports)
        return;
    if (alerts.mutes) {
        mute(hub, wall_ms);
        int64_t begins = calendar_next(&from, &hub->zone, wall_ms);
        int64_t ends = calendar_next(&until, &hub->zone, wall_ms);
        next = begins < next ? begins : next;
        next = ends < next ? ends : next;
    }
    if (alerts.reports) {
        int64_t slot = calendar_newest(&at, &hub->zone, wall_ms);
        if (hub->reported_ms && slot > hub->reported_ms)
            report(hub, slot);
        if (slot != hub->reported_ms)
            note_slot(hub, slot);
        int64_t due = calendar_next(&at, &hub->zone, wall_ms);
        next = due < next ? due : next;
    }
    hub->day_due_ms = hub_now(hub) + next - wall_ms;
}
