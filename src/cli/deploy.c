/* SPDX-License-Identifier: Apache-2.0 */
/* deploy: a new version of one service, or back to the one before. */
#include "cli/deploy.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "cli/doctor.h"
#include "wire/config.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

enum { LAST_LINES = 20, LOG_BYTES_MAX = 16 << 20, NOTE_BYTES_MAX = 65536 };

void deploy_tell(struct deploy *deploy, const char *format, ...) {
    char text[1024];
    AUTO_FREE char *whole = NULL;
    va_list words;
    va_start(words, format);
    int n = vasprintf(&whole, format, words);
    va_end(words);
    if (n < 0)
        return;
    text_print(text, sizeof text, "%s", whole);
    secret_mask(text, strlen(text));
    fprintf(stderr, "%s: %s\n", deploy->name, text);
    json_decref(keeper_try(deploy->config->run,
                           json_pack("{s:i,s:s,s:s,s:s,s:s}", "id", 1, "do", "note", "service",
                                     deploy->service->name, "what", "deploy", "text", text)));
}

void deploy_note(struct deploy *deploy, const char *step) {
    char time[CLOCK_TEXT_BYTES];
    clock_format(clock_wall_ms(), time);
    json_t *note = json_pack("{s:s,s:s,s:s?,s:s?,s:i}", "step", step, "time", time, "before",
                             deploy->before, "now", deploy->now, "pid", (int)getpid());
    AUTO_FREE char *text = json_dumps(note, JSON_COMPACT);
    json_decref(note);
    int r = file_replace(deploy->note_path, slice_of(text ? text : "{}"), 0600);
    if (r < 0)
        fatal(EX_IOERR, "%s cannot be written: %s; nothing more is done", deploy->note_path,
              strerror(-r));
}

/* ---- one at a time ---- */

static char *deploy_folder(const struct config *config) {
    return path_join(config->data, "deploy");
}

/* Handed on to pull and check: killed, we leave it to them until they end. */
static int take_lock(const struct deploy *deploy) {
    AUTO_FREE char *folder = deploy_folder(deploy->config);
    AUTO_FREE char *path = text_format("%s/%s.lock", folder, deploy->name);
    int r = folder_make(folder, 0750);
    int fd = r < 0 ? r : open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        fatal(EX_CANTCREAT, "%s cannot be opened: %s", path, strerror(r < 0 ? -r : errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        fatal(EX_TEMPFAIL, "another deploy of %s is under way; try again when it has ended",
              deploy->name);
    return fd;
}

static json_t *read_note(const char *path) {
    AUTO_FREE char *text = NULL;
    return file_read(path, NOTE_BYTES_MAX, &text, NULL) < 0 ? NULL : json_loads(text, 0, NULL);
}

static const char *text_of(const json_t *note, const char *name) {
    const char *text = json_string_value(json_object_get(note, name));
    return text ? text : "";
}

/* What ran before an interrupted deploy is still the way back; of an archive's only another
 * archive's. */
static void take_up(struct deploy *deploy) {
    json_t *note = read_note(deploy->note_path);
    const char *before = text_of(note, "before");
    bool archive = strncmp(before, "releases/", 9) == 0;
    if (note)
        deploy_tell(deploy,
                    "an earlier deploy was interrupted at '%s' (%s); what ran before it: %s",
                    text_of(note, "step"), text_of(note, "time"), before[0] ? before : "unknown");
    if (before[0] && archive == (deploy->cli->from != NULL)) {
        deploy->before = text_copy(before);
        deploy->interrupted = true;
    }
    json_decref(note);
}

void deploy_report(struct report *report, const struct config *config) {
    AUTO_FREE char *folder_path = deploy_folder(config);
    size_t count = 0;
    DIR *folder = opendir(folder_path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        const char *end = strstr(entry->d_name, ".json");
        if (!end || end[5])
            continue;
        AUTO_FREE char *path = path_join(folder_path, entry->d_name);
        AUTO_FREE char *lock =
            text_format("%s/%.*s.lock", folder_path, (int)(end - entry->d_name), entry->d_name);
        AUTO_FREE char *what =
            text_format("deploy of %.*s", (int)(end - entry->d_name), entry->d_name);
        AUTO_FD int fd = open(lock, O_RDWR | O_CLOEXEC);
        json_t *note = read_note(path);
        if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0)
            report_add(report, what, NULL, "under way, at '%s'", text_of(note, "step"));
        else
            report_add(report, what,
                       "run `holdfast deploy` of it again: it carries on, and knows the way back",
                       "interrupted at '%s' on %s; before it ran %s, new is %s",
                       text_of(note, "step"), text_of(note, "time"), text_of(note, "before"),
                       text_of(note, "now")[0] ? text_of(note, "now") : "what its folder holds");
        json_decref(note);
        count++;
    }
    if (folder)
        closedir(folder);
    if (count == 0)
        report_add(report, "deploys", NULL, "none is unfinished");
}

/* ---- the whole ---- */

static void print_last_lines(const struct deploy *deploy) {
    AUTO_FREE char *path =
        text_format("%s/logs/%s.log", deploy->config->data, deploy->unwell->name);
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    if (file_read(path, LOG_BYTES_MAX, &text, &size) < 0 || size == 0)
        return;
    const char *start = text + size;
    for (int lines = 0; start > text && lines <= LAST_LINES; start--)
        lines += start[-1] == '\n';
    start += start > text; /* behind the newline that was one too many */
    fprintf(stderr, "its last lines:\n%s", start);
}

static bool go_back(struct deploy *deploy) {
    char *why = NULL;
    deploy_note(deploy, "back");
    bool back = deploy->cli->from ? deploy_archive_back(deploy) : deploy_git_back(deploy);
    bool ready = back && deploy_restart(deploy, true, &why);
    if (ready)
        deploy_tell(deploy, "back at %s, and ready", deploy->before);
    else if (back)
        deploy_tell(deploy, "back at %s, which is not well either: %s", deploy->before, why);
    free(why);
    return back;
}

/* Exit code. The note goes once nothing is left open. */
static int carry_out(struct deploy *deploy) {
    const char *from = deploy->cli->from;
    enum deploy_outcome outcome = from ? deploy_archive(deploy, from) : deploy_git(deploy);
    bool settled = true;
    int code = 1;
    if (outcome == DEPLOY_NOTHING_NEW) {
        deploy_tell(deploy, "nothing new; it was not restarted");
        code = 0;
    } else if (outcome == DEPLOY_NEW) {
        char *why = NULL;
        deploy_note(deploy, "restart");
        bool ready = deploy_restart(deploy, false, &why);
        if (ready) {
            deploy_tell(deploy, "%s runs now, and is ready", deploy->now);
            code = 0;
            if (from)
                deploy_archive_prune(deploy);
        } else {
            print_last_lines(deploy);
            deploy_tell(deploy, "%s is not well: %s; going back", deploy->now, why);
            settled = go_back(deploy);
        }
        free(why);
    } else if (deploy->interrupted) {
        settled = false; /* the service may run the version that was never found to be well */
    }
    if (settled)
        unlink(deploy->note_path);
    return code;
}

static const struct service_config *find_service(const struct cli *cli,
                                                 const struct config *config) {
    const char *name = cli->words[0];
    if (!name || cli->words[1])
        fatal(EX_USAGE, "deploy what? name one service");
    const struct service_config *service = NULL;
    for (size_t i = 0; i < config->service_count && !service; i++)
        if (service_is_called(&config->services[i], name))
            service = &config->services[i];
    if (!service || service->part != PART_NONE)
        fatal(EX_USAGE, "'%s' is not a service of %s", name, config->path);
    if (!cli->from && !service->deploy.pull)
        fatal(EX_USAGE,
              "service '%s' does not say how a new version comes: add `deploy: {pull: git pull "
              "--ff-only}` to it, or use --from FILE.tar.gz",
              name);
    return service;
}

int command_deploy(const struct cli *cli) {
    struct config *config = config_load_or_exit(cli->config_path, cli->run);
    struct deploy deploy = {
        .cli = cli,
        .config = config,
        .service = find_service(cli, config),
    };
    deploy.name = deploy.service->group ? deploy.service->group : deploy.service->name;
    int code = 0;
    json_t *pong = keeper_ask(config->run, json_pack("{s:i,s:s}", "id", 1, "do", "ping"), &code);
    if (pong) {
        int lock = take_lock(&deploy);
        AUTO_FREE char *folder = deploy_folder(config);
        deploy.note_path = text_format("%s/%s.json", folder, deploy.name);
        take_up(&deploy);
        code = carry_out(&deploy);
        close(lock);
    }
    if (cli->json)
        printf("{\"deployed\":%s,\"before\":\"%s\",\"now\":\"%s\"}\n",
               code == 0 && deploy.switched ? "true" : "false", deploy.before ? deploy.before : "",
               deploy.now ? deploy.now : "");
    json_decref(pong);
    buffer_deinit(&deploy.output);
    free(deploy.note_path);
    free(deploy.before);
    free(deploy.now);
    config_free(config);
    return code;
}
