/* SPDX-License-Identifier: Apache-2.0 */
/* config_reader.h - for wire/config*.c only: nodes of YAML to fields by tables, errors collected
 * with their places. Every read function returns 0, or -EINVAL after adding an error. */
#pragma once
#include "base/option.h"
#include "wire/config.h"
#include "wire/config_files.h"
#include "wire/config_sections.h"
#include "wire/yaml_tree.h"

struct reader {
    struct config_errors *errors;
    const char *file;   /* name shown in places */
    const char *folder; /* of the config file */
    const char *folder_run;
    struct config *config;
    struct config_files *files; /* NULL: nothing is recorded */
    char **dotenv;              /* NAME=value of the .env beside the config */
    struct yaml_node *tree;
    const struct yaml_node *listen_place, *alerts_place, *trader_place;
    struct bot_config *bot;         /* being read */
    struct service_config *service; /* being read */
    bool has_hub;
};
void reader_deinit(struct reader *reader);

struct reader_option {
    struct option_def def;
    /* For OPTION_OTHER: gets the field at def.offset. */
    int (*read)(struct reader *reader, const struct yaml_node *node, void *field);
};
/* The tables of this file and the others, for the man page (config_sections.h). */
extern const struct config_section reader_top_sections[], reader_service_sections[],
    reader_trader_sections[], reader_alerts_sections[]; /* each ends with a row without options */
int reader_mapping(struct reader *reader, const struct yaml_node *node,
                   const struct reader_option *options, size_t count, void *target);
/* Adds an error at the node (NULL: the file); always -EINVAL. */
int reader_error(struct reader *reader, const struct yaml_node *node, const char *format, ...)
    PRINTF_LIKE(3, 4);
int reader_error_at(struct reader *reader, const char *file, uint32_t line, uint32_t column,
                    const char *format, ...) PRINTF_LIKE(5, 6);
/* The scalar with its ${...} filled in, or NULL after an error. The caller frees. */
char *reader_text(struct reader *reader, const struct yaml_node *node);
/* A variable: environment, then .env, then the file named by NAME_FILE; known aliases too.
 * Borrowed, NULL when not set. */
const char *reader_env(struct reader *reader, const char *name);
/* HOLDFAST_*, NOTIFY_SOCKET and the like: set per service by the keeper, never passed on. */
bool reader_env_is_ours(const char *name);
bool reader_name_is_good(const char *name);

int reader_secret(struct reader *reader, const struct yaml_node *node, void *field);
int reader_admins(struct reader *reader, const struct yaml_node *node, void *field);
int reader_services(struct reader *reader, const struct yaml_node *node, void *field);
int reader_trader(struct reader *reader, const struct yaml_node *node, void *field);
void reader_check_trader(struct reader *reader, const struct config *config);
/* config_alerts.c */
int reader_alerts(struct reader *reader, const struct yaml_node *node, void *field);
void reader_alerts_defaults(struct alerts_config *alerts);
void reader_check_alerts(struct reader *reader, const struct config *config);
/* "3:00", "03:00", "23:59:30" as seconds after midnight. -EINVAL: no time of day. */
int reader_time_of_day(const char *text, int64_t *ret_s);
/* config_jobs.c: fields of struct schedule_config */
int reader_at(struct reader *reader, const struct yaml_node *node, void *field);
int reader_days(struct reader *reader, const struct yaml_node *node, void *field);
int reader_zone(struct reader *reader, const struct yaml_node *node, void *field);
/* After all options of reader->service. */
void reader_check_job(struct reader *reader, const struct yaml_node *key,
                      const struct yaml_node *node);
/* After the whole file: zones that are the config's, and who needs a job. */
void reader_settle_jobs(struct reader *reader, struct config *config);
void reader_set_defaults(const struct reader_option *options, size_t count, void *target);
void reader_service_defaults(struct service_config *service);
/* The node of one key of a service, or of the service, for errors found later. */
const struct yaml_node *reader_service_node(const struct reader *reader,
                                            const struct service_config *service, const char *key);
