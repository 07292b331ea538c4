/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "link/line_socket.h"
#include "link/link_test.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

struct side {
    struct line_connection *connection; /* the newest */
    int opened, closed, lines, reason;
    struct buffer text;
    bool echo, close_on_line;
};
struct fixture {
    uv_loop_t loop;
    char folder[32], path[64];
    struct line_server *server;
    struct side at_server, at_client;
};

static void on_opened(void *context, struct line_connection *connection) {
    struct side *side = context;
    side->connection = connection;
    side->opened++;
}

static void on_line(void *context, struct line_connection *connection, struct slice line) {
    struct side *side = context;
    assert_int_equal(line.data[line.size], 0);
    side->lines++;
    buffer_add(&side->text, line.data, line.size < 100 ? line.size : 100);
    buffer_add_text(&side->text, ";");
    if (side->echo)
        line_send(connection, line);
    if (side->close_on_line)
        line_close(connection);
}

static void on_closed(void *context, struct line_connection *connection, int reason) {
    struct side *side = context;
    side->closed++;
    side->reason = reason;
    if (side->connection == connection)
        side->connection = NULL;
}

static const struct line_events events = {on_opened, on_line, on_closed};

static struct line_options options_of(struct fixture *f, struct side *side) {
    return (struct line_options){.path = f->path,
                                 .events = &events,
                                 .context = side,
                                 .clients_max = 3,
                                 .line_bytes_max = 1000,
                                 .queue_bytes_max = 2000000};
}

static void open_all(struct fixture *f) {
    snprintf(f->folder, sizeof f->folder, "/tmp/line-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/control.sock", f->folder);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    struct line_options options = options_of(f, &f->at_server);
    assert_int_equal(line_server_open(&f->loop, &options, &f->server), 0);
}

static void close_all(struct fixture *f) {
    f->server = line_server_close(f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(f->at_server.opened, f->at_server.closed);
    buffer_deinit(&f->at_server.text);
    buffer_deinit(&f->at_client.text);
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(rmdir(f->folder), 0);
}

static struct line_connection *connect_client(struct fixture *f) {
    struct line_options options = options_of(f, &f->at_client);
    struct line_connection *client = NULL;
    assert_int_equal(line_connect(&f->loop, &options, &client), 0);
    return client;
}

#define RUN_UNTIL(f, condition)                                                                    \
    while (!(condition))                                                                           \
    uv_run(&(f)->loop, UV_RUN_ONCE)

static void test_lines(void **state) {
    struct fixture f = {.at_server.echo = true};
    open_all(&f);
    struct stat mode;
    assert_int_equal(stat(f.path, &mode), 0);
    assert_int_equal(mode.st_mode & 0777, 0600);
    struct line_connection *client = connect_client(&f);
    line_set_data(client, &f);
    assert_ptr_equal(line_data(client), &f);
    assert_int_equal(line_send(client, slice_of("before")), 0); /* not yet connected */
    assert_int_equal(line_send(client, slice_of("")), 0);
    RUN_UNTIL(&f, f.at_client.lines == 2);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(line_send(client, slice_of("x")), 0);
    RUN_UNTIL(&f, f.at_client.lines == 1002);
    assert_memory_equal(f.at_client.text.data, "before;;x;x;", 12);
    assert_int_equal(f.at_client.opened, 1);
    line_close(client);
    line_close(client);
    assert_int_equal(f.at_client.closed, 0); /* never from inside */
    RUN_UNTIL(&f, f.at_server.closed == 1);
    assert_int_equal(f.at_client.closed, 1);
    assert_int_equal(f.at_client.reason, 0);
    assert_int_equal(f.at_server.reason, 0);
    close_all(&f);
}

static void send_size(struct line_connection *connection, size_t size) {
    char *text = memory_new(size + 1);
    memset(text, 'y', size);
    (void)line_send(connection, (struct slice){text, size});
    free(text);
}

static void test_limits(void **state) {
    struct fixture f = {0};
    open_all(&f);
    struct line_connection *client = connect_client(&f);
    send_size(client, 1000);
    RUN_UNTIL(&f, f.at_server.lines == 1);
    send_size(client, 1001);
    RUN_UNTIL(&f, f.at_client.closed == 1);
    assert_int_equal(f.at_server.reason, -EMSGSIZE);
    assert_int_equal(f.at_server.lines, 1);
    for (int i = 0; i < 3; i++)
        connect_client(&f);
    RUN_UNTIL(&f, f.at_server.opened == 4);
    connect_client(&f); /* one too many */
    RUN_UNTIL(&f, f.at_client.closed == 2);
    assert_int_equal(f.at_server.opened, 4);
    assert_int_equal(f.at_client.reason, 0);
    close_all(&f);
    assert_int_equal(f.at_client.closed, 5);
}

/* A line without end must not grow beyond its limit. */
static void test_endless_line(void **state) {
    struct fixture f = {0};
    open_all(&f);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    for (int i = 0; i < 1000 && !f.at_server.closed; i++) {
        (void)!send(fd, "zzzzzzz", 7, MSG_NOSIGNAL);
        uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(f.at_server.reason, -EMSGSIZE);
    close(fd);
    close_all(&f);
}

/* The peer never reads: the queue fills up to its limit and the connection is closed for it. */
static void test_queue_full(void **state) {
    struct fixture f = {0};
    open_all(&f);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    RUN_UNTIL(&f, f.at_server.opened == 1);
    char line[1000];
    memset(line, 'q', sizeof line);
    int sent = 0, r = 0;
    while (sent < 100000 &&
           (r = line_send(f.at_server.connection, (struct slice){line, 1000})) == 0)
        sent++;
    assert_int_equal(r, LINE_CLOSED);
    assert_in_range(sent, 1998, 4000); /* the queue and what the kernel takes */
    assert_int_equal(line_send(f.at_server.connection, slice_of("x")), LINE_CLOSED);
    RUN_UNTIL(&f, f.at_server.closed == 1);
    assert_int_equal(f.at_server.reason, -ENOBUFS);
    close(fd);
    close_all(&f);
}

/* A peer that reads slowly still gets everything, in order. */
static void test_slow_reader(void **state) {
    struct fixture f = {0};
    open_all(&f);
    connect_client(&f);
    RUN_UNTIL(&f, f.at_server.opened == 1 && f.at_client.opened == 1);
    char line[16];
    for (int i = 0; i < 100000; i++) {
        snprintf(line, sizeof line, "%06d", i);
        assert_int_equal(line_send(f.at_server.connection, slice_of(line)), 0);
    }
    RUN_UNTIL(&f, f.at_client.lines == 100000);
    for (int i = 0; i < 100000; i++) {
        snprintf(line, sizeof line, "%06d;", i);
        if (memcmp(f.at_client.text.data + i * 7, line, 7) != 0)
            fail_msg("line %d differs", i);
    }
    close_all(&f);
}

static void test_close_inside(void **state) {
    struct fixture f = {.at_server.close_on_line = true};
    open_all(&f);
    struct line_connection *client = connect_client(&f);
    line_send(client, slice_of("one"));
    line_send(client, slice_of("two"));
    RUN_UNTIL(&f, f.at_client.closed == 1);
    assert_int_equal(f.at_server.lines, 1);
    client = connect_client(&f);
    line_close(client); /* before it is connected */
    RUN_UNTIL(&f, f.at_client.closed == 2);
    assert_int_equal(f.at_client.opened, 1);
    close_all(&f);
}

static void test_no_server(void **state) {
    struct fixture f = {0};
    open_all(&f);
    struct line_server *second = NULL;
    struct line_options options = options_of(&f, &f.at_server);
    assert_int_equal(line_server_open(&f.loop, &options, &second), -EADDRINUSE);
    uv_run(&f.loop, UV_RUN_NOWAIT);
    f.server = line_server_close(f.server);
    connect_client(&f);
    RUN_UNTIL(&f, f.at_client.closed == 1);
    assert_int_equal(f.at_client.reason, -ENOENT);
    assert_int_equal(f.at_client.opened, 0);
    /* Left behind by a server that was killed. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    connect_client(&f);
    RUN_UNTIL(&f, f.at_client.closed == 2);
    assert_int_equal(f.at_client.reason, -ECONNREFUSED);
    assert_int_equal(line_server_open(&f.loop, &options, &f.server), 0);
    f.server = line_server_close(f.server);
    /* Something else lies there: not ours to remove. */
    FILE *file = fopen(f.path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(line_server_open(&f.loop, &options, &second), -EEXIST);
    assert_int_equal(unlink(f.path), 0);
    char path[200] = {0};
    memset(path, 'p', 108);
    options.path = path;
    assert_int_equal(line_server_open(&f.loop, &options, &second), -ENAMETOOLONG);
    struct line_connection *client = NULL;
    assert_int_equal(line_connect(&f.loop, &options, &client), -ENAMETOOLONG);
    close_all(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_endless_line), cmocka_unit_test(test_queue_full),
        cmocka_unit_test(test_slow_reader),  cmocka_unit_test(test_close_inside),
        cmocka_unit_test(test_no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
