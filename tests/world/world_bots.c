/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's clients. Two bots read the same updates, each at its own pace; a bot that crashes has
 * forgotten its offset, as bots do. A program posts alerts and repeats what was not answered. */
#include "tests/world/world.h"
#include <stdio.h>

enum { PAUSE_MS = 3000, POSTS_MAX = 60 };

struct reader {
    int64_t offset, asked_offset, due_ms;
    uint64_t call; /* the one under way */
};
struct post {
    uint64_t number;
    enum alert_priority priority;
    bool has_key;
};
struct bots {
    struct reader readers[READERS];
    struct post post; /* being tried */
    uint64_t posts;
    int64_t post_due_ms;
};

static struct bots *bots_of(struct world *w) {
    if (!w->bots)
        w->bots = memory_new(sizeof *w->bots);
    return w->bots;
}

/* ---- readers ---- */

static void on_updates(struct world *w, uint64_t index, const struct answer *answer) {
    struct reader *reader = &w->bots->readers[index];
    reader->due_ms = w->now + 1 + (int64_t)dice(w, PAUSE_MS);
    if (answer->outcome != GATEWAY_ANSWERED || answer->status != 200)
        return;
    if (!net_find(w, reader->call)->unsure)
        checks_confirmed(w, index, reader->asked_offset);
    for (const char *at = answer->body.data; (at = strstr(at, "\"update_id\":")); at++) {
        int64_t id = strtoll(at + strlen("\"update_id\":"), NULL, 10);
        checks_given(w, index, id);
        if (id >= reader->offset)
            reader->offset = id + 1;
    }
    reader->due_ms = w->now + (int64_t)dice(w, 3) * 300;
}

static void ask(struct world *w, size_t index) {
    struct reader *reader = &w->bots->readers[index];
    reader->asked_offset = reader->offset;
    reader->due_ms = INT64_MAX;
    int64_t timeout_s = (int64_t)dice(w, 4) * 5;
    reader->call = net_call(w, (struct call){.from = BOT + (enum program)index,
                                             .to = AT_HUB,
                                             .method = "POST",
                                             .path = "getUpdates",
                                             .offset = reader->offset,
                                             .timeout_s = timeout_s,
                                             .total_ms_max = timeout_s * 1000 + 15000,
                                             .answered = on_updates,
                                             .context = index});
}

static void start_reader(struct world *w, size_t index) {
    bots_of(w)->readers[index] = (struct reader){.due_ms = w->now + (int64_t)dice(w, PAUSE_MS)};
}

static void start_bot(struct world *w) {
    start_reader(w, 0);
}

static void start_logger(struct world *w) {
    start_reader(w, 1);
}

static int64_t bot_next(struct world *w) {
    return w->bots->readers[0].due_ms;
}

static int64_t logger_next(struct world *w) {
    return w->bots->readers[1].due_ms;
}

static void bot_due(struct world *w) {
    ask(w, 0);
}

static void logger_due(struct world *w) {
    ask(w, 1);
}

static void crash_reader(struct world *w) {}

/* ---- the poster ---- */

static void on_posted(struct world *w, uint64_t context, const struct answer *answer) {
    struct bots *bots = w->bots;
    bool taken = answer->outcome == GATEWAY_ANSWERED && answer->status == 202;
    if (taken || dice(w, 4) == 0) /* or it gives up */
        bots->post.number = 0;
    bots->post_due_ms = w->now + (int64_t)dice(w, taken ? 6000 : 2000);
}

static void post_due(struct world *w) {
    struct bots *bots = w->bots;
    bots->post_due_ms = INT64_MAX;
    if (!bots->post.number && (w->calm_since || bots->posts >= POSTS_MAX))
        return;
    if (!bots->post.number)
        bots->post = (struct post){++bots->posts, (enum alert_priority)dice(w, ALERT_PRIORITIES),
                                   dice(w, 2) == 0};
    struct post *post = &bots->post;
    /* Without a key two are the same only when they say the same. */
    net_call(w, (struct call){.from = POSTER,
                              .to = AT_HUB,
                              .method = "POST",
                              .path = "alerts",
                              .text = text_format("alert A%llu.", (unsigned long long)post->number),
                              .key = post->has_key
                                         ? text_format("k%llu", (unsigned long long)post->number)
                                         : NULL,
                              .type = text_copy("tp_hit"),
                              .priority = post->priority,
                              .total_ms_max = 15000,
                              .answered = on_posted});
}

static void start_poster(struct world *w) {
    struct bots *bots = bots_of(w);
    bots->post = (struct post){0};
    bots->post_due_ms = w->now + (int64_t)dice(w, PAUSE_MS);
}

static int64_t poster_next(struct world *w) {
    return w->bots->post_due_ms;
}

const struct program_rules bot_rules = {start_bot, crash_reader, bot_next, bot_due};
const struct program_rules logger_rules = {start_logger, crash_reader, logger_next, logger_due};
const struct program_rules poster_rules = {start_poster, crash_reader, poster_next, post_due};
