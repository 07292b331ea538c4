/* SPDX-License-Identifier: Apache-2.0 */
/* config_files.h - the texts a config was made of (holdfast.yaml, .env, env_file:, NAME_FILE), kept
 * so that the config in force can be read again later, whatever has become of the files since: a
 * keeper or hub that comes after a kill must not take up a half-edited file. */
#pragma once
#include "base/common.h"

struct config_files {
    struct config_file {
        char *path, *text;
        size_t size;
    } * list;
    size_t count;
    bool replay; /* read from here instead of from the disk */
};
void config_files_deinit(struct config_files *files); /* wipes */
/* file_read(), through the record: kept when recording, taken from it in replay. `files` may be
 * NULL. */
MUST_CHECK int config_files_read(struct config_files *files, const char *path, size_t bytes_max,
                                 char **ret, size_t *ret_size);
/* One file with all of them, readable by its owner alone; on tmpfs, so no fsync. */
MUST_CHECK int config_files_save(const struct config_files *files, const char *path);
/* -ENOENT: there is none. -EPROTO: it is not whole. Sets replay. */
MUST_CHECK int config_files_open(const char *path, struct config_files *ret);
