/* SPDX-License-Identifier: Apache-2.0 */
/* order_times - preloaded into holdfast-trader: when Confirm is pressed, how long it takes from the
 * bytes of that update, and from the decision (the intent is handed to the disk's thread), to the
 * first byte of the order; and how much of that the disk is: the durable write, from the first
 * pwrite to the end of fdatasync, as pg_test_fsync counts it. A line of microseconds each time,
 * "press decision write", to the file in ORDER_TIMES. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
static _Atomic int64_t pressed_ns, decided_ns, writing_ns, written_ns; /* 0: not yet */

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void note(int64_t now) {
    char line[96];
    const char *path = getenv("ORDER_TIMES");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    int length =
        snprintf(line, sizeof line, "%lld %lld %lld\n", (long long)(now - pressed_ns) / 1000,
                 (long long)(now - decided_ns) / 1000, (long long)(written_ns - writing_ns) / 1000);
    if (fd >= 0 && write(fd, line, (size_t)length) != length)
        abort();
    if (fd >= 0)
        close(fd);
}

ssize_t recv(int fd, void *data, size_t size, int flags) {
    static __typeof__(&recv) next;
    next = next ? next : NEXT(recv);
    ssize_t n = next(fd, data, size, flags);
    if (n > 0 && memmem(data, (size_t)n, "callback_query", 14)) {
        decided_ns = writing_ns = written_ns = 0;
        pressed_ns = now_ns();
    }
    return n;
}

int pthread_cond_signal(pthread_cond_t *cond) {
    static __typeof__(&pthread_cond_signal) next;
    next = next ? next : (__typeof__(next))dlvsym(RTLD_NEXT, "pthread_cond_signal", "GLIBC_2.3.2");
    if (pressed_ns && !decided_ns)
        decided_ns = now_ns();
    return next(cond);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    static __typeof__(&pwrite64) next;
    next = next ? next : NEXT(pwrite64);
    if (decided_ns && !writing_ns)
        writing_ns = now_ns();
    return next(fd, data, size, offset);
}

int fdatasync(int fd) {
    static __typeof__(&fdatasync) next;
    next = next ? next : NEXT(fdatasync);
    int r = next(fd);
    if (writing_ns && !written_ns)
        written_ns = now_ns();
    return r;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    static const char create[] = "POST /v5/order/create";
    static __typeof__(&send) next;
    next = next ? next : NEXT(send);
    if (pressed_ns && written_ns && size >= sizeof create &&
        memcmp(data, create, sizeof create - 1) == 0) {
        note(now_ns());
        pressed_ns = 0;
    }
    return next(fd, data, size, flags);
}
