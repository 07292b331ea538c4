/* SPDX-License-Identifier: Apache-2.0 */
/* log-level [LEVEL] [PROGRAM...]: how much Holdfast's own programs log, shown or changed. */
#include "base/log.h"
#include "cli/cli.h"
#include <stdio.h>

static bool is_level(const char *word) {
    for (int i = 0; log_level_names[i]; i++)
        if (strcmp(word, log_level_names[i]) == 0)
            return true;
    return false;
}

int command_log_level(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    char **word = cli->words;
    json_t *programs = json_array();
    json_t *request = json_pack("{s:i,s:s,s:o}", "id", 1, "do", "log_level", "programs", programs);
    if (*word && is_level(*word))
        json_object_set_new(request, "level", json_string(*word++));
    for (; *word; word++)
        json_array_append_new(programs, json_string(*word));
    int code = 0;
    json_t *answer = keeper_ask(places.run, request, &code);
    json_t *levels = json_object_get(answer, "levels");
    if (answer && cli->json) {
        AUTO_FREE char *text = json_dumps(answer, JSON_COMPACT);
        puts(text ? text : "{}");
    }
    for (size_t i = 0; !cli->json && i < json_array_size(levels); i++) {
        const json_t *one = json_array_get(levels, i);
        printf("%-12s %s\n", json_string_value(json_object_get(one, "program")),
               json_string_value(json_object_get(one, "level")));
    }
    json_decref(answer);
    return code;
}
