/* SPDX-License-Identifier: Apache-2.0 */
/* Inhibition: an alert that explains others makes a silence for them, which ends by its time or by
 * the alert that says that all is well again. So what it took is shown, kept and replayed like all
 * that a silence took. */
#include "engine/alerts_state.h"

static const char author[] = "inhibition";

static bool fits(const struct alert_pattern *pattern, const struct alert *alert, int64_t now) {
    struct silence like = {.starts_ms = now,
                           .ends_ms = now + 1,
                           .priorities = (1U << ALERT_PRIORITIES) - 1,
                           .type = pattern->type,
                           .service = pattern->service,
                           .title = pattern->title,
                           .text = pattern->text};
    return (pattern->type || pattern->service || pattern->title || pattern->text) &&
           silence_fits(&like, alert, now);
}

static void write_silence(struct alerts *a, const struct silence *silence,
                          struct records *records) {
    alerts_silence_put(a, silence);
    *records_add(records, RECORD_SILENCE)->silence = silence_copy(silence);
}

static struct silence of_rule(const struct inhibit_config *rule, const struct alert *why,
                              int64_t now) {
    return (struct silence){.starts_ms = now,
                            .ends_ms = now + rule->for_ms,
                            .priorities = (1U << ALERT_PRIORITIES) - 1,
                            .type = rule->mute.type,
                            .service = rule->mute.service,
                            .title = rule->mute.title,
                            .text = rule->mute.text,
                            .author = (char *)author,
                            .comment = why->text};
}

static bool same(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_of_rule(const struct silence *silence, const struct inhibit_config *rule) {
    return same(silence->author, author) && same(silence->type, rule->mute.type) &&
           same(silence->service, rule->mute.service) && same(silence->title, rule->mute.title) &&
           same(silence->text, rule->mute.text);
}

static const struct silence *in_force(const struct alerts *a, const struct inhibit_config *rule,
                                      int64_t now) {
    for (size_t i = 0; i < a->silence_count; i++)
        if (now < a->silences[i].ends_ms && is_of_rule(&a->silences[i], rule))
            return &a->silences[i];
    return NULL;
}

bool alerts_explains(const struct alerts *a, const struct alert *alert,
                     const struct silence *silence, int64_t now) {
    for (size_t i = 0; i < a->options.inhibit_count; i++)
        if (is_of_rule(silence, &a->options.inhibit[i]) &&
            fits(&a->options.inhibit[i].when, alert, now))
            return true;
    return false;
}

void alerts_inhibit(struct alerts *a, const struct alert *alert, int64_t now,
                    struct records *records) {
    for (size_t i = 0; i < a->options.inhibit_count; i++) {
        const struct inhibit_config *rule = &a->options.inhibit[i];
        const struct silence *known = in_force(a, rule, now);
        bool begins = fits(&rule->when, alert, now);
        if (!begins && !(known && fits(&rule->until, alert, now)))
            continue;
        struct silence silence = known ? silence_copy(known) : of_rule(rule, alert, now);
        silence.id = known ? known->id : ++a->silence_last;
        silence.ends_ms = begins ? now + rule->for_ms : now;
        write_silence(a, &silence, records);
        if (known)
            silence_deinit(&silence);
    }
}
