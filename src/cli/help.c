/* SPDX-License-Identifier: Apache-2.0 */
/* Help for people, from the tables. Fits 80 columns. */
#include "base/log.h"
#include "base/text.h"
#include "cli/table.h"
#include <stdio.h>
#include <sysexits.h>

enum { HELP_COLUMNS = 80 };

/* Words from `column` on, the following lines below the first. */
static void print_wrapped(int column, const char *text) {
    int at = column;
    while (*text) {
        int size = (int)strcspn(text, " ");
        if (at > column && at + 1 + size > HELP_COLUMNS) {
            printf("\n%*s", column, "");
            at = column;
        }
        at += printf("%s%.*s", at > column ? " " : "", size, text);
        text += size;
        text += strspn(text, " ");
    }
    puts("");
}

static void print_option(const struct command_option *option) {
    char letter[8] = "   ", name[40];
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c,", option->letter);
    snprintf(name, sizeof name, "--%s%s%s", option->def.name, option->value ? " " : "",
             option->value ? option->value : "");
    if (strlen(name) > 14)
        printf("  %s %s\n%22s", letter, name, "");
    else
        printf("  %s %-14s  ", letter, name);
    print_wrapped(22, option->def.help);
}

static void print_options(const struct command *command, bool own) {
    for (const struct command_option *option = options; option->def.name; option++)
        if ((option->commands != NULL) == own && (!command || option_belongs(option, command)))
            print_option(option);
}

/* Wrapped under itself. */
static void print_usage(const struct command *command) {
    enum { WIDTH = 80 };
    int indent = printf("usage: holdfast %s", command->name), at = indent;
    for (const struct command_option *option = options; option->def.name; option++) {
        if (!option->commands || !option_belongs(option, command))
            continue;
        const char *space = option->value ? " " : "", *value = option->value ? option->value : "";
        AUTO_FREE char *word = option->letter
                                   ? text_format(" [-%c%s%s]", option->letter, space, value)
                                   : text_format(" [--%s%s%s]", option->def.name, space, value);
        if (at + (int)strlen(word) > WIDTH) {
            printf("\n%*s", indent, "");
            at = indent;
        }
        at += printf("%s", word);
    }
    if (at + (int)strlen(command->words) >= WIDTH)
        printf("\n%*s", indent, "");
    printf("%s%s\n", command->words[0] ? " " : "", command->words);
}

static void print_command(const struct command *command) {
    print_usage(command);
    puts("");
    printf("%c", command->help[0] >= 'a' && command->help[0] <= 'z' ? command->help[0] - 'a' + 'A'
                                                                    : command->help[0]);
    print_wrapped(1, command->help + 1);
    if (command->about)
        print_wrapped(0, command->about);
    if (command->has_own_options)
        return;
    puts("");
    print_options(command, true);
    print_options(command, false);
}

void help_print(const struct command *command) {
    if (command) {
        print_command(command);
        return;
    }
    puts("holdfast keeps Telegram bots running.\n\nusage: holdfast COMMAND [OPTION...]\n");
    for (const struct command *each = commands; each->name; each++) {
        if (!each->help)
            continue;
        printf("  %-10s", each->name);
        print_wrapped(12, each->help);
    }
    puts("\nOptions of all commands:");
    print_options(NULL, false);
    puts("\n`holdfast COMMAND --help` tells the rest; `man holdfast` everything.\n"
         "Exit codes are those of sysexits.h:");
    for (const struct exit_code *code = exit_codes; code->help; code++)
        printf("  %2d  %s\n", code->code, code->help);
}

static json_t *json_of(const struct command *command) {
    json_t *list = json_array();
    for (const struct command_option *option = options; option->def.name; option++) {
        char letter[2] = {option->letter, 0};
        if (option_belongs(option, command))
            json_array_append_new(list, json_pack("{s:s,s:s?,s:s?,s:s}", "name", option->def.name,
                                                  "letter", letter[0] ? letter : NULL, "value",
                                                  option->value, "help", option->def.help));
    }
    return json_pack("{s:s,s:s,s:s,s:s?,s:o}", "name", command->name, "words", command->words,
                     "help", command->help, "about", command->about, "options", list);
}

static void print_json(const struct command *command) {
    json_t *list = json_array();
    for (const struct command *each = commands; each->name; each++)
        if (each->help && (!command || each == command))
            json_array_append_new(list, json_of(each));
    json_print(json_pack("{s:o}", "commands", list));
}

int command_help(const struct cli *cli) {
    const struct command *command = cli->words[0] ? command_find(cli->words[0]) : NULL;
    if (cli->words[0] && (!command || !command->help))
        fatal(EX_USAGE, "'%s' is not a command; `holdfast --help` lists them", cli->words[0]);
    if (cli->json)
        print_json(command);
    else
        help_print(command);
    return cli->nothing ? EX_USAGE : 0;
}
