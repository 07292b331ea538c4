/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/alert_stats.h"
#include <errno.h>

/* Latencies are counted in bins of growing width: eight for each doubling. */
enum { BINS_PER_OCTAVE = 8, BINS = 32 * BINS_PER_OCTAVE };
#define LATENCY_MAX ((INT64_C(1) << 32) - 1)

struct cell {
    struct alert_stats_row row; /* row.word is owned */
    uint32_t bins[BINS];
};
struct alert_stats {
    struct alert_stats_options options;
    struct cell **cells; /* in their order */
    size_t count;
};
static const char *const names[] = {"priority", "type", "service", "way"};

int alert_stats_by_from(const char *name, enum alert_stats_by *ret) {
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0) {
            *ret = (enum alert_stats_by)i;
            return 0;
        }
    return -EINVAL;
}

const char *alert_stats_by_name(enum alert_stats_by by) {
    return names[by];
}

struct alert_stats *alert_stats_new(const struct alert_stats_options *options) {
    struct alert_stats *stats = memory_new(sizeof *stats);
    stats->options = *options;
    return stats;
}

struct alert_stats *alert_stats_free(struct alert_stats *stats) {
    if (!stats)
        return NULL;
    for (size_t i = 0; i < stats->count; i++) {
        free((char *)stats->cells[i]->row.word);
        free(stats->cells[i]);
    }
    free(stats->cells);
    free(stats);
    return NULL;
}

static const char *word_of(const struct alert_stats *stats, const struct alert *alert) {
    const char *word = NULL;
    switch (stats->options.by) {
    case ALERT_STATS_PRIORITY:
        return alert_priority_name(alert->priority);
    case ALERT_STATS_TYPE:
        word = alert->type;
        break;
    case ALERT_STATS_SERVICE:
        word = alert->service;
        break;
    case ALERT_STATS_WAY:
        return alert->way ? alert->way : "telegram";
    }
    return word ? word : "";
}

static int order_of(const struct alert_stats *stats, const struct alert_stats_row *a,
                    const struct alert_stats_row *b) {
    if (a->from_ms != b->from_ms)
        return a->from_ms < b->from_ms ? -1 : 1;
    if (stats->options.by == ALERT_STATS_PRIORITY)
        return (int)a->priority - (int)b->priority;
    return strcmp(a->word, b->word);
}

/* NULL: there are too many. */
static struct cell *cell_of(struct alert_stats *stats, const struct alert_stats_row *wanted) {
    size_t low = 0, high = stats->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = order_of(stats, &stats->cells[middle]->row, wanted);
        if (order == 0)
            return stats->cells[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (stats->count == ALERT_STATS_ROWS_MAX)
        return NULL;
    stats->cells = memory_grow(stats->cells, stats->count + 1, sizeof(struct cell *));
    memmove(stats->cells + low + 1, stats->cells + low,
            (stats->count++ - low) * sizeof(struct cell *));
    struct cell *cell = stats->cells[low] = memory_new(sizeof *cell);
    cell->row = *wanted;
    cell->row.word = text_copy(wanted->word);
    return cell;
}

/* 8 to 15 steps of a power of two: the bin is the exponent and the next three bits. */
static size_t bin_of(int64_t ms) {
    if (ms < BINS_PER_OCTAVE)
        return ms < 0 ? 0 : (size_t)ms;
    uint64_t value = (uint64_t)(ms < LATENCY_MAX ? ms : LATENCY_MAX);
    unsigned shift = 60U - (unsigned)__builtin_clzll(value);
    return (size_t)(shift + 1) * BINS_PER_OCTAVE + (size_t)(value >> shift) - BINS_PER_OCTAVE;
}

/* The highest latency that falls into it. */
static int64_t bin_top(size_t bin) {
    if (bin < 2 * BINS_PER_OCTAVE)
        return (int64_t)bin;
    size_t shift = bin / BINS_PER_OCTAVE - 1;
    return (int64_t)((bin % BINS_PER_OCTAVE + BINS_PER_OCTAVE + 1) << shift) - 1;
}

static void count_delivered(struct cell *cell, const struct alert *alert) {
    int64_t latency = alert->ended_ms - alert->created_ms; /* clocks may be set back */
    latency = latency < 0 ? 0 : latency;
    cell->row.delivered++;
    cell->bins[bin_of(latency)]++;
    cell->row.max_ms = latency > cell->row.max_ms ? latency : cell->row.max_ms;
}

bool alert_stats_add(struct alert_stats *stats, const struct alert *alert) {
    const struct alert_stats_options *o = &stats->options;
    int64_t at = alert->created_ms;
    if (at < o->from_ms || at >= o->to_ms || alert->reminder ||
        (alert->origin && o->by != ALERT_STATS_WAY))
        return true;
    struct alert_stats_row wanted = {
        .from_ms = o->every_ms ? at - (at - o->from_ms) % o->every_ms : o->from_ms,
        .word = word_of(stats, alert),
        .priority = o->by == ALERT_STATS_PRIORITY ? alert->priority : 0};
    struct cell *cell = cell_of(stats, &wanted);
    if (!cell)
        return false;
    cell->row.accepted++;
    cell->row.retried += alert->attempts > 0;
    switch (alert->state) {
    case ALERT_WAITING:
    case ALERT_SENDING:
        cell->row.waiting++;
        break;
    case ALERT_DELIVERED:
        count_delivered(cell, alert);
        break;
    case ALERT_FAILED:
        cell->row.failed++;
        break;
    case ALERT_UNKNOWN:
        cell->row.unknown++;
        break;
    case ALERT_SILENCED:
        cell->row.silenced++;
        break;
    }
    return true;
}

size_t alert_stats_count(const struct alert_stats *stats) {
    return stats->count;
}

/* So many per cent of the delivered ones took at most this long. */
static int64_t percentile(const struct cell *cell, uint64_t percent) {
    uint64_t rank = (cell->row.delivered * percent + 99) / 100, seen = 0;
    for (size_t bin = 0; bin < BINS; bin++) {
        seen += cell->bins[bin];
        if (seen >= rank && seen > 0)
            return bin_top(bin) < cell->row.max_ms ? bin_top(bin) : cell->row.max_ms;
    }
    return 0;
}

struct alert_stats_row alert_stats_at(const struct alert_stats *stats, size_t index) {
    const struct cell *cell = stats->cells[index];
    struct alert_stats_row row = cell->row;
    row.p50_ms = percentile(cell, 50);
    row.p95_ms = percentile(cell, 95);
    return row;
}
