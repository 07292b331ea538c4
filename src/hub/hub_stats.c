/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/alerts/stats: what became of alerts, from the newest back, a page of the store at a time;
 * between two pages commits have their turn. */
#include "base/clock.h"
#include "base/text.h"
#include "hub/hub.h"
#include "policy/alert_stats.h"
#include "wire/json_scan.h"

enum { PAGE = 500, WIDE_PAGES = 4 /* replayed ones are new among old ones */ };
#define DAY_MS INT64_C(86400000)

struct stats_job {
    struct hub *hub;
    struct http_request *request;
    struct alert_stats_options options;
    struct alert_stats *stats;
    struct store_query query;
    size_t old_pages; /* in a row, without one that is new enough */
    bool too_many;
};

static void add_row(const struct stats_job *job, const struct alert_stats_row *row,
                    struct buffer *body) {
    char at[CLOCK_TEXT_BYTES];
    clock_format(row->from_ms, at);
    buffer_print(body, "{\"from\":\"%s\",\"%s\":", at, alert_stats_by_name(job->options.by));
    json_add_text(body, slice_of(row->word));
    buffer_print(body,
                 ",\"accepted\":%llu,\"delivered\":%llu,\"failed\":%llu,\"unknown\":%llu,"
                 "\"silenced\":%llu,\"waiting\":%llu,\"retried\":%llu,\"latency_ms\":",
                 (unsigned long long)row->accepted, (unsigned long long)row->delivered,
                 (unsigned long long)row->failed, (unsigned long long)row->unknown,
                 (unsigned long long)row->silenced, (unsigned long long)row->waiting,
                 (unsigned long long)row->retried);
    if (row->delivered > 0)
        buffer_print(body, "{\"p50\":%lld,\"p95\":%lld,\"max\":%lld}}", (long long)row->p50_ms,
                     (long long)row->p95_ms, (long long)row->max_ms);
    else
        buffer_add_text(body, "null}");
}

static void answer(struct stats_job *job) {
    AUTO_BUFFER struct buffer body = {0};
    char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
    clock_format(job->options.from_ms, from);
    clock_format(job->options.to_ms, to);
    buffer_print(&body, "{\"from\":\"%s\",\"to\":\"%s\",\"by\":\"%s\",\"every_seconds\":%lld,",
                 from, to, alert_stats_by_name(job->options.by),
                 (long long)(job->options.every_ms / 1000));
    buffer_add_text(&body, "\"stats\":[");
    for (size_t i = 0; i < alert_stats_count(job->stats); i++) {
        struct alert_stats_row row = alert_stats_at(job->stats, i);
        buffer_add_text(&body, i ? "," : "");
        add_row(job, &row, &body);
    }
    buffer_add_text(&body, "]}");
    http_respond_json(job->request, 200, buffer_slice(&body));
}

static void on_page(void *context, int r, const struct alert *alerts, size_t count);

static void ask(struct stats_job *job) {
    job->hub->commits++;
    store_find_alerts(job->hub->store, &job->query, on_page, job);
}

static void count_page(struct stats_job *job, const struct alert *alerts, size_t count) {
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        any = any || alerts[i].created_ms >= job->options.from_ms;
        job->too_many = !alert_stats_add(job->stats, &alerts[i]) || job->too_many;
        job->query.before = alerts[i].id;
    }
    job->old_pages = any ? 0 : job->old_pages + 1;
}

static void on_page(void *context, int r, const struct alert *alerts, size_t count) {
    struct stats_job *job = context;
    job->hub->commits--;
    if (r == 0)
        count_page(job, alerts, count);
    if (r == 0 && !job->too_many && count == PAGE && job->old_pages < WIDE_PAGES &&
        !job->hub->draining) {
        ask(job);
        return;
    }
    if (r == 0 && count == PAGE && job->hub->draining)
        hub_problem(job->request, 503, "Service Unavailable", "the hub is shutting down; ask again",
                    2);
    else if (r < 0)
        hub_refuse_unread(job->request, r);
    else if (job->too_many)
        hub_problem(job->request, 400, "Bad Request",
                    "this would be more than 2000 rows: ask for a shorter time (for), longer "
                    "periods (every), or by=priority",
                    -1);
    else
        answer(job);
    job->hub->counting = false;
    alert_stats_free(job->stats);
    free(job);
}

/* Days begin when they do for people here. */
static int64_t begin_of(const struct hub *hub, int64_t moment_ms, int64_t every_ms) {
    int64_t local = moment_ms + calendar_offset_ms(&hub->zone, moment_ms);
    return every_ms ? moment_ms - local % every_ms : moment_ms;
}

static bool read_options(struct hub *hub, struct http_request *request,
                         struct alert_stats_options *ret) {
    const char *by = http_request_query(request, "by");
    const char *period = http_request_query(request, "for");
    const char *every = http_request_query(request, "every");
    int64_t length = DAY_MS;
    *ret = (struct alert_stats_options){.to_ms = clock_wall_ms() + 1};
    if (by && alert_stats_by_from(by, &ret->by) < 0)
        hub_problem(request, 400, "Bad Request", "by is one of priority, type, service, way", -1);
    else if (period && text_to_duration(period, 60000, 31 * DAY_MS, &length) < 0)
        hub_problem(request, 400, "Bad Request",
                    "for is how far back, from 1m to 31d, such as 24h or 7d", -1);
    else if (every && text_to_duration(every, 60000, 31 * DAY_MS, &ret->every_ms) < 0)
        hub_problem(request, 400, "Bad Request",
                    "every is the length of a period, from 1m to 31d, such as 1h or 1d", -1);
    else {
        ret->from_ms = begin_of(hub, ret->to_ms - length, ret->every_ms);
        return true;
    }
    return false;
}

void hub_get_stats(struct hub *hub, struct http_request *request, const char *rest) {
    struct alert_stats_options options;
    if (!read_options(hub, request, &options))
        return;
    if (hub->counting) {
        hub_problem(request, 503, "Service Unavailable",
                    "somebody else's statistics are being counted; ask again", 1);
        return;
    }
    struct stats_job *job = memory_new(sizeof *job);
    *job = (struct stats_job){.hub = hub,
                              .request = request,
                              .options = options,
                              .stats = alert_stats_new(&options),
                              .query = {.state = -1, .limit = PAGE}};
    hub->counting = true;
    ask(job);
}
