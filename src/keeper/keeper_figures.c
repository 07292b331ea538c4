/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the services, the machine and the keeper itself. They are taken when somebody asks and
 * at no other time; limits are looked at and forecasts fed with what was taken then. */
#include "base/clock.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "keeper/processes.h"
#include "policy/forecast.h"
#include "policy/unrest.h"
#include "policy/watch.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

enum { PAUSE_MS_MIN = 500, PSS_READ_MAX = 4096, HOUR_MS = 3600000, MINUTE_MS = 60000 };
static const int64_t day_ms = 86400000;
static const double machine_memory_limit = 85, machine_disk_limit = 90;

/* CPU time at two former questions, PAUSE_MS_MIN or more apart. */
struct meter {
    struct reading {
        int64_t time_ms, ticks;
    } former, last;
};

struct unit_figures {
    pid_t pid; /* whose life this is */
    struct meter cpu;
    struct watch_state memory_watch, cpu_watch;
    struct forecast memory;
    struct forecast_result memory_result;
};

struct figures {
    struct meter cpu, keeper_cpu;
    struct watch_state memory_watch, disk_watch;
    struct forecast disk;
    struct forecast_result disk_result;
};

/* What one question finds out of one service. */
struct sum {
    int64_t ticks, memory_bytes, fds, threads, processes;
    bool memory_is_rss;
};

static struct unit_figures *made(struct unit *unit) {
    if (!unit->figures)
        unit->figures = memory_new(sizeof *unit->figures);
    return unit->figures;
}

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), tail = strlen(end);
    return size >= tail && strcmp(text + size - tail, end) == 0;
}

static struct watch_state *watch_of(struct keeper *keeper, const char *service, const char *what) {
    size_t index = 0;
    bool memory = strncmp(what, "memory_", 7) == 0, cpu = strncmp(what, "cpu_", 4) == 0;
    if (!service[0])
        return memory                           ? &keeper->figures->memory_watch
               : strncmp(what, "disk_", 5) == 0 ? &keeper->figures->disk_watch
                                                : NULL;
    if (!keeper_find(keeper, service, &index))
        return NULL;
    struct unit_figures *figures = made(keeper->units[index]);
    return memory ? &figures->memory_watch : cpu ? &figures->cpu_watch : NULL;
}

/* What a former keeper has told is not told again, and is taken back once it is so no more. */
static void remember(void *context, struct slice line) {
    struct keeper *keeper = context;
    if (!memmem(line.data, line.size, "_high\"", 6) &&
        !memmem(line.data, line.size, "_normal\"", 8))
        return;
    json_t *object = json_loadb(line.data, line.size, 0, NULL);
    const json_t *event = json_object_get(object, "event");
    const char *service = json_string_value(json_object_get(event, "service"));
    const char *what = json_string_value(json_object_get(event, "what"));
    struct watch_state *state = service && what ? watch_of(keeper, service, what) : NULL;
    if (state && (ends_with(what, "_high") || ends_with(what, "_normal")))
        state->high = ends_with(what, "_high");
    json_decref(object);
}

void figures_open(struct keeper *keeper) {
    keeper->figures = memory_new(sizeof *keeper->figures);
    events_since(keeper->events, 0, remember, keeper);
}

/* ---- CPU ---- */

/* Percent of one core since the former question that is long enough ago; at the first question
 * since `begin_ms`. *ret_from_ms is since when. */
static double meter_read(struct meter *meter, int64_t now_ms, int64_t ticks, int64_t begin_ms,
                         int64_t *ret_from_ms) {
    if (!meter->last.time_ms || now_ms - meter->last.time_ms >= PAUSE_MS_MIN) {
        meter->former = meter->last;
        meter->last = (struct reading){now_ms, ticks};
    }
    struct reading from =
        meter->former.time_ms ? meter->former : (struct reading){.time_ms = begin_ms};
    *ret_from_ms = from.time_ms;
    int64_t span_ms = now_ms - from.time_ms, used = ticks - from.ticks;
    if (span_ms <= 0 || used <= 0) /* who leaves takes its time along */
        return 0;
    return 100.0 * (double)used * 1000 / (double)sysconf(_SC_CLK_TCK) / (double)span_ms;
}

/* ---- one process ---- */

/* Proportional share: a page that ten processes share counts a tenth. -1 where it cannot be read:
 * another user's process, without the right to look. */
static int64_t pss_bytes(pid_t pid) {
    char text[2048];
    if (proc_read(pid, "smaps_rollup", text, sizeof text) <= 0)
        return -1;
    const char *at = strstr(text, "\nPss:");
    return at ? strtoll(at + strlen("\nPss:"), NULL, 10) * 1024 : -1;
}

/* The size of the folder is their number since Linux 6.2; before that it is 0 and they are counted.
 */
static int64_t count_fds(pid_t pid) {
    char path[64];
    struct stat found;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    if (stat(path, &found) == 0 && found.st_size > 0)
        return found.st_size;
    DIR *list = opendir(path);
    int64_t count = 0;
    for (struct dirent *entry; list && (entry = readdir(list));)
        count += entry->d_name[0] != '.';
    if (list)
        closedir(list);
    return count;
}

static void add_process(const struct process *process, struct sum *sum, size_t *pss_reads) {
    sum->ticks += process->ticks;
    if (process->zombie)
        return;
    int64_t pss = (*pss_reads)++ < PSS_READ_MAX ? pss_bytes(process->pid) : -1;
    if (pss < 0 && process->rss_bytes)
        sum->memory_is_rss = true;
    sum->memory_bytes += pss < 0 ? process->rss_bytes : pss;
    sum->fds += count_fds(process->pid);
    sum->threads += process->threads;
    sum->processes++;
}

/* ---- forecasts ---- */

static json_t *forecast_json(const struct forecast_result *result, double limit) {
    char text[FORECAST_TEXT_BYTES];
    forecast_text(result, limit, text);
    json_t *object =
        json_pack("{s:s,s:s}", "kind", forecast_kind_names[result->kind], "text", text);
    if (result->kind == FORECAST_GROWS)
        json_object_set_new(object, "bytes_per_hour", json_integer((json_int_t)result->per_hour));
    if (result->kind == FORECAST_GROWS && result->limit_ms >= 0) {
        char time[CLOCK_TEXT_BYTES];
        clock_format(clock_wall_ms() + result->limit_ms, time);
        json_object_set_new(object, "limit_in_ms", json_integer(result->limit_ms));
        json_object_set_new(object, "limit_time", json_string(time));
    }
    return object;
}

/* ---- one service ---- */

static struct unit_figures *figures_of(struct unit *unit, pid_t pid) {
    struct unit_figures *figures = made(unit);
    if (figures->pid != pid) { /* what was told of a former life is still to be taken back */
        *figures = (struct unit_figures){
            .pid = pid, .memory_watch = figures->memory_watch, .cpu_watch = figures->cpu_watch};
        figures->memory_watch.over_since_ms = figures->cpu_watch.over_since_ms = 0;
    }
    return figures;
}

/* With the forecast, where it says something: whoever hears of a limit asks how long it has. */
static void tell(struct keeper *keeper, const char *service, enum watch_news news,
                 const char *const words[2], const char *text,
                 const struct forecast_result *forecast, double limit) {
    char all[SERVICE_TEXT_BYTES], future[FORECAST_TEXT_BYTES] = "";
    if (news == WATCH_NOTHING)
        return;
    if (news == WATCH_HIGH && forecast && forecast->kind == FORECAST_GROWS)
        forecast_text(forecast, limit, future);
    text_print(all, sizeof all, "%s%s%s", text, future[0] ? "; it " : "", future);
    events_add(keeper, service, words[news == WATCH_NORMAL], all);
}

static const char *const memory_words[] = {"memory_high", "memory_normal"};
static const char *const cpu_words[] = {"cpu_high", "cpu_normal"};
static const char *const disk_words[] = {"disk_high", "disk_normal"};
enum { MB = 1 << 20 };

static void look_at_memory(struct keeper *keeper, const struct service_config *config,
                           struct unit_figures *figures, int64_t bytes, int64_t now_ms) {
    char text[SERVICE_TEXT_BYTES];
    struct watch_rule rule = {.limit = (double)config->watch.memory_bytes};
    enum watch_news news = watch_look(&figures->memory_watch, &rule, (double)bytes, now_ms, now_ms);
    text_print(text, sizeof text,
               news == WATCH_HIGH ? "%lld MB, more than the %lld MB of watch: memory"
                                  : "%lld MB; the limit is %lld MB",
               (long long)(bytes / MB), (long long)(config->watch.memory_bytes / MB));
    tell(keeper, config->name, news, memory_words, text, &figures->memory_result, rule.limit);
    if (bytes && forecast_add(&figures->memory, now_ms, (double)bytes, day_ms))
        figures->memory_result = forecast_look(&figures->memory, rule.limit, 30 * MINUTE_MS);
}

static void look_at_cpu(struct keeper *keeper, const struct service_config *config,
                        struct unit_figures *figures, double percent, int64_t from_ms,
                        int64_t now_ms) {
    char text[SERVICE_TEXT_BYTES], time[TEXT_DURATION_BYTES];
    struct watch_rule rule = {.limit = (double)config->watch.cpu_percent,
                              .for_ms = config->watch.cpu_for_ms};
    enum watch_news news = watch_look(&figures->cpu_watch, &rule, percent, from_ms, now_ms);
    text_from_duration(config->watch.cpu_for_ms, time);
    text_print(text, sizeof text,
               news == WATCH_HIGH ? "%.0f %% of a core, more than the %lld %% of watch: cpu for %s"
                                  : "%.0f %% of a core; the limit is %lld %% for %s",
               percent, (long long)config->watch.cpu_percent, time);
    tell(keeper, config->name, news, cpu_words, text, NULL, 0);
}

static json_t *service_figures(struct keeper *keeper, size_t index, const struct sum *sum,
                               int64_t now_ms) {
    const struct service *service = &keeper->services.list[index];
    const struct service_config *config = service->config;
    pid_t pid = service_has_process(service) ? service->pid : 0;
    struct unit_figures *figures = figures_of(keeper->units[index], pid);
    int64_t from_ms = now_ms;
    double cpu =
        pid ? meter_read(&figures->cpu, now_ms, sum->ticks, service->started_ms, &from_ms) : 0;
    look_at_memory(keeper, config, figures, sum->memory_bytes, now_ms);
    look_at_cpu(keeper, config, figures, cpu, from_ms, now_ms);
    json_t *object = json_pack(
        "{s:s,s:s,s:i,s:f,s:I,s:I,s:I,s:I,s:o}", "name", config->name, "state",
        service_state_names[service->state], "pid", (int)pid, "cpu_percent", cpu, "memory_bytes",
        (json_int_t)sum->memory_bytes, "fds", (json_int_t)sum->fds, "threads",
        (json_int_t)sum->threads, "processes", (json_int_t)sum->processes, "forecast",
        forecast_json(&figures->memory_result, (double)config->watch.memory_bytes));
    must(object);
    if (sum->memory_is_rss)
        json_object_set_new(object, "memory_is_rss", json_true());
    return object;
}

static json_t *all_services(struct keeper *keeper, int64_t now_ms) {
    struct processes processes;
    processes_read(keeper, &processes);
    size_t pss_reads = 0;
    AUTO_FREE struct sum *sums = memory_array(keeper->services.count + 1, sizeof *sums);
    for (size_t i = 0; i < processes.count; i++)
        if (processes.list[i].service != PROCESS_OF_NOBODY)
            add_process(&processes.list[i], &sums[processes.list[i].service], &pss_reads);
    processes_deinit(&processes);
    json_t *services = json_array();
    for (size_t i = 0; i < keeper->services.count; i++)
        if (!keeper->units[i]->leaving || service_has_process(&keeper->services.list[i]))
            json_array_append_new(services, service_figures(keeper, i, &sums[i], now_ms));
    return services;
}

/* ---- the machine ---- */

/* The number behind a word of /proc/meminfo, in bytes. */
static int64_t memory_of(const char *meminfo, const char *word) {
    const char *at = strstr(meminfo, word);
    return at ? strtoll(at + strlen(word), NULL, 10) * 1024 : 0;
}

static void machine_memory(struct keeper *keeper, json_t *machine, int64_t now_ms) {
    char text[4096], words[SERVICE_TEXT_BYTES];
    int64_t total = 0, available = 0;
    if (proc_read_machine("meminfo", text, sizeof text) > 0) {
        total = memory_of(text, "MemTotal:");
        available = memory_of(text, "MemAvailable:");
    }
    double percent = total > 0 ? 100.0 * (double)(total - available) / (double)total : 0;
    json_object_set_new(machine, "memory_total", json_integer(total));
    json_object_set_new(machine, "memory_available", json_integer(available));
    json_object_set_new(machine, "memory_percent", json_real(percent));
    struct watch_rule rule = {.limit = machine_memory_limit};
    enum watch_news news =
        watch_look(&keeper->figures->memory_watch, &rule, percent, now_ms, now_ms);
    text_print(words, sizeof words, "%.0f %% of the machine's memory is in use, %lld MB are left",
               percent, (long long)(available / MB));
    tell(keeper, "", news, memory_words, words, NULL, 0);
}

/* Of those who are not root: what is reserved is not there for them, as df counts. */
static void machine_disk(struct keeper *keeper, json_t *machine, int64_t now_ms) {
    struct statvfs disk = {0};
    char words[SERVICE_TEXT_BYTES];
    struct figures *figures = keeper->figures;
    if (statvfs(keeper->config->data, &disk) < 0)
        disk = (struct statvfs){0};
    double block = (double)disk.f_frsize, used = (double)(disk.f_blocks - disk.f_bfree) * block;
    double available = (double)disk.f_bavail * block, room = used + available;
    double percent = room > 0 ? 100 * used / room : 0;
    json_object_set_new(machine, "disk_total",
                        json_integer((json_int_t)((double)disk.f_blocks * block)));
    json_object_set_new(machine, "disk_available", json_integer((json_int_t)available));
    json_object_set_new(machine, "disk_percent", json_real(percent));
    struct watch_rule rule = {.limit = machine_disk_limit};
    enum watch_news news = watch_look(&figures->disk_watch, &rule, percent, now_ms, now_ms);
    text_print(words, sizeof words, "%.0f %% of the disk that holds %s is in use, %.0f MB are left",
               percent, keeper->config->data, available / MB);
    tell(keeper, "", news, disk_words, words, &figures->disk_result, room);
    if (room > 0 && forecast_add(&figures->disk, now_ms, used, 14 * day_ms))
        figures->disk_result = forecast_look(&figures->disk, room, HOUR_MS);
    json_object_set_new(machine, "forecast", forecast_json(&figures->disk_result, room));
}

/* Whether somebody keeps the clock right, as the kernel was told (chrony, systemd-timesyncd, ntpd),
 * and by how much it may be wrong. */
static json_t *clock_figures(void) {
    struct timex state = {0};
    int r = adjtimex(&state);
    if (r < 0) /* a sandbox may forbid it */
        return json_pack("{}");
    bool kept = r != TIME_ERROR && !(state.status & STA_UNSYNC);
    json_t *object = json_pack("{s:b}", "synchronized", kept);
    if (kept)
        json_object_set_new(object, "error_ms", json_real((double)state.maxerror / 1000));
    return object;
}

struct restarts {
    struct keeper *keeper;
    char since[CLOCK_TEXT_BYTES]; /* times in events are of one length and order */
    size_t *counts;
};

static void count_restart(void *context, struct slice line) {
    struct restarts *restarts = context;
    static const char mark[] = "\"what\":\"restarting\"", time_mark[] = "\"time\":\"";
    static const char asked[] = "\"text\":\"asked for\"";
    const char *time = memmem(line.data, line.size, time_mark, sizeof time_mark - 1);
    if (!memmem(line.data, line.size, mark, sizeof mark - 1) || !time ||
        memmem(line.data, line.size, asked, sizeof asked - 1) ||
        strncmp(time + sizeof time_mark - 1, restarts->since, strlen(restarts->since)) < 0)
        return;
    json_t *object = json_loadb(line.data, line.size, 0, NULL);
    const char *service =
        json_string_value(json_object_get(json_object_get(object, "event"), "service"));
    size_t index = 0;
    if (service && keeper_find(restarts->keeper, service, &index))
        restarts->counts[index]++;
    json_decref(object);
}

/* Of the last hour, also under former keepers. */
static json_t *restart_figures(struct keeper *keeper) {
    struct restarts restarts = {.keeper = keeper};
    size_t count = keeper->services.count;
    AUTO_FREE size_t *counts = memory_array(count + 1, sizeof *counts);
    restarts.counts = counts;
    clock_format(clock_wall_ms() - HOUR_MS, restarts.since);
    events_since(keeper->events, 0, count_restart, &restarts);
    struct unrest unrest = unrest_look(counts, count);
    char text[UNREST_TEXT_BYTES];
    unrest_text(&unrest, count ? keeper->services.list[unrest.most].config->name : "",
                "the last hour", text);
    return json_pack("{s:I,s:I,s:f,s:s}", "count", (json_int_t)unrest.restarts, "services",
                     (json_int_t)unrest.services, "spread", unrest.spread, "text", text);
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal. */
static int64_t busy_ticks(void) {
    enum { IDLE = 3, IOWAIT, COLUMNS = 8 };
    char text[512];
    int64_t busy = 0;
    if (proc_read_machine("stat", text, sizeof text) <= 0 || strncmp(text, "cpu ", 4) != 0)
        return 0;
    char *at = text + 4;
    for (int i = 0; i < COLUMNS; i++) {
        int64_t ticks = strtoll(at, &at, 10);
        busy += i == IDLE || i == IOWAIT ? 0 : ticks;
    }
    return busy;
}

static json_t *machine_figures(struct keeper *keeper, int64_t now_ms, int64_t *ret_from_ms) {
    char text[128];
    double load = 0;
    if (proc_read_machine("loadavg", text, sizeof text) > 0)
        load = strtod(text, NULL);
    double cpu = meter_read(&keeper->figures->cpu, now_ms, busy_ticks(), 0, ret_from_ms);
    json_t *machine = json_pack("{s:f,s:f,s:I}", "cpu_percent", cpu, "load1", load, "uptime_ms",
                                (json_int_t)now_ms); /* the clock counts from the boot on */
    must(machine);
    machine_memory(keeper, machine, now_ms);
    machine_disk(keeper, machine, now_ms);
    json_object_set_new(machine, "clock", clock_figures());
    json_object_set_new(machine, "restarts", restart_figures(keeper));
    return machine;
}

static json_t *keeper_figures(struct keeper *keeper, int64_t now_ms) {
    struct process self = {0};
    int64_t from_ms = 0;
    bool read = process_read(getpid(), &self);
    int64_t memory = pss_bytes(getpid());
    double cpu = read ? meter_read(&keeper->figures->keeper_cpu, now_ms, self.ticks,
                                   keeper->started_ms, &from_ms)
                      : 0;
    return json_pack("{s:f,s:I}", "cpu_percent", cpu, "memory_bytes",
                     (json_int_t)(memory < 0 ? self.rss_bytes : memory));
}

json_t *figures_take(struct keeper *keeper) {
    char time[CLOCK_TEXT_BYTES];
    int64_t now_ms = clock_ms(), from_ms = 0;
    clock_format(clock_wall_ms(), time);
    json_t *machine = machine_figures(keeper, now_ms, &from_ms);
    json_t *services = all_services(keeper, now_ms);
    json_t *answer = json_pack("{s:s,s:I,s:i,s:o,s:o,s:o}", "time", time, "interval_ms",
                               (json_int_t)(from_ms ? now_ms - from_ms : 0), "cores",
                               (int)sysconf(_SC_NPROCESSORS_ONLN), "machine", machine, "keeper",
                               keeper_figures(keeper, now_ms), "services", services);
    must(answer);
    return answer;
}
