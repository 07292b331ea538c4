/* SPDX-License-Identifier: Apache-2.0 */
/* config_origins.h - where each value of a config came from, for people who wonder: its place in
 * the file, and for each ${NAME} in it the environment, .env, a file, or the default written there.
 */
#pragma once
#include "base/common.h"

struct config_origin {
    char *path;   /* "services.bot.command"; parts of lists are not told apart */
    char *origin; /* "holdfast.yaml:12:5; BOT_TOKEN from .env" */
};
struct config_origins {
    struct config_origin *list;
    size_t count;
};
/* Reads the file and the .env beside it; -errno when it cannot be read, -EINVAL when it is no YAML.
 */
MUST_CHECK int config_origins_read(const char *path, struct config_origins *ret);
/* NULL: it stands nowhere in the file, nor does anything below it. */
const char *config_origin_of(const struct config_origins *origins, const char *path);
void config_origins_deinit(struct config_origins *origins);
