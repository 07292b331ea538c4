/* SPDX-License-Identifier: Apache-2.0 */
/* Markup to text and entities. The three parsers follow tdlib's (MessageEntity.cpp): one pass over
 * bytes, a stack of open entities, offsets counted in UTF-16 units as bytes are put out. Their
 * error texts carry byte offsets into the text as it was sent. */
#include "mimic/telegram_text.h"
#include "base/buffer.h"
#include "base/text.h"
#include <strings.h>

struct open_entity {
    const char *type;      /* as in the API: "bold" */
    const char *name;      /* as in error texts: "Bold", or the HTML tag */
    char *argument;        /* URL, language; may be NULL */
    size_t utf16, byte_in; /* where it begins: in the result; in the input */
    size_t byte_out;
};
struct builder {
    struct buffer text;
    size_t utf16;
    json_t *entities;
    struct open_entity *open;
    size_t depth;
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* UTF-16 units that begin with this byte of UTF-8. */
static size_t units(unsigned char c) {
    return (c & 0xc0) == 0x80 ? 0 : c >= 0xf0 ? 2 : 1;
}

size_t telegram_utf16_length(const char *text, size_t bytes) {
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += units((unsigned char)text[i]);
    return count;
}

/* Carriage returns go, other control characters become spaces, as at the real server. */
static void put(struct builder *b, char c) {
    if (c == '\r')
        return;
    if ((unsigned char)c < ' ' && c != '\n' && c != '\t')
        c = ' ';
    b->utf16 += units((unsigned char)c);
    buffer_add(&b->text, &c, 1);
}

static void put_point(struct builder *b, uint32_t point) {
    char out[4];
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (n == 1) {
        put(b, (char)point);
        return;
    }
    for (size_t i = n; i-- > 1; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(((0xf00u >> n) & 0xff) | point);
    buffer_add(&b->text, out, n);
    b->utf16 += n == 4 ? 2 : 1;
}

/* How much of a name from the input an error text repeats: at most 100 bytes, no half character. */
static int shown(struct slice name) {
    size_t n = name.size > 100 ? 100 : name.size;
    while (n < name.size && n > 0 && ((unsigned char)name.data[n] & 0xc0) == 0x80)
        n--;
    return (int)n;
}

static struct open_entity *top(struct builder *b) {
    return b->depth ? &b->open[b->depth - 1] : NULL;
}

static void push(struct builder *b, const char *type, const char *name, size_t byte_in) {
    b->open = memory_grow(b->open, b->depth + 1, sizeof *b->open);
    b->open[b->depth++] = (struct open_entity){type, name, NULL, b->utf16, byte_in, b->text.size};
}

static void put_entity(json_t *entities, const char *type, size_t offset, size_t length,
                       const char *key, const char *value) {
    json_t *entity = json_pack("{s:I, s:I, s:s}", "offset", (json_int_t)offset, "length",
                               (json_int_t)length, "type", type);
    if (key && value && *value)
        json_object_set_new(entity, key, json_string(value));
    json_array_append_new(entities, entity);
}

static const char *argument_key(const char *type) {
    return strcmp(type, "text_link") == 0      ? "url"
           : strcmp(type, "pre") == 0          ? "language"
           : strcmp(type, "code") == 0         ? "language" /* only until its <pre> is closed */
           : strcmp(type, "custom_emoji") == 0 ? "custom_emoji_id"
                                               : NULL;
}

static void pop(struct builder *b, bool keep) {
    struct open_entity *entity = top(b);
    if (keep && b->utf16 > entity->utf16)
        put_entity(b->entities, entity->type, entity->utf16, b->utf16 - entity->utf16,
                   argument_key(entity->type), entity->argument);
    free(entity->argument);
    b->depth--;
}

static void builder_deinit(struct builder *b) {
    while (b->depth)
        pop(b, false);
    free(b->open);
    buffer_deinit(&b->text);
    json_decref(b->entities);
}

/* --- HTML --------------------------------------------------------------------------------- */

static const struct tag {
    const char *name, *type;
} tags[] = {
    {"b", "bold"},
    {"strong", "bold"},
    {"i", "italic"},
    {"em", "italic"},
    {"s", "strikethrough"},
    {"strike", "strikethrough"},
    {"del", "strikethrough"},
    {"u", "underline"},
    {"ins", "underline"},
    {"tg-spoiler", "spoiler"},
    {"span", "spoiler"},
    {"tg-emoji", "custom_emoji"},
    {"a", "text_link"},
    {"pre", "pre"},
    {"code", "code"},
    {"blockquote", "blockquote"},
};

static const struct tag *tag_find(struct slice name) {
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        if (strlen(tags[i].name) == name.size &&
            strncasecmp(tags[i].name, name.data, name.size) == 0)
            return &tags[i];
    }
    return NULL;
}

/* The code point of "&lt;", "&#60;", "&#x3c;" at text, 0 when it is none; *ret_end behind it. */
static uint32_t html_reference(const char *text, const char **ret_end) {
    static const struct {
        const char *name;
        char point;
    } names[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}};
    const char *p = text + 1;
    uint32_t point = 0;
    if (*p == '#') {
        bool hex = p[1] == 'x';
        for (p += hex ? 2 : 1; point < 0x110000; p++) {
            uint32_t digit = *p >= '0' && *p <= '9'          ? (uint32_t)(*p - '0')
                             : hex && *p >= 'a' && *p <= 'f' ? (uint32_t)(*p - 'a' + 10)
                             : hex && *p >= 'A' && *p <= 'F' ? (uint32_t)(*p - 'A' + 10)
                                                             : 99;
            if (digit == 99)
                break;
            point = point * (hex ? 16 : 10) + digit;
        }
    }
    for (size_t i = 0; i < COUNT_OF(names) && *p != '#' && !point; i++) {
        size_t n = strlen(names[i].name);
        if (strncmp(p, names[i].name, n) == 0) {
            point = (unsigned char)names[i].point;
            p += n;
        }
    }
    *ret_end = *p == ';' ? p + 1 : p;
    return point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? 0 : point;
}

struct html {
    struct builder *b;
    const char *text;
    size_t i;
};

static void skip_space(struct html *h) {
    while (is_space(h->text[h->i]))
        h->i++;
}

/* The value of an attribute: a name token or a quoted string. */
static char *attribute_value(struct html *h, struct buffer *value) {
    const char *text = h->text;
    if (text[h->i] != '\'' && text[h->i] != '"') {
        size_t begin = h->i;
        for (; is_word(text[h->i]) || text[h->i] == '.' || text[h->i] == '-'; h->i++)
            buffer_add(value, &text[h->i], 1);
        if (!is_space(text[h->i]) && text[h->i] != '>')
            return text_format("Unexpected end of name token at byte offset %zu", begin);
        return NULL;
    }
    struct builder decoded = {0};
    char end = text[h->i++];
    while (text[h->i] && text[h->i] != end) {
        const char *behind = NULL;
        uint32_t point = text[h->i] == '&' ? html_reference(text + h->i, &behind) : 0;
        if (point) {
            put_point(&decoded, point);
            h->i = (size_t)(behind - text);
        } else {
            put(&decoded, text[h->i++]);
        }
    }
    h->i += text[h->i] == end;
    if (decoded.text.size)
        buffer_add(value, decoded.text.data, decoded.text.size);
    buffer_deinit(&decoded.text);
    return NULL;
}

/* What an attribute means for its tag. */
static void apply_attribute(struct open_entity *entity, const char *name, const char *value) {
    bool link = strcmp(entity->name, "a") == 0 && strcmp(name, "href") == 0;
    bool language = strcmp(entity->name, "code") == 0 && strcmp(name, "class") == 0 &&
                    strncmp(value, "language-", 9) == 0;
    bool spoiler = strcmp(entity->name, "span") == 0 && strcmp(name, "class") == 0;
    bool emoji = strcmp(entity->name, "tg-emoji") == 0 && strcmp(name, "emoji-id") == 0;
    if (strcmp(entity->name, "blockquote") == 0 && strcmp(name, "expandable") == 0)
        entity->type = "expandable_blockquote";
    if (!link && !language && !spoiler && !emoji)
        return;
    free(entity->argument);
    entity->argument = text_copy(language ? value + 9 : value);
}

static char *attributes(struct html *h, size_t begin) {
    const char *text = h->text;
    const char *tag = top(h->b)->name;
    for (;;) {
        skip_space(h);
        if (text[h->i] == '>')
            break;
        if (!text[h->i])
            return text_format("Unclosed start tag \"%s\" at byte offset %zu", tag, begin);
        size_t name_begin = h->i;
        while (text[h->i] && !is_space(text[h->i]) && text[h->i] != '=' && text[h->i] != '>' &&
               text[h->i] != '/' && text[h->i] != '"' && text[h->i] != '\'')
            h->i++;
        if (h->i == name_begin)
            return text_format("Empty attribute name in the tag \"%s\" at byte offset %zu", tag,
                               begin);
        AUTO_FREE char *name = text_copy_n(text + name_begin, h->i - name_begin);
        AUTO_BUFFER struct buffer value = {0};
        skip_space(h);
        bool alone = strcmp(name, "expandable") == 0 && text[h->i] != '=';
        if (!alone && text[h->i] != '=')
            return text_format("Expected equal sign in declaration of an attribute of the tag "
                               "\"%s\" at byte offset %zu",
                               tag, begin);
        if (!alone) {
            h->i++;
            skip_space(h);
            char *error = attribute_value(h, &value);
            if (error)
                return error;
        }
        buffer_add(&value, "", 0);
        apply_attribute(top(h->b), name, value.data ? value.data : "");
    }
    return NULL;
}

static char *start_tag(struct html *h, size_t begin) {
    const char *text = h->text;
    while (text[h->i] && !is_space(text[h->i]) && text[h->i] != '>')
        h->i++;
    if (!text[h->i])
        return text_format("Unclosed start tag at byte offset %zu", begin);
    struct slice name = {text + begin + 1, h->i - begin - 1};
    const struct tag *tag = tag_find(name);
    if (!tag)
        return text_format("Unsupported start tag \"%.*s\" at byte offset %zu", shown(name),
                           name.data, begin);
    push(h->b, tag->type, tag->name, begin);
    char *error = attributes(h, begin);
    if (error)
        return error;
    struct open_entity *entity = top(h->b);
    if (strcmp(tag->name, "span") == 0 &&
        (!entity->argument || strcmp(entity->argument, "tg-spoiler") != 0))
        return text_format("Tag \"span\" must have class \"tg-spoiler\" at byte offset %zu", begin);
    return NULL;
}

/* "<pre><code class=language-c>" is one block with a language. */
static void close_tag(struct builder *b) {
    struct open_entity *entity = top(b);
    if (strcmp(entity->name, "a") == 0 && (!entity->argument || !*entity->argument)) {
        free(entity->argument); /* a link without address leads to its own text */
        entity->argument = text_copy_n(b->text.data ? b->text.data + entity->byte_out : "",
                                       b->text.size - entity->byte_out);
        if (!strstr(entity->argument, "://") && !strchr(entity->argument, '.')) {
            pop(b, false);
            return;
        }
    }
    json_t *last = json_array_get(b->entities, json_array_size(b->entities) - 1);
    bool inner =
        last && strcmp(entity->type, "pre") == 0 &&
        strcmp(json_string_value(json_object_get(last, "type")), "code") == 0 &&
        (size_t)json_integer_value(json_object_get(last, "offset")) == entity->utf16 &&
        (size_t)json_integer_value(json_object_get(last, "length")) == b->utf16 - entity->utf16;
    if (inner) {
        const char *language = json_string_value(json_object_get(last, "language"));
        entity->argument = language ? text_copy(language) : NULL;
        json_array_remove(b->entities, json_array_size(b->entities) - 1);
    }
    pop(b, true);
}

static char *end_tag(struct html *h, size_t begin) {
    const char *text = h->text;
    struct open_entity *entity = top(h->b);
    if (!entity)
        return text_format("Unexpected end tag at byte offset %zu", begin);
    size_t name_begin = ++h->i;
    while (text[h->i] && !is_space(text[h->i]) && text[h->i] != '>')
        h->i++;
    struct slice name = {text + name_begin, h->i - name_begin};
    skip_space(h);
    if (text[h->i] != '>')
        return text_format("Unclosed end tag at byte offset %zu", begin);
    if (name.size &&
        (name.size != strlen(entity->name) || strncasecmp(name.data, entity->name, name.size) != 0))
        return text_format("Unmatched end tag at byte offset %zu, expected \"</%s>\", found "
                           "\"</%.*s>\"",
                           begin, entity->name, shown(name), name.data);
    close_tag(h->b);
    return NULL;
}

static char *parse_html(const char *text, struct builder *b) {
    struct html h = {b, text, 0};
    while (text[h.i]) {
        if (text[h.i] == '&') {
            const char *behind = NULL;
            uint32_t point = html_reference(text + h.i, &behind);
            if (point) {
                put_point(b, point);
                h.i = (size_t)(behind - text);
                continue;
            }
        }
        if (text[h.i] != '<') {
            put(b, text[h.i++]);
            continue;
        }
        size_t begin = h.i++;
        char *error = text[h.i] == '/' ? end_tag(&h, begin) : start_tag(&h, begin);
        if (error)
            return error;
        h.i++; /* '>' */
    }
    if (b->depth)
        return text_format("Can't find end tag corresponding to start tag \"%s\"", top(b)->name);
    size_t i;
    json_t *entity;
    json_array_foreach(b->entities, i, entity) {
        if (strcmp(json_string_value(json_object_get(entity, "type")), "code") == 0)
            json_object_del(entity, "language");
    }
    return NULL;
}

/* --- MarkdownV2 --------------------------------------------------------------------------- */

static char *reserved(char c) {
    return text_format("Character '%c' is reserved and must be escaped with the preceding '\\'", c);
}

static bool ends(const struct open_entity *entity, const char *p) {
    const char *name = entity->name;
    return strcmp(name, "Bold") == 0            ? *p == '*'
           : strcmp(name, "Italic") == 0        ? *p == '_' && p[1] != '_'
           : strcmp(name, "Underline") == 0     ? *p == '_' && p[1] == '_'
           : strcmp(name, "Strikethrough") == 0 ? *p == '~'
           : strcmp(name, "Spoiler") == 0       ? *p == '|' && p[1] == '|'
           : strcmp(name, "Code") == 0          ? *p == '`'
           : strncmp(name, "Pre", 3) == 0       ? *p == '`' && p[1] == '`' && p[2] == '`'
                                                : *p == ']'; /* TextUrl, CustomEmoji */
}

/* Behind "```": an optional language, one line break. Returns where the code begins. */
static size_t open_pre(struct builder *b, const char *text, size_t i, size_t begin) {
    size_t end = i;
    while (text[end] && !is_space(text[end]) && text[end] != '`')
        end++;
    bool language = end != i && text[end] && text[end] != '`';
    push(b, "pre", language ? "PreCode" : "Pre", begin);
    if (language) {
        top(b)->argument = text_copy_n(text + i, end - i);
        i = end;
    }
    if (text[i] == '\r' && text[i + 1] == '\n')
        i++;
    return text[i] == '\n' ? i + 1 : i;
}

/* Opens what begins at *i and moves behind its marker. */
static char *open_markdown(struct builder *b, const char *text, size_t *i) {
    const char *p = text + *i;
    size_t begin = *i, skip = 1;
    if (*p == '_' && p[1] == '_') {
        push(b, "underline", "Underline", begin);
        skip = 2;
    } else if (*p == '_') {
        push(b, "italic", "Italic", begin);
    } else if (*p == '*') {
        push(b, "bold", "Bold", begin);
    } else if (*p == '~') {
        push(b, "strikethrough", "Strikethrough", begin);
    } else if (*p == '|' && p[1] == '|') {
        push(b, "spoiler", "Spoiler", begin);
        skip = 2;
    } else if (*p == '[') {
        push(b, "text_link", "TextUrl", begin);
    } else if (*p == '!' && p[1] == '[') {
        push(b, "custom_emoji", "CustomEmoji", begin);
        skip = 2;
    } else if (*p == '`' && p[1] == '`' && p[2] == '`') {
        *i = open_pre(b, text, begin + 3, begin);
        return NULL;
    } else if (*p == '`') {
        push(b, "code", "Code", begin);
    } else {
        return reserved(*p);
    }
    *i += skip;
    return NULL;
}

/* "(url)" behind "]"; without one the text is the address. */
static char *read_url(const char *text, size_t *i, struct buffer *url) {
    size_t begin = ++*i;
    while (text[*i] && text[*i] != ')') {
        *i += text[*i] == '\\' && text[*i + 1] > 0;
        buffer_add(url, &text[(*i)++], 1);
    }
    if (!text[*i])
        return text_format("Can't find end of a URL at byte offset %zu", begin);
    ++*i;
    return NULL;
}

static char *close_markdown(struct builder *b, const char *text, size_t *i) {
    struct open_entity *entity = top(b);
    const char *name = entity->name;
    bool link = strcmp(name, "TextUrl") == 0 || strcmp(name, "CustomEmoji") == 0;
    if (!link) {
        bool two = strcmp(name, "Underline") == 0 || strcmp(name, "Spoiler") == 0;
        *i += strncmp(name, "Pre", 3) == 0 ? 3 : two ? 2 : 1;
        pop(b, true);
        return NULL;
    }
    AUTO_BUFFER struct buffer url = {0};
    ++*i;
    if (text[*i] == '(') {
        char *error = read_url(text, i, &url);
        if (error)
            return error;
    } else if (b->text.size > entity->byte_out) {
        buffer_add(&url, b->text.data + entity->byte_out, b->text.size - entity->byte_out);
    }
    const char *address = url.data ? url.data : "";
    const char *id = strstr(address, "id=");
    free(entity->argument);
    entity->argument = text_copy(entity->name[0] == 'C' && id ? id + 3 : address);
    pop(b, *address != 0);
    return NULL;
}

static void close_quote(struct builder *b, size_t *quote, size_t end) {
    if (*quote != SIZE_MAX && end > *quote)
        put_entity(b->entities, "blockquote", *quote, end - *quote, NULL, NULL);
    *quote = SIZE_MAX;
}

static char *parse_markdown_v2(const char *text, struct builder *b) {
    size_t i = 0;
    size_t quote = SIZE_MAX;  /* where the open block quote begins, in UTF-16 units */
    size_t marked = SIZE_MAX; /* where the line begins whose '>' was just read */
    while (text[i]) {
        char c = text[i];
        bool line_start =
            (!b->text.size || b->text.data[b->text.size - 1] == '\n') && marked != b->utf16;
        bool code =
            b->depth && (strcmp(top(b)->type, "code") == 0 || strcmp(top(b)->type, "pre") == 0);
        if (line_start && !code && quote != SIZE_MAX && c != '>')
            close_quote(b, &quote, b->utf16 - 1);
        if (c == '\\' && text[i + 1] > 0 && text[i + 1] <= 126) {
            put(b, text[i + 1]);
            i += 2;
        } else if (line_start && !code && c == '>') {
            quote = quote == SIZE_MAX ? b->utf16 : quote;
            marked = b->utf16;
            i++;
        } else if (!strchr(code ? "`" : "_*[]()~`>#+-=|{}.!", c)) {
            put(b, c);
            i++;
        } else {
            bool end = b->depth && ends(top(b), text + i);
            if (code && !end) { /* a lone ` inside of a block */
                if (strcmp(top(b)->type, "pre") != 0)
                    return reserved(c);
                put(b, c);
                i++;
                continue;
            }
            char *error = end ? close_markdown(b, text, &i) : open_markdown(b, text, &i);
            if (error)
                return error;
        }
    }
    if (b->depth)
        return text_format("Can't find end of %s entity at byte offset %zu", top(b)->name,
                           top(b)->byte_in);
    close_quote(b, &quote, b->utf16);
    return NULL;
}

/* --- Markdown, the old one ---------------------------------------------------------------- */

static char *parse_markdown(const char *text, struct builder *b) {
    for (size_t i = 0; text[i];) {
        char c = text[i];
        if (c == '\\' && text[i + 1] && strchr("_*`[", text[i + 1])) {
            put(b, text[i + 1]);
            i += 2;
            continue;
        }
        if (!strchr("_*`[", c)) {
            put(b, c);
            i++;
            continue;
        }
        size_t begin = i;
        bool pre = strncmp(text + i, "```", 3) == 0;
        char end = c == '[' ? ']' : c;
        if (pre) {
            i = open_pre(b, text, i + 3, begin);
        } else {
            push(b,
                 c == '_'   ? "italic"
                 : c == '*' ? "bold"
                 : c == '`' ? "code"
                            : "text_link",
                 "", begin);
            i++;
        }
        while (text[i] && (text[i] != end || (pre && strncmp(text + i, "```", 3) != 0)))
            put(b, text[i++]);
        if (!text[i])
            return text_format("Can't find end of the entity starting at byte offset %zu", begin);
        i += pre ? 3 : 1;
        if (c == '[' && text[i] == '(') {
            AUTO_BUFFER struct buffer url = {0};
            char *error = read_url(text, &i, &url);
            if (error)
                return error;
            top(b)->argument = url.size ? text_copy(url.data) : NULL;
        }
        pop(b, c != '[' || top(b)->argument);
    }
    return NULL;
}

/* --- entities in plain text --------------------------------------------------------------- */

/* One byte per UTF-16 unit: true where nothing is looked for (code, links). The caller frees it. */
static bool *opaque_map(const json_t *entities, size_t utf16) {
    bool *map = memory_new(utf16 + 1);
    size_t i;
    json_t *entity;
    json_array_foreach((json_t *)entities, i, entity) {
        const char *type = json_string_value(json_object_get(entity, "type"));
        size_t from = (size_t)json_integer_value(json_object_get(entity, "offset"));
        size_t length = (size_t)json_integer_value(json_object_get(entity, "length"));
        if (strcmp(type, "pre") == 0 || strcmp(type, "code") == 0 || strcmp(type, "text_link") == 0)
            memset(map + from, true, length);
    }
    return map;
}

/* How many bytes at p are a command, mention, hashtag or address; *ret_type says which. */
static size_t detect(const char *p, const char **ret_type) {
    size_t n = 1;
    if (strncmp(p, "http://", 7) == 0 || strncmp(p, "https://", 8) == 0) {
        *ret_type = "url";
        while (p[n] && !is_space(p[n]) && p[n] != '<' && p[n] != '>' && p[n] != '"')
            n++;
        while (strchr(".,;:!?)", p[n - 1]))
            n--;
        return n > 8 ? n : 0;
    }
    if (*p != '/' && *p != '@' && *p != '#')
        return 0;
    *ret_type = *p == '/' ? "bot_command" : *p == '@' ? "mention" : "hashtag";
    while (is_word(p[n]) || (*p == '#' && (unsigned char)p[n] >= 0x80))
        n++;
    size_t word = n - 1;
    if (*p == '/' && p[n] == '@' && is_word(p[n + 1])) {
        for (n++; is_word(p[n]);)
            n++;
    }
    bool fits = *p == '@' ? word >= 4 && word <= 32 : word >= 1 && word <= 64;
    return fits && p[n] != '/' ? n : 0;
}

static void find_entities(const char *text, json_t *entities) {
    json_t *found = json_array();
    AUTO_FREE bool *opaque = opaque_map(entities, telegram_utf16_length(text, strlen(text)));
    size_t utf16 = 0;
    for (const char *p = text; *p;) {
        const char *type = "";
        bool boundary = p == text || is_space(p[-1]) || strchr("([{\"'<,;:!?", p[-1]);
        size_t n = boundary && !opaque[utf16] ? detect(p, &type) : 0;
        if (n)
            put_entity(found, type, utf16, telegram_utf16_length(p, n), NULL, NULL);
        n = n ? n : 1;
        utf16 += telegram_utf16_length(p, n);
        p += n;
    }
    json_array_extend(entities, found);
    json_decref(found);
}

/* --- the whole ---------------------------------------------------------------------------- */

/* What the caller of a method gave as `entities`; those that do not fit are left out. */
static void take_entities(const char *given, size_t utf16, json_t *entities) {
    json_t *list = json_loads(given, 0, NULL);
    size_t i;
    json_t *entity;
    json_array_foreach(list, i, entity) {
        json_int_t offset = json_integer_value(json_object_get(entity, "offset"));
        json_int_t length = json_integer_value(json_object_get(entity, "length"));
        const char *type = json_string_value(json_object_get(entity, "type"));
        bool found_anyway = type && (strcmp(type, "bot_command") == 0 || strcmp(type, "url") == 0 ||
                                     strcmp(type, "mention") == 0 || strcmp(type, "hashtag") == 0);
        if (type && !found_anyway && offset >= 0 && length > 0 &&
            (json_int_t)utf16 - offset >= length)
            json_array_append(entities, entity);
    }
    json_decref(list);
}

/* Cuts `left` units off the front and what lies behind `end`. */
static void clip(json_t *entities, size_t left, size_t end) {
    for (size_t i = json_array_size(entities); i-- > 0;) {
        json_t *entity = json_array_get(entities, i);
        size_t from = (size_t)json_integer_value(json_object_get(entity, "offset"));
        size_t to = from + (size_t)json_integer_value(json_object_get(entity, "length"));
        from = from < left ? left : from;
        to = to > end ? end : to;
        if (from >= to) {
            json_array_remove(entities, i);
            continue;
        }
        json_object_set_new(entity, "offset", json_integer((json_int_t)(from - left)));
        json_object_set_new(entity, "length", json_integer((json_int_t)(to - from)));
    }
}

static void trim(struct builder *b) {
    size_t left = 0, right = b->text.size;
    while (right > 0 && is_space(b->text.data[right - 1]))
        right--;
    while (left < right && is_space(b->text.data[left]))
        left++;
    size_t end = b->utf16 - (b->text.size - right);
    clip(b->entities, left, end);
    b->utf16 = end - left;
    if (b->text.data) {
        b->text.size = right;
        b->text.data[right] = 0;
        buffer_drop_front(&b->text, left);
    }
}

static bool comes_first(const json_t *a, const json_t *b) {
    json_int_t x = json_integer_value(json_object_get(a, "offset"));
    json_int_t y = json_integer_value(json_object_get(b, "offset"));
    return x < y || (x == y && json_integer_value(json_object_get(a, "length")) >=
                                   json_integer_value(json_object_get(b, "length")));
}

/* By offset, the longer first; the order of equals is kept. At most 100 are kept, as at the real
 * server, so that insertion is quick enough. */
static json_t *sorted(json_t *entities) {
    enum { ENTITIES_MAX = 100 };
    json_t *list = json_array();
    size_t i;
    json_t *entity;
    json_array_foreach(entities, i, entity) {
        if (i == ENTITIES_MAX)
            break;
        size_t at = json_array_size(list);
        while (at > 0 && !comes_first(json_array_get(list, at - 1), entity))
            at--;
        json_array_insert(list, at, entity);
    }
    return list;
}

static void plain(const char *text, struct builder *b) {
    for (; *text; text++)
        put(b, *text);
}

static char *parse(const char *text, const char *mode, const char *given, struct builder *b) {
    if (strcasecmp(mode, "html") == 0)
        return parse_html(text, b);
    if (strcasecmp(mode, "markdownv2") == 0)
        return parse_markdown_v2(text, b);
    if (strcasecmp(mode, "markdown") == 0)
        return parse_markdown(text, b);
    plain(text, b);
    take_entities(given, b->utf16, b->entities);
    return NULL;
}

char *telegram_format(const char *text, const char *mode, const char *entities,
                      struct formatted *ret) {
    bool known = !*mode || strcasecmp(mode, "html") == 0 || strcasecmp(mode, "markdown") == 0 ||
                 strcasecmp(mode, "markdownv2") == 0 || strcasecmp(mode, "none") == 0;
    if (!known)
        return text_copy("unsupported parse_mode");
    __attribute__((cleanup(builder_deinit))) struct builder b = {.entities = json_array()};
    AUTO_FREE char *error = parse(text, mode, entities, &b);
    if (error)
        return text_format("can't parse entities: %s", error);
    trim(&b);
    find_entities(b.text.data ? b.text.data : "", b.entities);
    ret->entities = sorted(b.entities);
    ret->text = buffer_take(&b.text);
    return NULL;
}

void formatted_deinit(struct formatted *formatted) {
    free(formatted->text);
    json_decref(formatted->entities);
    *formatted = (struct formatted){0};
}
