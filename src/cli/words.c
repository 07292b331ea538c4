/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the command line, read by the tables. */
#include "base/log.h"
#include "base/text.h"
#include "cli/table.h"
#include <stdio.h>
#include <sysexits.h>

/* An option is judged when the command is known: it may stand before it. */
struct given {
    const struct command_option *option;
    char *shown; /* as it was typed: "-n", "--lines" */
    const char *value;
};
struct line {
    struct cli *cli;
    const struct command *command;
    char **at; /* the rest of argv */
    struct given *given;
    size_t given_count, word_count;
    bool only_words; /* behind "--" */
};

static _Noreturn void refuse_command(const char *name) {
    const char *names[64] = {0};
    size_t count = 0;
    for (const struct command *command = commands; command->name; command++)
        if (command->help && count < COUNT_OF(names) - 1)
            names[count++] = command->name;
    const char *nearest = text_did_you_mean(name, names);
    if (nearest)
        fatal(EX_USAGE, "'%s' is not a command; did you mean '%s'?", name, nearest);
    fatal(EX_USAGE, "'%s' is not a command; `holdfast --help` lists them", name);
}

static _Noreturn void refuse_option(const struct line *line, const char *shown) {
    const char *names[64] = {0};
    size_t count = 0;
    for (const struct command_option *option = options; option->def.name; option++)
        if (count < COUNT_OF(names) - 1 &&
            (!line->command || option_belongs(option, line->command)))
            names[count++] = option->def.name;
    const char *word = shown + strspn(shown, "-");
    const char *nearest = strlen(word) > 1 ? text_did_you_mean(word, names) : NULL;
    if (nearest)
        fatal(EX_USAGE, "'%s' is not an option; did you mean '--%s'?", shown, nearest);
    fatal(EX_USAGE, "'%s' is not an option; `holdfast %s%s--help` lists them", shown,
          line->command ? line->command->name : "", line->command ? " " : "");
}

/* Two commands may use one letter for different things: the command's own goes first. */
static const struct command_option *find_option(const struct line *line, const char *name,
                                                size_t size, char letter) {
    const struct command_option *any = NULL;
    for (const struct command_option *option = options; option->def.name; option++) {
        bool same = letter ? option->letter == letter
                           : slice_is((struct slice){name, size}, option->def.name);
        if (same && line->command && option_belongs(option, line->command))
            return option;
        if (same && !any)
            any = option;
    }
    return any;
}

static const char *value_of(struct line *line, const char *shown,
                            const struct command_option *option) {
    if (!*line->at)
        fatal(EX_USAGE, "%s needs a value, %s; `holdfast --help` shows how", shown, option->value);
    return *line->at++;
}

static void add_given(struct line *line, const struct command_option *option, char *shown,
                      const char *value) {
    line->given = memory_grow(line->given, line->given_count + 1, sizeof *line->given);
    line->given[line->given_count++] = (struct given){option, shown, value};
}

static void read_long(struct line *line, const char *word) {
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct command_option *option = find_option(line, name, size, 0);
    char *shown = text_format("--%.*s", (int)size, name);
    if (!option)
        refuse_option(line, shown);
    if (equals && !option->value)
        fatal(EX_USAGE, "%s takes no value, but '%s' was given", shown, equals + 1);
    const char *value = equals ? equals + 1 : option->value ? value_of(line, shown, option) : NULL;
    add_given(line, option, shown, value);
}

/* "-f", "-fn 5", "-n5" */
static void read_letters(struct line *line, const char *word) {
    for (const char *at = word + 1; *at; at++) {
        const struct command_option *option = find_option(line, NULL, 0, *at);
        char *shown = text_format("-%c", *at);
        if (!option)
            refuse_option(line, shown);
        if (!option->value) {
            add_given(line, option, shown, NULL);
            continue;
        }
        add_given(line, option, shown, at[1] ? at + 1 : value_of(line, shown, option));
        return;
    }
}

static void read_word(struct line *line, char *word) {
    if (line->command) {
        line->cli->words[line->word_count++] = word;
        return;
    }
    line->command = command_find(word);
    if (!line->command)
        refuse_command(word);
    line->only_words = line->command->has_own_options;
}

static void set_option(const struct line *line, const struct given *given) {
    const struct command_option *option = given->option;
    char *field = (char *)line->cli + option->def.offset;
    AUTO_FREE char *expected = NULL;
    if (!option_belongs(option, line->command))
        fatal(EX_USAGE, "%s is not an option of `holdfast %s`; `holdfast %s --help` lists them",
              given->shown, line->command->name, line->command->name);
    if (!option->value)
        *(bool *)field = true;
    else if (option_set(&option->def, line->cli, given->value, &expected) < 0)
        fatal(EX_USAGE, "%s: '%s' was found, expected %s", given->shown, given->value, expected);
}

static void set_defaults(struct cli *cli) {
    const char *config = getenv("HOLDFAST_CONFIG");
    for (const struct command_option *option = options; option->def.name; option++)
        option_set_defaults(&option->def, 1, cli);
    if (!config || !*config)
        return;
    free(cli->config_path);
    cli->config_path = text_copy(config);
}

/* What --help and --version mean, wherever they stand. */
static const struct command *settle(struct line *line) {
    struct cli *cli = line->cli;
    if (!line->command)
        line->command = command_find("help");
    for (size_t i = 0; i < line->given_count; i++)
        set_option(line, &line->given[i]);
    if (cli->help && line->command->run != command_help) {
        cli->words[0] = (char *)line->command->name;
        cli->words[1] = NULL;
        return command_find("help");
    }
    if (line->command->kind == WORDS_NONE && cli->words[0])
        fatal(EX_USAGE, "`holdfast %s` takes no words, but '%s' was given; `holdfast %s --help`",
              line->command->name, cli->words[0], line->command->name);
    return line->command;
}

const struct command *command_line_read(struct cli *cli, char **argv) {
    struct line line = {.cli = cli, .at = argv + 1};
    size_t count = 0;
    while (argv[count])
        count++;
    cli->words = memory_array(count + 2, sizeof *cli->words);
    set_defaults(cli);
    while (*line.at) {
        char *word = *line.at++;
        if (line.only_words || word[0] != '-' || !word[1])
            read_word(&line, word);
        else if (strcmp(word, "--") == 0)
            line.only_words = true;
        else if (!line.command && (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0))
            line.command = command_find("version");
        else
            (word[1] == '-' ? read_long : read_letters)(&line, word);
    }
    bool none = !line.command;
    const struct command *command = settle(&line);
    cli->nothing = none && !cli->help;
    for (size_t i = 0; i < line.given_count; i++)
        free(line.given[i].shown);
    free(line.given);
    return command;
}

void command_line_deinit(struct cli *cli) {
    free(cli->config_path);
    free(cli->run);
    free(cli->from);
    free(cli->since);
    free(cli->until);
    free(cli->grep);
    free(cli->priority);
    free(cli->title);
    free(cli->type);
    free(cli->service);
    free(cli->dedup_key);
    free(cli->group);
    free(cli->duration);
    free(cli->every);
    free(cli->by);
    free(cli->text);
    free(cli->state);
    free(cli->words);
}

char *words_join(char *const *words) {
    struct buffer text = {0};
    for (size_t i = 0; words[i]; i++)
        buffer_print(&text, "%s%s", i ? " " : "", words[i]);
    return buffer_take(&text);
}
