/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/telegram_webhook.h"
#include "base/text.h"
#include "wire/json_scan.h"
#include "wire/telegram.h"
#include <arpa/inet.h>
#include <strings.h>

static const char plain[] = "http://", secure[] = "https://";

void telegram_webhook_deinit(struct telegram_webhook *webhook) {
    free(webhook->url);
    free(webhook->secret);
    *webhook = (struct telegram_webhook){0};
}

/* ---- where to ---- */

static bool begins(const char *text, const char *with) {
    return strncasecmp(text, with, strlen(with)) == 0;
}

/* Host of "host", "host:port", "[::1]:port"; NULL: there is none, or a user stands before it. */
static char *host_of(const char *authority) {
    size_t size = strcspn(authority, "/?#");
    AUTO_FREE char *all = text_copy_n(authority, size);
    const char *begin = all[0] == '[' ? all + 1 : all;
    size_t end = strcspn(begin, all[0] == '[' ? "]" : ":");
    if (strchr(all, '@') || end == 0)
        return NULL;
    return text_copy_n(begin, end);
}

static bool is_private_v4(uint32_t address) {
    return address >> 24 == 127 || address >> 24 == 10 || address >> 20 == 0xac1 ||
           address >> 16 == 0xc0a8 || address >> 16 == 0xa9fe;
}

static bool is_private_v6(const struct in6_addr *address) {
    return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_LINKLOCAL(address) ||
           (address->s6_addr[0] & 0xfe) == 0xfc;
}

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcasecmp(text + size - end_size, end) == 0;
}

static bool is_near(const char *host) {
    static const char *const domains[] = {".local", ".internal", ".lan", ".home.arpa",
                                          ".localhost"};
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return is_private_v4(ntohl(v4.s_addr));
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return is_private_v6(&v6);
    for (size_t i = 0; i < COUNT_OF(domains); i++)
        if (ends_with(host, domains[i]))
            return true;
    return !strchr(host, '.') && !strchr(host, ':'); /* as in a hosts file, or of a container */
}

static const char *check_url(const char *url) {
    bool is_plain = begins(url, plain);
    if (!is_plain && !begins(url, secure))
        return "Bad Request: bad webhook: the URL must begin with https://, or with http:// for a "
               "program on this machine or network";
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return "Bad Request: bad webhook: the URL holds a space or a control character";
    AUTO_FREE char *host = host_of(url + strlen(is_plain ? plain : secure));
    if (!host)
        return "Bad Request: bad webhook: the URL has no host, or a user name before it";
    if (strlen(url) > WEBHOOK_URL_BYTES_MAX)
        return "Bad Request: bad webhook: the URL is longer than 2048 bytes";
    if (is_plain && !is_near(host))
        return "Bad Request: bad webhook: HTTPS URL must be provided for a host outside this "
               "machine's network";
    return NULL;
}

const char *telegram_webhook_check(const struct telegram_webhook *webhook) {
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *wrong = check_url(webhook->url), *secret = webhook->secret;
    if (wrong)
        return wrong;
    if (secret && (strlen(secret) > WEBHOOK_SECRET_BYTES_MAX || secret[strspn(secret, known)]))
        return "Bad Request: secret token contains unallowed characters: 1 to 256 of A-Z, a-z, "
               "0-9, "
               "_ and - are expected";
    if (webhook->max_connections < 1 || webhook->max_connections > 100)
        return "Bad Request: max_connections must be from 1 to 100";
    return NULL;
}

/* ---- on disk ---- */

void telegram_webhook_add(const struct telegram_webhook *webhook, struct buffer *ret) {
    buffer_add_text(ret, "{\"url\":");
    json_add_text(ret, slice_of(webhook->url));
    if (webhook->secret) {
        buffer_add_text(ret, ",\"secret_token\":");
        json_add_text(ret, slice_of(webhook->secret));
    }
    if (webhook->kinds) {
        buffer_add_text(ret, ",\"allowed_updates\":");
        telegram_add_kinds(webhook->kinds, ret);
    }
    buffer_print(ret, ",\"max_connections\":%lld}", (long long)webhook->max_connections);
}

static char *text_of(struct slice json, const char *name) {
    AUTO_BUFFER struct buffer text = {0};
    struct slice value = json_member(json, name);
    if (value.size == 0 || json_to_text(value, &text) < 0 || text.size == 0)
        return NULL;
    return buffer_take(&text);
}

bool telegram_webhook_read(struct slice json, struct telegram_webhook *ret) {
    *ret = (struct telegram_webhook){.max_connections = WEBHOOK_CONNECTIONS_USUAL};
    if (!json_is_valid(json))
        return false;
    ret->url = text_of(json, "url");
    ret->secret = text_of(json, "secret_token");
    struct slice kinds = json_member(json, "allowed_updates");
    if (kinds.size > 0 && telegram_read_kinds(kinds, &ret->kinds) < 0)
        ret->kinds = 0;
    if (json_to_int(json_member(json, "max_connections"), &ret->max_connections) == 0 && ret->url &&
        !telegram_webhook_check(ret))
        return true;
    telegram_webhook_deinit(ret);
    return false;
}
