/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - the command line as two tables: commands and options. Parsing, `--help`, the
 * completions of the shells and holdfast(1) all come from them; nothing is known elsewhere.
 *
 * A new command: a row of commands[] in table.c, its function in cli.h. A new option: a row of
 * options[], its field in struct cli. */
#pragma once
#include "base/option.h"
#include "cli/cli.h"

enum words_kind { WORDS_NONE, WORDS_SERVICES, WORDS_COMMANDS, WORDS_ANY };
struct command {
    const char *name;
    int (*run)(const struct cli *cli);
    const char *words;    /* what stands behind it, as shown: "SERVICE..." */
    enum words_kind kind; /* ... and how it is completed; WORDS_NONE: nothing may stand there */
    const char *help;     /* one line; NULL: not shown to people */
    const char *about;    /* more, for the command's help and its man page; may be NULL */
    bool has_own_options; /* all that follows goes to another program as it is */
};
extern const struct command commands[]; /* ends with a row without name */

struct command_option {
    struct option_def def; /* offset in struct cli; a flag is OPTION_BOOL without `value` */
    char letter;           /* 'c' for -c; 0: none */
    const char *value;     /* the word for its value: "FILE"; NULL: a flag */
    const char *commands;  /* names of those that take it, "logs events"; NULL: all */
};
extern const struct command_option options[]; /* ends with a row without name */

struct exit_code {
    int code;
    const char *help;
};
extern const struct exit_code exit_codes[]; /* ends with a row without help */
struct name_help {
    const char *name, *help;
};
extern const struct name_help environment_variables[]; /* ends with a row without name */

const struct command *command_find(const char *name); /* NULL: none */
bool option_belongs(const struct command_option *option, const struct command *command);

/* Reads the words of argv into `cli` and returns the command; on wrong words says why and exits
 * 64. Help and version are commands too. */
const struct command *command_line_read(struct cli *cli, char **argv);
void command_line_deinit(struct cli *cli);
/* Help of one command, NULL for the whole. */
void help_print(const struct command *command);
