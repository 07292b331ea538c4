/* SPDX-License-Identifier: Apache-2.0 */
/* telegram.h - Telegram's Bot API server as a pure state machine: no clock, socket, file or random
 * source of its own. holdfast-sim and tests/world drive it: every call of a bot goes in with `now`
 * (milliseconds since 1970), every answer comes out of telegram_next_answer() when it is due, also
 * those of parked polls, delayed answers and simulated faults. docs/simulator.md lists what is
 * simulated, rule by rule. The person's side (messages, presses, faults) is telegram_control.h. */
#pragma once
#include "base/common.h"
#include <jansson.h>

/* All state has an end. What happens when it is full: */
enum {
    TELEGRAM_BOTS_MAX = 64,              /* the token is refused with 401 */
    TELEGRAM_CHATS_MAX = 2000,           /* of one bot; the control call is refused */
    TELEGRAM_MESSAGES_MAX = 1000,        /* of one chat; the oldest is forgotten */
    TELEGRAM_MESSAGES_ALL_MAX = 100000,  /* from here on a chat keeps its newest 20 */
    TELEGRAM_UPDATES_MAX = 20000,        /* of one bot; the update is dropped, as Telegram does */
    TELEGRAM_PENDING_MAX = 4096,         /* answers not yet taken; further calls get 429 */
    TELEGRAM_QUERIES_MAX = 1000,         /* callback queries of a bot; the oldest becomes too old */
    TELEGRAM_CALLS_MAX = 2000,           /* log of calls; the oldest is forgotten */
    TELEGRAM_FAULTS_MAX = 100,           /* armed faults; the control call is refused */
    TELEGRAM_SCOPES_MAX = 100,           /* lists of commands of a bot; 400 */
    TELEGRAM_FILES_BYTES_MAX = 64 << 20, /* all files; the oldest is forgotten */
};

struct telegram;

struct telegram_file { /* a file of a multipart request; everything borrowed */
    const char *field, *name, *content_type;
    struct slice bytes;
};
struct telegram_call {
    uint64_t ticket; /* the caller's name for this call; comes back with its answer */
    const char *token, *method;
    const json_t *params; /* object, borrowed; numbers and objects may also come as text */
    const struct telegram_file *files;
    size_t file_count;
};
struct telegram_answer {
    uint64_t ticket;
    int status;
    const char *content_type; /* a constant */
    char *body;               /* freed by telegram_answer_deinit() */
    size_t body_size;
    int64_t retry_after_s; /* header Retry-After; -1: none */
    bool reset;            /* fault: the connection is dropped without an answer */
    bool cut;              /* fault: half of the body, then the connection is closed */
};

struct telegram *telegram_new(uint64_t seed);
struct telegram *telegram_free(struct telegram *telegram); /* takes NULL, returns NULL */
/* From the first on only added tokens are good; without any, every well-formed token is.
 * -EINVAL: not a token; -EEXIST; -ENOSPC. */
MUST_CHECK int telegram_add_bot(struct telegram *telegram, const char *token, const char *username);
/* A person who has started the bots and every bot to come. -ENOSPC after 16. */
MUST_CHECK int telegram_add_person(struct telegram *telegram, int64_t id, const char *first_name);

/* Exactly one answer with this ticket will come, now or later. */
void telegram_call(struct telegram *telegram, const struct telegram_call *call, int64_t now);
/* The caller of a parked poll has left: its answer comes at once and goes nowhere. */
void telegram_leave(struct telegram *telegram, uint64_t ticket, int64_t now);
/* The next answer that is due, false when none is. Call until false after everything else. */
bool telegram_next_answer(struct telegram *telegram, int64_t now, struct telegram_answer *ret);
void telegram_answer_deinit(struct telegram_answer *answer);
/* When the next answer becomes due if nothing else happens; INT64_MAX: never. */
int64_t telegram_deadline(const struct telegram *telegram);

/* A file by the path that getFile gave; false when it is not (or no longer) there. Borrowed. */
bool telegram_file_find(struct telegram *telegram, const char *token, const char *path,
                        struct slice *ret_bytes);
/* The same for the person's screen, by the id in a message; *ret_type is a picture's media type, or
 * NULL for what must not be shown but saved. */
bool telegram_file_by_id(struct telegram *telegram, const char *id, struct slice *ret_bytes,
                         const char **ret_type);
/* The body of an answer in the Bot API's shape, for requests that never become a call. */
char *telegram_error_body(int code, const char *description);
