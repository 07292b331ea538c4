/* SPDX-License-Identifier: Apache-2.0 */
/* bench-alerts-load - POSTs alerts over kept connections, on each one request at a time.
 *
 *   --port P --path /v1/alerts   where to, on 127.0.0.1
 *   --body FILE                  one alert; ten '#' in it become its number
 *   --batch N                    N alerts in a list a request; without it one, as it is in FILE
 *   --connections N              so many requests in flight (1)
 *   --alerts N | --seconds S     when to end
 *   --first N                    number of the first alert (0)
 *   --rate N                     at most N requests a second; without it as fast as answers come
 *   --notes FILE                 "NUMBER BEGUN ANSWERED" of each request that was answered with
 * 2xx, CLOCK_MONOTONIC in nanoseconds; says "begun" after the first one, and a connection that
 * breaks ends it without an error: what was answered before a kill
 *
 * Bodies are made before; a request gets only its numbers. Prints a line of JSON. Exits 1 when
 * there was an answer that is not 2xx, or (without --notes) a broken connection. */
#include "base/buffer.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1000,
    STATUS_MAX = 600,
    ANSWER_BYTES_MAX = 1 << 16,
    NUMBER_DIGITS = 10,
    BODY_BYTES_MAX = 4096,
    EVENTS = 64,
    LAST_S_MAX = 10, /* for the answers that are still on their way at the end */
};
#define SECOND_NS INT64_C(1000000000)
static const char hole[NUMBER_DIGITS + 1] = "##########";

struct options {
    const char *path, *body, *notes;
    int64_t port, batch, connections, alerts, seconds, first, rate;
};
struct connection {
    int fd; /* -1: broken */
    char *request;
    size_t sent, got, whole; /* whole: bytes of the answer, 0 while its head is not complete */
    int64_t number, begun_ns;
    bool busy;
    char answer[ANSWER_BYTES_MAX];
};
struct load {
    struct options options;
    int epoll;
    struct connection *connections;
    size_t request_bytes, *holes, hole_count; /* the same in every request */
    int64_t requests, next, started, answered, open, in_flight;
    int64_t begun_ns, last_ns;
    int32_t *took_us; /* as many as answered */
    size_t took_capacity;
    int64_t statuses[STATUS_MAX];
    bool broken;
    FILE *notes;
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static _Noreturn void give_up(const char *what) {
    fprintf(stderr, "bench-alerts-load: %s\n", what);
    exit(1);
}

/* ---- the requests, made before ---- */

static void read_body(const char *path, char ret[BODY_BYTES_MAX]) {
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(ret, 1, BODY_BYTES_MAX - 1, file) : 0;
    if (file)
        fclose(file);
    while (size > 0 && ret[size - 1] == '\n')
        size--;
    ret[size] = 0;
    if (!strstr(ret, hole))
        give_up("--body has no place for a number");
}

static void make_request(struct load *load, struct buffer *ret) {
    char one[BODY_BYTES_MAX];
    AUTO_BUFFER struct buffer body = {0};
    int64_t count = load->options.batch ? load->options.batch : 1;
    read_body(load->options.body, one);
    buffer_add_text(&body, load->options.batch ? "[" : "");
    for (int64_t i = 0; i < count; i++)
        buffer_print(&body, "%s%s", i ? "," : "", one);
    buffer_add_text(&body, load->options.batch ? "]" : "");
    buffer_print(ret,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 load->options.path, body.size, body.data);
    load->holes = memory_array((size_t)count, sizeof *load->holes);
    for (char *at = ret->data; (at = strstr(at, hole)); at += NUMBER_DIGITS)
        if (load->hole_count < (size_t)count)
            load->holes[load->hole_count++] = (size_t)(at - ret->data);
    load->request_bytes = ret->size;
}

static void set_number(char *place, int64_t number) {
    for (int i = NUMBER_DIGITS - 1; i >= 0; i--, number /= 10)
        place[i] = (char)('0' + number % 10);
}

/* ---- connections ---- */

static void open_connection(struct load *load, struct connection *connection,
                            const struct buffer *request) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)load->options.port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0)
        give_up("cannot connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->request = text_copy_n(request->data, request->size);
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        give_up("epoll");
    load->open++;
}

static void break_connection(struct load *load, struct connection *connection) {
    close(connection->fd);
    connection->fd = -1;
    load->broken = true;
    load->open--;
    load->in_flight -= connection->busy;
    connection->busy = false;
}

static void write_more(struct load *load, struct connection *connection) {
    while (connection->busy && connection->sent < load->request_bytes) {
        ssize_t n = send(connection->fd, connection->request + connection->sent,
                         load->request_bytes - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; /* no room now; or broken, which the read will see */
        connection->sent += (size_t)n;
    }
}

static bool may_begin(const struct load *load, int64_t now) {
    const struct options *options = &load->options;
    if (load->broken || load->started == load->requests ||
        (options->seconds && now - load->begun_ns >= options->seconds * SECOND_NS))
        return false;
    return !options->rate ||
           load->started <= (now - load->begun_ns) / 1000 * options->rate / 1000000;
}

static void begin(struct load *load, struct connection *connection, int64_t now) {
    connection->number = load->next;
    for (size_t i = 0; i < load->hole_count; i++)
        set_number(connection->request + load->holes[i], load->next++);
    connection->sent = connection->got = connection->whole = 0;
    connection->busy = true;
    connection->begun_ns = now;
    load->started++;
    load->in_flight++;
    write_more(load, connection);
}

/* ---- answers ---- */

static void note(struct load *load, const struct connection *connection, int64_t now) {
    if (!load->notes)
        return;
    fprintf(load->notes, "%lld %lld %lld\n", (long long)connection->number,
            (long long)connection->begun_ns, (long long)now);
    if (load->answered == 1) {
        puts("begun");
        fflush(stdout);
    }
}

static void count(struct load *load, struct connection *connection, int64_t now) {
    long status = strtol(connection->answer + 9, NULL, 10);
    if ((size_t)load->answered == load->took_capacity) {
        load->took_capacity = load->took_capacity ? load->took_capacity * 2 : 65536;
        load->took_us = memory_grow(load->took_us, load->took_capacity, sizeof *load->took_us);
    }
    load->took_us[load->answered++] = (int32_t)((now - connection->begun_ns) / 1000);
    load->statuses[status > 0 && status < STATUS_MAX ? status : 0]++;
    load->last_ns = now;
    load->in_flight--;
    connection->busy = false;
    if (status >= 200 && status < 300)
        note(load, connection, now);
}

static void read_head(struct connection *connection) {
    connection->answer[connection->got] = 0;
    const char *end = strstr(connection->answer, "\r\n\r\n");
    if (!end)
        return;
    const char *length = strcasestr(connection->answer, "\r\ncontent-length:");
    if (!length || length > end)
        give_up("an answer without Content-Length");
    connection->whole = (size_t)(end - connection->answer) + 4 + strtoul(length + 17, NULL, 10);
    if (connection->whole >= ANSWER_BYTES_MAX)
        give_up("an answer that is too large");
}

/* Until there is nothing more to read. */
static void read_more(struct load *load, struct connection *connection) {
    while (connection->fd >= 0) {
        ssize_t n = recv(connection->fd, connection->answer + connection->got,
                         ANSWER_BYTES_MAX - 1 - connection->got, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || !connection->busy) {
            break_connection(load, connection);
            return;
        }
        connection->got += (size_t)n;
        if (!connection->whole)
            read_head(connection);
        if (!connection->whole || connection->got < connection->whole)
            continue;
        int64_t now = now_ns();
        count(load, connection, now);
        if (!may_begin(load, now))
            return;
        begin(load, connection, now);
    }
}

/* ---- the run ---- */

static void begin_idle(struct load *load) {
    for (int64_t i = 0; i < load->options.connections; i++) {
        struct connection *connection = &load->connections[i];
        int64_t now = now_ns();
        if (connection->fd >= 0 && !connection->busy && may_begin(load, now))
            begin(load, connection, now);
    }
}

static bool is_over(const struct load *load, int64_t now) {
    const struct options *options = &load->options;
    bool enough = load->started == load->requests || load->broken ||
                  (options->seconds && now - load->begun_ns >= options->seconds * SECOND_NS);
    if (load->open == 0 || (enough && load->in_flight == 0))
        return true;
    return enough && now - load->last_ns > LAST_S_MAX * SECOND_NS;
}

static void run(struct load *load) {
    struct epoll_event events[EVENTS];
    load->begun_ns = load->last_ns = now_ns();
    begin_idle(load);
    while (!is_over(load, now_ns())) {
        int n = epoll_wait(load->epoll, events, EVENTS, load->options.rate ? 1 : 100);
        for (int i = 0; i < n; i++) {
            struct connection *connection = events[i].data.ptr;
            write_more(load, connection);
            read_more(load, connection);
        }
        if (load->options.rate)
            begin_idle(load);
    }
}

static int compare(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int print(struct load *load) {
    int64_t n = load->answered, failed = n;
    double seconds = (double)(load->last_ns - load->begun_ns) / 1e9;
    int64_t alerts = n * (int64_t)load->hole_count;
    if (n > 0)
        qsort(load->took_us, (size_t)n, sizeof *load->took_us, compare);
    printf(
        "{\"requests\":%lld,\"alerts\":%lld,\"seconds\":%.3f,\"requests_s\":%.1f,"
        "\"alerts_s\":%.1f,\"p50_us\":%d,\"p99_us\":%d,\"max_us\":%d,\"broken\":%s,\"statuses\":{",
        (long long)n, (long long)alerts, seconds, n ? (double)n / seconds : 0,
        n ? (double)alerts / seconds : 0, n ? load->took_us[(n - 1) / 2] : 0,
        n ? load->took_us[(n - 1) * 99 / 100] : 0, n ? load->took_us[n - 1] : 0,
        load->broken ? "true" : "false");
    const char *between = "";
    for (int i = 0; i < STATUS_MAX; i++) {
        if (load->statuses[i])
            printf("%s\"%d\":%lld", between, i, (long long)load->statuses[i]);
        between = load->statuses[i] ? "," : between;
        failed -= i >= 200 && i < 300 ? load->statuses[i] : 0;
    }
    printf("}}\n");
    return failed > 0 || (load->broken && !load->notes) || n == 0;
}

static struct options read_options(int argc, char **argv) {
    enum { PATH, BODY, NOTES, NUMBERS };
    static const struct option names[] = {
        {"path", required_argument, NULL, PATH},
        {"body", required_argument, NULL, BODY},
        {"notes", required_argument, NULL, NOTES},
        {"port", required_argument, NULL, NUMBERS},
        {"batch", required_argument, NULL, NUMBERS + 1},
        {"connections", required_argument, NULL, NUMBERS + 2},
        {"alerts", required_argument, NULL, NUMBERS + 3},
        {"seconds", required_argument, NULL, NUMBERS + 4},
        {"first", required_argument, NULL, NUMBERS + 5},
        {"rate", required_argument, NULL, NUMBERS + 6},
        {0},
    };
    struct options ret = {.connections = 1};
    int64_t *numbers[] = {&ret.port,    &ret.batch, &ret.connections, &ret.alerts,
                          &ret.seconds, &ret.first, &ret.rate};
    const char **texts[] = {&ret.path, &ret.body, &ret.notes};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c >= 0 && c < NUMBERS)
            *texts[c] = optarg;
        else if (c == '?' || text_to_int(optarg, 0, 9999999999, numbers[c - NUMBERS]) < 0)
            give_up("the top of bench/alerts_load.c says what it takes");
    }
    if (!ret.port || !ret.path || !ret.body || !(ret.alerts || ret.seconds) || !ret.connections ||
        ret.connections > CONNECTIONS_MAX)
        give_up("--port, --path, --body, and --alerts or --seconds are needed");
    return ret;
}

int main(int argc, char **argv) {
    struct load load = {.options = read_options(argc, argv), .epoll = epoll_create1(EPOLL_CLOEXEC)};
    const struct options *options = &load.options;
    AUTO_BUFFER struct buffer request = {0};
    make_request(&load, &request);
    int64_t each = options->batch ? options->batch : 1;
    load.requests = options->alerts ? (options->alerts + each - 1) / each : INT64_MAX;
    load.next = options->first;
    load.notes = options->notes ? fopen(options->notes, "w") : NULL;
    if (options->notes && !load.notes)
        give_up("the file of --notes cannot be written");
    load.connections = memory_array((size_t)options->connections, sizeof *load.connections);
    for (int64_t i = 0; i < options->connections; i++)
        open_connection(&load, &load.connections[i], &request);
    run(&load);
    if (load.notes && fclose(load.notes) != 0)
        give_up("the file of --notes cannot be written");
    return print(&load);
}
