/* SPDX-License-Identifier: Apache-2.0 */
/* forecast.h - where a figure goes: how fast it grows and when it will be at its limit, or that the
 * data do not say. Pure; a bounded number of samples, whatever the time they span.
 *
 * The slope is the median of the slopes between all pairs of samples (Theil and Sen), which single
 * outliers do not move. It counts as growth only when the order of the samples speaks for it (Mann
 * and Kendall, three standard deviations) and each quarter of the time lies above the one before: a
 * step, or the teeth of a cache that is emptied again and again, is no growth. */
#pragma once
#include "base/common.h"

enum { FORECAST_SAMPLES_MAX = 64, FORECAST_SAMPLES_MIN = 12, FORECAST_TEXT_BYTES = 160 };

struct forecast { /* starts with {0} */
    struct forecast_sample {
        int64_t time_ms;
        double value;
    } samples[FORECAST_SAMPLES_MAX];
    size_t count;
    int64_t gap_ms; /* least time between two samples that are kept */
};
/* Samples that come too soon after the last kept one are dropped: true when it was kept. When the
 * room is full, every second is dropped and the gap doubles; from window_ms on the oldest go. */
bool forecast_add(struct forecast *forecast, int64_t time_ms, double value, int64_t window_ms);
void forecast_forget(struct forecast *forecast); /* another life began */

enum forecast_kind { FORECAST_TOO_LITTLE_DATA, FORECAST_STEADY, FORECAST_GROWS };
extern const char *const forecast_kind_names[];
struct forecast_result {
    enum forecast_kind kind;
    double per_hour;  /* GROWS: > 0 */
    int64_t limit_ms; /* GROWS: from the last sample on until the limit; -1: no limit, or too far
                         away for what was seen */
};
/* `limit` <= 0: none. span_ms_min: a shorter time says nothing. */
struct forecast_result forecast_look(const struct forecast *forecast, double limit,
                                     int64_t span_ms_min);
/* For people, bytes as values: "grows 4.0 MB/h, at its limit of 500 MB in 6 days". */
void forecast_text(const struct forecast_result *result, double limit,
                   char ret[FORECAST_TEXT_BYTES]);
