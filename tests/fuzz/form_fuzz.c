/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the content type, the rest is the body. What was read must be text that
 * can be written again. */
#include "fuzz/fuzz.h"
#include "wire/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const types[] = {"application/json", "application/x-www-form-urlencoded",
                                        "multipart/form-data; boundary=XX", NULL};
    if (!size)
        return 0;
    struct form form = {0};
    struct slice body = {(const char *)data + 1, size - 1};
    if (form_read(&form, types[data[0] % COUNT_OF(types)], body) == FORM_DONE) {
        char *text = json_dumps(form.values, 0);
        must(text);
        free(text);
        for (size_t i = 0; i < form.file_count; i++)
            must(form.files[i].bytes.size <= body.size);
    }
    form_deinit(&form);
    return 0;
}
