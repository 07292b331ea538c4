/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup v2 for each service, where one can be made below our own: whatever a service starts is
 * in it and stays in it, also what wiped its environment and left session and parent. No controller
 * is enabled, so the rule that a cgroup with children holds no process does not apply to ours. */
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PROC_BYTES_MAX = 1 << 20,
    NESTED_MAX = 8,
    TURNS_MAX = 8,
    EMPTY_MS_MAX = 2000,
    EMPTY_STEP_MS = 5
};

/* ---- where ---- */

/* mountinfo writes a blank as \040. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            char digits[4] = {from[1], from[2], from[3], 0};
            *to = (char)strtol(digits, NULL, 8);
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = 0;
}

/* "30 22 0:27 ROOT POINT options - cgroup2 cgroup2 rw": the first such line. */
static bool find_mount(char *mountinfo, const char **ret_root, const char **ret_point) {
    enum { WORD_ROOT = 3, WORD_POINT };
    char *rest = mountinfo;
    for (char *line; (line = strsep(&rest, "\n"));) {
        const char *words[] = {[WORD_POINT] = NULL};
        const char *type = strstr(line, " - ");
        if (!type || strncmp(type, " - cgroup2 ", strlen(" - cgroup2 ")) != 0)
            continue;
        for (size_t i = 0; i < COUNT_OF(words) && line; i++)
            words[i] = strsep(&line, " ");
        if (!words[WORD_POINT])
            continue;
        *ret_root = words[WORD_ROOT];
        *ret_point = words[WORD_POINT];
        return true;
    }
    return false;
}

/* The cgroup of this process as a folder, or NULL. A container may have mounted a part only: then
 * what lies above that part is not in the path below the mount. */
static char *own_folder(void) {
    AUTO_FREE char *mountinfo = NULL, *groups = NULL;
    if (file_read("/proc/self/mountinfo", PROC_BYTES_MAX, &mountinfo, NULL) < 0 ||
        file_read("/proc/self/cgroup", PROC_BYTES_MAX, &groups, NULL) < 0)
        return NULL;
    const char *root = NULL, *point = NULL;
    char *own = strncmp(groups, "0::", 3) == 0 ? groups : strstr(groups, "\n0::");
    if (!own || !find_mount(mountinfo, &root, &point))
        return NULL;
    own = strstr(own, "0::") + 3;
    own[strcspn(own, "\n")] = 0;
    size_t size = strlen(root);
    if (strcmp(root, "/") != 0 && strncmp(own, root, size) == 0 && (!own[size] || own[size] == '/'))
        own += size;
    if (strstr(own, "/.."))
        return NULL;
    unescape((char *)(uintptr_t)point);
    return text_format("%s%s", point, strcmp(own, "/") == 0 ? "" : own);
}

/* The same for the same run folder, so that the next `up` finds what a killed one left. */
static uint64_t hash_of(const char *text) {
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

static char *record_path(const struct keeper *keeper) {
    return path_join(keeper->run, "cgroup");
}

/* Where the services of this run folder are: an `up` that was killed may have been started in
 * another cgroup than ours, and what it left is still there. */
static char *recorded(const struct keeper *keeper) {
    AUTO_FREE char *path = record_path(keeper);
    char *text = NULL;
    struct stat found;
    if (file_read(path, PROC_BYTES_MAX, &text, NULL) < 0)
        return NULL;
    if (text[0] == '/' && stat(text, &found) == 0 && S_ISDIR(found.st_mode))
        return text;
    free(text);
    return NULL;
}

/* "bot", or "bot.1" and so on while what was killed in another is not gone yet. */
static char *service_folder(const struct keeper *keeper, const char *service, int turn) {
    return turn ? text_format("%s/%s.%d", keeper->cgroup, service, turn)
                : text_format("%s/%s", keeper->cgroup, service);
}

static bool is_populated(const char *folder) {
    AUTO_FREE char *path = path_join(folder, "cgroup.events");
    AUTO_FREE char *text = NULL;
    return file_read(path, PROC_BYTES_MAX, &text, NULL) == 0 && strstr(text, "populated 1");
}

/* A service may have made cgroups of its own below. */
static void remove_folder(const char *folder, int depth) {
    DIR *list = depth < NESTED_MAX ? opendir(folder) : NULL;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        AUTO_FREE char *below = path_join(folder, entry->d_name);
        remove_folder(below, depth + 1);
    }
    if (list)
        closedir(list);
    (void)rmdir(folder);
}

/* Whether what is born there lives: a cgroup of ours that was killed once may kill it (below), and
 * rights may be missing. -ENOSYS and the like: the anchor lets it move there instead. */
static bool can_be_born(const char *folder) {
    AUTO_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clone_args arguments = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)fd};
    int status = 0;
    pid_t pid = fd < 0 ? -1 : (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return fd >= 0 && errno != EACCES;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status);
}

/* Made, with what a stop needs in it (Linux 5.14). Ours or this one may have been killed once. */
static bool make_root(const char *own, const char *folder) {
    AUTO_FREE char *door = path_join(own, "cgroup.procs");
    AUTO_FREE char *end = path_join(folder, "cgroup.kill");
    if (access(door, W_OK) < 0 || (mkdir(folder, 0755) < 0 && errno != EEXIST))
        return false;
    if (access(end, W_OK) == 0 && can_be_born(folder))
        return true;
    rmdir(folder);
    return false;
}

void cgroup_open(struct keeper *keeper) {
    if (!keeper->config->cgroup)
        return;
    keeper->cgroup = recorded(keeper);
    if (keeper->cgroup)
        return;
    AUTO_FREE char *own = own_folder();
    AUTO_FREE char *folder =
        own ? text_format("%s/holdfast-%016llx", own, (unsigned long long)hash_of(keeper->run))
            : NULL;
    if (!own || !make_root(own, folder))
        return;
    AUTO_FREE char *path = record_path(keeper);
    if (file_replace_fast(path, slice_of(folder), 0600) < 0) {
        rmdir(folder);
        return;
    }
    keeper->cgroup = TAKE(folder);
}

/* A cgroup that was killed is not used again: Linux 6.18 kills at once what is later born into it,
 * and what was killed may still be on its way out. */
char *cgroup_folder_new(const struct keeper *keeper, const char *service, bool *unhurt) {
    AUTO_FREE char *last = keeper->cgroup && *unhurt ? service_folder(keeper, service, 0) : NULL;
    if (last && access(last, F_OK) == 0)
        return TAKE(last);
    for (int turn = 0; keeper->cgroup && turn < TURNS_MAX; turn++) {
        AUTO_FREE char *folder = service_folder(keeper, service, turn);
        if (!is_populated(folder))
            remove_folder(folder, 0);
        *unhurt = turn == 0;
        if (mkdir(folder, 0755) == 0)
            return TAKE(folder);
        if (errno != EEXIST) {
            log_warning("%s: its cgroup %s cannot be made: %s; it runs without", service, folder,
                        strerror(errno));
            break;
        }
    }
    return text_copy("");
}

char *cgroup_folder(const struct keeper *keeper, const char *service) {
    for (int turn = 0; keeper->cgroup && turn < TURNS_MAX; turn++) {
        AUTO_FREE char *folder = service_folder(keeper, service, turn);
        if (is_populated(folder))
            return TAKE(folder);
    }
    return text_copy("");
}

/* ---- ending ---- */

static int count_lines(const char *folder, const char *name) {
    AUTO_FREE char *path = path_join(folder, name);
    AUTO_FREE char *text = NULL;
    int lines = 0;
    if (file_read(path, PROC_BYTES_MAX, &text, NULL) == 0)
        for (const char *at = text; (at = strchr(at, '\n')); at++)
            lines++;
    return lines;
}

/* One write reaches all of them at once, and no fork escapes it. */
static int kill_folder(const char *folder) {
    if (!is_populated(folder))
        return 0;
    int count = count_lines(folder, "cgroup.procs");
    AUTO_FREE char *path = path_join(folder, "cgroup.kill");
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1", 1) != 1)
        return -errno;
    return count > 0 ? count : 1; /* all of them in cgroups that the service made itself */
}

int cgroup_kill(const struct keeper *keeper, const char *service) {
    int killed = 0;
    for (int turn = 0; keeper->cgroup && turn < TURNS_MAX; turn++) {
        AUTO_FREE char *folder = service_folder(keeper, service, turn);
        if (turn > 0 && access(folder, F_OK) < 0)
            break;
        int r = kill_folder(folder);
        if (r < 0)
            log_warning(
                "%s: its cgroup %s cannot be killed: %s; what is found by session and marks "
                "is",
                service, folder, strerror(-r));
        killed += r > 0 ? r : 0;
    }
    return killed;
}

void cgroup_remove(const struct keeper *keeper, const char *service) {
    for (int turn = 0; keeper->cgroup && turn < TURNS_MAX; turn++) {
        AUTO_FREE char *folder = service_folder(keeper, service, turn);
        remove_folder(folder, 0);
    }
}

void cgroup_clean(struct keeper *keeper) {
    DIR *list = keeper->cgroup ? opendir(keeper->cgroup) : NULL;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t index = 0;
        AUTO_FREE char *service = text_copy_n(entry->d_name, strcspn(entry->d_name, "."));
        if (entry->d_type != DT_DIR || !service[0] ||
            (keeper_find(keeper, service, &index) &&
             service_is_busy(&keeper->services.list[index])))
            continue;
        int killed = cgroup_kill(keeper, service);
        if (killed)
            log_info("%s: ended %d process%s that a former run had left", service, killed,
                     killed == 1 ? "" : "es");
        cgroup_remove(keeper, service);
    }
    if (list)
        closedir(list);
}

/* What was killed takes a moment to be gone; only then its folder can be removed. */
void cgroup_close(struct keeper *keeper) {
    AUTO_FREE char *folder = keeper->cgroup ? TAKE(keeper->cgroup) : recorded(keeper);
    AUTO_FREE char *path = record_path(keeper);
    if (!folder)
        return;
    (void)kill_folder(folder);
    for (int waited = 0; is_populated(folder) && waited < EMPTY_MS_MAX; waited += EMPTY_STEP_MS)
        poll(NULL, 0, EMPTY_STEP_MS);
    remove_folder(folder, 0);
    if (access(folder, F_OK) < 0)
        unlink(path);
}
