/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast - the command line. */
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include <stdio.h>
#include <sysexits.h>

struct command {
    const char *name;
    int (*run)(const struct cli *cli);
    const char *words; /* what may stand behind it */
    const char *help;
};
static const struct command commands[] = {
    {"init", command_init, "", "write a first holdfast.yaml here"},
    {"up", command_up, "[-d] [--replace]", "start everything and stay; -d: in the background"},
    {"down", command_down, "", "stop everything, in order"},
    {"status", command_status, "[SERVICE...]", "what runs, since when; of one: how it died before"},
    {"start", command_start, "SERVICE...", "start services and what they need"},
    {"stop", command_stop, "SERVICE...", "stop services and what needs them"},
    {"restart", command_restart, "SERVICE...", "restart just these services"},
    {"reload", command_reload, "", "apply a changed holdfast.yaml, all or nothing"},
    {"logs", command_logs, "[-f] [-n LINES] [SERVICE...]", "what services printed; see below"},
    {"log-level", command_log_level, "[LEVEL] [PROGRAM...]", "how much Holdfast itself logs"},
    {"check", command_check, "[--print]", "every error of the config at once"},
    {"health", command_health, "[--port N] [--strict]", "0 healthy or degraded, 1 down"},
    {"sim", command_sim, "[OPTION...]", "the simulator: Telegram without Telegram"},
    {"version", command_version, "", "the version"},
};

static void print_help(void) {
    puts("holdfast keeps Telegram bots running.\n\nusage: holdfast COMMAND [OPTION...]\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        printf("  %-8s %-28s %s\n", commands[i].name, commands[i].words, commands[i].help);
    puts("\n  -c FILE    the config (else $HOLDFAST_CONFIG, else ./holdfast.yaml)\n"
         "  --run DIR  the run folder (else one in /run or $XDG_RUNTIME_DIR)\n"
         "  --json     the answer for programs\n"
         "  --help     this\n\n"
         "logs: -f follow, -n LINES, -t with times, --since TIME, --until TIME, --grep REGEX "
         "(POSIX\n"
         "extended; -i: any case). TIME: 10m or 2h ago, 18:00 (the last), 2026-11-24, '2026-11-24\n"
         "18:00', or ISO 8601 with a zone; without one it is in the config's timezone, as are the\n"
         "times that -t shows (exact to a second or so). log-level: debug, info, warning, error;\n"
         "without words it shows them.\n\n"
         "exit codes: 0 done, 64 wrong words, 69 not running or already running, 73 cannot be\n"
         "created, 78 wrong config (sysexits.h)");
}

static const struct command *find_command(const char *name) {
    const char *names[COUNT_OF(commands) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    }
    const char *nearest = text_did_you_mean(name, names);
    if (nearest)
        fatal(EX_USAGE, "'%s' is not a command; did you mean '%s'?", name, nearest);
    fatal(EX_USAGE, "'%s' is not a command; `holdfast --help` lists them", name);
}

static const char *value_of(char **argv, int *i) {
    if (!argv[*i + 1])
        fatal(EX_USAGE, "%s needs a value; `holdfast --help` shows how", argv[*i]);
    return argv[++*i];
}

static int64_t number_of(const char *option, const char *text, int64_t max) {
    int64_t number = 0;
    if (text_to_int(text, 1, max, &number) < 0)
        fatal(EX_USAGE, "%s: '%s' was found, expected a whole number from 1 to %lld", option, text,
              (long long)max);
    return number;
}

static bool read_flag(struct cli *cli, const char *word) {
    const struct {
        const char *name, *other;
        bool *flag;
    } flags[] = {
        {"--json", "--json", &cli->json},         {"-f", "--follow", &cli->follow},
        {"-d", "--detach", &cli->detach},         {"--print", "--print", &cli->print},
        {"--strict", "--strict", &cli->strict},   {"--replace", "--replace", &cli->replace},
        {"-t", "--timestamps", &cli->timestamps}, {"-i", "--ignore-case", &cli->ignore_case}};
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (strcmp(word, flags[i].name) == 0 || strcmp(word, flags[i].other) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

static void read_words(struct cli *cli, int argc, char **argv) {
    size_t count = 0;
    cli->words = memory_array((size_t)argc + 1, sizeof *cli->words);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0)
            cli->config_path = value_of(argv, &i);
        else if (strcmp(argv[i], "--run") == 0)
            cli->run = value_of(argv, &i);
        else if (strcmp(argv[i], "-n") == 0)
            cli->lines = number_of("-n", value_of(argv, &i), 1000000);
        else if (strcmp(argv[i], "--since") == 0)
            cli->since = value_of(argv, &i);
        else if (strcmp(argv[i], "--until") == 0)
            cli->until = value_of(argv, &i);
        else if (strcmp(argv[i], "--grep") == 0)
            cli->grep = value_of(argv, &i);
        else if (strcmp(argv[i], "--port") == 0)
            cli->port = (uint16_t)number_of("--port", value_of(argv, &i), 65535);
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            print_help(), exit(0);
        else if (argv[i][0] == '-' && argv[i][1] && !read_flag(cli, argv[i]))
            fatal(EX_USAGE, "'%s' is not an option; `holdfast --help` lists them", argv[i]);
        else if (argv[i][0] != '-')
            cli->words[count++] = argv[i];
    }
}

int main(int argc, char **argv) {
    const char *config = getenv("HOLDFAST_CONFIG");
    struct cli cli = {.config_path = config && *config ? config : "holdfast.yaml"};
    log_open("holdfast");
    /* Options may stand before the command too. */
    int first = 1;
    while (argv[first] && argv[first][0] == '-' && strcmp(argv[first], "--help") != 0 &&
           strcmp(argv[first], "-h") != 0 && strcmp(argv[first], "--version") != 0)
        first += strcmp(argv[first], "--json") == 0 || !argv[first + 1] ? 1 : 2;
    const char *name = argv[first];
    if (!name || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
        strcmp(name, "help") == 0) {
        print_help();
        return name ? 0 : EX_USAGE;
    }
    if (strcmp(name, "--version") == 0)
        return command_version(&cli);
    const struct command *command = find_command(name);
    if (command->run == command_sim) {
        cli.words = argv + first + 1; /* its options are its own */
        return command->run(&cli);
    }
    AUTO_FREE char **words = memory_array((size_t)argc, sizeof *words);
    int count = 0;
    for (int i = 1; i < argc; i++)
        if (i != first)
            words[count++] = argv[i];
    read_words(&cli, count, words);
    int code = command->run(&cli);
    free(cli.words);
    return code;
}
