/* SPDX-License-Identifier: Apache-2.0 */
/* The Bot API over HTTP. The token is in the path and is never logged. */
#include "base/text.h"
#include "sim/sim.h"
#include <stdio.h>

static void respond_error(struct http_request *request, int status, const char *description) {
    AUTO_FREE char *body = telegram_error_body(status, description);
    http_respond_json(request, status, slice_of(body));
}

static const char *form_error(int result) {
    return result == FORM_NOT_UTF8   ? "Bad Request: strings must be encoded in UTF-8"
           : result == FORM_NOT_JSON ? "Bad Request: JSON object expected"
           : result == FORM_TOO_MANY ? "Bad Request: too many parameters"
                                     : "Bad Request: can't parse the multipart body";
}

/* The bot's client has gone while its poll was parked. */
static void on_gone(void *context) {
    struct open_call *open = context;
    struct sim *sim = open->sim;
    telegram_leave(sim->telegram, (uint64_t)(uintptr_t)open, sim_now(sim));
    sim_settle(sim);
}

static void call(struct sim *sim, struct http_request *request, const char *token,
                 const char *method) {
    __attribute__((cleanup(form_deinit))) struct form form = {0};
    int r = sim_read_form(request, &form);
    if (r != FORM_DONE) {
        respond_error(request, 400, form_error(r));
        return;
    }
    struct telegram_file files[FORM_FILES_MAX];
    for (size_t i = 0; i < form.file_count; i++) {
        const struct form_file *file = &form.files[i];
        files[i] = (struct telegram_file){file->field, file->name, file->content_type, file->bytes};
    }
    struct open_call *open = sim_open_call(sim, request);
    http_request_on_gone(request, on_gone, open);
    struct telegram_call in = {.ticket = (uint64_t)(uintptr_t)open,
                               .token = token,
                               .method = method,
                               .params = form.values,
                               .files = files,
                               .file_count = form.file_count};
    telegram_call(sim->telegram, &in, sim_now(sim));
    sim_settle(sim);
}

static void download(struct sim *sim, struct http_request *request, const char *token,
                     const char *path) {
    struct slice bytes = {0};
    if (!telegram_file_find(sim->telegram, token, path, &bytes)) {
        respond_error(request, 404, "Not Found");
        return;
    }
    struct http_response response = {
        .status = 200, .content_type = "application/octet-stream", .body = bytes};
    http_respond(request, &response);
}

/* "/bot<TOKEN>/METHOD" or "/file/bot<TOKEN>/PATH" */
void bot_api_handle(struct sim *sim, struct http_request *request) {
    const char *path = http_request_path(request);
    bool file = strncmp(path, "/file/bot", 9) == 0;
    const char *token = strncmp(path, "/bot", 4) == 0 ? path + 4 : file ? path + 9 : NULL;
    const char *slash = token ? strchr(token, '/') : NULL;
    if (!slash) {
        respond_error(request, 404, "Not Found");
        return;
    }
    AUTO_FREE char *only_token = text_copy_n(token, (size_t)(slash - token));
    if (file)
        download(sim, request, only_token, slash + 1);
    else
        call(sim, request, only_token, slash + 1);
}

void bot_api_settle(struct sim *sim) {
    struct telegram_answer answer;
    while (telegram_next_answer(sim->telegram, sim_now(sim), &answer)) {
        struct http_request *request = sim_close_call((struct open_call *)(uintptr_t)answer.ticket);
        char seconds[24];
        snprintf(seconds, sizeof seconds, "%lld", (long long)answer.retry_after_s);
        struct http_header retry_after = {"Retry-After", seconds};
        struct http_response response = {
            .status = answer.status,
            .content_type = answer.content_type,
            .body = {answer.body, answer.body_size},
            .headers = &retry_after,
            .header_count = answer.retry_after_s >= 0,
            .cut = answer.cut,
            .reset = answer.reset,
        };
        http_respond(request, &response);
        telegram_answer_deinit(&answer);
    }
}
