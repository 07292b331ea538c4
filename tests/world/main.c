/* SPDX-License-Identifier: Apache-2.0 */
/* world_sim [--seeds FROM..TO] [--steps N]: plays each seed; exit code 1 at the first that breaks
 * an invariant, with its name. world_sim --seed N --trace: prints every step of one.
 * world_sim --crash-each [--seeds ...] [--steps N]: no faults but one: after each step in turn the
 * hub, the trader, the keeper, or all programs crash; a run for each. */
#include "base/text.h"
#include "tests/world/world.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int64_t seed_now;

/* A must() or a sanitizer ends the program: the seed is what counts then. */
static void on_abort(int number) {
    AUTO_FREE char *text =
        text_format("seed %lld: BROKEN: no program aborts\n", (long long)seed_now);
    (void)!write(STDOUT_FILENO, text, strlen(text));
    (void)signal(SIGABRT, SIG_DFL);
}

static int usage(void) {
    fprintf(stderr,
            "world_sim [--seeds FROM..TO | --seed N] [--steps N] [--trace | --crash-each]\n");
    return 64;
}

static bool read_range(const char *text, int64_t *ret_from, int64_t *ret_to) {
    const char *dots = strstr(text, "..");
    AUTO_FREE char *from = dots ? text_copy_n(text, (size_t)(dots - text)) : text_copy(text);
    return text_to_int(from, 0, INT64_MAX - 1, ret_from) == 0 &&
           text_to_int(dots ? dots + 2 : text, *ret_from, INT64_MAX - 1, ret_to) == 0;
}

static bool read_options(int argc, char **argv, struct run_options *options, bool *crash_each,
                         int64_t *from, int64_t *to) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--trace") == 0)
            options->trace = true;
        else if (strcmp(argv[i], "--crash-each") == 0)
            *crash_each = true;
        else if ((strcmp(argv[i], "--seeds") == 0 || strcmp(argv[i], "--seed") == 0) &&
                 read_range(value, from, to))
            i++;
        else if (strcmp(argv[i], "--steps") == 0 &&
                 text_to_int(value, 1, 1000000000, &options->steps) == 0)
            i++;
        else
            return false;
    }
    return true;
}

static void add_counts(struct counts *sum, const struct counts *more) {
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)more;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

static void print_counts(const struct counts *c, uint64_t runs) {
    typedef unsigned long long number;
    printf("%llu runs, %llu steps, %llu crashes; messages: %llu lost, %llu late, %llu doubled, "
           "%llu refused; %llu commits failed, %llu faults at the peers; %llu updates, %llu alerts "
           "accepted, %llu orders wanted, %llu fills, %llu services started\n",
           (number)runs, (number)c->steps, (number)c->crashes, (number)c->lost, (number)c->late,
           (number)c->doubled, (number)c->refused, (number)c->disk_failures, (number)c->peer_faults,
           (number)c->updates, (number)c->alerts, (number)c->orders, (number)c->fills,
           (number)c->starts);
}

static bool play(struct run_options *options, struct counts *sum, uint64_t *runs) {
    struct counts counts;
    char broken[600];
    seed_now = (int64_t)options->seed;
    bool good = world_play(options, &counts, broken, sizeof broken);
    add_counts(sum, &counts);
    ++*runs;
    if (!good && options->crash_after)
        printf("crash of %#x after step %llu: ", options->crash_whom,
               (unsigned long long)options->crash_after);
    if (!good)
        printf("seed %lld, step %llu: BROKEN: %s\n", (long long)seed_now,
               (unsigned long long)counts.steps, broken);
    return good;
}

static bool play_each_crash(struct run_options *options, struct counts *sum, uint64_t *runs) {
    static const unsigned whom[] = {1u << HUB, 1u << TRADER, 1u << KEEPER, ~0u};
    bool good = true;
    for (int64_t step = 1; step <= options->steps && good; step++)
        for (size_t i = 0; i < COUNT_OF(whom) && good; i++) {
            options->crash_after = (uint64_t)step;
            options->crash_whom = whom[i];
            good = play(options, sum, runs);
        }
    return good;
}

int main(int argc, char **argv) {
    struct run_options options = {.steps = 3000};
    int64_t from = 1, to = 20;
    struct counts sum = {0};
    uint64_t runs = 0;
    bool crash_each = false, good = true;
    if (!read_options(argc, argv, &options, &crash_each, &from, &to))
        return usage();
    (void)signal(SIGABRT, on_abort);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (int64_t seed = from; seed <= to && good; seed++) {
        options.seed = (uint64_t)seed;
        good = crash_each ? play_each_crash(&options, &sum, &runs) : play(&options, &sum, &runs);
    }
    print_counts(&sum, runs);
    return !good;
}
