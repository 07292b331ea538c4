/* SPDX-License-Identifier: Apache-2.0 */
/* clock_jump - a library to be preloaded: a wall clock that a test can set without touching the
 * machine's. CLOCK_JUMP_FILE holds one int64_t: by how many milliseconds the program's wall clock
 * is ahead. After a change the test sends SIGRTMIN+3, and the timer that asked to be told when the
 * clock is set (TFD_TIMER_CANCEL_ON_SET) is told as the kernel would: it becomes readable, and
 * reading it gives ECANCELED. All else is the kernel's. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead_ms;
static volatile sig_atomic_t watched = -1, cancelled;
static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_settime)(int, int, const struct itimerspec *, struct itimerspec *);
static ssize_t (*real_read)(int, void *, size_t);

static void on_set(int number) {
    struct itimerspec at_once = {.it_value.tv_nsec = 1};
    int saved = errno;
    cancelled = 1;
    if (watched >= 0 && real_settime)
        real_settime(watched, 0, &at_once, NULL);
    errno = saved;
}

static void find_real(void) {
    if (real_read)
        return;
    real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_settime = (int (*)(int, int, const struct itimerspec *, struct itimerspec *))dlsym(
        RTLD_NEXT, "timerfd_settime");
    real_read = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
}

static __attribute__((constructor)) void begin(void) {
    const char *path = getenv("CLOCK_JUMP_FILE");
    struct sigaction action = {.sa_handler = on_set, .sa_flags = SA_RESTART};
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    find_real();
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        ahead_ms = page;
    sigaction(SIGRTMIN + 3, &action, NULL);
}

static void shift(struct timespec *time, int64_t by_ms) {
    int64_t ns = time->tv_sec * INT64_C(1000000000) + time->tv_nsec + by_ms * 1000000;
    ns = ns < 1 ? 1 : ns; /* in the past: at once */
    time->tv_sec = (time_t)(ns / 1000000000);
    time->tv_nsec = (long)(ns % 1000000000);
}

int clock_gettime(clockid_t id, struct timespec *ret) {
    find_real();
    int r = real_gettime(id, ret);
    if (r == 0 && id == CLOCK_REALTIME && ahead_ms)
        shift(ret, *ahead_ms);
    return r;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old) {
    struct itimerspec real = *at;
    find_real();
    bool absolute = flags & TFD_TIMER_ABSTIME && flags & TFD_TIMER_CANCEL_ON_SET;
    if (absolute)
        watched = fd;
    if (absolute && ahead_ms && (at->it_value.tv_sec || at->it_value.tv_nsec))
        shift(&real.it_value, -*ahead_ms);
    return real_settime(fd, flags, &real, old);
}

ssize_t read(int fd, void *ret, size_t size) {
    find_real();
    ssize_t n = real_read(fd, ret, size);
    if (fd != watched || !cancelled)
        return n;
    cancelled = 0;
    errno = ECANCELED;
    return -1;
}
