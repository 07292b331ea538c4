/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hub_client.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/screen.h"
#include "wire/config.h"
#include "wire/config_files.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    PORT_USUAL = 8001,
    ANSWER_MS_MAX = 40000 /* the hub's store waits 30 s for a lock */,
    ANSWER_BYTES_MAX = 64 << 20
};

/* ---- whom to ask ---- */

uint16_t hub_port(const struct cli *cli, const struct places *places, uint16_t fallback) {
    if (cli->port)
        return cli->port;
    AUTO_FREE char *path = path_join(places->run, "hub.port");
    AUTO_FREE char *text = NULL;
    long port = file_read(path, 64, &text, NULL) == 0 ? strtol(text, NULL, 10) : 0;
    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : fallback;
}

/* As the keeper recorded it; without a record, or without the right to read it, the files. */
static struct config *load_config(const struct cli *cli, const struct places *places,
                                  struct config_errors *errors) {
    AUTO_FREE char *record = config_in_force_path(places->run);
    struct config_files files = {0};
    struct config *config = NULL;
    int r = config_files_open(record, &files);
    r = r < 0 ? r : config_load_files(cli->config_path, places->run, &files, &config, errors);
    config_files_deinit(&files);
    if (r != 0) {
        config_errors_deinit(errors);
        *errors = (struct config_errors){0};
        r = config_load(cli->config_path, places->run, &config, errors);
    }
    return r == 0 ? config : NULL;
}

static void take_config(struct hub_peer *peer, const struct config *config) {
    bool anywhere = strcmp(config->http.host, "0.0.0.0") == 0;
    peer->host = text_copy(anywhere                               ? "127.0.0.1"
                           : strcmp(config->http.host, "::") == 0 ? "::1"
                                                                  : config->http.host);
    if (secret_is_set(&config->http.token))
        peer->token = text_copy(config->http.token.value);
    free(peer->config_path);
    peer->config_path = text_copy(config->path);
    config_register_secrets(config);
}

struct hub_peer hub_find(const struct cli *cli, const struct places *places) {
    struct hub_peer peer = {.patient = true, .config_path = text_copy(cli->config_path)};
    struct config_errors errors = {0};
    struct config *config = load_config(cli, places, &errors);
    if (config)
        take_config(&peer, config);
    else
        peer.config_error = errors.count
                                ? text_format("%s: %s", errors.list[0].place, errors.list[0].text)
                                : text_copy("the file cannot be read");
    uint16_t asked = config ? config->http.port : 0;
    peer.port = hub_port(cli, places, asked ? asked : PORT_USUAL);
    config_free(config);
    config_errors_deinit(&errors);
    return peer;
}

void hub_peer_deinit(struct hub_peer *peer) {
    free(peer->host);
    free(peer->token);
    free(peer->config_path);
    free(peer->config_error);
}

static const char *host_of(const struct hub_peer *peer) {
    return peer->host ? peer->host : "127.0.0.1";
}

/* ---- the connection ---- */

static int connect_once(const struct hub_peer *peer, int64_t wait_ms) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(peer->port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(peer->port)};
    bool is_six = inet_pton(AF_INET6, host_of(peer), &six.sin6_addr) == 1;
    if (!is_six && inet_pton(AF_INET, host_of(peer), &four.sin_addr) != 1)
        four.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* "localhost" */
    const struct sockaddr *address =
        is_six ? (const struct sockaddr *)&six : (const struct sockaddr *)&four;
    struct timeval limit = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    AUTO_FD int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* bounds connect() too */
    if (fd < 0 || connect(fd, address, is_six ? sizeof six : sizeof four) < 0)
        return errno == EINPROGRESS ? -ETIMEDOUT : -errno;
    return take_fd(&fd);
}

static int connect_to(const struct hub_peer *peer, int64_t wait_ms) {
    enum { TRIES = 20, PAUSE_MS = 50 };
    int fd = connect_once(peer, wait_ms);
    for (int i = 0; i < TRIES && peer->patient && fd == -ECONNREFUSED; i++) {
        poll(NULL, 0, PAUSE_MS);
        fd = connect_once(peer, wait_ms);
    }
    return fd;
}

static int send_all(int fd, struct slice bytes, bool *ret_any) {
    while (bytes.size > 0) {
        ssize_t n = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        *ret_any = true;
        bytes = (struct slice){bytes.data + n, bytes.size - (size_t)n};
    }
    return 0;
}

/* Until the hub closes. */
static int receive(int fd, int64_t end_ms, struct buffer *ret) {
    char bytes[65536];
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = end_ms - clock_ms();
        int r = poll(&ready, 1, left > 0 ? (int)left : 0); /* what is there already is read */
        if (r == 0)
            return -ETIMEDOUT;
        ssize_t n = r < 0 ? -1 : read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        if (ret->size + (size_t)n > ANSWER_BYTES_MAX)
            return -EFBIG;
        buffer_add(ret, bytes, (size_t)n);
    }
}

/* ---- the words ---- */

static void add_request(struct buffer *ret, const struct hub_peer *peer, const char *path,
                        const json_t *post) {
    AUTO_FREE char *body = post ? json_dumps(post, JSON_COMPACT) : NULL;
    bool is_six = strchr(host_of(peer), ':') != NULL;
    buffer_print(ret, "%s %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n",
                 post ? "POST" : "GET", path, is_six ? "[" : "", host_of(peer), is_six ? "]" : "",
                 peer->port);
    if (peer->token)
        buffer_print(ret, "Authorization: Bearer %s\r\n", peer->token);
    if (body)
        buffer_print(ret, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                     strlen(body));
    buffer_add_text(ret, "\r\n");
    buffer_add_text(ret, body ? body : "");
}

/* The number behind "\r\nName:"; -1 when there is none. */
static int64_t header_number(const char *head, const char *name) {
    const char *at = strcasestr(head, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

/* False while the answer is not whole, or no HTTP. */
static bool read_answer(struct buffer *bytes, struct hub_answer *ret) {
    char *end = bytes->size ? memmem(bytes->data, bytes->size, "\r\n\r\n", 4) : NULL;
    if (!end || strncmp(bytes->data, "HTTP/1.", 7) != 0)
        return false;
    *end = 0;
    size_t size = bytes->size - (size_t)(end + 4 - bytes->data);
    int64_t promised = header_number(bytes->data, "\r\nContent-Length:");
    if (promised >= 0 && (int64_t)size < promised)
        return false;
    ret->status = atoi(bytes->data + strcspn(bytes->data, " "));
    ret->retry_after_s = header_number(bytes->data, "\r\nRetry-After:");
    ret->body = json_loadb(end + 4, size, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);
    return true;
}

static int cut_short(const struct buffer *bytes) {
    static const char begin[] = "HTTP/1.";
    size_t size = bytes->size < strlen(begin) ? bytes->size : strlen(begin);
    return size == 0 || memcmp(bytes->data, begin, size) == 0 ? -ECONNRESET : -EPROTO;
}

int hub_ask(const struct hub_peer *peer, const char *path, const json_t *post,
            struct hub_answer *ret) {
    int64_t wait_ms = peer->wait_ms ? peer->wait_ms : ANSWER_MS_MAX;
    AUTO_BUFFER struct buffer request = {0}, bytes = {0};
    *ret = (struct hub_answer){.retry_after_s = -1};
    add_request(&request, peer, path, post);
    AUTO_FD int fd = connect_to(peer, wait_ms);
    if (fd < 0)
        return fd;
    int r = send_all(fd, buffer_slice(&request), &ret->sent);
    /* A hub that refuses early may close before it has read all: what it said is there. */
    int received = receive(fd, clock_ms() + (r < 0 ? 0 : wait_ms), &bytes);
    if (!read_answer(&bytes, ret))
        return r < 0 ? r : received < 0 ? received : cut_short(&bytes);
    if (json_is_object(ret->body))
        return 0;
    json_decref(ret->body);
    ret->body = NULL;
    return -EPROTO;
}

/* ---- what people are told ---- */

int hub_say_no_answer(const struct hub_peer *peer, int r, bool may_be_done) {
    if (r == -EPROTO)
        fprintf(stderr,
                "holdfast: what answers on %s:%u is not the hub; `holdfast status` shows where "
                "the hub is\n",
                host_of(peer), peer->port);
    else if (may_be_done)
        fprintf(stderr,
                "holdfast: the hub on %s:%u got the request and did not answer (%s); nobody knows "
                "whether it is done: `holdfast alerts` shows what the hub has\n",
                host_of(peer), peer->port, strerror(-r));
    else
        fprintf(stderr,
                "holdfast: no hub answers on %s:%u (%s); `holdfast status` shows it, "
                "`holdfast up` starts it, -c FILE names another config\n",
                host_of(peer), peer->port, strerror(-r));
    return EX_UNAVAILABLE;
}

static int say_token(const struct hub_peer *peer, const char *detail) {
    if (peer->config_error) {
        fprintf(stderr,
                "holdfast: the hub wants a token, but http.token of %s cannot be read: %s; "
                "`holdfast check` tells all that is wrong\n",
                peer->config_path, peer->config_error);
        return EX_CONFIG;
    }
    fprintf(stderr,
            "holdfast: the hub refuses %s (%s); it is http.token in %s%s, and `holdfast reload` "
            "applies a change\n",
            peer->token ? "this token" : "a request without a token", detail, peer->config_path,
            peer->token ? "" : ", empty here: is the variable set, also in .env?");
    return EX_NOPERM;
}

static int exit_of(int status) {
    if (status == 404) /* no such alert, like no such service */
        return EX_USAGE;
    if (status == 503 || status == 507)
        return EX_TEMPFAIL;
    return status >= 400 && status < 500 ? EX_DATAERR : EX_UNAVAILABLE;
}

static int say_refused(const struct hub_peer *peer, const struct hub_answer *answer) {
    const char *said = json_text(answer->body, "detail");
    if (!said[0])
        return hub_say_no_answer(peer, -EPROTO, false);
    screen_init();
    AUTO_FREE char *detail = cells_cut(said, INT32_MAX);
    if (answer->status == 401 || answer->status == 403 || answer->status == 429)
        return say_token(peer, detail);
    fprintf(stderr, "holdfast: the hub refuses: %s", detail);
    if (answer->retry_after_s >= 0)
        fprintf(stderr, " (again in %lld s)", (long long)answer->retry_after_s);
    fprintf(stderr, "\n");
    return exit_of(answer->status);
}

json_t *hub_call(const struct hub_peer *peer, const char *path, const json_t *post, int *ret_exit) {
    struct hub_answer answer;
    int r = hub_ask(peer, path, post, &answer);
    *ret_exit = 0;
    if (r == 0 && answer.status >= 200 && answer.status < 300)
        return answer.body;
    *ret_exit =
        r < 0 ? hub_say_no_answer(peer, r, post && answer.sent) : say_refused(peer, &answer);
    json_decref(answer.body);
    return NULL;
}
