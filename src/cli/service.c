/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper says of one service, in words for people. */
#include "cli/cli.h"

const char *service_note(const json_t *service) {
    const char *state = json_text(service, "state");
    if (json_object_get(service, "log_error"))
        return json_text(service, "log_error");
    if (json_text(service, "schedule")[0])
        return json_text(service, "schedule");
    if (strcmp(state, "ready") == 0)
        return json_text(service, "status_text");
    return strcmp(state, "stopped") == 0 ? "" : json_text(service, "why");
}

bool service_is_unhealthy(const json_t *service) {
    return strcmp(json_text(service, "health"), "unhealthy") == 0;
}

const char *service_trouble(const json_t *service) {
    const char *state = json_text(service, "state");
    if (strcmp(state, "failed") == 0 || strcmp(state, "backoff") == 0)
        return state;
    if (service_is_unhealthy(service))
        return "unhealthy";
    return json_object_get(service, "log_error") ? "without log" : NULL;
}
