/* SPDX-License-Identifier: Apache-2.0 */
#include "link/mail.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>

enum { CONNECT_MS_MAX = 10000, TOTAL_MS_MAX = 30000 };

struct job {
    uv_work_t work;
    char *url, *user, *password, *proxy, *sender, *message;
    struct curl_slist *to;
    bool encrypts; /* a connection that is not encrypted is refused */
    size_t at;     /* bytes of the message that were asked for */
    mail_sent *sent;
    void *context;
    enum mail_outcome outcome;
    char error[CURL_ERROR_SIZE];
};
static atomic_bool stopped;

void mail_stop(void) {
    stopped = true;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    return stopped;
}

static size_t on_read(char *ret, size_t size, size_t count, void *context) {
    struct job *job = context;
    size_t left = strlen(job->message + job->at), most = size * count;
    size_t given = left < most ? left : most;
    memcpy(ret, job->message + job->at, given);
    job->at += given;
    return given;
}

static bool is_this_machine(const char *url) {
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    AUTO_FREE char *name = text_copy_n(host, strcspn(host, host[0] == '[' ? "/" : ":/"));
    struct in_addr address;
    return strcmp(name, "localhost") == 0 || strncmp(name, "[::1]", 5) == 0 ||
           (inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static CURL *easy_of(struct job *job) {
    CURL *easy = curl_easy_init();
    must(easy);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_URL, job->url);
    curl_easy_setopt(easy, CURLOPT_USE_SSL,
                     job->encrypts ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_TRY);
    curl_easy_setopt(easy, CURLOPT_USERNAME, job->user);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, job->password);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROXY, job->proxy ? job->proxy : "");
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, job->sender);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, job->to);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L); /* one who is not known is not all */
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, job);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS_MAX);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS_MAX);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, job->error);
    return easy;
}

static enum mail_outcome outcome_of(const struct job *job, CURLcode code, long answer) {
    if (code == CURLE_OK)
        return MAIL_TAKEN;
    if (answer >= 500 || code == CURLE_LOGIN_DENIED)
        return MAIL_REFUSED;
    if (answer >= 400)
        return MAIL_LATER;
    return job->at > 0 ? MAIL_UNKNOWN : MAIL_NOT_SENT;
}

static void perform(uv_work_t *work) {
    struct job *job = work->data;
    CURL *easy = easy_of(job);
    long answer = 0;
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer);
    job->outcome = outcome_of(job, code, answer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_cleanup(easy);
    if (code != CURLE_OK && !job->error[0])
        (void)snprintf(job->error, sizeof job->error, "%s", curl_easy_strerror(code));
}

static void job_free(struct job *job) {
    size_t size = job->password ? strlen(job->password) : 0;
    if (size)
        explicit_bzero(job->password, size);
    free(job->url);
    free(job->user);
    free(job->password);
    free(job->proxy);
    free(job->sender);
    free(job->message);
    curl_slist_free_all(job->to);
    free(job);
}

static void on_done(uv_work_t *work, int status) {
    struct job *job = work->data;
    if (status < 0) { /* the pool was closed before its turn */
        job->outcome = MAIL_NOT_SENT;
        (void)snprintf(job->error, sizeof job->error, "the program ends");
    }
    job->sent(job->context, job->outcome, job->outcome == MAIL_TAKEN ? "" : job->error);
    job_free(job);
}

void mail_send(uv_loop_t *loop, const struct mail *mail, mail_sent *sent, void *context) {
    struct job *job = memory_new(sizeof *job);
    *job = (struct job){.url = text_copy(mail->url),
                        .user = text_copy(mail->user),
                        .password = text_copy(mail->password),
                        .proxy = text_copy(mail->proxy),
                        .sender = text_copy(mail->sender),
                        .message = text_copy(mail->message),
                        .encrypts = mail->user && !is_this_machine(mail->url),
                        .sent = sent,
                        .context = context};
    for (char *const *to = mail->to; *to; to++) {
        struct curl_slist *list = curl_slist_append(job->to, *to);
        must(list);
        job->to = list;
    }
    job->work.data = job;
    int r = uv_queue_work(loop, &job->work, perform, on_done);
    must(r == 0);
}
