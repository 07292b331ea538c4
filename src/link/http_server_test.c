/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "link/http_server.h"
#include "link/link_test.h"

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct http_request *parked[8];
    int parked_count, gone, handled;
    uv_timer_t timer;
};

static const char *tail(const char *text) { /* of a whole answer: its body */
    const char *end = text ? strstr(text, "\r\n\r\n") : NULL;
    return end ? end + 4 : "";
}

static void on_gone(void *context) {
    ((struct fixture *)context)->gone++;
}

static void print_parameter(void *context, const char *name, const char *value) {
    buffer_print(context, "%s=%s;", name, value);
}

static void tell_request(struct http_request *request) {
    AUTO_BUFFER struct buffer body = {0};
    const char *header = http_request_header(request, "x-thing");
    buffer_print(&body, "%s|%s|%s|%s|", http_request_method(request), http_request_path(request),
                 http_request_raw_query(request), header ? header : "-");
    http_request_each_query(request, print_parameter, &body);
    const char *a = http_request_query(request, "a");
    buffer_print(&body, "|%s|%zu", a ? a : "(null)", http_request_body(request).size);
    http_respond(request, &(struct http_response){.status = 200, .body = buffer_slice(&body)});
}

static void handle(void *context, struct http_request *request) {
    struct fixture *f = context;
    const char *path = http_request_path(request);
    struct http_header extra[] = {{"X-Extra", "1"}, {"X-Bad", "a\r\nX-Injected: 1"}};
    struct http_response answer = {.status = 200, .content_type = "text/plain"};
    f->handled++;
    answer.body = slice_of("0123456789");
    if (strcmp(path, "/park") == 0) {
        http_request_on_gone(request, on_gone, f);
        f->parked[f->parked_count++] = request;
        return;
    }
    answer.cut = strcmp(path, "/cut") == 0;
    answer.reset = strcmp(path, "/reset") == 0;
    if (strcmp(path, "/echo") == 0)
        answer.body = http_request_body(request);
    if (strcmp(path, "/headers") == 0) {
        answer.headers = extra;
        answer.header_count = 2;
    }
    if (strncmp(path, "/tell", 5) == 0)
        tell_request(request);
    else
        http_respond(request, &answer);
}

static void open_with(struct fixture *f, struct http_server_options options) {
    options.host = "127.0.0.1";
    options.server_name = "holdfast";
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(http_server_open(&f->loop, &options, handle, f, &f->server), 0);
    uv_timer_init(&f->loop, &f->timer);
}

static void note_closed(void *context) {
    ((struct fixture *)context)->server = NULL;
}

static void close_all(struct fixture *f) {
    if (f->server)
        http_server_close(f->server, note_closed, f);
    uv_close((uv_handle_t *)&f->timer, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_null(f->server);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static struct peer run_peer(struct fixture *f, void (*work)(struct peer *peer)) {
    struct peer peer = {.work = work, .port = http_server_port(f->server)};
    peer_run(&f->loop, &peer);
    uv_run(&f->loop, UV_RUN_NOWAIT); /* the handle of the peer closes */
    return peer;
}

static void ask(struct peer *peer, const char *request) {
    int fd = peer_connect(peer);
    peer_send(fd, request);
    peer_read_all(peer, fd);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void work_tell(struct peer *peer) {
    ask(peer, "GET /tell/%2e%2E//x%20y+z%zz?a=1+2%263&b&c=%C3%A9&&a=3 HTTP/1.1\r\nHost: a\r\n"
              "X-Thing: t\r\nConnection: close\r\n\r\n");
}
static void work_head(struct peer *peer) {
    ask(peer, "HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
}
static void work_headers(struct peer *peer) {
    ask(peer, GET("/headers"));
}
static void work_nul(struct peer *peer) {
    ask(peer, GET("/tell%00.txt"));
}

static void test_reading(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct peer peer = run_peer(&f, work_tell);
    assert_string_equal(tail(peer.received.data),
                        "GET|/tell/..//x y+z%zz|a=1+2%263&b&c=%C3%A9&&a=3|t|"
                        "a=1 2&3;b=;c=\xc3\xa9;a=3;|1 2&3|0");
    assert_non_null(strstr(peer.received.data, "Server: holdfast\r\n"));
    buffer_deinit(&peer.received);
    peer = run_peer(&f, work_head);
    assert_non_null(strstr(peer.received.data, "Content-Length: 10\r\n"));
    assert_string_equal(tail(peer.received.data), "");
    buffer_deinit(&peer.received);
    peer = run_peer(&f, work_headers);
    assert_non_null(strstr(peer.received.data, "X-Extra: 1\r\n"));
    assert_null(strstr(peer.received.data, "Injected"));
    buffer_deinit(&peer.received);
    int handled = f.handled;
    peer = run_peer(&f, work_nul);
    assert_non_null(strstr(peer.received.data, "HTTP/1.1 400 "));
    assert_non_null(strstr(peer.received.data, "application/problem+json"));
    assert_int_equal(f.handled, handled);
    buffer_deinit(&peer.received);
    close_all(&f);
}

/* --- bodies --- */

enum { LARGE = 3 * 1000 * 1000 };

static void work_large(struct peer *peer) {
    int fd = peer_connect(peer);
    AUTO_BUFFER struct buffer request = {0};
    buffer_print(
        &request,
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", LARGE);
    for (int i = 0; i < LARGE; i++)
        buffer_add(&request, &"abcdefg"[i % 7], 1);
    (void)!write(fd, request.data, request.size);
    peer_read_all(peer, fd);
}
static void work_chunked(struct peer *peer) {
    ask(peer,
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
}
static void work_continue(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
                  "Content-Length: 2\r\n\r\n");
    peer_read_until(peer, fd, "\r\n\r\n", 1);
    peer_send(fd, "ok");
    peer_read_all(peer, fd);
}

static void test_bodies(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct peer peer = run_peer(&f, work_large);
    const char *body = tail(peer.received.data);
    assert_int_equal(strlen(body), LARGE);
    for (int i = 0; i < LARGE; i++) {
        if (body[i] != "abcdefg"[i % 7])
            fail_msg("byte %d differs", i);
    }
    buffer_deinit(&peer.received);
    peer = run_peer(&f, work_chunked);
    assert_string_equal(tail(peer.received.data), "abcdefg");
    buffer_deinit(&peer.received);
    peer = run_peer(&f, work_continue);
    assert_memory_equal(peer.received.data, "HTTP/1.1 100 ", 13);
    assert_string_equal(tail(tail(peer.received.data)), "ok");
    buffer_deinit(&peer.received);
    close_all(&f);
}

static void send_much(int fd, size_t size) {
    char bytes[10000];
    memset(bytes, 'x', sizeof bytes);
    for (size_t sent = 0; sent < size; sent += sizeof bytes) {
        if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) < 0)
            return;
    }
}
static void work_exact(struct peer *peer) {
    ask(peer, "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: "
              "10\r\n\r\n0123456789");
}
static void work_one_more(struct peer *peer) {
    ask(peer, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n0123456789a");
}
static void work_too_large(struct peer *peer) { /* sends all of it before it reads */
    int fd = peer_connect(peer);
    peer_send(fd, "PATCH /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    send_much(fd, 8000000);
    peer_read_all(peer, fd);
}
static void work_too_large_waits(struct peer *peer) { /* sends nothing before it has read */
    ask(peer, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
              "8000000\r\n\r\n");
}
static void work_too_large_chunks(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20000; i++)
        peer_send(fd, "3\r\nabc\r\n");
    peer_send(fd, "0\r\n\r\n");
    peer_read_all(peer, fd);
}

static void test_too_large(void **state) {
    void (*works[])(struct peer *) = {work_one_more, work_too_large, work_too_large_waits,
                                      work_too_large_chunks};
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){.body_bytes_max = 10});
    struct peer peer = run_peer(&f, work_exact);
    assert_string_equal(tail(peer.received.data), "0123456789");
    buffer_deinit(&peer.received);
    assert_int_equal(f.handled, 1);
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        peer = run_peer(&f, works[i]);
        assert_true(peer.received.size > 20);
        assert_memory_equal(peer.received.data, "HTTP/1.1 413 ", 13);
        assert_non_null(strstr(peer.received.data, "application/problem+json"));
        assert_null(strstr(peer.received.data, "HTTP/1.1 100"));
        buffer_deinit(&peer.received);
    }
    assert_int_equal(f.handled, 1);
    close_all(&f);
}

/* --- parked --- */

/* The library goes silent at some hundred parameters, and forgets to end such a request. */
static void work_many_parameters(struct peer *peer) {
    AUTO_BUFFER struct buffer request = {0};
    buffer_add_text(&request, "GET /tell?");
    for (int i = 0; i < 1000; i++)
        buffer_print(&request, "a%d=b&", i);
    buffer_add_text(&request, " HTTP/1.1\r\nHost: x\r\n\r\n");
    ask(peer, request.data);
}

static void test_many_parameters(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct peer peer = run_peer(&f, work_many_parameters);
    assert_true(peer.received.size > 20);
    assert_memory_equal(peer.received.data, "HTTP/1.1 414 ", 13);
    buffer_deinit(&peer.received);
    assert_int_equal(f.handled, 0);
    close_all(&f);
}

static void answer_parked(uv_timer_t *timer) {
    struct fixture *f = timer->data;
    if (!f->parked_count)
        return;
    struct http_request *request = f->parked[--f->parked_count];
    http_respond_json(request, 200, slice_of("{\"late\":true}"));
    if (!f->parked_count)
        uv_timer_stop(timer);
}
static void work_park(struct peer *peer) {
    ask(peer, GET("/park"));
}
/* Two requests at once, the first is parked: the second must wait for it. */
static void work_pipeline(struct peer *peer) {
    ask(peer, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n" GET("/x"));
}

static void test_parked(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    f.timer.data = &f;
    uv_timer_start(&f.timer, answer_parked, 100, 100);
    struct peer peer = run_peer(&f, work_park);
    assert_string_equal(tail(peer.received.data), "{\"late\":true}");
    buffer_deinit(&peer.received);
    uv_timer_start(&f.timer, answer_parked, 100, 100);
    peer = run_peer(&f, work_pipeline);
    const char *first = strstr(peer.received.data, "{\"late\":true}");
    assert_non_null(first);
    assert_non_null(strstr(first, "0123456789"));
    buffer_deinit(&peer.received);
    assert_int_equal(f.gone, 0);
    close_all(&f);
}

static void work_park_and_leave(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
    test_sleep_ms(50);
    close(fd);
    test_sleep_ms(50);
}

static void test_gone_while_parked(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    run_peer(&f, work_park_and_leave);
    assert_int_equal(f.parked_count, 1);
    assert_int_equal(f.gone, 1);
    http_respond_json(f.parked[0], 200, slice_of("{}")); /* goes nowhere, does no harm */
    run_peer(&f, work_park_and_leave);
    assert_int_equal(f.parked_count, 2);
    assert_int_equal(f.gone, 2);
    close_all(&f); /* the second is still parked */
}

static void close_now(uv_timer_t *timer) {
    struct fixture *f = timer->data;
    if (f->parked_count == 2)
        http_server_close(f->server, note_closed, f);
}
static void work_two_parked(struct peer *peer) {
    int one = peer_connect(peer), two = peer_connect(peer);
    peer_send(one, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_send(two, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_read_all(peer, one);
    peer_read_all(peer, two);
}

static void test_close_with_parked(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    f.timer.data = &f;
    uv_timer_start(&f.timer, close_now, 100, 0);
    struct peer peer = run_peer(&f, work_two_parked);
    const char *first = strstr(peer.received.data, "HTTP/1.1 503 ");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "HTTP/1.1 503 "));
    assert_int_equal(peer.end, 0);
    buffer_deinit(&peer.received);
    close_all(&f);
}

/* --- connections --- */

static void work_keep_alive(struct peer *peer) {
    int fd = peer_connect(peer);
    for (int i = 0; i < 20; i++) {
        peer_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo%d");
        peer_read_until(peer, fd, "bo%d", 1);
    }
    for (int i = 0; i < 20; i++)
        peer_send(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_read_until(peer, fd, "0123456789", 20);
    peer_send(fd, GET("/last"));
    peer_read_all(peer, fd);
}
static void work_half(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    shutdown(fd, SHUT_WR);
    peer_read_all(peer, fd);
    fd = peer_connect(peer);
    peer_send(fd, "GET /x HT");
    close(fd);
}

static void test_connections(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){.request_ms_max = 1000, .idle_ms_max = 1000});
    struct peer peer = run_peer(&f, work_keep_alive);
    assert_int_equal(f.handled, 41);
    assert_int_equal(peer.end, 0);
    buffer_deinit(&peer.received);
    peer = run_peer(&f, work_half);
    assert_int_equal(f.handled, 41);
    buffer_deinit(&peer.received);
    close_all(&f);
}

static void work_drip_headers(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "GET /x HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 30 && send(fd, "X: y\r\n", 6, MSG_NOSIGNAL) == 6; i++)
        test_sleep_ms(50);
    peer_read_all(peer, fd);
}
static void work_drip_body(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    for (int i = 0; i < 30 && send(fd, "z", 1, MSG_NOSIGNAL) == 1; i++)
        test_sleep_ms(50);
    peer_read_all(peer, fd);
}
/* The second request of a connection drips already in its first line. */
static void work_drip_second(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_read_until(peer, fd, "0123456789", 1);
    for (int i = 0; i < 60 && send(fd, "G", 1, MSG_NOSIGNAL) == 1; i++)
        test_sleep_ms(50);
    peer_read_all(peer, fd);
}

static void test_dripping(void **state) {
    void (*works[])(struct peer *) = {work_drip_headers, work_drip_body, work_drip_second};
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){.request_ms_max = 300, .idle_ms_max = 1000});
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        struct peer peer = run_peer(&f, works[i]);
        int64_t limit_ms = i == 2 ? 1300 : 300;
        if (peer.took_ms < limit_ms - 20 || peer.took_ms > limit_ms + 1000)
            fail_msg("case %zu: cut after %d ms", i, (int)peer.took_ms);
        buffer_deinit(&peer.received);
    }
    assert_int_equal(f.handled, 1);
    close_all(&f);
}

/* Three at once where two are allowed: the one that has been silent longest gives way. */
static void work_crowd(struct peer *peer) {
    int one = peer_connect(peer), two = peer_connect(peer);
    char byte;
    peer_send(one, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_read_until(peer, one, "0123456789", 1);
    peer_send(two, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_read_until(peer, two, "0123456789", 1);
    buffer_clear(&peer->received);
    ask(peer, GET("/x"));
    peer->connections = recv(one, &byte, 1, 0) == 0 ? 2 : 3;
    peer_send(two, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_read_until(peer, two, "0123456789", 1);
    close(one);
    close(two);
}

static void test_crowd(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){.connections_max = 2});
    struct peer peer = run_peer(&f, work_crowd);
    assert_int_equal(peer.connections, 2);
    assert_int_equal(f.handled, 4);
    buffer_deinit(&peer.received);
    close_all(&f);
}

/* 200 that say nothing, where 128 are allowed: who comes then is served, and the first had to go.
 */
static void work_silent_crowd(struct peer *peer) {
    int crowd[200];
    char byte;
    for (size_t i = 0; i < COUNT_OF(crowd); i++)
        crowd[i] = peer_connect(peer);
    ask(peer, GET("/x"));
    peer->connections = recv(crowd[0], &byte, 1, 0) == 0;
    for (size_t i = 0; i < COUNT_OF(crowd); i++)
        close(crowd[i]);
}

static void test_silent_crowd(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){.connections_max = 128});
    struct peer peer = run_peer(&f, work_silent_crowd);
    assert_string_equal(tail(peer.received.data), "0123456789");
    assert_int_equal(peer.connections, 1);
    assert_in_range(peer.took_ms, 0, 5000);
    buffer_deinit(&peer.received);
    close_all(&f);
}

/* The head of a chunk that does not fit into the memory of the library; meanwhile another asks. */
static void work_chunk_head(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;");
    send_much(fd, 100000);
    int64_t before = test_now_ms();
    ask(peer, GET("/x"));
    peer->connections = test_now_ms() - before < 900;
    peer_read_all(peer, fd);
}

static void test_chunk_head(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct peer peer = run_peer(&f, work_chunk_head);
    assert_int_equal(peer.connections, 1);
    assert_in_range(peer.took_ms, 900, 5000);
    assert_int_equal(f.handled, 1);
    buffer_deinit(&peer.received);
    close_all(&f);
}

/* Its end came together with its request: the library does not see it. */
static void work_leaves(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(fd, SHUT_WR);
    peer_read_all(peer, fd);
}

static void test_one_that_left_is_closed_soon(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct peer peer = run_peer(&f, work_leaves);
    assert_string_equal(tail(peer.received.data), "0123456789");
    assert_in_range(peer.took_ms, 0, 3000);
    buffer_deinit(&peer.received);
    close_all(&f);
}

static void work_two_lengths(struct peer *peer) {
    static const char *const heads[] = {
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        AUTO_FREE char *text = text_format("POST /echo HTTP/1.1\r\nHost: a\r\n%s", heads[i]);
        ask(peer, text);
        peer->connections += strstr(peer->received.data, "400 Bad Request") != NULL;
        buffer_clear(&peer->received);
    }
}

static void test_two_lengths(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct peer peer = run_peer(&f, work_two_lengths);
    assert_int_equal(peer.connections, 2);
    assert_int_equal(f.handled, 0);
    buffer_deinit(&peer.received);
    close_all(&f);
}

static void work_silent(struct peer *peer) {
    int fd = peer_connect(peer);
    peer_send(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_read_all(peer, fd);
}

static void test_idle(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){.idle_ms_max = 1000});
    struct peer peer = run_peer(&f, work_silent);
    assert_in_range(peer.took_ms, 900, 3000);
    buffer_deinit(&peer.received);
    close_all(&f);
}

static void work_garbage(struct peer *peer) {
    static const char *const texts[] = {
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET /x HTTP/1.1\r\n\r\n",
        "\r\n\r\n\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "GET /%%%0%f?%=%&=&&;%0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: a\r\n\r\n",
        ": \r\n : \r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int fd = peer_connect(peer);
        peer_send(fd, texts[i]);
        shutdown(fd, SHUT_WR);
        peer_read_all(peer, fd);
    }
    unsigned seed = 1;
    for (int i = 0; i < 100; i++) {
        char bytes[300];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (char)rand_r(&seed);
        int fd = peer_connect(peer);
        (void)!send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        peer_read_all(peer, fd);
    }
    int fd = peer_connect(peer); /* headers without end */
    peer_send(fd, "GET /x HTTP/1.1\r\nHost: a\r\nX: ");
    send_much(fd, 300000);
    peer_read_all(peer, fd);
}

static void test_garbage(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){.request_ms_max = 1000, .idle_ms_max = 1000});
    struct peer peer = run_peer(&f, work_garbage);
    buffer_deinit(&peer.received);
    peer = run_peer(&f, work_exact); /* it still serves */
    assert_string_equal(tail(peer.received.data), "0123456789");
    buffer_deinit(&peer.received);
    close_all(&f);
}

/* --- faults on demand --- */

static void work_cut(struct peer *peer) {
    ask(peer, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
}
static void work_reset(struct peer *peer) {
    ask(peer, "GET /reset HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void test_faults(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct peer peer = run_peer(&f, work_cut);
    assert_non_null(strstr(peer.received.data, "Content-Length: 10\r\n"));
    assert_string_equal(tail(peer.received.data), "01234");
    assert_int_equal(peer.end, 0);
    buffer_deinit(&peer.received);
    peer = run_peer(&f, work_reset);
    assert_int_equal(peer.received.size, 0);
    assert_int_equal(peer.end, ECONNRESET);
    close_all(&f);
}

static void test_opening(void **state) {
    struct fixture f = {0};
    open_with(&f, (struct http_server_options){0});
    struct http_server_options again = {.host = "127.0.0.1", .port = http_server_port(f.server)};
    struct http_server *other = NULL;
    assert_int_equal(http_server_open(&f.loop, &again, handle, &f, &other), -EADDRINUSE);
    again.host = "localhost";
    assert_int_equal(http_server_open(&f.loop, &again, handle, &f, &other), -EINVAL);
    assert_null(other);
    close_all(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_many_parameters),
        cmocka_unit_test(test_parked),
        cmocka_unit_test(test_gone_while_parked),
        cmocka_unit_test(test_close_with_parked),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_dripping),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_opening),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_silent_crowd),
        cmocka_unit_test(test_chunk_head),
        cmocka_unit_test(test_two_lengths),
        cmocka_unit_test(test_one_that_left_is_closed_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
