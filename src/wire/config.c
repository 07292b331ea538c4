/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/config.h"
#include "base/file.h"
#include "base/log.h"
#include "base/option.h"
#include "base/text.h"
#include "wire/config_reader.h"
#include "wire/dotenv.h"
#include "wire/yaml_tree.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

void config_errors_deinit(struct config_errors *errors) {
    for (size_t i = 0; i < errors->count; i++) {
        free(errors->list[i].place);
        free(errors->list[i].text);
    }
    free(errors->list);
    *errors = (struct config_errors){0};
}

/* ---- the top of the file ---- */

static int read_bots(struct reader *reader, const struct yaml_node *node, void *field);
static int read_listen(struct reader *reader, const struct yaml_node *node, void *field);
static int read_http(struct reader *reader, const struct yaml_node *node, void *field);

static int read_heartbeat(struct reader *reader, const struct yaml_node *node, void *field);

static const char *const profile_names[] = {"production", "development", NULL};
#define TOP(field) offsetof(struct config, field)
static const struct reader_option top_options[] = {
    {{"name", OPTION_TEXT, TOP(name), "holdfast", 0, 0, NULL, "Name of this installation."}, NULL},
    {{"timezone", OPTION_TEXT, TOP(timezone), "UTC", 0, 0, NULL, "IANA time zone."}, NULL},
    {{"profile", OPTION_ENUM, TOP(profile), "production", 0, 0, profile_names,
      "What may run: production refuses development flags such as --reload."},
     NULL},
    {{"cgroup", OPTION_BOOL, TOP(cgroup), "true", 0, 0, NULL,
      "A cgroup v2 for each service, where one can be made."},
     NULL},
    {{"data", OPTION_TEXT, TOP(data), "./data", 0, 0, NULL, "Folder for stores and logs."}, NULL},
    {{"http", OPTION_OTHER, TOP(http), NULL, 0, 0, NULL, "The hub's HTTP side."}, read_http},
    {{"bots", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Telegram accounts."}, read_bots},
    {{"alerts", OPTION_OTHER, TOP(alerts), NULL, 0, 0, NULL, "Where alerts go."}, reader_alerts},
    {{"heartbeat", OPTION_OTHER, TOP(heartbeat), NULL, 0, 0, NULL,
      "Who hears regularly that all is well."},
     read_heartbeat},
    {{"trader", OPTION_OTHER, TOP(trader), NULL, 0, 0, NULL, "The trading bot."}, reader_trader},
    {{"services", OPTION_OTHER, 0, NULL, 0, 0, NULL, "What is kept running."}, reader_services},
};

#define HTTP(field) offsetof(struct http_config, field)
static const struct reader_option http_options[] = {
    {{"listen", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Address and port; 127.0.0.1:8001 unless set."},
     read_listen},
    {{"token", OPTION_OTHER, HTTP(token), NULL, 0, 0, NULL,
      "Bearer token for all that changes something."},
     reader_secret},
    {{"behind_proxy", OPTION_BOOL, HTTP(behind_proxy), "false", 0, 0, NULL,
      "A proxy in front does TLS and login."},
     NULL},
};

#define BOT(field) offsetof(struct bot_config, field)
static const struct reader_option bot_options[] = {
    {{"token", OPTION_OTHER, BOT(token), NULL, 0, 0, NULL, "From @BotFather."}, reader_secret},
    {{"owner", OPTION_INT, BOT(owner), NULL, 0, INT64_MAX, NULL, "Telegram user id."}, NULL},
    {{"admins", OPTION_OTHER, 0, NULL, 0, 0, NULL, "User ids."}, reader_admins},
    {{"api_url", OPTION_TEXT, BOT(api_url), "https://api.telegram.org", 0, 0, NULL,
      "Bot API server."},
     NULL},
    {{"proxy", OPTION_TEXT, BOT(proxy), NULL, 0, 0, NULL,
      "A proxy on the way, http://host:port or socks5h://host:port."},
     NULL},
    {{"old_after", OPTION_DURATION, BOT(old_after_ms), "0s", 0, 7 * INT64_C(86400000), NULL,
      "Messages, presses and inline queries that are older before the bot has confirmed them are "
      "let go; payments and changes of members never are. 0s: all come, however old."},
     NULL},
};

#define HEARTBEAT(field) offsetof(struct heartbeat_config, field)
static const struct reader_option heartbeat_options[] = {
    {{"url", OPTION_TEXT, HEARTBEAT(url), NULL, 0, 0, NULL,
      "Asked for by GET as long as the hub is not unhealthy, such as https://hc-ping.com/ID."},
     NULL},
    {{"fail_url", OPTION_TEXT, HEARTBEAT(fail_url), NULL, 0, 0, NULL,
      "Gets what /health says by POST when it is unhealthy; else url with /fail behind it."},
     NULL},
    {{"every", OPTION_DURATION, HEARTBEAT(every_ms), "5m", 1000, 86400000, NULL, "How often."},
     NULL},
    {{"proxy", OPTION_TEXT, HEARTBEAT(proxy), NULL, 0, 0, NULL,
      "A proxy on the way, http://host:port or socks5h://host:port."},
     NULL},
};

static bool is_http(const char *url) {
    return !url || strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

static int read_heartbeat(struct reader *reader, const struct yaml_node *node, void *field) {
    struct heartbeat_config *heartbeat = field;
    reader->has_hub = true;
    reader_set_defaults(heartbeat_options, COUNT_OF(heartbeat_options), heartbeat);
    if (reader_mapping(reader, node, heartbeat_options, COUNT_OF(heartbeat_options), heartbeat) < 0)
        return -EINVAL;
    if (!heartbeat->url || !is_http(heartbeat->url) || !is_http(heartbeat->fail_url))
        return reader_error(reader, node,
                            "heartbeat needs url:, with http:// or https://, such as "
                            "{url: \"https://hc-ping.com/ID\"}");
    return 0;
}

const struct config_section reader_top_sections[] = {
    {"", "The top of the file.", top_options, COUNT_OF(top_options)},
    {"http", "With this section or with bots the hub runs too, as a service named hub.",
     http_options, COUNT_OF(http_options)},
    {"heartbeat", "With it the hub runs too.", heartbeat_options, COUNT_OF(heartbeat_options)},
    {"bots.NAME", "One mapping for each bot.", bot_options, COUNT_OF(bot_options)},
    {0}};

static int read_listen(struct reader *reader, const struct yaml_node *node, void *field) {
    struct http_config *http = field;
    AUTO_FREE char *text = reader_text(reader, node);
    char *colon = text ? strrchr(text, ':') : NULL;
    int64_t port = 0;
    if (!text)
        return -EINVAL;
    if (!colon || text_to_int(colon + 1, 1, 65535, &port) < 0 || colon == text)
        return reader_error(reader, node, "'%s': expected ADDRESS:PORT, such as 127.0.0.1:8001",
                            text);
    free(http->host);
    http->host = text_copy_n(text, (size_t)(colon - text));
    http->port = (uint16_t)port;
    reader->listen_place = node;
    return 0;
}

static int read_http(struct reader *reader, const struct yaml_node *node, void *field) {
    reader->has_hub = true;
    return reader_mapping(reader, node, http_options, COUNT_OF(http_options), field);
}

static bool token_well_formed(const char *token) {
    const char *colon = strchr(token, ':');
    return colon && colon > token && strspn(token, "0123456789") == (size_t)(colon - token) &&
           strlen(colon + 1) >= 8 && strlen(token) <= 128 && !strpbrk(token, " \t\r\n/");
}

static void read_bot(struct reader *reader, const struct yaml_node *key,
                     const struct yaml_node *node, struct bot_config *bot) {
    reader_set_defaults(bot_options, COUNT_OF(bot_options), bot);
    bot->name = text_copy(key->text);
    if (!reader_name_is_good(key->text))
        reader_error(reader, key, "'%s': a name is 1 to 32 of a-z, 0-9, '-' and '_'", key->text);
    reader->bot = bot;
    if (reader_mapping(reader, node, bot_options, COUNT_OF(bot_options), bot) < 0)
        return;
    size_t end = bot->api_url ? strlen(bot->api_url) : 0;
    while (end && bot->api_url[end - 1] == '/')
        bot->api_url[--end] = 0;
    if (strncmp(bot->api_url, "http://", 7) != 0 && strncmp(bot->api_url, "https://", 8) != 0)
        reader_error(reader, yaml_tree_get(node, "api_url"),
                     "expected a URL with http:// or https://");
    if (!yaml_tree_get(node, "token"))
        reader_error(reader, key,
                     "bot '%s' has no token: add `token: ${BOT_TOKEN}` and put "
                     "BOT_TOKEN=... (from @BotFather) into .env",
                     key->text);
    else if (!secret_is_set(&bot->token))
        reader_error(
            reader, yaml_tree_get(node, "token"),
            "the token of bot '%s' is empty: put BOT_TOKEN=... (from @BotFather) into .env",
            key->text);
    else if (!token_well_formed(bot->token.value))
        reader_error(reader, yaml_tree_get(node, "token"),
                     "the token of bot '%s' is not of the form "
                     "123456:ABC-DEF...; copy it again from @BotFather",
                     key->text);
}

static int read_bots(struct reader *reader, const struct yaml_node *node, void *field) {
    struct config *config = field;
    if (node->kind != YAML_MAPPING)
        return reader_error(reader, node, "expected names of bots with their settings below");
    reader->has_hub = true;
    config->bots = memory_array(node->count, sizeof *config->bots);
    config->bot_count = node->count;
    for (size_t i = 0; i < node->count; i++)
        read_bot(reader, &node->keys[i], &node->items[i], &config->bots[i]);
    return 0;
}

/* ---- what must hold between the parts ---- */

static bool host_is_loopback(const char *host) {
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static void check_http(struct reader *reader, const struct config *config) {
    const struct http_config *http = &config->http;
    if (host_is_loopback(http->host) || (http->behind_proxy && secret_is_set(&http->token)))
        return;
    reader_error(reader, reader->listen_place,
                 "listening on %s would open the hub to the network: use 127.0.0.1, or put a proxy "
                 "with TLS in front and set token: and behind_proxy: true",
                 http->host);
}

static void check_consumer(struct reader *reader, const struct config *config,
                           const struct service_config *service) {
    if (service->part == PART_NONE && service->consumer && !config_bot(config, service->consumer))
        reader_error(reader, reader_service_node(reader, service, "consumer"),
                     "'%s' is not among bots:", service->consumer);
}

static void check_needs(struct reader *reader, const struct config *config,
                        const struct service_config *service) {
    const char **names = memory_array(config->service_count + 1, sizeof *names);
    for (size_t i = 0; i < config->service_count; i++)
        names[i] = config->services[i].name;
    for (size_t i = 0; service->needs && service->needs[i]; i++) {
        const char *need = service->needs[i];
        if (config_service(config, need))
            continue;
        const char *nearest = text_did_you_mean(need, names);
        reader_error(reader, reader_service_node(reader, service, "needs"),
                     "'%s' is not among services:%s%s%s", need, nearest ? "; did you mean '" : "",
                     nearest ? nearest : "", nearest ? "'?" : "");
    }
    free(names);
}

/* Depth-first over needs; state 1 = being looked at, 2 = done. */
static bool needs_have_cycle(const struct config *config, size_t index, char *states) {
    if (states[index])
        return states[index] == 1;
    states[index] = 1;
    char **needs = config->services[index].needs;
    for (size_t i = 0; needs && needs[i]; i++) {
        const struct service_config *need = config_service(config, needs[i]);
        if (need && needs_have_cycle(config, (size_t)(need - config->services), states))
            return true;
    }
    states[index] = 2;
    return false;
}

static void check_cycles(struct reader *reader, const struct config *config) {
    for (size_t i = 0; i < config->service_count; i++) {
        AUTO_FREE char *states = memory_new(config->service_count);
        if (!needs_have_cycle(config, i, states))
            continue;
        reader_error(reader, reader_service_node(reader, &config->services[i], "needs"),
                     "'%s' needs itself, directly or in a circle; remove one of these needs",
                     config->services[i].name);
        return;
    }
}

static void check_whole(struct reader *reader, const struct config *config) {
    check_http(reader, config);
    reader_check_alerts(reader, config);
    for (size_t i = 0; i < config->service_count; i++) {
        check_consumer(reader, config, &config->services[i]);
        check_needs(reader, config, &config->services[i]);
    }
    check_cycles(reader, config);
    reader_check_trader(reader, config);
    if (config->service_count == 0 && !yaml_tree_get(reader->tree, "services"))
        reader_error(reader, NULL, "no services: nothing would run; `holdfast init` shows a start");
}

/* ---- folders, environment, the hub ---- */

static uint32_t text_hash(const char *text) {
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* Socket paths end at 107 bytes, so the run folder is short: one per data folder. */
static char *usual_run_folder(const struct config *config) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    uint32_t hash = text_hash(config->data);
    if (geteuid() == 0)
        return text_format("/run/holdfast/%08x", hash);
    if (runtime && runtime[0] == '/' && strlen(runtime) < 60)
        return text_format("%s/holdfast/%08x", runtime, hash);
    return text_format("/dev/shm/holdfast-%u/%08x", (unsigned)geteuid(), hash);
}

static void settle_folders(struct config *config, const char *folder_run) {
    AUTO_FREE char *joined = path_join(config->folder, config->data);
    free(config->data);
    config->data = path_normal(joined);
    config->run = folder_run ? text_copy(folder_run) : usual_run_folder(config);
}

/* One of our own programs as a service, before all others. */
static struct service_config *add_own(struct config *config, enum service_part part,
                                      const char *name, const char *place) {
    config->services =
        memory_grow(config->services, config->service_count + 1, sizeof *config->services);
    memmove(config->services + 1, config->services,
            config->service_count * sizeof *config->services);
    config->service_count++;
    struct service_config *own = &config->services[0];
    *own = (struct service_config){0};
    reader_service_defaults(own);
    own->name = text_copy(name);
    own->place = text_copy(place);
    own->folder = text_copy(config->folder);
    own->part = (int)part;
    own->critical = true;
    own->ready.kind = PROBE_NOTIFY;
    own->watchdog_ms = 30000;
    own->restart.delay_ms = 100;
    own->restart.delay_max_ms = 30000;
    AUTO_FREE char *program = text_format("holdfast-%s", name);
    const char *const words[] = {program, "--config", config->path, "--run", config->run};
    own->argv = memory_array(COUNT_OF(words) + 1, sizeof *own->argv);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        own->argv[i] = text_copy(words[i]);
    own->env = memory_array(1, sizeof *own->env);
    own->env_inherited = config->environment_bare;
    return own;
}

/* The trader needs no hub to watch its positions: it starts beside it and finds it when it can. */
static void add_trader(struct config *config) {
    struct service_config *trader =
        add_own(config, PART_TRADER, "trader", "(the trader, because of trader:)");
    trader->consumer = text_copy(config->trader.bot);
}

static int load_dotenv(struct reader *reader, const char *folder) {
    AUTO_FREE char *path = path_join(folder, ".env");
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    int r = config_files_read(reader->files, path, DOTENV_BYTES_MAX, &text, &size);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return reader_error_at(reader, ".env", 1, 1, "cannot be read: %s", strerror(-r));
    struct dotenv_problem problem;
    if (dotenv_parse((struct slice){text, size}, &reader->dotenv, &problem) < 0)
        return reader_error_at(reader, ".env", problem.line, problem.column, "%s", problem.text);
    return 0;
}

static void set_defaults(struct config *config) {
    reader_set_defaults(top_options, COUNT_OF(top_options), config);
    reader_alerts_defaults(&config->alerts);
    config->http.host = text_copy("127.0.0.1");
    config->http.port = 8001;
}

/* PORT is what hosting platforms set; the file's own listen: wins. */
static void take_port_from_env(struct reader *reader, struct config *config) {
    const char *port = reader_env(reader, "PORT");
    int64_t number = 0;
    if (port && !reader->listen_place && text_to_int(port, 1, 65535, &number) == 0)
        config->http.port = (uint16_t)number;
}

static int read_file(struct reader *reader, struct slice text, struct config *config) {
    struct yaml_node *tree = NULL;
    struct yaml_problem problem = {0};
    int r = yaml_tree_parse(text, &tree, &problem);
    if (r < 0)
        return reader_error_at(reader, reader->file, problem.line, problem.column, "%s",
                               problem.text);
    reader->tree = tree;
    if (!tree)
        return reader_error_at(reader, reader->file, 1, 1,
                               "is empty; `holdfast init` writes a first config");
    r = reader_mapping(reader, tree, top_options, COUNT_OF(top_options), config);
    settle_folders(config, reader->folder_run);
    take_port_from_env(reader, config);
    if (config->trader.bot && !config_service(config, "trader"))
        add_trader(config);
    if (reader->has_hub && !config_service(config, "hub"))
        (void)add_own(config, PART_HUB, "hub", "(the hub, because of bots: or http:)");
    check_whole(reader, config);
    reader_settle_jobs(reader, config);
    return r < 0 || reader->errors->count ? -EINVAL : 0;
}

/* A scalar at the top of the file; text that cannot be filled in is as if it were not there. */
static char *locate_text(struct reader *reader, const struct yaml_node *tree, const char *key,
                         const char *fallback) {
    const struct yaml_node *node = tree ? yaml_tree_get(tree, key) : NULL;
    char *text = node ? reader_text(reader, node) : NULL;
    return text ? text : text_copy(fallback);
}

int config_locate(const char *path, const char *folder_run, char **ret_data, char **ret_run,
                  char **ret_timezone) {
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    char resolved[PATH_MAX];
    int r = file_read(path, CONFIG_BYTES_MAX, &text, &size);
    if (r < 0)
        return r;
    if (!realpath(path, resolved))
        return -errno;
    *strrchr(resolved, '/') = 0;
    struct config_errors errors = {0};
    struct yaml_node *tree = NULL;
    struct yaml_problem problem;
    struct config config = {.folder = resolved};
    struct reader reader = {.errors = &errors, .file = path, .folder = resolved, .config = &config};
    (void)load_dotenv(&reader, resolved);
    if (yaml_tree_parse((struct slice){text, size}, &tree, &problem) < 0)
        tree = NULL;
    config.data = locate_text(&reader, tree, "data", "./data");
    *ret_timezone = locate_text(&reader, tree, "timezone", "UTC");
    settle_folders(&config, folder_run);
    *ret_data = config.data;
    *ret_run = config.run;
    yaml_tree_free(tree);
    reader_deinit(&reader);
    config_errors_deinit(&errors);
    return 0;
}

/* The path as it stays true after a change of folder; in replay the file may be gone. */
static int resolve(const char *path, const struct config_files *files, char *ret) {
    if (files && files->replay)
        return snprintf(ret, PATH_MAX, "%s", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
    return realpath(path, ret) ? 0 : -errno;
}

/* Ours, without what a keeper above us may have set for itself. */
static void inherit(struct reader *reader, struct config *config) {
    for (char **entry = environ; *entry; entry++) {
        AUTO_FREE char *name = text_copy_n(*entry, strcspn(*entry, "="));
        const char *value = strchr(*entry, '=') ? strchr(*entry, '=') + 1 : "";
        if (reader_env_is_ours(name))
            continue;
        env_set(&config->environment_bare, name, value);
        env_set(&config->environment, name, value);
    }
    for (char **entry = reader->dotenv; entry && *entry; entry++) {
        AUTO_FREE char *name = text_copy_n(*entry, strcspn(*entry, "="));
        if (!reader_env_is_ours(name) && !getenv(name))
            env_set(&config->environment, name, strchr(*entry, '=') + 1);
    }
}

/* What a service gets, HOLDFAST_* aside. */
char **config_service_env(const struct service_config *service) {
    size_t count = text_list_count(service->env_inherited);
    char **env = memory_array(count + 1, sizeof *env);
    for (size_t i = 0; i < count; i++)
        env[i] = text_copy(service->env_inherited[i]);
    for (char **entry = service->env; entry && *entry; entry++) {
        AUTO_FREE char *name = text_copy_n(*entry, strcspn(*entry, "="));
        env_set(&env, name, strchr(*entry, '=') + 1);
    }
    return env;
}

const char *config_service_env_get(const struct service_config *service, const char *name) {
    const char *own = env_get(service->env, name);
    return own ? own : env_get(service->env_inherited, name);
}

int config_load_files(const char *path, const char *folder_run, struct config_files *files,
                      struct config **ret, struct config_errors *errors) {
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    char resolved[PATH_MAX];
    int r = resolve(path, files, resolved);
    r = r < 0 ? r : config_files_read(files, resolved, CONFIG_BYTES_MAX, &text, &size);
    if (r < 0)
        return r;
    struct config *config = memory_new(sizeof *config);
    char *slash = strrchr(resolved, '/');
    must(slash);
    config->path = text_copy(resolved);
    config->folder =
        slash == resolved ? text_copy("/") : text_copy_n(resolved, (size_t)(slash - resolved));
    struct reader reader = {.errors = errors,
                            .file = slash + 1,
                            .folder = config->folder,
                            .folder_run = folder_run,
                            .files = files,
                            .config = config};
    set_defaults(config);
    r = load_dotenv(&reader, config->folder);
    inherit(&reader, config);
    int file_r = read_file(&reader, (struct slice){text, size}, config);
    reader_deinit(&reader);
    if (r < 0 || file_r < 0 || errors->count) {
        config_free(config);
        return CONFIG_INVALID;
    }
    *ret = config;
    return 0;
}

int config_load(const char *path, const char *folder_run, struct config **ret,
                struct config_errors *errors) {
    return config_load_files(path, folder_run, NULL, ret, errors);
}

void config_register_secrets(const struct config *config) {
    secret_register(config->http.token.value);
    for (size_t i = 0; i < config->bot_count; i++)
        secret_register(config->bots[i].token.value);
    for (size_t i = 0; i < config->alerts.way_count; i++)
        secret_register(config->alerts.ways[i].token.value);
    if (config->trader.mode != TRADE_PAPER) { /* those of the paper exchange are public */
        secret_register(config->trader.api_key.value);
        secret_register(config->trader.api_secret.value);
    }
}

static _Noreturn void give_up(int r, const char *path, const struct config_errors *errors) {
    if (r < 0)
        fatal(
            r == -ENOENT ? EX_NOINPUT : EX_CONFIG,
            "%s: cannot be read: %s; `holdfast init` writes a first config, -c FILE names another",
            path, strerror(-r));
    for (size_t i = 0; i < errors->count; i++)
        fprintf(stderr, "%s: %s\n", errors->list[i].place, errors->list[i].text);
    fprintf(stderr, "%zu error%s; nothing was started\n", errors->count,
            errors->count == 1 ? "" : "s");
    exit(EX_CONFIG);
}

struct config *config_load_or_exit(const char *path, const char *folder_run) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    int r = config_load(path, folder_run, &config, &errors);
    if (r != 0)
        give_up(r, path, &errors);
    config_register_secrets(config);
    return config;
}

char *config_in_force_path(const char *folder_run) {
    return path_join(folder_run, "config.in-force");
}

struct config *config_load_in_force_or_exit(const char *path, const char *folder_run) {
    AUTO_FREE char *record = folder_run ? config_in_force_path(folder_run) : NULL;
    struct config_files files = {0};
    struct config_errors errors = {0};
    struct config *config = NULL;
    int r = record ? config_files_open(record, &files) : -ENOENT;
    r = r < 0 ? r : config_load_files(path, folder_run, &files, &config, &errors);
    config_files_deinit(&files);
    config_errors_deinit(&errors);
    if (r != 0)
        return config_load_or_exit(path, folder_run);
    config_register_secrets(config);
    return config;
}
