/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"
#include <sysexits.h>

const struct command commands[] = {
    {"init", command_init, "", WORDS_NONE, "write a first holdfast.yaml here",
     "Writes the config and a file .env beside it. Nothing that exists is overwritten.", false},
    {"up", command_up, "", WORDS_NONE, "start everything and stay in the foreground",
     "Starts the services in the order of their needs. SIGTERM or SIGINT stops them in reverse; a "
     "second one stops at once. Services that an earlier run left behind are taken over as they "
     "are.",
     false},
    {"down", command_down, "", WORDS_NONE, "stop everything, in order",
     "Returns when everything has ended.", false},
    {"status", command_status, "[SERVICE...]", WORDS_SERVICES,
     "what runs and what does not, why, and what to do",
     "With names also how these services ended before, with their last lines.", false},
    {"top", command_top, "", WORDS_NONE, "the same and more, live in the terminal",
     "Keys: arrows select; r restarts, s stops or starts, l shows the log of the selected one; "
     "c, m, n, w, o sort by CPU, memory, name, the worst first, the order of the config; ? shows "
     "all keys; q ends.",
     false},
    {"start", command_start, "SERVICE...", WORDS_SERVICES, "start services and what they need",
     "The word all means every service but the hub.", false},
    {"stop", command_stop, "SERVICE...", WORDS_SERVICES, "stop services and what needs them",
     "The word all means every service but the hub.", false},
    {"restart", command_restart, "SERVICE...", WORDS_SERVICES, "restart just these services",
     "The word all means every service but the hub.", false},
    {"reload", command_reload, "", WORDS_NONE, "apply a changed holdfast.yaml, all or nothing",
     "Only services whose definition changed are restarted. With an error in the file nothing "
     "changes.",
     false},
    {"upgrade", command_upgrade, "", WORDS_NONE,
     "run the installed programs under the running services",
     "Anchor and keeper are replaced, then the hub and the trader are restarted; no other service "
     "notices. A program that does not run is not tried.",
     false},
    {"logs", command_logs, "[SERVICE...]", WORDS_SERVICES, "what services printed",
     "Without a name: of all. A TIME is 10m or 2h ago, 18:00 (the last one), 2026-11-24, "
     "'2026-11-24 18:00', or ISO 8601 with a zone; without a zone it is in the time zone of the "
     "config, as are the times that -t shows (exact to a second or so).",
     false},
    {"log-level", command_log_level, "[LEVEL] [PROGRAM...]", WORDS_ANY,
     "how much Holdfast itself logs",
     "LEVEL is debug, info, warning or error; without words the levels are shown.", false},
    {"events", command_events, "[SERVICE...]", WORDS_SERVICES,
     "what happened: starts, exits, hangs, reloads", "Times are in the time zone of the config.",
     false},
    {"alert", command_alert, "[TEXT...]", WORDS_ANY, "send an alert to people, by the hub",
     "Exit code 0: it is on disk and will be sent. Without a word, or with the word -, the text is "
     "read from stdin. In a crontab: backup.sh || holdfast alert -p HIGH \"backup failed\". A text "
     "that begins with - stands behind --.",
     false},
    {"alerts", command_alerts, "[ID... | ack|replay ID... | breaker STATE [WAY] | stats]",
     WORDS_ANY, "what became of alerts; acknowledge them, send them once more",
     "Without a word the newest; with ids these as a whole. ack says that you know: CRITICAL ones "
     "are told again until somebody does; ack all, of all that wait. replay sends again what has "
     "ended; replay failed, all that failed. breaker open holds all alerts back, or those by one "
     "WAY (telegram, or a name of alerts.also); breaker closed lets them go. stats counts what "
     "became of them. Times are in the time zone of the config.",
     false},
    {"silence", command_silence, "[COMMENT...]", WORDS_ANY,
     "for some time tell nobody of alerts that fit",
     "What fits is said by --service, --type, --title, --text and --priority, with * and ? as in a "
     "shell; CRITICAL ones only when --priority names them. They are kept as silenced, and "
     "`holdfast alerts replay` sends them after all.",
     false},
    {"silences", command_silences, "[end ID...]", WORDS_ANY, "which silences there are; end one",
     NULL, false},
    {"check", command_check, "", WORDS_NONE, "every error of the config at once", NULL, false},
    {"doctor", command_doctor, "", WORDS_NONE, "what is wrong on this machine, and what to do",
     NULL, false},
    {"deploy", command_deploy, "SERVICE", WORDS_SERVICES,
     "bring a new version of a service, or go back to the old",
     "Pulls or unpacks, checks, restarts the service and waits until it stays ready; else the "
     "former "
     "version comes back. See deploy: in holdfast.yaml(5).",
     false},
    {"health", command_health, "", WORDS_NONE, "0 healthy or degraded, 1 down",
     "Asks the hub on this machine; made for the health check of a container.", false},
    {"sim", command_sim, "[OPTION...]", WORDS_ANY, "the simulator: Telegram without Telegram",
     "Its options are its own: holdfast sim --help.", true},
    {"help", command_help, "[COMMAND]", WORDS_COMMANDS, "this, or the help of one command", NULL,
     false},
    {"version", command_version, "", WORDS_NONE, "the version", NULL, false},
    {"names", command_names, "", WORDS_NONE, NULL, NULL, false}, /* for completions */
    {0}};

#define CLI(field) offsetof(struct cli, field)
#define FLAG(name, field, help)                                                                    \
    { name, OPTION_BOOL, CLI(field), NULL, 0, 0, NULL, help }
const struct command_option options[] = {
    {FLAG("detach", detach, "in the background; returns when the keeper answers"), 'd', NULL, "up"},
    {FLAG("replace", replace, "stop the one that runs with the same data folder first"), 0, NULL,
     "up"},
    {FLAG("follow", follow, "go on with what comes"), 'f', NULL, "logs events"},
    {{"since", OPTION_TEXT, CLI(since), NULL, 0, 0, NULL, "from this time on"}, 0, "TIME", "logs"},
    {{"until", OPTION_TEXT, CLI(until), NULL, 0, 0, NULL, "up to this time"}, 0, "TIME", "logs"},
    {{"grep", OPTION_TEXT, CLI(grep), NULL, 0, 0, NULL,
      "only lines with this POSIX extended regular expression"},
     0,
     "REGEX",
     "logs"},
    {FLAG("ignore-case", ignore_case, "--grep in any case"), 'i', NULL, "logs"},
    {FLAG("timestamps", timestamps, "the time before each line"), 't', NULL, "logs"},
    {{"lines", OPTION_INT, CLI(lines), NULL, 1, 1000000, NULL, "the last COUNT; else 20"},
     'n',
     "COUNT",
     "logs events alerts"},
    {{"priority", OPTION_TEXT, CLI(priority), NULL, 0, 0, NULL,
      "CRITICAL, HIGH, MEDIUM or LOW; alert: else MEDIUM"},
     'p',
     "WORD",
     "alert silence"},
    {{"title", OPTION_TEXT, CLI(title), NULL, 0, 0, NULL, "of the head line"},
     0,
     "TEXT",
     "alert silence"},
    {{"service", OPTION_TEXT, CLI(service), NULL, 0, 0, NULL, "of the head line"},
     0,
     "NAME",
     "alert silence"},
    {{"type", OPTION_TEXT, CLI(type), NULL, 0, 0, NULL,
      "its kind; the same kind and words within 5 minutes are one alert"},
     0,
     "WORD",
     "alert silence"},
    {{"dedup-key", OPTION_TEXT, CLI(dedup_key), NULL, 0, 0, NULL,
      "your own word for the same; then the words do not matter"},
     0,
     "WORD",
     "alert"},
    {{"group", OPTION_TEXT, CLI(group), NULL, 0, 0, NULL,
      "your own word for one kind, of which many become few messages; '': always alone"},
     0,
     "WORD",
     "alert"},
    {{"text", OPTION_TEXT, CLI(text), NULL, 0, 0, NULL, "of the alert"}, 0, "TEXT", "silence"},
    {{"for", OPTION_TEXT, CLI(duration), NULL, 0, 0, NULL,
      "how long: 30m, 2h, 1d; alerts stats: how far back, else 24h"},
     0,
     "TIME",
     "silence alerts"},
    {{"every", OPTION_TEXT, CLI(every), NULL, 0, 0, NULL,
      "alerts stats: in periods of this length, such as 1h or 1d"},
     0,
     "TIME",
     "alerts"},
    {{"by", OPTION_TEXT, CLI(by), NULL, 0, 0, NULL,
      "alerts stats: priority, type, service or way; else priority"},
     0,
     "WORD",
     "alerts"},
    {{"state", OPTION_TEXT, CLI(state), NULL, 0, 0, NULL,
      "only waiting, sending, delivered, failed, unknown or silenced ones"},
     0,
     "STATE",
     "alerts"},
    {FLAG("online", online, "ask Telegram and the exchange too"), 0, NULL, "check doctor"},
    {{"from", OPTION_TEXT, CLI(from), NULL, 0, 0, NULL, "an archive instead of pull"},
     0,
     "FILE",
     "deploy"},
    {FLAG("print", print, "show the config that holds, secrets masked"), 0, NULL, "check"},
    {{"port", OPTION_PORT, CLI(port), NULL, 0, 0, NULL, "the hub's port; else found by itself"},
     0,
     "PORT",
     "health"},
    {FLAG("strict", strict, "degraded is 1 too"), 0, NULL, "health"},
    {{"config", OPTION_TEXT, CLI(config_path), "holdfast.yaml", 0, 0, NULL,
      "the config; else $HOLDFAST_CONFIG, else ./holdfast.yaml"},
     'c',
     "FILE",
     NULL},
    {{"run", OPTION_TEXT, CLI(run), NULL, 0, 0, NULL,
      "the run folder; else one in /run or $XDG_RUNTIME_DIR"},
     0,
     "DIR",
     NULL},
    {FLAG("json", json, "the answer for programs, one JSON object a line"), 0, NULL, NULL},
    {FLAG("help", help, "what the command does and takes"), 'h', NULL, NULL},
    {{0}, 0, NULL, NULL}};

const struct exit_code exit_codes[] = {
    {0, "done"},
    {1, "health, doctor: something is wrong; deploy: it went back"},
    {EX_USAGE, "wrong words; or there is no such service, no such alert"},
    {EX_DATAERR, "alert, alerts: the hub refuses what was sent"},
    {EX_NOINPUT, "the config, or a log, is not there"},
    {EX_UNAVAILABLE, "nothing is running here, no hub answers; up: already running"},
    {EX_SOFTWARE, "not up in time"},
    {EX_OSERR, "the machine refuses: no process, no memory"},
    {EX_OSFILE, "a program of the installation is missing"},
    {EX_CANTCREAT, "a file or folder cannot be made or written"},
    {EX_IOERR, "reading or writing failed"},
    {EX_TEMPFAIL, "not done, try later; down: still stopping after 5 minutes"},
    {EX_NOPERM, "alert, alerts: the hub wants another token"},
    {EX_CONFIG, "the config has errors"},
    {0, NULL}};

const struct name_help environment_variables[] = {
    {"HOLDFAST_CONFIG", "the config, when -c is not given"},
    {"XDG_RUNTIME_DIR", "where the run folder is made for anybody but root"},
    {"NO_COLOR", "when set and not empty: no colours"},
    {NULL, NULL}};

const struct command *command_find(const char *name) {
    for (const struct command *command = commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

static bool list_has(const char *list, const char *word) {
    size_t size = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += size)
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || !at[size]))
            return true;
    return false;
}

bool option_belongs(const struct command_option *option, const struct command *command) {
    if (command->has_own_options)
        return false;
    return !option->commands || list_has(option->commands, command->name);
}
