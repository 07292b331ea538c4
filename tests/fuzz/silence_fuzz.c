/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request of POST /v1/silences; what is accepted can be shown, and asked whether it
 * fits. */
#include "fuzz/fuzz.h"
#include "wire/json_scan.h"
#include "wire/silence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct silence silence;
    AUTO_BUFFER struct buffer error = {0}, shown = {0};
    int r = silence_read((struct slice){(const char *)data, size}, 1000, &silence, &error);
    must(r == 0 || error.size > 0);
    if (r != 0)
        return 0;
    must(silence.ends_ms > silence.starts_ms);
    silence_add_json(&shown, &silence, 1000);
    must(json_is_valid(buffer_slice(&shown)));
    struct alert alert = {.text = shown.data, .service = silence.service, .type = silence.comment};
    for (int p = 0; p < ALERT_PRIORITIES; p++) {
        alert.priority = (enum alert_priority)p;
        (void)silence_fits(&silence, &alert, 1000);
    }
    silence_deinit(&silence);
    return 0;
}
