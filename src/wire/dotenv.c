/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dotenv.h"
#include "base/buffer.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>

const char *env_get(char *const *list, const char *name) {
    size_t size = strlen(name);
    for (; list && *list; list++)
        if (strncmp(*list, name, size) == 0 && (*list)[size] == '=')
            return *list + size + 1;
    return NULL;
}

void env_set(char ***list, const char *name, const char *value) {
    char *entry = text_format("%s=%s", name, value);
    size_t size = strlen(name), count = text_list_count(*list);
    for (size_t i = 0; i < count; i++) {
        if (strncmp((*list)[i], entry, size + 1) == 0) {
            free((*list)[i]);
            (*list)[i] = entry;
            return;
        }
    }
    *list = memory_grow(*list, count + 2, sizeof **list);
    (*list)[count] = entry;
    (*list)[count + 1] = NULL;
}

struct cursor {
    const char *p, *end, *line_start;
    uint32_t line;
    const char *problem;
};

static void skip_blanks(struct cursor *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r'))
        c->p++;
}

static bool name_char(char ch, bool first) {
    return ch == '_' || isalpha((unsigned char)ch) || (!first && isdigit((unsigned char)ch));
}

static char *read_name(struct cursor *c) {
    const char *start = c->p;
    while (c->p < c->end && name_char(*c->p, c->p == start))
        c->p++;
    return c->p == start ? NULL : text_copy_n(start, (size_t)(c->p - start));
}

static char unescape(char ch) {
    return ch == 'n' ? '\n' : ch == 't' ? '\t' : ch == 'r' ? '\r' : ch;
}

static char *read_quoted(struct cursor *c) {
    char quote = *c->p++;
    AUTO_BUFFER struct buffer value = {0};
    while (c->p < c->end && *c->p != quote) {
        char ch = *c->p++;
        if (ch == '\n') {
            c->line++;
            c->line_start = c->p;
        }
        if (ch == '\\' && quote == '"' && c->p < c->end)
            ch = unescape(*c->p++);
        buffer_add(&value, &ch, 1);
    }
    if (c->p == c->end) {
        c->problem = "this quote is never closed";
        return NULL;
    }
    c->p++;
    return buffer_take(&value);
}

/* Up to the end of the line or a comment, blanks at the end dropped. */
static char *read_plain(struct cursor *c) {
    const char *start = c->p, *last = c->p;
    for (; c->p < c->end && *c->p != '\n'; c->p++) {
        if (*c->p == '#' && (c->p == start || c->p[-1] == ' ' || c->p[-1] == '\t'))
            break;
        if (*c->p != ' ' && *c->p != '\t' && *c->p != '\r')
            last = c->p + 1;
    }
    return text_copy_n(start, (size_t)(last - start));
}

static bool at_line_end(struct cursor *c) {
    skip_blanks(c);
    return c->p == c->end || *c->p == '\n' || *c->p == '#';
}

/* One line that is neither empty nor a comment. */
static bool read_assignment(struct cursor *c, char ***list) {
    AUTO_FREE char *name = read_name(c);
    if (name && strcmp(name, "export") == 0 && c->p < c->end && *c->p == ' ') {
        skip_blanks(c);
        free(name);
        name = read_name(c);
    }
    skip_blanks(c);
    if (!name || c->p == c->end || *c->p != '=') {
        c->problem = "expected NAME=value";
        return false;
    }
    c->p++;
    skip_blanks(c);
    bool quoted = c->p < c->end && (*c->p == '"' || *c->p == '\'');
    AUTO_FREE char *value = quoted ? read_quoted(c) : read_plain(c);
    if (!value)
        return false;
    if (!at_line_end(c)) {
        c->problem = "text after the closing quote";
        return false;
    }
    env_set(list, name, value);
    return true;
}

int dotenv_parse(struct slice text, char ***list, struct dotenv_problem *ret_problem) {
    struct cursor c = {.p = text.data, .end = text.data + text.size, .line = 1};
    c.line_start = c.p;
    if (!*list)
        *list = memory_array(1, sizeof **list);
    if (text.size && memchr(text.data, 0, text.size)) {
        *ret_problem = (struct dotenv_problem){1, 1, "holds a NUL byte: not a text file"};
        return -EINVAL;
    }
    while (c.p < c.end) {
        if (!at_line_end(&c) && !read_assignment(&c, list)) {
            *ret_problem =
                (struct dotenv_problem){c.line, (uint32_t)(c.p - c.line_start) + 1, c.problem};
            return -EINVAL;
        }
        const char *end = c.p < c.end ? memchr(c.p, '\n', (size_t)(c.end - c.p)) : NULL;
        c.p = end ? end + 1 : c.end;
        c.line_start = c.p;
        c.line++;
    }
    return 0;
}
