/* SPDX-License-Identifier: Apache-2.0 */
/* bot_api.h - for bench/ only: the Bot API on a blocking socket, so that no event loop, pool or
 * thread of the measuring side stands between. What cannot go on ends the program. */
#pragma once
#include "base/common.h"

int64_t now_ns(void);
_Noreturn void give_up(const char *what);
int connect_to(uint16_t port); /* on 127.0.0.1 */
/* `path`: what stands before /METHOD; `body`: JSON. */
void write_request(int fd, const char *path, const char *method, const char *body);
/* Reads one whole answer, which must be a 200; its body, inside `answer`. */
char *read_answer(int fd, char *answer, size_t size_max);
/* One more than the highest update_id in an answer, or `before` when there is none. */
int64_t next_update(const char *text, int64_t before);
