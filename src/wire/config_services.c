/* SPDX-License-Identifier: Apache-2.0 */
/* The services: part of holdfast.yaml. */
#include "base/file.h"
#include "base/text.h"
#include "base/zone.h"
#include "model/development.h"
#include "wire/config_reader.h"
#include "wire/dotenv.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { DAY_MS = 86400000, HOUR_MS = 3600000, INSTANCES_MAX = 100 };

static int read_command(struct reader *reader, const struct yaml_node *node, void *field);
static int read_list(struct reader *reader, const struct yaml_node *node, void *field);
static int read_env(struct reader *reader, const struct yaml_node *node, void *field);
static int read_env_file(struct reader *reader, const struct yaml_node *node, void *field);
static int read_user(struct reader *reader, const struct yaml_node *node, void *field);
static int read_umask(struct reader *reader, const struct yaml_node *node, void *field);
static int read_probe(struct reader *reader, const struct yaml_node *node, void *field);
static int read_restart(struct reader *reader, const struct yaml_node *node, void *field);
static int read_log(struct reader *reader, const struct yaml_node *node, void *field);
static int read_limits(struct reader *reader, const struct yaml_node *node, void *field);
static int read_deploy(struct reader *reader, const struct yaml_node *node, void *field);
static int read_patterns(struct reader *reader, const struct yaml_node *node, void *field);
static int read_tcp(struct reader *reader, const struct yaml_node *node, void *field);
static int read_http_probe(struct reader *reader, const struct yaml_node *node, void *field);
static int read_exec(struct reader *reader, const struct yaml_node *node, void *field);
static int read_notify(struct reader *reader, const struct yaml_node *node, void *field);
static int read_file(struct reader *reader, const struct yaml_node *node, void *field);
static int read_watch(struct reader *reader, const struct yaml_node *node, void *field);

#define SERVICE(field) offsetof(struct service_config, field)
static const struct reader_option service_options[] = {
    {{"command", OPTION_OTHER, SERVICE(argv), NULL, 0, 0, NULL,
      "A list of words, or one line split as a shell splits words."},
     read_command},
    {{"before_start", OPTION_OTHER, SERVICE(before_start), NULL, 0, 0, NULL,
      "A command that must end well before each start."},
     read_command},
    {{"after_stop", OPTION_OTHER, SERVICE(after_stop), NULL, 0, 0, NULL,
      "A command that is run after each end."},
     read_command},
    {{"folder", OPTION_TEXT, SERVICE(folder), NULL, 0, 0, NULL,
      "Working folder; else that of the config."},
     NULL},
    {{"env_file", OPTION_OTHER, 0, NULL, 0, 0, NULL, "File of NAME=value lines."}, read_env_file},
    {{"env", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Variables, NAME: value."}, read_env},
    {{"needs", OPTION_OTHER, SERVICE(needs), NULL, 0, 0, NULL,
      "Services that must be ready first."},
     read_list},
    {{"user", OPTION_OTHER, SERVICE(user), NULL, 0, 0, NULL, "Runs as this user."}, read_user},
    {{"consumer", OPTION_TEXT, SERVICE(consumer), NULL, 0, 0, NULL,
      "Reads this bot's updates through the gateway."},
     NULL},
    {{"instances", OPTION_INT, SERVICE(instances), "1", 1, INSTANCES_MAX, NULL,
      "So many of it, named NAME-1, NAME-2, ..."},
     NULL},
    {{"umask", OPTION_OTHER, SERVICE(umask), NULL, 0, 0, NULL,
      "Mask of new files, octal; else inherited."},
     read_umask},
    {{"nofile", OPTION_INT, SERVICE(nofile), NULL, 0, 1 << 20, NULL,
      "How many files it may have open; 0: inherited."},
     NULL},
    {{"limits", OPTION_OTHER, SERVICE(limits), NULL, 0, 0, NULL, "Limits of the process."},
     read_limits},
    {{"stop_signal", OPTION_SIGNAL, SERVICE(stop_signal), "TERM", 0, 0, NULL,
      "Signal that asks it to end."},
     NULL},
    {{"stop_timeout", OPTION_DURATION, SERVICE(stop_timeout_ms), "10s", 0, HOUR_MS, NULL,
      "Time after the stop signal; then SIGKILL for the whole tree."},
     NULL},
    {{"start_timeout", OPTION_DURATION, SERVICE(start_timeout_ms), "60s", 100, HOUR_MS, NULL,
      "Time to become ready."},
     NULL},
    {{"watchdog", OPTION_DURATION, SERVICE(watchdog_ms), NULL, 0, HOUR_MS, NULL,
      "sd_notify WATCHDOG=1 at least this often."},
     NULL},
    {{"critical", OPTION_BOOL, SERVICE(critical), "false", 0, 0, NULL,
      "When it fails, the whole is unhealthy."},
     NULL},
    {{"ready", OPTION_OTHER, SERVICE(ready), NULL, 0, 0, NULL, "When it counts as ready."},
     read_probe},
    {{"health", OPTION_OTHER, SERVICE(health), NULL, 0, 0, NULL, "How a hang is found."},
     read_probe},
    {{"restart", OPTION_OTHER, SERVICE(restart), NULL, 0, 0, NULL, "What follows an exit."},
     read_restart},
    {{"log", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Its log files, and words that raise events."},
     read_log},
    {{"every", OPTION_DURATION, SERVICE(schedule.every_ms), NULL, 1000, 366LL * DAY_MS, NULL,
      "A job: runs this often."},
     NULL},
    {{"at", OPTION_OTHER, SERVICE(schedule), NULL, 0, 0, NULL,
      "A job: runs at these times of day."},
     reader_at},
    {{"days", OPTION_OTHER, SERVICE(schedule), NULL, 0, 0, NULL,
      "Which days, such as [mon, fri]; else every day."},
     reader_days},
    {{"timezone", OPTION_OTHER, SERVICE(schedule), NULL, 0, 0, NULL,
      "Time zone of at and days; else that of the config."},
     reader_zone},
    {{"late", OPTION_DURATION, SERVICE(schedule.late_ms), NULL, 0, 366LL * DAY_MS, NULL,
      "A job: a missed run still comes when it is not older."},
     NULL},
    {{"timeout", OPTION_DURATION, SERVICE(schedule.timeout_ms), NULL, 0, 366LL * DAY_MS, NULL,
      "A job: a longer run is stopped."},
     NULL},
    {{"retry", OPTION_INT, SERVICE(schedule.retry), NULL, 0, 1000, NULL,
      "A job: a failed run is tried again so often."},
     NULL},
    {{"watch", OPTION_OTHER, SERVICE(watch), NULL, 0, 0, NULL, "When its figures are too high."},
     read_watch},
    {{"deploy", OPTION_OTHER, SERVICE(deploy), NULL, 0, 0, NULL, "How a new version comes."},
     read_deploy},
};

#define PROBE(field) offsetof(struct probe_config, field)
static const struct reader_option probe_options[] = {
    {{"tcp", OPTION_OTHER, 0, NULL, 0, 0, NULL, "ADDRESS:PORT that accepts."}, read_tcp},
    {{"http", OPTION_OTHER, 0, NULL, 0, 0, NULL, "URL that answers."}, read_http_probe},
    {{"exec", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Command that exits 0."}, read_exec},
    {{"notify", OPTION_OTHER, 0, NULL, 0, 0, NULL, "sd_notify READY=1."}, read_notify},
    {{"file", OPTION_OTHER, 0, NULL, 0, 0, NULL, "File that is written again and again."},
     read_file},
    {{"max_age", OPTION_DURATION, PROBE(max_age_ms), "60s", 100, 366LL * DAY_MS, NULL,
      "Since the file was last written."},
     NULL},
    {{"every", OPTION_DURATION, PROBE(every_ms), "30s", 50, DAY_MS, NULL,
      "Pause between the end of one and the start of the next."},
     NULL},
    {{"timeout", OPTION_DURATION, PROBE(timeout_ms), "1s", 10, HOUR_MS, NULL,
      "How long one may take."},
     NULL},
    {{"failures", OPTION_INT, PROBE(failures), "3", 1, 1000, NULL,
      "How many in a row make it unhealthy."},
     NULL},
    {{"status", OPTION_INT, PROBE(status), NULL, 100, 599, NULL,
      "HTTP status of the answer; else any 2xx or 3xx."},
     NULL},
    {{"body_has", OPTION_TEXT, PROBE(body_has), NULL, 0, 0, NULL,
      "Text that the answer must contain."},
     NULL},
};

static const char *const restart_modes[] = {"always", "on-failure", "never", NULL};
#define RESTART(field) offsetof(struct restart_config, field)
static const struct reader_option restart_options[] = {
    {{"when", OPTION_ENUM, RESTART(mode), "always", 0, 0, restart_modes, "After which exits."},
     NULL},
    {{"max", OPTION_INT, RESTART(max), "10", 0, 1000000, NULL,
      "Restarts without stability before it is failed."},
     NULL},
    {{"delay", OPTION_DURATION, RESTART(delay_ms), "5s", 0, HOUR_MS, NULL,
      "First wait; it doubles, with chance."},
     NULL},
    {{"max_delay", OPTION_DURATION, RESTART(delay_max_ms), "300s", 0, DAY_MS, NULL,
      "Longest wait."},
     NULL},
    {{"stable", OPTION_DURATION, RESTART(stable_ms), "10m", 100, DAY_MS, NULL,
      "Ready this long: counting starts anew."},
     NULL},
    {{"retry", OPTION_DURATION, RESTART(retry_ms), "15m", 100, DAY_MS, NULL,
      "A failed service is tried again this often."},
     NULL},
    {{"give_up", OPTION_BOOL, RESTART(give_up), "false", 0, 0, NULL,
      "Whether a failed service stays failed."},
     NULL},
};

#define LIMIT(field) offsetof(struct limits_config, field)
static const struct reader_option limits_options[] = {
    {{"processes", OPTION_INT, LIMIT(processes), NULL, 1, 1 << 22, NULL, "Of its user."}, NULL},
    {{"core", OPTION_SIZE, LIMIT(core), NULL, 0, INT64_MAX, NULL, "Of a core file; 0: none."},
     NULL},
    {{"address_space", OPTION_SIZE, LIMIT(address_space), NULL, 1 << 20, INT64_MAX, NULL,
      "Of one process; Node and Java reserve far more than they use."},
     NULL},
    {{"nice", OPTION_INT, LIMIT(nice), NULL, -20, 19, NULL, "Lower runs first."}, NULL},
    {{"oom_score_adj", OPTION_INT, LIMIT(oom_score_adj), NULL, -1000, 1000, NULL,
      "Higher is killed first when memory ends."},
     NULL},
};

#define WATCH(field) offsetof(struct watch_config, field)
static const struct reader_option watch_options[] = {
    {{"memory", OPTION_SIZE, WATCH(memory_bytes), "500MB", 0, (int64_t)1 << 50, NULL,
      "Of the whole tree; 0: not watched."},
     NULL},
    {{"cpu", OPTION_INT, WATCH(cpu_percent), "50", 0, 100000, NULL,
      "Percent of one core; 0: not watched."},
     NULL},
    {{"cpu_for", OPTION_DURATION, WATCH(cpu_for_ms), "5m", 0, DAY_MS, NULL, "For that long."},
     NULL},
};

static const struct reader_option log_options[] = {
    {{"size", OPTION_SIZE, SERVICE(log_bytes_max), "10MB", 4096, (int64_t)1 << 40, NULL,
      "Size of one file."},
     NULL},
    {{"files", OPTION_INT, SERVICE(log_files), "5", 1, 1000, NULL,
      "How many files, the current one included."},
     NULL},
    {{"patterns", OPTION_OTHER, SERVICE(log_patterns), NULL, 0, 0, NULL,
      "Words that raise an event when it prints them."},
     read_patterns},
    {{"cooldown", OPTION_DURATION, SERVICE(log_cooldown_ms), "5m", 1000, DAY_MS, NULL,
      "Until the same word raises one again."},
     NULL},
};

#define DEPLOY(field) offsetof(struct deploy_config, field)
static const struct reader_option deploy_options[] = {
    {{"pull", OPTION_OTHER, DEPLOY(pull), NULL, 0, 0, NULL, "Command that fetches it."},
     read_command},
    {{"check", OPTION_OTHER, DEPLOY(check), NULL, 0, 0, NULL,
      "Command that exits 0 when it may start."},
     read_command},
    {{"keep", OPTION_INT, DEPLOY(keep), "5", 2, 1000, NULL, "Unpacked releases."}, NULL},
    {{"timeout", OPTION_DURATION, DEPLOY(timeout_ms), "10m", 1000, DAY_MS, NULL,
      "Of pull and of check."},
     NULL},
    {{"stays", OPTION_DURATION, DEPLOY(stays_ms), "3s", 100, HOUR_MS, NULL,
      "Ready for so long: it is well."},
     NULL},
};

const struct config_section reader_service_sections[] = {
    {"services.NAME", "One mapping for each service.", service_options, COUNT_OF(service_options)},
    {"services.NAME.ready and .health",
     "One of tcp, http, exec or notify, and how it is asked. The word notify alone will do.",
     probe_options, COUNT_OF(probe_options)},
    {"services.NAME.restart",
     "A mapping, or one of always, on-failure and never alone. Exit codes 78 and 77 (wrong config, "
     "no permission) wait for a change; 75 (temporary) is not counted.",
     restart_options, COUNT_OF(restart_options)},
    {"services.NAME.log", "The files in which its output is kept.", log_options,
     COUNT_OF(log_options)},
    {"services.NAME.limits", "Limits of its process; else inherited.", limits_options,
     COUNT_OF(limits_options)},
    {"services.NAME.watch", "When its figures are too high.", watch_options,
     COUNT_OF(watch_options)},
    {"services.NAME.deploy", "How a new version comes.", deploy_options, COUNT_OF(deploy_options)},
    {0}};

void reader_service_defaults(struct service_config *service) {
    reader_set_defaults(service_options, COUNT_OF(service_options), service);
    reader_set_defaults(restart_options, COUNT_OF(restart_options), &service->restart);
    reader_set_defaults(log_options, COUNT_OF(log_options), service);
    reader_set_defaults(watch_options, COUNT_OF(watch_options), &service->watch);
    reader_set_defaults(probe_options, COUNT_OF(probe_options), &service->ready);
    reader_set_defaults(probe_options, COUNT_OF(probe_options), &service->health);
    reader_set_defaults(deploy_options, COUNT_OF(deploy_options), &service->deploy);
    service->ready.every_ms = 200; /* a start is looked at often */
    service->umask = -1;
    service->limits = (struct limits_config){LIMIT_INHERITED, LIMIT_INHERITED, LIMIT_INHERITED,
                                             LIMIT_INHERITED, LIMIT_INHERITED};
}

static int read_list(struct reader *reader, const struct yaml_node *node, void *field) {
    char ***list = field;
    if (node->kind != YAML_SEQUENCE)
        return reader_error(reader, node, "expected a list, such as [db, api]");
    text_list_free(*list);
    *list = memory_array(node->count + 1, sizeof **list);
    for (size_t i = 0; i < node->count; i++)
        if (!((*list)[i] = reader_text(reader, &node->items[i])))
            return -EINVAL;
    return 0;
}

static int read_command(struct reader *reader, const struct yaml_node *node, void *field) {
    char ***argv = field;
    if (node->kind == YAML_SEQUENCE) {
        if (read_list(reader, node, field) < 0)
            return -EINVAL;
    } else {
        AUTO_FREE char *text = reader_text(reader, node);
        const char *problem = NULL;
        if (!text)
            return -EINVAL;
        *argv = text_split_words(text, &problem);
        if (problem)
            return reader_error(reader, node, "the command %s", problem);
    }
    if (text_list_count(*argv) == 0 || !(*argv)[0][0])
        return reader_error(reader, node, "the command is empty");
    return 0;
}

static int read_exec(struct reader *reader, const struct yaml_node *node, void *field) {
    struct probe_config *probe = field;
    probe->kind = PROBE_EXEC;
    return read_command(reader, node, &probe->argv);
}

static int read_notify(struct reader *reader, const struct yaml_node *node, void *field) {
    ((struct probe_config *)field)->kind = PROBE_NOTIFY;
    return 0;
}

static int read_file(struct reader *reader, const struct yaml_node *node, void *field) {
    struct probe_config *probe = field;
    AUTO_FREE char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    if (!text[0])
        return reader_error(reader, node, "expected the path of a file");
    probe->kind = PROBE_FILE;
    free(probe->file);
    probe->file = path_join(reader->folder, text);
    return 0;
}

static int set_host_port(struct reader *reader, const struct yaml_node *node, const char *text,
                         size_t size, struct probe_config *probe) {
    AUTO_FREE char *address = text_copy_n(text, size);
    char *colon = strrchr(address, ':');
    int64_t port = probe->kind == PROBE_HTTP ? 80 : 0;
    if (colon && text_to_int(colon + 1, 1, 65535, &port) < 0)
        port = 0;
    if (colon)
        *colon = 0;
    if (!port || !address[0])
        return reader_error(reader, node, "'%.*s': expected ADDRESS:PORT, such as 127.0.0.1:5432",
                            (int)size, text);
    size_t length = strlen(address);
    bool brackets = address[0] == '[' && address[length - 1] == ']';
    if (brackets)
        address[length - 1] = 0;
    const char *host = strcmp(address, "localhost") == 0 ? "127.0.0.1" : address + brackets;
    unsigned char binary[16];
    if (inet_pton(AF_INET, host, binary) != 1 && inet_pton(AF_INET6, host, binary) != 1)
        return reader_error(reader, node,
                            "'%s' is not a numeric address; a probe looks at this machine: use "
                            "127.0.0.1",
                            host);
    free(probe->host);
    probe->host = text_copy(host);
    probe->port = (uint16_t)port;
    return 0;
}

static int read_tcp(struct reader *reader, const struct yaml_node *node, void *field) {
    struct probe_config *probe = field;
    AUTO_FREE char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    probe->kind = PROBE_TCP;
    return set_host_port(reader, node, text, strlen(text), probe);
}

static int read_http_probe(struct reader *reader, const struct yaml_node *node, void *field) {
    struct probe_config *probe = field;
    AUTO_FREE char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    if (strncmp(text, "http://", 7) != 0)
        return reader_error(reader, node,
                            "'%s': expected http://ADDRESS:PORT/PATH (https: use exec with curl)",
                            text);
    probe->kind = PROBE_HTTP;
    size_t size = strcspn(text + 7, "/");
    probe->path = text_copy(text[7 + size] ? text + 7 + size : "/");
    if (strpbrk(probe->path, " \r\n\t"))
        return reader_error(reader, node, "'%s': a URL holds no blanks", text);
    return set_host_port(reader, node, text + 7, size, probe);
}

/* `ready: notify` or a mapping. */
static int read_probe(struct reader *reader, const struct yaml_node *node, void *field) {
    struct probe_config *probe = field;
    if (node->kind == YAML_SCALAR && strcmp(node->text, "notify") == 0) {
        probe->kind = PROBE_NOTIFY;
    } else {
        if (reader_mapping(reader, node, probe_options, COUNT_OF(probe_options), probe) < 0)
            return -EINVAL;
        if (probe->kind == PROBE_NONE)
            return reader_error(reader, node,
                                "expected one of tcp:, http:, exec:, file: or notify");
    }
    if (probe->kind == PROBE_NOTIFY && probe == &reader->service->health)
        return reader_error(reader, node, "to watch by sd_notify, set watchdog: 30s instead");
    return 0;
}

static int read_restart(struct reader *reader, const struct yaml_node *node, void *field) {
    struct restart_config *restart = field;
    if (node->kind != YAML_SCALAR)
        return reader_mapping(reader, node, restart_options, COUNT_OF(restart_options), restart);
    AUTO_FREE char *text = reader_text(reader, node);
    AUTO_FREE char *expected = NULL;
    if (!text || option_set(&restart_options[0].def, restart, text, &expected) < 0)
        return reader_error(reader, node, "restart: '%s' was found, expected %s, or a mapping",
                            text ? text : "", expected ? expected : "text");
    return 0;
}

static int read_log(struct reader *reader, const struct yaml_node *node, void *field) {
    return reader_mapping(reader, node, log_options, COUNT_OF(log_options), field);
}

static int read_limits(struct reader *reader, const struct yaml_node *node, void *field) {
    return reader_mapping(reader, node, limits_options, COUNT_OF(limits_options), field);
}

static int read_watch(struct reader *reader, const struct yaml_node *node, void *field) {
    return reader_mapping(reader, node, watch_options, COUNT_OF(watch_options), field);
}

static int read_deploy(struct reader *reader, const struct yaml_node *node, void *field) {
    return reader_mapping(reader, node, deploy_options, COUNT_OF(deploy_options), field);
}

static int read_patterns(struct reader *reader, const struct yaml_node *node, void *field) {
    if (read_list(reader, node, field) < 0)
        return -EINVAL;
    char **patterns = *(char ***)field;
    if (text_list_count(patterns) > LOG_PATTERNS_MAX)
        return reader_error(reader, node, "more than %d patterns", LOG_PATTERNS_MAX);
    for (size_t i = 0; patterns[i]; i++) {
        size_t size = strlen(patterns[i]);
        if (size < LOG_PATTERN_BYTES_MIN || size > LOG_PATTERN_BYTES_MAX ||
            strchr(patterns[i], '\n'))
            return reader_error(reader, &node->items[i],
                                "'%s': expected words of %d to %d bytes in one line, such as error",
                                patterns[i], LOG_PATTERN_BYTES_MIN, LOG_PATTERN_BYTES_MAX);
    }
    return 0;
}

static int read_user(struct reader *reader, const struct yaml_node *node, void *field) {
    AUTO_FREE char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    const struct passwd *entry = getpwnam(text);
    if (!entry)
        return reader_error(reader, node, "user '%s' does not exist on this machine", text);
    if (geteuid() != 0 && entry->pw_uid != geteuid())
        return reader_error(reader, node,
                            "only root can run a service as '%s'; start holdfast as root, or leave "
                            "user: out",
                            text);
    free(*(char **)field);
    *(char **)field = TAKE(text);
    return 0;
}

static int read_umask(struct reader *reader, const struct yaml_node *node, void *field) {
    AUTO_FREE char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    char *end = NULL;
    long value = strtol(text, &end, 8);
    if (*end || end == text || value < 0 || value > 0777)
        return reader_error(reader, node, "'%s': expected an octal mask, such as 0077", text);
    *(int64_t *)field = value;
    return 0;
}

static int read_env(struct reader *reader, const struct yaml_node *node, void *field) {
    struct service_config *service = field;
    if (node->kind != YAML_MAPPING)
        return reader_error(reader, node, "expected NAME: value lines");
    for (size_t i = 0; i < node->count; i++) {
        AUTO_FREE char *value = reader_text(reader, &node->items[i]);
        const char *name = node->keys[i].text;
        if (!name[0] || strpbrk(name, "= \t"))
            return reader_error(reader, &node->keys[i], "'%s' is not a variable's name", name);
        if (value)
            env_set(&service->env, name, value);
    }
    return 0;
}

static int read_env_file(struct reader *reader, const struct yaml_node *node, void *field) {
    struct service_config *service = field;
    AUTO_FREE char *name = reader_text(reader, node);
    if (!name)
        return -EINVAL;
    AUTO_FREE char *path = path_join(reader->folder, name);
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    int r = config_files_read(reader->files, path, DOTENV_BYTES_MAX, &text, &size);
    if (r < 0)
        return reader_error(reader, node, "%s cannot be read: %s", path, strerror(-r));
    struct dotenv_problem problem;
    if (dotenv_parse((struct slice){text, size}, &service->env, &problem) < 0)
        return reader_error_at(reader, name, problem.line, problem.column, "%s", problem.text);
    return 0;
}

/* Holdfast's own programs speak of the errors of others all day: they are never scanned. */
static void set_patterns(struct service_config *service) {
    static const char *const usual[] = {"error", "exception"};
    if (service_is_ours(service))
        service->log_patterns = text_list_free(service->log_patterns);
    if (service->log_patterns || service_is_ours(service))
        return;
    service->log_patterns = memory_array(COUNT_OF(usual) + 1, sizeof *service->log_patterns);
    for (size_t i = 0; i < COUNT_OF(usual); i++)
        service->log_patterns[i] = text_copy(usual[i]);
}

static void check_service(struct reader *reader, const struct yaml_node *key,
                          const struct yaml_node *node) {
    struct service_config *service = reader->service;
    if (!service->argv && !yaml_tree_get(node, "command"))
        reader_error(reader, key, "service '%s' has no command:", service->name);
    char **env = config_service_env(service);
    const char *flag = development_look(service->argv, env).word; /* a constant of that table */
    text_list_free(env);
    const struct yaml_node *command = yaml_tree_get(node, "command");
    if (flag && reader->config->profile == PROFILE_PRODUCTION)
        reader_error(
            reader, command ? command : key,
            "'%s' is for development: it restarts at every changed file; remove it, or set "
            "profile: development",
            flag);
    reader_check_job(reader, key, node);
    if (service->restart.delay_max_ms < service->restart.delay_ms)
        service->restart.delay_max_ms = service->restart.delay_ms;
}

static void read_service(struct reader *reader, const struct yaml_node *key,
                         const struct yaml_node *node, struct service_config *service) {
    reader_service_defaults(service);
    service->name = text_copy(key->text);
    service->place = text_format("%s:%u:%u", reader->file, key->line, key->column);
    reader->service = service;
    if (!reader_name_is_good(key->text))
        reader_error(reader, key, "'%s': a name is 1 to 32 of a-z, 0-9, '-' and '_'", key->text);
    if (strcmp(key->text, "holdfast") == 0)
        reader_error(reader, key, "'holdfast' is the name of Holdfast's own log; choose another");
    if (strcmp(key->text, "hub") == 0)
        reader_error(reader, key, "'hub' is the name of Holdfast's own service; choose another");
    if (strcmp(key->text, "trader") == 0 && yaml_tree_get(reader->tree, "trader"))
        reader_error(reader, key, "'trader' is the name of Holdfast's own service; choose another");
    service->env = memory_array(1, sizeof *service->env);
    service->env_inherited = reader->config->environment; /* env_file: and env: come on top */
    (void)reader_mapping(reader, node, service_options, COUNT_OF(service_options), service);
    const char *folder = service->folder ? service->folder : ".";
    char *absolute =
        strcmp(folder, ".") == 0 ? text_copy(reader->folder) : path_join(reader->folder, folder);
    free(service->folder);
    service->folder = absolute;
    check_service(reader, key, node);
    set_patterns(service);
}

static struct service_config *add_service(struct config *config) {
    config->services =
        memory_grow(config->services, config->service_count + 1, sizeof *config->services);
    struct service_config *service = &config->services[config->service_count++];
    *service = (struct service_config){0};
    return service;
}

static void name_instance(struct service_config *service, int64_t number) {
    AUTO_FREE char *text = text_format("%lld", (long long)number);
    env_set(&service->env, "HOLDFAST_INSTANCE", text);
    service->group = service->name;
    service->name = text_format("%s-%lld", service->group, (long long)number);
}

/* One, or as many as its instances: says. */
static void read_all_of(struct reader *reader, struct config *config, const struct yaml_node *key,
                        const struct yaml_node *node) {
    struct service_config *first = add_service(config);
    read_service(reader, key, node, first);
    int64_t count = first->instances;
    if (count > 1 && first->consumer)
        reader_error(
            reader, key,
            "service '%s': instances of one consumer would take each other's updates; give "
            "each a consumer of its own",
            first->name);
    if (count <= 1 || reader->errors->count)
        return;
    name_instance(first, 1);
    for (int64_t number = 2; number <= count; number++) {
        struct service_config *next = add_service(config);
        read_service(reader, key, node, next);
        name_instance(next, number);
    }
}

static bool is_group(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].group && strcmp(config->services[i].group, name) == 0)
            return true;
    return false;
}

/* Who needs a name with instances needs them all. */
static void spread_needs(const struct config *config, struct service_config *service) {
    char **old = service->needs;
    size_t count = 0;
    service->needs = memory_array(text_list_count(old) * INSTANCES_MAX + 1, sizeof *service->needs);
    for (size_t i = 0; old[i]; i++) {
        if (!is_group(config, old[i]))
            service->needs[count++] = text_copy(old[i]);
        for (size_t k = 0; k < config->service_count && is_group(config, old[i]); k++)
            if (config->services[k].group && strcmp(config->services[k].group, old[i]) == 0)
                service->needs[count++] = text_copy(config->services[k].name);
    }
    text_list_free(old);
}

static void check_names(struct reader *reader, const struct config *config) {
    for (size_t i = 0; i < config->service_count; i++)
        for (size_t k = 0; config->services[i].group && k < config->service_count; k++)
            if (k != i && strcmp(config->services[i].name, config->services[k].name) == 0)
                reader_error(reader, reader_service_node(reader, &config->services[k], "command"),
                             "'%s' is also the name of an instance of '%s'",
                             config->services[k].name, config->services[i].group);
}

int reader_services(struct reader *reader, const struct yaml_node *node, void *field) {
    struct config *config = field;
    if (node->kind != YAML_MAPPING)
        return reader_error(reader, node, "expected names of services with their settings below");
    for (size_t i = 0; i < node->count && config->service_count <= CONFIG_SERVICES_MAX; i++)
        read_all_of(reader, config, &node->keys[i], &node->items[i]);
    if (config->service_count > CONFIG_SERVICES_MAX)
        return reader_error(reader, node, "more than %d services", CONFIG_SERVICES_MAX);
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].needs)
            spread_needs(config, &config->services[i]);
    check_names(reader, config);
    return 0;
}

const struct yaml_node *reader_service_node(const struct reader *reader,
                                            const struct service_config *service, const char *key) {
    const struct yaml_node *all = yaml_tree_get(reader->tree, "services");
    const struct yaml_node *node =
        yaml_tree_get(all, service->group ? service->group : service->name);
    const struct yaml_node *found = yaml_tree_get(node, key);
    return found ? found : node;
}
