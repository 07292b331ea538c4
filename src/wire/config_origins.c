/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/config_origins.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/config.h"
#include "wire/dotenv.h"
#include "wire/yaml_tree.h"
#include <errno.h>
#include <limits.h>

struct walk {
    struct config_origins *ret;
    const char *file;
    char **dotenv;
};

/* In the order in which the reader looks. */
static bool is_set(const struct walk *walk, const char *name, const char **ret_where) {
    const char *here = getenv(name), *there = env_get(walk->dotenv, name);
    AUTO_FREE char *file_name = text_format("%s_FILE", name);
    bool file = getenv(file_name) || env_get(walk->dotenv, file_name);
    *ret_where = here ? "the environment" : there ? ".env" : file ? "the file it names" : NULL;
    return *ret_where != NULL;
}

static void add_variable(const struct walk *walk, const char *inner, size_t size,
                         struct buffer *origin) {
    static const char *const aliases[][2] = {{"BOT_TOKEN", "TELEGRAM_BOT_TOKEN"},
                                             {"ADMIN_USER_IDS", "ADMIN_TELEGRAM_ID"}};
    AUTO_FREE char *name = text_copy_n(inner, size);
    char *fallback = strstr(name, ":-");
    if (fallback)
        *fallback = 0;
    const char *where = NULL, *meant = name;
    (void)is_set(walk, name, &where);
    for (size_t i = 0; !where && i < COUNT_OF(aliases); i++)
        for (int side = 0; !where && side < 2; side++)
            if (strcmp(name, aliases[i][side]) == 0 && is_set(walk, aliases[i][!side], &where))
                meant = aliases[i][!side];
    buffer_print(origin, "; %s %s%s", meant, where ? "from " : "is not set: ",
                 where      ? where
                 : fallback ? "the default behind it"
                            : "nothing");
}

static void add_variables(const struct walk *walk, const struct yaml_node *node,
                          struct buffer *origin) {
    for (const char *p = node->text; p && (p = strstr(p, "${")); p++) {
        const char *end = strchr(p, '}');
        if ((p > node->text && p[-1] == '$') || !end)
            continue; /* $${ is a plain ${ */
        add_variable(walk, p + 2, (size_t)(end - p - 2), origin);
    }
    for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->count; i++)
        add_variables(walk, &node->items[i], origin);
}

static void add_node(const struct walk *walk, const char *path, const struct yaml_node *node) {
    for (size_t i = 0; node->kind == YAML_MAPPING && i < node->count; i++) {
        AUTO_FREE char *below = text_format("%s%s%s", path, *path ? "." : "", node->keys[i].text);
        add_node(walk, below, &node->items[i]);
    }
    if (node->kind == YAML_MAPPING)
        return;
    AUTO_BUFFER struct buffer origin = {0};
    buffer_print(&origin, "%s:%u:%u", walk->file, node->line, node->column);
    add_variables(walk, node, &origin);
    struct config_origins *ret = walk->ret;
    ret->list = memory_grow(ret->list, ret->count + 1, sizeof *ret->list);
    ret->list[ret->count++] = (struct config_origin){text_copy(path), buffer_take(&origin)};
}

static char **read_dotenv(const char *config_path) {
    const char *slash = strrchr(config_path, '/');
    AUTO_FREE char *path =
        text_format("%.*s.env", slash ? (int)(slash - config_path + 1) : 0, config_path);
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    char **list = NULL;
    struct dotenv_problem problem;
    if (file_read(path, DOTENV_BYTES_MAX, &text, &size) == 0 &&
        dotenv_parse((struct slice){text, size}, &list, &problem) < 0)
        return list; /* up to the mistake, as the reader has it */
    return list;
}

int config_origins_read(const char *path, struct config_origins *ret) {
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    struct yaml_node *tree = NULL;
    struct yaml_problem problem;
    *ret = (struct config_origins){0};
    int r = file_read(path, CONFIG_BYTES_MAX, &text, &size);
    r = r < 0 ? r : yaml_tree_parse((struct slice){text, size}, &tree, &problem);
    if (r < 0)
        return r;
    const char *slash = strrchr(path, '/');
    struct walk walk = {.ret = ret, .file = slash ? slash + 1 : path, .dotenv = read_dotenv(path)};
    if (tree)
        add_node(&walk, "", tree);
    text_list_free(walk.dotenv);
    yaml_tree_free(tree);
    return 0;
}

const char *config_origin_of(const struct config_origins *origins, const char *path) {
    size_t length = strlen(path);
    for (size_t i = 0; i < origins->count; i++) {
        const char *here = origins->list[i].path;
        if (strncmp(here, path, length) == 0 && (here[length] == 0 || here[length] == '.'))
            return origins->list[i].origin;
    }
    return NULL;
}

void config_origins_deinit(struct config_origins *origins) {
    for (size_t i = 0; i < origins->count; i++) {
        free(origins->list[i].path);
        free(origins->list[i].origin);
    }
    free(origins->list);
    *origins = (struct config_origins){0};
}
