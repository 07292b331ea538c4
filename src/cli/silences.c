/* SPDX-License-Identifier: Apache-2.0 */
/* silence: for some time no alert that fits is told. silences: which there are; end one. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/hub_client.h"
#include "cli/screen.h"
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { ID_CELLS = 4, UNTIL_CELLS = 16, STATE_CELLS = 6 };

/* ---- silence ---- */

static void set(json_t *object, const char *name, const char *value) {
    AUTO_FREE char *text = value && value[0] ? text_copy(value) : NULL;
    if (!text)
        return;
    text_make_utf8(text);
    json_object_set_new(object, name, json_string(text));
}

/* Who asks: also behind sudo. */
static const char *author(void) {
    const struct passwd *entry = getpwuid(getuid());
    const char *behind = getenv("SUDO_USER");
    return behind && *behind ? behind : entry ? entry->pw_name : NULL;
}

int command_silence(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    AUTO_FREE char *comment = cli->words[0] ? words_join(cli->words) : NULL;
    json_t *silence = json_object();
    if (!cli->duration)
        fatal(EX_USAGE, "how long? holdfast silence --service db --for 2h \"new disk\"");
    set(silence, "for", cli->duration);
    set(silence, "priority", cli->priority);
    set(silence, "service", cli->service);
    set(silence, "type", cli->type);
    set(silence, "title", cli->title);
    set(silence, "text", cli->text);
    set(silence, "author", author());
    set(silence, "comment", comment);
    AUTO_HUB struct hub_peer hub = hub_find(cli, &places);
    int code = 0;
    json_t *answer = hub_call(&hub, "/v1/silences", silence, &code);
    json_decref(silence);
    if (answer && cli->json)
        json_print(json_incref(answer));
    else if (answer)
        printf("silence %lld, for %s; `holdfast silences end %lld` ends it\n",
               (long long)json_number(answer, "id"), cli->duration,
               (long long)json_number(answer, "id"));
    json_decref(answer);
    return code;
}

/* ---- silences ---- */

/* "service db*, priority LOW: new disk (ann)" */
static char *describe(const json_t *silence) {
    static const char *const names[] = {"service", "type", "title", "text"};
    struct buffer text = {0};
    json_t *priority;
    size_t k;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_text(silence, names[i])[0])
            buffer_print(&text, "%s%s %s", text.size ? ", " : "", names[i],
                         json_text(silence, names[i]));
    json_array_foreach(json_object_get(silence, "priority"), k, priority)
        buffer_print(&text, "%s%s", text.size ? ", " : "", json_string_value(priority));
    if (json_text(silence, "comment")[0])
        buffer_print(&text, ": %s", json_text(silence, "comment"));
    if (json_text(silence, "author")[0])
        buffer_print(&text, " (%s)", json_text(silence, "author"));
    return buffer_take(&text);
}

static void print_row(const json_t *silence, int room) {
    char ends[SCREEN_TIME_BYTES], id[24];
    bool active = strcmp(json_text(silence, "state"), "active") == 0;
    const char *colour = !colours_wanted(STDOUT_FILENO) ? NULL : active ? "33" : "90";
    screen_time(json_text(silence, "ends"), 0, ends);
    ends[strlen(ends) < UNTIL_CELLS ? strlen(ends) : UNTIL_CELLS] = 0; /* without the seconds */
    snprintf(id, sizeof id, "%lld", (long long)json_number(silence, "id"));
    AUTO_FREE char *whole = describe(silence);
    AUTO_FREE char *what = cells_cut(whole, room);
    printf("%*s  %s%s%s%-*s%s  %-*s  %s\n", ID_CELLS, id, colour ? "\033[" : "",
           colour ? colour : "", colour ? "m" : "", STATE_CELLS, active ? "active" : "ended",
           colour ? "\033[0m" : "", UNTIL_CELLS, ends, what);
}

static int show(const struct cli *cli, const struct hub_peer *hub) {
    int code = 0;
    json_t *answer = hub_call(hub, "/v1/silences", NULL, &code);
    json_t *list = json_object_get(answer, "silences"), *silence;
    size_t i;
    int cells = screen_columns(STDOUT_FILENO);
    int used = ID_CELLS + STATE_CELLS + UNTIL_CELLS + 6;
    if (answer && cli->json)
        json_print(json_incref(answer));
    else if (answer && json_array_size(list) == 0)
        puts("No silences; `holdfast silence --service db --for 2h` makes one.");
    else if (answer)
        printf("%*s  %-*s  %-*s  %s\n", ID_CELLS, "ID", STATE_CELLS, "STATE", UNTIL_CELLS, "UNTIL",
               "WHAT");
    json_array_foreach(list, i, silence) if (!cli->json)
        print_row(silence, cells > used ? cells - used
                           : cells == 0 ? INT32_MAX
                                        : 8);
    json_decref(answer);
    return code;
}

static int end(const struct cli *cli, const struct hub_peer *hub) {
    json_t *nothing = json_object(), *ended = json_array();
    int worst = 0;
    for (char **word = cli->words + 1; *word; word++) {
        AUTO_FREE char *path = text_format("/v1/silences/%s/end", *word);
        int code = 0;
        json_t *answer = hub_call(hub, path, nothing, &code);
        if (answer)
            json_array_append(ended, json_object_get(answer, "id"));
        if (answer && !cli->json)
            printf("silence %s has ended\n", *word);
        worst = code ? code : worst;
        json_decref(answer);
    }
    json_decref(nothing);
    if (cli->json)
        json_print(json_pack("{s:O}", "ended", ended));
    json_decref(ended);
    return worst;
}

int command_silences(const struct cli *cli) {
    const char *word = cli->words[0];
    int64_t id = 0;
    if (word && strcmp(word, "end") != 0)
        fatal(EX_USAGE, "'%s' was found, expected nothing, or: holdfast silences end ID", word);
    if (word && !cli->words[1])
        fatal(EX_USAGE, "which one? `holdfast silences` lists them: holdfast silences end ID");
    for (char **number = cli->words + 1; word && *number; number++)
        if (text_to_int(*number, 1, INT64_MAX, &id) < 0)
            fatal(EX_USAGE, "'%s' is not the number of a silence; `holdfast silences` lists them",
                  *number);
    AUTO_PLACES struct places places = places_find(cli);
    AUTO_HUB struct hub_peer hub = hub_find(cli, &places);
    screen_init();
    places_use_timezone(&places);
    return word ? end(cli, &hub) : show(cli, &hub);
}
