/* SPDX-License-Identifier: Apache-2.0 */
/* The dashboard's files. */
#include "hub/hub_page.h"
#include "hub/hub.h"

/* Nothing from elsewhere, nothing inline: what a bot says stays text, whatever it says. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void respond_file(struct http_request *request, const struct dashboard_file *file) {
    const char *encodings = http_request_header(request, "Accept-Encoding");
    const char *known = http_request_header(request, "If-None-Match");
    bool zipped = encodings && strstr(encodings, "gzip");
    bool unchanged = known && strstr(known, file->tag);
    struct http_header headers[] = {
        {"Content-Security-Policy", policy}, {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},  {"Cache-Control", "no-cache"},
        {"Vary", "Accept, Accept-Encoding"}, {"ETag", file->tag},
        {"Content-Encoding", "gzip"}};
    struct slice body = {(const char *)(zipped ? file->gzip : file->bytes),
                         zipped ? file->gzip_size : file->size};
    http_respond(request, &(struct http_response){
                              .status = unchanged ? 304 : 200,
                              .content_type = unchanged ? NULL : file->content_type,
                              .body = unchanged ? (struct slice){"", 0} : body,
                              .headers = headers,
                              .header_count = COUNT_OF(headers) - (unchanged || !zipped)});
}

bool page_is_wanted(const struct http_request *request) {
    const char *accept = http_request_header(request, "Accept");
    return accept && strstr(accept, "text/html");
}

void hub_get_page(struct hub *hub, struct http_request *request, const char *rest) {
    const char *wanted = rest[0] ? rest : "dashboard.html";
    for (const struct dashboard_file *file = dashboard_files; file->path; file++)
        if (strcmp(file->path + 1, wanted) == 0) {
            respond_file(request, file);
            return;
        }
    hub_problem(request, 404, "Not Found", "the dashboard is at /dashboard", -1);
}
