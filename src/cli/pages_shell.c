/* SPDX-License-Identifier: Apache-2.0 */
/* Completions for bash, zsh and fish. Names of services come from `holdfast names`, with the config
 * that the line names. */
#include "base/buffer.h"
#include "cli/pages.h"
#include "cli/table.h"
#include <stdio.h>

static bool is_shown(const struct command *command) {
    return command->help != NULL;
}

/* Names of shown commands that take words of this kind, with `between` between them. */
static void put_commands_of(enum words_kind kind, const char *between) {
    bool any = false;
    for (const struct command *command = commands; command->name; command++) {
        if (!is_shown(command) || (kind != WORDS_ANY && command->kind != kind))
            continue;
        printf("%s%s", any ? between : "", command->name);
        any = true;
    }
}

static void put_all_commands(const char *between) {
    put_commands_of(WORDS_ANY, between);
}

/* In single quotes of a shell. `colon`: also a colon gets a backslash (zsh lists). */
static void put_quoted(const char *text, bool colon) {
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (colon && strchr(":[]", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static bool is_path(const struct command_option *option) {
    return strcmp(option->value, "FILE") == 0 || strcmp(option->value, "DIR") == 0;
}

static bool any_value(const struct command_option *option) {
    return option->value != NULL;
}
static bool path_value(const struct command_option *option) {
    return option->value && is_path(option);
}
/* Which installation is meant: `holdfast names` must get the same. */
static bool place_value(const struct command_option *option) {
    return option->value && !option->commands;
}

/* "-c | --config | --run": options of one sort, as alternatives of a case. */
static void put_options(bool (*is_meant)(const struct command_option *option),
                        const char *between) {
    const char *now = "";
    for (const struct command_option *option = options; option->def.name; option++) {
        if (!is_meant(option))
            continue;
        if (option->letter)
            printf("%s-%c", now, option->letter), now = between;
        printf("%s--%s", now, option->def.name), now = between;
    }
}

/* ---- bash ---- */

/* Its words are cut at '=' too: "--config" "=" "FILE". */
static void put_bash_scan(void) {
    puts("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        option=${COMP_WORDS[i]}\n"
         "        case $option in");
    printf("            ");
    put_options(any_value, " | ");
    printf(")\n"
           "                ((i++))\n"
           "                [[ ${COMP_WORDS[i]-} == = ]] && ((i++))\n"
           "                if ((i >= COMP_CWORD)); then\n"
           "                    before=$option\n"
           "                else\n"
           "                    case $option in\n"
           "                        ");
    put_options(place_value, " | ");
    puts(") place+=(\"$option\" \"${COMP_WORDS[i]}\") ;;\n"
         "                    esac\n"
         "                fi\n"
         "                ;;\n"
         "            -*) ;;\n"
         "            *) [[ -n $command ]] || command=$option ;;\n"
         "        esac\n"
         "    done\n"
         "    [[ $word != = ]] || word=");
}

static void put_bash_words(void) {
    printf("    if [[ $word != -* ]]; then\n"
           "        case $command in\n"
           "            \"\") list=\"");
    put_all_commands(" ");
    printf("\" ;;\n            ");
    put_commands_of(WORDS_SERVICES, " | ");
    printf(")\n                list=$(\"${COMP_WORDS[0]}\" names \"${place[@]}\" 2>/dev/null) ;;\n"
           "            ");
    put_commands_of(WORDS_COMMANDS, " | ");
    printf(") list=\"");
    put_all_commands(" ");
    puts("\" ;;\n        esac\n    else\n        case $command in");
    for (const struct command *command = commands; command->name; command++) {
        if (!is_shown(command) || command->has_own_options)
            continue;
        printf("            %s) list=\"", command->name);
        for (const struct command_option *option = options; option->def.name; option++)
            if (option_belongs(option, command))
                printf("--%s ", option->def.name);
        puts("\" ;;");
    }
    printf("            \"\") list=\"--version ");
    for (const struct command_option *option = options; option->def.name; option++)
        if (!option->commands)
            printf("--%s ", option->def.name);
    puts("\" ;;\n        esac\n    fi");
}

void pages_bash(void) {
    puts("# bash completion of holdfast; made by the build from the program's own tables.\n"
         "_holdfast() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before= command= list= option i\n"
         "    local place=()\n"
         "    COMPREPLY=()");
    put_bash_scan();
    printf("    case $before in\n        ");
    put_options(path_value, " | ");
    puts(")\n"
         "            compopt -o filenames\n"
         "            mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
         "            return\n"
         "            ;;\n"
         "        ?*) return ;;\n"
         "    esac");
    put_bash_words();
    puts("    mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$word\")\n"
         "}\n"
         "complete -F _holdfast holdfast");
}

/* ---- zsh ---- */

static void put_zsh_option(const struct command_option *option) {
    if (option->letter)
        printf(" '(-%c --%s)'{-%c,--%s%s}'[", option->letter, option->def.name, option->letter,
               option->def.name, option->value ? "=" : "");
    else
        printf(" '--%s%s[", option->def.name, option->value ? "=" : "");
    put_quoted(option->def.help, true);
    printf("]");
    if (option->value)
        printf(":%s:%s", option->value, is_path(option) ? "_files" : "");
    printf("'");
}

static void put_zsh_command(const struct command *command) {
    printf("                %s)\n                    ", command->name);
    if (command->has_own_options) {
        puts("_default ;;");
        return;
    }
    printf("_arguments -S");
    for (const struct command_option *option = options; option->def.name; option++)
        if (option_belongs(option, command))
            put_zsh_option(option);
    if (command->kind == WORDS_SERVICES)
        printf(" '*:service:_holdfast_services'");
    if (command->kind == WORDS_COMMANDS)
        printf(" '1:command:_holdfast_commands'");
    puts(" ;;");
}

static void put_zsh_helpers(void) {
    printf("_holdfast_services() {\n"
           "    local -a names place\n"
           "    local i expl\n"
           "    for ((i = 2; i < $#holdfast_words; i++)); do\n"
           "        case $holdfast_words[i] in\n"
           "            ");
    put_options(place_value, "|");
    puts(") place+=($holdfast_words[i] $holdfast_words[i+1]) ;;\n"
         "            --config=*|--run=*) place+=($holdfast_words[i]) ;;\n"
         "        esac\n"
         "    done\n"
         "    names=(${(f)\"$($holdfast_words[1] names $place 2>/dev/null)\"})\n"
         "    _wanted services expl service compadd -a names\n"
         "}\n"
         "_holdfast_commands() {\n"
         "    local -a list\n"
         "    list=(");
    for (const struct command *command = commands; command->name; command++) {
        if (!is_shown(command))
            continue;
        printf("        '%s:", command->name);
        put_quoted(command->help, true);
        puts("'");
    }
    puts("    )\n"
         "    _describe -t commands command list\n"
         "}");
}

void pages_zsh(void) {
    puts("#compdef holdfast\n"
         "# zsh completion of holdfast; made by the build from the program's own tables.");
    put_zsh_helpers();
    printf("_holdfast() {\n"
           "    local curcontext=\"$curcontext\" state line\n"
           "    local -a holdfast_words\n"
           "    holdfast_words=(\"${words[@]}\")\n"
           "    _arguments -C -S");
    for (const struct command_option *option = options; option->def.name; option++)
        if (!option->commands)
            put_zsh_option(option);
    puts(" '--version[the version]' '1:command:_holdfast_commands' '*:: :->words'\n"
         "    case $state in\n"
         "        words)\n"
         "            case $words[1] in");
    for (const struct command *command = commands; command->name; command++)
        if (is_shown(command))
            put_zsh_command(command);
    puts("            esac ;;\n"
         "    esac\n"
         "}\n"
         "_holdfast \"$@\"");
}

/* ---- fish ---- */

static void put_fish_helpers(void) {
    printf("function __holdfast_command\n"
           "    set -l skip 0\n"
           "    for word in (commandline -opc)[2..-1]\n"
           "        if test $skip = 1\n"
           "            set skip 0\n"
           "        else if contains -- $word ");
    put_options(any_value, " ");
    printf("\n            set skip 1\n"
           "        else if not string match -q -- '-*' $word\n"
           "            echo $word\n"
           "            return\n"
           "        end\n"
           "    end\n"
           "end\n"
           "function __holdfast_none\n"
           "    test -z (__holdfast_command)\"\"\n"
           "end\n"
           "function __holdfast_is\n"
           "    contains -- (__holdfast_command)\"\" $argv\n"
           "end\n"
           "function __holdfast_names\n"
           "    set -l words (commandline -opc)\n"
           "    set -l place\n"
           "    for i in (seq 2 (count $words))\n"
           "        if contains -- $words[$i] ");
    put_options(place_value, " ");
    puts("\n            set -a place $words[$i] $words[(math $i + 1)]\n"
         "        else if string match -q -- '--*=*' $words[$i]\n"
         "            set -a place $words[$i]\n"
         "        end\n"
         "    end\n"
         "    $words[1] names $place 2>/dev/null\n"
         "end\n"
         "complete -c holdfast -f");
}

static void put_fish_option(const struct command_option *option) {
    printf("complete -c holdfast");
    if (option->commands)
        printf(" -n '__holdfast_is %s'", option->commands);
    if (option->letter)
        printf(" -s %c", option->letter);
    printf(" -l %s%s -d '", option->def.name,
           !option->value    ? ""
           : is_path(option) ? " -r -F"
                             : " -x");
    put_quoted(option->def.help, false);
    puts("'");
}

void pages_fish(void) {
    puts("# fish completion of holdfast; made by the build from the program's own tables.");
    put_fish_helpers();
    for (const struct command *command = commands; command->name; command++) {
        if (!is_shown(command))
            continue;
        printf("complete -c holdfast -n __holdfast_none -a %s -d '", command->name);
        put_quoted(command->help, false);
        puts("'");
    }
    printf("complete -c holdfast -n '__holdfast_is ");
    put_commands_of(WORDS_SERVICES, " ");
    printf("' -a '(__holdfast_names)'\n"
           "complete -c holdfast -n '__holdfast_is ");
    put_commands_of(WORDS_COMMANDS, " ");
    printf("' -a '");
    put_all_commands(" ");
    puts("'");
    for (const struct command_option *option = options; option->def.name; option++)
        put_fish_option(option);
    puts("complete -c holdfast -n __holdfast_none -s V -l version -d 'the version'");
}
