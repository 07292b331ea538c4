/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/incidents.h"
#include <stdlib.h>
#include <string.h>

enum { MERGE_MS = 60000, GAP_MS_MIN = 5000, DONE_BYTES_MAX = 2000, BEAT_MS = 1800000 };
#define DAY_MS INT64_C(86400000)
#define KEPT_MS (31 * DAY_MS)
static const char everything[] = "*";

struct subject {
    char *name;
    int64_t known_ms;  /* first seen */
    size_t open, grey; /* places of its open incident and unknown time, or NONE */
    size_t last;       /* its newest incident that is none of unknown time, or NONE */
};
#define NONE SIZE_MAX
struct incidents {
    struct incident **list; /* by id */
    size_t count, capacity;
    struct subject *subjects; /* by name */
    size_t subject_count;
    int64_t last_id, swept_ms;
};

struct incidents *incidents_new(void) {
    return memory_new(sizeof(struct incidents));
}

void incidents_free(struct incidents *incidents) {
    if (!incidents)
        return;
    for (size_t i = 0; i < incidents->count; i++)
        incident_free(incidents->list[i]);
    for (size_t i = 0; i < incidents->subject_count; i++)
        free(incidents->subjects[i].name);
    free(incidents->list);
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
    *subject = (struct subject){.name = text_copy(name), .open = NONE, .grey = NONE, .last = NONE};
    return subject;
}

size_t incidents_subject_count(const struct incidents *incidents) {
    return incidents->subject_count;
}

const char *incidents_subject(const struct incidents *incidents, size_t place) {
    return incidents->subjects[place].name;
}

/* ---- incidents ---- */

static void keep(const struct incidents *incidents, size_t place, struct records *ret) {
    records_add(ret, RECORD_INCIDENT)->incident = incident_copy(incidents->list[place]);
}

static size_t add(struct incidents *incidents, struct incident *incident) {
    if (incidents->count == incidents->capacity) {
        incidents->capacity = incidents->capacity ? incidents->capacity * 2 : 64;
        incidents->list =
            memory_grow(incidents->list, incidents->capacity, sizeof(struct incident *));
    }
    incidents->list[incidents->count] = incident;
    if (incident->id > incidents->last_id)
        incidents->last_id = incident->id;
    return incidents->count++;
}

static size_t begin(struct incidents *incidents, const char *subject, enum incident_level level,
                    const char *cause, int64_t now) {
    struct incident *incident = memory_new(sizeof *incident);
    *incident = (struct incident){.id = incidents->last_id + 1,
                                  .subject = text_copy(subject),
                                  .level = level,
                                  .began_ms = now,
                                  .times = 1,
                                  .cause = text_copy(cause)};
    return add(incidents, incident);
}

static void end(struct incidents *incidents, size_t *place, int64_t now, struct records *ret) {
    if (*place == NONE)
        return;
    struct incident *incident = incidents->list[*place];
    incident->ended_ms = now > incident->began_ms ? now : incident->began_ms + 1;
    keep(incidents, *place, ret);
    *place = NONE;
}

/* Once a day, what has ended long ago goes; the places of all others move. */
static void forget_old(struct incidents *incidents, int64_t now) {
    size_t kept = 0;
    if (now - incidents->swept_ms < DAY_MS)
        return;
    incidents->swept_ms = now;
    size_t *moved = memory_array(incidents->count, sizeof *moved);
    for (size_t i = 0; i < incidents->count; i++) {
        struct incident *incident = incidents->list[i];
        bool goes = incident->ended_ms && now - incident->ended_ms > KEPT_MS;
        moved[i] = goes ? NONE : kept;
        if (goes)
            incident_free(incident);
        else
            incidents->list[kept++] = incident;
    }
    for (size_t i = 0; i < incidents->subject_count; i++) {
        size_t *places[] = {&incidents->subjects[i].open, &incidents->subjects[i].grey,
                            &incidents->subjects[i].last};
        for (size_t p = 0; p < COUNT_OF(places); p++)
            *places[p] = *places[p] == NONE ? NONE : moved[*places[p]];
    }
    incidents->count = kept;
    free(moved);
}

void incidents_restore(struct incidents *incidents, const struct record *record) {
    struct incident *incident = incident_copy(record->incident);
    size_t place = add(incidents, incident);
    struct subject *subject = subject_add(incidents, incident->subject);
    bool is_grey = incident->level == INCIDENT_UNKNOWN;
    if (is_grey && incident->began_ms == 0)
        subject->known_ms = incident->ended_ms;
    if (!incident->ended_ms)
        *(is_grey ? &subject->grey : &subject->open) = place;
    if (!is_grey)
        subject->last = place;
}

void incidents_start(struct incidents *incidents, int64_t alive_ms, int64_t now,
                     struct records *ret) {
    if (alive_ms == 0 || now - alive_ms < GAP_MS_MIN)
        return;
    size_t place = begin(incidents, everything, INCIDENT_UNKNOWN, NULL, alive_ms);
    end(incidents, &place, now, ret);
    (void)subject_add(incidents, everything);
}

/* ---- seeing ---- */

static struct subject *see_first(struct incidents *incidents, const char *name, int64_t now,
                                 struct records *ret) {
    if (incidents->subject_count >= INCIDENTS_SUBJECTS_MAX)
        return NULL;
    struct subject *subject = subject_add(incidents, name);
    size_t before = begin(incidents, name, INCIDENT_UNKNOWN, NULL, 0);
    subject->known_ms = now;
    end(incidents, &before, now, ret);
    return subject;
}

static bool is_the_same_again(const struct incidents *incidents, const struct subject *subject,
                              int64_t now) {
    return subject->last != NONE && now - incidents->list[subject->last]->ended_ms < MERGE_MS;
}

static const struct incident *see_ill(struct incidents *incidents, struct subject *subject,
                                      enum incident_level level, const char *cause, int64_t now,
                                      struct records *ret) {
    struct incident *incident = subject->open == NONE ? NULL : incidents->list[subject->open];
    bool is_new = !incident;
    if (incident && !incident->cause && cause) {
        incident->cause = text_copy(cause);
        keep(incidents, subject->open, ret);
    }
    if (incident && incident->level >= level)
        return NULL;
    if (is_new && is_the_same_again(incidents, subject, now)) {
        subject->open = subject->last;
        incident = incidents->list[subject->open];
        incident->ended_ms = 0;
        incident->times++;
        is_new = false;
    } else if (is_new) {
        subject->open = subject->last = begin(incidents, subject->name, level, cause, now);
        incident = incidents->list[subject->open];
    }
    if (!is_new && cause && (level > incident->level || !incident->cause)) {
        free(incident->cause);
        incident->cause = text_copy(cause);
    }
    if (level > incident->level)
        incident->level = level;
    keep(incidents, subject->open, ret);
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
        if (subject->grey == NONE) {
            subject->grey = begin(incidents, name, INCIDENT_UNKNOWN, cause, now);
            keep(incidents, subject->grey, ret);
        }
        return NULL;
    }
    end(incidents, &subject->grey, now, ret);
    forget_old(incidents, now);
    if (seen == SEEN_HEALTHY) {
        end(incidents, &subject->open, now, ret);
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
    end(incidents, &subject->open, now, ret);
    end(incidents, &subject->grey, now, ret);
}

void incidents_note(struct incidents *incidents, const char *name, const char *done, int64_t now,
                    struct records *ret) {
    struct subject *subject = subject_of(incidents, name);
    if (!subject || (subject->open == NONE && !is_the_same_again(incidents, subject, now)))
        return;
    size_t place = subject->open == NONE ? subject->last : subject->open;
    struct incident *incident = incidents->list[place];
    size_t size = incident->done ? strlen(incident->done) : 0;
    if (size + strlen(done) + 1 > DONE_BYTES_MAX)
        return;
    char *all = size ? text_format("%s\n%s", incident->done, done) : text_copy(done);
    free(incident->done);
    incident->done = all;
    keep(incidents, place, ret);
}

void incidents_lines(struct incidents *incidents, int64_t id, const char *lines,
                     struct records *ret) {
    for (size_t i = incidents->count; i-- > 0 && incidents->list[i]->id >= id;) {
        struct incident *incident = incidents->list[i];
        if (incident->id != id)
            continue;
        free(incident->lines);
        incident->lines = text_copy(lines);
        keep(incidents, i, ret);
    }
}

bool incidents_has_note(const struct incidents *incidents, const char *name, const char *done) {
    const struct subject *subject = subject_of(incidents, name);
    const struct incident *incident =
        subject && subject->last != NONE ? incidents->list[subject->last] : NULL;
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
    return subject && subject->open != NONE;
}

/* ---- showing ---- */

void incidents_list(const struct incidents *incidents, const char *subject, int64_t before,
                    size_t limit, incidents_each *each, void *context) {
    for (size_t i = incidents->count; i-- > 0 && limit > 0;) {
        const struct incident *incident = incidents->list[i];
        if (incident->level == INCIDENT_UNKNOWN || (before && incident->id >= before) ||
            (subject && strcmp(subject, incident->subject) != 0))
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

static struct edges edges_of(const struct incidents *incidents, const char *subject, int64_t from,
                             int64_t to) {
    struct edges edges = {memory_array(incidents->count * 2 + 1, sizeof(struct edge)), 0};
    for (size_t i = 0; i < incidents->count; i++) {
        const struct incident *incident = incidents->list[i];
        int64_t began = incident->began_ms > from ? incident->began_ms : from;
        int64_t ended = incident->ended_ms && incident->ended_ms < to ? incident->ended_ms : to;
        bool fits =
            strcmp(incident->subject, subject) == 0 || strcmp(incident->subject, everything) == 0;
        if (!fits || began >= ended)
            continue;
        edges.list[edges.count++] = (struct edge){began, incident->level, 1};
        edges.list[edges.count++] = (struct edge){ended, incident->level, -1};
    }
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

struct incidents_uptime incidents_uptime(const struct incidents *incidents, const char *subject,
                                         int64_t from_ms, int64_t now) {
    if (!subject_of(incidents, subject) || from_ms >= now)
        return (struct incidents_uptime){0};
    struct edges edges = edges_of(incidents, subject, from_ms, now);
    struct lasted lasted = measure(&edges, from_ms, now);
    free(edges.list);
    return (struct incidents_uptime){.known_ms = now - from_ms - lasted.ms[INCIDENT_UNKNOWN],
                                     .down_ms = lasted.ms[INCIDENT_DOWN]};
}

void incidents_beats(const struct incidents *incidents, const char *subject, int64_t now,
                     char ret[INCIDENTS_BEATS + 1]) {
    memset(ret, 'u', INCIDENTS_BEATS);
    ret[INCIDENTS_BEATS] = 0;
    if (!subject_of(incidents, subject))
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
