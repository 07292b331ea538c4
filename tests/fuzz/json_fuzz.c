/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON: every value that is returned is valid itself, and text survives a round trip.
 */
#include "fuzz/fuzz.h"
#include "wire/json_scan.h"

static void check_text(struct slice value) {
    AUTO_BUFFER struct buffer text = {0}, again = {0}, decoded = {0};
    if (json_to_text(value, &text) < 0)
        return;
    json_add_text(&again, buffer_slice(&text));
    must(json_is_valid(buffer_slice(&again)));
    must(json_to_text(buffer_slice(&again), &decoded) == 0);
    must(slice_equal(buffer_slice(&text), buffer_slice(&decoded)));
}

static void walk(struct slice value, int depth) {
    int64_t number = 0;
    must(json_is_valid(value));
    check_text(value);
    (void)!json_to_int(value, &number);
    for (int open = 0; depth < 8 && open < 2; open++) {
        struct json_walk members;
        struct slice key, member;
        if (json_walk_begin(value, open ? '[' : '{', &members) < 0)
            continue;
        while (json_walk_next(&members, &key, &member) > 0)
            walk(member, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = {(const char *)data, size}, value = {0};
    size_t at = 0;
    if (json_skip(text, &at, &value) == 0) {
        must(at <= size);
        walk(value, 0);
    }
    struct slice member = json_member(text, "result");
    must(member.size == 0 || json_is_valid(member));
    return 0;
}
