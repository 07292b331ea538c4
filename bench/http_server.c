/* SPDX-License-Identifier: Apache-2.0 */
/* bench-http-server PORT BYTES - answers every GET with BYTES bytes of text: what link/http_server
 * can do without a hub behind it. */
#include "link/http_server.h"
#include "base/text.h"
#include <stdio.h>

static void answer(void *context, struct http_request *request) {
    http_respond_json(request, 200, slice_of(context));
}

int main(int count, char **arguments) {
    int64_t port, bytes;
    if (count != 3 || text_to_int(arguments[1], 0, 65535, &port) < 0 ||
        text_to_int(arguments[2], 0, 1 << 20, &bytes) < 0) {
        fprintf(stderr, "usage: bench-http-server PORT BYTES\n");
        return 64;
    }
    char *body = memory_new((size_t)bytes + 1);
    memset(body, 'x', (size_t)bytes);
    struct http_server *server;
    struct http_server_options options = {.host = "127.0.0.1", .port = (uint16_t)port};
    int r = http_server_open(uv_default_loop(), &options, answer, body, &server);
    if (r < 0) {
        fprintf(stderr, "bench-http-server: cannot listen: %s\n", strerror(-r));
        return 71;
    }
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
