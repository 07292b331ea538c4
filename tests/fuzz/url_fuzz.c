/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding never grows a text, and what it yields ends with a NUL inside its memory. */
#include "link/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_FREE char *text = text_copy_n((const char *)data, size);
    AUTO_FREE char *decoded = url_decode(slice_of(text), size % 2);
    must(strlen(decoded) <= strlen(text));
    must(url_holds_nul(text) || strlen(text) == 0 || strlen(decoded) > 0);
    struct url_query query;
    url_query_init(&query, text);
    must(query.count <= URL_PARAMETERS_MAX);
    for (size_t i = 0; i < query.count; i++)
        must(strlen(query.parameters[i].name) + strlen(query.parameters[i].value) <= strlen(text));
    url_query_deinit(&query);
    return 0;
}
