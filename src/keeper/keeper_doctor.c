/* SPDX-License-Identifier: Apache-2.0 */
/* What runs for development although the profile is production: a shell script may have added the
 * flag, so the command lines and environments of the whole tree are looked at. Twice in the life of
 * a service, after it became ready, and whenever somebody asks. */
#include "base/clock.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "keeper/processes.h"
#include "model/development.h"
#include <stdio.h>

enum { WORDS_MAX = 2048, WORDS_BYTES_MAX = 128 * 1024 };
/* Soon, and once more when a script has done what it does first. */
static const int64_t looks_after_ms[] = {3000, 30000};

/* NUL-separated words of /proc/PID/`name`, as a list that points into `text`. */
static char **words_of(pid_t pid, const char *name, char *text, size_t size, char **words) {
    ssize_t bytes = proc_read(pid, name, text, size);
    size_t count = 0;
    for (char *p = text; bytes > 0 && p < text + bytes && count < WORDS_MAX; p += strlen(p) + 1)
        words[count++] = p;
    words[count] = NULL;
    return words;
}

static struct development_finding look_at(pid_t pid) {
    static char arguments[WORDS_BYTES_MAX], variables[WORDS_BYTES_MAX];
    static char *argv[WORDS_MAX + 1], *env[WORDS_MAX + 1];
    return development_look(words_of(pid, "cmdline", arguments, sizeof arguments, argv),
                            words_of(pid, "environ", variables, sizeof variables, env));
}

/* Calls `each` for every finding in a tree; our own programs take no such flags. */
static void find_all(struct keeper *keeper,
                     void (*each)(struct keeper *keeper, size_t index, pid_t pid,
                                  const struct development_finding *finding, void *context),
                     void *context) {
    struct processes processes;
    if (keeper->config->profile != PROFILE_PRODUCTION)
        return;
    processes_read(keeper, &processes);
    for (size_t i = 0; i < processes.count; i++) {
        const struct process *process = &processes.list[i];
        if (process->service == PROCESS_OF_NOBODY || process->zombie)
            continue;
        struct development_finding finding = look_at(process->pid);
        if (finding.word)
            each(keeper, process->service, process->pid, &finding, context);
    }
    processes_deinit(&processes);
}

/* ---- asked ---- */

static void add_finding(struct keeper *keeper, size_t index, pid_t pid,
                        const struct development_finding *finding, void *context) {
    json_array_append_new(context,
                          json_pack("{s:s,s:i,s:s,s:s}", "service",
                                    keeper->services.list[index].config->name, "pid", (int)pid,
                                    "what", finding->word, "advice", finding->advice));
}

json_t *doctor_findings(struct keeper *keeper) {
    json_t *findings = json_array();
    find_all(keeper, add_finding, findings);
    return findings;
}

/* ---- by itself ---- */

/* Of a tree only the first that shows it is told, once in a life. */
static void tell_finding(struct keeper *keeper, size_t index, pid_t pid,
                         const struct development_finding *finding, void *context) {
    struct unit *unit = keeper->units[index];
    const struct service *service = &keeper->services.list[index];
    char text[SERVICE_TEXT_BYTES];
    if (unit->flagged == service->pid || !unit->look_now)
        return;
    unit->flagged = service->pid;
    text_print(text, sizeof text, "process %d runs with %s: %s", (int)pid, finding->word,
               finding->advice);
    events_add(keeper, service->config->name, "development_flag", text);
}

/* The one-shot is set for the earliest look that is due; none: nothing wakes. */
static void set_timer(struct keeper *keeper);

static void on_timer(uv_timer_t *timer) {
    struct keeper *keeper = timer->data;
    int64_t now = clock_ms();
    bool any = false;
    for (size_t i = 0; i < keeper->services.count; i++) {
        struct unit *unit = keeper->units[i];
        const struct service *service = &keeper->services.list[i];
        unit->look_now = unit->look_at_ms && unit->look_at_ms <= now;
        if (!unit->look_now)
            continue;
        unit->looks++;
        bool again = service->state == SERVICE_READY && unit->looks < COUNT_OF(looks_after_ms);
        unit->look_at_ms = again ? now + looks_after_ms[unit->looks] : 0;
        any |= service->state == SERVICE_READY;
    }
    if (any)
        find_all(keeper, tell_finding, NULL);
    set_timer(keeper);
}

static void set_timer(struct keeper *keeper) {
    int64_t least = 0, now = clock_ms();
    for (size_t i = 0; i < keeper->services.count; i++) {
        int64_t at = keeper->units[i]->look_at_ms;
        if (at && (!least || at < least))
            least = at;
    }
    if (!least)
        return;
    uv_update_time(&keeper->loop);
    uv_timer_start(&keeper->look_timer, on_timer, least > now ? (uint64_t)(least - now) : 0, 0);
}

void doctor_look_later(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    if (keeper->config->profile != PROFILE_PRODUCTION)
        return;
    unit->looks = 0;
    unit->look_at_ms = clock_ms() + looks_after_ms[0];
    set_timer(keeper);
}

void doctor_open(struct keeper *keeper) {
    uv_timer_init(&keeper->loop, &keeper->look_timer);
    keeper->look_timer.data = keeper;
}
