/* SPDX-License-Identifier: Apache-2.0 */
#include "model/alert.h"
#include <errno.h>
#include <strings.h>

static const char *const priority_names[ALERT_PRIORITIES] = {"CRITICAL", "HIGH", "MEDIUM", "LOW"};
static const char *const state_names[ALERT_STATES] = {"waiting", "sending", "delivered",
                                                      "failed",  "unknown", "silenced"};

void alert_deinit(struct alert *alert) {
    free(alert->title);
    free(alert->text);
    free(alert->type);
    free(alert->service);
    free(alert->dedup_key);
    free(alert->group);
    free(alert->reason);
    free(alert->acked_by);
    free(alert->way);
    *alert = (struct alert){0};
}

struct alert alert_copy(const struct alert *alert) {
    struct alert copy = *alert;
    copy.title = text_copy(alert->title);
    copy.text = text_copy(alert->text);
    copy.type = text_copy(alert->type);
    copy.service = text_copy(alert->service);
    copy.dedup_key = text_copy(alert->dedup_key);
    copy.group = text_copy(alert->group);
    copy.reason = text_copy(alert->reason);
    copy.acked_by = text_copy(alert->acked_by);
    copy.way = text_copy(alert->way);
    return copy;
}

void alert_without_texts(struct alert *alert) {
    alert->title = alert->text = alert->type = NULL;
    alert->service = alert->dedup_key = alert->group = alert->way = NULL;
    alert->acked_by = NULL;
}

const char *alert_priority_name(enum alert_priority priority) {
    return priority_names[priority];
}

const char *alert_state_name(enum alert_state state) {
    return state_names[state];
}

int alert_priority_from(const char *name, enum alert_priority *ret) {
    for (unsigned i = 0; i < ALERT_PRIORITIES; i++)
        if (strcasecmp(name, priority_names[i]) == 0) {
            *ret = (enum alert_priority)i;
            return 0;
        }
    return -EINVAL;
}

int alert_state_from(const char *name, enum alert_state *ret) {
    for (unsigned i = 0; i < ALERT_STATES; i++)
        if (strcasecmp(name, state_names[i]) == 0) {
            *ret = (enum alert_state)i;
            return 0;
        }
    return -EINVAL;
}
