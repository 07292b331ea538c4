/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "cli/doctor.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { FREE_PERCENT_MIN = 5, BYTES_TEXT = 32 };
static const uint64_t data_free_min = UINT64_C(256) << 20, run_free_min = UINT64_C(4) << 20;

static const char *bytes_text(uint64_t bytes, char ret[BYTES_TEXT]) {
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    double value = (double)bytes;
    for (; value >= 1024 && unit + 1 < COUNT_OF(units); unit++)
        value /= 1024;
    snprintf(ret, BYTES_TEXT, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return ret;
}

static void look_at_room(struct report *report, const char *what, const char *path,
                         const struct statfs *fs, uint64_t free_min) {
    char text[BYTES_TEXT];
    uint64_t left = (uint64_t)fs->f_bavail * (uint64_t)fs->f_bsize;
    uint64_t percent = fs->f_blocks ? (uint64_t)fs->f_bavail * 100 / (uint64_t)fs->f_blocks : 100;
    bool inodes =
        fs->f_files && (uint64_t)fs->f_ffree * 100 / (uint64_t)fs->f_files < FREE_PERCENT_MIN;
    bool full = left < free_min || (percent < FREE_PERCENT_MIN && left < free_min * 8);
    bytes_text(left, text);
    if (full)
        report_add(report, what, "delete what is not needed, or move data: to a larger disk",
                   "only %s free in %s", text, path);
    else if (inodes)
        report_add(report, what, "many small files fill it: find and delete them",
                   "under %d %% of its inodes are free", FREE_PERCENT_MIN);
    else
        report_add(report, what, NULL, "%s free in %s", text, path);
}

/* 1: it is there; 0: not yet; -1: it cannot be used, which is said. */
static int look_at_rights(struct report *report, const char *what, const char *path) {
    struct stat found;
    if (stat(path, &found) < 0) {
        report_add(report, what, errno == ENOENT ? NULL : "make it readable for you", "%s: %s",
                   path,
                   errno == ENOENT ? "not made yet; `holdfast up` makes it" : strerror(errno));
        return errno == ENOENT ? 0 : -1;
    }
    bool ours = found.st_uid == geteuid() || geteuid() == 0;
    if (!S_ISDIR(found.st_mode) || !ours || access(path, W_OK | X_OK) < 0) {
        report_add(report, what, "run as its owner, or make it yours with chown",
                   "%s is not a folder that you may write: it belongs to user %u, rights %03o",
                   path, found.st_uid, found.st_mode & 0777);
        return -1;
    }
    if (found.st_mode & S_IWOTH)
        report_add(report, what, "chmod o-w it", "%s can be written by everybody (rights %03o)",
                   path, found.st_mode & 07777);
    return 1;
}

static void look_at_data(struct report *report, const struct config *config) {
    struct statfs fs;
    if (look_at_rights(report, "data folder", config->data) <= 0 || statfs(config->data, &fs) < 0)
        return;
    if (fs.f_type == TMPFS_MAGIC)
        report_add(report, "data folder", "set data: to a folder on a disk",
                   "%s lies in memory: the next boot empties it", config->data);
    look_at_room(report, "data folder", config->data, &fs, data_free_min);
}

static void look_at_run(struct report *report, const struct config *config) {
    struct statfs fs;
    if (look_at_rights(report, "run folder", config->run) <= 0 || statfs(config->run, &fs) < 0)
        return;
    if (fs.f_type != TMPFS_MAGIC)
        report_add(
            report, "run folder", NULL,
            "%s lies on a disk, not in memory: a restart of a service then waits for that disk",
            config->run);
    look_at_room(report, "run folder", config->run, &fs, run_free_min);
}

/* ---- logs ---- */

static uint64_t size_of_folder(const char *path) {
    uint64_t all = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        struct stat found;
        if (fstatat(dirfd(folder), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(found.st_mode))
            all += (uint64_t)found.st_blocks * 512;
    }
    if (folder)
        closedir(folder);
    return all;
}

/* All files at their largest must fit beside what else is there. */
static void look_at_logs(struct report *report, const struct config *config) {
    char now_text[BYTES_TEXT], max_text[BYTES_TEXT], free_text[BYTES_TEXT];
    AUTO_FREE char *logs = path_join(config->data, "logs");
    uint64_t now = size_of_folder(logs), max = 0;
    struct statfs fs;
    for (size_t i = 0; i < config->service_count; i++)
        max +=
            (uint64_t)config->services[i].log_bytes_max * (uint64_t)config->services[i].log_files;
    bytes_text(now, now_text);
    bytes_text(max, max_text);
    if (statfs(logs, &fs) < 0 && statfs(config->data, &fs) < 0)
        return;
    uint64_t left = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    bytes_text(left, free_text);
    if (max > now && max - now > left)
        report_add(report, "logs", "set log: {size, files} of the services lower, or make room",
                   "they may grow to %s (now %s), and %s are free", max_text, now_text, free_text);
    else if (now > max + max / 4)
        report_add(report, "logs", "logs of services that are gone stay: delete those",
                   "%s hold %s, more than the config allows (%s)", logs, now_text, max_text);
    else
        report_add(report, "logs", NULL, "%s now, at most %s", now_text, max_text);
}

void doctor_folders(struct report *report, const struct config *config) {
    look_at_data(report, config);
    look_at_run(report, config);
    look_at_logs(report, config);
}
