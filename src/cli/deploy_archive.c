/* SPDX-License-Identifier: Apache-2.0 */
/* A new version out of an archive: releases/N beside the service's folder, which is a symbolic link
 * to the current one. The link is replaced in one step, and so is a plain folder by the first link.
 */
#include "base/file.h"
#include "base/text.h"
#include "cli/deploy.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINK_BYTES_MAX = 256, FTW_FDS = 16 };

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *at) {
    return remove(path);
}

static void remove_tree(const char *path) {
    (void)nftw(path, remove_one, FTW_FDS, FTW_DEPTH | FTW_PHYS);
}

/* The folder that holds the service's. */
static char *parent_of(const struct deploy *deploy) {
    char *parent = text_copy(deploy->service->folder);
    char *slash = strrchr(parent, '/');
    *(slash == parent ? slash + 1 : slash) = 0;
    return parent;
}

/* "releases/3" -> 3; "releases/4.new" and all else: -1. */
static int64_t number_of(const char *release) {
    const char *slash = strrchr(release, '/');
    int64_t number = -1;
    return text_to_int(slash ? slash + 1 : release, 1, INT64_MAX, &number) == 0 ? number : -1;
}

static int64_t newest(const char *releases) {
    int64_t number = 0;
    DIR *folder = opendir(releases);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (number_of(entry->d_name) > number)
            number = number_of(entry->d_name);
    if (folder)
        closedir(folder);
    return number;
}

/* The link in one step; readers see the old or the new one. */
static int point_to(const struct deploy *deploy, const char *release) {
    AUTO_FREE char *temp = text_format("%s.deploy", deploy->service->folder);
    unlink(temp);
    if (symlink(release, temp) < 0 || rename(temp, deploy->service->folder) < 0)
        return -errno;
    return 0;
}

/* A plain folder becomes the first release: a link of that name and the folder change places. */
static char *adopt_folder(struct deploy *deploy, const char *parent) {
    AUTO_FREE char *releases = path_join(parent, "releases");
    char *release = text_format("releases/%lld", (long long)newest(releases) + 1);
    AUTO_FREE char *path = path_join(parent, release);
    if (symlink(release, path) < 0 ||
        renameat2(AT_FDCWD, deploy->service->folder, AT_FDCWD, path, RENAME_EXCHANGE) < 0) {
        deploy_tell(deploy, "refused: %s cannot become %s: %s", deploy->service->folder, path,
                    strerror(errno));
        unlink(path);
        free(release);
        return NULL;
    }
    deploy_tell(deploy, "%s is a link now, and %s what was there", deploy->service->folder,
                release);
    return release;
}

/* What the service's folder shows: "releases/3". NULL: it was said why not. */
static char *current_release(struct deploy *deploy, const char *parent) {
    char target[LINK_BYTES_MAX];
    ssize_t n = readlink(deploy->service->folder, target, sizeof target - 1);
    if (n < 0 && errno == EINVAL)
        return adopt_folder(deploy, parent);
    target[n > 0 ? n : 0] = 0;
    if (n > 0 && strncmp(target, "releases/", 9) == 0 && number_of(target) > 0)
        return text_copy(target);
    deploy_tell(deploy, "refused: %s is neither a folder nor a link to releases/N beside it",
                deploy->service->folder);
    return NULL;
}

/* Archives often hold one folder with all in it: then that one is the release. */
static char *top_of(const char *unpacked) {
    char *only = NULL;
    size_t count = 0;
    DIR *folder = opendir(unpacked);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        free(only);
        only = path_join(unpacked, entry->d_name);
        count++;
    }
    if (folder)
        closedir(folder);
    struct stat found;
    if (count == 1 && lstat(only, &found) == 0 && S_ISDIR(found.st_mode))
        return only;
    free(only);
    return text_copy(unpacked);
}

static enum deploy_outcome fail(struct deploy *deploy, const char *unpacked, const char *what,
                                int code) {
    deploy_tell(deploy, "%s failed (%s%d): the version before stays, nothing was restarted", what,
                code < 0 ? "" : "exit code ", code);
    deploy_print_output(deploy);
    remove_tree(unpacked);
    return DEPLOY_FAILED;
}

/* Unpacked and checked beside; only whole releases have a number as their name. */
static enum deploy_outcome unpack(struct deploy *deploy, const char *archive, const char *path) {
    const struct deploy_config *options = &deploy->service->deploy;
    AUTO_FREE char *unpacked = text_format("%s.new", path);
    AUTO_FREE char *absolute = realpath(archive, NULL);
    remove_tree(unpacked);
    if (!absolute || mkdir(unpacked, 0755) < 0) {
        deploy_tell(deploy, "refused: %s: %s", absolute ? unpacked : archive, strerror(errno));
        return DEPLOY_FAILED;
    }
    const struct service_config *service = deploy->service;
    struct service_config ours = *service;
    ours.user = NULL; /* who deploys may write there, and may read the archive */
    deploy->service = &ours;
    char *tar[] = {"tar", "-xf", absolute, "--no-same-owner", NULL};
    int r = deploy_run(deploy, unpacked, tar);
    deploy->service = service;
    if (r != 0)
        return fail(deploy, unpacked, "unpacking", r);
    AUTO_FREE char *top = top_of(unpacked);
    deploy_note(deploy, "check");
    r = options->check ? deploy_run(deploy, top, options->check) : 0;
    if (r != 0)
        return fail(deploy, unpacked, "check:", r);
    if (rename(top, path) < 0)
        return fail(deploy, unpacked, "renaming", -errno);
    remove_tree(unpacked);
    return DEPLOY_NEW;
}

enum deploy_outcome deploy_archive(struct deploy *deploy, const char *archive) {
    AUTO_FREE char *parent = parent_of(deploy);
    AUTO_FREE char *releases = path_join(parent, "releases");
    if (access(archive, R_OK) < 0 || (mkdir(releases, 0755) < 0 && errno != EEXIST)) {
        deploy_tell(deploy, "refused: %s: %s", access(archive, R_OK) < 0 ? archive : releases,
                    strerror(errno));
        return DEPLOY_FAILED;
    }
    AUTO_FREE char *current = current_release(deploy, parent);
    if (!current)
        return DEPLOY_FAILED;
    if (!deploy->before)
        deploy->before = TAKE(current);
    deploy->now = text_format("releases/%lld", (long long)newest(releases) + 1);
    deploy_note(deploy, "unpack");
    AUTO_FREE char *path = path_join(parent, deploy->now);
    if (unpack(deploy, archive, path) != DEPLOY_NEW)
        return DEPLOY_FAILED;
    deploy_tell(deploy, "unpacked: %s", path);
    deploy_note(deploy, "switch");
    int r = point_to(deploy, deploy->now);
    deploy->switched = r == 0;
    if (r < 0)
        deploy_tell(deploy, "%s cannot be switched: %s", deploy->service->folder, strerror(-r));
    return r < 0 ? DEPLOY_FAILED : DEPLOY_NEW;
}

bool deploy_archive_back(struct deploy *deploy) {
    int r = point_to(deploy, deploy->before);
    if (r < 0)
        deploy_tell(deploy, "the way back failed: %s cannot be switched to %s: %s",
                    deploy->service->folder, deploy->before, strerror(-r));
    return r == 0;
}

/* Those above the limit, oldest first; never the current one or the one before. */
void deploy_archive_prune(struct deploy *deploy) {
    AUTO_FREE char *parent = parent_of(deploy);
    AUTO_FREE char *releases = path_join(parent, "releases");
    for (;;) {
        int64_t oldest = INT64_MAX, count = 0;
        DIR *folder = opendir(releases);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            int64_t number = number_of(entry->d_name);
            count += number > 0;
            if (number > 0 && number < oldest && number != number_of(deploy->now) &&
                number != number_of(deploy->before))
                oldest = number;
        }
        if (folder)
            closedir(folder);
        if (count <= deploy->service->deploy.keep || oldest == INT64_MAX)
            return;
        AUTO_FREE char *path = text_format("%s/%lld", releases, (long long)oldest);
        remove_tree(path);
        if (access(path, F_OK) == 0)
            return;
    }
}
