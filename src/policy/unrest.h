/* SPDX-License-Identifier: Apache-2.0 */
/* unrest.h - how restarts are spread over the services: one that restarts alone is ill itself; many
 * that restart alike have a common cause, the machine most often. Pure. */
#pragma once
#include "base/common.h"

enum { UNREST_TEXT_BYTES = 160 };

struct unrest {
    size_t restarts, services, all; /* how many restarts, of how many services, of all of them */
    size_t most;                    /* index of the service with the most of them */
    /* 0: one alone .. 1: all alike. The chance that two restarts are of different services, beside
     * the greatest that it can be (Gini and Simpson's index; it says what entropy does, and needs
     * no logarithm). */
    double spread;
};
/* counts[i]: restarts of service i, of `count` services in all. */
struct unrest unrest_look(const size_t *counts, size_t count);
/* For people; `name` is that of the service with the most, `span` of the time that was counted. */
void unrest_text(const struct unrest *unrest, const char *name, const char *span,
                 char ret[UNREST_TEXT_BYTES]);
