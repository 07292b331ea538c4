/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/world/world.h"
static void start(struct world *w) {}
static void crash(struct world *w) {}
static int64_t next_ms(struct world *w) {
    return INT64_MAX;
}
static void due(struct world *w) {}
char *keeper_unrest(struct world *w) {
    return NULL;
}
const struct program_rules keeper_rules = {start, crash, next_ms, due};
