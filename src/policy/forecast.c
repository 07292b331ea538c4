/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/forecast.h"
#include <stdio.h>

enum { GAP_MS_FIRST = 60000, PAIRS_MAX = FORECAST_SAMPLES_MAX * (FORECAST_SAMPLES_MAX - 1) / 2 };
enum { QUARTERS = 4, SPANS_AHEAD_MAX = 50 };
static const double hour_ms = 3600000, day_ms = 86400000;
static const double deviations = 3;          /* by chance once in a thousand */
static const double quarter_share_min = 0.1; /* of the whole rise; an even one has a third */

const char *const forecast_kind_names[] = {"too_little_data", "steady", "grows"};

/* ---- samples ---- */

static void drop_oldest(struct forecast *forecast, size_t drop) {
    forecast->count -= drop;
    memmove(forecast->samples, forecast->samples + drop,
            forecast->count * sizeof *forecast->samples);
}

/* Every second is dropped, the newest stays. */
static void thin(struct forecast *forecast) {
    size_t kept = 0;
    for (size_t i = (forecast->count + 1) % 2; i < forecast->count; i += 2)
        forecast->samples[kept++] = forecast->samples[i];
    forecast->count = kept;
    forecast->gap_ms *= 2;
}

bool forecast_add(struct forecast *forecast, int64_t time_ms, double value, int64_t window_ms) {
    if (!forecast->gap_ms)
        forecast->gap_ms = GAP_MS_FIRST;
    if (forecast->count &&
        time_ms - forecast->samples[forecast->count - 1].time_ms < forecast->gap_ms)
        return false;
    size_t old = 0;
    while (old < forecast->count && forecast->samples[old].time_ms < time_ms - window_ms)
        old++;
    drop_oldest(forecast, old);
    if (forecast->count == FORECAST_SAMPLES_MAX)
        thin(forecast);
    forecast->samples[forecast->count++] = (struct forecast_sample){time_ms, value};
    return true;
}

void forecast_forget(struct forecast *forecast) {
    *forecast = (struct forecast){0};
}

/* ---- what they say ---- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Per millisecond; *ret_order is how many pairs rise less how many fall. */
static double slope_of(const struct forecast *forecast, int64_t *ret_order) {
    double slopes[PAIRS_MAX];
    size_t count = 0;
    *ret_order = 0;
    for (size_t i = 0; i < forecast->count; i++) {
        for (size_t k = i + 1; k < forecast->count; k++) {
            const struct forecast_sample *a = &forecast->samples[i], *b = &forecast->samples[k];
            *ret_order += (b->value > a->value) - (b->value < a->value);
            slopes[count++] = (b->value - a->value) / (double)(b->time_ms - a->time_ms);
        }
    }
    return median(slopes, count);
}

static bool order_is_chance(int64_t order, size_t count) {
    double n = (double)count, variance = n * (n - 1) * (2 * n + 5) / 18;
    double less = (double)order - 1;
    return order <= 1 || less * less < deviations * deviations * variance;
}

static double median_between(const struct forecast *forecast, double from_ms, double to_ms) {
    double values[FORECAST_SAMPLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < forecast->count; i++) {
        double time = (double)forecast->samples[i].time_ms;
        if (time >= from_ms && time <= to_ms)
            values[count++] = forecast->samples[i].value;
    }
    return count ? median(values, count) : 0;
}

static bool each_quarter_rises(const struct forecast *forecast, double span_ms) {
    double medians[QUARTERS], start = (double)forecast->samples[0].time_ms;
    for (int i = 0; i < QUARTERS; i++)
        medians[i] = median_between(forecast, start + span_ms * i / QUARTERS,
                                    start + span_ms * (i + 1) / QUARTERS);
    double rise = medians[QUARTERS - 1] - medians[0];
    for (int i = 1; i < QUARTERS; i++)
        if (medians[i] - medians[i - 1] < rise * quarter_share_min)
            return false;
    return rise > 0;
}

/* From the level of the last quarter, not from the last sample, which may be an outlier; no further
 * ahead than what was seen allows. */
static int64_t time_to_limit(const struct forecast *forecast, double slope, double limit,
                             double span_ms) {
    if (limit <= 0)
        return -1;
    double end = (double)forecast->samples[forecast->count - 1].time_ms;
    double level =
        median_between(forecast, end - span_ms / QUARTERS, end) + slope * span_ms / (2 * QUARTERS);
    double left = (limit - level) / slope;
    if (left > span_ms * SPANS_AHEAD_MAX)
        return -1;
    return left > 0 ? (int64_t)left : 0;
}

struct forecast_result forecast_look(const struct forecast *forecast, double limit,
                                     int64_t span_ms_min) {
    struct forecast_result result = {.kind = FORECAST_TOO_LITTLE_DATA, .limit_ms = -1};
    size_t count = forecast->count;
    int64_t span = count ? forecast->samples[count - 1].time_ms - forecast->samples[0].time_ms : 0;
    if (count < FORECAST_SAMPLES_MIN || span < span_ms_min)
        return result;
    int64_t order = 0;
    double slope = slope_of(forecast, &order);
    result.kind = FORECAST_STEADY;
    if (slope <= 0 || order_is_chance(order, count) || !each_quarter_rises(forecast, (double)span))
        return result;
    result.kind = FORECAST_GROWS;
    result.per_hour = slope * hour_ms;
    result.limit_ms = time_to_limit(forecast, slope, limit, (double)span);
    return result;
}

/* ---- for people ---- */

static void print_bytes(double bytes, char *ret, size_t size) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < COUNT_OF(units)) {
        bytes /= 1024;
        unit++;
    }
    snprintf(ret, size, bytes < 10 && unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void print_time(int64_t ms, char *ret, size_t size) {
    double time = (double)ms;
    if (time < hour_ms)
        snprintf(ret, size, "within an hour");
    else if (time < 2 * day_ms)
        snprintf(ret, size, "in %.0f hours", time / hour_ms);
    else
        snprintf(ret, size, "in %.0f days", time / day_ms);
}

void forecast_text(const struct forecast_result *result, double limit,
                   char ret[FORECAST_TEXT_BYTES]) {
    char rate[32], room[32], when[32];
    if (result->kind != FORECAST_GROWS) {
        snprintf(ret, FORECAST_TEXT_BYTES,
                 result->kind == FORECAST_STEADY ? "no steady growth" : "too little data");
        return;
    }
    bool slow = result->per_hour < 1024 * 1024; /* then per day is the easier number */
    print_bytes(slow ? result->per_hour * 24 : result->per_hour, rate, sizeof rate);
    print_bytes(limit, room, sizeof room);
    if (limit <= 0)
        snprintf(ret, FORECAST_TEXT_BYTES, "grows %s/%s", rate, slow ? "day" : "h");
    else if (result->limit_ms < 0)
        snprintf(ret, FORECAST_TEXT_BYTES, "grows %s/%s, its limit of %s is far away", rate,
                 slow ? "day" : "h", room);
    else {
        print_time(result->limit_ms, when, sizeof when);
        snprintf(ret, FORECAST_TEXT_BYTES, "grows %s/%s, at its limit of %s %s", rate,
                 slow ? "day" : "h", room, when);
    }
}
