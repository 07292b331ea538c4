/* SPDX-License-Identifier: Apache-2.0 */
/* This process as /proc has it, under the names that Prometheus' own libraries use. What /proc does
 * not say is left out. */
#include "base/clock.h"
#include "base/file.h"
#include "hub/hub.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct process_stat {
    unsigned long long user, system, started; /* ticks; started: since the machine did */
    unsigned long long virtual_bytes;
    long long resident_pages;
};

static bool read_stat(struct process_stat *ret) {
    AUTO_FREE char *text = NULL;
    size_t size;
    if (file_read("/proc/self/stat", 4096, &text, &size) < 0)
        return false;
    const char *behind = strrchr(text, ')'); /* the name may hold anything */
    return behind && sscanf(behind,
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d "
                            "%*d %*d %*d %llu %llu %lld",
                            &ret->user, &ret->system, &ret->started, &ret->virtual_bytes,
                            &ret->resident_pages) == 5;
}

/* Computed once: it may not move with the clock. */
static double started_seconds(struct hub *hub, double since_boot) {
    if (!hub->process_started_ms)
        hub->process_started_ms = clock_wall_ms() - clock_ms() + (int64_t)(since_boot * 1000);
    return (double)hub->process_started_ms / 1000;
}

static void add_stat(struct hub *hub, struct metrics_text *text) {
    struct process_stat stat;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    if (!read_stat(&stat) || ticks <= 0)
        return;
    metrics_family(text, "process_cpu_seconds_total", "counter", "CPU time of the hub.");
    metrics_add(text, "", (double)(stat.user + stat.system) / ticks);
    metrics_family(text, "process_start_time_seconds", "gauge", "When the hub was started.");
    metrics_add(text, "", started_seconds(hub, (double)stat.started / ticks));
    metrics_family(text, "process_virtual_memory_bytes", "gauge", "Address space of the hub.");
    metrics_add(text, "", (double)stat.virtual_bytes);
    metrics_family(text, "process_resident_memory_bytes", "gauge", "Memory of the hub.");
    metrics_add(text, "", (double)stat.resident_pages * (double)sysconf(_SC_PAGESIZE));
}

static void add_descriptors(struct metrics_text *text) {
    struct rlimit limit;
    DIR *folder = opendir("/proc/self/fd");
    if (folder) {
        int count = -3; /* ".", "..", and the folder's own */
        while (readdir(folder))
            count++;
        closedir(folder);
        metrics_family(text, "process_open_fds", "gauge", "Open file descriptors of the hub.");
        metrics_add(text, "", count);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        metrics_family(text, "process_max_fds", "gauge", "How many the hub may open.");
        metrics_add(text, "", (double)limit.rlim_cur);
    }
}

void process_add_metrics(struct hub *hub, struct metrics_text *text) {
    add_stat(hub, text);
    add_descriptors(text);
}
