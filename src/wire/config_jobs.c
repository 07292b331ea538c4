/* SPDX-License-Identifier: Apache-2.0 */
/* The options that make a service a job: when it runs. */
#include "base/text.h"
#include "base/zone.h"
#include "wire/config_reader.h"
#include <errno.h>
#include <stdio.h>

enum { TIMES_MAX = 1440, LATE_AT_MS = 3600000 };
static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL};

/* One scalar, or each item of a list. */
static int for_each(struct reader *reader, const struct yaml_node *node, void *field,
                    int (*read)(struct reader *reader, const struct yaml_node *node,
                                const char *text, struct schedule_config *schedule)) {
    size_t count = node->kind == YAML_SEQUENCE ? node->count : 1;
    if (node->kind == YAML_MAPPING || !count || count > TIMES_MAX)
        return reader_error(reader, node, "expected one value or a list of 1 to %d", TIMES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *item = node->kind == YAML_SEQUENCE ? &node->items[i] : node;
        AUTO_FREE char *text = reader_text(reader, item);
        if (!text || read(reader, item, text, field) < 0)
            return -EINVAL;
    }
    return 0;
}

int reader_time_of_day(const char *text, int64_t *ret_s) {
    int64_t parts[3] = {0}, limits[] = {23, 59, 59};
    size_t count = 0;
    AUTO_FREE char *copy = text_copy(text);
    char *rest = copy;
    for (char *part; (part = strsep(&rest, ":")); count++)
        if (count >= COUNT_OF(parts) || strlen(part) > 2 || (count && strlen(part) != 2) ||
            text_to_int(part, 0, limits[count], &parts[count]) < 0)
            return -EINVAL;
    *ret_s = parts[0] * 3600 + parts[1] * 60 + parts[2];
    return count >= 2 ? 0 : -EINVAL;
}

static int add_time(struct reader *reader, const struct yaml_node *node, const char *text,
                    struct schedule_config *schedule) {
    int64_t time = 0;
    if (reader_time_of_day(text, &time) < 0)
        return reader_error(reader, node,
                            "'%s' is not a time of day; expected HH:MM or HH:MM:SS, such as "
                            "\"03:00\"",
                            text);
    size_t place = 0;
    while (place < schedule->at_count && schedule->at_s[place] < time)
        place++;
    if (place < schedule->at_count && schedule->at_s[place] == time)
        return 0;
    schedule->at_s = memory_grow(schedule->at_s, schedule->at_count + 1, sizeof *schedule->at_s);
    memmove(schedule->at_s + place + 1, schedule->at_s + place,
            (schedule->at_count - place) * sizeof *schedule->at_s);
    schedule->at_s[place] = time;
    schedule->at_count++;
    return 0;
}

int reader_at(struct reader *reader, const struct yaml_node *node, void *field) {
    return for_each(reader, node, field, add_time);
}

static int add_day(struct reader *reader, const struct yaml_node *node, const char *text,
                   struct schedule_config *schedule) {
    for (unsigned i = 0; day_names[i]; i++) {
        if (strcmp(text, day_names[i]) == 0) {
            schedule->days |= 1u << i;
            return 0;
        }
    }
    return reader_error(reader, node,
                        "'%s' is not a day; expected mon, tue, wed, thu, fri, sat or sun", text);
}

int reader_days(struct reader *reader, const struct yaml_node *node, void *field) {
    return for_each(reader, node, field, add_day);
}

static int check_zone(struct reader *reader, const struct yaml_node *node, const char *name) {
    if (zone_exists(name))
        return 0;
    return reader_error(reader, node,
                        "'%s' is not a time zone of this machine; expected an IANA name, such as "
                        "Europe/Berlin (package tzdata; `timedatectl list-timezones`)",
                        name);
}

int reader_zone(struct reader *reader, const struct yaml_node *node, void *field) {
    struct schedule_config *schedule = field;
    AUTO_FREE char *name = reader_text(reader, node);
    if (!name || check_zone(reader, node, name) < 0)
        return -EINVAL;
    free(schedule->zone);
    schedule->zone = TAKE(name);
    return 0;
}

static void refuse_for(struct reader *reader, const struct yaml_node *node,
                       const char *const *names, const char *why) {
    for (size_t i = 0; names[i]; i++) {
        const struct yaml_node *found = yaml_tree_get(node, names[i]);
        if (found)
            reader_error(reader, found, "%s: %s", names[i], why);
    }
}

void reader_check_job(struct reader *reader, const struct yaml_node *key,
                      const struct yaml_node *node) {
    static const char *const of_jobs[] = {"days", "timezone", "late", "timeout", "retry", NULL};
    static const char *const of_at[] = {"days", "timezone", NULL};
    static const char *const of_services[] = {"ready", NULL};
    struct schedule_config *schedule = &reader->service->schedule;
    bool every = yaml_tree_get(node, "every") != NULL, at = yaml_tree_get(node, "at") != NULL;
    if (every && at)
        reader_error(reader, key, "every: and at: exclude each other; remove one");
    if (!every && !at)
        refuse_for(reader, node, of_jobs,
                   "belongs to a job; a job also has every: 6h or at: \"03:00\"");
    if (every && !at)
        refuse_for(reader, node, of_at,
                   "goes with at:; every: counts elapsed time and knows no days");
    if (every || at)
        refuse_for(reader, node, of_services, "a job is not waited for; remove it");
    if (at && !yaml_tree_get(node, "late"))
        schedule->late_ms = LATE_AT_MS;
}

static void check_needs_no_job(struct reader *reader, const struct config *config,
                               const struct service_config *service) {
    for (size_t i = 0; service->needs && service->needs[i]; i++) {
        const struct service_config *need = config_service(config, service->needs[i]);
        if (need && service_is_job(need))
            reader_error(reader, reader_service_node(reader, service, "needs"),
                         "'%s' is a job: it ends, so nothing can need it", service->needs[i]);
    }
}

void reader_settle_jobs(struct reader *reader, struct config *config) {
    const struct yaml_node *place = yaml_tree_get(reader->tree, "timezone");
    if (place && config->timezone)
        (void)check_zone(reader, place, config->timezone);
    for (size_t i = 0; i < config->service_count; i++) {
        struct service_config *service = &config->services[i];
        check_needs_no_job(reader, config, service);
        if (service_is_job(service) && !service->schedule.zone)
            service->schedule.zone = text_copy(config->timezone ? config->timezone : "UTC");
    }
}
