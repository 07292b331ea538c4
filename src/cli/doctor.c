/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what is wrong here, and what to do. Changes nothing. */
#include "cli/doctor.h"
#include "base/file.h"
#include "base/launch.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "wire/config.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void add_errors(struct report *report, const char *what, const char *advice,
                       const struct config_errors *errors) {
    for (size_t i = 0; i < errors->count; i++)
        report_add(report, what, advice, "%s: %s", errors->list[i].place, errors->list[i].text);
}

/* NULL: it cannot be used, and that is said. */
static struct config *look_at_config(struct report *report, const struct cli *cli, bool *ret_read) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    int r = config_load(cli->config_path, cli->run, &config, &errors);
    *ret_read = r >= 0;
    if (r < 0)
        report_add(report, "config", "`holdfast init` writes a first one; -c FILE names another",
                   "%s cannot be read: %s", cli->config_path, strerror(-r));
    add_errors(report, "config", "correct it there; until then the config in force stays", &errors);
    if (r == 0) {
        config_register_secrets(config);
        report_add(report, "config", NULL, "%s is good: %zu services, %zu bots", config->path,
                   config->service_count, config->bot_count);
    }
    config_errors_deinit(&errors);
    return config;
}

static void look_at_programs(struct report *report, const struct config *config, bool running) {
    struct config_errors errors = {0};
    check_machine(config, &errors);
    add_errors(report, "programs", "install it, or correct command: and folder:", &errors);
    if (errors.count == 0)
        report_add(report, "programs", NULL, "all programs, interpreters and folders are there");
    config_errors_deinit(&errors);
    if (running)
        return;
    check_ports(config, &errors);
    add_errors(report, "ports", "stop the other program, or choose another port", &errors);
    if (errors.count == 0)
        report_add(report, "ports", NULL, "no port that a service waits for is taken");
    config_errors_deinit(&errors);
}

/* ---- processes of ours ---- */

struct ours {
    size_t anchors, orphans; /* other anchors of this run folder; services, while no anchor lives */
    pid_t anchor, orphan;    /* one of them */
};

static bool has_run_mark(pid_t pid, const char *mark) {
    char path[64];
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    if (file_read(path, 1 << 20, &text, &size) < 0)
        return false;
    for (const char *p = text; p < text + size; p += strlen(p) + 1)
        if (strcmp(p, mark) == 0)
            return true;
    return false;
}

/* holdfast-anchor RUN ...: by its program's name and its first argument. */
static bool is_anchor(pid_t pid, const char *run) {
    char path[64];
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (file_read(path, 65536, &text, &size) < 0 || size == 0)
        return false;
    const char *name = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
    const char *argument = text + strlen(text) + 1;
    return strcmp(name, "holdfast-anchor") == 0 && argument < text + size &&
           strcmp(argument, run) == 0;
}

static struct ours find_ours(const struct config *config, pid_t anchor) {
    struct ours ours = {0};
    AUTO_FREE char *mark = text_format("HOLDFAST_RUN=%s", config->run);
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
        if (pid <= 0 || pid == anchor || pid == getpid())
            continue;
        if (is_anchor(pid, config->run)) {
            ours.anchors++;
            ours.anchor = pid;
        } else if (!anchor && has_run_mark(pid, mark)) {
            ours.orphans++;
            ours.orphan = pid;
        }
    }
    if (proc)
        closedir(proc);
    return ours;
}

static void look_at_ours(struct report *report, const struct config *config, pid_t anchor) {
    struct ours ours = find_ours(config, anchor);
    if (ours.anchors && anchor)
        report_add(report, "anchors", "end it: kill PID",
                   "process %d is an old anchor beside the one that works (%d)", (int)ours.anchor,
                   (int)anchor);
    else if (ours.anchors)
        report_add(report, "anchors", "`holdfast up --replace`, or kill that process",
                   "process %d is an anchor whose keeper does not answer", (int)ours.anchor);
    else if (ours.orphans)
        report_add(report, "anchors", "`holdfast up` adopts them; then `holdfast down` ends them",
                   "none runs, but %zu process%s of services, such as %d, go on without one",
                   ours.orphans, ours.orphans == 1 ? "" : "es", (int)ours.orphan);
    else
        report_add(report, "anchors", NULL, anchor ? "one, process %d" : "none runs", (int)anchor);
}

/* ---- what runs ---- */

static void look_at_keeper(struct report *report, const char *run) {
    json_t *found = keeper_try(run, json_pack("{s:i,s:s}", "id", 1, "do", "doctor"));
    const json_t *list = json_is_array(found) ? found : json_object_get(found, "findings");
    size_t i;
    json_t *each;
    json_array_foreach(list, i, each) {
        AUTO_FREE char *what = text_format("service %s", text_of(each, "service"));
        report_add(report, what, text_of(each, "advice"), "%s (process %d)", text_of(each, "what"),
                   (int)json_integer_value(json_object_get(each, "pid")));
    }
    json_decref(found);
}

static void look_at_services(struct report *report, const json_t *status) {
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(status, "services"), i, service) {
        AUTO_FREE char *what = text_format("service %s", text_of(service, "name"));
        const char *state = text_of(service, "state");
        bool bad = strcmp(state, "failed") == 0 || strcmp(state, "backoff") == 0;
        if (bad)
            report_add(report, what,
                       "`holdfast status NAME` shows how it died, `holdfast logs NAME` "
                       "its last words",
                       "%s: %s", state, text_of(service, "why"));
        else if (json_object_get(service, "log_error"))
            report_add(report, what, "make room, or give it a log that can be written",
                       "its log fails: %s", text_of(service, "log_error"));
    }
}

static pid_t look_at_running(struct report *report, const struct config *config) {
    json_t *status = keeper_try(config->run, json_pack("{s:i,s:s}", "id", 1, "do", "status"));
    pid_t anchor = (pid_t)json_integer_value(json_object_get(status, "pid"));
    if (status)
        look_at_services(report, status);
    if (status)
        look_at_keeper(report, config->run);
    json_decref(status);
    return anchor;
}

int command_doctor(const struct cli *cli) {
    struct report report = {0};
    bool read = false;
    struct config *config = look_at_config(&report, cli, &read);
    if (config) {
        pid_t anchor = look_at_running(&report, config);
        look_at_programs(&report, config, anchor != 0);
        look_at_ours(&report, config, anchor);
        doctor_folders(&report, config);
        deploy_report(&report, config);
        doctor_machine(&report, config, anchor);
        if (cli->online)
            report_add_online(&report, config, anchor != 0);
    }
    int code = report_print(&report, cli->json, true);
    report_deinit(&report);
    config_free(config);
    return read ? code : EX_NOINPUT;
}
