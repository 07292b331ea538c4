/* SPDX-License-Identifier: Apache-2.0 */
/* One look at a service: does it accept (tcp), answer (http), does a command succeed (exec), does
 * it write its file again and again (file)? The http probe writes one GET and reads the head of the
 * answer; that is all the HTTP the keeper speaks. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { ANSWER_BYTES_MAX = 65536 };

struct probe {
    struct unit *unit; /* NULL once cancelled */
    const struct probe_config *config;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    char *request;
    struct buffer answer;
    int handles; /* still to close */
};

static const struct probe_config *config_of(const struct unit *unit, int which) {
    const struct service_config *config = unit->keeper->services.list[unit->index].config;
    return which ? &config->health : &config->ready;
}

static void tell(struct unit *unit, bool good, const char *why) {
    keeper_event(unit->keeper, (struct service_event){.kind = good ? SERVICE_EVENT_PROBE_OK
                                                                   : SERVICE_EVENT_PROBE_BAD,
                                                      .index = unit->index,
                                                      .text = why});
}

static void on_closed(uv_handle_t *handle) {
    struct probe *probe = handle->data;
    if (--probe->handles)
        return;
    buffer_deinit(&probe->answer);
    free(probe->request);
    free(probe);
}

static void close_handles(struct probe *probe) {
    uv_close((uv_handle_t *)&probe->tcp, on_closed);
    uv_close((uv_handle_t *)&probe->timer, on_closed);
}

static void finish(struct probe *probe, bool good, const char *why) {
    struct unit *unit = probe->unit;
    if (!unit)
        return;
    probe->unit = NULL;
    unit->probe = NULL;
    close_handles(probe);
    tell(unit, good, why);
}

/* True when the answer is decided; ret_why says what is wrong with it, empty when it is good. */
static bool judge(const struct probe *probe, bool at_end, char *ret_why, size_t size) {
    const struct probe_config *config = probe->config;
    const char *text = probe->answer.data ? probe->answer.data : "";
    int status = 0;
    ret_why[0] = 0;
    if (!at_end && !strstr(text, "\r\n\r\n"))
        return false;
    if (sscanf(text, "HTTP/1.%*1[01] %3d", &status) != 1)
        text_print(ret_why, size, "the answer is not HTTP");
    else if (config->status ? status != config->status : status < 200 || status >= 400)
        text_print(ret_why, size, "HTTP status %d", status);
    else if (config->body_has && !strstr(text, config->body_has) && !at_end)
        return false;
    else if (config->body_has && !strstr(text, config->body_has))
        text_print(ret_why, size, "the answer does not hold '%.80s'", config->body_has);
    return true;
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
    static char room[8192];
    *ret = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes) {
    struct probe *probe = stream->data;
    char why[160];
    if (n > 0)
        buffer_add(&probe->answer, bytes->base, (size_t)n);
    bool at_end = n < 0 || probe->answer.size >= ANSWER_BYTES_MAX;
    if (judge(probe, at_end, why, sizeof why))
        finish(probe, why[0] == 0, why);
}

static void on_written(uv_write_t *write, int status) {
    struct probe *probe = write->handle->data;
    if (status < 0)
        finish(probe, false, uv_strerror(status));
}

static void ask_http(struct probe *probe) {
    probe->request = text_format("GET %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n"
                                 "User-Agent: holdfast-probe\r\n\r\n",
                                 probe->config->path, probe->config->host, probe->config->port);
    uv_buf_t bytes = uv_buf_init(probe->request, (unsigned)strlen(probe->request));
    int r = uv_read_start((uv_stream_t *)&probe->tcp, give_room, on_read);
    r = r < 0 ? r : uv_write(&probe->write, (uv_stream_t *)&probe->tcp, &bytes, 1, on_written);
    if (r < 0)
        finish(probe, false, uv_strerror(r));
}

static void on_connected(uv_connect_t *connect, int status) {
    struct probe *probe = connect->handle->data;
    if (status < 0)
        finish(probe, false, uv_strerror(status));
    else if (!probe->unit)
        return;
    else if (probe->config->kind == PROBE_HTTP)
        ask_http(probe);
    else
        finish(probe, true, "");
}

static void on_expired(uv_timer_t *timer) {
    struct probe *probe = timer->data;
    char why[80], limit[TEXT_DURATION_BYTES];
    text_from_duration(probe->config->timeout_ms, limit);
    snprintf(why, sizeof why, "no answer within %s", limit);
    finish(probe, false, why);
}

static int parse_address(const struct probe_config *config, struct sockaddr_storage *ret) {
    if (uv_ip4_addr(config->host, config->port, (struct sockaddr_in *)ret) == 0)
        return 0;
    return uv_ip6_addr(config->host, config->port, (struct sockaddr_in6 *)ret);
}

static void start_tcp(struct unit *unit, const struct probe_config *config) {
    struct probe *probe = memory_new(sizeof *probe);
    struct sockaddr_storage address = {0};
    probe->unit = unit;
    probe->config = config;
    probe->handles = 2;
    unit->probe = probe;
    uv_tcp_init(&unit->keeper->loop, &probe->tcp);
    uv_timer_init(&unit->keeper->loop, &probe->timer);
    probe->tcp.data = probe->timer.data = probe;
    uv_timer_start(&probe->timer, on_expired, (uint64_t)config->timeout_ms, 0);
    int r = parse_address(config, &address);
    r = r < 0 ? r
              : uv_tcp_connect(&probe->connect, &probe->tcp, (struct sockaddr *)&address,
                               on_connected);
    if (r < 0)
        finish(probe, false, "its address is not a numeric one");
}

/* An exec probe is a child of the anchor like a service, in a place of its own. Its timer ends with
 * it: the place is used again by the next. */
struct exec_timer {
    uv_timer_t timer;
    struct unit *unit;
};

static void exec_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void end_exec_timer(struct unit *unit) {
    if (unit->exec_timer)
        uv_close((uv_handle_t *)&unit->exec_timer->timer, exec_timer_closed);
    unit->exec_timer = NULL;
}

static void kill_exec(struct unit *unit) {
    if (unit->probe_slot != SLOT_NONE)
        anchor_link_signal(unit->keeper, unit->probe_slot, SIGKILL);
    end_exec_timer(unit);
}

static void on_exec_expired(uv_timer_t *timer) {
    struct exec_timer *exec = timer->data;
    kill_exec(exec->unit);
}

static void start_exec(struct unit *unit, const struct probe_config *config) {
    if (unit->probe_slot != SLOT_NONE)
        return; /* the last one is still being killed; its end asks again */
    if (!anchor_link_start_probe(unit->keeper, unit->index, config->argv)) {
        tell(unit, false, "the probe's program was not found");
        return;
    }
    struct exec_timer *exec = unit->exec_timer = memory_new(sizeof *exec);
    exec->unit = unit;
    exec->timer.data = exec;
    uv_timer_init(&unit->keeper->loop, &exec->timer);
    uv_timer_start(&exec->timer, on_exec_expired, (uint64_t)config->timeout_ms, 0);
}

/* One that was given up says nothing of the service; the next may be due since. */
static void exec_was_void(struct unit *unit) {
    struct service *service = &unit->keeper->services.list[unit->index];
    unit->probe_void = false;
    const struct service_config *config = service->config;
    enum probe_kind kind = service->state == SERVICE_STARTING ? config->ready.kind
                           : service->state == SERVICE_READY  ? config->health.kind
                                                              : PROBE_NONE;
    if (kind == PROBE_EXEC && !service->probe_at_ms)
        service->probe_at_ms = clock_ms();
}

void probe_exec_ended(struct unit *unit, int status) {
    enum service_state state = unit->keeper->services.list[unit->index].state;
    char why[80] = "";
    end_exec_timer(unit);
    if (unit->probe_void) {
        exec_was_void(unit);
        return;
    }
    if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "the probe did not end in time, or was killed");
    else if (WEXITSTATUS(status))
        snprintf(why, sizeof why, "the probe ended with %d", WEXITSTATUS(status));
    bool expected = unit->probe_which ? state == SERVICE_READY : state == SERVICE_STARTING;
    if (expected)
        tell(unit, why[0] == 0, why);
}

/* How old a file is. A thread of libuv asks: a hung disk is a probe that does not answer, and costs
 * that thread until the disk answers. */
struct file_probe {
    uv_fs_t request;
    uv_timer_t timer;
    struct unit *unit; /* NULL once told or cancelled */
    int64_t max_age_ms, timeout_ms;
    bool answered, timer_closed;
};

static void free_file_probe(struct file_probe *file) {
    if (file->answered && file->timer_closed)
        free(file);
}

static void on_file_timer_closed(uv_handle_t *handle) {
    struct file_probe *file = handle->data;
    file->timer_closed = true;
    free_file_probe(file);
}

/* Its unit, or NULL when it was told already. */
static struct unit *end_file_probe(struct file_probe *file) {
    struct unit *unit = file->unit;
    if (!unit)
        return NULL;
    file->unit = NULL;
    unit->file_probe = NULL;
    uv_close((uv_handle_t *)&file->timer, on_file_timer_closed);
    return unit;
}

static void judge_file(const struct file_probe *file, char *ret_why, size_t size) {
    const uv_stat_t *found = &file->request.statbuf;
    char age_text[TEXT_DURATION_BYTES];
    ret_why[0] = 0;
    if (file->request.result < 0) {
        text_print(ret_why, size, "its file: %s", uv_strerror((int)file->request.result));
        return;
    }
    int64_t changed_ms = found->st_mtim.tv_sec * 1000 + found->st_mtim.tv_nsec / 1000000;
    int64_t age_ms = clock_wall_ms() - changed_ms;
    if (!S_ISREG(found->st_mode))
        text_print(ret_why, size, "its file is no regular file, but a %s",
                   S_ISDIR(found->st_mode)    ? "folder"
                   : S_ISFIFO(found->st_mode) ? "FIFO"
                                              : "socket or device");
    else if (age_ms > file->max_age_ms) {
        text_from_duration(age_ms, age_text);
        text_print(ret_why, size, "its file was last written %s ago", age_text);
    }
}

static void on_file_answer(uv_fs_t *request) {
    struct file_probe *file = request->data;
    char why[160];
    judge_file(file, why, sizeof why);
    uv_fs_req_cleanup(request);
    file->answered = true;
    struct unit *unit = end_file_probe(file);
    if (unit)
        tell(unit, why[0] == 0, why);
    else
        free_file_probe(file);
}

static void on_file_expired(uv_timer_t *timer) {
    struct file_probe *file = timer->data;
    char why[80], limit[TEXT_DURATION_BYTES];
    text_from_duration(file->timeout_ms, limit);
    snprintf(why, sizeof why, "the disk has not told of its file within %s", limit);
    uv_cancel((uv_req_t *)&file->request);
    struct unit *unit = end_file_probe(file);
    if (unit)
        tell(unit, false, why);
}

static void start_file(struct unit *unit, const struct probe_config *config) {
    struct file_probe *file = memory_new(sizeof *file);
    *file = (struct file_probe){
        .unit = unit, .max_age_ms = config->max_age_ms, .timeout_ms = config->timeout_ms};
    /* What a former life wrote says nothing of this one. A file's time is that of the kernel's last
     * tick, so it may seem a little older than it is. */
    enum { TICK_MS = 10 };
    int64_t life_ms = clock_ms() - unit->keeper->services.list[unit->index].started_ms + TICK_MS;
    if (unit->probe_which == 0 && life_ms < file->max_age_ms)
        file->max_age_ms = life_ms;
    unit->file_probe = file;
    file->request.data = file->timer.data = file;
    uv_timer_init(&unit->keeper->loop, &file->timer);
    uv_timer_start(&file->timer, on_file_expired, (uint64_t)config->timeout_ms, 0);
    int r = uv_fs_stat(&unit->keeper->loop, &file->request, config->file, on_file_answer);
    if (r < 0) {
        file->answered = true;
        end_file_probe(file);
        tell(unit, false, uv_strerror(r));
    }
}

void probe_start(struct unit *unit, int which) {
    const struct probe_config *config = config_of(unit, which);
    unit->probe_which = which;
    if (config->kind == PROBE_EXEC)
        start_exec(unit, config);
    else if (config->kind == PROBE_FILE && !unit->file_probe)
        start_file(unit, config);
    else if ((config->kind == PROBE_TCP || config->kind == PROBE_HTTP) && !unit->probe)
        start_tcp(unit, config);
}

void probe_cancel(struct unit *unit) {
    if (unit->probe) {
        unit->probe->unit = NULL;
        close_handles(unit->probe);
        unit->probe = NULL;
    }
    if (unit->file_probe)
        end_file_probe(unit->file_probe);
    unit->probe_void = unit->probe_slot != SLOT_NONE;
    kill_exec(unit);
}
