/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/metrics_text.h"

void metrics_family(struct metrics_text *text, const char *name, const char *type,
                    const char *help) {
    text->name = name;
    text->type = type;
    text->help = help;
}

void metrics_add_part(struct metrics_text *text, const char *suffix, const char *labels,
                      double value) {
    if (text->help)
        buffer_print(&text->to, "# HELP %s %s\n# TYPE %s %s\n", text->name, text->help, text->name,
                     text->type);
    text->help = NULL;
    buffer_add_text(&text->to, text->name);
    buffer_add_text(&text->to, suffix);
    if (labels[0])
        buffer_print(&text->to, "{%s}", labels);
    buffer_print(&text->to, " %.15g\n", value); /* whole up to 10^15 */
}

void metrics_add(struct metrics_text *text, const char *labels, double value) {
    metrics_add_part(text, "", labels, value);
}

void metrics_label(struct buffer *labels, const char *name, const char *value) {
    buffer_print(labels, "%s%s=\"", labels->size ? "," : "", name);
    for (const char *at = value; *at;) {
        size_t plain = strcspn(at, "\\\"\n");
        buffer_add(labels, at, plain);
        at += plain;
        if (*at)
            buffer_add_text(labels, *at == '\n' ? "\\n" : *at == '"' ? "\\\"" : "\\\\");
        at += *at != 0;
    }
    buffer_add_text(labels, "\"");
}

void metrics_add_choice(struct metrics_text *text, const char *labels, const char *label,
                        const char *const *words, size_t count, const char *chosen) {
    AUTO_BUFFER struct buffer all = {0};
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&all);
        buffer_add_text(&all, labels);
        metrics_label(&all, label, words[i]);
        metrics_add(text, all.data, strcmp(words[i], chosen) == 0);
    }
}
