/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - reads holdfast.yaml (and the .env beside it) into model/config.h.
 *
 * All errors are collected, each with its place; the file is good only if there is none.
 * ${NAME} and ${NAME:-default} are taken from the environment, then from .env; ${NAME} of a
 * NAME_FILE variable reads that file. */
#pragma once
#include "base/buffer.h"
#include "model/config.h"

enum { CONFIG_BYTES_MAX = 1 << 20, CONFIG_ERRORS_MAX = 200, CONFIG_SERVICES_MAX = 5000 };
enum { CONFIG_INVALID = 1 };

struct config_error {
    char *place; /* "holdfast.yaml:12:5" */
    char *text;  /* what was found, what was expected, what to do */
};
struct config_errors {
    struct config_error *list;
    size_t count;
};
void config_errors_deinit(struct config_errors *errors);

/* 0: *ret is set, free with config_free(). CONFIG_INVALID: `errors` says why. -errno: the file
 * could not be read. `folder_run` overrides the run folder, NULL for the usual one. */
MUST_CHECK int config_load(const char *path, const char *folder_run, struct config **ret,
                           struct config_errors *errors);
/* The same, recording every file that is read, or reading from a record (config_files.h). */
struct config_files;
MUST_CHECK int config_load_files(const char *path, const char *folder_run,
                                 struct config_files *files, struct config **ret,
                                 struct config_errors *errors);
/* Only where things are (and the time zone), also from a file that has errors elsewhere: who
 * controls what runs must not be locked out by a half-edited config. The caller frees them. */
MUST_CHECK int config_locate(const char *path, const char *folder_run, char **ret_data,
                             char **ret_run, char **ret_timezone);
/* The usual start of a program: loads, or prints every error and exits (78, or 66 if unreadable).
 * Registers the secrets for masking. */
struct config *config_load_or_exit(const char *path, const char *folder_run);
/* For programs that the keeper runs, and the keeper itself: the config in force as the keeper
 * recorded it in the run folder; without such a record, the files. */
struct config *config_load_in_force_or_exit(const char *path, const char *folder_run);
/* What its process gets, HOLDFAST_* aside: a complete copy, free with text_list_free(); and one
 * value of it, or NULL. */
char **config_service_env(const struct service_config *service);
const char *config_service_env_get(const struct service_config *service, const char *name);
char *config_in_force_path(const char *folder_run); /* of the record; the caller frees */
/* Their values are masked in everything that is logged from now on. */
void config_register_secrets(const struct config *config);
