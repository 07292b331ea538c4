/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of a request in the three ways that bots send them. The body goes to Telegram as it
 * came; this only looks. */
#include "wire/json_scan.h"
#include "wire/telegram.h"
#include <strings.h>

static bool json_param(struct slice body, const char *name, struct buffer *ret) {
    if (!json_is_valid(body))
        return false;
    struct slice value = json_member(body, name);
    if (value.size == 0 || slice_is(value, "null"))
        return false;
    if (value.data[0] == '"')
        return json_to_text(value, ret) == 0;
    buffer_add(ret, value.data, value.size);
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_urldecoded(struct slice text, struct buffer *ret) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i] == '+' ? ' ' : text.data[i];
        int high, low;
        if (c == '%' && text.size - i > 2 && (high = hex_digit(text.data[i + 1])) >= 0 &&
            (low = hex_digit(text.data[i + 2])) >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        buffer_add(ret, &c, 1);
    }
}

static bool form_param(struct slice body, const char *name, struct buffer *ret) {
    for (size_t at = 0; at < body.size;) {
        const char *begin = body.data + at;
        const char *end = memchr(begin, '&', body.size - at);
        size_t size = end ? (size_t)(end - begin) : body.size - at;
        const char *equal = memchr(begin, '=', size);
        size_t name_size = equal ? (size_t)(equal - begin) : size;
        AUTO_BUFFER struct buffer decoded = {0};
        add_urldecoded((struct slice){begin, name_size}, &decoded);
        if (equal && slice_is(buffer_slice(&decoded), name)) {
            add_urldecoded((struct slice){equal + 1, size - name_size - 1}, ret);
            return true;
        }
        at += size + 1;
    }
    return false;
}

static bool find(struct slice text, const char *what, size_t what_size, size_t *at) {
    if (*at > text.size)
        return false;
    const char *found = memmem(text.data + *at, text.size - *at, what, what_size);
    if (found)
        *at = (size_t)(found - text.data);
    return found != NULL;
}

/* The boundary of "multipart/form-data; boundary=X" with "--" in front; false when there is none.
 */
static bool boundary_of(const char *content_type, struct buffer *ret) {
    const char *begin = strcasestr(content_type, "boundary=");
    if (!begin)
        return false;
    begin += strlen("boundary=");
    size_t size = *begin == '"' ? strcspn(++begin, "\"") : strcspn(begin, "; \t");
    if (size == 0 || size > 70) /* RFC 2046 */
        return false;
    buffer_add_text(ret, "--");
    buffer_add(ret, begin, size);
    return true;
}

/* In the head of a part: is this name="..." the one? */
static bool part_is(struct slice head, const char *name) {
    AUTO_BUFFER struct buffer quoted = {0}, bare = {0};
    buffer_print(&quoted, " name=\"%s\"", name);
    buffer_print(&bare, " name=%s", name);
    size_t at = 0;
    if (find(head, quoted.data, quoted.size, &at))
        return true;
    at = 0;
    return find(head, bare.data, bare.size, &at) &&
           (at + bare.size == head.size || memchr(";\r\n", head.data[at + bare.size], 3));
}

static bool multipart_param(const char *content_type, struct slice body, const char *name,
                            struct buffer *ret) {
    AUTO_BUFFER struct buffer boundary = {0};
    size_t at = 0;
    if (!boundary_of(content_type, &boundary))
        return false;
    while (find(body, boundary.data, boundary.size, &at)) {
        size_t head = at + boundary.size, value = head;
        if (!find(body, "\r\n\r\n", 4, &value))
            return false;
        size_t end = value + 4;
        if (!find(body, boundary.data, boundary.size, &end))
            return false;
        at = end;
        if (!part_is((struct slice){body.data + head, value - head}, name))
            continue;
        if (end - value < 6) /* the line end before the boundary is not part of the value */
            return false;
        buffer_add(ret, body.data + value + 4, end - value - 6);
        return true;
    }
    return false;
}

bool telegram_body_param(const char *content_type, struct slice body, const char *name,
                         struct buffer *ret) {
    must(name);
    if (body.size == 0 || !content_type)
        return false;
    if (strncasecmp(content_type, "application/json", 16) == 0)
        return json_param(body, name, ret);
    if (strncasecmp(content_type, "application/x-www-form-urlencoded", 33) == 0)
        return form_param(body, name, ret);
    if (strncasecmp(content_type, "multipart/form-data", 19) == 0)
        return multipart_param(content_type, body, name, ret);
    return false;
}
