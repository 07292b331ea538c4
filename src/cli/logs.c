/* SPDX-License-Identifier: Apache-2.0 */
/* logs: the last lines of services' logs, and what follows. Reads the files; asks nobody. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "wire/config.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct follower {
    const char *name;
    char *path;
    int fd; /* -1: not there yet */
    ino_t inode;
    struct buffer rest; /* a line that has no end yet */
    int prefix_width;   /* 0: one service, no prefix */
    int colour;
};

static void print_line(const struct follower *follower, struct slice line) {
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

static void pick(const struct cli *cli, const struct config *config, struct follower *followers,
                 size_t *ret_count, const char *folder) {
    for (char **word = cli->words; *word; word++)
        if (!config_service(config, *word) && strcmp(*word, "holdfast") != 0)
            fatal(EX_USAGE, "'%s' is not a service; `holdfast status` lists them", *word);
    int width = 0;
    for (size_t i = 0; i < config->service_count; i++) {
        bool named = !cli->words[0];
        for (char **word = cli->words; *word; word++)
            named |= strcmp(*word, config->services[i].name) == 0;
        if (!named)
            continue;
        struct follower *follower = &followers[(*ret_count)++];
        *follower = (struct follower){
            .name = config->services[i].name, .fd = -1, .colour = 31 + (int)(i % 6)};
        follower->path = text_format("%s/%s.log", folder, follower->name);
        int size = (int)strlen(follower->name);
        width = size > width ? size : width;
    }
    for (size_t i = 0; i<*ret_count && * ret_count> 1; i++)
        followers[i].prefix_width = width;
}

int command_logs(const struct cli *cli) {
    struct config *config = config_load_or_exit(cli->config_path, cli->run);
    AUTO_FREE char *folder = path_join(config->data, "logs");
    struct follower *followers = memory_array(config->service_count, sizeof *followers);
    size_t count = 0;
    pick(cli, config, followers, &count, folder);
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!open_file(&followers[i]))
            continue;
        any = true;
        lseek(followers[i].fd, tail_offset(followers[i].fd, cli->lines), SEEK_SET);
        print_new(&followers[i]);
    }
    int code = 0;
    if (cli->follow)
        code = follow(followers, count, folder);
    else if (!any)
        fprintf(stderr, "no log yet in %s\n", folder);
    for (size_t i = 0; i < count; i++) {
        if (followers[i].fd >= 0)
            close(followers[i].fd);
        free(followers[i].path);
        buffer_deinit(&followers[i].rest);
    }
    free(followers);
    config_free(config);
    return code;
}
