/* SPDX-License-Identifier: Apache-2.0 */
/* How long answers by HTTP took, counted by classes of paths, for /metrics. */
#include "hub/hub.h"
#include <strings.h>

enum route { HEALTH, METRICS, ALERTS, SILENCES, RESTART, TELEGRAM, OTHER };
static const char *const route_names[] = {"health",  "metrics",  "alerts", "silences",
                                          "restart", "telegram", "other"};
static const double times_seconds[] = {0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 1, 10};
_Static_assert(COUNT_OF(route_names) == HUB_ROUTES && OTHER == HUB_ROUTES - 1, "a name each");
_Static_assert(COUNT_OF(times_seconds) == HUB_TIMES, "a bound each");

static enum route route_of(const char *path) {
    static const struct {
        const char *path;
        enum route route;
    } starts[] = {{"/health", HEALTH},     {"/ping", HEALTH},          {"/metrics", METRICS},
                  {"/v1/alerts", ALERTS},  {"/v1/silences", SILENCES}, {"/restart", RESTART},
                  {"/telegram", TELEGRAM}, {"/bot", TELEGRAM},         {"/file/bot", TELEGRAM}};
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        if (strncmp(path, starts[i].path, strlen(starts[i].path)) == 0)
            return starts[i].route;
    return strcmp(path, "/") == 0 ? HEALTH : OTHER;
}

/* A poll waits for updates on purpose: its time says nothing. */
static bool is_poll(const char *path) {
    const char *name = strrchr(path, '/');
    return name && strcasecmp(name, "/getUpdates") == 0;
}

void times_on_answer(void *context, const struct http_request *request, int64_t took_us) {
    struct hub *hub = context;
    const char *path = http_request_path(request);
    enum route route = route_of(path);
    if (route == TELEGRAM && is_poll(path))
        return;
    struct hub_times *times = &hub->times[route];
    size_t i = 0;
    while (i < HUB_TIMES && (double)took_us > times_seconds[i] * 1e6)
        i++;
    times->counts[i]++;
    times->sum_us += (uint64_t)took_us;
}

static void add_times(const struct hub_times *times, const char *route, struct metrics_text *text) {
    AUTO_BUFFER struct buffer labels = {0}, bucket = {0};
    uint64_t count = 0;
    metrics_label(&labels, "route", route);
    for (size_t i = 0; i <= HUB_TIMES; i++) {
        count += times->counts[i];
        buffer_clear(&bucket);
        buffer_print(&bucket, "%s,le=\"", labels.data);
        if (i < HUB_TIMES)
            buffer_print(&bucket, "%g\"", times_seconds[i]);
        else
            buffer_add_text(&bucket, "+Inf\"");
        metrics_add_part(text, "_bucket", bucket.data, (double)count);
    }
    metrics_add_part(text, "_sum", labels.data, (double)times->sum_us / 1e6);
    metrics_add_part(text, "_count", labels.data, (double)count);
}

void times_add_metrics(const struct hub *hub, struct metrics_text *text) {
    metrics_family(text, "holdfast_http_request_duration_seconds", "histogram",
                   "From a whole request to its answer; without polls and streamed files.");
    for (size_t i = 0; i < HUB_ROUTES; i++)
        add_times(&hub->times[i], route_names[i], text);
}
