/* SPDX-License-Identifier: Apache-2.0 */
/* scdoc(5): *bold*, _underlined_, a line that begins with a tab is indented. */
#include "cli/pages.h"
#include "cli/table.h"
#include "wire/config_sections.h"
#include <stdio.h>

/* What means something to scdoc gets a backslash; a line never begins with such a character. */
static void put(const char *text) {
    for (; *text; text++) {
        if (strchr("*_\\#[]|<>`~+-.", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void put_bold(const char *text) {
    putchar('*');
    put(text);
    putchar('*');
}

/* A name such as sd_notify or http:// at its beginning stays as it is. */
static void put_sentence(const char *text) {
    size_t size = strlen(text), letters = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    if (letters && strchr(" ,.:;", text[letters]))
        putchar(*text++ - 'a' + 'A');
    put(text);
    if (size && !strchr(".:?", text[strlen(text) - 1]))
        put(".");
}

static void put_head(const char *page) {
    printf("%s \"Holdfast %s\" \"Holdfast\"\n\n", page, HOLDFAST_VERSION);
}

/* ---- holdfast(1) ---- */

static void put_option_words(const struct command_option *option) {
    if (option->letter) {
        char letter[3] = {'-', option->letter, 0};
        put_bold(letter);
        put(", ");
    }
    AUTO_FREE char *name = text_format("--%s", option->def.name);
    put_bold(name);
    if (option->value)
        printf(" _%s_", option->value);
}

static void put_option(const struct command_option *option, const char *indent) {
    printf("%s", indent);
    put_option_words(option);
    printf("\n%s\t", indent);
    put_sentence(option->def.help);
    if (option->def.fallback) {
        put(" Default: ");
        put(option->def.fallback);
        put(".");
    }
    puts("\n");
}

static void put_command(const struct command *command) {
    put_bold(command->name);
    if (command->words[0])
        printf(" "), put(command->words);
    printf("\n\t");
    put_sentence(command->help);
    if (command->about)
        putchar(' '), put(command->about);
    puts("\n");
    for (const struct command_option *option = options; option->def.name; option++)
        if (option->commands && option_belongs(option, command))
            put_option(option, "\t");
}

static void put_paragraph(const char *text) {
    put(text);
    puts("\n");
}

/* A command of an example, with what it does below. */
static void put_example(const char *command, const char *what) {
    put_bold(command);
    printf("\n\t");
    put(what);
    puts("\n");
}

static void put_lists(void) {
    puts("# OPTIONS\n\nOf all commands; they may stand before the command too.\n");
    for (const struct command_option *option = options; option->def.name; option++)
        if (!option->commands)
            put_option(option, "");
    puts("# EXIT STATUS\n\nThe codes of sysexits.h.\n");
    for (const struct exit_code *code = exit_codes; code->help; code++) {
        printf("*%d*\n\t", code->code);
        put_sentence(code->help);
        puts("\n");
    }
    puts("# ENVIRONMENT\n");
    for (const struct name_help *variable = environment_variables; variable->name; variable++) {
        put_bold(variable->name);
        printf("\n\t");
        put_sentence(variable->help);
        puts("\n");
    }
}

void pages_man_command(void) {
    put_head("holdfast(1)");
    puts("# NAME\n\nholdfast - keeps Telegram bots and other services running\n");
    puts("# SYNOPSIS\n\n*holdfast* _COMMAND_ [_OPTION_...] [_WORD_...]\n");
    puts("# DESCRIPTION\n");
    put_paragraph("Holdfast starts what its config names, in the order of its needs, watches it, "
                  "restarts what dies or hangs, keeps what it prints, and tells people.");
    put_paragraph("One program runs for each data folder; all commands find it by the config.");
    puts("# COMMANDS\n");
    for (const struct command *command = commands; command->name; command++)
        if (command->help)
            put_command(command);
    put_lists();
    puts("# FILES\n");
    put_example("holdfast.yaml", "The config, see holdfast.yaml(5).");
    put_example(".env", "Beside the config: variables, secrets among them.");
    put_example("data/logs/SERVICE.log", "What a service printed; older files have a number.");
    puts("# EXAMPLES\n");
    put_example("holdfast init && holdfast check && holdfast up -d",
                "A first start in the background.");
    put_example("holdfast status", "Is everything all right, and if not, what to do.");
    put_example("holdfast logs -f bot", "What the service bot prints.");
    put_example("holdfast events -f --json", "Everything that happens, for a program.");
    puts("# SEE ALSO\n\n*holdfast.yaml*(5)");
}

/* ---- holdfast.yaml(5) ---- */

static void put_setting(const struct option_def *option) {
    AUTO_FREE char *expected = option_describe(option);
    put_bold(option->name);
    printf("\n\t");
    put_sentence(option->help);
    if (option->type != OPTION_OTHER && option->type != OPTION_TEXT) {
        put(" Expected: ");
        put(expected);
        put(".");
    }
    if (option->fallback) {
        put(" Default: ");
        put(option->fallback);
        put(".");
    }
    puts("\n");
}

void pages_man_config(void) {
    put_head("holdfast.yaml(5)");
    puts("# NAME\n\nholdfast.yaml - what Holdfast keeps running\n");
    puts("# DESCRIPTION\n");
    put_paragraph("One YAML file says what runs. holdfast check names every mistake in it at once, "
                  "with its place and what was expected; holdfast init writes a first one. A "
                  "change is applied by holdfast reload, and by nothing else.");
    put_paragraph("Durations are 250ms, 5s, 5m, 2h, 1d (a bare number is seconds), sizes 64KB, "
                  "10MB, 1GB (powers of 1024). Relative paths begin at the folder of the config.");
    put_paragraph("${NAME} and ${NAME:-default} are replaced from the environment, then from the "
                  "file .env beside the config; when only NAME_FILE is set, the content of that "
                  "file is taken.");
    const struct config_section *section;
    for (size_t i = 0; (section = config_section(i)); i++) {
        printf("# %s\n\n", section->name[0] ? section->name : "TOP OF THE FILE");
        if (section->name[0])
            put_paragraph(section->about);
        const struct option_def *option;
        for (size_t k = 0; (option = config_section_option(section, k)); k++)
            put_setting(option);
    }
    puts("# EXAMPLE\n\n```\n"
         "name: my-vps\n"
         "timezone: Asia/Ho_Chi_Minh\n"
         "bots:\n"
         "  main: {token: \"${BOT_TOKEN}\", owner: \"${OWNER_USER_ID}\"}\n"
         "services:\n"
         "  api: {command: uvicorn api:app --port 8100}\n"
         "  bot: {command: python3 bot.py, needs: [api], consumer: main}\n"
         "```\n");
    puts("# SEE ALSO\n\n*holdfast*(1)");
}
