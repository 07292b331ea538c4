/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_text.h - writes Prometheus' text exposition format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). HELP and TYPE of a family come
 * with its first sample: one that has none leaves no trace. All samples of a family are added
 * before the next one begins. */
#pragma once
#include "base/buffer.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_text { /* start with {0} */
    struct buffer to;
    const char *name, *type, *help; /* borrowed; help is NULL once it was written */
};
/* type: "counter", "gauge", "histogram", "summary". help: one line without backslashes. */
void metrics_family(struct metrics_text *text, const char *name, const char *type,
                    const char *help);
/* labels: "" or what metrics_label() made. */
void metrics_add(struct metrics_text *text, const char *labels, double value);
/* A sample of a histogram or summary: its name has a suffix, such as "_sum". */
void metrics_add_part(struct metrics_text *text, const char *suffix, const char *labels,
                      double value);
/* One sample for each word: 1 for the chosen one, 0 for the others. */
void metrics_add_choice(struct metrics_text *text, const char *labels, const char *label,
                        const char *const *words, size_t count, const char *chosen);
/* Adds name="value", with a comma when it is not the first; value: any UTF-8. */
void metrics_label(struct buffer *labels, const char *name, const char *value);
