/* SPDX-License-Identifier: Apache-2.0 */
/* A changed config, all or nothing: a service whose definition is the same goes on untouched; a
 * changed one is restarted; a new one is started; one that is gone is stopped. */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "wire/config.h"
#include "wire/config_files.h"
#include <errno.h>
#include <stdio.h>

enum change { CHANGE_NONE, CHANGE_NEW, CHANGE_DEFINITION, CHANGE_LEAVING };

static int refuse(struct config_errors *errors, const char *place, const char *text) {
    errors->list = memory_grow(errors->list, errors->count + 1, sizeof *errors->list);
    errors->list[errors->count++] = (struct config_error){text_copy(place), text_copy(text)};
    return CONFIG_INVALID;
}

/* What still runs but is not in the new file goes along at the end of its list until it is down. */
static void carry_leaving(struct keeper *keeper, struct config *next) {
    size_t known = next->service_count;
    for (size_t i = 0; i < keeper->config->service_count; i++) {
        struct service_config *old = &keeper->config->services[i];
        bool gone = true;
        for (size_t k = 0; k < known; k++)
            gone &= strcmp(next->services[k].name, old->name) != 0;
        if (!gone || !service_is_busy(&keeper->services.list[i]))
            continue;
        next->services =
            memory_grow(next->services, next->service_count + 1, sizeof *next->services);
        struct service_config *moved = &next->services[next->service_count++];
        *moved = *old;
        moved->needs = text_list_free(moved->needs);
        free(moved->consumer); /* the hub must not take it for one of its own */
        moved->consumer = NULL;
        moved->env_inherited = next->environment;
        const char *name = old->name;
        *old = (struct service_config){.name = text_copy(name)};
    }
}

static void move_service(struct keeper *keeper, struct services *next, struct unit **units,
                         size_t from, size_t to) {
    struct service *old = &keeper->services.list[from], *new = &next->list[to];
    memcpy(new, old, offsetof(struct service, config));
    new->watchdog_at_ms = old->watchdog_at_ms;
    new->probe_at_ms = old->probe_at_ms;
    units[to] = keeper->units[from];
    units[to]->index = to;
    keeper->units[from] = NULL;
}

/* A probe under way points into the old config: it is given up, the next one comes soon. */
static void stop_probes(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->services.count; i++) {
        struct unit *unit = keeper->units[i];
        bool under_way = unit->probe || unit->file_probe || unit->probe_slot != SLOT_NONE;
        probe_cancel(unit);
        if (under_way)
            keeper->services.list[i].probe_at_ms = clock_ms() + 1;
    }
}

static void refit_log(struct keeper *keeper, size_t index) {
    struct service_log_options options = keeper_log_options(keeper->services.list[index].config);
    if (keeper->units[index]->log)
        service_log_refit(keeper->units[index]->log, &options);
}

static void refit_unit(struct keeper *keeper, size_t index) {
    struct unit *unit = keeper->units[index];
    const struct service_config *config = keeper->services.list[index].config;
    refit_log(keeper, index);
    keeper_open_notify(keeper, index);
    if (!notify_socket_used(config))
        unit->notify = notify_socket_close(unit->notify);
}

static void apply_change(struct keeper *keeper, size_t index, enum change change) {
    struct service *service = &keeper->services.list[index];
    struct unit *unit = keeper->units[index];
    enum service_event_kind kind = SERVICE_EVENT_UP;
    bool came_back = unit->leaving && change != CHANGE_LEAVING;
    unit->leaving = change == CHANGE_LEAVING;
    if (unit->leaving) {
        kind = SERVICE_EVENT_DOWN;
    } else if (came_back) {
        refit_unit(keeper, index);
    } else if (change == CHANGE_DEFINITION) {
        refit_unit(keeper, index);
        if (!service->wanted)
            return;
        bool was_job = service->job.slot_done_ms != 0; /* a run goes on as it began */
        kind =
            was_job && service_is_job(service->config) ? SERVICE_EVENT_UP : SERVICE_EVENT_RESTART;
    } else if (change == CHANGE_NONE) {
        refit_log(keeper, index);
        return;
    }
    keeper_event(keeper, (struct service_event){.kind = kind, .index = index});
}

static enum change change_of(const struct keeper *keeper, const struct config *next, size_t index,
                             size_t known, size_t *ret_from) {
    const struct service_config *config = &next->services[index];
    if (index >= known) {
        for (size_t i = 0; i < keeper->services.count; i++)
            if (strcmp(keeper->config->services[i].name, config->name) == 0)
                *ret_from = i;
        return CHANGE_LEAVING;
    }
    for (size_t i = 0; i < keeper->config->service_count; i++) {
        if (strcmp(keeper->config->services[i].name, config->name) != 0)
            continue;
        *ret_from = i;
        bool same = service_config_equal(&keeper->config->services[i], config);
        same = same && config_part_equal(keeper->config, next, (enum service_part)config->part);
        return same ? CHANGE_NONE : CHANGE_DEFINITION;
    }
    return CHANGE_NEW;
}

static void drop_old(struct keeper *keeper, struct services *old, struct unit **old_units) {
    for (size_t i = 0; i < old->count; i++) {
        if (!old_units[i])
            continue;
        state_forget(keeper, old->list[i].config->name);
        jobs_forget(keeper, old->list[i].config->name);
        cgroup_remove(keeper, old->list[i].config->name);
        keeper_close_unit(old_units[i]);
    }
    free(old_units);
    services_deinit(old);
}

static void apply(struct keeper *keeper, struct config *next) {
    size_t known = next->service_count;
    enum change *changes = memory_array(known + keeper->services.count, sizeof *changes);
    size_t *from = memory_array(known + keeper->services.count, sizeof *from);
    for (size_t i = 0; i < known; i++)
        changes[i] = change_of(keeper, next, i, known, &from[i]);
    carry_leaving(keeper, next);
    for (size_t i = known; i < next->service_count; i++)
        changes[i] = change_of(keeper, next, i, known, &from[i]);
    stop_probes(keeper);
    struct services services;
    services_init(&services, next);
    struct unit **units = memory_array(services.count, sizeof *units);
    for (size_t i = 0; i < services.count; i++)
        if (changes[i] != CHANGE_NEW)
            move_service(keeper, &services, units, from[i], i);
    struct services old = keeper->services;
    struct unit **old_units = keeper->units;
    struct config *old_config = keeper->config;
    keeper->services = services;
    keeper->units = units;
    keeper->config = next;
    drop_old(keeper, &old, old_units);
    for (size_t i = 0; i < services.count; i++)
        if (changes[i] == CHANGE_NEW)
            keeper_open_unit(keeper, i), keeper_open_notify(keeper, i);
    local_look(keeper);
    log_writer_settle(keeper->logs, LOG_SETTLE_MS);
    jobs_refit(keeper, old_config);
    config_free(old_config);
    for (size_t i = 0; i < services.count; i++)
        apply_change(keeper, i, changes[i]);
    jobs_look(keeper);
    free(changes);
    free(from);
}

int keeper_record_config(struct keeper *keeper, struct config_files *files) {
    AUTO_FREE char *path = config_in_force_path(keeper->run);
    int r = config_files_save(files, path);
    if (r < 0)
        log_error("the config in force cannot be kept in %s: %s; a restarted keeper would read the "
                  "file as it is then",
                  path, strerror(-r));
    return r;
}

int keeper_reload(struct keeper *keeper, struct config_errors *errors) {
    struct config *next = NULL;
    struct config_files files = {0};
    host_reloading(keeper);
    int r = config_load_files(keeper->config_path, keeper->run, &files, &next, errors);
    if (r == 0 && strcmp(next->data, keeper->config->data) != 0) {
        config_free(next);
        r = refuse(errors, keeper->config_path,
                   "data: cannot change while running; `holdfast down`, then `holdfast up`");
    } else if (r < 0) {
        r = refuse(errors, keeper->config_path, strerror(-r));
    } else if (r == 0) {
        config_register_secrets(next);
        apply(keeper, next);
        (void)keeper_record_config(keeper, &files);
        events_add(keeper, "", "config", "the changed config is in force");
    }
    if (r != 0)
        events_add(keeper, "", "config", "the changed config has errors; the old one stays");
    config_files_deinit(&files);
    return r;
}
