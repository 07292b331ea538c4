/* SPDX-License-Identifier: Apache-2.0 */
/* The API for silences. */
#include "base/text.h"
#include "hub/hub.h"
#include "wire/silence.h"

enum { BODY_BYTES_MAX = 65536 };

static void begin(struct hub *hub, struct http_request *request) {
    AUTO_BUFFER struct buffer error = {0};
    struct silence silence;
    struct slice body = http_request_body(request);
    if (body.size > BODY_BYTES_MAX) {
        hub_problem(request, 413, "Content Too Large",
                    "a silence is a few words; send at most 64 KiB", -1);
        return;
    }
    if (silence_read(body, hub_now(hub), &silence, &error) != 0) {
        hub_problem(request, 400, "Bad Request", error.data, -1);
        return;
    }
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_SILENCE,
                                            .request = alerts_wait(request, 201),
                                            .silence = &silence});
    silence_deinit(&silence);
}

/* "3" of DELETE, or "3/end" of POST */
static bool read_id(const char *rest, bool drop, int64_t *ret) {
    size_t digits = strspn(rest, "0123456789");
    AUTO_FREE char *id = text_copy_n(rest, digits);
    return strcmp(rest + digits, drop ? "" : "/end") == 0 &&
           text_to_int(id, 1, INT64_MAX, ret) == 0;
}

static void end(struct hub *hub, struct http_request *request, const char *rest) {
    int64_t id = 0;
    if (!read_id(rest, strcmp(http_request_method(request), "DELETE") == 0, &id)) {
        hub_problem(request, 404, "Not Found",
                    "known are POST /v1/silences and /v1/silences/ID/end, DELETE /v1/silences/ID",
                    -1);
        return;
    }
    alerts_feed(hub, &(struct alerts_event){.on = ALERTS_ON_UNSILENCE,
                                            .request = alerts_wait(request, 200),
                                            .id = id});
}

void hub_post_silences(struct hub *hub, struct http_request *request, const char *rest) {
    if (!hub_may_change(hub, request))
        return;
    if (rest[0])
        end(hub, request, rest);
    else
        begin(hub, request);
}

void hub_get_silences(struct hub *hub, struct http_request *request, const char *rest) {
    AUTO_BUFFER struct buffer body = {0};
    size_t count = 0;
    const struct silence *list = alerts_silences(hub->alerts, &count);
    buffer_add_text(&body, "{\"silences\":[");
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&body, i ? "," : "");
        silence_add_json(&body, &list[i], hub_now(hub));
    }
    buffer_add_text(&body, "]}");
    http_respond_json(request, 200, buffer_slice(&body));
}
