/* SPDX-License-Identifier: Apache-2.0 */
#include "model/incident.h"

void incident_free(struct incident *incident) {
    if (!incident)
        return;
    free(incident->subject);
    free(incident->cause);
    free(incident->done);
    free(incident->lines);
    free(incident);
}

struct incident *incident_copy(const struct incident *incident) {
    struct incident *copy = memory_new(sizeof *copy);
    *copy = *incident;
    copy->subject = text_copy(incident->subject);
    copy->cause = text_copy(incident->cause);
    copy->done = text_copy(incident->done);
    copy->lines = text_copy(incident->lines);
    return copy;
}

const char *incident_level_name(enum incident_level level) {
    static const char *const names[INCIDENT_LEVELS] = {
        [INCIDENT_UNKNOWN] = "unknown", [INCIDENT_DEGRADED] = "degraded", [INCIDENT_DOWN] = "down"};
    return names[level];
}
