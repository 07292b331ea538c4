/* SPDX-License-Identifier: Apache-2.0 */
/* Who watches the watcher: as long as all is well a service elsewhere hears of us every few
 * minutes; when something is broken it is told so; when this whole machine is gone it hears
 * nothing, and tells people. */
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "hub/hub.h"

enum { LOOK_MS = 15000, CALL_MS_MAX = 10000, BODY_BYTES_MAX = 10000 };

static void on_answer(void *context, const struct http_answer *answer) {
    struct hub *hub = context;
    struct heartbeat *heartbeat = &hub->heartbeat;
    bool taken = answer->outcome == HTTP_ANSWERED && answer->status / 100 == 2;
    bool was_fine = !heartbeat->problem;
    AUTO_FREE char *problem = NULL;
    if (!taken)
        problem = answer->outcome == HTTP_ANSWERED
                      ? text_format("the watcher answered HTTP %d", answer->status)
                      : text_copy(answer->error);
    heartbeat->call = NULL;
    heartbeat->no_network = answer->outcome == HTTP_NOT_SENT;
    free(heartbeat->problem);
    heartbeat->problem = TAKE(problem);
    if (taken) {
        heartbeat->told_ms = clock_ms();
        heartbeat->told_bad = heartbeat->tells_bad;
    }
    if (!taken && was_fine)
        log_warning("heartbeat: %s; tried again every %d s", heartbeat->problem, LOOK_MS / 1000);
    if (taken && !was_fine)
        log_info("heartbeat: the watcher hears us again");
}

static void tell(struct hub *hub, bool bad) {
    const struct heartbeat_config *config = &hub->config->heartbeat;
    size_t path = strcspn(config->url, "?#"); /* a query stays behind it */
    AUTO_FREE char *fail_url =
        config->fail_url ? text_copy(config->fail_url)
                         : text_format("%.*s/fail%s", (int)path, config->url, config->url + path);
    struct slice health = hub_health_body(hub);
    struct http_call_options options = {.method = bad ? "POST" : "GET",
                                        .url = bad ? fail_url : config->url,
                                        .body = {health.data, !bad ? 0
                                                              : health.size > BODY_BYTES_MAX
                                                                  ? BODY_BYTES_MAX
                                                                  : health.size},
                                        .content_type = bad ? "application/json" : NULL,
                                        .proxy = config->proxy,
                                        .total_ms_max = CALL_MS_MAX,
                                        .answer_bytes_max = 1 << 20};
    hub->heartbeat.tells_bad = bad;
    http_call_start(hub->client, &options, on_answer, hub, &hub->heartbeat.call);
}

static void on_look(uv_timer_t *timer) {
    struct hub *hub = timer->data;
    struct heartbeat *heartbeat = &hub->heartbeat;
    keeper_look(hub); /* else what services do is as old as the last question of somebody else */
    bool bad = hub_health_is_bad(hub);
    int64_t next = heartbeat->told_ms + hub->config->heartbeat.every_ms;
    bool due = !heartbeat->told_ms || heartbeat->problem || bad != heartbeat->told_bad ||
               clock_ms() + LOOK_MS / 2 >= next;
    if (!heartbeat->call && !hub->draining && due)
        tell(hub, bad);
}

void heartbeat_open(struct hub *hub) {
    uv_timer_init(&hub->loop, &hub->heartbeat.timer);
    hub->heartbeat.timer.data = hub;
    int64_t every = hub->config->heartbeat.every_ms;
    uint64_t look = (uint64_t)(every < LOOK_MS ? every : LOOK_MS);
    if (hub->config->heartbeat.url)
        uv_timer_start(&hub->heartbeat.timer, on_look, look < 3000 ? look : 3000, look);
}

void heartbeat_close(struct hub *hub) {
    free(hub->heartbeat.problem);
    uv_close((uv_handle_t *)&hub->heartbeat.timer, NULL);
}
