/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify MAINPID: the process that a service names as its main one takes the place of the one
 * that the anchor started (its launcher): signals go to it, and its end is the service's. The
 * anchor watches it in a place of its own, "=NAME", and so every keeper and every anchor finds it
 * again. */
#include "base/log.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include <limits.h>

static struct service *service_of(const struct unit *unit) {
    return &unit->keeper->services.list[unit->index];
}

static void take_main(struct unit *unit, pid_t pid, int64_t start_ticks) {
    unit->start_ticks = start_ticks;
    unit->unsaved = true;
    keeper_event(
        unit->keeper,
        (struct service_event){.kind = SERVICE_EVENT_MAIN_PID, .index = unit->index, .pid = pid});
}

/* Back to the one that the anchor started. */
static void take_launcher(struct unit *unit, int64_t start_ticks) {
    pid_t pid = unit->launcher;
    unit->launcher = 0;
    unit->main_slot = SLOT_NONE;
    take_main(unit, pid, start_ticks);
}

void main_pid_named(struct unit *unit, const char *value) {
    struct service *service = service_of(unit);
    int64_t number = 0, ticks = 0;
    if (text_to_int(value, 2, INT_MAX, &number) < 0 || !service_has_process(service) ||
        !service->pid || service->pid == (pid_t)number)
        return;
    pid_t pid = (pid_t)number, session = unit->launcher ? unit->launcher : service->pid;
    if (!tree_has(unit->keeper, service->config->name, session, pid) ||
        launch_start_ticks(pid, &ticks) < 0) {
        log_warning("service %s: says MAINPID=%d, which is no process of its own tree, ignoring",
                    service->config->name, (int)pid);
        return;
    }
    if (pid == unit->launcher) {
        take_launcher(unit, ticks);
        return;
    }
    if (!anchor_link_adopt_main(unit->keeper, unit->index, pid, ticks))
        return;
    if (!unit->launcher)
        unit->launcher = service->pid;
    take_main(unit, pid, ticks);
}

/* The anchor tells of a place "=NAME". True: the main process has ended, and so the service. */
bool main_pid_slot(struct unit *unit, const struct launch_head *head) {
    struct service *service = service_of(unit);
    bool runs = service_has_process(service);
    bool unknown = unit->main_slot == SLOT_NONE && runs;
    if (head->value == LAUNCH_RUNNING && unknown) {
        int64_t ticks = 0; /* a former keeper's */
        unit->main_slot = head->slot;
        if (!unit->launcher)
            unit->launcher = service->pid;
        if (service->pid != head->pid && launch_start_ticks(head->pid, &ticks) == 0)
            take_main(unit, head->pid, ticks);
        return false;
    }
    if (head->value == LAUNCH_RUNNING)
        return false;
    bool ours = unit->main_slot == head->slot || (unknown && service->pid == head->pid);
    if (ours)
        unit->main_slot = SLOT_NONE;
    return ours && runs;
}
