/* SPDX-License-Identifier: Apache-2.0 */
/* kill_at - a library to be preloaded: kills its program before or after the Nth thing that the
 * world can see of it: a commit (fdatasync, fsync) or a write to a network socket; with
 * KILL_AT_LOCAL a file put in place of another (rename) or a message on a local socket instead. So
 * the places where a program may die are those that it really passes, found by running it, not a
 * list made by hand.
 *
 *   KILL_AT_PROGRAM=NAME  only in this one
 *   KILL_AT_FLAG=PATH     counting begins when this file exists, and ends with it. "N before" or
 *                         "N after" in it: SIGKILL before or after place N, and the file is gone
 *   KILL_AT_LOG=PATH      gets a line for each place: number, kind, first line of what is sent */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long places; /* passed under the present order */

/* The order that the flag holds. */
struct order {
    long place;
    bool before;
};

static bool read_order(struct order *ret) {
    char when[8] = "";
    const char *path = getenv("KILL_AT_FLAG"), *program = getenv("KILL_AT_PROGRAM");
    FILE *file = path && (!program || strcmp(program, program_invocation_short_name) == 0)
                     ? fopen(path, "re")
                     : NULL;
    if (!file)
        return false;
    *ret = (struct order){.place = -1};
    if (fscanf(file, "%ld %7s", &ret->place, when) == 2)
        ret->before = strcmp(when, "before") == 0;
    fclose(file);
    return true;
}

static void die(void) {
    unlink(getenv("KILL_AT_FLAG"));
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void note(long place, const char *kind, const void *data, size_t size) {
    char line[160], first[96] = "";
    const char *path = getenv("KILL_AT_LOG");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    size_t end = 0;
    while (data && end < size && end < sizeof first - 1 && ((const char *)data)[end] >= ' ')
        end++;
    if (data)
        memcpy(first, data, end);
    int length = snprintf(line, sizeof line, "%ld %s %s\n", place, kind, first);
    (void)!write(fd, line, (size_t)length);
    close(fd);
}

/* The number of this place, or -1 while nothing is counted. */
static long arrive(const char *kind, const void *data, size_t size) {
    static struct order last;
    struct order order;
    pthread_mutex_lock(&lock);
    bool counting = read_order(&order);
    if (!counting || order.place != last.place || order.before != last.before)
        places = 0;
    if (counting)
        last = order;
    long place = counting ? places++ : -1;
    pthread_mutex_unlock(&lock);
    if (!counting)
        return -1;
    note(place, kind, data, size);
    if (order.place == place && order.before)
        die();
    return place;
}

static void leave(long place) {
    struct order order;
    if (place >= 0 && read_order(&order) && order.place == place && !order.before)
        die();
}

static bool is_seen(int fd) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return false;
    return getenv("KILL_AT_LOCAL") ? address.ss_family == AF_UNIX
                                   : address.ss_family == AF_INET || address.ss_family == AF_INET6;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int rename(const char *from, const char *to) {
    long place = getenv("KILL_AT_LOCAL") ? arrive("rename", to, strlen(to)) : -1;
    int r = NEXT(rename)(from, to);
    leave(place);
    return r;
}

int fdatasync(int fd) {
    long place = arrive("commit", NULL, 0);
    int r = NEXT(fdatasync)(fd);
    leave(place);
    return r;
}

int fsync(int fd) {
    long place = arrive("commit", NULL, 0);
    int r = NEXT(fsync)(fd);
    leave(place);
    return r;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    long place = is_seen(fd) ? arrive("send", data, size) : -1;
    ssize_t r = NEXT(send)(fd, data, size, flags);
    leave(place);
    return r;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size) {
    long place = is_seen(fd) ? arrive("send", data, size) : -1;
    ssize_t r = NEXT(sendto)(fd, data, size, flags, to, to_size);
    leave(place);
    return r;
}

ssize_t write(int fd, const void *data, size_t size) {
    long place = is_seen(fd) ? arrive("send", data, size) : -1;
    ssize_t r = NEXT(write)(fd, data, size);
    leave(place);
    return r;
}
