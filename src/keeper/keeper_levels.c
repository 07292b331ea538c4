/* SPDX-License-Identifier: Apache-2.0 */
/* How much our own programs log, changed while they run: a small file for each in <run>/level,
 * which base/log reads. They hold while this `up` lives, whoever is restarted in between. */
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { LEVEL_BYTES = 8 };
static const char our_name[] = "keeper";

static char *level_path(const struct keeper *keeper, const char *name) {
    return text_format("%s/level/%s", keeper->run, name);
}

/* In place: programs hold the file open. */
static bool write_level(const struct keeper *keeper, const char *name, const char *level) {
    AUTO_FREE char *path = level_path(keeper, name);
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    char text[LEVEL_BYTES + 1];
    snprintf(text, sizeof text, "%-7.7s\n", level);
    return fd >= 0 && pwrite(fd, text, LEVEL_BYTES, 0) == LEVEL_BYTES;
}

static const char *level_of(const struct keeper *keeper, const char *name) {
    AUTO_FREE char *path = level_path(keeper, name);
    AUTO_FREE char *text = NULL;
    if (file_read(path, LEVEL_BYTES, &text, NULL) == 0)
        for (int i = 0; log_level_names[i]; i++)
            if (text[0] == log_level_names[i][0])
                return log_level_names[i];
    return log_level_names[LOG_INFO];
}

void levels_make(struct keeper *keeper, const char *name) {
    AUTO_FREE char *path = level_path(keeper, name);
    bool kept = keeper->began && access(path, F_OK) == 0;
    if (!kept && !write_level(keeper, name, log_level_names[LOG_INFO]))
        log_warning("%s cannot be written; the log level of %s stays as it is", path, name);
}

void levels_open(struct keeper *keeper) {
    AUTO_FREE char *path = level_path(keeper, our_name);
    levels_make(keeper, our_name);
    log_follow_level(path);
}

/* NULL-ended; the names are borrowed, the caller frees the list. */
static const char **programs_of(const struct keeper *keeper) {
    const char **names = memory_array(keeper->services.count + 2, sizeof *names);
    size_t count = 0;
    names[count++] = our_name;
    for (size_t i = 0; i < keeper->services.count; i++)
        if (service_is_ours(keeper->services.list[i].config))
            names[count++] = keeper->services.list[i].config->name;
    return names;
}

static bool is_among(const char *const *names, const char *name) {
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static bool are_known(const json_t *wanted, const char *const *known, const char *what,
                      char **ret_why) {
    size_t i;
    json_t *name;
    json_array_foreach(wanted, i, name) {
        const char *text = json_string_value(name) ? json_string_value(name) : "?";
        if (is_among(known, text))
            continue;
        const char *nearest = text_did_you_mean(text, known);
        *ret_why = text_format("'%s' is not %s%s%s%s", text, what,
                               nearest ? "; did you mean '" : "; expected ",
                               nearest ? nearest : known[0], nearest ? "'?" : ", for example");
        return false;
    }
    return true;
}

json_t *levels_answer(struct keeper *keeper, const json_t *request, char **ret_why) {
    AUTO_FREE const char **programs = programs_of(keeper);
    const json_t *wanted = json_object_get(request, "programs");
    const char *level = json_string_value(json_object_get(request, "level"));
    if (!are_known(wanted, programs, "a program of Holdfast that runs here", ret_why))
        return NULL;
    if (level && !is_among(log_level_names, level)) {
        *ret_why =
            text_format("'%s' is not a level; expected debug, info, warning or error", level);
        return NULL;
    }
    json_t *levels = json_array();
    for (size_t i = 0; programs[i]; i++) {
        bool named = json_array_size(wanted) == 0;
        for (size_t k = 0; k < json_array_size(wanted); k++)
            named |= strcmp(json_string_value(json_array_get(wanted, k)), programs[i]) == 0;
        if (!named)
            continue;
        if (level && !write_level(keeper, programs[i], level))
            log_warning("the log level of %s cannot be written", programs[i]);
        json_array_append_new(levels, json_pack("{s:s,s:s}", "program", programs[i], "level",
                                                level_of(keeper, programs[i])));
    }
    return levels;
}
