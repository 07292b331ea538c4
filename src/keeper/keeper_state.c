/* SPDX-License-Identifier: Apache-2.0 */
/* One small JSON file per service in <run>/state: what the next keeper needs to go on. On tmpfs, so
 * a restart needs no working disk, and after a reboot it is gone, as it should be. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "keeper/keeper.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* FIELD_STATE by its name: numbers may differ in the program that an upgrade brings. */
enum field_type { FIELD_BOOL, FIELD_INT, FIELD_LONG, FIELD_TEXT, FIELD_STATE };
struct field {
    const char *name;
    enum field_type type;
    size_t offset;
};
#define S(name, type)                                                                              \
    { #name, type, offsetof(struct service, name) }
static const struct field fields[] = {
    S(state, FIELD_STATE),
    S(wanted, FIELD_BOOL),
    S(again, FIELD_BOOL),
    S(was_ready, FIELD_BOOL),
    S(healthy, FIELD_BOOL),
    S(killed, FIELD_BOOL),
    S(asked, FIELD_BOOL),
    S(exit_class, FIELD_INT),
    S(own_end, FIELD_BOOL),
    S(pid, FIELD_INT),
    S(restarts, FIELD_LONG),
    S(restarts_total, FIELD_LONG),
    S(since_ms, FIELD_LONG),
    S(started_ms, FIELD_LONG),
    S(exit_count, FIELD_LONG),
    S(last_exit_ms, FIELD_LONG),
    S(last_life_ms, FIELD_LONG),
    S(why, FIELD_TEXT),
    S(last_exit.code, FIELD_INT),
    S(last_exit.signal, FIELD_INT),
    S(last_exit.known, FIELD_BOOL),
    S(state_at_ms, FIELD_LONG),
    S(job.slot_done_ms, FIELD_LONG),
    S(job.far_slot_ms, FIELD_LONG),
    S(job.next_slot_ms, FIELD_LONG),
    S(job.run_slot_ms, FIELD_LONG),
    S(job.last_run_ms, FIELD_LONG),
    S(job.last_took_ms, FIELD_LONG),
    S(job.retries, FIELD_LONG),
    S(job.outcome, FIELD_INT),
    S(job.missed, FIELD_LONG),
    S(job.timed_out, FIELD_BOOL),
};
#undef S

static char *state_path(const struct keeper *keeper, const char *name) {
    return text_format("%s/state/%s", keeper->run, name);
}

static void add_text(struct buffer *text, const char *value) {
    json_t *string = json_string_nocheck(value);
    AUTO_FREE char *encoded = json_dumps(string, JSON_ENCODE_ANY);
    json_decref(string);
    buffer_print(text, "%s", encoded ? encoded : "\"\"");
}

/* Printed, not built and dumped: this is in the way of each restart. */
static void add_field(struct buffer *text, const void *field, enum field_type type) {
    switch (type) {
    case FIELD_BOOL:
        buffer_print(text, "%s", *(const bool *)field ? "true" : "false");
        break;
    case FIELD_INT:
        buffer_print(text, "%d", *(const int *)field);
        break;
    case FIELD_LONG:
        buffer_print(text, "%lld", (long long)*(const int64_t *)field);
        break;
    case FIELD_TEXT:
        add_text(text, field);
        break;
    case FIELD_STATE:
        add_text(text, service_state_names[*(const enum service_state *)field]);
        break;
    }
}

static enum service_state state_of(const char *name) {
    for (size_t i = 0; i < SERVICE_STATE_COUNT; i++)
        if (strcmp(name, service_state_names[i]) == 0)
            return (enum service_state)i;
    return SERVICE_STOPPED;
}

static void field_from_json(void *field, enum field_type type, const json_t *value) {
    if (type == FIELD_STATE && json_is_string(value))
        *(enum service_state *)field = state_of(json_string_value(value));
    else if (type == FIELD_BOOL && json_is_boolean(value))
        *(bool *)field = json_is_true(value);
    else if (type == FIELD_INT && json_is_integer(value))
        *(int *)field = (int)json_integer_value(value);
    else if (type == FIELD_LONG && json_is_integer(value))
        *(int64_t *)field = json_integer_value(value);
    else if (type == FIELD_TEXT && json_is_string(value))
        snprintf(field, SERVICE_TEXT_BYTES, "%s", json_string_value(value));
}

static bool save(struct keeper *keeper, size_t index) {
    struct service *service = &keeper->services.list[index];
    struct unit *unit = keeper->units[index];
    AUTO_BUFFER struct buffer text = {0};
    buffer_print(&text, "{");
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        buffer_print(&text, "\"%s\":", fields[i].name);
        add_field(&text, (char *)service + fields[i].offset, fields[i].type);
        buffer_print(&text, ",");
    }
    buffer_print(&text,
                 "\"slot\":%lld,\"start_ticks\":%lld,\"launcher\":%d,\"ended\":%d,"
                 "\"ended_launcher\":%d,\"status_text\":",
                 (long long)unit->slot, (long long)unit->start_ticks, (int)unit->launcher,
                 (int)unit->ended, (int)unit->ended_launcher);
    add_text(&text, unit->status_text);
    buffer_print(&text, "}");
    AUTO_FREE char *path = state_path(keeper, service->config->name);
    int r = file_replace_fast(path, buffer_slice(&text), 0600);
    if (r < 0 && !unit->save_failed)
        log_error("service %s: its run state cannot be written to %s: %s; trying again",
                  service->config->name, path, strerror(-r));
    unit->save_failed = r < 0;
    unit->unsaved = r < 0;
    memcpy(&unit->saved, service, offsetof(struct service, config));
    return r == 0;
}

bool state_save(struct keeper *keeper, size_t index) {
    const struct unit *unit = keeper->units[index];
    bool changed = unit->unsaved || memcmp(&unit->saved, &keeper->services.list[index],
                                           offsetof(struct service, config)) != 0;
    return !changed || save(keeper, index);
}

bool state_save_changed(struct keeper *keeper) {
    bool all = true;
    for (size_t i = 0; i < keeper->services.count; i++)
        all &= state_save(keeper, i);
    return all;
}

static void load(struct keeper *keeper, size_t index) {
    struct service *service = &keeper->services.list[index];
    struct unit *unit = keeper->units[index];
    AUTO_FREE char *path = state_path(keeper, service->config->name);
    json_t *object = json_load_file(path, 0, NULL);
    for (size_t i = 0; json_is_object(object) && i < COUNT_OF(fields); i++)
        field_from_json((char *)service + fields[i].offset, fields[i].type,
                        json_object_get(object, fields[i].name));
    if (service->job.outcome < 0 || service->job.outcome >= JOB_OUTCOME_COUNT)
        service->job.outcome = JOB_NEVER;
    /* A start that may not have been carried out is known by the place that it was to have. */
    const json_t *slot = json_object_get(object, "slot"); /* a former version knows none */
    if (service_has_process(service) && !service->pid && json_is_integer(slot) &&
        json_integer_value(slot) < LAUNCH_SLOTS_MAX)
        unit->slot = (uint32_t)json_integer_value(slot);
    unit->start_ticks = json_integer_value(json_object_get(object, "start_ticks"));
    unit->ended = (pid_t)json_integer_value(json_object_get(object, "ended"));
    unit->ended_launcher = (pid_t)json_integer_value(json_object_get(object, "ended_launcher"));
    unit->launcher = (pid_t)json_integer_value(json_object_get(object, "launcher"));
    const char *status = json_string_value(json_object_get(object, "status_text"));
    snprintf(unit->status_text, sizeof unit->status_text, "%s", status ? status : "");
    json_decref(object);
    memcpy(&unit->saved, service, offsetof(struct service, config));
}

void state_load(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->services.count; i++)
        load(keeper, i);
}

void state_forget(struct keeper *keeper, const char *name) {
    AUTO_FREE char *path = state_path(keeper, name);
    unlink(path);
}
