/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/config_reader.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/dotenv.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void reader_deinit(struct reader *reader) {
    reader->tree = yaml_tree_free(reader->tree);
    reader->dotenv = text_list_free(reader->dotenv);
}

__attribute__((format(printf, 3, 0))) static void add_error(struct reader *reader, char *place,
                                                            const char *format, va_list arguments) {
    struct config_errors *errors = reader->errors;
    char *text = NULL;
    if (errors->count >= CONFIG_ERRORS_MAX || vasprintf(&text, format, arguments) < 0) {
        free(place);
        return;
    }
    errors->list = memory_grow(errors->list, errors->count + 1, sizeof *errors->list);
    errors->list[errors->count++] = (struct config_error){place, text};
}

int reader_error(struct reader *reader, const struct yaml_node *node, const char *format, ...) {
    char *place = node ? text_format("%s:%u:%u", reader->file, node->line, node->column)
                       : text_format("%s:1:1", reader->file);
    va_list arguments;
    va_start(arguments, format);
    add_error(reader, place, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

int reader_error_at(struct reader *reader, const char *file, uint32_t line, uint32_t column,
                    const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add_error(reader, text_format("%s:%u:%u", file, line, column), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

bool reader_env_is_ours(const char *name) {
    return strncmp(name, "HOLDFAST_", 9) == 0
               ? strcmp(name, "HOLDFAST_TOKEN") != 0
               : strcmp(name, "NOTIFY_SOCKET") == 0 || strcmp(name, "WATCHDOG_USEC") == 0 ||
                     strcmp(name, "WATCHDOG_PID") == 0;
}

bool reader_name_is_good(const char *name) {
    size_t size = strlen(name);
    return size >= 1 && size <= 32 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

/* The file that NAME_FILE points to, or a credential of systemd by that name. */
static char *secret_file(struct reader *reader, const char *name) {
    AUTO_FREE char *file_name = text_format("%s_FILE", name);
    const char *path = getenv(file_name);
    path = path ? path : env_get(reader->dotenv, file_name);
    if (path)
        return path_join(reader->folder, path);
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    return credentials ? text_format("%s/%s", credentials, name) : NULL;
}

/* Kept in .env's list, so that it is borrowed from there. */
static const char *env_from_file(struct reader *reader, const char *name) {
    AUTO_FREE char *path = secret_file(reader, name);
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    if (!path || config_files_read(reader->files, path, 65536, &text, &size) < 0)
        return NULL;
    text[strcspn(text, "\r\n")] = 0;
    env_set(&reader->dotenv, name, text);
    return env_get(reader->dotenv, name);
}

static const char *env_plain(struct reader *reader, const char *name) {
    const char *value = getenv(name);
    value = value ? value : env_get(reader->dotenv, name);
    return value ? value : env_from_file(reader, name);
}

const char *reader_env(struct reader *reader, const char *name) {
    static const char *const aliases[][2] = {{"BOT_TOKEN", "TELEGRAM_BOT_TOKEN"},
                                             {"ADMIN_USER_IDS", "ADMIN_TELEGRAM_ID"}};
    const char *value = env_plain(reader, name);
    for (size_t i = 0; !value && i < COUNT_OF(aliases); i++)
        for (int side = 0; !value && side < 2; side++)
            if (strcmp(name, aliases[i][side]) == 0)
                value = env_plain(reader, aliases[i][!side]);
    return value;
}

/* One ${NAME} or ${NAME:-default}; `inner` is what stands between the braces. */
static int add_variable(struct reader *reader, const struct yaml_node *node, struct slice inner,
                        struct buffer *out) {
    AUTO_FREE char *name = text_copy_n(inner.data, inner.size);
    char *fallback = strstr(name, ":-");
    if (fallback) {
        *fallback = 0;
        fallback += 2;
    }
    if (!name[0] ||
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") !=
            strlen(name))
        return reader_error(reader, node, "'${%s}' is not a variable; write $${ for a plain ${",
                            name);
    const char *value = reader_env(reader, name);
    if ((!value || !*value) && fallback)
        value = fallback;
    if (!value)
        return reader_error(reader, node,
                            "%s is not set: put %s=... into %s/.env or into the environment", name,
                            name, reader->folder);
    buffer_add_text(out, value);
    return 0;
}

char *reader_text(struct reader *reader, const struct yaml_node *node) {
    if (node->kind != YAML_SCALAR) {
        reader_error(reader, node, "expected a single value, found a %s",
                     node->kind == YAML_MAPPING ? "mapping" : "list");
        return NULL;
    }
    AUTO_BUFFER struct buffer out = {0};
    for (const char *p = node->text; *p;) {
        const char *end = strncmp(p, "${", 2) == 0 ? strchr(p, '}') : NULL;
        if (strncmp(p, "$${", 3) == 0) {
            buffer_add_text(&out, "${");
            p += 3;
        } else if (end) {
            if (add_variable(reader, node, (struct slice){p + 2, (size_t)(end - p - 2)}, &out) < 0)
                return NULL;
            p = end + 1;
        } else {
            buffer_add(&out, p++, 1);
        }
    }
    return buffer_take(&out);
}

static void unknown_key(struct reader *reader, const struct yaml_node *key,
                        const struct reader_option *options, size_t count) {
    const char **names = memory_array(count + 1, sizeof *names);
    AUTO_BUFFER struct buffer known = {0};
    for (size_t i = 0; i < count; i++) {
        names[i] = options[i].def.name;
        buffer_print(&known, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = text_did_you_mean(key->text, names);
    if (nearest)
        reader_error(reader, key, "'%s' is not known here; did you mean '%s'?", key->text, nearest);
    else
        reader_error(reader, key, "'%s' is not known here; expected one of: %s", key->text,
                     known.data);
    free(names);
}

static int read_option(struct reader *reader, const struct yaml_node *node,
                       const struct reader_option *option, void *target) {
    if (option->read)
        return option->read(reader, node, (char *)target + option->def.offset);
    AUTO_FREE char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    if (!*text && !node->quoted && !strchr(node->text, '$'))
        return reader_error(reader, node, "%s: has no value", option->def.name);
    if (!*text) /* ${NAME:-}: as if the line were not there */
        return 0;
    AUTO_FREE char *expected = NULL;
    if (option_set(&option->def, target, text, &expected) < 0)
        /* As written: what stands behind ${...} may be a secret in the wrong place. */
        return reader_error(reader, node, "%s: '%s' was found, expected %s", option->def.name,
                            strstr(node->text, "${") ? node->text : text, expected);
    return 0;
}

int reader_mapping(struct reader *reader, const struct yaml_node *node,
                   const struct reader_option *options, size_t count, void *target) {
    if (node->kind == YAML_SCALAR && !node->text[0])
        return 0;
    if (node->kind != YAML_MAPPING)
        return reader_error(reader, node, "expected `name: value` lines here");
    size_t before = reader->errors->count;
    for (size_t i = 0; i < node->count; i++) {
        const struct reader_option *found = NULL;
        for (size_t k = 0; k < count; k++)
            if (strcmp(options[k].def.name, node->keys[i].text) == 0)
                found = &options[k];
        if (found)
            (void)read_option(reader, &node->items[i], found, target);
        else
            unknown_key(reader, &node->keys[i], options, count);
    }
    return reader->errors->count > before ? -EINVAL : 0;
}

int reader_secret(struct reader *reader, const struct yaml_node *node, void *field) {
    struct secret *secret = field;
    char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    secret_deinit(secret);
    secret->value = text;
    return 0;
}

static int add_admin(struct reader *reader, const struct yaml_node *node, const char *word) {
    struct bot_config *bot = reader->bot;
    int64_t id = 0;
    if (text_to_int(word, 1, INT64_MAX, &id) < 0)
        return reader_error(reader, node, "'%s' is not a Telegram user id (a whole number)", word);
    bot->admins = memory_grow(bot->admins, bot->admin_count + 1, sizeof *bot->admins);
    bot->admins[bot->admin_count++] = id;
    return 0;
}

/* "1, 2 3" or [1, 2, 3] */
int reader_admins(struct reader *reader, const struct yaml_node *node, void *field) {
    if (node->kind == YAML_SEQUENCE) {
        for (size_t i = 0; i < node->count; i++)
            if (reader_admins(reader, &node->items[i], field) < 0)
                return -EINVAL;
        return 0;
    }
    AUTO_FREE char *text = reader_text(reader, node);
    if (!text)
        return -EINVAL;
    char *rest = text;
    for (char *word; (word = strsep(&rest, ", "));)
        if (*word && add_admin(reader, node, word) < 0)
            return -EINVAL;
    return 0;
}

void reader_set_defaults(const struct reader_option *options, size_t count, void *target) {
    for (size_t i = 0; i < count; i++)
        option_set_defaults(&options[i].def, 1, target);
}
