/* SPDX-License-Identifier: Apache-2.0 */
/* Long bodies: up into a file, down piece by piece, and through, from a server to a client that is
 * slow. Server, client and relay share one loop. */
#include "base/test.h"
#include "link/http_client.h"
#include "link/http_server.h"
#include "link/link_test.h"
#include <fcntl.h>

enum { LONG_BYTES = 24 << 20, PIECE = 65536 };

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct http_client *client;
    /* the answer that the server streams */
    struct http_stream *stream;
    uint64_t given, size;
    size_t most_waiting;
    int gone;
    bool leaves_it_open, woken;
    /* what the client saw */
    int begun, answered, status;
    int64_t announced;
    enum http_outcome outcome;
    uint64_t got;
    size_t pieces, longest_piece;
    bool differs;
    int hold_every; /* pieces; 0: never */
    bool holds_for_ever;
    uint64_t cancel_at;
    struct http_call *call;
    uv_timer_t timer, tick;
    /* the body that the server got */
    uint64_t file_size, file_sum;
    size_t begin_size;
    char spool[64];
    bool spools;
};

static char byte_at(uint64_t at) {
    return (char)((at * 2654435761u) >> 13);
}

static void give(struct fixture *f) {
    char piece[PIECE];
    uint64_t left = f->size - f->given;
    size_t n = left < PIECE ? (size_t)left : PIECE;
    for (size_t i = 0; i < n; i++)
        piece[i] = byte_at(f->given + i);
    http_stream_add(f->stream, (struct slice){piece, n});
    f->given += n;
    if (http_stream_waiting(f->stream) > f->most_waiting)
        f->most_waiting = http_stream_waiting(f->stream);
    if (f->given == f->size && !f->leaves_it_open) {
        http_stream_end(f->stream, true);
        f->stream = NULL;
    }
}

static void on_drained(void *context) {
    struct fixture *f = context;
    if (f->given < f->size)
        give(f);
}

static void on_gone(void *context) {
    struct fixture *f = context;
    f->gone++;
    f->stream = NULL;
}

static void answer_stream(struct fixture *f, struct http_request *request, int64_t size) {
    f->given = 0;
    f->stream = http_respond_stream(
        request, &(struct http_response){.status = 200, .content_type = "application/x-test"},
        &(struct http_stream_options){.size = size,
                                      .piece_max = 16384,
                                      .drained = on_drained,
                                      .gone = on_gone,
                                      .context = f});
    give(f);
}

static uint64_t sum_of(int fd, uint64_t size) {
    uint64_t sum = 0, at = 0;
    char piece[PIECE];
    for (ssize_t n; at < size && (n = pread(fd, piece, sizeof piece, (off_t)at)) > 0;)
        for (ssize_t i = 0; i < n; i++, at++)
            sum += piece[i] == byte_at(at);
    return sum;
}

static void handle(void *context, struct http_request *request) {
    struct fixture *f = context;
    const char *path = http_request_path(request);
    if (strcmp(path, "/known") == 0)
        answer_stream(f, request, (int64_t)f->size);
    else if (strcmp(path, "/open") == 0)
        answer_stream(f, request, -1);
    else if (strcmp(path, "/empty") == 0)
        http_respond(request, &(struct http_response){.status = 204});
    else {
        const struct http_file *file = http_request_file(request);
        f->file_size = file ? file->size : 0;
        f->file_sum = file ? sum_of(file->fd, file->size) : 0;
        f->begin_size = http_request_body(request).size;
        http_respond_json(request, 200, slice_of("{}"));
    }
}

/* A turn of the loop runs its timers first and then waits: what a timer brought about is seen. */
static void on_tick(uv_timer_t *timer) {}

static bool wants_spool(void *context, const struct http_request *request) {
    return ((struct fixture *)context)->spools;
}

static void open_all(struct fixture *f, const char *folder) {
    struct http_server_options options = {
        .host = "127.0.0.1",
        .spool = {.folder = folder, .bytes_max = 32 << 20, .wanted = wants_spool}};
    assert_int_equal(uv_loop_init(&f->loop), 0);
    uv_timer_init(&f->loop, &f->timer);
    uv_timer_init(&f->loop, &f->tick);
    uv_timer_start(&f->tick, on_tick, 10, 10);
    f->timer.data = f;
    assert_int_equal(http_server_open(&f->loop, &options, handle, f, &f->server), 0);
    f->client = http_client_open(&f->loop, 8);
    f->spools = folder != NULL;
}

static void close_all(struct fixture *f) {
    if (f->server)
        http_server_close(f->server, NULL, NULL);
    http_client_close(f->client);
    uv_close((uv_handle_t *)&f->timer, NULL);
    uv_close((uv_handle_t *)&f->tick, NULL);
    while (uv_loop_close(&f->loop) == UV_EBUSY)
        uv_run(&f->loop, UV_RUN_ONCE);
}

/* ---- the client's side ---- */

static void on_begun(void *context, int status, const char *content_type, int64_t size) {
    struct fixture *f = context;
    f->begun++;
    f->status = status;
    f->announced = size;
}

static void take(struct fixture *f, struct slice bytes) {
    for (size_t i = 0; i < bytes.size; i++)
        f->differs = f->differs || bytes.data[i] != byte_at(f->got + i);
    f->got += bytes.size;
}

static void on_resume(uv_timer_t *timer) {
    http_call_resume(((struct fixture *)timer->data)->call);
}

static bool on_piece(void *context, struct slice bytes) {
    struct fixture *f = context;
    f->pieces++;
    if (bytes.size > f->longest_piece)
        f->longest_piece = bytes.size;
    take(f, bytes);
    if (f->cancel_at && f->got >= f->cancel_at) {
        http_call_cancel(f->call);
        f->call = NULL;
        return false;
    }
    if (f->hold_every && f->pieces % (size_t)f->hold_every == 0) {
        if (!f->holds_for_ever)
            uv_timer_start(&f->timer, on_resume, 1, 0);
        return false;
    }
    return true;
}

static void on_answered(void *context, const struct http_answer *answer) {
    struct fixture *f = context;
    f->answered++;
    f->outcome = answer->outcome;
    if (answer->outcome == HTTP_ANSWERED)
        f->status = answer->status;
    take(f, answer->body);
    f->call = NULL;
    uv_timer_stop(&f->timer);
}

static const struct http_receiver receiver = {on_begun, on_piece};

static void get(struct fixture *f, const char *path) {
    AUTO_FREE char *url = text_format("http://127.0.0.1:%d%s", http_server_port(f->server), path);
    f->answered = f->begun = 0;
    f->got = f->pieces = 0;
    http_call_start(f->client,
                    &(struct http_call_options){.method = "GET", .url = url, .receiver = &receiver},
                    on_answered, f, &f->call);
}

static void wait_answer(struct fixture *f) {
    while (!f->answered)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static void test_down(void **state) {
    const char *const paths[] = {"/known", "/open"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f = {.size = LONG_BYTES};
        open_all(&f, NULL);
        get(&f, paths[i]);
        wait_answer(&f);
        assert_int_equal(f.outcome, HTTP_ANSWERED);
        assert_int_equal(f.begun, 1);
        assert_int_equal(f.announced, i == 0 ? LONG_BYTES : -1);
        assert_int_equal(f.got, LONG_BYTES);
        assert_false(f.differs);
        assert_true(f.most_waiting <= 2 * PIECE);
        assert_int_equal(f.gone, 0); /* it ended by itself */
        get(&f, "/empty");           /* the same connection, the same handle */
        wait_answer(&f);
        assert_int_equal(f.outcome, HTTP_ANSWERED);
        assert_int_equal(f.status, 204);
        assert_int_equal(f.begun, 0);
        close_all(&f);
    }
}

/* Who holds gets no more, nothing is lost, and the other side waits instead of filling memory. */
static void test_hold(void **state) {
    struct fixture f = {.size = LONG_BYTES, .hold_every = 4};
    open_all(&f, NULL);
    get(&f, "/known");
    wait_answer(&f);
    assert_int_equal(f.outcome, HTTP_ANSWERED);
    assert_int_equal(f.got, LONG_BYTES);
    assert_false(f.differs);
    assert_true(f.longest_piece <= 256 * 1024);
    close_all(&f);
}

static void on_wake(uv_timer_t *timer) {
    ((struct fixture *)timer->data)->woken = true;
}

static void run_ms(struct fixture *f, uint64_t ms) {
    uv_timer_start(&f->timer, on_wake, ms, 0);
    f->woken = false;
    while (!f->woken)
        uv_run(&f->loop, UV_RUN_ONCE);
}

/* A held call takes no more than it may keep; what the peer gave stands still. */
static void test_held_for_ever(void **state) {
    struct fixture f = {.size = LONG_BYTES, .hold_every = 1, .holds_for_ever = true};
    open_all(&f, NULL);
    get(&f, "/known");
    while (f.pieces == 0)
        uv_run(&f.loop, UV_RUN_ONCE);
    run_ms(&f, 300);
    uint64_t given = f.given;
    assert_true(given < LONG_BYTES);
    run_ms(&f, 200);
    assert_int_equal(f.given, given);
    assert_int_equal(f.pieces, 1);
    f.hold_every = 0;
    http_call_cancel(f.call); /* held and paused: its handle serves the next one */
    f.call = NULL;
    while (!f.gone) /* the server learns that the client has left */
        uv_run(&f.loop, UV_RUN_ONCE);
    get(&f, "/known");
    wait_answer(&f);
    assert_int_equal(f.got, LONG_BYTES);
    assert_false(f.differs);
    close_all(&f);
}

static void test_cancelled_inside(void **state) {
    struct fixture f = {.size = LONG_BYTES, .cancel_at = 1 << 20};
    open_all(&f, NULL);
    get(&f, "/known");
    while (!f.gone)
        uv_run(&f.loop, UV_RUN_ONCE);
    assert_int_equal(f.answered, 0);
    assert_true(f.got >= 1 << 20 && f.got < LONG_BYTES);
    close_all(&f);
}

/* What ends too early is not taken for whole. */
static void test_cut(void **state) {
    const char *const paths[] = {"/known", "/open"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f = {.size = 4 * PIECE, .leaves_it_open = true};
        open_all(&f, NULL);
        f.size = 8 * PIECE;
        get(&f, paths[i]);
        while (f.given < 4 * PIECE)
            uv_run(&f.loop, UV_RUN_ONCE);
        http_stream_end(f.stream, false);
        wait_answer(&f);
        assert_int_equal(f.outcome, HTTP_UNKNOWN);
        assert_false(f.differs);
        close_all(&f);
    }
}

/* A stream of events: long silence, then a piece; and the server that closes tells its owner. */
static void test_silence(void **state) {
    struct fixture f = {.size = 10, .leaves_it_open = true};
    open_all(&f, NULL);
    get(&f, "/open");
    while (f.got < 10)
        uv_run(&f.loop, UV_RUN_ONCE);
    run_ms(&f, 300);
    f.size = 20;
    give(&f);
    while (f.got < 20)
        uv_run(&f.loop, UV_RUN_ONCE);
    assert_false(f.differs);
    http_server_close(f.server, NULL, NULL);
    assert_int_equal(f.gone, 1);
    f.server = NULL;
    wait_answer(&f);
    assert_int_equal(f.outcome, HTTP_UNKNOWN);
    close_all(&f);
}

/* ---- up ---- */

static int long_file(uint64_t size) {
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    AUTO_FREE char *bytes = memory_new(size);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = byte_at(i);
    for (uint64_t at = 0; at < size;)
        at += (uint64_t)write(fd, bytes + at, size - at);
    return fd;
}

static void post(struct fixture *f, const struct http_file *file) {
    AUTO_FREE char *url = text_format("http://127.0.0.1:%d/up", http_server_port(f->server));
    f->answered = 0;
    http_call_start(
        f->client,
        &(struct http_call_options){
            .method = "POST", .url = url, .file = file, .content_type = "application/x-test"},
        on_answered, f, &f->call);
    wait_answer(f);
}

static size_t files_in(const char *folder) {
    AUTO_FREE char *command = text_format("ls -A %s | wc -l", folder);
    FILE *pipe = popen(command, "r");
    size_t count = 99;
    assert_int_equal(fscanf(pipe, "%zu", &count), 1);
    pclose(pipe);
    return count;
}

static void test_up(void **state) {
    struct fixture f = {0};
    char folder[] = "/tmp/spool-XXXXXX";
    assert_non_null(mkdtemp(folder));
    open_all(&f, folder);
    const uint64_t sizes[] = {LONG_BYTES, 1000, (1 << 20), (1 << 20) + 1, 0};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct http_file file = {long_file(sizes[i]), sizes[i]};
        post(&f, &file);
        close(file.fd);
        bool is_long = sizes[i] > 1 << 20;
        assert_int_equal(f.status, 200);
        assert_int_equal(f.file_size, is_long ? sizes[i] : 0);
        assert_int_equal(f.file_sum, is_long ? sizes[i] : 0);
        if (!is_long)
            assert_int_equal(f.begin_size, sizes[i]);
        else
            assert_true(f.begin_size > 0 && f.begin_size <= 1 << 20);
    }
    struct http_file too_long = {long_file((32 << 20) + 1), (32 << 20) + 1};
    post(&f, &too_long);
    assert_int_equal(f.status, 413);
    f.spools = false; /* this one's may not: it stays in memory, as far as that goes */
    post(&f, &(struct http_file){too_long.fd, 2 << 20});
    assert_int_equal(f.status, 200);
    assert_int_equal(f.file_size, 0);
    assert_int_equal(f.begin_size, 2 << 20);
    close(too_long.fd);
    assert_int_equal(files_in(folder), 0);
    close_all(&f);
    assert_int_equal(rmdir(folder), 0);
}

static void test_up_without_a_folder(void **state) {
    struct fixture f = {0};
    open_all(&f, "/nonexistent");
    struct http_file file = {long_file(4 << 20), 4 << 20};
    post(&f, &file);
    assert_int_equal(f.status, 507);
    post(&f, &(struct http_file){file.fd, 1000}); /* a short one needs none */
    assert_int_equal(f.status, 200);
    close(file.fd);
    close_all(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_down),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_held_for_ever),
        cmocka_unit_test(test_cancelled_inside),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_up),
        cmocka_unit_test(test_up_without_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
