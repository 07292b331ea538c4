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

/* It holds at once; when the disk refuses the alert that made it, it is taken back. */
static void write_silence(struct alerts *a, const struct silence *silence, int64_t ended_before_ms,
                          struct intake *intake, struct records *records) {
    intake->silences =
        memory_grow(intake->silences, intake->silence_count + 1, sizeof *intake->silences);
    intake->silences[intake->silence_count++] = (struct silence_undo){silence->id, ended_before_ms};
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

/* Its last one, which is used again: what flaps makes no new one each time. */
static const struct silence *last_of(const struct alerts *a, const struct inhibit_config *rule) {
    for (size_t i = 0; i < a->silence_count; i++)
        if (is_of_rule(&a->silences[i], rule))
            return &a->silences[i];
    return NULL;
}

bool alerts_explains(const struct alerts *a, const struct alert *alert,
                     const struct silence *silence, int64_t now) {
    for (size_t i = 0; i < a->options.inhibit_count; i++) {
        const struct inhibit_config *rule = &a->options.inhibit[i];
        if (is_of_rule(silence, rule) &&
            (fits(&rule->when, alert, now) || fits(&rule->until, alert, now)))
            return true;
    }
    return false;
}

void alerts_inhibit(struct alerts *a, const struct alert *alert, int64_t now, struct intake *intake,
                    struct records *records) {
    for (size_t i = 0; i < a->options.inhibit_count; i++) {
        const struct inhibit_config *rule = &a->options.inhibit[i];
        const struct silence *last = last_of(a, rule);
        bool holds = last && now < last->ends_ms;
        bool begins = fits(&rule->when, alert, now);
        if (!begins && !(holds && fits(&rule->until, alert, now)))
            continue;
        struct silence silence = holds ? silence_copy(last) : of_rule(rule, alert, now);
        silence.id = last ? last->id : ++a->silence_last;
        silence.ends_ms = begins ? now + rule->for_ms : now;
        write_silence(a, &silence, last ? last->ends_ms : 0, intake, records);
        if (holds)
            silence_deinit(&silence);
    }
}

void alerts_inhibit_undo(struct alerts *a, const struct intake *intake) {
    for (size_t i = intake->silence_count; i-- > 0;)
        for (size_t s = 0; s < a->silence_count; s++)
            if (a->silences[s].id == intake->silences[i].id)
                a->silences[s].ends_ms = intake->silences[i].ended_before_ms;
}
