/* SPDX-License-Identifier: Apache-2.0 */
/* alert: one message to people, by the hub. Made for cron: job || holdfast alert "job failed". */
#include "model/alert.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/hub_client.h"
#include "wire/alert.h"
#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static void check_priority(const char *word) {
    static const char *const names[] = {"critical", "high", "medium", "low", NULL};
    enum alert_priority priority;
    if (!word || alert_priority_from(word, &priority) == 0)
        return;
    AUTO_FREE char *lower = text_copy(word);
    for (char *at = lower; *at; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    const char *nearest = text_did_you_mean(lower, names);
    fatal(EX_USAGE, "--priority: '%s' was found, expected CRITICAL, HIGH, MEDIUM or LOW%s%s%s",
          word, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* What a program printed, whatever it is: a byte that is no text must not cost the alert. */
static char *stdin_text(void) {
    AUTO_BUFFER struct buffer text = {0};
    char bytes[8192];
    ssize_t n = 0;
    if (isatty(STDIN_FILENO))
        fatal(EX_USAGE, "alert what? holdfast alert -p HIGH \"backup failed\", or give the text "
                        "by a pipe");
    while (text.size <= 2 * ALERT_TEXT_BYTES_MAX &&
           (n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0)
        buffer_add(&text, bytes, (size_t)n);
    if (n < 0)
        fatal(EX_IOERR, "the text cannot be read from stdin: %s", strerror(errno));
    while (text.size > 0 && strchr("\r\n", text.data[text.size - 1]) && text.data[text.size - 1])
        text.size--;
    if (text.size > ALERT_TEXT_BYTES_MAX)
        fatal(EX_DATAERR,
              "the text on stdin has more than %d bytes; send its end: ... | tail -c %d | "
              "holdfast alert",
              ALERT_TEXT_BYTES_MAX, ALERT_TEXT_BYTES_MAX);
    for (size_t i = 0; i < text.size; i++)
        text.data[i] = text.data[i] ? text.data[i] : '?';
    return text_copy_n(text.data ? text.data : "", text.size);
}

static json_t *alert_of(const struct cli *cli) {
    bool from_stdin = !cli->words[0] || (strcmp(cli->words[0], "-") == 0 && !cli->words[1]);
    AUTO_FREE char *text = from_stdin ? stdin_text() : words_join(cli->words);
    char *fields[] = {text, cli->title, cli->type, cli->service, cli->dedup_key, cli->group};
    static const char *const names[] = {"text", "title", "type", "service", "dedup_key", "group"};
    json_t *alert = json_object();
    json_object_set_new(alert, "priority", json_string(cli->priority ? cli->priority : "MEDIUM"));
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (!fields[i])
            continue;
        text_make_utf8(fields[i]);
        json_object_set_new(alert, names[i], json_string(fields[i]));
    }
    return alert;
}

int command_alert(const struct cli *cli) {
    check_priority(cli->priority);
    AUTO_PLACES struct places places = places_find(cli);
    json_t *alert = alert_of(cli);
    AUTO_HUB struct hub_peer hub = hub_find(cli, &places);
    int code = 0;
    json_t *answer = hub_call(&hub, "/v1/alerts", alert, &code);
    json_decref(alert);
    if (answer && json_number(answer, "id") < 1)
        code = hub_say_no_answer(&hub, -EPROTO, false);
    else if (answer && cli->json)
        json_print(json_incref(answer));
    else if (answer)
        printf("accepted as alert %lld\n", (long long)json_number(answer, "id"));
    json_decref(answer);
    return code;
}
