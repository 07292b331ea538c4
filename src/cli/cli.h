/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - for src/cli only: the command line. Each command is one function of the table in main.c.
 */
#pragma once
#include "base/common.h"
#include <jansson.h>

struct cli {
    const char *config_path; /* -c, else $HOLDFAST_CONFIG, else ./holdfast.yaml */
    const char *run;         /* --run, NULL for the usual folder */
    bool json;               /* --json */
    bool follow;             /* logs -f */
    bool detach;             /* up -d */
    bool print;              /* check --print */
    bool strict;             /* health --strict */
    bool replace;            /* up --replace */
    int64_t lines;           /* logs -n; 0: not said */
    const char *since;       /* logs --since */
    const char *until;       /* logs --until */
    const char *grep;        /* logs --grep */
    bool ignore_case;        /* logs -i */
    bool timestamps;         /* logs -t */
    uint16_t port;           /* health --port; 0: found by itself */
    char **words;            /* what stands behind the command, NULL-ended */
};
int command_init(const struct cli *cli);
int command_up(const struct cli *cli);
int command_down(const struct cli *cli);
int command_status(const struct cli *cli);
int command_start(const struct cli *cli);
int command_stop(const struct cli *cli);
int command_restart(const struct cli *cli);
int command_reload(const struct cli *cli);
int command_logs(const struct cli *cli);
int command_log_level(const struct cli *cli);
int command_check(const struct cli *cli);
int command_health(const struct cli *cli);
int command_sim(const struct cli *cli);
int command_version(const struct cli *cli);

/* client.c: one question to the keeper. Returns the result object (the caller drops it), or NULL
 * after saying why on stderr; *ret_exit is then the exit code. */
json_t *keeper_ask(const char *run, json_t *request, int *ret_exit);
/* Connects without a word; -errno when nobody listens. */
int keeper_connect(const char *run);
/* Waits until the keeper has gone, at most `wait_ms`; true when it has. */
bool keeper_wait_gone(const char *run, int64_t wait_ms);

/* Where the installation that the words mean has its folders; exits with a sentence when there is
 * no config. */
struct places {
    char *data, *run, *timezone;
};
struct places places_find(const struct cli *cli);
void places_deinit(struct places *places);
#define AUTO_PLACES __attribute__((cleanup(places_deinit)))

/* Folder of our own programs; the caller frees. */
char *program_folder(void);
bool colours_wanted(int fd); /* a terminal, and NO_COLOR is not set */
