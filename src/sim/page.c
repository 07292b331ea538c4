/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/page.h"
#include "sim/sim.h"

/* Nothing from elsewhere, nothing inline: what a bot says stays text, whatever it says. */
static const struct http_header headers[] = {
    {"Content-Security-Policy",
     "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-cache"},
};

bool page_handle(struct http_request *request) {
    const char *path = http_request_path(request);
    const char *wanted = strcmp(path, "/") == 0 ? "/chat.html" : path;
    for (const struct page_file *file = page_files; file->path; file++) {
        if (strcmp(file->path, wanted) != 0)
            continue;
        struct http_response response = {
            .status = 200,
            .content_type = file->content_type,
            .body = {(const char *)file->bytes, file->size},
            .headers = headers,
            .header_count = COUNT_OF(headers),
        };
        http_respond(request, &response);
        return true;
    }
    return false;
}
