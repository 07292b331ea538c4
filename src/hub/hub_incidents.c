/* SPDX-License-Identifier: Apache-2.0 */
/* The timeline: what the hub sees of services, bots, ways out, the store, monitors and the keeper,
 * told to the engine of incidents; and the API that shows it. Services by the keeper's events, also
 * those that came while the hub was away; the rest is looked at every few seconds. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/hub.h"
#include "wire/json_scan.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOOK_MS = 5000,
    SOON_MS = 200,
    ALIVE_MS = 60000,
    LINES_BYTES = 1500,
    SHOWN_USUAL = 50,
    SHOWN_MAX = 500,
    MONITORS_SEEN_MAX = 1000 /* beyond, only those that are ill */
};
#define KEPT_MS (INT64_C(400) * 86400000)
static const char alive_fact[] = "alive_ms"; /* hub_now(): the hub looked until then */

/* ---- the disk ---- */

static void on_kept(void *context, int r) {
    ((struct hub *)context)->commits--; /* not kept: the store's own incident tells of that */
}

static void keep(struct hub *hub, struct records *records) {
    if (records->count > 0)
        hub_persist(hub, records, on_kept, hub);
}

static void note_alive(struct hub *hub, int64_t now) {
    struct records records = {0};
    struct trade_record *trade = records_add(&records, RECORD_FACT)->trade;
    snprintf(trade->fact.name, sizeof trade->fact.name, "%s", alive_fact);
    trade->fact.value = hub->alive_ms = now;
    keep(hub, &records);
}

/* ---- the last lines of a service ---- */

struct tail {
    uv_work_t work;
    struct hub *hub;
    int64_t incident;
    char *path;
    char text[LINES_BYTES + 1];
    ssize_t size;
};

/* In a thread of its own: a disk may hang. */
static void read_tail(uv_work_t *work) {
    struct tail *tail = work->data;
    struct stat state;
    AUTO_FD int fd = open(tail->path, O_RDONLY | O_CLOEXEC);
    tail->size = -1;
    if (fd >= 0 && fstat(fd, &state) == 0)
        tail->size = pread(fd, tail->text, LINES_BYTES,
                           state.st_size > LINES_BYTES ? state.st_size - LINES_BYTES : 0);
}

static void on_tail(uv_work_t *work, int status) {
    struct tail *tail = work->data;
    struct records records = {0};
    tail->hub->works--;
    tail->text[tail->size > 0 ? tail->size : 0] = 0;
    text_make_utf8(tail->text);
    const char *from = tail->size == LINES_BYTES ? strchr(tail->text, '\n') : NULL;
    if (tail->size > 0 && !tail->hub->closed) {
        incidents_lines(tail->hub->incidents, tail->incident, from ? from + 1 : tail->text,
                        &records);
        keep(tail->hub, &records);
    }
    free(tail->path);
    free(tail);
}

static void ask_lines(struct hub *hub, int64_t incident, const char *service) {
    struct tail *tail = memory_new(sizeof *tail);
    tail->hub = hub;
    tail->incident = incident;
    tail->path = text_format("%s/logs/%s.log", hub->config->data, service);
    tail->work.data = tail;
    hub->works++;
    int r = uv_queue_work(&hub->loop, &tail->work, read_tail, on_tail);
    must(r == 0);
}

/* ---- seeing ---- */

static const struct incident *see(struct hub *hub, const char *kind, const char *name,
                                  enum incidents_seen seen, const char *cause, int64_t now) {
    struct records records = {0};
    AUTO_FREE char *subject = text_format("%s%s%s", kind, name[0] ? " " : "", name);
    const struct incident *begun = incidents_see(hub->incidents, subject, seen,
                                                 cause && cause[0] ? cause : NULL, now, &records);
    keep(hub, &records);
    return begun;
}

static void see_service(struct hub *hub, const char *name, enum incidents_seen seen,
                        const char *cause, int64_t now) {
    const struct incident *begun = see(hub, "service", name, seen, cause, now);
    if (begun)
        ask_lines(hub, begun->id, name);
}

static void note(struct hub *hub, const char *kind, const char *name, const char *done,
                 int64_t now) {
    struct records records = {0};
    AUTO_FREE char *subject = text_format("%s %s", kind, name);
    incidents_note(hub->incidents, subject, done, now, &records);
    keep(hub, &records);
}

struct meaning { /* of an event of the keeper */
    const char *what;
    enum incidents_seen seen;
    bool noted; /* what it says is something that was done */
};
static const struct meaning meanings[] = {
    {"restarting", SEEN_DOWN, true},   {"failed", SEEN_DOWN, true},
    {"unhealthy", SEEN_DOWN, false},   {"job_failed", SEEN_DOWN, false},
    {"job_missed", SEEN_DOWN, false},  {"ready", SEEN_HEALTHY, false},
    {"stopped", SEEN_HEALTHY, false},  {"done", SEEN_HEALTHY, false},
    {"job_done", SEEN_HEALTHY, false},
};

void hub_incidents_event(struct hub *hub, const char *service, const char *what, const char *text,
                         int64_t at_ms) {
    if (strcmp(what, "exited") == 0) { /* what follows tells whether it is an incident */
        snprintf(hub->last_exit.service, sizeof hub->last_exit.service, "%s", service);
        snprintf(hub->last_exit.how, sizeof hub->last_exit.how, "%s", text);
        return;
    }
    bool asked = strcmp(what, "restarting") == 0 && strcmp(text, "asked for") == 0;
    for (size_t i = 0; i < COUNT_OF(meanings) && service[0] && !asked; i++) {
        if (strcmp(what, meanings[i].what) != 0)
            continue;
        bool known = meanings[i].noted && strcmp(hub->last_exit.service, service) == 0;
        see_service(hub, service, meanings[i].seen, known ? hub->last_exit.how : text, at_ms);
        AUTO_FREE char *done = text_format("%s%s%s", what, text[0] ? ": " : "", text);
        if (meanings[i].noted)
            note(hub, "service", service, done, at_ms);
    }
}

/* What the keeper says of it now; of jobs, and of what was stopped, only events tell. */
static void look_at_service(struct hub *hub, const struct keeper_service *service, int64_t now) {
    const struct service_config *config = config_service(hub->config, service->name);
    if (config && service_is_job(config))
        return;
    bool is_up = strcmp(service->state, "ready") == 0;
    if (hub_service_is_ill(service))
        see_service(hub, service->name, SEEN_DOWN, NULL, now); /* its event says why */
    else if (is_up || strcmp(service->state, "stopped") == 0)
        see_service(hub, service->name, is_up ? SEEN_HEALTHY : SEEN_UNKNOWN, NULL, now);
}

static void look_at_services(struct hub *hub, int64_t now) {
    if (hub_services_are_known(hub)) {
        see(hub, "keeper", "", SEEN_HEALTHY, NULL, now);
        for (size_t i = 0; i < hub->keeper.service_count; i++)
            look_at_service(hub, &hub->keeper.services[i], now);
        return;
    }
    if (hub->config->service_count <= 1) /* alone, without a keeper */
        return;
    see(hub, "keeper", "", SEEN_UNKNOWN, NULL, now);
    for (size_t i = 0; i < hub->config->service_count; i++)
        see(hub, "service", hub->config->services[i].name, SEEN_UNKNOWN, NULL, now);
}

static void look_at_monitors(struct hub *hub, int64_t now) {
    size_t count = monitors_count(hub->monitors);
    for (size_t i = 0; i < count; i++) {
        enum monitor_state state;
        const struct monitor *m = monitors_at(hub->monitors, i, now, &state);
        bool ill = state == MONITOR_RECOVERING || state == MONITOR_CRITICAL;
        AUTO_FREE char *subject = text_format("monitor %s", m->id);
        if (!ill && count > MONITORS_SEEN_MAX && !incidents_is_open(hub->incidents, subject))
            continue;
        AUTO_FREE char *cause =
            ill ? text_format("%s%s%s", monitor_cause_name(m->cause), m->message ? ": " : "",
                              m->message ? m->message : "")
                : NULL;
        see(hub, "monitor", m->id,
            state == MONITOR_CRITICAL                              ? SEEN_DOWN
            : state == MONITOR_RECOVERING                          ? SEEN_DEGRADED
            : state == MONITOR_HEALTHY || state == MONITOR_WARNING ? SEEN_HEALTHY
                                                                   : SEEN_UNKNOWN,
            cause, now);
        if (ill && m->attempts > 0) {
            AUTO_FREE char *done =
                text_format("%s, attempt %u", monitor_action_name(m->last_action), m->attempts);
            if (m->attempts > 1 || state == MONITOR_RECOVERING)
                hub_incidents_done(hub, "monitor", m->id, done);
        }
    }
}

/* Once for each thing that was done. */
void hub_incidents_done(struct hub *hub, const char *kind, const char *name, const char *done) {
    struct records records = {0};
    AUTO_FREE char *subject = text_format("%s %s", kind, name);
    if (!incidents_has_note(hub->incidents, subject, done))
        incidents_note(hub->incidents, subject, done, hub_now(hub), &records);
    keep(hub, &records);
}

static enum incidents_seen seen_of(const char *word) {
    return strcmp(word, "healthy") == 0     ? SEEN_HEALTHY
           : strcmp(word, "degraded") == 0  ? SEEN_DEGRADED
           : strcmp(word, "unhealthy") == 0 ? SEEN_DOWN
                                            : SEEN_UNKNOWN;
}

static void see_part(void *context, const char *kind, const char *name, const char *level,
                     const char *problem) {
    struct hub *hub = context;
    see(hub, kind, name, seen_of(level), problem, hub_now(hub));
}

/* A service or a bot may leave the config, a monitor may be deleted. */
static bool is_there(struct hub *hub, const char *subject) {
    enum monitor_state state;
    if (strncmp(subject, "service ", 8) == 0)
        return config_service(hub->config, subject + 8) != NULL;
    if (strncmp(subject, "bot ", 4) == 0)
        return hub_bot(hub, subject + 4) != NULL;
    if (strncmp(subject, "monitor ", 8) == 0)
        return monitors_find(hub->monitors, subject + 8, hub_now(hub), &state) != NULL;
    return true;
}

static void look_who_is_gone(struct hub *hub, int64_t now) {
    struct records records = {0};
    for (size_t i = 0; i < incidents_subject_count(hub->incidents); i++) {
        const char *subject = incidents_subject(hub->incidents, i);
        if (incidents_is_open(hub->incidents, subject) && !is_there(hub, subject))
            incidents_gone(hub->incidents, subject, now, &records);
    }
    keep(hub, &records);
}

void hub_incidents_look(struct hub *hub) {
    int64_t now = hub_now(hub);
    if (hub->draining)
        return;
    look_at_services(hub, now);
    look_at_monitors(hub, now);
    hub_health_each(hub, see_part, hub);
    look_who_is_gone(hub, now);
    if (now - hub->alive_ms >= ALIVE_MS)
        note_alive(hub, now);
}

static void on_look(uv_timer_t *timer) {
    hub_incidents_look(timer->data);
}

void hub_incidents_changed(struct hub *hub) {
    uv_timer_t *timer = &hub->look_timer;
    if (timer->data && !hub->stopping && uv_timer_get_due_in(timer) > SOON_MS)
        uv_timer_start(timer, on_look, SOON_MS, LOOK_MS);
}

void hub_incidents_restore(struct hub *hub, const struct record *record) {
    if (record->kind == RECORD_INCIDENT)
        incidents_restore(hub->incidents, record);
    if (record->kind == RECORD_FACT && strcmp(record->trade->fact.name, alive_fact) == 0)
        hub->alive_ms = record->trade->fact.value;
}

void hub_incidents_open(struct hub *hub) {
    struct records records = {0};
    int64_t now = hub_now(hub);
    incidents_start(hub->incidents, hub->alive_ms, now, &records);
    records_add(&records, RECORD_INCIDENTS_DROP)->at_ms = now - KEPT_MS;
    keep(hub, &records);
    note_alive(hub, now);
    uv_timer_init(&hub->loop, &hub->look_timer);
    hub->look_timer.data = hub;
    uv_timer_start(&hub->look_timer, on_look, LOOK_MS, LOOK_MS);
}

void hub_incidents_save(struct hub *hub) {
    uv_timer_stop(&hub->look_timer);
    note_alive(hub, hub_now(hub));
}

/* ---- showing ---- */

static void add_text(struct buffer *ret, const char *name, const char *text) {
    buffer_print(ret, ",\"%s\":", name);
    if (text)
        json_add_text(ret, slice_of(text));
    else
        buffer_add_text(ret, "null");
}

static void add_time(struct buffer *ret, const char *name, int64_t ms) {
    char text[CLOCK_TEXT_BYTES];
    clock_format(ms, text);
    add_text(ret, name, ms ? text : NULL);
}

static void add_done(struct buffer *ret, const char *done) {
    buffer_add_text(ret, ",\"done\":[");
    for (const char *at = done, *end; at && *at; at = *end ? end + 1 : end) {
        end = at + strcspn(at, "\n");
        buffer_add_text(ret, at == done ? "" : ",");
        json_add_text(ret, (struct slice){at, (size_t)(end - at)});
    }
    buffer_add_text(ret, "]");
}

struct list {
    struct buffer *body;
    int64_t now;
    bool any;
    bool trusted; /* what a service prints may be private: its lines are for who has the token */
};

static void add_incident(void *context, const struct incident *incident) {
    struct list *list = context;
    struct buffer *body = list->body;
    int64_t until = incident->ended_ms ? incident->ended_ms : list->now;
    buffer_print(body, "%s{\"id\":%lld", list->any ? "," : "", (long long)incident->id);
    add_text(body, "subject", incident->subject);
    add_text(body, "what", incident_level_name(incident->level));
    add_text(body, "cause", incident->cause);
    add_time(body, "began", incident->began_ms);
    add_time(body, "ended", incident->ended_ms);
    buffer_print(body, ",\"seconds\":%lld.%03lld,\"times\":%lld",
                 (long long)((until - incident->began_ms) / 1000),
                 (long long)((until - incident->began_ms) % 1000), (long long)incident->times);
    add_done(body, incident->done);
    add_text(body, "last_lines", list->trusted ? incident->lines : NULL);
    buffer_add_text(body, "}");
    list->any = true;
}

static void add_ratio(struct hub *hub, const char *name, const char *subject, int64_t days,
                      struct buffer *ret) {
    int64_t now = hub_now(hub);
    struct incidents_uptime up =
        incidents_uptime(hub->incidents, subject, now - days * 86400000, now);
    if (up.known_ms > 0)
        buffer_print(ret, "\"%s\":%.5f,", name,
                     (double)(up.known_ms - up.down_ms) / (double)up.known_ms);
    else
        buffer_print(ret, "\"%s\":null,", name);
}

static void add_uptime(struct hub *hub, const char *subject, struct buffer *ret) {
    char beats[INCIDENTS_BEATS + 1];
    json_add_text(ret, slice_of(subject));
    buffer_add_text(ret, ":{");
    add_ratio(hub, "day", subject, 1, ret);
    add_ratio(hub, "week", subject, 7, ret);
    add_ratio(hub, "month", subject, 30, ret);
    incidents_beats(hub->incidents, subject, hub_now(hub), beats);
    buffer_print(ret, "\"beats\":\"%s\"}", beats);
}

static bool read_number(struct http_request *request, const char *name, int64_t usual, int64_t max,
                        int64_t *ret) {
    const char *text = http_request_query(request, name);
    *ret = usual;
    return !text || text_to_int(text, 1, max, ret) == 0;
}

void hub_get_incidents(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer body = {0};
    int64_t limit, before;
    const char *subject = http_request_query(request, "subject");
    if (!read_number(request, "limit", SHOWN_USUAL, SHOWN_MAX, &limit) ||
        !read_number(request, "before", 0, INT64_MAX, &before)) {
        hub_problem(request, 400, "Bad Request",
                    "limit is a number from 1 to 500, before the id of an incident", -1);
        return;
    }
    struct list list = {&body, hub_now(hub), false, hub_is_trusted(hub, request)};
    buffer_add_text(&body, "{\"incidents\":[");
    incidents_list(hub->incidents, subject, before, (size_t)limit, add_incident, &list);
    buffer_add_text(&body, "],\"uptime\":{");
    bool any = false;
    for (size_t i = 0; i < incidents_subject_count(hub->incidents); i++) {
        const char *name = incidents_subject(hub->incidents, i);
        if (strcmp(name, "*") == 0 || !is_there(hub, name) ||
            (subject && strcmp(subject, name) != 0))
            continue;
        buffer_add_text(&body, any ? "," : "");
        add_uptime(hub, name, &body);
        any = true;
    }
    buffer_add_text(&body, "}}");
    http_respond_json(request, 200, buffer_slice(&body));
}

/* ---- the badge ---- */

/* The widths of a sans-serif letter, roughly: a badge is no page. */
static int width_of(const char *text) {
    size_t points = 0;
    (void)text_is_utf8(slice_of(text), &points);
    return (int)points * 7 + 12;
}

static void add_escaped(struct buffer *ret, const char *text) {
    for (; *text; text++) {
        if (strchr("<>&\"'", *text))
            buffer_print(ret, "&#%d;", *text);
        else
            buffer_add(ret, text, 1);
    }
}

static void add_badge(struct buffer *ret, const char *left, const char *right, const char *colour) {
    AUTO_BUFFER struct buffer name = {0};
    int a = width_of(left), b = width_of(right);
    add_escaped(&name, left);
    buffer_print(ret,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"20\" "
                 "role=\"img\" aria-label=\"%s: %s\"><title>%s: %s</title>"
                 "<rect rx=\"3\" width=\"%d\" height=\"20\" fill=\"#444\"/>"
                 "<rect rx=\"3\" x=\"%d\" width=\"%d\" height=\"20\" fill=\"%s\"/>"
                 "<g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" "
                 "font-size=\"11\" text-anchor=\"middle\">"
                 "<text x=\"%d\" y=\"14\">%s</text><text x=\"%d\" y=\"14\">%s</text></g></svg>\n",
                 a + b, name.data, right, name.data, right, a + b, a, b, colour, a / 2, name.data,
                 a + b / 2, right);
}

/* "service/bot.svg" */
static bool read_subject(const char *rest, struct buffer *ret) {
    size_t size = strlen(rest);
    const char *slash = strchr(rest, '/');
    if (size < 5 || strcmp(rest + size - 4, ".svg") != 0)
        return false;
    buffer_add(ret, rest, size - 4);
    if (slash && ret->size > (size_t)(slash - rest))
        ret->data[slash - rest] = ' ';
    return true;
}

void hub_get_badge(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer subject = {0}, body = {0};
    int64_t now = hub_now(hub);
    if (!read_subject(rest, &subject)) {
        hub_problem(request, 404, "Not Found",
                    "a badge is /v1/badge/service/NAME.svg; GET /v1/incidents names the subjects",
                    -1);
        return;
    }
    struct incidents_uptime up =
        incidents_uptime(hub->incidents, subject.data, now - INT64_C(30) * 86400000, now);
    char right[32] = "unknown";
    const char *colour = "#777"; /* nobody has looked */
    if (up.known_ms > 0) {
        double ratio = (double)(up.known_ms - up.down_ms) / (double)up.known_ms;
        bool is_open = incidents_is_open(hub->incidents, subject.data);
        snprintf(right, sizeof right, "%s%.2f %%", is_open ? "ill, " : "", ratio * 100);
        colour = is_open ? "#b3261e" : ratio >= 0.999 ? "#1b7f3b" : "#9a6700";
    }
    add_badge(&body, subject.data, right, colour);
    struct http_header header = {"Cache-Control", "no-cache, max-age=0"};
    http_respond(request, &(struct http_response){.status = 200,
                                                  .content_type = "image/svg+xml",
                                                  .body = buffer_slice(&body),
                                                  .headers = &header,
                                                  .header_count = 1});
}
