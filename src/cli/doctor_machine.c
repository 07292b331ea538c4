/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "cli/doctor.h"
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <unistd.h>

enum {
    FDS_A_SERVICE = 8, /* of anchor and keeper: log FIFO and file, notify socket, pidfd, probe */
    FDS_BESIDE = 128,
    OFFSET_MS_MAX = 500,
    MEMORY_PERCENT_MIN = 10,
    FILE_BYTES_MAX = 65536
};

static int64_t number_in(const char *path) {
    AUTO_FREE char *text = NULL;
    return file_read(path, 256, &text, NULL) == 0 ? strtoll(text, NULL, 10) : 0;
}

/* The number behind "NAME:" or "NAME" at the beginning of a line, -1: none, or "unlimited". */
static int64_t number_after(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        if (strncmp(line, name, length) != 0)
            continue;
        char *end = NULL;
        int64_t number = strtoll(line + length + strspn(line + length, ": \t"), &end, 10);
        return end == line + length ? -1 : number;
    }
    return -1;
}

/* ---- time ---- */

static void look_at_clock(struct report *report) {
    struct timex clock = {0};
    int state = adjtimex(&clock);
    int64_t offset_us = clock.status & STA_NANO ? clock.offset / 1000 : clock.offset;
    if (state < 0)
        report_add(report, "clock", NULL, "its state cannot be read here: %s", strerror(errno));
    else if (state == TIME_ERROR || (clock.status & STA_UNSYNC))
        report_add(
            report, "clock",
            "timedatectl set-ntp true, or install chrony; in a container the host must do it",
            "nothing keeps it right (not synchronised by NTP): exchanges refuse orders, jobs "
            "run at wrong times");
    else if (llabs(offset_us) > OFFSET_MS_MAX * 1000)
        report_add(report, "clock", "wait a minute and ask again; then look at chrony or timesyncd",
                   "it is being corrected, and still wrong by %lld ms",
                   (long long)(offset_us / 1000));
    else
        report_add(report, "clock", NULL, "synchronised, off by %lld us", (long long)offset_us);
}

static char *system_timezone(void) {
    char target[PATH_MAX];
    ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);
    AUTO_FREE char *text = NULL;
    if (n > 0) {
        target[n] = 0;
        const char *name = strstr(target, "zoneinfo/");
        if (name)
            return text_copy(name + strlen("zoneinfo/"));
    }
    if (file_read("/etc/timezone", 256, &text, NULL) < 0)
        return text_copy("UTC");
    text[strcspn(text, "\r\n")] = 0;
    return text_copy(text);
}

static bool same_zone(const char *a, const char *b) {
    bool utc_a = strcmp(a, "UTC") == 0 || strcmp(a, "Etc/UTC") == 0;
    bool utc_b = strcmp(b, "UTC") == 0 || strcmp(b, "Etc/UTC") == 0;
    return strcmp(a, b) == 0 || (utc_a && utc_b);
}

static void look_at_timezone(struct report *report, const struct config *config) {
    const char *zone = config->timezone;
    AUTO_FREE char *path = text_format("/usr/share/zoneinfo/%s", zone);
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *ours = system_timezone();
    size_t size = 0;
    bool named = zone[0] && zone[0] != '/' && !strstr(zone, "..");
    bool known = named && file_read(path, FILE_BYTES_MAX, &text, &size) == 0 && size > 4 &&
                 memcmp(text, "TZif", 4) == 0;
    if (!known && access("/usr/share/zoneinfo", F_OK) < 0 && !same_zone(zone, "UTC"))
        report_add(report, "time zone", "install the package tzdata",
                   "this machine knows no time zones at all, and so not %s", zone);
    else if (!known && !same_zone(zone, "UTC"))
        report_add(report, "time zone", "correct timezone: (ls /usr/share/zoneinfo shows them)",
                   "%s is not known on this machine", zone);
    else if (!same_zone(zone, ours))
        report_add(report, "time zone", NULL, "%s; the machine's own is %s", zone, ours);
    else
        report_add(report, "time zone", NULL, "%s, as the machine's", zone);
}

/* ---- limits ---- */

struct limits {
    int64_t files, processes; /* hard limits; -1: none */
};

static int64_t limit_of(const char *text, const char *name, int resource) {
    /* "Max open files            1024                 1048576              files": the hard one */
    const char *line = text ? strstr(text, name) : NULL;
    char soft[32] = "", hard[32] = "";
    if (line && sscanf(line + strlen(name), "%31s %31s", soft, hard) == 2)
        return strcmp(hard, "unlimited") == 0 ? -1 : strtoll(hard, NULL, 10);
    struct rlimit limit = {0};
    (void)getrlimit((__rlimit_resource_t)resource, &limit);
    return limit.rlim_max == RLIM_INFINITY ? -1 : (int64_t)limit.rlim_max;
}

/* Of the anchor that runs, else of this shell, from which one would start. */
static struct limits limits_now(pid_t anchor) {
    AUTO_FREE char *text = NULL;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/limits", (int)anchor);
    if (!anchor || file_read(path, FILE_BYTES_MAX, &text, NULL) < 0)
        text = NULL;
    return (struct limits){.files = limit_of(text, "Max open files", RLIMIT_NOFILE),
                           .processes = limit_of(text, "Max processes", RLIMIT_NPROC)};
}

static void look_at_limits(struct report *report, const struct config *config, pid_t anchor) {
    struct limits limits = limits_now(anchor);
    int64_t count = (int64_t)config->service_count, pid_max = number_in("/proc/sys/kernel/pid_max");
    int64_t files = FDS_BESIDE + FDS_A_SERVICE * count, asked = 0;
    for (size_t i = 0; i < config->service_count; i++)
        asked = config->services[i].nofile > asked ? config->services[i].nofile : asked;
    if (limits.files >= 0 && limits.files < files)
        report_add(report, "open files", "raise it: LimitNOFILE= of the unit, or limits.conf",
                   "the hard limit is %lld, and %lld services need %lld", (long long)limits.files,
                   (long long)count, (long long)files);
    else if (limits.files >= 0 && limits.files < asked && geteuid() != 0)
        report_add(report, "open files", "raise it: LimitNOFILE= of the unit, or limits.conf",
                   "the hard limit is %lld, and a service asks for nofile: %lld",
                   (long long)limits.files, (long long)asked);
    else
        report_add(report, "open files", NULL, "%lld services need %lld", (long long)count,
                   (long long)files);
    /* Each service some threads or children. */
    bool few = limits.processes >= 0 && limits.processes < 16 * count + 64 && geteuid() != 0;
    if (few || (pid_max && pid_max < 32 * count + 256))
        report_add(report, "processes",
                   few ? "raise it: TasksMax=, LimitNPROC= or limits.conf"
                       : "raise it: sysctl kernel.pid_max=4194304",
                   "%lld services may need more than the limit of %lld", (long long)count,
                   (long long)(few ? limits.processes : pid_max));
    else
        report_add(report, "processes", NULL, "up to %lld", (long long)pid_max);
}

static void look_at_memory(struct report *report) {
    AUTO_FREE char *text = NULL;
    if (file_read("/proc/meminfo", FILE_BYTES_MAX, &text, NULL) < 0)
        return;
    int64_t all = number_after(text, "MemTotal"), left = number_after(text, "MemAvailable");
    int64_t swap = number_after(text, "SwapTotal"), swap_left = number_after(text, "SwapFree");
    if (all > 0 && left * 100 / all < MEMORY_PERCENT_MIN)
        report_add(
            report, "memory", "`holdfast status` and `top` show who has it; add memory or swap",
            "only %lld of %lld MB are left", (long long)(left >> 10), (long long)(all >> 10));
    else if (swap > 0 && swap_left * 100 / swap < MEMORY_PERCENT_MIN)
        report_add(report, "memory", "find who grows (`top`), or add memory",
                   "swap is nearly full: %lld of %lld MB are left", (long long)(swap_left >> 10),
                   (long long)(swap >> 10));
    else
        report_add(report, "memory", NULL, "%lld of %lld MB are left%s", (long long)(left >> 10),
                   (long long)(all >> 10),
                   swap ? "" : "; no swap: when memory ends, the kernel kills somebody at once");
}

static void look_at_cgroup(struct report *report) {
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (statfs(places[i], &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
            continue;
        report_add(report, "cgroup v2", NULL, "%s",
                   access(places[i], W_OK) == 0 ? "there, and writable"
                                                : "there, and not ours to write");
        return;
    }
    report_add(report, "cgroup v2", NULL,
               "not there: what a service leaves behind is found by its session and environment");
}

static void look_at_cores(struct report *report) {
    AUTO_FREE char *text = NULL;
    if (file_read("/proc/sys/kernel/core_pattern", 512, &text, NULL) < 0)
        return;
    text[strcspn(text, "\n")] = 0;
    if (text[0] == '|')
        report_add(report, "cores", NULL, "a crash is given to %s", text + 1);
    else
        report_add(report, "cores", NULL, "a crash leaves %s%s, where the limit of cores allows it",
                   text, text[0] == '/' ? "" : " in the folder of the service");
}

void doctor_machine(struct report *report, const struct config *config, pid_t anchor) {
    look_at_clock(report);
    look_at_timezone(report, config);
    look_at_limits(report, config, anchor);
    look_at_memory(report);
    look_at_cgroup(report);
    look_at_cores(report);
}
