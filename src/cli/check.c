/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "wire/config_origins.h"
#include "wire/dotenv.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static void PRINTF_LIKE(3, 4)
    add(struct config_errors *errors, const char *place, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (n < 0 || errors->count >= CONFIG_ERRORS_MAX)
        return;
    errors->list = memory_grow(errors->list, errors->count + 1, sizeof *errors->list);
    errors->list[errors->count++] = (struct config_error){text_copy(place), text};
}

/* 0, or the errno that running the file would give. */
static int program_error(const char *path) {
    struct stat found;
    if (stat(path, &found) < 0)
        return errno;
    if (S_ISDIR(found.st_mode))
        return EISDIR;
    return access(path, X_OK) < 0 ? errno : 0;
}

/* "#!/usr/bin/pyhton3": the file is there, what it names is not. */
static void check_interpreter(const struct service_config *service, const char *path,
                              struct config_errors *errors) {
    char line[256] = "";
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (n < 3 || strncmp(line, "#!", 2) != 0)
        return;
    char *name = line + 2 + strspn(line + 2, " \t");
    name[strcspn(name, " \t\r\n")] = 0;
    int error = program_error(name);
    if (error)
        add(errors, service->place, "%s: its first line names the interpreter '%s': %s", path, name,
            strerror(error));
}

static char *in_path(const struct service_config *service, const char *word) {
    AUTO_FREE char *own = program_folder();
    const char *path = config_service_env_get(service, "PATH");
    AUTO_FREE char *all = text_format("%s:%s", path ? path : "/usr/local/bin:/usr/bin:/bin", own);
    char *rest = all;
    for (char *part; (part = strsep(&rest, ":"));) {
        char *file = text_format("%s/%s", part, word);
        if (program_error(file) == 0)
            return file;
        free(file);
    }
    return NULL;
}

static void check_program(const struct service_config *service, struct config_errors *errors) {
    const char *word = service->argv[0];
    if (!strchr(word, '/')) {
        AUTO_FREE char *found = in_path(service, word);
        if (!found)
            add(errors, service->place,
                "service '%s': the program '%s' is not in PATH; install it, "
                "or give its whole path",
                service->name, word);
        return;
    }
    AUTO_FREE char *path = path_join(service->folder, word);
    int error = program_error(path);
    if (error)
        add(errors, service->place, "service '%s': the program %s cannot be run: %s", service->name,
            path, error == EACCES ? "not executable (chmod +x)" : strerror(error));
    else
        check_interpreter(service, path, errors);
}

static void check_folder(const struct service_config *service, struct config_errors *errors) {
    struct stat found;
    if (stat(service->folder, &found) < 0)
        add(errors, service->place, "service '%s': its folder %s: %s", service->name,
            service->folder, strerror(errno));
    else if (!S_ISDIR(found.st_mode))
        add(errors, service->place, "service '%s': its folder %s is not a folder", service->name,
            service->folder);
}

void check_machine(const struct config *config, struct config_errors *errors) {
    for (size_t i = 0; i < config->service_count; i++) {
        check_folder(&config->services[i], errors);
        check_program(&config->services[i], errors);
    }
}

static bool port_is_taken(const char *host, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return false;
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0 &&
           errno == EADDRINUSE;
}

void check_ports(const struct config *config, struct config_errors *errors) {
    for (size_t i = 0; i < config->service_count; i++) {
        const struct service_config *service = &config->services[i];
        const struct probe_config *probe = service->ready.host ? &service->ready : &service->health;
        if (probe->host && port_is_taken(probe->host, probe->port))
            add(errors, service->place,
                "service '%s': port %u, which its probe looks at, is taken "
                "by another program; `ss -ltnp` shows which",
                service->name, probe->port);
    }
}

static void report_json(const struct config_errors *errors) {
    json_t *list = json_array();
    for (size_t i = 0; i < errors->count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s}", "place", errors->list[i].place, "text",
                                              errors->list[i].text));
    json_t *all = json_pack("{s:b,s:o}", "valid", errors->count == 0, "errors", list);
    AUTO_FREE char *text = json_dumps(all, JSON_COMPACT);
    puts(text ? text : "{}");
    json_decref(all);
}

int check_report(const struct config_errors *errors, bool json) {
    if (json)
        report_json(errors);
    for (size_t i = 0; i < errors->count && !json; i++)
        fprintf(stderr, "%s: %s\n", errors->list[i].place, errors->list[i].text);
    if (!json && errors->count)
        fprintf(stderr, "%zu error%s\n", errors->count, errors->count == 1 ? "" : "s");
    return errors->count ? EX_CONFIG : 0;
}

/* ---- the command ---- */

enum { HTTP_PORT_DEFAULT = 8001 };

static json_t *service_json(const struct service_config *service) {
    json_t *argv = json_array(), *needs = json_array();
    for (size_t i = 0; service->argv[i]; i++)
        json_array_append_new(argv, json_string(service->argv[i]));
    for (size_t i = 0; service->needs && service->needs[i]; i++)
        json_array_append_new(needs, json_string(service->needs[i]));
    return json_pack("{s:s,s:o,s:s,s:o,s:s?,s:s?,s:I,s:I,s:I,s:b}", "name", service->name,
                     "command", argv, "folder", service->folder, "needs", needs, "user",
                     service->user, "consumer", service->consumer, "stop_timeout_ms",
                     (json_int_t)service->stop_timeout_ms, "start_timeout_ms",
                     (json_int_t)service->start_timeout_ms, "watchdog_ms",
                     (json_int_t)service->watchdog_ms, "critical", service->critical);
}

/* Where a value came from that stands nowhere in the file. */
static void add_default(json_t *ret, const struct config_origins *origins, const char *path,
                        const char *origin) {
    if (!config_origin_of(origins, path))
        json_object_set_new(ret, path, json_string(origin));
}

static void add_service_defaults(json_t *ret, const struct config_origins *origins,
                                 const struct service_config *service) {
    static const char *const names[] = {"command",  "folder",   "needs",
                                        "user",     "consumer", "stop_timeout",
                                        "watchdog", "critical", "start_timeout"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *path = text_format("services.%s.%s", service->name, names[i]);
        add_default(ret, origins, path, service->part == PART_NONE ? "default" : service->place);
    }
}

/* {"services.bot.command": "holdfast.yaml:12:5; NAME from .env", ...}: each value that is printed,
 * and all else that stands in the file. */
static json_t *origins_json(const struct cli *cli, const struct config *config) {
    static const char *const top[] = {"name", "timezone", "profile", "data", "http.token"};
    struct config_origins origins;
    json_t *ret = json_object();
    if (config_origins_read(config->path, &origins) < 0)
        return ret;
    for (size_t i = 0; i < origins.count; i++)
        json_object_set_new(ret, origins.list[i].path, json_string(origins.list[i].origin));
    for (size_t i = 0; i < COUNT_OF(top); i++)
        add_default(ret, &origins, top[i], "default");
    add_default(ret, &origins, "http.listen",
                config->http.port == HTTP_PORT_DEFAULT ? "default" : "PORT");
    json_object_set_new(ret, "run",
                        json_string(cli->run ? "--run" : "default, one for each data folder"));
    for (size_t i = 0; i < config->bot_count; i++) {
        AUTO_FREE char *owner = text_format("bots.%s.owner", config->bots[i].name);
        AUTO_FREE char *api_url = text_format("bots.%s.api_url", config->bots[i].name);
        add_default(ret, &origins, owner, "default");
        add_default(ret, &origins, api_url, "default");
    }
    for (size_t i = 0; i < config->service_count; i++)
        add_service_defaults(ret, &origins, &config->services[i]);
    config_origins_deinit(&origins);
    return ret;
}

static void print_effective(const struct cli *cli, const struct config *config) {
    json_t *services = json_array(), *bots = json_array();
    for (size_t i = 0; i < config->service_count; i++)
        json_array_append_new(services, service_json(&config->services[i]));
    for (size_t i = 0; i < config->bot_count; i++)
        json_array_append_new(bots, json_pack("{s:s,s:s,s:I,s:s}", "name", config->bots[i].name,
                                              "token", secret_shown(&config->bots[i].token),
                                              "owner", (json_int_t)config->bots[i].owner, "api_url",
                                              config->bots[i].api_url));
    json_t *all = json_pack("{s:s,s:s,s:s,s:s,s:{s:s,s:i,s:s},s:o,s:o}", "file", config->path,
                            "name", config->name, "data", config->data, "run", config->run, "http",
                            "host", config->http.host, "port", (int)config->http.port, "token",
                            secret_shown(&config->http.token), "bots", bots, "services", services);
    json_object_set_new(all, "timezone", json_string(config->timezone));
    json_object_set_new(all, "origins", origins_json(cli, config));
    AUTO_FREE char *text = json_dumps(all, JSON_INDENT(2));
    config_register_secrets(config); /* a command may hold one too */
    if (text)
        secret_mask(text, strlen(text));
    puts(text ? text : "{}");
    json_decref(all);
}

/* What only Telegram and the exchange know; the config itself is good. */
static int check_online(const struct cli *cli, const struct config *config) {
    struct report report = {0};
    AUTO_FD int running = keeper_connect(config->run);
    report_add_online(&report, config, running >= 0);
    int code = report_print(&report, cli->json, true) ? EX_CONFIG : 0;
    report_deinit(&report);
    return code;
}

int command_check(const struct cli *cli) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    int r = config_load(cli->config_path, cli->run, &config, &errors);
    if (r < 0)
        add(&errors, cli->config_path, "cannot be read: %s; `holdfast init` writes a first config",
            strerror(-r));
    if (r == 0) {
        check_machine(config, &errors);
        AUTO_FD int running = keeper_connect(config->run);
        if (running < 0)
            check_ports(config, &errors);
    }
    int code = errors.count || !cli->json || !cli->online ? check_report(&errors, cli->json) : 0;
    if (code == 0 && cli->print)
        print_effective(cli, config);
    else if (code == 0 && !cli->json)
        printf("%s is good: %zu service%s, %zu bot%s\n", cli->config_path, config->service_count,
               config->service_count == 1 ? "" : "s", config->bot_count,
               config->bot_count == 1 ? "" : "s");
    if (code == 0 && cli->online && !cli->print)
        code = check_online(cli, config);
    config_errors_deinit(&errors);
    config_free(config);
    return r == -ENOENT ? EX_NOINPUT : code;
}
