/* SPDX-License-Identifier: Apache-2.0 */
/* The services: part of holdfast.yaml. */
#include "base/file.h"
#include "base/text.h"
#include "wire/config_reader.h"
#include "wire/dotenv.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;
enum { DAY_MS = 86400000, HOUR_MS = 3600000 };

static int read_command(struct reader *reader, const struct yaml_node *node, void *field);
static int read_list(struct reader *reader, const struct yaml_node *node, void *field);
static int read_env(struct reader *reader, const struct yaml_node *node, void *field);
static int read_env_file(struct reader *reader, const struct yaml_node *node, void *field);
static int read_user(struct reader *reader, const struct yaml_node *node, void *field);
static int read_umask(struct reader *reader, const struct yaml_node *node, void *field);
static int read_probe(struct reader *reader, const struct yaml_node *node, void *field);
static int read_restart(struct reader *reader, const struct yaml_node *node, void *field);
static int read_log(struct reader *reader, const struct yaml_node *node, void *field);
static int read_patterns(struct reader *reader, const struct yaml_node *node, void *field);
static int read_tcp(struct reader *reader, const struct yaml_node *node, void *field);
static int read_http_probe(struct reader *reader, const struct yaml_node *node, void *field);
static int read_exec(struct reader *reader, const struct yaml_node *node, void *field);
static int read_notify(struct reader *reader, const struct yaml_node *node, void *field);

#define SERVICE(field) offsetof(struct service_config, field)
static const struct reader_option service_options[] = {
    {{"command", OPTION_OTHER, SERVICE(argv), NULL, 0, 0, NULL,
      "A list of words, or one line split as a shell splits words."},
     read_command},
    {{"folder", OPTION_TEXT, SERVICE(folder), NULL, 0, 0, NULL, "Working folder."}, NULL},
    {{"env_file", OPTION_OTHER, 0, NULL, 0, 0, NULL, "NAME=value lines."}, read_env_file},
    {{"env", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Environment."}, read_env},
    {{"needs", OPTION_OTHER, SERVICE(needs), NULL, 0, 0, NULL,
      "Services that must be ready first."},
     read_list},
    {{"user", OPTION_OTHER, SERVICE(user), NULL, 0, 0, NULL, "Runs as this user."}, read_user},
    {{"consumer", OPTION_TEXT, SERVICE(consumer), NULL, 0, 0, NULL,
      "Reads this bot's updates through the gateway."},
     NULL},
    {{"umask", OPTION_OTHER, SERVICE(umask), NULL, 0, 0, NULL, "Octal."}, read_umask},
    {{"nofile", OPTION_INT, SERVICE(nofile), NULL, 0, 1 << 20, NULL, "Open files."}, NULL},
    {{"stop_signal", OPTION_SIGNAL, SERVICE(stop_signal), "TERM", 0, 0, NULL, "Asks it to end."},
     NULL},
    {{"stop_timeout", OPTION_DURATION, SERVICE(stop_timeout_ms), "10s", 0, HOUR_MS, NULL,
      "Then SIGKILL."},
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
};

#define PROBE(field) offsetof(struct probe_config, field)
static const struct reader_option probe_options[] = {
    {{"tcp", OPTION_OTHER, 0, NULL, 0, 0, NULL, "ADDRESS:PORT that accepts."}, read_tcp},
    {{"http", OPTION_OTHER, 0, NULL, 0, 0, NULL, "URL that answers."}, read_http_probe},
    {{"exec", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Command that exits 0."}, read_exec},
    {{"notify", OPTION_OTHER, 0, NULL, 0, 0, NULL, "sd_notify READY=1."}, read_notify},
    {{"every", OPTION_DURATION, PROBE(every_ms), "30s", 50, DAY_MS, NULL, "Pause between."}, NULL},
    {{"timeout", OPTION_DURATION, PROBE(timeout_ms), "1s", 10, HOUR_MS, NULL, "Of one probe."},
     NULL},
    {{"failures", OPTION_INT, PROBE(failures), "3", 1, 1000, NULL, "In a row."}, NULL},
    {{"status", OPTION_INT, PROBE(status), NULL, 100, 599, NULL, "Expected HTTP status."}, NULL},
    {{"body_has", OPTION_TEXT, PROBE(body_has), NULL, 0, 0, NULL, "Text in the answer."}, NULL},
};

static const char *const restart_modes[] = {"always", "on-failure", "never", NULL};
#define RESTART(field) offsetof(struct restart_config, field)
static const struct reader_option restart_options[] = {
    {{"when", OPTION_ENUM, RESTART(mode), "always", 0, 0, restart_modes, "Which exits."}, NULL},
    {{"max", OPTION_INT, RESTART(max), "10", 0, 1000000, NULL, "Before it is failed."}, NULL},
    {{"delay", OPTION_DURATION, RESTART(delay_ms), "5s", 0, HOUR_MS, NULL, "First wait."}, NULL},
    {{"max_delay", OPTION_DURATION, RESTART(delay_max_ms), "300s", 0, DAY_MS, NULL, "Cap."}, NULL},
    {{"stable", OPTION_DURATION, RESTART(stable_ms), "10m", 100, DAY_MS, NULL,
      "Ready this long: counting starts anew."},
     NULL},
    {{"retry", OPTION_DURATION, RESTART(retry_ms), "15m", 100, DAY_MS, NULL,
      "A failed service is tried again this often."},
     NULL},
    {{"give_up", OPTION_BOOL, RESTART(give_up), "false", 0, 0, NULL, "... or not at all."}, NULL},
};

static const struct reader_option log_options[] = {
    {{"size", OPTION_SIZE, SERVICE(log_bytes_max), "10MB", 4096, (int64_t)1 << 40, NULL,
      "Of one file."},
     NULL},
    {{"files", OPTION_INT, SERVICE(log_files), "5", 1, 1000, NULL, "The current one included."},
     NULL},
    {{"patterns", OPTION_OTHER, SERVICE(log_patterns), NULL, 0, 0, NULL,
      "Words that raise an event when it prints them."},
     read_patterns},
    {{"cooldown", OPTION_DURATION, SERVICE(log_cooldown_ms), "5m", 1000, DAY_MS, NULL,
      "Until the same word raises one again."},
     NULL},
};

static void set_defaults(const struct reader_option *options, size_t count, void *target) {
    struct option_def defs[32];
    must(count <= COUNT_OF(defs));
    for (size_t i = 0; i < count; i++)
        defs[i] = options[i].def;
    option_set_defaults(defs, count, target);
}

void reader_service_defaults(struct service_config *service) {
    set_defaults(service_options, COUNT_OF(service_options), service);
    set_defaults(restart_options, COUNT_OF(restart_options), &service->restart);
    set_defaults(log_options, COUNT_OF(log_options), service);
    set_defaults(probe_options, COUNT_OF(probe_options), &service->ready);
    set_defaults(probe_options, COUNT_OF(probe_options), &service->health);
    service->ready.every_ms = 200; /* a start is looked at often */
    service->umask = -1;
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
            return reader_error(reader, node, "expected one of tcp:, http:, exec: or notify");
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

/* Environment of the keeper, then .env; env_file: and env: come on top. */
static void inherit_env(struct reader *reader, struct service_config *service) {
    service->env = memory_array(1, sizeof *service->env);
    char **sources[] = {environ, reader->dotenv};
    for (size_t s = 0; s < COUNT_OF(sources); s++) {
        for (char **entry = sources[s]; entry && *entry; entry++) {
            AUTO_FREE char *name = text_copy_n(*entry, strcspn(*entry, "="));
            bool from_dotenv = s == 1;
            bool ours = reader_env_is_ours(name);
            if (!ours && !(from_dotenv && getenv(name)))
                env_set(&service->env, name, strchr(*entry, '=') ? strchr(*entry, '=') + 1 : "");
        }
    }
}

/* What makes a production server restart at each git pull. */
static const char *development_flag(const struct service_config *service) {
    static const char *const flags[] = {"--reload", "--debug", "--watch", "--inspect",
                                        "--debugger"};
    static const char *const programs[] = {"nodemon", "ts-node-dev", "watchmedo"};
    for (size_t i = 0; service->argv && service->argv[i]; i++) {
        const char *word = service->argv[i];
        const char *name = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
        for (size_t k = 0; k < COUNT_OF(flags); k++)
            if (strcmp(word, flags[k]) == 0)
                return flags[k];
        for (size_t k = 0; k < COUNT_OF(programs); k++)
            if (strcmp(name, programs[k]) == 0)
                return programs[k];
    }
    const char *flask = env_get(service->env, "FLASK_ENV");
    return flask && strcmp(flask, "development") == 0 ? "FLASK_ENV=development" : NULL;
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
    const char *flag = development_flag(service);
    const struct yaml_node *command = yaml_tree_get(node, "command");
    if (flag && reader->config->profile == PROFILE_PRODUCTION)
        reader_error(
            reader, command ? command : key,
            "'%s' is for development: it restarts at every changed file; remove it, or set "
            "profile: development",
            flag);
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
    inherit_env(reader, service);
    (void)reader_mapping(reader, node, service_options, COUNT_OF(service_options), service);
    const char *folder = service->folder ? service->folder : ".";
    char *absolute =
        strcmp(folder, ".") == 0 ? text_copy(reader->folder) : path_join(reader->folder, folder);
    free(service->folder);
    service->folder = absolute;
    check_service(reader, key, node);
    set_patterns(service);
}

int reader_services(struct reader *reader, const struct yaml_node *node, void *field) {
    struct config *config = field;
    if (node->kind != YAML_MAPPING)
        return reader_error(reader, node, "expected names of services with their settings below");
    if (node->count > CONFIG_SERVICES_MAX)
        return reader_error(reader, node, "more than %d services", CONFIG_SERVICES_MAX);
    config->services = memory_array(node->count, sizeof *config->services);
    config->service_count = node->count;
    for (size_t i = 0; i < node->count; i++)
        read_service(reader, &node->keys[i], &node->items[i], &config->services[i]);
    return 0;
}

const struct yaml_node *reader_service_node(const struct reader *reader,
                                            const struct service_config *service, const char *key) {
    const struct yaml_node *all = yaml_tree_get(reader->tree, "services");
    const struct yaml_node *node = yaml_tree_get(all, service->name);
    const struct yaml_node *found = yaml_tree_get(node, key);
    return found ? found : node;
}
