/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi_socket interface on libuv. Easy handles are pooled (a new one costs a third of a
 * small call), and so are the uv_polls, one per descriptor number.
 *
 * What was sent is known exactly: libcurl calls on_request once per attempt, when connection, proxy
 * and TLS stand and before the first byte of the request. By itself it would repeat a request, POST
 * too, when a reused connection dies without an answer; on_request refuses that as soon as one byte
 * of the first attempt was written. No callback of ours runs inside libcurl: what a receiver is to
 * hear waits in its call, and the call in client->news, until the library has returned. */
#include "link/http_client.h"
#include "base/buffer.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

enum {
    HANDLES_IDLE_MAX = 64,
    HEADER_BYTES_MAX = 256 * 1024,
    WAITING_LOOK_MS = 50,
    RECEIVER_BYTES_MAX = 256 * 1024, /* kept for a receiver before the peer has to wait */
    SILENCE_BYTES_MIN = 1,           /* a second, on average: the library's measure of silence */
    CONNECTION_IDLE_S_MAX = 60, /* below what servers keep: fewer requests meet a closing peer */
};

struct http_call {
    struct http_client *client;
    CURL *easy;
    struct http_call *previous, *next;
    http_answered *answered;
    void *context;
    struct curl_slist *headers;
    char *request_body;
    struct http_file file; /* fd -1: none */
    uint64_t file_at;
    const struct http_receiver *receiver;
    struct http_call *next_news;
    bool has_news, begun, holding, paused; /* of a receiver */
    struct buffer body;
    size_t answer_bytes_max, header_bytes;
    bool headers_whole;
    int64_t due_ms; /* of the loop's clock: its time is over then */
    int64_t total_ms;
    bool sent;        /* handed to the library */
    bool started;     /* an attempt had its connection */
    long sent_before; /* what a proxy was told until then */
    bool repeat_refused, too_large, bad_options, bad_file;
    char error[CURL_ERROR_SIZE];
    char *sentence; /* of the answer, where it is longer; or NULL */
};
struct socket_watch {
    uv_poll_t poll;
    struct http_client *client;
    int fd;
    int events; /* watched now */
};
struct http_client {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    struct http_call *calls;            /* under way */
    struct http_call *news;             /* with something for their receivers */
    size_t call_count, connections_max; /* call_count: sent and not yet reported */
    uv_timer_t waiting; /* runs while more calls are under way than there may be connections */
    CURL *idle[HANDLES_IDLE_MAX];
    size_t idle_count;
    struct socket_watch **watches; /* by descriptor */
    size_t watch_count;
    int handles_open;
    bool delivering, closing;
};

/* --- what libcurl tells --- */

static void add_news(struct http_call *call) {
    if (call->has_news)
        return;
    call->has_news = true;
    call->next_news = call->client->news;
    call->client->news = call;
}

static size_t on_piece(struct http_call *call, const char *bytes, size_t size) {
    if (call->body.size && call->body.size + size > RECEIVER_BYTES_MAX) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    buffer_add(&call->body, bytes, size);
    add_news(call);
    return size;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    if (call->receiver)
        return on_piece(call, bytes, size * count);
    if (size * count > call->answer_bytes_max - call->body.size) {
        call->too_large = true;
        return 0;
    }
    buffer_add(&call->body, bytes, size * count);
    return size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    call->header_bytes += size * count;
    if (call->header_bytes > HEADER_BYTES_MAX) {
        call->too_large = true;
        return 0;
    }
    if (size * count >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        call->headers_whole = false; /* also the head that follows a 100 Continue */
    else if (size * count <= 2)
        call->headers_whole = true; /* the empty line */
    return size * count;
}

static size_t on_file(char *to, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    uint64_t left = call->file.size - call->file_at;
    size_t most = left < size * count ? (size_t)left : size * count;
    ssize_t n = pread(call->file.fd, to, most, (off_t)call->file_at);
    if (n < 0)
        return CURL_READFUNC_ABORT;
    call->file_at += (uint64_t)n;
    return (size_t)n;
}

static int on_seek(void *context, curl_off_t offset, int origin) {
    struct http_call *call = context;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > call->file.size)
        return CURL_SEEKFUNC_CANTSEEK;
    call->file_at = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static long sent_bytes(const struct http_call *call) {
    long size = 0;
    CURLcode code = curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &size);
    must(code == CURLE_OK);
    return size;
}

static int on_request(void *context, char *their_ip, char *our_ip, int their_port, int our_port) {
    struct http_call *call = context;
    if (!call->started) {
        call->started = true;
        call->sent_before = sent_bytes(call);
    } else if (sent_bytes(call) > call->sent_before) {
        call->repeat_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

/* --- easy handles --- */

static CURL *easy_new(void) {
    CURL *easy = curl_easy_init();
    must(easy);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_file);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* else the environment is asked */
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S_MAX);
    return easy;
}

static CURL *easy_take(struct http_client *client) {
    return client->idle_count ? client->idle[--client->idle_count] : easy_new();
}

static void easy_give(struct http_client *client, CURL *easy) {
    if (client->idle_count < HANDLES_IDLE_MAX)
        client->idle[client->idle_count++] = easy;
    else
        curl_easy_cleanup(easy);
}

/* --- options of one call: every one that differs between calls is set each time --- */

static bool text_is_one_line(const char *text) {
    return text[strcspn(text, "\r\n")] == 0;
}

static void call_add_line(struct http_call *call, const char *line) {
    struct curl_slist *list = curl_slist_append(call->headers, line);
    must(list);
    call->headers = list;
}

static void call_add_header(struct http_call *call, const char *name, const char *value) {
    if (!text_is_one_line(name) || !text_is_one_line(value) || !*name) {
        call->bad_options = true;
        return;
    }
    /* "Name:" would remove a header, "Name;" sends an empty one. */
    AUTO_FREE char *line = *value ? text_format("%s: %s", name, value) : text_format("%s;", name);
    call_add_line(call, line);
}

static void call_set_headers(struct http_call *call, const struct http_call_options *options) {
    for (size_t i = 0; i < options->header_count; i++)
        call_add_header(call, options->headers[i].name, options->headers[i].value);
    if (options->content_type)
        call_add_header(call, "Content-Type", options->content_type);
    else
        call_add_line(call, "Content-Type:"); /* libcurl would invent one for a body */
    call_add_line(call, "Expect:");
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void call_set_method(struct http_call *call, const struct http_call_options *options) {
    const char *method = options->method;
    if (!*method || method[strcspn(method, " \r\n\t")])
        call->bad_options = true;
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, NULL); /* makes it a POST, so first */
    curl_easy_setopt(call->easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, NULL);
    bool post = strcmp(method, "POST") == 0, head = strcmp(method, "HEAD") == 0;
    if (options->file) {
        int fd = fcntl(options->file->fd, F_DUPFD_CLOEXEC, 0);
        call->file = (struct http_file){fd, options->file->size};
        call->bad_file = call->file.fd < 0;
        curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->file.size);
    } else if (post ||
               (options->body.size && !head)) { /* HEAD: the library would wait for a body back */
        call->request_body = text_copy_n(options->body.data, options->body.size);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body.size);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->request_body);
    } else if (head) {
        curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
    }
    if (!post && strcmp(method, "GET") != 0 && !head)
        curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
    else if (!post && options->body.size && !head)
        curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void call_set_options(struct http_call *call, const struct http_call_options *options) {
    CURL *easy = call->easy;
    int64_t connect_ms = options->connect_ms_max ? options->connect_ms_max : 10000;
    call->total_ms = options->total_ms_max ? options->total_ms_max : 60000;
    call->answer_bytes_max = options->answer_bytes_max ? options->answer_bytes_max : 64u << 20;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_READDATA, call);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)SILENCE_BYTES_MIN);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)((options->silence_ms_max + 999) / 1000));
    curl_easy_setopt(easy, CURLOPT_URL, options->url);
    curl_easy_setopt(easy, CURLOPT_PROXY, options->proxy ? options->proxy : "");
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->total_ms);
    call_set_method(call, options);
    call_set_headers(call, options);
}

/* --- the end of a call --- */

static void drop_news(struct http_call *call) {
    struct http_call **place = &call->client->news;
    while (call->has_news && *place != call)
        place = &(*place)->next_news;
    if (call->has_news)
        *place = call->next_news;
    call->has_news = false;
}

static struct http_call *call_free(struct http_call *call) {
    struct http_client *client = call->client;
    drop_news(call);
    curl_multi_remove_handle(client->multi, call->easy);
    curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, NULL);
    easy_give(client, call->easy);
    client->call_count -= call->sent;
    *(call->previous ? &call->previous->next : &client->calls) = call->next;
    if (call->next)
        call->next->previous = call->previous;
    curl_slist_free_all(call->headers);
    free(call->request_body);
    if (call->file.fd >= 0)
        close(call->file.fd);
    free(call->sentence);
    buffer_deinit(&call->body);
    free(call);
    return NULL;
}

static int64_t retry_after(CURL *easy) {
    struct curl_header *header;
    curl_off_t seconds = 0;
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return -1;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 ? seconds : 0; /* a date that has passed is now */
}

/* The library's own sentence only where it is known to tell of hosts and sockets, never of paths:
 * paths hold tokens. */
static const char *error_sentence(const struct http_call *call, CURLcode code) {
    if (call->repeat_refused)
        return "the kept-alive connection died after the request was written";
    if (call->too_large || code == CURLE_FILESIZE_EXCEEDED)
        return "the answer is larger than allowed";
    if (call->bad_file)
        return "no file descriptor is free for the body";
    if (call->bad_options)
        return "the method or a header holds a character that it must not";
    if (code == CURLE_OK)
        return "the answer ended before its headers did";
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return call->error[0] ? call->error : curl_easy_strerror(code);
    default:
        return curl_easy_strerror(code);
    }
}

static void call_fill_answer(struct http_call *call, CURLcode code, struct http_answer *answer) {
    long status = 0;
    curl_off_t total_us = 0;
    const char *type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    answer->total_ms = total_us / 1000;
    answer->content_type = answer->error = "";
    answer->retry_after_s = -1;
    /* A head that ends in the middle passes for an answer in the library. */
    if (code != CURLE_OK || status < 200 || status > 599 || !call->headers_whole) {
        bool sent = call->started && sent_bytes(call) > call->sent_before;
        answer->outcome = sent ? HTTP_UNKNOWN : HTTP_NOT_SENT;
        answer->error = error_sentence(call, code);
        if (status >= 300 && code != CURLE_OK) /* it tells more than how it was cut */
            answer->error = call->sentence =
                text_format("%s, in an answer that began with HTTP %ld", answer->error, status);
        return;
    }
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    answer->outcome = HTTP_ANSWERED;
    answer->status = (int)status;
    answer->body = (struct slice){call->body.data ? call->body.data : "", call->body.size};
    answer->content_type = type ? type : "";
    answer->retry_after_s = retry_after(call->easy);
}

static void call_deliver(struct http_call *call, CURLcode code) {
    struct http_answer answer = {0};
    drop_news(call);
    call_fill_answer(call, code, &answer);
    call->answered(call->context, &answer);
    call_free(call);
}

/* ---- receivers ---- */

static void on_timer(uv_timer_t *timer);

static void tell_begun(struct http_call *call) {
    const struct http_receiver *receiver = call->receiver;
    long status = 0;
    curl_off_t size = -1;
    const char *type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    call->begun = true;
    receiver->begun(call->context, (int)status, type ? type : "", size);
}

/* One thing at a time: what is told may cancel the call, and then it is gone from the list. */
static void tell_news(struct http_client *client) {
    struct http_call *call = client->news;
    if (!call->begun) {
        tell_begun(call);
        return;
    }
    drop_news(call);
    if (call->holding || call->body.size == 0)
        return;
    AUTO_BUFFER struct buffer body = call->body;
    call->body = (struct buffer){0};
    call->holding = true; /* resumed from inside piece(), it is not */
    if (call->receiver->piece(call->context, buffer_slice(&body)))
        http_call_resume(call);
}

void http_call_resume(struct http_call *call) {
    if (!call->holding)
        return;
    call->holding = false;
    if (call->body.size)
        add_news(call);
    if (call->paused) {
        call->paused = false;
        CURLcode code = curl_easy_pause(call->easy, CURLPAUSE_CONT);
        (void)code; /* what fails now is reported with the end of the call */
    }
    uv_timer_start(&call->client->timer, on_timer, 0, 0);
}

static void client_shut(struct http_client *client);

/* Callers may start, cancel and close in their callbacks: the list is asked anew each time. */
static void deliver_finished(struct http_client *client) {
    CURLMsg *message;
    int left;
    client->delivering = true;
    while (!client->closing && client->news)
        tell_news(client);
    while (!client->closing && (message = curl_multi_info_read(client->multi, &left))) {
        struct http_call *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        call_deliver(call, message->data.result);
    }
    client->delivering = false;
    if (client->closing)
        client_shut(client);
}

/* --- the loop --- */

static void on_socket_ready(uv_poll_t *poll, int status, int events) {
    struct socket_watch *watch = poll->data;
    int flags = 0, running;
    if (status < 0) { /* the peer has reset it, perhaps behind a whole answer: reading tells */
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
        int r = uv_poll_start(poll, watch->events, on_socket_ready); /* it was stopped */
        must(r == 0);
    }
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(watch->client->multi, watch->fd, flags, &running);
    deliver_finished(watch->client);
}

static void on_timer(uv_timer_t *timer) {
    struct http_client *client = timer->data;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    deliver_finished(client);
}

/* The library does not look at the time of a call that waits for a free connection. */
static void on_waiting(uv_timer_t *timer) {
    struct http_client *client = timer->data;
    int64_t now = (int64_t)uv_now(client->loop);
    client->delivering = true;
    for (struct http_call *call = client->calls; call && !client->closing;) {
        bool over = !call->started && call->due_ms <= now;
        if (over)
            call_deliver(call, CURLE_OPERATION_TIMEDOUT);
        call = over ? client->calls : call->next; /* a callback may have changed the list */
    }
    client->delivering = false;
    if (client->closing)
        client_shut(client);
    else if (client->call_count <= client->connections_max)
        uv_timer_stop(&client->waiting);
}

static int on_timeout_wanted(CURLM *multi, long timeout_ms, void *context) {
    struct http_client *client = context;
    if (timeout_ms < 0)
        return uv_timer_stop(&client->timer);
    return uv_timer_start(&client->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static struct socket_watch *watch_of(struct http_client *client, int fd) {
    size_t place = (size_t)fd;
    if (place >= client->watch_count) {
        size_t count = place + 16;
        client->watches = memory_grow(client->watches, count, sizeof *client->watches);
        memset(client->watches + client->watch_count, 0,
               (count - client->watch_count) * sizeof *client->watches);
        client->watch_count = count;
    }
    struct socket_watch **watch = &client->watches[place];
    if (!*watch) {
        *watch = memory_new(sizeof **watch);
        (*watch)->client = client;
        (*watch)->fd = fd;
        (*watch)->poll.data = *watch;
        int r = uv_poll_init(client->loop, &(*watch)->poll, fd);
        must(r == 0);
        client->handles_open++;
    }
    return *watch;
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *unused) {
    struct socket_watch *watch = watch_of(context, fd);
    int events = what == CURL_POLL_REMOVE ? 0
                                          : (what & CURL_POLL_IN ? UV_READABLE : 0) |
                                                (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    int r = 0;
    if (events == 0)
        r = uv_poll_stop(&watch->poll); /* the number may be another socket next time */
    else if (events != watch->events)
        r = uv_poll_start(&watch->poll, events, on_socket_ready);
    must(r == 0);
    watch->events = events;
    return 0;
}

/* --- calls --- */

/* The first step now: over a kept connection the request leaves before this returns, not a turn of
 * the loop later. What has ended already (a bad URL) is reported by the loop. */
static void take_first_step(struct http_client *client) {
    int running = 0;
    CURLMcode code = curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    must(code == CURLM_OK);
    if ((size_t)running < client->call_count)
        uv_timer_start(&client->timer, on_timer, 0, 0);
}

struct http_call *http_call_prepare(struct http_client *client,
                                    const struct http_call_options *options,
                                    http_answered *answered, void *context) {
    must(!client->closing && options->method && options->url && answered);
    struct http_call *call = memory_new(sizeof *call);
    call->client = client;
    call->easy = easy_take(client);
    call->answered = answered;
    call->context = context;
    call->receiver = options->receiver;
    call->file.fd = -1;
    call->next = client->calls;
    if (client->calls)
        client->calls->previous = call;
    client->calls = call;
    call->due_ms = INT64_MAX;
    call_set_options(call, options);
    if (call->bad_options || call->bad_file) /* reported by the loop like every other failure */
        curl_easy_setopt(call->easy, CURLOPT_URL, "");
    return call;
}

void http_call_send(struct http_call *call) {
    struct http_client *client = call->client;
    call->due_ms = (int64_t)uv_now(client->loop) + call->total_ms;
    call->sent = true;
    if (++client->call_count > client->connections_max)
        uv_timer_start(&client->waiting, on_waiting, WAITING_LOOK_MS, WAITING_LOOK_MS);
    CURLMcode code = curl_multi_add_handle(client->multi, call->easy);
    must(code == CURLM_OK);
    take_first_step(client);
}

void http_call_start(struct http_client *client, const struct http_call_options *options,
                     http_answered *answered, void *context, struct http_call **ret_call) {
    struct http_call *call = http_call_prepare(client, options, answered, context);
    if (ret_call)
        *ret_call = call;
    http_call_send(call);
}

void http_call_cancel(struct http_call *call) {
    call_free(call);
}

/* --- opening and closing --- */

static void client_free_when_closed(struct http_client *client) {
    if (client->handles_open)
        return;
    free(client->watches);
    free(client);
}

static void on_timer_closed(uv_handle_t *handle) {
    struct http_client *client = handle->data;
    client->handles_open--;
    client_free_when_closed(client);
}

static void on_watch_closed(uv_handle_t *handle) {
    struct socket_watch *watch = handle->data;
    struct http_client *client = watch->client;
    client->handles_open--;
    free(watch);
    client_free_when_closed(client);
}

static void client_shut(struct http_client *client) {
    while (client->calls)
        call_free(client->calls);
    while (client->idle_count)
        curl_easy_cleanup(client->idle[--client->idle_count]);
    curl_multi_cleanup(client->multi); /* tells on_socket_wanted of the connections it closes */
    for (size_t i = 0; i < client->watch_count; i++) {
        if (client->watches[i])
            uv_close((uv_handle_t *)&client->watches[i]->poll, on_watch_closed);
    }
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
    uv_close((uv_handle_t *)&client->waiting, on_timer_closed);
}

struct http_client *http_client_open(uv_loop_t *loop, uint32_t connections_max) {
    static bool global_done;
    CURLcode code = global_done ? CURLE_OK : curl_global_init(CURL_GLOBAL_DEFAULT);
    must(code == CURLE_OK);
    global_done = true;
    signal(SIGPIPE, SIG_IGN); /* TLS writes without MSG_NOSIGNAL */
    struct http_client *client = memory_new(sizeof *client);
    client->loop = loop;
    client->multi = curl_multi_init();
    must(client->multi);
    client->handles_open = 2;
    client->timer.data = client->waiting.data = client;
    uv_timer_init(loop, &client->timer);
    uv_timer_init(loop, &client->waiting);
    long count = connections_max ? (long)connections_max : 64;
    client->connections_max = (size_t)count;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, count);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, count);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return client;
}

struct http_client *http_client_close(struct http_client *client) {
    if (!client || client->closing)
        return NULL;
    client->closing = true;
    if (!client->delivering)
        client_shut(client);
    return NULL;
}
