/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request of POST /v1/alerts; what is accepted can be shown and sent. */
#include "fuzz/fuzz.h"
#include "wire/alert.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"

static void check(const struct alert *alert) {
    AUTO_BUFFER struct buffer shown = {0};
    must(alert->text);
    alert_add_json(&shown, alert);
    must(json_is_valid(buffer_slice(&shown)));
    for (uint32_t part = 0; part < 32; part++) {
        AUTO_BUFFER struct buffer request = {0};
        if (!telegram_add_alert(alert, part, 42, NULL, &request))
            return;
        must(json_is_valid(buffer_slice(&request)));
    }
}

static void check_together(const struct alert_list *list) {
    AUTO_BUFFER struct buffer request = {0};
    const struct alert **others = memory_array(list->count, sizeof *others);
    for (size_t i = 1; i < list->count; i++)
        others[i - 1] = &list->list[i];
    telegram_add_alerts(&list->list[0], others, list->count - 1, 42, NULL, &request);
    must(json_is_valid(buffer_slice(&request)));
    free(others);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct alert_list list = {0};
    AUTO_BUFFER struct buffer error = {0};
    int r = alerts_read((struct slice){(const char *)data, size}, &list, &error);
    must(r == 0 || error.size > 0);
    for (size_t i = 0; r == 0 && i < list.count; i++)
        check(&list.list[i]);
    if (r == 0)
        check_together(&list);
    if (r == 0)
        alert_list_deinit(&list);
    return 0;
}
