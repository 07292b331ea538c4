/* SPDX-License-Identifier: Apache-2.0 */
/* alerts: what became of them; once more; held back and let go. */
#include "cli/alerts.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/screen.h"
#include "model/alert.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

enum { LIST_USUAL = 20, PAGE = 100 };

static const char *const states[] = {"waiting", "sending",  "delivered", "failed",
                                     "unknown", "silenced", NULL};

typedef int act(const struct cli *cli, const struct hub_peer *hub);

/* ---- the list, and one ---- */

/* The newest of the hub's list, at most `count`, in its order; `state` may be NULL, `key` is the
 * one member that is wanted, NULL: all. NULL after saying why; *ret_exit is then the exit code. */
static json_t *fetch(const struct hub_peer *hub, const char *state, int64_t count, const char *key,
                     int *ret_exit) {
    json_t *all = json_array(), *alert;
    int64_t before = INT64_MAX;
    size_t got = PAGE, i;
    for (; count > 0 && got == PAGE; count -= PAGE) {
        AUTO_FREE char *path =
            text_format("/v1/alerts?limit=%d&before=%lld%s%s", count < PAGE ? (int)count : PAGE,
                        (long long)before, state ? "&state=" : "", state ? state : "");
        json_t *answer = hub_call(hub, path, NULL, ret_exit);
        json_t *page = json_object_get(answer, "alerts");
        if (answer && !page)
            *ret_exit = hub_say_no_answer(hub, -EPROTO, false);
        if (!page) {
            json_decref(answer);
            json_decref(all);
            return NULL;
        }
        got = json_array_size(page);
        json_array_foreach(page, i, alert) {
            before = json_number(alert, "id");
            json_array_append(all, key ? json_object_get(alert, key) : alert);
        }
        json_decref(answer);
    }
    return all;
}

static int show_list(const struct cli *cli, const struct hub_peer *hub) {
    int code = 0;
    json_t *alerts = fetch(hub, cli->state, cli->lines ? cli->lines : LIST_USUAL, NULL, &code);
    if (alerts && cli->json) {
        json_print(json_pack("{s:O}", "alerts", alerts));
    } else if (alerts) {
        struct hub_answer health;
        int r = hub_ask(hub, "/health", NULL, &health);
        alerts_print_list(cli, alerts, r == 0 ? health.body : NULL);
        json_decref(health.body);
    }
    json_decref(alerts);
    return code;
}

static int show_each(const struct cli *cli, const struct hub_peer *hub) {
    int code = 0;
    for (char **word = cli->words; *word; word++) {
        int r = 0;
        AUTO_FREE char *path = text_format("/v1/alerts/%s", *word);
        json_t *alert = hub_call(hub, path, NULL, &r);
        if (alert && cli->json) {
            json_print(json_incref(alert));
        } else if (alert) {
            printf("%s", word == cli->words ? "" : "\n");
            alerts_print_one(alert);
        }
        json_decref(alert);
        code = code ? code : r;
    }
    return code;
}

/* ---- replay ---- */

/* What cannot be replayed is said and the next one tried, unless the next would end like it. */
static int replay_list(const struct hub_peer *hub, const json_t *ids, json_t *done) {
    int code = 0;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int r = 0;
        long long id = json_integer_value(json_array_get(ids, i));
        AUTO_FREE char *path = text_format("/v1/alerts/%lld/replay", id);
        json_t *nothing = json_object(), *answer = hub_call(hub, path, nothing, &r);
        json_decref(nothing);
        json_decref(answer);
        if (answer)
            json_array_append_new(done, json_integer(id));
        else
            fprintf(stderr, "holdfast: alert %lld was not replayed\n", id);
        code = code ? code : r;
        if (r && r != EX_USAGE && r != EX_DATAERR)
            break;
    }
    return code;
}

static json_t *ids_of_words(char *const *words) {
    json_t *ids = json_array();
    for (; *words; words++)
        json_array_append_new(ids, json_integer(strtoll(*words, NULL, 10)));
    return ids;
}

/* The oldest first, as they were meant to arrive. */
static json_t *ids_of_failed(const struct hub_peer *hub, int *ret_exit) {
    json_t *failed = fetch(hub, "failed", INT64_MAX, "id", ret_exit);
    json_t *ids = json_array();
    for (size_t i = json_array_size(failed); i > 0; i--)
        json_array_append(ids, json_array_get(failed, i - 1));
    json_decref(failed);
    return ids;
}

static int replay(const struct cli *cli, const struct hub_peer *hub) {
    int code = 0;
    bool all = strcmp(cli->words[1], "failed") == 0;
    json_t *ids = all ? ids_of_failed(hub, &code) : ids_of_words(cli->words + 1);
    json_t *done = json_array();
    bool asked = code == 0;
    if (asked)
        code = replay_list(hub, ids, done);
    size_t count = json_array_size(done), wanted = json_array_size(ids);
    if (asked && cli->json)
        json_print(json_pack("{s:O}", "replayed", done));
    else if (asked && wanted == 0)
        puts("no alert has failed; nothing to replay");
    else if (asked && count < wanted)
        printf("%zu of %zu alerts replayed\n", count, wanted);
    else if (asked)
        printf("%zu alert%s replayed\n", count, count == 1 ? "" : "s");
    json_decref(ids);
    json_decref(done);
    return code;
}

/* ---- acknowledge ---- */

static int by_number(const void *a, const void *b) {
    int64_t x = 0, y = 0;
    must(text_to_int(*(char *const *)a, 1, INT64_MAX, &x) == 0);
    must(text_to_int(*(char *const *)b, 1, INT64_MAX, &y) == 0);
    return (x > y) - (x < y);
}

static bool holds(const json_t *ids, const char *word) {
    const json_t *id;
    int64_t number;
    size_t i;
    json_array_foreach(ids, i, id) if (text_to_int(word, 1, INT64_MAX, &number) == 0 &&
                                       json_integer_value(id) == number) return true;
    return false;
}

static int ack_one(const struct hub_peer *hub, const char *path, json_t *done) {
    int code = 0;
    const char *user = getenv("USER");
    json_t *wish = json_pack("{s:s}", "by", user && user[0] ? user : "the command line");
    json_t *answer = hub_call(hub, path, wish, &code);
    json_t *alert;
    size_t i;
    json_array_foreach(json_object_get(answer, "alerts"), i, alert)
        json_array_append(done, json_object_get(alert, "id"));
    json_decref(wish);
    json_decref(answer);
    return code;
}

/* In order, since one means those of its kind before it too. */
static int acknowledge(const struct cli *cli, const struct hub_peer *hub) {
    int code = 0;
    char **ids = cli->words + 1;
    bool all = strcmp(ids[0], "all") == 0;
    json_t *done = json_array();
    if (all)
        code = ack_one(hub, "/v1/alerts/ack", done);
    else
        qsort(ids, text_list_count(ids), sizeof *ids, by_number);
    /* A refusal is of one alert; a hub that does not answer is of all. */
    for (; !all && *ids && (code == 0 || code == EX_DATAERR); ids++) {
        AUTO_FREE char *path = text_format("/v1/alerts/%s/ack", *ids);
        int r = holds(done, *ids) ? 0 : ack_one(hub, path, done);
        code = r ? r : code;
    }
    size_t count = json_array_size(done);
    if (cli->json)
        json_print(json_pack("{s:O}", "acknowledged", done));
    else if (code == 0 && count == 0)
        puts("no alert waits for an acknowledgement");
    else if (count > 0)
        printf("%zu alert%s acknowledged\n", count, count == 1 ? "" : "s");
    json_decref(done);
    return code;
}

/* ---- breaker ---- */

static int set_breaker(const struct cli *cli, const struct hub_peer *hub) {
    int code = 0;
    json_t *wish = json_pack("{s:s, s:s*}", "state", cli->words[1], "way", cli->words[2]);
    json_t *answer = hub_call(hub, "/v1/alerts/breaker", wish, &code);
    json_decref(wish);
    if (answer && cli->json)
        json_print(json_incref(answer));
    else if (answer)
        puts(strcmp(cli->words[1], "open") == 0
                 ? "the breaker is open: alerts wait until `holdfast alerts breaker closed`"
                 : "the breaker is closed: alerts go out");
    json_decref(answer);
    return code;
}

/* ---- statistics ---- */

static void add_encoded(struct buffer *ret, const char *text) {
    for (; *text; text++)
        buffer_print(ret, isalnum((unsigned char)*text) ? "%c" : "%%%02X", (unsigned char)*text);
}

static int show_stats(const struct cli *cli, const struct hub_peer *hub) {
    int code = 0;
    const char *const given[][2] = {{"by", cli->by}, {"for", cli->duration}, {"every", cli->every}};
    AUTO_BUFFER struct buffer path = {0};
    buffer_add_text(&path, "/v1/alerts/stats?");
    for (size_t i = 0; i < COUNT_OF(given); i++)
        if (given[i][1]) {
            buffer_print(&path, "%s=", given[i][0]);
            add_encoded(&path, given[i][1]);
            buffer_add_text(&path, "&");
        }
    json_t *stats = hub_call(hub, path.data, NULL, &code);
    if (stats && cli->json)
        json_print(json_incref(stats));
    else if (stats)
        alerts_print_stats(stats);
    json_decref(stats);
    return code;
}

/* ---- the words ---- */

static bool is_id(const char *word) {
    int64_t id;
    return text_to_int(word, 1, INT64_MAX, &id) == 0;
}

static _Noreturn void refuse_word(const char *word, const char *expected,
                                  const char *const *names) {
    enum alert_state state;
    const char *nearest = text_did_you_mean(word, names);
    if (alert_state_from(word, &state) == 0)
        fatal(EX_USAGE, "alerts: '%s' was found, expected %s; did you mean '--state %s'?", word,
              expected, word);
    if (nearest)
        fatal(EX_USAGE, "alerts: '%s' was found, expected %s; did you mean '%s'?", word, expected,
              nearest);
    fatal(EX_USAGE, "alerts: '%s' was found, expected %s; `holdfast alerts --help`", word,
          expected);
}

static act *choose_replay(char *const *words) {
    static const char *const names[] = {"failed", NULL};
    if (!words[0])
        fatal(EX_USAGE, "replay what? ids of alerts, or 'failed' for all that failed");
    if (strcmp(words[0], "failed") == 0 && !words[1])
        return replay;
    for (; *words; words++)
        if (!is_id(*words))
            refuse_word(*words, "ids of alerts, or 'failed' alone", names);
    return replay;
}

static act *choose_ack(char *const *words) {
    static const char *const names[] = {"all", NULL};
    if (!words[0])
        fatal(EX_USAGE, "acknowledge what? ids of alerts, or 'all'");
    if (strcmp(words[0], "all") == 0 && !words[1])
        return acknowledge;
    for (; *words; words++)
        if (!is_id(*words))
            refuse_word(*words, "ids of alerts, or 'all' alone", names);
    return acknowledge;
}

static act *choose_breaker(char *const *words) {
    static const char *const names[] = {"open", "closed", NULL};
    if (!words[0])
        fatal(EX_USAGE, "breaker how? 'open' holds all alerts back, 'closed' lets them go");
    const char *wrong = words[0];
    for (size_t i = 0; names[i]; i++)
        if (strcmp(words[0], names[i]) == 0)
            wrong = words[1] ? words[2] : NULL;
    if (wrong)
        refuse_word(wrong, "breaker open or breaker closed, then at most a way", names);
    return set_breaker;
}

static act *choose(const struct cli *cli) {
    static const char *const names[] = {"ack", "replay", "breaker", "stats", NULL};
    char **words = cli->words;
    bool stats = words[0] && strcmp(words[0], "stats") == 0;
    if (!stats && (cli->by || cli->duration || cli->every))
        fatal(EX_USAGE, "--by, --for and --every are of 'alerts stats' alone");
    if (!words[0])
        return show_list;
    if (cli->state || cli->lines)
        fatal(EX_USAGE, "%s is of the list alone, not of 'alerts %s'",
              cli->state ? "--state" : "--lines", words[0]);
    if (stats && words[1])
        fatal(EX_USAGE, "alerts stats takes no word, '%s' was found", words[1]);
    if (stats)
        return show_stats;
    if (strcmp(words[0], "ack") == 0)
        return choose_ack(words + 1);
    if (strcmp(words[0], "replay") == 0)
        return choose_replay(words + 1);
    if (strcmp(words[0], "breaker") == 0)
        return choose_breaker(words + 1);
    for (; *words; words++)
        if (!is_id(*words))
            refuse_word(*words, "an id, ack, replay or breaker", names);
    return show_each;
}

static void check_state(const char *word) {
    enum alert_state state;
    if (!word || alert_state_from(word, &state) == 0)
        return;
    const char *nearest = text_did_you_mean(word, states);
    fatal(EX_USAGE, "--state: '%s' was found, expected %s%s%s%s", word,
          "waiting, sending, delivered, failed, unknown or silenced",
          nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

int command_alerts(const struct cli *cli) {
    check_state(cli->state);
    act *chosen = choose(cli);
    AUTO_PLACES struct places places = places_find(cli);
    AUTO_HUB struct hub_peer hub = hub_find(cli, &places);
    screen_init();
    places_use_timezone(&places);
    return chosen(cli, &hub);
}
