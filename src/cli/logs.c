/* SPDX-License-Identifier: Apache-2.0 */
/* logs: the last lines of services' logs, and what follows. Reads the files; asks nobody. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct follower {
    char *name;
    char *path;
    int fd; /* -1: not there yet */
    ino_t inode;
    struct buffer rest; /* a line that has no end yet */
    int prefix_width;   /* 0: one service, no prefix */
    int colour;
    bool json;
};

static void print_json_line(const struct follower *follower, struct slice line) {
    json_t *text = json_stringn(line.data, line.size);
    if (!text) /* not UTF-8 */
        text = json_string("(a line that is not UTF-8)");
    json_t *object = json_pack("{s:s,s:o}", "service", follower->name, "text", text);
    AUTO_FREE char *out = json_dumps(object, JSON_COMPACT);
    puts(out ? out : "{}");
    json_decref(object);
}

static void print_line(const struct follower *follower, struct slice line) {
    if (follower->json)
        print_json_line(follower, line);
    if (follower->json)
        return;
    if (follower->prefix_width && colours_wanted(STDOUT_FILENO))
        printf("\033[%dm%-*s |\033[0m ", follower->colour, follower->prefix_width, follower->name);
    else if (follower->prefix_width)
        printf("%-*s | ", follower->prefix_width, follower->name);
    printf("%.*s\n", (int)line.size, line.data);
}

static void print_new(struct follower *follower) {
    char bytes[65536];
    for (ssize_t n; (n = read(follower->fd, bytes, sizeof bytes)) > 0;) {
        buffer_add(&follower->rest, bytes, (size_t)n);
        char *start = follower->rest.data, *end = start + follower->rest.size, *line_end;
        while ((line_end = memchr(start, '\n', (size_t)(end - start)))) {
            print_line(follower, (struct slice){start, (size_t)(line_end - start)});
            start = line_end + 1;
        }
        buffer_drop_front(&follower->rest, (size_t)(start - follower->rest.data));
    }
    fflush(stdout);
}

/* Offset of the last `lines` lines. */
static off_t tail_offset(int fd, int64_t lines) {
    char bytes[65536];
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    int64_t seen = -1; /* the newline at the very end ends the last line */
    while (at > 0) {
        off_t start = at > (off_t)sizeof bytes ? at - (off_t)sizeof bytes : 0;
        ssize_t n = pread(fd, bytes, (size_t)(at - start), start);
        for (ssize_t i = n - 1; i >= 0; i--)
            if (bytes[i] == '\n' && ++seen == lines)
                return start + i + 1;
        if (n <= 0)
            return end;
        at = start;
    }
    return 0;
}

static bool open_file(struct follower *follower) {
    struct stat found;
    follower->fd = open(follower->path, O_RDONLY | O_CLOEXEC);
    if (follower->fd < 0 || fstat(follower->fd, &found) < 0)
        return false;
    follower->inode = found.st_ino;
    return true;
}

/* After a rotation the old file is read to its end first. */
static void follow_rotation(struct follower *follower) {
    struct stat found;
    if (follower->fd >= 0 && (stat(follower->path, &found) < 0 || found.st_ino == follower->inode))
        return;
    if (follower->fd >= 0) {
        print_new(follower);
        close(follower->fd);
    }
    if (open_file(follower))
        print_new(follower);
}

static int follow(struct follower *followers, size_t count, const char *folder) {
    AUTO_FD int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        fatal(EX_OSERR, "%s cannot be watched: %s", folder, strerror(errno));
    for (;;) {
        char events[65536];
        for (size_t i = 0; i < count; i++) {
            if (followers[i].fd >= 0)
                print_new(&followers[i]);
            follow_rotation(&followers[i]);
        }
        if (ferror(stdout) || (read(watch, events, sizeof events) < 0 && errno != EINTR))
            return 0;
    }
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct follower *)a)->name, ((const struct follower *)b)->name);
}

static void add_follower(struct follower **followers, size_t *count, const char *folder,
                         const char *name, size_t size) {
    *followers = memory_grow(*followers, *count + 1, sizeof **followers);
    struct follower *follower = &(*followers)[(*count)++];
    *follower = (struct follower){.name = text_copy_n(name, size), .fd = -1};
    follower->path = text_format("%s/%s.log", folder, follower->name);
}

/* Every *.log in the folder, our own aside. The files are asked, not the config: it may have errors
 * just now, and a service that left it still has a log. */
static void add_all(struct follower **followers, size_t *count, const char *folder) {
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        size_t size = strlen(entry->d_name);
        if (size > 4 && strcmp(entry->d_name + size - 4, ".log") == 0 &&
            strcmp(entry->d_name, "holdfast.log") != 0)
            add_follower(followers, count, folder, entry->d_name, size - 4);
    }
    if (directory)
        closedir(directory);
    if (*count)
        qsort(*followers, *count, sizeof **followers, by_name);
}

static void set_prefixes(struct follower *followers, size_t count, bool json) {
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        int size = (int)strlen(followers[i].name);
        width = size > width ? size : width;
    }
    for (size_t i = 0; i < count; i++) {
        followers[i].prefix_width = count > 1 ? width : 0;
        followers[i].colour = 31 + (int)(i % 6);
        followers[i].json = json;
    }
}

static bool print_tails(struct follower *followers, size_t count, int64_t lines) {
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!open_file(&followers[i]))
            continue;
        any = true;
        lseek(followers[i].fd, tail_offset(followers[i].fd, lines), SEEK_SET);
        print_new(&followers[i]);
    }
    return any;
}

int command_logs(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    AUTO_FREE char *folder = path_join(places.data, "logs");
    struct follower *followers = NULL;
    size_t count = 0;
    for (char **word = cli->words; *word; word++)
        add_follower(&followers, &count, folder, *word, strlen(*word));
    if (!count)
        add_all(&followers, &count, folder);
    set_prefixes(followers, count, cli->json);
    bool any = print_tails(followers, count, cli->lines);
    int code = 0;
    if (cli->follow && count)
        code = follow(followers, count, folder);
    else if (!any)
        fprintf(stderr, "no log%s%s in %s; `holdfast status` lists the services\n",
                cli->words[0] ? " of " : "", cli->words[0] ? cli->words[0] : "", folder);
    for (size_t i = 0; i < count; i++) {
        if (followers[i].fd >= 0)
            close(followers[i].fd);
        free(followers[i].name);
        free(followers[i].path);
        buffer_deinit(&followers[i].rest);
    }
    free(followers);
    return any || cli->follow ? code : EX_NOINPUT;
}
