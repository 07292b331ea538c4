/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/incidents.h"
#include <stdlib.h>
#include <string.h>

enum { MERGE_MS = 60000, GAP_MS_MIN = 5000, DONE_BYTES_MAX = 2000, BEAT_MS = 1800000 };
#define DAY_MS INT64_C(86400000)
#define KEPT_MS (31 * DAY_MS)
static const char everything[] = "*";

struct list { /* by id; borrowed */
    struct incident **incidents;
    size_t count, capacity;
};
struct subject {
    char *name;
    struct list all;              /* its own */
    struct incident *open, *grey; /* its open incident and unknown time, or NULL */
    struct incident *last;        /* its newest that is none of unknown time, or NULL */
};
struct incidents {
    struct list all;          /* owned */
    struct subject *subjects; /* by name */
    size_t subject_count;
    int64_t last_id, swept_ms;
};

struct incidents *incidents_new(void) {
    return memory_new(sizeof(struct incidents));
}

static void list_add(struct list *list, struct incident *incident) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 8;
        list->incidents = memory_grow(list->incidents, list->capacity, sizeof(struct incident *));
    }
    list->incidents[list->count++] = incident;
}

void incidents_free(struct incidents *incidents) {
    if (!incidents)
        return;
    for (size_t i = 0; i < incidents->all.count; i++)
        incident_free(incidents->all.incidents[i]);
    for (size_t i = 0; i < incidents->subject_count; i++) {
        free(incidents->subjects[i].name);
        free(incidents->subjects[i].all.incidents);
    }
    free(incidents->all.incidents);
    free(incidents->subjects);
    free(incidents);
}

/* ---- subjects ---- */

/* Its place, or where it belongs. */
static size_t place_of(const struct incidents *incidents, const char *name, bool *ret_found) {
    size_t low = 0, high = incidents->subject_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(incidents->subjects[middle].name, name);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    *ret_found = false;
    return low;
}

static struct subject *subject_of(const struct incidents *incidents, const char *name) {
    bool found;
    size_t place = place_of(incidents, name, &found);
    return found ? &incidents->subjects[place] : NULL;
}

static struct subject *subject_add(struct incidents *incidents, const char *name) {
    bool found;
    size_t place = place_of(incidents, name, &found);
    if (found)
        return &incidents->subjects[place];
    incidents->subjects =
        memory_grow(incidents->subjects, incidents->subject_count + 1, sizeof(struct subject));
    struct subject *subject = &incidents->subjects[place];
    memmove(subject + 1, subject, (incidents->subject_count++ - place) * sizeof *subject);
    *subject = (struct subject){.name = text_copy(name)};
    return subject;
}

size_t incidents_subject_count(const struct incidents *incidents) {
    return incidents->subject_count;
}

const char *incidents_subject(const struct incidents *incidents, size_t place) {
    return incidents->subjects[place].name;
}

/* ---- incidents ---- */

static void keep(const struct incident *incident, struct records *ret) {
    records_add(ret, RECORD_INCIDENT)->incident = incident_copy(incident);
}

static void add(struct incidents *incidents, struct subject *subject, struct incident *incident) {
    list_add(&incidents->all, incident);
    list_add(&subject->all, incident);
    if (incident->id > incidents->last_id)
        incidents->last_id = incident->id;
}

static struct incident *begin(struct incidents *incidents, struct subject *subject,
                              enum incident_level level, const char *cause, int64_t now) {
    struct incident *incident = memory_new(sizeof *incident);
    *incident = (struct incident){.id = incidents->last_id + 1,
                                  .subject = text_copy(subject->name),
                                  .level = level,
                                  .began_ms = now,
                                  .times = 1,
                                  .cause = text_copy(cause)};
    add(incidents, subject, incident);
    return incident;
}

static void end(struct incident **open, int64_t now, struct records *ret) {
    struct incident *incident = *open;
    if (!incident)
        return;
    incident->ended_ms = now > incident->began_ms ? now : incident->began_ms + 1;
    keep(incident, ret);
    *open = NULL;
}

static bool is_old(const struct incident *incident, int64_t now) {
    return incident->ended_ms && now - incident->ended_ms > KEPT_MS;
}

static void list_drop_old(struct list *list, int64_t now) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!is_old(list->incidents[i], now))
            list->incidents[kept++] = list->incidents[i];
    list->count = kept;
}

/* Once a day, what has ended long ago goes. */
static void forget_old(struct incidents *incidents, int64_t now) {
    if (now - incidents->swept_ms < DAY_MS)
        return;
    incidents->swept_ms = now;
    for (size_t i = 0; i < incidents->subject_count; i++) {
        struct subject *subject = &incidents->subjects[i];
        list_drop_old(&subject->all, now);
        if (subject->last && is_old(subject->last, now))
            subject->last = NULL;
    }
    for (size_t i = 0; i < incidents->all.count; i++)
        if (is_old(incidents->all.incidents[i], now))
            incident_free(TAKE(incidents->all.incidents[i]));
    size_t kept = 0;
    for (size_t i = 0; i < incidents->all.count; i++)
        if (incidents->all.incidents[i])
            incidents->all.incidents[kept++] = incidents->all.incidents[i];
    incidents->all.count = kept;
}

void incidents_restore(struct incidents *incidents, const struct record *record) {
    struct incident *incident = incident_copy(record->incident);
    struct subject *subject = subject_add(incidents, incident->subject);
    bool is_grey = incident->level == INCIDENT_UNKNOWN;
    add(incidents, subject, incident);
    if (!incident->ended_ms)
        *(is_grey ? &subject->grey : &subject->open) = incident;
    if (!is_grey)
        subject->last = incident;
}

void incidents_start(struct incidents *incidents, int64_t alive_ms, int64_t now,
                     struct records *ret) {
    if (alive_ms == 0 || now - alive_ms < GAP_MS_MIN)
        return;
    struct incident *away =
        begin(incidents, subject_add(incidents, everything), INCIDENT_UNKNOWN, NULL, alive_ms);
    end(&away, now, ret);
}

/* ---- seeing ---- */

static struct subject *see_first(struct incidents *incidents, const char *name, int64_t now,
                                 struct records *ret) {
    if (incidents->subject_count >= INCIDENTS_SUBJECTS_MAX)
        return NULL;
    struct subject *subject = subject_add(incidents, name);
    struct incident *before = begin(incidents, subject, INCIDENT_UNKNOWN, NULL, 0);
    end(&before, now, ret);
    return subject;
}

static bool is_the_same_again(const struct subject *subject, int64_t now) {
    return subject->last && now - subject->last->ended_ms < MERGE_MS;
}

static const struct incident *see_ill(struct incidents *incidents, struct subject *subject,
                                      enum incident_level level, const char *cause, int64_t now,
                                      struct records *ret) {
    struct incident *incident = subject->open;
    bool is_new = !incident && !is_the_same_again(subject, now);
    if (is_new) {
        incident = subject->open = subject->last = begin(incidents, subject, level, cause, now);
    } else if (!incident) {
        incident = subject->open = subject->last;
        incident->ended_ms = 0;
        incident->times++;
    } else if (incident->level >= level && (incident->cause || !cause)) {
        return NULL; /* nothing new */
    }
    if (cause && (level > incident->level || !incident->cause)) {
        free(incident->cause);
        incident->cause = text_copy(cause);
    }
    if (level > incident->level)
        incident->level = level;
    keep(incident, ret);
    return is_new ? incident : NULL;
}

const struct incident *incidents_see(struct incidents *incidents, const char *name,
                                     enum incidents_seen seen, const char *cause, int64_t now,
                                     struct records *ret) {
    struct subject *subject = subject_of(incidents, name);
    if (!subject && seen != SEEN_UNKNOWN)
        subject = see_first(incidents, name, now, ret);
    if (!subject)
        return NULL;
    if (seen == SEEN_UNKNOWN) {
        if (!subject->grey) {
            subject->grey = begin(incidents, subject, INCIDENT_UNKNOWN, cause, now);
            keep(subject->grey, ret);
        }
        return NULL;
    }
    end(&subject->grey, now, ret);
    forget_old(incidents, now);
    if (seen == SEEN_HEALTHY) {
        end(&subject->open, now, ret);
        return NULL;
    }
    return see_ill(incidents, subject, seen == SEEN_DOWN ? INCIDENT_DOWN : INCIDENT_DEGRADED, cause,
                   now, ret);
}

void incidents_gone(struct incidents *incidents, const char *name, int64_t now,
                    struct records *ret) {
    struct subject *subject = subject_of(incidents, name);
    if (!subject)
        return;
    end(&subject->open, now, ret);
    end(&subject->grey, now, ret);
}

void incidents_note(struct incidents *incidents, const char *name, const char *done, int64_t now,
                    struct records *ret) {
    struct subject *subject = subject_of(incidents, name);
    if (!subject || (!subject->open && !is_the_same_again(subject, now)))
        return;
    struct incident *incident = subject->last; /* the open one, where one is */
    size_t size = incident->done ? strlen(incident->done) : 0;
    if (size + strlen(done) + 1 > DONE_BYTES_MAX)
        return;
    char *all = size ? text_format("%s\n%s", incident->done, done) : text_copy(done);
    free(incident->done);
    incident->done = all;
    keep(incident, ret);
}

void incidents_lines(struct incidents *incidents, int64_t id, const char *lines,
                     struct records *ret) {
    for (size_t i = incidents->all.count; i-- > 0;) {
        struct incident *incident = incidents->all.incidents[i];
        if (incident->id != id)
            continue;
        free(incident->lines);
        incident->lines = text_copy(lines);
        keep(incident, ret);
        return;
    }
}

bool incidents_has_note(const struct incidents *incidents, const char *name, const char *done) {
    const struct subject *subject = subject_of(incidents, name);
    const struct incident *incident = subject ? subject->last : NULL;
    size_t size = strlen(done);
    for (const char *at = incident ? incident->done : NULL; at && *at;) {
        size_t line = strcspn(at, "\n");
        if (line == size && memcmp(at, done, size) == 0)
            return true;
        at += line + (at[line] != 0);
    }
    return false;
}

bool incidents_is_open(const struct incidents *incidents, const char *name) {
    const struct subject *subject = subject_of(incidents, name);
    return subject && subject->open;
}

/* ---- showing ---- */

void incidents_list(const struct incidents *incidents, const char *subject, int64_t before,
                    size_t limit, incidents_each *each, void *context) {
    const struct subject *one = subject ? subject_of(incidents, subject) : NULL;
    const struct list *list = one ? &one->all : &incidents->all;
    for (size_t i = subject && !one ? 0 : list->count; i-- > 0 && limit > 0;) {
        const struct incident *incident = list->incidents[i];
        if (incident->level == INCIDENT_UNKNOWN || (before && incident->id >= before))
            continue;
        each(context, incident);
        limit--;
    }
}

/* When a level begins or ends to be so, in a window. */
struct edge {
    int64_t at_ms;
    enum incident_level level;
    int step; /* +1, -1 */
};
struct edges {
    struct edge *list;
    size_t count;
};

static int by_time(const void *a, const void *b) {
    const struct edge *one = a, *other = b;
    return one->at_ms < other->at_ms ? -1 : one->at_ms > other->at_ms;
}

static void add_edges(struct edges *edges, const struct list *list, int64_t from, int64_t to) {
    for (size_t i = 0; i < list->count; i++) {
        const struct incident *incident = list->incidents[i];
        int64_t began = incident->began_ms > from ? incident->began_ms : from;
        int64_t ended = incident->ended_ms && incident->ended_ms < to ? incident->ended_ms : to;
        if (began >= ended)
            continue;
        edges->list[edges->count++] = (struct edge){began, incident->level, 1};
        edges->list[edges->count++] = (struct edge){ended, incident->level, -1};
    }
}

/* Of the subject, and of the time in which nobody could see anything. */
static struct edges edges_of(const struct incidents *incidents, const struct subject *subject,
                             int64_t from, int64_t to) {
    static const struct list none;
    const struct subject *away = subject_of(incidents, everything);
    const struct list *lists[] = {&subject->all, away ? &away->all : &none};
    size_t count = lists[0]->count + lists[1]->count;
    struct edges edges = {memory_array(count * 2 + 1, sizeof(struct edge)), 0};
    add_edges(&edges, lists[0], from, to);
    add_edges(&edges, lists[1], from, to);
    qsort(edges.list, edges.count, sizeof *edges.list, by_time);
    return edges;
}

/* How long each level lasted from one moment to the next: unknown time is nothing else. */
struct lasted {
    int64_t ms[INCIDENT_LEVELS];
};

static struct lasted measure(const struct edges *edges, int64_t from, int64_t to) {
    struct lasted lasted = {0};
    int depth[INCIDENT_LEVELS] = {0};
    int64_t at = from;
    for (size_t i = 0; i <= edges->count; i++) {
        int64_t next = i < edges->count ? edges->list[i].at_ms : to;
        next = next < from ? from : next > to ? to : next;
        enum incident_level level = depth[INCIDENT_UNKNOWN]    ? INCIDENT_UNKNOWN
                                    : depth[INCIDENT_DOWN]     ? INCIDENT_DOWN
                                    : depth[INCIDENT_DEGRADED] ? INCIDENT_DEGRADED
                                                               : INCIDENT_LEVELS;
        if (level != INCIDENT_LEVELS)
            lasted.ms[level] += next - at;
        at = next;
        if (i < edges->count)
            depth[edges->list[i].level] += edges->list[i].step;
    }
    return lasted;
}

struct incidents_uptime incidents_uptime(const struct incidents *incidents, const char *name,
                                         int64_t from_ms, int64_t now) {
    const struct subject *subject = subject_of(incidents, name);
    if (!subject || from_ms >= now)
        return (struct incidents_uptime){0};
    struct edges edges = edges_of(incidents, subject, from_ms, now);
    struct lasted lasted = measure(&edges, from_ms, now);
    free(edges.list);
    return (struct incidents_uptime){.known_ms = now - from_ms - lasted.ms[INCIDENT_UNKNOWN],
                                     .down_ms = lasted.ms[INCIDENT_DOWN]};
}

void incidents_beats(const struct incidents *incidents, const char *name, int64_t now,
                     char ret[INCIDENTS_BEATS + 1]) {
    const struct subject *subject = subject_of(incidents, name);
    memset(ret, 'u', INCIDENTS_BEATS);
    ret[INCIDENTS_BEATS] = 0;
    if (!subject)
        return;
    int64_t from = now - (int64_t)INCIDENTS_BEATS * BEAT_MS;
    struct edges edges = edges_of(incidents, subject, from, now);
    for (int i = 0; i < INCIDENTS_BEATS; i++) {
        struct lasted lasted =
            measure(&edges, from + i * (int64_t)BEAT_MS, from + (i + 1) * (int64_t)BEAT_MS);
        int64_t grey_max =
            i == INCIDENTS_BEATS - 1 ? BEAT_MS - 1 : BEAT_MS / 2; /* now: any sight */
        ret[i] = lasted.ms[INCIDENT_DOWN]                 ? 'x'
                 : lasted.ms[INCIDENT_DEGRADED]           ? 'd'
                 : lasted.ms[INCIDENT_UNKNOWN] > grey_max ? 'u'
                                                          : 'h';
    }
    free(edges.list);
}
