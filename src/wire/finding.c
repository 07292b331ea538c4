/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/finding.h"
#include "base/secret.h"
#include "wire/json_scan.h"
#include <stdio.h>

void finding_add(const struct finding *finding, struct buffer *ret) {
    size_t start = ret->size;
    buffer_add_text(ret, "{\"what\":");
    json_add_text(ret, slice_of(finding->what));
    buffer_print(ret, ",\"fine\":%s,\"text\":", finding->fine ? "true" : "false");
    json_add_text(ret, slice_of(finding->text));
    buffer_add_text(ret, ",\"advice\":");
    json_add_text(ret, slice_of(finding->advice));
    buffer_add_text(ret, "}\n");
    secret_mask(ret->data + start, ret->size - start);
}

void finding_print(const struct finding *finding) {
    AUTO_BUFFER struct buffer line = {0};
    finding_add(finding, &line);
    fwrite(line.data, 1, line.size, stdout);
    fflush(stdout);
}
