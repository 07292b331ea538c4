/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option.h"
#include "base/text.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>

static const struct {
    const char *name;
    int number;
} signals[] = {{"TERM", SIGTERM},  {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"HUP", SIGHUP},
               {"KILL", SIGKILL},  {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"ABRT", SIGABRT},
               {"ALRM", SIGALRM},  {"STOP", SIGSTOP}, {"CONT", SIGCONT}, {"SEGV", SIGSEGV},
               {"BUS", SIGBUS},    {"ILL", SIGILL},   {"FPE", SIGFPE},   {"PIPE", SIGPIPE},
               {"TRAP", SIGTRAP},  {"SYS", SIGSYS},   {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
               {"WINCH", SIGWINCH}};

int option_signal_number(const char *name) {
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (strcmp(name, signals[i].name) == 0)
            return signals[i].number;
    return 0;
}

const char *option_signal_name(int number) {
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (signals[i].number == number)
            return signals[i].name;
    return "?";
}

static void describe_amount(const struct option_def *option, char *ret_min, char *ret_max) {
    if (option->type == OPTION_DURATION) {
        text_from_duration(option->min, ret_min);
        text_from_duration(option->max, ret_max);
    } else {
        snprintf(ret_min, TEXT_DURATION_BYTES, "%lld", (long long)option->min);
        snprintf(ret_max, TEXT_DURATION_BYTES, "%lld", (long long)option->max);
    }
}

static char *describe_names(const char *const *names) {
    char *all = text_copy("one of");
    for (size_t i = 0; names[i]; i++) {
        AUTO_FREE char *before = all;
        all = text_format("%s %s%s", before, names[i], names[i + 1] ? "," : "");
    }
    return all;
}

char *option_describe(const struct option_def *option) {
    char min[TEXT_DURATION_BYTES], max[TEXT_DURATION_BYTES];
    describe_amount(option, min, max);
    switch (option->type) {
    case OPTION_BOOL:
        return text_copy("true or false");
    case OPTION_INT:
        if (option->max == INT64_MAX)
            return option->min == INT64_MIN ? text_copy("a whole number")
                                            : text_format("a whole number, at least %s", min);
        return text_format("a whole number from %s to %s", min, max);
    case OPTION_DURATION:
        return text_format("a duration from %s to %s, such as 500ms, 30s, 5m or 2h", min, max);
    case OPTION_SIZE:
        return text_format("a size from %s to %s bytes, such as 64KB or 10MB", min, max);
    case OPTION_PORT:
        return text_copy("a port from 1 to 65535");
    case OPTION_SIGNAL:
        return text_copy("a signal name such as TERM, INT or QUIT");
    case OPTION_ENUM:
        return describe_names(option->names);
    case OPTION_TEXT:
    case OPTION_OTHER:
        break;
    }
    return text_copy("text");
}

static int set_enum(const struct option_def *option, const char *text, int *field) {
    for (int i = 0; option->names[i]; i++) {
        if (strcmp(option->names[i], text) == 0) {
            *field = i;
            return 0;
        }
    }
    return -EINVAL;
}

static int set_field(const struct option_def *option, void *field, const char *text) {
    int64_t number = 0;
    int r;
    switch (option->type) {
    case OPTION_TEXT:
        free(*(char **)field);
        *(char **)field = text_copy(text);
        return 0;
    case OPTION_BOOL:
        return text_to_bool(text, field);
    case OPTION_INT:
        return text_to_int(text, option->min, option->max, field);
    case OPTION_DURATION:
        return text_to_duration(text, option->min, option->max, field);
    case OPTION_SIZE:
        return text_to_size(text, option->min, option->max, field);
    case OPTION_PORT:
        r = text_to_int(text, 1, 65535, &number);
        if (r == 0)
            *(uint16_t *)field = (uint16_t)number;
        return r;
    case OPTION_SIGNAL:
        number = option_signal_number(text);
        if (number)
            *(int *)field = (int)number;
        return number ? 0 : -EINVAL;
    case OPTION_ENUM:
        return set_enum(option, text, field);
    case OPTION_OTHER:
        break;
    }
    return -EINVAL;
}

int option_set(const struct option_def *option, void *target, const char *text,
               char **ret_expected) {
    if (set_field(option, (char *)target + option->offset, text) == 0)
        return 0;
    *ret_expected = option_describe(option);
    return -EINVAL;
}

void option_set_defaults(const struct option_def *options, size_t count, void *target) {
    for (size_t i = 0; i < count; i++) {
        if (!options[i].fallback || options[i].type == OPTION_OTHER)
            continue;
        int r = set_field(&options[i], (char *)target + options[i].offset, options[i].fallback);
        must(r == 0);
    }
}

const struct option_def *option_find(const struct option_def *options, size_t count,
                                     const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

const char *option_did_you_mean(const struct option_def *options, size_t count, const char *name) {
    const char **names = memory_array(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = options[i].name;
    const char *nearest = text_did_you_mean(name, names);
    free(names);
    return nearest;
}
