/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/form.h"
#include "base/buffer.h"
#include "base/text.h"
#include <strings.h>

static json_t *values_of(struct form *form) {
    if (!form->values)
        form->values = json_object();
    return form->values;
}

int form_add(struct form *form, struct slice name, struct slice value) {
    bool text = text_is_utf8(name, NULL) && text_is_utf8(value, NULL) &&
                !memchr(name.size ? name.data : "x", 0, name.size ? name.size : 1) &&
                (!value.size || !memchr(value.data, 0, value.size));
    if (!text)
        return FORM_NOT_UTF8;
    if (json_object_size(values_of(form)) >= FORM_VALUES_MAX)
        return FORM_TOO_MANY;
    AUTO_FREE char *key = text_copy_n(name.size ? name.data : "", name.size);
    json_object_set_new(form->values, key, json_stringn(value.size ? value.data : "", value.size));
    return FORM_DONE;
}

/* --- JSON --------------------------------------------------------------------------------- */

/* Brackets inside of brackets; jansson itself stops only at 2048, deep in the stack. */
static bool too_deep(struct slice body) {
    size_t depth = 0;
    bool text = false;
    for (size_t i = 0; i < body.size; i++) {
        char c = body.data[i];
        if (text) {
            i += c == '\\';
            text = c != '"';
            continue;
        }
        text = c == '"';
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth;
        if (depth > FORM_DEPTH_MAX)
            return true;
    }
    return false;
}

static int read_json(struct form *form, struct slice body) {
    if (!text_is_utf8(body, NULL))
        return FORM_NOT_UTF8;
    if (too_deep(body))
        return FORM_NOT_JSON;
    json_t *object = json_loadb(body.data, body.size, 0, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return FORM_NOT_JSON;
    }
    int r = json_object_size(object) > FORM_VALUES_MAX ? FORM_TOO_MANY : FORM_DONE;
    if (r == FORM_DONE)
        json_object_update(values_of(form), object);
    json_decref(object);
    return r;
}

/* --- urlencoded --------------------------------------------------------------------------- */

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* '+' and "%xx"; a '%' without two hex digits stands for itself. */
static void decode(struct slice text, struct buffer *ret) {
    buffer_reserve(ret, text.size);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i] == '+' ? ' ' : text.data[i];
        if (c == '%' && i + 2 < text.size && hex(text.data[i + 1]) >= 0 &&
            hex(text.data[i + 2]) >= 0) {
            c = (char)(hex(text.data[i + 1]) << 4 | hex(text.data[i + 2]));
            i += 2;
        }
        buffer_add(ret, &c, 1);
    }
}

static struct slice until(struct slice text, char end) {
    const char *found = text.size ? memchr(text.data, end, text.size) : NULL;
    return (struct slice){text.data, found ? (size_t)(found - text.data) : text.size};
}

static struct slice behind(struct slice text, size_t bytes) {
    bytes = bytes > text.size ? text.size : bytes;
    return (struct slice){text.data + bytes, text.size - bytes};
}

static int read_urlencoded(struct form *form, struct slice body) {
    while (body.size) {
        struct slice pair = until(body, '&'), name = until(pair, '=');
        AUTO_BUFFER struct buffer key = {0}, value = {0};
        decode(name, &key);
        decode(behind(pair, name.size + 1), &value);
        int r = name.size ? form_add(form, buffer_slice(&key), buffer_slice(&value)) : FORM_DONE;
        if (r != FORM_DONE)
            return r;
        body = behind(body, pair.size + 1);
    }
    return FORM_DONE;
}

/* --- multipart ---------------------------------------------------------------------------- */

struct part {
    struct slice name, file_name, type, bytes;
    bool is_file;
};

/* The value of `key` in "form-data; name=\"x\"; filename=y"; false when it is not there. */
static bool parameter(struct slice line, const char *key, struct slice *ret) {
    size_t n = strlen(key);
    for (size_t i = 0; i + n + 1 < line.size; i++) {
        bool starts = i > 0 && (line.data[i - 1] == ';' || line.data[i - 1] == ' ');
        if (!starts || strncasecmp(line.data + i, key, n) != 0 || line.data[i + n] != '=')
            continue;
        struct slice value = behind(line, i + n + 1);
        if (value.size && value.data[0] == '"')
            *ret = until(behind(value, 1), '"');
        else
            *ret = until(value, ';');
        return true;
    }
    return false;
}

static bool header_is(struct slice line, const char *name, struct slice *ret_value) {
    size_t n = strlen(name);
    if (line.size <= n || strncasecmp(line.data, name, n) != 0 || line.data[n] != ':')
        return false;
    *ret_value = behind(line, n + 1);
    while (ret_value->size && ret_value->data[0] == ' ')
        *ret_value = behind(*ret_value, 1);
    return true;
}

/* Lines end with CR LF. Returns the bytes of the headers with the empty line, 0 without one. */
static size_t read_headers(struct slice text, struct part *part) {
    size_t at = 0;
    for (;;) {
        struct slice rest = behind(text, at);
        const char *end = rest.size ? memmem(rest.data, rest.size, "\r\n", 2) : NULL;
        if (!end)
            return 0;
        struct slice line = {rest.data, (size_t)(end - rest.data)}, value;
        at += line.size + 2;
        if (!line.size)
            return at;
        if (header_is(line, "Content-Disposition", &value)) {
            (void)parameter(value, "name", &part->name);
            part->is_file = parameter(value, "filename", &part->file_name);
        } else if (header_is(line, "Content-Type", &value)) {
            part->type = until(value, ';');
        }
    }
}

static char *copy(struct slice text) {
    bool good = text_is_utf8(text, NULL) && (!text.size || !memchr(text.data, 0, text.size));
    return good ? text_copy_n(text.size ? text.data : "", text.size) : NULL;
}

static int take_part(struct form *form, const struct part *part) {
    if (!part->name.size)
        return FORM_BROKEN;
    if (!part->is_file)
        return form_add(form, part->name, part->bytes);
    if (form->file_count == FORM_FILES_MAX)
        return FORM_TOO_MANY;
    struct form_file file = {copy(part->name), copy(part->file_name), copy(part->type),
                             part->bytes};
    if (!file.field || !file.name || !file.content_type) {
        free(file.field);
        free(file.name);
        free(file.content_type);
        return FORM_NOT_UTF8;
    }
    form->files[form->file_count++] = file;
    return FORM_DONE;
}

/* "--boundary" CR LF headers CR LF CR LF bytes CR LF "--boundary" ... "--" */
static int read_multipart(struct form *form, struct slice boundary, struct slice body) {
    if (!boundary.size || boundary.size > 200)
        return FORM_BROKEN;
    AUTO_FREE char *mark = text_format("\r\n--%.*s", (int)boundary.size, boundary.data);
    size_t mark_size = strlen(mark);
    bool starts = body.size >= mark_size - 2 && memcmp(body.data, mark + 2, mark_size - 2) == 0;
    if (!starts)
        return FORM_BROKEN;
    struct slice rest = behind(body, mark_size - 2);
    for (;;) {
        if (rest.size >= 2 && memcmp(rest.data, "--", 2) == 0)
            return FORM_DONE;
        if (rest.size < 2 || memcmp(rest.data, "\r\n", 2) != 0)
            return FORM_BROKEN;
        rest = behind(rest, 2);
        struct part part = {0};
        size_t headers = read_headers(rest, &part);
        rest = behind(rest, headers);
        const char *end =
            headers && rest.size ? memmem(rest.data, rest.size, mark, mark_size) : NULL;
        if (!end)
            return FORM_BROKEN;
        part.bytes = (struct slice){rest.data, (size_t)(end - rest.data)};
        int r = take_part(form, &part);
        if (r != FORM_DONE)
            return r;
        rest = behind(rest, part.bytes.size + mark_size);
    }
}

/* --- the whole ---------------------------------------------------------------------------- */

static bool type_is(struct slice type, const char *name) {
    while (type.size && type.data[type.size - 1] == ' ')
        type.size--;
    return type.size == strlen(name) && strncasecmp(type.data, name, type.size) == 0;
}

int form_read(struct form *form, const char *content_type, struct slice body) {
    struct slice whole = slice_of(content_type ? content_type : ""), type = until(whole, ';');
    struct slice boundary = {0};
    values_of(form);
    if (!body.size)
        return FORM_DONE;
    if (type_is(type, "application/json"))
        return read_json(form, body);
    if (type_is(type, "multipart/form-data"))
        return parameter(whole, "boundary", &boundary) ? read_multipart(form, boundary, body)
                                                       : FORM_BROKEN;
    return read_urlencoded(form, body);
}

void form_deinit(struct form *form) {
    for (size_t i = 0; i < form->file_count; i++) {
        free(form->files[i].field);
        free(form->files[i].name);
        free(form->files[i].content_type);
    }
    json_decref(form->values);
    *form = (struct form){0};
}
