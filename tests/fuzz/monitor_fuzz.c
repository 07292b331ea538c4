/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request of PUT /v1/monitors/ID and of a beat; what is accepted can be lived
 * through, and shown. */
#include "engine/monitors.h"
#include "fuzz/fuzz.h"
#include "wire/json_scan.h"
#include "wire/monitor.h"

static void live(const struct monitor *wish, const struct monitor_beat *beat) {
    struct monitors *monitors = monitors_new(1000);
    struct monitors_commands commands = {0};
    AUTO_BUFFER struct buffer shown = {0};
    enum monitor_action action;
    enum monitor_state state;
    int64_t now = 1000;
    must(!wish || monitors_put(monitors, wish, now, &commands) == 0);
    for (int i = 0; i < 9; i++, now += 40000) {
        must(monitors_beat(monitors, "m", beat, now, &action, &commands) == 0);
        monitors_check(monitors, now, &commands);
    }
    const struct monitor *monitor = monitors_find(monitors, "m", now, &state);
    must(monitor);
    monitor_add_json(&shown, monitor, state, now);
    must(json_is_valid(buffer_slice(&shown)));
    monitors_commands_deinit(&commands);
    monitors_free(monitors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_BUFFER struct buffer error = {0}, other = {0};
    struct slice json = {(const char *)data, size};
    struct monitor *wish = NULL;
    struct monitor_beat beat;
    int r = monitor_wish_read("m", json, &wish, &error);
    must(r == 0 ? wish != NULL : error.size > 0 && !wish);
    if (monitor_beat_read(json, &beat, &other) != 0) {
        must(other.size > 0);
        beat = monitor_beat_empty();
        *(int *)&beat.kind = BEAT_FAIL;
    }
    live(wish, &beat);
    free(beat.message);
    monitor_free(wish);
    return 0;
}
