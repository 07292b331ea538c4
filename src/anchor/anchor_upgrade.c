/* SPDX-License-Identifier: Apache-2.0 */
/* An upgrade: this process runs the new program and stays what it is, the parent of every service.
 * What it knows goes through a memfd; the descriptors it holds stay open through the exec. */
#include "anchor/anchor.h"
#include "base/file.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STATE_VERSION = 1, ARGUMENTS_MAX = 16 };
static const char magic[8] = "HFANCHOR";

/* Followed by the slots in use and the kept descriptors. */
struct notes {
    char magic[sizeof magic];
    uint32_t version, slot_bytes, slot_count, kept_count;
    int32_t keeper_pid, keepers, host_stops;
    struct rlimit core, files;
};

static void keep_open(int fd, bool open) {
    if (fd >= 0)
        fcntl(fd, F_SETFD, open ? 0 : FD_CLOEXEC);
}

static void keep_all_open(const struct anchor_state *state, bool open) {
    for (uint32_t i = 0; i < state->slots_used; i++) {
        if (state->slots[i].state == LAUNCH_FREE_SLOT)
            continue;
        keep_open(state->slots[i].log_fd, open);
        keep_open(state->slots[i].pid_fd, open);
    }
}

static bool write_all(int fd, const void *bytes, size_t size) {
    return fd_write_all(fd, (struct slice){bytes, size}) == 0;
}

static bool read_all(int fd, void *ret, size_t size) {
    char *at = ret;
    while (size > 0) {
        ssize_t n = read(fd, at, size);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static char kept_bytes[LAUNCH_KEPT_MAX * ANCHOR_KEPT_BYTES];

static bool write_notes(int fd, const struct anchor_state *state) {
    struct notes notes = {.version = STATE_VERSION,
                          .slot_bytes = sizeof(struct slot),
                          .slot_count = state->slots_used,
                          .kept_count = (uint32_t)anchor_kept_write(kept_bytes, false),
                          .keeper_pid = state->keeper_pid,
                          .keepers = state->keepers,
                          .host_stops = state->host_stops,
                          .core = anchor_core_limit,
                          .files = anchor_files_limit};
    memcpy(notes.magic, magic, sizeof magic);
    return write_all(fd, &notes, sizeof notes) &&
           write_all(fd, state->slots, state->slots_used * sizeof *state->slots) &&
           write_all(fd, kept_bytes, notes.kept_count * (size_t)ANCHOR_KEPT_BYTES) &&
           lseek(fd, 0, SEEK_SET) == 0;
}

static void run_anew(const struct anchor_options *options, int fd) {
    char number[16];
    char *argv[ARGUMENTS_MAX] = {(char *)(uintptr_t)options->program, "--resume", number,
                                 (char *)(uintptr_t)options->run};
    size_t count = 4;
    snprintf(number, sizeof number, "%d", fd);
    for (char *const *word = options->keeper_argv; *word && count < ARGUMENTS_MAX - 1; word++)
        argv[count++] = *word;
    execv(options->program, argv);
}

void anchor_hand_over(const struct anchor_options *options, const struct anchor_state *state) {
    int fd = memfd_create("holdfast-anchor", 0);
    if (fd >= 0 && write_notes(fd, state)) {
        keep_all_open(state, true);
        run_anew(options, fd);
    }
    log_error("the new program %s cannot be run: %s; the old one goes on", options->program,
              strerror(errno));
    keep_all_open(state, false);
    (void)anchor_kept_write(NULL, true);
    if (fd >= 0)
        close(fd);
}

static bool read_notes(int fd, struct notes *notes, struct anchor_state *state) {
    return read_all(fd, notes, sizeof *notes) && memcmp(notes->magic, magic, sizeof magic) == 0 &&
           notes->version == STATE_VERSION && notes->slot_bytes == sizeof(struct slot) &&
           notes->slot_count <= LAUNCH_SLOTS_MAX && notes->kept_count <= LAUNCH_KEPT_MAX &&
           read_all(fd, state->slots, notes->slot_count * sizeof *state->slots) &&
           read_all(fd, kept_bytes, notes->kept_count * (size_t)ANCHOR_KEPT_BYTES);
}

bool anchor_take_over(int fd, struct anchor_state *state) {
    struct notes notes;
    bool good = read_notes(fd, &notes, state);
    close(fd);
    if (!good) {
        memset(state->slots, 0, LAUNCH_SLOTS_MAX * sizeof *state->slots);
        return false;
    }
    state->keeper_pid = notes.keeper_pid;
    state->keepers = notes.keepers;
    state->host_stops = notes.host_stops;
    state->slots_used = notes.slot_count;
    anchor_core_limit = notes.core;
    anchor_files_limit = notes.files;
    anchor_kept_read(kept_bytes, notes.kept_count);
    keep_all_open(state, false);
    return true;
}
