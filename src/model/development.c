/* SPDX-License-Identifier: Apache-2.0 */
#include "model/development.h"

static const char remove_flag[] = "remove it from the command or the script that adds it: in "
                                  "production it restarts at every changed file";
static const char remove_debug[] = "remove it from the command or the script that adds it: in "
                                   "production it shows and opens what nobody else may see";
static const char run_itself[] = "start the program itself: what watches files restarts it at "
                                 "every one that changes";
static const char unset[] = "set it to production, or remove it";
static const char debug_in_code[] =
    "the program runs its own reloader: start it without debug, such "
    "as app.run(debug=False) or a production server";

/* As a whole argument, or before "=". */
static const struct development_finding flags[] = {
    {"--reload", remove_flag},      {"--watch", remove_flag},     {"--watch-path", remove_flag},
    {"--debug", remove_debug},      {"--debugger", remove_debug}, {"--inspect", remove_debug},
    {"--inspect-brk", remove_debug}};
/* The name of a file among the arguments: an interpreter may run it. */
static const struct development_finding programs[] = {
    {"nodemon", run_itself},  {"ts-node-dev", run_itself}, {"tsnd", run_itself},
    {"node-dev", run_itself}, {"watchmedo", run_itself},   {"watchexec", run_itself}};
static const struct development_finding variables[] = {
    {"FLASK_ENV=development", unset},
    {"FLASK_DEBUG=1", unset},
    {"FLASK_DEBUG=true", unset},
    /* Set by the reloaders of Flask (Werkzeug) and Django for the program below them. */
    {"WERKZEUG_RUN_MAIN=true", debug_in_code},
    {"RUN_MAIN=true", debug_in_code}};

static bool is_flag(const char *word, const char *flag) {
    size_t size = strlen(flag);
    return strncmp(word, flag, size) == 0 && (!word[size] || word[size] == '=');
}

struct development_finding development_look(char *const *argv, char *const *env) {
    for (; argv && *argv; argv++) {
        const char *slash = strrchr(*argv, '/'), *name = slash ? slash + 1 : *argv;
        for (size_t i = 0; i < COUNT_OF(flags); i++)
            if (is_flag(*argv, flags[i].word))
                return flags[i];
        for (size_t i = 0; i < COUNT_OF(programs); i++)
            if (strcmp(name, programs[i].word) == 0)
                return programs[i];
    }
    for (; env && *env; env++)
        for (size_t i = 0; i < COUNT_OF(variables); i++)
            if (strcmp(*env, variables[i].word) == 0)
                return variables[i];
    return (struct development_finding){0};
}
