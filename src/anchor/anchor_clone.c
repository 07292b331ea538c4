/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that share our memory until they exec, as vfork() makes them, but born in a cgroup and
 * with our descriptors, which they leave themselves: no table of thousands is copied.
 * No library has that: vfork() and posix_spawn() know no cgroup here, and the wrapper of clone()
 * has no room for one. The child gets a stack of its own, so it may call functions. */
#include "anchor/anchor.h"
#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1 /* it knows one stack a thread, and what is left of a frame on it */
#elif defined(__has_feature)
#define HAS_SANITIZER __has_feature(address_sanitizer)
#endif

#if HAS_SANITIZER
static long clone_and_call(const struct clone_args *arguments, void (*call)(void *),
                           void *context) {
    return -ENOSYS;
}
#elif defined(__x86_64__)
#define CLONE_AND_CALL                                                                             \
    "syscall\n"                                                                                    \
    "test %%rax, %%rax\n"                                                                          \
    "jnz 1f\n"                                                                                     \
    "xor %%ebp, %%ebp\n"                                                                           \
    "mov %%r13, %%rdi\n"                                                                           \
    "call *%%r12\n"                                                                                \
    "hlt\n"                                                                                        \
    "1:\n"

static long clone_and_call(const struct clone_args *arguments, void (*call)(void *),
                           void *context) {
    register void (*call_in)(void *) __asm__("r12") = call;
    register void *context_in __asm__("r13") = context;
    long result = SYS_clone3;
    __asm__ volatile(CLONE_AND_CALL
                     : "+a"(result)
                     : "D"(arguments), "S"(sizeof *arguments), "r"(call_in), "r"(context_in)
                     : "rcx", "r11", "memory", "cc");
    return result;
}
#elif defined(__aarch64__)
static long clone_and_call(const struct clone_args *arguments, void (*call)(void *),
                           void *context) {
    register long result __asm__("x0") = (long)arguments;
    register size_t size __asm__("x1") = sizeof *arguments;
    register long number __asm__("x8") = SYS_clone3;
    register void (*call_in)(void *) __asm__("x19") = call;
    register void *context_in __asm__("x20") = context;
    __asm__ volatile("svc #0\n"
                     "cbnz x0, 1f\n"
                     "mov x0, x20\n"
                     "blr x19\n"
                     "brk #0\n"
                     "1:\n"
                     : "+r"(result)
                     : "r"(size), "r"(number), "r"(call_in), "r"(context_in)
                     : "memory", "cc");
    return result;
}
#else
static long clone_and_call(const struct clone_args *arguments, void (*call)(void *),
                           void *context) {
    return -ENOSYS;
}
#endif

/* Kernels before 6.11, unless mended since, leave descriptors from 64 on marked as taken in a table
 * that was left by close_range(): a service could then open no 65th file. */
unsigned long long anchor_descriptors_flag(void) {
    static int sound = -1;
    struct utsname system;
    int major = 0, minor = 0;
    if (sound < 0)
        sound = uname(&system) == 0 && sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
                (major > 6 || (major == 6 && minor >= 11));
    return sound ? CLONE_FILES : 0;
}

pid_t anchor_clone(int cgroup_fd, void (*call)(void *), void *context) {
    static char stack[64 * 1024] __attribute__((aligned(16)));
    struct clone_args arguments = {.flags = CLONE_VM | CLONE_VFORK | anchor_descriptors_flag(),
                                   .exit_signal = SIGCHLD,
                                   .stack = (uintptr_t)stack,
                                   .stack_size = sizeof stack};
    if (cgroup_fd >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (unsigned)cgroup_fd;
    }
    long pid = clone_and_call(&arguments, call, context);
    if (pid < 0)
        errno = (int)-pid;
    return pid < 0 ? -1 : (pid_t)pid;
}
