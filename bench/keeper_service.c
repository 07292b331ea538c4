/* SPDX-License-Identifier: Apache-2.0 */
/* bench-keeper-service [RECORD NAME [pidfile PATH | lines BYTES]]: the service of `bench/run
 * keeper`. Its first instruction is a look at the clock; then "NAME PID NANOSECONDS" goes to the
 * FIFO RECORD, and it sleeps; or first writes numbered lines of 100 bytes and says the same once
 * more. Without arguments (for supervisors that run a file named `run`): the same from the
 * environment BENCH_RECORD, and BENCH_LINES for lines; NAME is that of the folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 100, BLOCK_LINES = 640 };

/* The entry point on x86-64, before the C library prepares itself (its look at the processor alone
 * takes milliseconds on some virtual machines): clock_gettime(CLOCK_MONOTONIC, &entered). */
struct timespec entered;
#if defined(__x86_64__)
__asm__(".globl bench_entry\n"
        "bench_entry:\n"
        "    mov %rdx, %r12\n"
        "    mov $228, %eax\n"
        "    mov $1, %edi\n"
        "    lea entered(%rip), %rsi\n"
        "    syscall\n"
        "    mov %r12, %rdx\n"
        "    jmp _start\n");
#endif

static void now(struct timespec *ret) {
    clock_gettime(CLOCK_MONOTONIC, ret);
}

static void put(const char *path, int flags, const char *text, size_t size) {
    int fd = open(path, flags, 0600);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        _exit(1);
    close(fd);
}

static void record(const char *path, const char *name, const struct timespec *at) {
    char line[128];
    int n = snprintf(line, sizeof line, "%s %d %lld%09ld\n", name, (int)getpid(),
                     (long long)at->tv_sec, at->tv_nsec);
    put(path, O_WRONLY, line, (size_t)n);
}

/* As daemons do that leave their id in a file: the parent ends once the id is there to be read. */
static void become_daemon(const char *path) {
    char text[32];
    int ready[2];
    if (pipe(ready) < 0)
        _exit(1);
    pid_t pid = fork();
    if (pid != 0) {
        close(ready[1]);
        _exit(pid < 0 || read(ready[0], text, 1) != 1);
    }
    setsid();
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    put(path, O_WRONLY | O_CREAT | O_TRUNC, text, (size_t)n);
    if (write(ready[1], "", 1) != 1)
        _exit(1);
    close(ready[0]);
    close(ready[1]);
}

static void write_all(const char *bytes, size_t size) {
    while (size) {
        ssize_t n = write(STDOUT_FILENO, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(1);
        bytes += n;
        size -= (size_t)n;
    }
}

/* As a logging library writes under load: many lines with one call. The number is at the front,
 * the rest is what a log line looks like, a ':' of a clock included. */
static void write_lines(long long bytes) {
    static char block[BLOCK_LINES * LINE_BYTES];
    static const char text[] = " 12:34:56.789 INFO  order of chat 42 was taken, the price is good, "
                               "and all is well.......";
    long long lines = bytes / LINE_BYTES, number = 0;
    while (number < lines) {
        size_t size = 0;
        for (; size < sizeof block && number < lines; size += LINE_BYTES) {
            char *line = block + size;
            long long rest = ++number;
            for (int i = 9; i >= 0; i--, rest /= 10)
                line[i] = (char)('0' + rest % 10);
            memset(line + 10, '.', LINE_BYTES - 11);
            memcpy(line + 10, text, sizeof text - 1);
            line[LINE_BYTES - 1] = '\n';
        }
        write_all(block, size);
    }
}

int main(int argc, char **argv) {
    struct timespec at = entered;
    if (!at.tv_sec)
        now(&at);
    char folder[4096];
    const char *path = argc > 2 ? argv[1] : getenv("BENCH_RECORD");
    const char *name = argc > 2 ? argv[2] : getcwd(folder, sizeof folder);
    const char *lines = argc > 2 ? NULL : getenv("BENCH_LINES");
    if (!path || !name)
        return 64;
    if (strrchr(name, '/'))
        name = strrchr(name, '/') + 1;
    if (argc > 4 && strcmp(argv[3], "lines") == 0)
        lines = argv[4];
    if (argc > 4 && strcmp(argv[3], "pidfile") == 0)
        become_daemon(argv[4]);
    record(path, name, &at);
    if (lines) {
        write_lines(atoll(lines));
        now(&at);
        record(path, name, &at);
    }
    for (;;)
        pause();
}
