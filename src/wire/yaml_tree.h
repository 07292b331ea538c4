/* SPDX-License-Identifier: Apache-2.0 */
/* yaml_tree.h - a YAML text as a tree of nodes with their places. Only what a config needs:
 * mappings, sequences, scalars as text. Anchors, aliases and tags are refused; a key given twice
 * too. (Not yaml_*: libyaml has private symbols of such names.) Inside
 * ${...} the signs of YAML mean nothing, so that `{token: ${BOT_TOKEN}}` reads as people expect. */
#pragma once
#include "base/common.h"

enum { YAML_DEPTH_MAX = 16, YAML_NODES_MAX = 200000 };
enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    uint32_t line, column; /* from 1 */
    char *text;            /* scalar; "" when nothing stands there */
    bool quoted;           /* scalar in quotes or a block */
    size_t count;          /* items, or pairs */
    struct yaml_node *items;
    struct yaml_node *keys; /* mapping: keys[i] belongs to items[i] */
};
struct yaml_problem {
    uint32_t line, column;
    char text[160];
};
/* 0 with *ret (NULL for an empty document), or -EINVAL with *ret_problem. */
MUST_CHECK int yaml_tree_parse(struct slice text, struct yaml_node **ret,
                               struct yaml_problem *ret_problem);
struct yaml_node *yaml_tree_free(struct yaml_node *node); /* NULL is fine; returns NULL */
const struct yaml_node *yaml_tree_get(const struct yaml_node *mapping, const char *key);
