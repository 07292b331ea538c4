/* SPDX-License-Identifier: Apache-2.0 */
/* kill_at - a library to be preloaded: kills its program before or after the Nth thing that the
 * world can see of it: a commit (fdatasync, fsync) or a write to a network socket. So the places
 * where a program may die are those that it really passes, found by running it, not a list made by
 * hand.
 *
 *   KILL_AT_FLAG=PATH   counting begins when this file exists
 *   KILL_AT_LOG=PATH    gets a line for each place: number, kind, first line of what is sent
 *   KILL_AT=N           with N, SIGKILL before (KILL_AT_WHEN=before) or after place N */
#include <dlfcn.h>
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
static long places;

static void die(void) {
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
    const char *flag = getenv("KILL_AT_FLAG"), *at = getenv("KILL_AT"),
               *when = getenv("KILL_AT_WHEN");
    if (!flag || access(flag, F_OK) != 0)
        return -1;
    pthread_mutex_lock(&lock);
    long place = places++;
    pthread_mutex_unlock(&lock);
    note(place, kind, data, size);
    if (at && atol(at) == place && when && strcmp(when, "before") == 0)
        die();
    return place;
}

static void leave(long place) {
    const char *at = getenv("KILL_AT"), *when = getenv("KILL_AT_WHEN");
    if (place >= 0 && at && atol(at) == place && when && strcmp(when, "after") == 0)
        die();
}

static bool is_network(int fd) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
           (address.ss_family == AF_INET || address.ss_family == AF_INET6);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

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
    long place = is_network(fd) ? arrive("send", data, size) : -1;
    ssize_t r = NEXT(send)(fd, data, size, flags);
    leave(place);
    return r;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size) {
    long place = is_network(fd) ? arrive("send", data, size) : -1;
    ssize_t r = NEXT(sendto)(fd, data, size, flags, to, to_size);
    leave(place);
    return r;
}

ssize_t write(int fd, const void *data, size_t size) {
    long place = is_network(fd) ? arrive("send", data, size) : -1;
    ssize_t r = NEXT(write)(fd, data, size);
    leave(place);
    return r;
}
