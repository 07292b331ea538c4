/* SPDX-License-Identifier: Apache-2.0 */
#include "anchor/anchor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    KEEPER_DELAY_MIN_MS = 10,
    KEEPER_DELAY_MAX_MS = 5000,
    END_PATIENCE_MS = 5000,
    KEEPER_SHORT_LIFE_MS = 1000
};
enum { TAG_SIGNALS = LAUNCH_SLOTS_MAX, TAG_KEEPER };

/* Everything the anchor ever needs, at fixed places: nothing can fail for lack of memory later. */
static struct {
    const struct anchor_options *options;
    int poll_fd, signal_fd;
    int keeper_fd; /* -1: no keeper */
    pid_t keeper_pid;
    int keepers;       /* started so far */
    bool keeper_works; /* it has taken over */
    bool resumed;      /* after an upgrade */
    int64_t keeper_start_ms;
    int64_t keeper_due_ms; /* when the next is started; 0: one runs */
    int64_t keeper_delay_ms;
    uint32_t slots_used; /* slots above were never used */
    bool snapshot_told;
    int message_fd;      /* came beside the message; -1 */
    int host_signals[8]; /* got and not yet told */
    int host_count;
    int host_stops;     /* TERM and INT so far */
    int64_t end_due_ms; /* when we end everything ourselves; 0: not asked to */
    bool quit_asked;    /* the keeper has said QUIT; we go once it has gone */
    bool quit;
    int quit_code;
    struct slot slots[LAUNCH_SLOTS_MAX];
    union {
        struct launch_head head;
        char bytes[LAUNCH_BYTES_MAX];
    } message;
} anchor;

static void watch(int fd, uint32_t events, uint32_t tag, int operation) {
    struct epoll_event event = {.events = events, .data = {.u32 = tag}};
    if (epoll_ctl(anchor.poll_fd, operation, fd, &event) < 0)
        log_warning("cannot watch descriptor %d: %s", fd, strerror(errno));
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

struct rlimit anchor_core_limit, anchor_files_limit;
bool anchor_ignored[NSIG];

/* ---- telling the keeper ---- */

static bool tell(const struct launch_head *head, const char *name) {
    struct {
        struct launch_head head;
        char name[LAUNCH_NAME_BYTES];
    } message = {.head = *head};
    if (name)
        memcpy(message.name, name, sizeof message.name);
    return send(anchor.keeper_fd, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool tell_slot(uint32_t index) {
    struct slot *slot = &anchor.slots[index];
    struct launch_head head = {.kind = LAUNCH_SLOT,
                               .slot = index,
                               .pid = slot->pid,
                               .value = (int)slot->state,
                               .status = slot->status,
                               .time_ms = slot->time_ms};
    slot->told = tell(&head, slot->name);
    return slot->told;
}

/* Tells all that is not told yet; what the socket does not take now goes out when it can. */
static void tell_news(void) {
    if (anchor.keeper_fd < 0)
        return;
    bool room = anchor_tell_kept(anchor.keeper_fd);
    for (uint32_t i = 0; room && i < anchor.slots_used; i++)
        if (anchor.slots[i].state != LAUNCH_FREE_SLOT && !anchor.slots[i].told)
            room = tell_slot(i);
    if (room && !anchor.snapshot_told) {
        struct launch_head head = {.kind = LAUNCH_SNAPSHOT, .value = anchor.keepers - 1};
        room = anchor.snapshot_told = tell(&head, NULL);
    }
    while (room && anchor.host_count) {
        struct launch_head head = {.kind = LAUNCH_HOST, .value = anchor.host_signals[0]};
        room = tell(&head, NULL);
        if (room)
            memmove(anchor.host_signals, anchor.host_signals + 1,
                    (size_t)--anchor.host_count * sizeof *anchor.host_signals);
    }
    watch(anchor.keeper_fd, room ? EPOLLIN : EPOLLIN | EPOLLOUT, TAG_KEEPER, EPOLL_CTL_MOD);
}

/* ---- the keeper ---- */

static void keeper_lost(void) {
    if (anchor.keeper_fd < 0)
        return;
    close_fd(&anchor.keeper_fd);
    if (anchor.quit_asked)
        return;
    if (anchor.keeper_pid > 0)
        kill(anchor.keeper_pid, SIGKILL); /* there is never a second one beside the next */
    /* Who dies before it took over (a bad build, no memory) is tried ever more slowly. */
    int64_t doubled = anchor.keeper_delay_ms * 2;
    anchor.keeper_delay_ms = anchor.keeper_works             ? KEEPER_DELAY_MIN_MS
                             : doubled < KEEPER_DELAY_MAX_MS ? doubled
                                                             : KEEPER_DELAY_MAX_MS;
    bool short_lived = clock_ms() - anchor.keeper_start_ms < KEEPER_SHORT_LIFE_MS;
    bool at_once = anchor.keeper_works && !short_lived;
    anchor.keeper_due_ms = clock_ms() + (at_once ? 0 : anchor.keeper_delay_ms);
}

static _Noreturn void become_keeper(int fd) {
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    if (fd != LAUNCH_FD)
        dup2(fd, LAUNCH_FD);
    else
        fcntl(fd, F_SETFD, 0);
    close_range(LAUNCH_FD + 1, ~0u, 0);
    setpgid(0, 0); /* a Ctrl-C at the terminal is the anchor's to pass on */
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(anchor.options->keeper_argv[0], anchor.options->keeper_argv);
    fatal(EX_OSERR, "cannot run %s: %s", anchor.options->keeper_argv[0], strerror(errno));
}

static void keeper_start(void) {
    int pair[2];
    anchor.keeper_works = false;
    anchor.keeper_start_ms = clock_ms();
    anchor.keeper_due_ms = clock_ms() + KEEPER_DELAY_MAX_MS; /* unless it works */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        log_error("cannot make a socket for the keeper: %s; trying again", strerror(errno));
        return;
    }
    int bytes = 2 * LAUNCH_BYTES_MAX;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    pid_t pid = fork();
    if (pid == 0)
        become_keeper(pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        log_error("cannot start the keeper: %s; trying again", strerror(errno));
        return;
    }
    anchor.keeper_fd = pair[0];
    anchor.keeper_pid = pid;
    anchor.keeper_due_ms = 0;
    anchor.keepers++;
    anchor.snapshot_told = false;
    anchor_kept_untell();
    for (uint32_t i = 0; i < anchor.slots_used; i++)
        anchor.slots[i].told = false;
    watch(anchor.keeper_fd, EPOLLIN, TAG_KEEPER, EPOLL_CTL_ADD);
    tell_news();
}

/* ---- slots ---- */

static void slot_died(struct slot *slot, int status) {
    slot->state = LAUNCH_DEAD;
    slot->status = status;
    slot->time_ms = clock_ms();
    slot->told = false;
    close_fd(&slot->pid_fd);
}

static void slot_failed(struct slot *slot, int error) {
    slot->state = LAUNCH_FAILED;
    slot->status = error;
    slot->told = false;
}

/* True when the body is whole: every string ends inside the message. */
static bool body_is_whole(size_t bytes) {
    size_t start = sizeof(struct launch_head) + sizeof(struct launch_body);
    if (bytes < start + 5)
        return false;
    const struct launch_body *body =
        (const void *)(anchor.message.bytes + sizeof(struct launch_head));
    size_t ends = 0;
    for (size_t i = start; i < bytes; i++)
        ends += anchor.message.bytes[i] == 0;
    return body->group_count <= LAUNCH_GROUPS_MAX && anchor.message.bytes[bytes - 1] == 0 &&
           ends == (size_t)body->argc + body->envc + 5;
}

static struct slot *slot_take(uint32_t index, size_t bytes) {
    struct slot *slot = &anchor.slots[index];
    if (slot->state == LAUNCH_RUNNING || !body_is_whole(bytes)) {
        log_error("the keeper asked for a start in a place that is taken, or not understood");
        slot->told = slot->state == LAUNCH_FREE_SLOT; /* it is told what is there */
        return NULL;
    }
    const char *strings =
        anchor.message.bytes + sizeof(struct launch_head) + sizeof(struct launch_body);
    const char *name = strings;
    const char *log = strings;
    for (int i = 0; i < 3; i++)
        log += strlen(log) + 1;
    if (slot->state == LAUNCH_FREE_SLOT)
        slot->log_fd = -1;
    if (index >= anchor.slots_used)
        anchor.slots_used = index + 1;
    slot->pid_fd = -1;
    slot->told = false;
    slot->status = 0;
    slot->time_ms = clock_ms();
    size_t length = strnlen(name, sizeof slot->name - 1);
    memcpy(slot->name, name, length);
    slot->name[length] = 0;
    if (slot->log_fd < 0 && log[0])
        slot->log_fd = open(log, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return slot;
}

static void on_start(const struct launch_head *head, size_t bytes) {
    struct slot *slot = slot_take(head->slot, bytes);
    if (!slot)
        return;
    const struct launch_body *body = (const void *)(anchor.message.bytes + sizeof *head);
    slot->pid = anchor_start(body, (const char *)(body + 1));
    slot->state = LAUNCH_RUNNING;
    if (slot->pid < 0)
        slot_failed(slot, errno);
}

/* The descriptor is opened first and the start time read after: then it is surely that process. */
static void on_adopt(const struct launch_head *head, size_t bytes) {
    struct slot *slot = slot_take(head->slot, bytes);
    if (!slot)
        return;
    const struct launch_body *body = (const void *)(anchor.message.bytes + sizeof *head);
    int64_t ticks = 0;
    slot->pid = head->pid;
    slot->state = LAUNCH_RUNNING;
    slot->pid_fd = (int)syscall(SYS_pidfd_open, head->pid, 0);
    if (slot->pid_fd < 0 || launch_start_ticks(head->pid, &ticks) < 0 ||
        ticks != body->start_ticks) {
        slot_died(slot, -1);
        return;
    }
    fcntl(slot->pid_fd, F_SETFD, FD_CLOEXEC);
    watch(slot->pid_fd, EPOLLIN, head->slot, EPOLL_CTL_ADD);
}

static void on_signal(const struct launch_head *head, size_t bytes) {
    struct slot *slot = &anchor.slots[head->slot];
    if (slot->state != LAUNCH_RUNNING)
        return;
    /* An adopted process is named by its descriptor; its group by its id while it lives. */
    if (slot->pid_fd >= 0 && syscall(SYS_pidfd_send_signal, slot->pid_fd, 0, NULL, 0) < 0)
        return;
    if (kill(-slot->pid, head->value) < 0)
        kill(slot->pid, head->value);
}

static void on_free(const struct launch_head *head, size_t bytes) {
    struct slot *slot = &anchor.slots[head->slot];
    if (slot->state == LAUNCH_RUNNING || slot->state == LAUNCH_FREE_SLOT)
        return;
    close_fd(&slot->log_fd);
    slot->state = LAUNCH_FREE_SLOT;
}

static const char *message_name(size_t bytes) {
    anchor.message.bytes[bytes < LAUNCH_BYTES_MAX ? bytes : LAUNCH_BYTES_MAX - 1] = 0;
    return bytes > sizeof(struct launch_head) ? anchor.message.bytes + sizeof(struct launch_head)
                                              : "";
}

static void on_keep(const struct launch_head *head, size_t bytes) {
    const char *name = message_name(bytes);
    if (anchor.message_fd >= 0 && name[0])
        anchor_keep(name, take_fd(&anchor.message_fd));
}

static void on_drop(const struct launch_head *head, size_t bytes) {
    anchor_drop(message_name(bytes));
}

static void on_works(const struct launch_head *head, size_t bytes) {
    anchor.keeper_works = true;
}

/* Waiting for the keeper's own end keeps the lock until nobody of us writes any more. */
static void on_quit(const struct launch_head *head, size_t bytes) {
    anchor.quit_asked = true;
    anchor.quit_code = head->value;
    anchor.keeper_due_ms = clock_ms() + KEEPER_DELAY_MAX_MS;
}

/* Everything that is known goes on in the new program; what is not told yet is told there. */
static void on_upgrade(const struct launch_head *head, size_t bytes) {
    struct anchor_state state = {.keeper_pid = anchor.keeper_pid,
                                 .keepers = anchor.keepers,
                                 .host_stops = anchor.host_stops,
                                 .slots_used = anchor.slots_used,
                                 .slots = anchor.slots};
    anchor_hand_over(anchor.options, &state);
}

static void on_notify(const struct launch_head *head, size_t bytes) {
    (void)notify_try(message_name(bytes)); /* the keeper says it again */
}

static void on_message(size_t bytes) {
    static void (*const handlers[])(const struct launch_head *, size_t) = {
        [LAUNCH_START] = on_start,   [LAUNCH_ADOPT] = on_adopt, [LAUNCH_SIGNAL] = on_signal,
        [LAUNCH_FREE] = on_free,     [LAUNCH_QUIT] = on_quit,   [LAUNCH_WORKS] = on_works,
        [LAUNCH_KEEP] = on_keep,     [LAUNCH_DROP] = on_drop,   [LAUNCH_UPGRADE] = on_upgrade,
        [LAUNCH_NOTIFY] = on_notify,
    };
    const struct launch_head *head = &anchor.message.head;
    bool known = bytes >= sizeof *head && head->kind < COUNT_OF(handlers) && handlers[head->kind];
    if (!known || head->slot >= LAUNCH_SLOTS_MAX) {
        log_warning("a message of the keeper was not understood, ignoring");
        return;
    }
    handlers[head->kind](head, bytes);
}

/* ---- events ---- */

static void read_keeper(void) {
    enum { MESSAGES_A_TURN = 64 };
    for (int i = 0; i < MESSAGES_A_TURN && anchor.keeper_fd >= 0; i++) {
        ssize_t n = launch_receive(anchor.keeper_fd, &anchor.message, sizeof anchor.message,
                                   &anchor.message_fd);
        if (n > 0)
            on_message((size_t)n);
        else if (n != -EAGAIN)
            keeper_lost();
        else
            return;
        close_fd(&anchor.message_fd);
    }
}

static struct slot *slot_of(pid_t pid) {
    for (uint32_t i = 0; i < anchor.slots_used; i++)
        if (anchor.slots[i].state == LAUNCH_RUNNING && anchor.slots[i].pid == pid)
            return &anchor.slots[i];
    return NULL;
}

/* Looked up before it is reaped: until then the id cannot name another process. Children of dead
 * services come to us too (subreaper); they are reaped and forgotten. */
static void reap(void) {
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        struct slot *slot = slot_of(info.si_pid);
        int status = 0;
        waitpid(info.si_pid, &status, 0);
        if (slot)
            slot_died(slot, status);
        if (info.si_pid == anchor.keeper_pid) {
            anchor.keeper_pid = 0;
            read_keeper(); /* what it said last, then its end of the socket */
            keeper_lost();
            anchor.quit |= anchor.quit_asked;
        }
    }
}

/* A second signal ends everything at once: through the keeper, or, when it is hung or cannot be
 * started, by us some seconds later. */
static void host_signal(int number) {
    for (int i = 0; number == SIGHUP && i < anchor.host_count; i++)
        if (anchor.host_signals[i] == SIGHUP)
            return; /* one reload is as good as two */
    anchor.host_stops += number != SIGHUP;
    if (anchor.host_stops == 2)
        anchor.end_due_ms = clock_ms() + (anchor.keeper_fd < 0 ? 0 : END_PATIENCE_MS);
    if (anchor.host_count < (int)COUNT_OF(anchor.host_signals))
        anchor.host_signals[anchor.host_count++] = number;
}

static void end_everything(void) {
    log_error("the keeper did not end things in time; killing everything");
    for (uint32_t i = 0; i < anchor.slots_used; i++)
        if (anchor.slots[i].state == LAUNCH_RUNNING)
            kill(-anchor.slots[i].pid, SIGKILL);
    if (anchor.keeper_pid > 0)
        kill(anchor.keeper_pid, SIGKILL);
    anchor.quit = true;
    anchor.quit_code = EX_SOFTWARE;
}

static void read_signals(void) {
    struct signalfd_siginfo info;
    while (read(anchor.signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap();
        else
            host_signal((int)info.ssi_signo);
    }
}

/* It may be a child of ours after all (subreaper): then its status is to be had. */
static void adopted_died(struct slot *slot) {
    reap();
    if (slot->state == LAUNCH_RUNNING && slot->pid_fd >= 0)
        slot_died(slot, -1);
}

static void on_event(const struct epoll_event *event) {
    if (event->data.u32 == TAG_SIGNALS)
        read_signals();
    else if (event->data.u32 == TAG_KEEPER)
        read_keeper();
    else
        adopted_died(&anchor.slots[event->data.u32]);
}

static void open_all(void) {
    sigset_t set;
    sigemptyset(&set);
    int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction now;
        anchor_ignored[number] = sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* Messages hold environments, and so secrets: no core of ours, but services keep their limit.
     */
    if (!anchor.resumed) {
        getrlimit(RLIMIT_CORE, &anchor_core_limit);
        getrlimit(RLIMIT_NOFILE, &anchor_files_limit);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, anchor_core_limit.rlim_max});
    setrlimit(RLIMIT_NOFILE,
              &(struct rlimit){anchor_files_limit.rlim_max, anchor_files_limit.rlim_max});
    anchor.signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    anchor.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (anchor.signal_fd < 0 || anchor.poll_fd < 0)
        fatal(EX_OSERR, "cannot make the descriptors it needs: %s", strerror(errno));
    watch(anchor.signal_fd, EPOLLIN, TAG_SIGNALS, EPOLL_CTL_ADD);
}

static int wait_ms(void) {
    int64_t due = anchor.keeper_due_ms;
    if (anchor.end_due_ms && (!due || anchor.end_due_ms < due))
        due = anchor.end_due_ms;
    if (!due)
        return -1;
    int64_t left = due - clock_ms();
    return left > 0 ? (int)left : 0;
}

/* The former keeper spoke to the former program: it is ended, the new one takes over. */
static void resume(int fd) {
    struct anchor_state state = {.slots = anchor.slots};
    anchor.resumed = anchor_take_over(fd, &state);
    if (!anchor.resumed) {
        log_error("what the former program handed over is not understood: services go on and are "
                  "adopted, how they end is not known");
        return;
    }
    anchor.keeper_pid = state.keeper_pid;
    anchor.keepers = state.keepers;
    anchor.slots_used = state.slots_used;
    anchor.host_stops = state.host_stops;
    if (anchor.host_stops > 0) /* the former keeper was told, and has not begun */
        anchor.host_signals[anchor.host_count++] = SIGTERM;
    if (anchor.keeper_pid > 0)
        kill(anchor.keeper_pid, SIGKILL);
}

int anchor_run(const struct anchor_options *options) {
    anchor.options = options;
    anchor.keeper_fd = -1;
    anchor.keeper_delay_ms = KEEPER_DELAY_MIN_MS;
    if (options->resume_fd >= 0)
        resume(options->resume_fd);
    open_all();
    for (uint32_t i = 0; i < anchor.slots_used; i++)
        if (anchor.slots[i].state == LAUNCH_RUNNING && anchor.slots[i].pid_fd >= 0)
            watch(anchor.slots[i].pid_fd, EPOLLIN, i, EPOLL_CTL_ADD);
    if (anchor.resumed)
        reap(); /* what ended during the upgrade has no signal of its own any more */
    keeper_start();
    while (!anchor.quit) {
        struct epoll_event events[32];
        int count = epoll_wait(anchor.poll_fd, events, COUNT_OF(events), wait_ms());
        for (int i = 0; i < count; i++)
            on_event(&events[i]);
        bool due = anchor.keeper_due_ms && clock_ms() >= anchor.keeper_due_ms;
        if (due && anchor.quit_asked)
            break;
        if (anchor.end_due_ms && clock_ms() >= anchor.end_due_ms) {
            end_everything();
            break;
        }
        if (due)
            keeper_start();
        tell_news();
    }
    return anchor.quit_code;
}
