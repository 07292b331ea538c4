/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "link/http_client.h"
#include "link/link_test.h"
#include <stdlib.h>
#include <sys/un.h>

struct fixture {
    uv_loop_t loop;
    struct http_client *client;
    struct http_server *server;
    int server_port, handled, answered, right;
    bool inside_start;
    /* of the last answer */
    enum http_outcome outcome;
    int status;
    struct buffer body, error;
    char content_type[64];
    int64_t retry_after_s, total_ms;
};

static void take_answer(void *context, const struct http_answer *answer) {
    struct fixture *f = context;
    assert_false(f->inside_start);
    f->answered++;
    f->outcome = answer->outcome;
    f->status = answer->status;
    f->retry_after_s = answer->retry_after_s;
    f->total_ms = answer->total_ms;
    buffer_clear(&f->body);
    buffer_clear(&f->error);
    buffer_add(&f->body, answer->body.data, answer->body.size);
    buffer_add_text(&f->error, answer->error);
    snprintf(f->content_type, sizeof f->content_type, "%s", answer->content_type);
}

static void open_all(struct fixture *f, uint32_t connections_max) {
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->client = http_client_open(&f->loop, connections_max);
}

static void close_all(struct fixture *f) {
    if (f->server)
        http_server_close(f->server, NULL, NULL);
    f->client = http_client_close(f->client);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    buffer_deinit(&f->body);
    buffer_deinit(&f->error);
}

static struct http_call *start(struct fixture *f, struct http_call_options options) {
    struct http_call *call = NULL;
    if (!options.method)
        options.method = "GET";
    f->inside_start = true;
    http_call_start(f->client, &options, take_answer, f, &call);
    f->inside_start = false;
    return call;
}

static void wait_answers(struct fixture *f, int count) {
    while (f->answered < count)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static void call_and_wait(struct fixture *f, struct http_call_options options) {
    f->answered = 0;
    start(f, options);
    wait_answers(f, 1);
}

static const char *url_of(int port, const char *path) {
    static char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    return url;
}

/* --- against our own server --- */

static void add_parameter(void *context, const char *name, const char *value) {
    buffer_print(context, "%s=%s;", name, value);
}

static void handle(void *context, struct http_request *request) {
    struct fixture *f = context;
    const char *path = http_request_path(request);
    struct http_header headers[] = {{"Retry-After", "7"}, {"Connection", "keep-alive"}};
    struct http_response answer = {.status = 200, .content_type = "text/plain"};
    AUTO_BUFFER struct buffer body = {0};
    const char *type = http_request_header(request, "Content-Type");
    const char *thing = http_request_header(request, "X-Thing");
    f->handled++;
    const char *const parts[] = {http_request_method(request), path, type ? type : "-",
                                 thing ? thing : "-"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        buffer_add_text(&body, parts[i]);
        buffer_add_text(&body, " ");
    }
    http_request_each_query(request, add_parameter, &body);
    buffer_add(&body, http_request_body(request).data, http_request_body(request).size);
    answer.body = buffer_slice(&body);
    answer.cut = strcmp(path, "/cut") == 0;
    answer.reset = strcmp(path, "/reset") == 0;
    if (strcmp(path, "/429") == 0) {
        answer.status = 429;
        answer.headers = headers;
        answer.header_count = 1;
    }
    if (strcmp(path, "/302") == 0) {
        answer.status = 302;
        headers[0] = (struct http_header){"Location", "/elsewhere"};
        answer.headers = headers;
        answer.header_count = 1;
    }
    if (strcmp(path, "/never") == 0)
        return;
    http_respond(request, &answer);
}

static void open_served(struct fixture *f, uint32_t connections_max) {
    open_all(f, connections_max);
    struct http_server_options options = {.host = "127.0.0.1"};
    assert_int_equal(http_server_open(&f->loop, &options, handle, f, &f->server), 0);
    f->server_port = http_server_port(f->server);
}

static void test_answered(void **state) {
    struct fixture f = {0};
    struct http_header headers[] = {{"X-Thing", "t"}};
    open_served(&f, 8);
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/a/../b?x=1%202")});
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    assert_int_equal(f.status, 200);
    assert_string_equal(f.body.data, "GET /a/../b - - x=1 2;");
    assert_string_equal(f.content_type, "text/plain");
    assert_int_equal(f.retry_after_s, -1);
    assert_string_equal(f.error.data, "");
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/p"),
                                                 .method = "POST",
                                                 .body = slice_of("{\"a\":1}"),
                                                 .content_type = "application/json",
                                                 .headers = headers,
                                                 .header_count = 1});
    assert_string_equal(f.body.data, "POST /p application/json t {\"a\":1}");
    /* Nothing of one call may stick to the next on the same handle. */
    call_and_wait(&f,
                  (struct http_call_options){.url = url_of(f.server_port, "/p"), .method = "POST"});
    assert_string_equal(f.body.data, "POST /p - - ");
    call_and_wait(
        &f, (struct http_call_options){.url = url_of(f.server_port, "/d"), .method = "DELETE"});
    assert_string_equal(f.body.data, "DELETE /d - - ");
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/u"),
                                                 .method = "PUT",
                                                 .body = slice_of("b")});
    assert_string_equal(f.body.data, "PUT /u - - b");
    call_and_wait(&f,
                  (struct http_call_options){.url = url_of(f.server_port, "/h"), .method = "HEAD"});
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    assert_int_equal(f.body.size, 0);
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/h"),
                                                 .method = "HEAD",
                                                 .body = slice_of("b")});
    assert_int_equal(f.outcome, HTTP_ANSWERED); /* and not a wait for a body that never comes */
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/g")});
    assert_string_equal(f.body.data, "GET /g - - ");
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/429")});
    assert_int_equal(f.status, 429);
    assert_int_equal(f.retry_after_s, 7);
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/302")});
    assert_int_equal(f.status, 302);
    close_all(&f);
}

static void test_unknown_by_faults(void **state) {
    struct fixture f = {0};
    open_served(&f, 8);
    /* On a fresh connection and on one that was used before: libcurl repeats on the latter. */
    for (int i = 0; i < 2; i++) {
        const char *const methods[] = {"GET", "POST"};
        for (size_t m = 0; m < 2; m++) {
            f.handled = 0;
            call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/reset"),
                                                         .method = methods[m]});
            assert_int_equal(f.outcome, HTTP_UNKNOWN);
            assert_int_equal(f.handled, 1);
            assert_true(f.error.size > 0);
            assert_null(strstr(f.error.data, "/reset"));
            call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/x")});
            assert_int_equal(f.outcome, HTTP_ANSWERED);
        }
        call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/cut")});
        assert_int_equal(f.outcome, HTTP_UNKNOWN);
        assert_int_equal(f.status, 0);
        call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/x")});
    }
    close_all(&f);
}

static void test_too_large(void **state) {
    struct fixture f = {0};
    char body[100] = {0};
    open_served(&f, 8);
    memset(body, 'b', sizeof body);
    struct http_call_options options = {.url = url_of(f.server_port, "/x"),
                                        .method = "POST",
                                        .body = {body, sizeof body},
                                        .answer_bytes_max = 112}; /* "POST /x - - " and the body */
    call_and_wait(&f, options);
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    options.answer_bytes_max--;
    call_and_wait(&f, options);
    assert_int_equal(f.outcome, HTTP_UNKNOWN);
    assert_non_null(strstr(f.error.data, "larger"));
    close_all(&f);
}

static void test_timeout_and_cancel(void **state) {
    struct fixture f = {0};
    open_served(&f, 8);
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/never?secret"),
                                                 .total_ms_max = 200});
    assert_int_equal(f.outcome, HTTP_UNKNOWN);
    assert_in_range(f.total_ms, 150, 2000);
    assert_null(strstr(f.error.data, "never"));
    f.answered = 0;
    struct http_call *early =
        start(&f, (struct http_call_options){.url = url_of(f.server_port, "/never")});
    http_call_cancel(early);
    struct http_call *late =
        start(&f, (struct http_call_options){.url = url_of(f.server_port, "/never")});
    f.handled = 0;
    while (f.handled == 0)
        uv_run(&f.loop, UV_RUN_ONCE);
    http_call_cancel(late);
    for (int i = 0; i < 20; i++)
        uv_run(&f.loop, UV_RUN_NOWAIT);
    assert_int_equal(f.answered, 0);
    start(&f,
          (struct http_call_options){.url = url_of(f.server_port, "/never")}); /* left to close */
    for (int i = 0; i < 20; i++)
        uv_run(&f.loop, UV_RUN_NOWAIT);
    close_all(&f);
    assert_int_equal(f.answered, 0);
}

/* --- many --- */

struct numbered {
    struct fixture *f;
    int number;
};

static void check_number(void *context, const struct http_answer *answer) {
    struct numbered *one = context;
    char expected[64];
    snprintf(expected, sizeof expected, "POST /n - - number %d", one->number);
    one->f->answered++;
    one->f->right += answer->outcome == HTTP_ANSWERED && slice_is(answer->body, expected);
}

/* Two steps: nothing leaves before the second, and it may never come. */
static void test_prepared(void **state) {
    struct fixture f = {0};
    open_served(&f, 8);
    AUTO_FREE char *url = text_copy(url_of(f.server_port, "/a"));
    struct http_call_options options = {.method = "GET", .url = url};
    struct http_call *sent = http_call_prepare(f.client, &options, take_answer, &f);
    struct http_call *dropped = http_call_prepare(f.client, &options, take_answer, &f);
    struct http_call *left = http_call_prepare(f.client, &options, take_answer, &f);
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/b")});
    assert_int_equal(f.handled, 1);
    http_call_cancel(dropped);
    f.answered = 0;
    f.inside_start = true;
    http_call_send(sent);
    f.inside_start = false;
    wait_answers(&f, 1);
    assert_int_equal(f.handled, 2);
    assert_string_equal(f.body.data, "GET /a - - ");
    assert_non_null(left); /* the client's end frees it */
    close_all(&f);
}

static void test_many(void **state) {
    struct fixture f = {0};
    struct numbered many[1000];
    open_served(&f, 200);
    for (int i = 0; i < 1000; i++) {
        char body[32];
        many[i] = (struct numbered){&f, i};
        snprintf(body, sizeof body, "number %d", i);
        http_call_start(f.client,
                        &(struct http_call_options){.url = url_of(f.server_port, "/n"),
                                                    .method = "POST",
                                                    .body = slice_of(body)},
                        check_number, &many[i], NULL);
        if (i % 200 == 199)
            wait_answers(&f, i + 1);
    }
    assert_int_equal(f.right, 1000);
    f.answered = f.right = 0; /* more than there may be connections: the rest waits */
    for (int i = 0; i < 1000; i++) {
        char body[32];
        snprintf(body, sizeof body, "number %d", i);
        http_call_start(f.client,
                        &(struct http_call_options){.url = url_of(f.server_port, "/n"),
                                                    .method = "POST",
                                                    .body = slice_of(body)},
                        check_number, &many[i], NULL);
    }
    wait_answers(&f, 1000);
    assert_int_equal(f.right, 1000);
    close_all(&f);
}

/* A call that waits for a free connection has sent nothing. */
static void test_waiting_is_not_sent(void **state) {
    struct fixture f = {0};
    open_served(&f, 1);
    start(&f, (struct http_call_options){.url = url_of(f.server_port, "/never")});
    while (f.handled == 0)
        uv_run(&f.loop, UV_RUN_ONCE);
    int64_t begun = test_now_ms();
    call_and_wait(
        &f, (struct http_call_options){.url = url_of(f.server_port, "/x"), .total_ms_max = 200});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    assert_true(test_now_ms() - begun < 30000); /* not when the other one ends, a minute later */
    assert_int_equal(f.handled, 1);
    close_all(&f);
}

static void close_inside(void *context, const struct http_answer *answer) {
    struct fixture *f = context;
    f->answered++;
    f->client = http_client_close(f->client);
}

static void test_close_inside_answer(void **state) {
    struct fixture f = {0};
    open_served(&f, 8);
    for (int i = 0; i < 5; i++)
        http_call_start(
            f.client,
            &(struct http_call_options){.url = url_of(f.server_port, "/x"), .method = "GET"},
            close_inside, &f, NULL);
    wait_answers(&f, 1);
    close_all(&f);
    assert_int_equal(f.answered, 1);
}

/* --- against raw sockets --- */

static void test_not_sent(void **state) {
    struct fixture f = {0};
    uint16_t port;
    open_all(&f, 8);
    close(listen_any(&port));
    call_and_wait(&f, (struct http_call_options){.url = url_of(port, "/bot123:token/x")});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    assert_true(f.error.size > 0);
    assert_null(strstr(f.error.data, "token"));
    const char *const bad[] = {"",
                               "http://",
                               "ftp://127.0.0.1/token",
                               "http://127.0.0.1:99999/token",
                               "http://a b/token",
                               "http://127.0.0.1\r\nX: y/token",
                               "token",
                               "http://name.invalid./token",
                               "file:///etc/hostname"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        call_and_wait(&f, (struct http_call_options){.url = bad[i], .total_ms_max = 1000});
        assert_int_equal(f.outcome, HTTP_NOT_SENT);
        assert_true(f.error.size > 0);
        if (strcmp(bad[i], "token") != 0)
            assert_null(strstr(f.error.data, "token"));
    }
    struct http_header header = {"X-A", "b\r\nX-Injected: c"};
    call_and_wait(&f, (struct http_call_options){
                          .url = url_of(port, "/"), .headers = &header, .header_count = 1});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    assert_non_null(strstr(f.error.data, "header"));
    call_and_wait(
        &f, (struct http_call_options){.url = url_of(port, "/"), .method = "GET / HTTP/1.1\r\n"});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    close_all(&f);
}

/* Answers each connection with peer->answer after the request's headers, then closes. */
static const char *raw_answer;
static int raw_connections;

static void work_serve(struct peer *peer) {
    for (int i = 0; i < raw_connections; i++) {
        int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        struct timeval limit = {.tv_sec = 20};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        peer_read_until(peer, fd, "\r\n\r\n", 1);
        peer_send(fd, raw_answer);
        close(fd);
    }
}

static void call_raw(struct fixture *f, const char *answer) {
    uint16_t port;
    struct peer peer = {.work = work_serve, .listen_fd = listen_any(&port)};
    raw_answer = answer;
    raw_connections = 1;
    pthread_t thread = peer_start(&f->loop, &peer);
    call_and_wait(f, (struct http_call_options){.url = url_of(port, "/x"), .total_ms_max = 5000});
    while (!peer.finished)
        uv_run(&f->loop, UV_RUN_ONCE);
    pthread_join(thread, NULL);
    close(peer.listen_fd);
    buffer_deinit(&peer.received);
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_broken_answers(void **state) {
    static const char *const unknown[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
        "this is not HTTP at all\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhalf",
        "HTTP/1.1 abc OK\r\n\r\n",
    };
    struct fixture f = {0};
    open_all(&f, 8);
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        call_raw(&f, unknown[i]);
        if (f.outcome != HTTP_UNKNOWN || !f.error.size)
            fail_msg("case %zu: outcome %d, status %d", i, f.outcome, f.status);
    }
    call_raw(
        &f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: "
            "y\r\n\r\n");
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    assert_string_equal(f.body.data, "ok");
    call_raw(&f, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    assert_string_equal(f.body.data, "until the end");
    call_raw(&f, "HTTP/1.1 503 No\r\nContent-Length: 0\r\nRetry-After: Thu, 01 Jan 1970 00:00:01 "
                 "GMT\r\n\r\n");
    assert_int_equal(f.status, 503);
    assert_int_equal(f.retry_after_s, 0);
    call_raw(&f, "HTTP/1.1 429 No\r\nContent-Length: 0\r\nRetry-After: soon\r\n\r\n");
    assert_int_equal(f.retry_after_s, 0);
    close_all(&f);
}

static void work_endless_headers(struct peer *peer) {
    int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    peer_read_until(peer, fd, "\r\n\r\n", 1);
    peer_send(fd, "HTTP/1.1 200 OK\r\n");
    while (send(fd, "X-More: and more and more\r\n", 27, MSG_NOSIGNAL) == 27)
        peer->connections++;
    close(fd);
}

static void test_endless_headers(void **state) {
    struct fixture f = {0};
    uint16_t port;
    open_all(&f, 8);
    struct peer peer = {.work = work_endless_headers, .listen_fd = listen_any(&port)};
    pthread_t thread = peer_start(&f.loop, &peer);
    call_and_wait(&f, (struct http_call_options){.url = url_of(port, "/x"), .total_ms_max = 10000});
    assert_int_equal(f.outcome, HTTP_UNKNOWN);
    assert_non_null(strstr(f.error.data, "larger"));
    while (!peer.finished)
        uv_run(&f.loop, UV_RUN_ONCE);
    pthread_join(thread, NULL);
    close(peer.listen_fd);
    buffer_deinit(&peer.received);
    close_all(&f);
}

/* Serves one whole answer, then takes the second request on the same connection and closes: what a
 * server does that dies after the effect. The request must not come again. */
static void work_serve_then_die(struct peer *peer) {
    int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    peer_read_until(peer, fd, "body", 1);
    peer_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer_read_until(peer, fd, "body", 1);
    close(fd);
    struct timeval limit = {.tv_usec = 300000};
    setsockopt(peer->listen_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if ((fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        peer->connections++;
        close(fd);
    }
}

static void test_never_repeats(void **state) {
    struct fixture f = {0};
    uint16_t port;
    open_all(&f, 8);
    struct peer peer = {.work = work_serve_then_die, .listen_fd = listen_any(&port)};
    pthread_t thread = peer_start(&f.loop, &peer);
    struct http_call_options options = {.url = url_of(port, "/x"),
                                        .method = "POST",
                                        .body = slice_of("body"),
                                        .total_ms_max = 5000};
    call_and_wait(&f, options);
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    call_and_wait(&f, options);
    assert_int_equal(f.outcome, HTTP_UNKNOWN);
    while (!peer.finished)
        uv_run(&f.loop, UV_RUN_ONCE);
    pthread_join(thread, NULL);
    close(peer.listen_fd);
    buffer_deinit(&peer.received);
    close_all(&f);
    /* A connection may be opened, but no byte of the request goes over it. */
}

/* --- proxy and unix socket --- */

static void test_proxy(void **state) {
    struct fixture f = {0};
    char proxy[64];
    open_served(&f, 8);
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/x")});
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    call_and_wait(&f, (struct http_call_options){.url = url_of(f.server_port, "/x"),
                                                 .proxy = "http://127.0.0.1:1"});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    /* A proxy that refuses the tunnel has seen none of the request. */
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", f.server_port);
    call_and_wait(&f, (struct http_call_options){.url = "https://api.example.invalid/token",
                                                 .method = "POST",
                                                 .body = slice_of("b"),
                                                 .proxy = proxy,
                                                 .total_ms_max = 5000});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    assert_null(strstr(f.error.data, "token"));
    /* TLS to a server that speaks none. */
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/token", f.server_port);
    call_and_wait(&f, (struct http_call_options){.url = url, .total_ms_max = 5000});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    close_all(&f);
}

static void test_unix_socket(void **state) {
    struct fixture f = {0};
    char folder[] = "/tmp/link-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    open_all(&f, 8);
    struct peer peer = {.work = work_serve,
                        .listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(bind(peer.listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(peer.listen_fd, 8), 0);
    raw_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    raw_connections = 1;
    pthread_t thread = peer_start(&f.loop, &peer);
    call_and_wait(&f, (struct http_call_options){.url = "http://localhost/x",
                                                 .unix_socket = address.sun_path});
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    assert_string_equal(f.body.data, "ok");
    while (!peer.finished)
        uv_run(&f.loop, UV_RUN_ONCE);
    pthread_join(thread, NULL);
    close(peer.listen_fd);
    unlink(address.sun_path);
    call_and_wait(&f, (struct http_call_options){.url = "http://localhost/x",
                                                 .unix_socket = address.sun_path});
    assert_int_equal(f.outcome, HTTP_NOT_SENT);
    buffer_deinit(&peer.received);
    close_all(&f);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answered),
        cmocka_unit_test(test_unknown_by_faults),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_timeout_and_cancel),
        cmocka_unit_test(test_prepared),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_waiting_is_not_sent),
        cmocka_unit_test(test_close_inside_answer),
        cmocka_unit_test(test_not_sent),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_endless_headers),
        cmocka_unit_test(test_never_repeats),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_unix_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
