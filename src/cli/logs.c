/* SPDX-License-Identifier: Apache-2.0 */
/* logs: what services printed, and what follows. Reads the files; asks nobody. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/log_source.h"
#include "cli/log_time.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <regex.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { LINES_USUAL = 20 };

struct view {
    const struct cli *cli;
    int64_t since_ms, until_ms; /* 0: no bound */
    regex_t regex;
    bool has_regex, colours;
    int name_width; /* 0: one service, its name is not shown */
};
struct stream {
    struct log_source source;
    int colour;
    bool has_line;
    struct log_line line;
    int64_t skip; /* matching lines before those that are wanted */
};
struct streams {
    struct stream *list;
    size_t count;
};

/* ---- one line ---- */

static void print_json_line(const struct stream *stream) {
    char time[CLOCK_TEXT_BYTES];
    AUTO_FREE char *text = text_copy_n(stream->line.text.data, stream->line.text.size);
    text_make_utf8(text);
    clock_format(stream->line.wall_ms, time);
    json_t *object =
        json_pack("{s:s,s:s,s:s}", "service", stream->source.name, "time", time, "text", text);
    AUTO_FREE char *out = object ? json_dumps(object, JSON_COMPACT) : NULL;
    puts(out ? out : "{}");
    json_decref(object);
}

static bool find(const struct view *view, struct slice text, regmatch_t *ret) {
    *ret = (regmatch_t){.rm_so = 0, .rm_eo = (regoff_t)text.size};
    return regexec(&view->regex, text.data, 1, ret, REG_STARTEND) == 0;
}

static void print_coloured(const struct view *view, struct slice text) {
    regmatch_t match;
    while (text.size && find(view, text, &match) && match.rm_eo > match.rm_so) {
        size_t start = (size_t)match.rm_so, end = (size_t)match.rm_eo;
        fwrite(text.data, 1, start, stdout);
        fputs("\033[1;31m", stdout);
        fwrite(text.data + start, 1, end - start, stdout);
        fputs("\033[0m", stdout);
        text = (struct slice){text.data + end, text.size - end};
    }
    fwrite(text.data, 1, text.size, stdout);
}

static void print_line(const struct view *view, const struct stream *stream) {
    if (view->cli->json) {
        print_json_line(stream);
        return;
    }
    if (view->cli->timestamps) {
        char time[LOG_TIME_TEXT_BYTES];
        log_time_format(stream->line.wall_ms, time);
        printf("%s ", time);
    }
    if (view->name_width && view->colours)
        printf("\033[%dm%-*s |\033[0m ", stream->colour, view->name_width, stream->source.name);
    else if (view->name_width)
        printf("%-*s | ", view->name_width, stream->source.name);
    if (view->has_regex && view->colours)
        print_coloured(view, stream->line.text);
    else
        fwrite(stream->line.text.data, 1, stream->line.text.size, stdout);
    putchar('\n');
}

/* ---- which lines, in which order ---- */

static bool next_wanted(const struct view *view, struct stream *stream) {
    regmatch_t match;
    while (log_source_next(&stream->source, &stream->line))
        if ((!view->until_ms || stream->line.wall_ms <= view->until_ms) &&
            (!view->has_regex || find(view, stream->line.text, &match)))
            return true;
    return false;
}

static void start_stream(const struct view *view, struct stream *stream) {
    const struct cli *cli = view->cli;
    bool picky = view->since_ms || view->until_ms || view->has_regex;
    struct log_source_place place = {0};
    if (!picky)
        place = log_source_tail(&stream->source, cli->lines ? cli->lines : LINES_USUAL);
    else if (view->since_ms)
        place = log_source_since(&stream->source, view->since_ms);
    log_source_go(&stream->source, place);
    if (!picky || !cli->lines)
        return;
    int64_t wanted = 0;
    while (next_wanted(view, stream))
        wanted++;
    stream->skip = wanted > cli->lines ? wanted - cli->lines : 0;
    log_source_go(&stream->source, place);
}

static void advance(const struct view *view, struct stream *stream) {
    stream->has_line = next_wanted(view, stream);
    for (; stream->has_line && stream->skip > 0; stream->skip--)
        stream->has_line = next_wanted(view, stream);
}

/* All that is there, in the order in which it was written as far as the times tell; of one moment
 * each service's lines stay together. */
static void print_all(const struct view *view, struct streams *streams) {
    struct stream *last = NULL;
    for (size_t i = 0; i < streams->count; i++)
        advance(view, &streams->list[i]);
    for (;;) {
        struct stream *first = last && last->has_line ? last : NULL;
        for (size_t i = 0; i < streams->count; i++) {
            struct stream *other = &streams->list[i];
            if (other->has_line && (!first || other->line.wall_ms < first->line.wall_ms))
                first = other;
        }
        if (!first)
            break;
        print_line(view, first);
        advance(view, first);
        last = first;
    }
    fflush(stdout);
}

static void follow(const struct view *view, struct streams *streams, int watch) {
    for (;;) {
        char events[65536];
        if (ferror(stdout) || (read(watch, events, sizeof events) < 0 && errno != EINTR))
            return;
        for (size_t i = 0; i < streams->count; i++)
            log_source_look(&streams->list[i].source);
        print_all(view, streams);
    }
}

static int open_watch(const char *folder) {
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        fatal(EX_OSERR, "%s cannot be watched: %s", folder, strerror(errno));
    return watch;
}

/* ---- which services ---- */

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct stream *)a)->source.name, ((const struct stream *)b)->source.name);
}

static void add_stream(struct streams *streams, const char *folder, const char *name, size_t size) {
    streams->list = memory_grow(streams->list, streams->count + 1, sizeof *streams->list);
    struct stream *stream = &streams->list[streams->count++];
    *stream = (struct stream){0};
    log_source_init(&stream->source, folder, (struct slice){name, size});
}

/* Every *.log in the folder, our own aside. The files are asked, not the config: it may have errors
 * just now, and a service that left it still has a log. */
static void add_all(struct streams *streams, const char *folder) {
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        size_t size = strlen(entry->d_name);
        if (size > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 4, ".log") == 0 &&
            strcmp(entry->d_name, "holdfast.log") != 0)
            add_stream(streams, folder, entry->d_name, size - 4);
    }
    if (directory)
        closedir(directory);
    if (streams->count)
        qsort(streams->list, streams->count, sizeof *streams->list, by_name);
}

static void set_names(struct view *view, struct streams *streams) {
    size_t width = 0;
    for (size_t i = 0; i < streams->count; i++) {
        size_t size = strlen(streams->list[i].source.name);
        width = size > width ? size : width;
        streams->list[i].colour = 31 + (int)(i % 6);
    }
    view->name_width = streams->count > 1 ? (int)width : 0;
}

static void streams_deinit(struct streams *streams) {
    for (size_t i = 0; i < streams->count; i++)
        log_source_deinit(&streams->list[i].source);
    free(streams->list);
}

/* ---- the words of the command ---- */

static int64_t time_of(const char *option, const char *text) {
    int64_t ms = 0;
    if (text && log_time_parse(text, clock_wall_ms(), &ms) < 0)
        fatal(EX_USAGE,
              "%s: '%s' was found, expected a time such as 10m, 18:00, 2026-11-24, "
              "'2026-11-24 18:00' or 2026-11-24T18:00:00+07:00",
              option, text);
    return ms;
}

/* UTF-8 whatever the environment says: logs are. */
static void set_regex(struct view *view) {
    const struct cli *cli = view->cli;
    if (!cli->grep)
        return;
    setlocale(LC_CTYPE, "C.UTF-8");
    int r = regcomp(&view->regex, cli->grep, REG_EXTENDED | (cli->ignore_case ? REG_ICASE : 0));
    if (r != 0) {
        char why[128];
        regerror(r, &view->regex, why, sizeof why);
        fatal(EX_USAGE,
              "--grep: '%s' is not a regular expression: %s; to find such signs as they are, put a "
              "backslash before each",
              cli->grep, why);
    }
    view->has_regex = true;
}

static struct view view_of(const struct cli *cli, const char *zone) {
    struct view view = {.cli = cli, .colours = colours_wanted(STDOUT_FILENO)};
    setenv("TZ", zone, 1);
    tzset();
    view.since_ms = time_of("--since", cli->since);
    view.until_ms = time_of("--until", cli->until);
    if (cli->until && cli->follow)
        fatal(EX_USAGE, "--until and -f exclude each other: what follows comes later");
    if (cli->ignore_case && !cli->grep)
        fatal(EX_USAGE, "-i belongs to --grep REGEX");
    set_regex(&view);
    return view;
}

/* Each rotated file is held open. */
static void raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){files.rlim_max, files.rlim_max});
}

int command_logs(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    AUTO_FREE char *folder = path_join(places.data, "logs");
    struct view view = view_of(cli, places.timezone);
    struct streams streams = {0};
    bool any = false;
    raise_file_limit();
    for (char **word = cli->words; *word; word++)
        add_stream(&streams, folder, *word, strlen(*word));
    if (!streams.count)
        add_all(&streams, folder);
    set_names(&view, &streams);
    AUTO_FD int watch = cli->follow && streams.count ? open_watch(folder) : -1;
    for (size_t i = 0; i < streams.count; i++) {
        any |= log_source_look(&streams.list[i].source);
        start_stream(&view, &streams.list[i]);
    }
    print_all(&view, &streams);
    if (watch >= 0)
        follow(&view, &streams, watch);
    else if (!any)
        fprintf(stderr, "no log%s%s in %s; `holdfast status` lists the services\n",
                cli->words[0] ? " of " : "", cli->words[0] ? cli->words[0] : "", folder);
    streams_deinit(&streams);
    if (view.has_regex)
        regfree(&view.regex);
    return any || cli->follow ? 0 : EX_NOINPUT;
}
