/* SPDX-License-Identifier: Apache-2.0 */
/* hub_client.h - for src/cli only: one question to the hub of this machine, over HTTP. */
#pragma once
#include "cli/cli.h"

/* Whom to ask, and with which token. */
struct hub_peer {
    char *host; /* an address; NULL: 127.0.0.1 */
    uint16_t port;
    bool patient;       /* a hub that was just killed gets a second to come back */
    int64_t wait_ms;    /* for the answer; 0: 20 s */
    char *token;        /* NULL: none */
    char *config_path;  /* where http.token is set */
    char *config_error; /* the first error that hides the token; NULL: none */
};
/* --port, else the port that the hub wrote down in the run folder, else `fallback`. */
uint16_t hub_port(const struct cli *cli, const struct places *places, uint16_t fallback);
/* With the token of the config in force. A config with errors elsewhere is no reason to lose an
 * alert: it is told only when the hub asks for the token. */
struct hub_peer hub_find(const struct cli *cli, const struct places *places);
void hub_peer_deinit(struct hub_peer *peer);
#define AUTO_HUB __attribute__((cleanup(hub_peer_deinit)))

struct hub_answer {
    int status;
    int64_t retry_after_s; /* -1: not said */
    json_t *body;          /* an object; the caller drops it */
    bool sent;             /* without an answer: the hub may have got the request all the same */
};
/* POSTs `post`, or GETs when it is NULL. 0 with any status, -errno when no answer came; -EPROTO: it
 * is not the hub's. */
MUST_CHECK int hub_ask(const struct hub_peer *peer, const char *path, const json_t *post,
                       struct hub_answer *ret);
/* The same; returns the body of a 2xx (the caller drops it), or NULL after saying why on stderr;
 * *ret_exit is then the exit code. */
json_t *hub_call(const struct hub_peer *peer, const char *path, const json_t *post, int *ret_exit);
/* Says that nothing, or not the hub, answers (r as of hub_ask()); returns the exit code. */
int hub_say_no_answer(const struct hub_peer *peer, int r, bool may_be_done);
