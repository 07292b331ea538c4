/* SPDX-License-Identifier: Apache-2.0 */
/* Photos and documents in bounded memory, and getFile. */
#include "base/text.h"
#include "mimic/telegram_state.h"

enum { UPLOAD_BYTES_MAX = 50 << 20, PHOTO_BYTES_MAX = 10 << 20, DOWNLOAD_BYTES_MAX = 20 << 20 };

static struct stored_file *find(struct telegram *telegram, const char *id) {
    for (size_t i = 0; i < telegram->file_count; i++) {
        if (strcmp(telegram->files[i].id, id) == 0)
            return &telegram->files[i];
    }
    return NULL;
}

static void deinit(struct stored_file *file) {
    free(file->id);
    free(file->unique_id);
    free(file->path);
    free(file->name);
    free(file->type);
    free(file->bytes);
}

/* The oldest go until `bytes` more fit. */
static void make_room(struct telegram *telegram, size_t bytes) {
    size_t drop = 0;
    for (; drop < telegram->file_count && telegram->file_bytes + bytes > TELEGRAM_FILES_BYTES_MAX;
         drop++) {
        telegram->file_bytes -= telegram->files[drop].size;
        deinit(&telegram->files[drop]);
    }
    telegram->file_count -= drop;
    if (drop)
        memmove(telegram->files, telegram->files + drop,
                telegram->file_count * sizeof *telegram->files);
}

/* What a client calls its file goes into JSON: it must be UTF-8. */
static const char *shown(const char *text, const char *otherwise) {
    return text_is_utf8(slice_of(text), NULL) ? text : otherwise;
}

static struct stored_file *keep(struct telegram *telegram, const struct telegram_file *given,
                                const char *folder) {
    make_room(telegram, given->bytes.size);
    telegram->files =
        memory_grow(telegram->files, telegram->file_count + 1, sizeof *telegram->files);
    struct stored_file *file = &telegram->files[telegram->file_count++];
    unsigned long long number = telegram_random(telegram);
    const char *dot = strrchr(shown(given->name, "file"), '.');
    *file = (struct stored_file){
        .id = text_format("SIMfile%016llx", number),
        .unique_id = text_format("SIMu%012llx", number >> 16),
        .path = text_format("%s/file_%zu%s", folder, (size_t)(number % 1000000),
                            dot && strlen(dot) < 8 && !strchr(dot, '/') ? dot : ""),
        .name = text_copy(shown(given->name, "file")),
        .type = text_copy(shown(given->content_type, "")),
        .bytes = memory_new(given->bytes.size + 1),
        .size = given->bytes.size,
    };
    if (given->bytes.size)
        memcpy(file->bytes, given->bytes.data, given->bytes.size);
    telegram->file_bytes += file->size;
    return file;
}

static int big_endian(const unsigned char *p, size_t bytes) {
    int value = 0;
    while (bytes--)
        value = value << 8 | *p++;
    return value;
}

/* Width and height of a PNG; 0 when it is not one; -1 x -1 for other pictures (not measured). */
static int picture_size(const struct stored_file *file, int *ret_height) {
    const unsigned char *p = (const unsigned char *)file->bytes;
    *ret_height = -1;
    if (file->size > 24 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0) {
        *ret_height = big_endian(p + 20, 4) & 0xffff;
        return big_endian(p + 16, 4) & 0xffff;
    }
    bool other = file->size > 12 && (memcmp(p, "\xff\xd8\xff", 3) == 0 ||
                                     memcmp(p, "GIF8", 4) == 0 || memcmp(p + 8, "WEBP", 4) == 0);
    return other ? -1 : 0;
}

static json_t *photo_json(struct call *call, const struct stored_file *file) {
    int height = 0, width = picture_size(file, &height);
    if (!width) {
        call_fail(call, 400, "IMAGE_PROCESS_FAILED");
        return NULL;
    }
    return json_pack("[{s:s, s:s, s:I, s:i, s:i}]", "file_id", file->id, "file_unique_id",
                     file->unique_id, "file_size", (json_int_t)file->size, "width",
                     width < 0 ? 1280 : width, "height", width < 0 ? 720 : height);
}

static json_t *document_json(const struct stored_file *file) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "file_name", file->name, "mime_type",
                     *file->type ? file->type : "application/octet-stream", "file_id", file->id,
                     "file_unique_id", file->unique_id, "file_size", (json_int_t)file->size);
}

/* The file that a call brings along, names ("attach://x"), or knows by its id. */
static const struct stored_file *given_file(struct call *call, const char *field) {
    const char *text = call_arg(call, field);
    bool attached = strncmp(text, "attach://", 9) == 0;
    const struct telegram_file *upload = call_file(call, attached ? text + 9 : field);
    bool photo = strcmp(field, "photo") == 0;
    if (upload && upload->bytes.size > (photo ? PHOTO_BYTES_MAX : UPLOAD_BYTES_MAX)) {
        call_fail(call, 413, "Request Entity Too Large");
        return NULL;
    }
    if (upload && !upload->bytes.size) {
        call_fail(call, 400, "file must be non-empty");
        return NULL;
    }
    if (upload)
        return keep(call->telegram, upload, photo ? "photos" : "documents");
    const struct stored_file *known = find(call->telegram, text);
    if (known)
        return known;
    AUTO_FREE char *none = text_format("there is no %s in the request", field);
    bool url = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    call_fail(call, 400,
              !*text || attached ? none
              : url              ? "failed to get HTTP URL content"
                                 : "wrong file identifier/HTTP URL specified");
    return NULL;
}

json_t *files_store(struct call *call, const char *field) {
    const struct stored_file *file = given_file(call, field);
    if (!file)
        return NULL;
    return strcmp(field, "photo") == 0 ? photo_json(call, file) : document_json(file);
}

void files_handle_get(struct call *call) {
    const char *id = call_arg(call, "file_id");
    const struct stored_file *file = find(call->telegram, id);
    if (!file) {
        call_fail(call, 400,
                  *id ? "wrong file_id or the file is temporarily unavailable"
                      : "file_id not specified");
        return;
    }
    if (file->size > DOWNLOAD_BYTES_MAX) {
        call_fail(call, 400, "file is too big");
        return;
    }
    call_succeed(call, json_pack("{s:s, s:s, s:I, s:s}", "file_id", file->id, "file_unique_id",
                                 file->unique_id, "file_size", (json_int_t)file->size, "file_path",
                                 file->path));
}

bool telegram_file_find(struct telegram *telegram, const char *token, const char *path,
                        struct slice *ret_bytes) {
    if (!bot_find(telegram, token))
        return false;
    for (size_t i = 0; i < telegram->file_count; i++) {
        const struct stored_file *file = &telegram->files[i];
        if (strcmp(file->path, path) != 0)
            continue;
        *ret_bytes = (struct slice){file->bytes, file->size};
        return true;
    }
    return false;
}

bool telegram_file_by_id(struct telegram *telegram, const char *id, struct slice *ret_bytes,
                         const char **ret_type) {
    static const struct {
        const char *magic, *type;
    } pictures[] = {
        {"\x89PNG", "image/png"}, {"\xff\xd8\xff", "image/jpeg"}, {"GIF8", "image/gif"}};
    const struct stored_file *file = find(telegram, id);
    if (!file)
        return false;
    *ret_bytes = (struct slice){file->bytes, file->size};
    *ret_type = NULL;
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        size_t n = strlen(pictures[i].magic);
        if (file->size > n && memcmp(file->bytes, pictures[i].magic, n) == 0)
            *ret_type = pictures[i].type;
    }
    return true;
}

void files_deinit(struct telegram *telegram) {
    for (size_t i = 0; i < telegram->file_count; i++)
        deinit(&telegram->files[i]);
    free(telegram->files);
}
