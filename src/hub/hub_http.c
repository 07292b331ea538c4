/* SPDX-License-Identifier: Apache-2.0 */
/* The table of paths. */
#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/json_scan.h"
#include <stdio.h>
#include <strings.h>

static const struct quota_rate wrong_token_rate = {.count = 10, .period_ms = 60000, .burst = 5};

void hub_add_timestamp(struct buffer *ret, const char *name) {
    char text[CLOCK_TEXT_BYTES];
    clock_format(clock_wall_ms(), text);
    buffer_print(ret, "\"%s\":\"%s\"", name, text);
}

void hub_problem(struct http_request *request, int status, const char *title, const char *detail,
                 int64_t retry_after_s) {
    if (retry_after_s < 0) {
        http_respond_problem(request, status, title, detail);
        return;
    }
    AUTO_BUFFER struct buffer body = {0};
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)retry_after_s);
    buffer_print(&body, "{\"type\":\"about:blank\",\"status\":%d,\"title\":", status);
    json_add_text(&body, slice_of(title));
    buffer_add_text(&body, ",\"detail\":");
    json_add_text(&body, slice_of(detail));
    buffer_add_text(&body, "}");
    struct http_header header = {"Retry-After", seconds};
    http_respond(request, &(struct http_response){.status = status,
                                                  .content_type = "application/problem+json",
                                                  .body = buffer_slice(&body),
                                                  .headers = &header,
                                                  .header_count = 1});
}

void hub_refuse_unread(struct http_request *request, int r) {
    AUTO_FREE char *detail =
        text_format("the store cannot be read now: %s, and ask again", record_unkept_why(r));
    hub_problem(request, 503, "Service Unavailable", detail, 5);
}

static bool is_loopback(const struct hub *hub) {
    return strncmp(hub->config->http.host, "127.", 4) == 0 ||
           strcmp(hub->config->http.host, "::1") == 0;
}

static bool has_token(const struct hub *hub, const struct http_request *request) {
    const char *given = http_request_header(request, "Authorization");
    return given && strncasecmp(given, "Bearer ", 7) == 0 &&
           text_equal_secret(slice_of(given + 7), secret_slice(&hub->config->http.token));
}

bool hub_is_trusted(const struct hub *hub, const struct http_request *request) {
    return secret_is_set(&hub->config->http.token) ? has_token(hub, request) : is_loopback(hub);
}

/* The right token always passes, so that nobody locks the owner out; wrong ones are counted, and
 * past a handful a minute they are no longer told why. */
bool hub_may_change(struct hub *hub, struct http_request *request) {
    if (!secret_is_set(&hub->config->http.token)) {
        if (is_loopback(hub))
            return true;
        hub_problem(request, 403, "Forbidden",
                    "no token is configured; set http.token in the config to allow this from "
                    "beyond this machine",
                    -1);
        return false;
    }
    if (has_token(hub, request))
        return true;
    int64_t wait_ms = quota_wait_ms(&hub->wrong_tokens, &wrong_token_rate, hub_now(hub), 0);
    if (wait_ms > 0) {
        hub_problem(request, 429, "Too Many Requests",
                    "too many wrong tokens; wait as Retry-After says, and send the token of "
                    "http.token in the config",
                    (wait_ms + 999) / 1000);
        return false;
    }
    quota_take(&hub->wrong_tokens, &wrong_token_rate, hub_now(hub));
    struct http_header header = {"WWW-Authenticate", "Bearer"};
    static const char body[] =
        "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\"detail\":\"send the "
        "header Authorization: Bearer TOKEN with the token of http.token in the config\"}";
    http_respond(request, &(struct http_response){.status = 401,
                                                  .content_type = "application/problem+json",
                                                  .body = slice_of(body),
                                                  .headers = &header,
                                                  .header_count = 1});
    return false;
}

typedef void route_handler(struct hub *hub, struct http_request *request, const char *rest);
struct route {
    const char *method, *path; /* a path that ends in '/' stands for all below it */
    route_handler *handle;     /* rest: what stands behind the path */
};
static const struct route routes[] = {
    {"GET", "/", hub_get_root},
    {"GET", "/dashboard", hub_get_page},
    {"GET", "/dashboard/", hub_get_page},
    {"GET", "/v1/events", hub_get_events},
    {"GET", "/ping", hub_get_ping},
    {"GET", "/health", hub_get_health},
    {"GET", "/metrics", hub_get_metrics},
    {"POST", "/restart", hub_post_restart},
    {"POST", "/restart/", hub_post_restart},
    {"POST", "/v1/alerts", hub_post_alerts},
    {"POST", "/v1/alerts/", hub_post_alerts},
    {"GET", "/v1/alerts", hub_get_alerts},
    {"GET", "/v1/alerts/stats", hub_get_stats},
    {"GET", "/v1/alerts/", hub_get_alerts},
    {"POST", "/v1/silences", hub_post_silences},
    {"POST", "/v1/silences/", hub_post_silences},
    {"DELETE", "/v1/silences/", hub_post_silences},
    {"GET", "/v1/silences", hub_get_silences},
    {"GET", "/v1/monitors", hub_get_monitors},
    {"GET", "/v1/monitors/", hub_get_monitors},
    {"PUT", "/v1/monitors/", hub_put_monitor},
    {"POST", "/v1/monitors/", hub_post_monitor},
    {"DELETE", "/v1/monitors/", hub_delete_monitor},
    {"GET", "/v1/incidents", hub_get_incidents},
    {"GET", "/v1/badge/", hub_get_badge},
};

/* NULL: it does not fit. */
static const char *rest_of(const struct route *route, const char *path) {
    size_t size = strlen(route->path);
    if (size > 1 && route->path[size - 1] == '/')
        return strncmp(path, route->path, size) == 0 && path[size] ? path + size : NULL;
    return strcmp(path, route->path) == 0 ? "" : NULL;
}

static bool method_fits(const char *asked, const char *of_route) {
    return strcmp(asked, of_route) == 0 ||
           (strcmp(asked, "HEAD") == 0 && strcmp(of_route, "GET") == 0);
}

static void wrong_method(struct http_request *request, const char *allowed) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_print(&body,
                 "{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405,"
                 "\"detail\":\"use %s for this path; %s\"}",
                 allowed,
                 strstr(allowed, "GET") ? "see docs/gateway.md and docs/alerts.md"
                                        : "a GET never changes anything");
    struct http_header header = {"Allow", allowed};
    http_respond(request, &(struct http_response){.status = 405,
                                                  .content_type = "application/problem+json",
                                                  .body = buffer_slice(&body),
                                                  .headers = &header,
                                                  .header_count = 1});
}

static void route(struct hub *hub, struct http_request *request, const char *path) {
    const char *asked = http_request_method(request), *rest;
    char allowed[32] = "";
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!(rest = rest_of(&routes[i], path)))
            continue;
        if (method_fits(asked, routes[i].method)) {
            routes[i].handle(hub, request, rest);
            return;
        }
        size_t size = strlen(allowed);
        snprintf(allowed + size, sizeof allowed - size, "%s%s", size ? ", " : "", routes[i].method);
    }
    if (allowed[0])
        wrong_method(request, allowed);
    else
        hub_problem(request, 404, "Not Found",
                    "known are /, /dashboard, /ping, /health, /metrics, /restart, /v1/alerts, "
                    "/v1/silences, "
                    "/v1/monitors, /v1/incidents and /telegram/bot<name>/METHOD",
                    -1);
}

/* Libraries join their root and "/bot" each in their own way: one doubles the slash behind
 * /telegram, another drops /telegram itself when no slash ends it. All mean the same. NULL: not the
 * Bot API. */
static const char *telegram_path(const char *path) {
    bool rooted = strncmp(path, "/bot", 4) == 0 || strncmp(path, "/file/bot", 9) == 0;
    if (strncmp(path, "/telegram/", 10) == 0)
        path += 9;
    else if (!rooted)
        return NULL;
    while (path[1] == '/')
        path++;
    return path;
}

/* Of our own pages, as a browser names them. A name that leads here by a trick of DNS is none. */
static bool is_own_origin(const struct hub *hub, struct http_request *request, const char *origin) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *place = strstr(origin, "://"), *host = http_request_header(request, "Host");
    char own[64];
    if (!place)
        return false;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        snprintf(own, sizeof own, "://%s:%u", hosts[i], hub->port);
        if (strcasecmp(place, own) == 0)
            return true;
    }
    /* Beyond this machine the name is the owner's choice. */
    return !is_loopback(hub) && host && strcasecmp(place + 3, host) == 0;
}

/* A browser lets any page send requests to this machine; it says where they come from. */
static bool is_foreign(const struct hub *hub, struct http_request *request) {
    const char *origin = http_request_header(request, "Origin");
    const char *site = http_request_header(request, "Sec-Fetch-Site");
    bool reads = strcmp(http_request_method(request), "GET") == 0 ||
                 strcmp(http_request_method(request), "HEAD") == 0;
    if (site && strcmp(site, "cross-site") == 0 && telegram_path(http_request_path(request)))
        return true; /* there a GET acts too */
    return !reads && origin && !is_own_origin(hub, request, origin);
}

/* In the shape that the caller reads: a library of bots that is told in another one may die of it.
 */
void hub_on_refuse(void *context, struct http_request *request) {
    if (telegram_path(http_request_path(request)))
        hub_respond_error(request, 503, "Service Unavailable: Holdfast is shutting down", 2);
    else
        hub_problem(request, 503, "Service Unavailable", "the hub is shutting down", 2);
}

bool hub_takes_files(void *context, const struct http_request *request) {
    const char *telegram = telegram_path(http_request_path(request));
    return telegram && telegram_takes_files(context, request, telegram);
}

void hub_on_request(void *context, struct http_request *request) {
    struct hub *hub = context;
    const char *path = http_request_path(request);
    const char *telegram = telegram_path(path);
    if (hub->closed)
        hub_on_refuse(hub, request);
    else if (is_foreign(hub, request))
        hub_problem(request, 403, "Forbidden",
                    "a page of another origin may not act here; call without the header Origin",
                    -1);
    else if (telegram)
        hub_telegram(hub, request, telegram);
    else
        route(hub, request, path);
}
