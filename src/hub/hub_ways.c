/* SPDX-License-Identifier: Apache-2.0 */
/* Ways out beside Telegram: a webhook, an ntfy topic, mail. Their turn comes at once, there are no
 * budgets; the engine has one message of each importance under way by each of them. */
#include "base/clock.h"
#include "base/secret.h"
#include "base/text.h"
#include "hub/hub.h"
#include "link/mail.h"
#include "wire/alert.h"
#include "wire/json_scan.h"
#include "wire/mail_text.h"
#include <stdio.h>

enum { CALL_MS_MAX = 30000, NTFY_BYTES_MAX = 4000 };

struct flight { /* one message */
    struct hub *hub;
    const struct way_config *way;
    int64_t id;
};

static const struct way_config *way_of(const struct hub *hub, size_t way) {
    return &hub->config->alerts.ways[way - 1];
}

static struct flight *flight_of(struct hub *hub, const struct alerts_command *command) {
    struct flight *flight = memory_new(sizeof *flight);
    *flight = (struct flight){hub, way_of(hub, command->way), command->id};
    return flight;
}

static void land(struct flight *flight, enum gateway_outcome outcome, enum telegram_class class,
                 const char *error, int64_t retry_after_s) {
    AUTO_FREE char *text = text_format("%s: %s", flight->way->name, error);
    secret_mask(text, strlen(text));
    alerts_feed(flight->hub, &(struct alerts_event){.on = ALERTS_ON_SENT,
                                                    .id = flight->id,
                                                    .outcome = outcome,
                                                    .class = class,
                                                    .description = text,
                                                    .retry_after_s = retry_after_s});
    free(flight);
}

/* ---- HTTP ---- */

static enum telegram_class class_of(int status) {
    if (status / 100 == 2)
        return TELEGRAM_OK;
    if (status == 429)
        return TELEGRAM_RATE_LIMITED;
    if (status >= 500 || status == 408 || status == 425)
        return TELEGRAM_TRANSIENT;
    return status == 401 || status == 403 ? TELEGRAM_BAD_TOKEN : TELEGRAM_BAD_REQUEST;
}

static void on_answer(void *context, const struct http_answer *answer) {
    struct flight *flight = context;
    char status[32];
    flight->hub->works--;
    snprintf(status, sizeof status, "it answered HTTP %d", answer->status);
    if (answer->outcome == HTTP_ANSWERED)
        land(flight, GATEWAY_ANSWERED, class_of(answer->status), status, answer->retry_after_s);
    else
        land(flight, answer->outcome == HTTP_NOT_SENT ? GATEWAY_NOT_SENT : GATEWAY_UNKNOWN,
             TELEGRAM_TRANSIENT, answer->error, 0);
}

static void post(struct flight *flight, const char *url, const struct buffer *body) {
    const struct way_config *way = flight->way;
    AUTO_FREE char *bearer =
        text_format("Bearer %s", secret_is_set(&way->token) ? way->token.value : "");
    struct http_header header = {"Authorization", bearer};
    struct http_call_options options = {.method = "POST",
                                        .url = url,
                                        .headers = &header,
                                        .header_count = secret_is_set(&way->token),
                                        .body = buffer_slice(body),
                                        .content_type = "application/json",
                                        .proxy = way->proxy,
                                        .total_ms_max = CALL_MS_MAX};
    flight->hub->works++;
    http_call_start(flight->hub->client, &options, on_answer, flight, NULL);
}

static void send_webhook(struct flight *flight, const struct alerts_command *command) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{\"version\":1,\"from\":");
    json_add_text(&body, slice_of(flight->hub->config->name));
    buffer_add_text(&body, ",\"alerts\":[");
    alert_add_json(&body, command->alert);
    for (size_t i = 0; i < command->other_count; i++) {
        buffer_add_text(&body, ",");
        alert_add_json(&body, command->others[i]);
    }
    buffer_add_text(&body, "]}");
    post(flight, flight->way->urls[WAY_WEBHOOK], &body);
}

static void add_texts(const struct alerts_command *command, struct buffer *subject,
                      struct buffer *text) {
    alert_add_subject(command->alert, command->other_count, subject);
    alert_add_body(command->alert, command->others, command->other_count, text);
}

/* As JSON to the server's root, where all of it may be UTF-8; the topic is the end of its URL. */
static void send_ntfy(struct flight *flight, const struct alerts_command *command) {
    static const int priorities[ALERT_PRIORITIES] = {5, 4, 3, 2};
    AUTO_BUFFER struct buffer body = {0}, subject = {0}, text = {0};
    const char *url = flight->way->urls[WAY_NTFY], *topic = strrchr(url, '/') + 1;
    AUTO_FREE char *root = text_copy_n(url, (size_t)(topic - url));
    char cut[NTFY_BYTES_MAX];
    add_texts(command, &subject, &text);
    text_print(cut, sizeof cut, "%s", text.data);
    buffer_add_text(&body, "{\"topic\":");
    json_add_text(&body, slice_of(topic));
    buffer_add_text(&body, ",\"title\":");
    json_add_text(&body, buffer_slice(&subject));
    buffer_add_text(&body, ",\"message\":");
    json_add_text(&body, slice_of(cut));
    buffer_print(&body, ",\"priority\":%d}", priorities[command->alert->priority]);
    post(flight, root, &body);
}

/* ---- mail ---- */

static void on_mailed(void *context, enum mail_outcome outcome, const char *error) {
    static const struct {
        enum gateway_outcome outcome;
        enum telegram_class class;
    } meanings[] = {[MAIL_TAKEN] = {GATEWAY_ANSWERED, TELEGRAM_OK},
                    [MAIL_REFUSED] = {GATEWAY_ANSWERED, TELEGRAM_BAD_REQUEST},
                    [MAIL_LATER] = {GATEWAY_ANSWERED, TELEGRAM_TRANSIENT},
                    [MAIL_NOT_SENT] = {GATEWAY_NOT_SENT, TELEGRAM_TRANSIENT},
                    [MAIL_UNKNOWN] = {GATEWAY_UNKNOWN, TELEGRAM_TRANSIENT}};
    struct flight *flight = context;
    flight->hub->works--;
    land(flight, meanings[outcome].outcome, meanings[outcome].class, error, 0);
}

/* The same alert has the same Message-ID each time: a mailbox may then drop what comes twice. */
static void send_mail(struct flight *flight, const struct alerts_command *command) {
    const struct way_config *way = flight->way;
    AUTO_BUFFER struct buffer message = {0}, subject = {0}, text = {0};
    add_texts(command, &subject, &text);
    buffer_print(&text, "\n-- \nalert %lld of %s\n", (long long)command->id,
                 flight->hub->config->name);
    AUTO_FREE char *id =
        text_format("holdfast-%lld-%lld@%s", (long long)command->id,
                    (long long)command->alert->created_ms, strchr(way->sender, '@') + 1);
    mail_add(&(struct mail_head){.sender = way->sender,
                                 .subject = subject.data,
                                 .id = id,
                                 .to = way->to,
                                 .at_s = clock_wall_ms() / 1000},
             buffer_slice(&text), &message);
    flight->hub->works++;
    mail_send(&flight->hub->loop,
              &(struct mail){.url = way->urls[WAY_SMTP],
                             .user = way->user,
                             .password = way->user ? way->token.value : NULL,
                             .proxy = way->proxy,
                             .sender = way->sender,
                             .to = way->to,
                             .message = message.data},
              on_mailed, flight);
}

void ways_send(struct hub *hub, const struct alerts_command *command) {
    static void (*const senders[])(struct flight * flight, const struct alerts_command *command) = {
        [WAY_WEBHOOK] = send_webhook, [WAY_NTFY] = send_ntfy, [WAY_SMTP] = send_mail};
    struct flight *flight = flight_of(hub, command);
    senders[flight->way->kind](flight, command);
}
