/* SPDX-License-Identifier: Apache-2.0 */
/* What the program above us (systemd, or a keeper that keeps this one) is told by sd_notify. All
 * goes through the anchor, whose pid it knows: WATCHDOG=1 arrives only while the loop here turns
 * and the anchor handles messages. READY=1 means that all wanted services were begun, not that they
 * are ready: one broken bot must not make the boot wait. */
#include "base/notify.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { HOST_TEXT_BYTES = 512 };
struct host {
    uv_timer_t watchdog;
    bool ready_told, stopping_told;
    char status[HOST_TEXT_BYTES]; /* as told last */
};

static void on_watchdog(uv_timer_t *timer) {
    anchor_link_notify(timer->data, "WATCHDOG=1");
}

/* $WATCHDOG_PID names whom the beats are expected of: the anchor, our parent. */
static bool watchdog_is_for_us(void) {
    const char *pid = getenv("WATCHDOG_PID");
    int64_t number = 0;
    return !pid || (text_to_int(pid, 1, INT32_MAX, &number) == 0 && number == getppid());
}

void host_open(struct keeper *keeper) {
    if (!notify_wanted())
        return;
    keeper->host = memory_new(sizeof *keeper->host);
    int64_t period_ms = watchdog_is_for_us() ? notify_watchdog_ms() : 0;
    uv_timer_init(&keeper->loop, &keeper->host->watchdog);
    keeper->host->watchdog.data = keeper;
    if (period_ms > 1)
        uv_timer_start(&keeper->host->watchdog, on_watchdog, 0, (uint64_t)period_ms / 2);
}

/* MONOTONIC_USEC is what newer ones want beside it; others ignore it. */
void host_reloading(struct keeper *keeper) {
    struct timespec now;
    char text[96];
    if (!keeper->host || !keeper->host->ready_told)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    anchor_link_notify(keeper, text);
    keeper->host->ready_told = false; /* said anew once the loop goes on */
}

static void summary(const struct keeper *keeper, char ret[HOST_TEXT_BYTES]) {
    size_t ready = 0, wanted = 0, failed = 0;
    const char *first = "";
    for (size_t i = 0; i < keeper->services.count; i++) {
        const struct service *service = &keeper->services.list[i];
        wanted += service->wanted;
        ready += service->wanted && service->state == SERVICE_READY;
        if (service->state == SERVICE_FAILED && failed++ == 0)
            first = service->config->name;
    }
    char more[32] = "";
    if (failed > 1)
        snprintf(more, sizeof more, " and %zu more", failed - 1);
    text_print(ret, HOST_TEXT_BYTES, "%zu of %zu services ready%s%s%s", ready, wanted,
               failed ? "; failed: " : "", first, more);
}

void host_look(struct keeper *keeper) {
    struct host *host = keeper->host;
    char status[HOST_TEXT_BYTES], text[HOST_TEXT_BYTES + 32];
    if (!host || !keeper->began)
        return;
    summary(keeper, status);
    bool ready = !host->ready_told && !keeper->services.ending;
    bool stopping = !host->stopping_told && keeper->services.ending;
    if (!ready && !stopping && strcmp(status, host->status) == 0)
        return;
    text_print(text, sizeof text, "%sSTATUS=%s",
               ready      ? "READY=1\n"
               : stopping ? "STOPPING=1\n"
                          : "",
               status);
    anchor_link_notify(keeper, text);
    host->ready_told |= ready;
    host->stopping_told |= stopping;
    memcpy(host->status, status, sizeof host->status);
}
