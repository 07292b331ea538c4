/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - for src/cli only: the command line. Each command is one function, named in table.c. */
#pragma once
#include "base/buffer.h"
#include "base/common.h"
#include <jansson.h>

/* What the options say; each field is named in the table of options. */
struct cli {
    char *config_path; /* -c, else $HOLDFAST_CONFIG, else holdfast.yaml */
    char *run;         /* --run, NULL for the usual folder */
    bool json;         /* --json */
    bool help;         /* --help */
    bool follow;       /* logs -f, events -f */
    bool detach;       /* up -d */
    bool print;        /* check --print */
    bool strict;       /* health --strict */
    bool online;       /* check, doctor --online */
    char *from;        /* deploy --from; NULL: not given */
    bool replace;      /* up --replace */
    int64_t lines;     /* logs -n, events -n, alerts -n */
    char *since;       /* logs --since */
    char *until;       /* logs --until */
    char *grep;        /* logs --grep */
    bool ignore_case;  /* logs -i */
    bool timestamps;   /* logs -t */
    uint16_t port;     /* health --port; 0: found by itself */
    char *priority;    /* alert --priority, ... */
    char *title;
    char *type;
    char *service;
    char *dedup_key;
    char *group;
    char *duration; /* silence --for, alerts stats --for */
    char *every;    /* alerts stats --every */
    char *by;       /* alerts stats --by */
    char *text;     /* silence --text */
    char *state;    /* alerts --state */
    char **words;   /* what stands behind the command, NULL-ended */
    bool nothing;   /* no command was given, nor --help */
};
int command_init(const struct cli *cli);
int command_up(const struct cli *cli);
int command_down(const struct cli *cli);
int command_status(const struct cli *cli);
int command_top(const struct cli *cli);
int command_start(const struct cli *cli);
int command_stop(const struct cli *cli);
int command_restart(const struct cli *cli);
int command_reload(const struct cli *cli);
int command_upgrade(const struct cli *cli);
int command_logs(const struct cli *cli);
int command_events(const struct cli *cli);
int command_alert(const struct cli *cli);
int command_alerts(const struct cli *cli);
int command_silence(const struct cli *cli);
int command_silences(const struct cli *cli);
int command_log_level(const struct cli *cli);
int command_check(const struct cli *cli);
int command_health(const struct cli *cli);
int command_sim(const struct cli *cli);
int command_doctor(const struct cli *cli);
int command_deploy(const struct cli *cli);
int command_help(const struct cli *cli);
int command_version(const struct cli *cli);
int command_names(const struct cli *cli);

/* client.c: one question to the keeper. Returns the result object (the caller drops it), or NULL
 * after saying why on stderr; *ret_exit is then the exit code. */
json_t *keeper_ask(const char *run, json_t *request, int *ret_exit);
/* The same without a word: NULL when it is refused or nobody answers. */
json_t *keeper_try(const char *run, json_t *request);
/* Connects without a word; -errno when nobody listens. */
int keeper_connect(const char *run);
/* Waits until the keeper has gone, at most `wait_ms`; true when it has. */
bool keeper_wait_gone(const char *run, int64_t wait_ms);
json_t *names_json(char *const *names); /* a list of text */
/* One line on stdout; takes the object. */
void json_print(json_t *object);
const char *json_text(const json_t *object, const char *key); /* "" when it is not there */
int64_t json_number(const json_t *object, const char *key);   /* 0 when it is not there */

/* What one wants to know of a service next: its own words while it runs, the reason while it does
 * not. Borrowed from the object of `status`. */
const char *service_note(const json_t *service);
/* The word for a service that somebody should look at, such as "failed"; NULL: it is well. */
const char *service_trouble(const json_t *service);
bool service_is_unhealthy(const json_t *service);

/* A connection that stays: questions, and lines that come by themselves. */
struct keeper_stream {
    int fd; /* -1: not connected */
    struct buffer rest;
};
/* As keeper_connect(), but a keeper that was just killed gets a second to come back. */
int keeper_stream_open(struct keeper_stream *stream, const char *run);
void keeper_stream_close(struct keeper_stream *stream);
int keeper_stream_send(struct keeper_stream *stream, json_t *request); /* takes it; -errno */
/* A line that is there already, or NULL. The caller drops it. */
json_t *keeper_stream_take(struct keeper_stream *stream);
/* Reads once, waiting for it; -errno, -EPIPE when the keeper has gone. */
int keeper_stream_fill(struct keeper_stream *stream);
/* The next line; NULL when none comes. */
json_t *keeper_stream_next(struct keeper_stream *stream);

/* Where the installation that the words mean has its folders; exits with a sentence when there is
 * no config. */
struct places {
    char *data, *run, *timezone;
};
struct places places_find(const struct cli *cli);
void places_deinit(struct places *places);
#define AUTO_PLACES __attribute__((cleanup(places_deinit)))
/* Times are shown in the config's time zone from now on. */
void places_use_timezone(const struct places *places);

/* Folder of our own programs; the caller frees. */
char *program_folder(void);
char *words_join(char *const *words); /* with spaces; the caller frees */
bool colours_wanted(int fd);          /* a terminal, and NO_COLOR is not set */
