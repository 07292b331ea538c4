/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/yaml_tree.h"
#include "base/buffer.h"
#include <errno.h>
#include <stdio.h>
#include <yaml.h>

/* Signs inside ${...} travel through the parser as private-use characters (U+E000 + index): one
 * character each, so that columns stay true. */
static const char shielded[] = "{}[],:#&*!|>'\"%@`\\ ?-";
static const unsigned char shield_lead[2] = {0xee, 0x80};

static void shield(struct slice text, struct buffer *out) {
    bool inside = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!inside && c == '{' && i > 0 && text.data[i - 1] == '$')
            inside = memchr(text.data + i, '}', text.size - i) != NULL;
        if (c == '\n')
            inside = false;
        const char *at = inside && c ? strchr(shielded, c) : NULL;
        if (at) {
            unsigned char bytes[3] = {shield_lead[0], shield_lead[1],
                                      (unsigned char)(0x80 + (at - shielded))};
            buffer_add(out, bytes, sizeof bytes);
        } else {
            buffer_add(out, &c, 1);
        }
        if (c == '}')
            inside = false;
    }
}

static char *unshield(const char *text, size_t size) {
    AUTO_BUFFER struct buffer out = {0};
    for (size_t i = 0; i < size; i++) {
        size_t index = i + 2 < size ? (unsigned char)text[i + 2] - 0x80u : SIZE_MAX;
        if (index < sizeof shielded - 1 && memcmp(text + i, shield_lead, 2) == 0) {
            buffer_add(&out, &shielded[index], 1);
            i += 2;
        } else {
            buffer_add(&out, text + i, 1);
        }
    }
    return buffer_take(&out);
}

struct reader {
    yaml_parser_t parser;
    struct yaml_problem *problem;
    size_t nodes;
};

static int refuse(struct reader *reader, yaml_mark_t mark, const char *text) {
    reader->problem->line = (uint32_t)mark.line + 1;
    reader->problem->column = (uint32_t)mark.column + 1;
    snprintf(reader->problem->text, sizeof reader->problem->text, "%s", text);
    return -EINVAL;
}

static int next_event(struct reader *reader, yaml_event_t *event) {
    if (yaml_parser_parse(&reader->parser, event))
        return 0;
    const char *words = reader->parser.problem ? reader->parser.problem : "not YAML";
    yaml_mark_t mark = reader->parser.problem_mark;
    if (reader->parser.error == YAML_READER_ERROR)
        mark = reader->parser.mark;
    return refuse(reader, mark, words);
}

static int read_node(struct reader *reader, yaml_event_t *event, struct yaml_node *node,
                     size_t depth);

/* Reads children until `end`; mappings alternate keys and values. */
static int read_children(struct reader *reader, struct yaml_node *node, yaml_event_type_t end,
                         size_t depth) {
    for (;;) {
        yaml_event_t event;
        int r = next_event(reader, &event);
        if (r < 0)
            return r;
        yaml_mark_t mark = event.start_mark;
        if (event.type == end) {
            yaml_event_delete(&event);
            return 0;
        }
        node->items = memory_grow(node->items, node->count + 1, sizeof *node->items);
        node->items[node->count] = (struct yaml_node){0};
        if (node->kind == YAML_MAPPING) {
            node->keys = memory_grow(node->keys, node->count + 1, sizeof *node->keys);
            struct yaml_node *key = &node->keys[node->count];
            *key = (struct yaml_node){0};
            node->count++;
            r = read_node(reader, &event, key, depth);
            if (r == 0 && key->kind != YAML_SCALAR)
                r = refuse(reader, mark, "a key must be plain text");
            for (size_t i = 0; r == 0 && i + 1 < node->count; i++)
                if (strcmp(node->keys[i].text, key->text) == 0)
                    r = refuse(reader, mark, "this key is given twice here");
            if (r == 0)
                r = next_event(reader, &event);
        } else {
            node->count++;
        }
        if (r == 0)
            r = read_node(reader, &event, &node->items[node->count - 1], depth);
        if (r < 0)
            return r;
    }
}

/* Consumes `event`. */
static int read_node(struct reader *reader, yaml_event_t *event, struct yaml_node *node,
                     size_t depth) {
    yaml_mark_t mark = event->start_mark;
    node->line = (uint32_t)mark.line + 1;
    node->column = (uint32_t)mark.column + 1;
    yaml_event_type_t type = event->type;
    bool decorated = false;
    if (type == YAML_SCALAR_EVENT) {
        node->kind = YAML_SCALAR;
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        decorated = event->data.scalar.anchor || event->data.scalar.tag;
        node->text = unshield((const char *)event->data.scalar.value, event->data.scalar.length);
    } else if (type == YAML_SEQUENCE_START_EVENT) {
        node->kind = YAML_SEQUENCE;
        decorated = event->data.sequence_start.anchor || event->data.sequence_start.tag;
    } else if (type == YAML_MAPPING_START_EVENT) {
        node->kind = YAML_MAPPING;
        decorated = event->data.mapping_start.anchor || event->data.mapping_start.tag;
    }
    yaml_event_delete(event);
    if (decorated || type == YAML_ALIAS_EVENT)
        return refuse(reader, mark, "anchors, aliases and tags are not used here; write it out");
    if (depth >= YAML_DEPTH_MAX || ++reader->nodes > YAML_NODES_MAX)
        return refuse(reader, mark, "too deep or too long for a config file");
    if (node->kind == YAML_SEQUENCE)
        return read_children(reader, node, YAML_SEQUENCE_END_EVENT, depth + 1);
    if (node->kind == YAML_MAPPING)
        return read_children(reader, node, YAML_MAPPING_END_EVENT, depth + 1);
    if (strlen(node->text) == 0 && type != YAML_SCALAR_EVENT)
        return refuse(reader, mark, "a value was expected here");
    return 0;
}

static int read_document(struct reader *reader, struct yaml_node **ret) {
    for (;;) {
        yaml_event_t event;
        int r = next_event(reader, &event);
        if (r < 0)
            return r;
        yaml_event_type_t type = event.type;
        if (type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT ||
            (type == YAML_DOCUMENT_START_EVENT && !*ret)) {
            yaml_event_delete(&event);
            continue;
        }
        if (*ret) {
            r = refuse(reader, event.start_mark, "one document only: remove this '---'");
            yaml_event_delete(&event);
            return r;
        }
        *ret = memory_new(sizeof **ret);
        r = read_node(reader, &event, *ret, 0);
        if (r < 0)
            return r;
    }
}

int yaml_tree_parse(struct slice text, struct yaml_node **ret, struct yaml_problem *ret_problem) {
    AUTO_BUFFER struct buffer bytes = {0};
    buffer_reserve(&bytes, text.size);
    shield(text, &bytes);
    struct reader reader = {.problem = ret_problem};
    *ret = NULL;
    if (!yaml_parser_initialize(&reader.parser))
        abort();
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)bytes.data, bytes.size);
    struct yaml_node *tree = NULL;
    int r = read_document(&reader, &tree);
    yaml_parser_delete(&reader.parser);
    if (r < 0)
        tree = yaml_tree_free(tree);
    *ret = tree;
    return r;
}

static void node_deinit(struct yaml_node *node) {
    for (size_t i = 0; i < node->count; i++) {
        node_deinit(&node->items[i]);
        if (node->keys)
            node_deinit(&node->keys[i]);
    }
    free(node->text);
    free(node->items);
    free(node->keys);
}

struct yaml_node *yaml_tree_free(struct yaml_node *node) {
    if (node)
        node_deinit(node);
    free(node);
    return NULL;
}

const struct yaml_node *yaml_tree_get(const struct yaml_node *mapping, const char *key) {
    for (size_t i = 0; mapping && mapping->keys && i < mapping->count; i++)
        if (strcmp(mapping->keys[i].text, key) == 0)
            return &mapping->items[i];
    return NULL;
}
