/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/config_files.h"
#include "base/buffer.h"
#include "base/file.h"
#include <errno.h>

enum { RECORD_BYTES_MAX = 16 << 20 };

void config_files_deinit(struct config_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        free(files->list[i].path);
        explicit_bzero(files->list[i].text, files->list[i].size);
        free(files->list[i].text);
    }
    free(files->list);
    *files = (struct config_files){0};
}

static void add(struct config_files *files, const char *path, struct slice text) {
    files->list = memory_grow(files->list, files->count + 1, sizeof *files->list);
    files->list[files->count++] = (struct config_file){
        .path = text_copy(path), .text = text_copy_n(text.data, text.size), .size = text.size};
}

static const struct config_file *find(const struct config_files *files, const char *path) {
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->list[i].path, path) == 0)
            return &files->list[i];
    return NULL;
}

int config_files_read(struct config_files *files, const char *path, size_t bytes_max, char **ret,
                      size_t *ret_size) {
    if (files && files->replay) {
        const struct config_file *kept = find(files, path);
        if (!kept)
            return -ENOENT;
        *ret = text_copy_n(kept->text, kept->size);
        *ret_size = kept->size;
        return 0;
    }
    int r = file_read(path, bytes_max, ret, ret_size);
    if (r == 0 && files && !find(files, path))
        add(files, path, (struct slice){*ret, *ret_size});
    return r;
}

/* PATH, newline, size, newline, bytes, newline; for each file. */
int config_files_save(const struct config_files *files, const char *path) {
    AUTO_BUFFER struct buffer all = {0};
    for (size_t i = 0; i < files->count; i++) {
        buffer_print(&all, "%s\n%zu\n", files->list[i].path, files->list[i].size);
        buffer_add(&all, files->list[i].text, files->list[i].size);
        buffer_add(&all, "\n", 1);
    }
    int r = file_replace_fast(path, buffer_slice(&all), 0600);
    if (all.size)
        explicit_bzero(all.data, all.size);
    return r;
}

static int parse(struct slice text, struct config_files *ret) {
    const char *p = text.data, *end = p + text.size;
    while (p < end) {
        const char *path_end = memchr(p, '\n', (size_t)(end - p));
        char *number_end = NULL;
        size_t size = path_end ? strtoul(path_end + 1, &number_end, 10) : 0;
        if (!path_end || *number_end != '\n' || size > (size_t)(end - number_end - 1) ||
            number_end[1 + size] != '\n')
            return -EPROTO;
        AUTO_FREE char *path = text_copy_n(p, (size_t)(path_end - p));
        add(ret, path, (struct slice){number_end + 1, size});
        p = number_end + 1 + size + 1;
    }
    return 0;
}

int config_files_open(const char *path, struct config_files *ret) {
    AUTO_FREE char *text = NULL;
    size_t size = 0;
    *ret = (struct config_files){.replay = true};
    int r = file_read(path, RECORD_BYTES_MAX, &text, &size);
    if (r == 0) {
        r = parse((struct slice){text, size}, ret);
        explicit_bzero(text, size);
    }
    if (r < 0)
        config_files_deinit(ret);
    return r;
}
