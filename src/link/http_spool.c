/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "link/http_parts.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { STEP_BYTES = 1 << 20 };
#define SPOOLED_BYTES_MAX ((uint64_t)4 << 30) /* of all requests together */
#define FREE_BYTES_MIN ((uint64_t)256 << 20)  /* of the disk, for others */

static const struct refusal too_many = {503, "Service Unavailable",
                                        "too many long bodies are on their way at once; try again",
                                        "Retry-After: 5\r\n"};

bool spool_wanted(const struct http_request *request) {
    const struct http_server *server = request->server;
    return server->spool_folder && server->spool.wanted(server->context, request);
}

/* Not every file system knows files without a name from the start. */
static int file_without_name(const char *folder) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd < 0 ? -errno : fd;
    AUTO_FREE char *name = text_format("%s/upload-XXXXXX", folder);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    (void)unlink(name);
    return fd;
}

static bool disk_is_full(int fd) {
    struct statvfs disk;
    return fstatvfs(fd, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < FREE_BYTES_MIN + STEP_BYTES;
}

static void refuse_disk(struct http_request *request, const char *why) {
    AUTO_FREE char *detail =
        text_format("a body of more than 1 MiB needs room on the disk of %s: %s",
                    request->server->spool_folder, why);
    request_refuse(request, &(struct refusal){507, "Insufficient Storage", detail, ""});
}

/* 0, or refused. */
static int spool_begin(struct http_request *request) {
    int fd = file_without_name(request->server->spool_folder);
    if (fd < 0) {
        refuse_disk(request, strerror(-fd));
        return fd;
    }
    request->spool = memory_new(sizeof *request->spool);
    request->spool->fd = fd;
    return 0;
}

static void spool_add(struct http_request *request, struct slice bytes) {
    struct http_server *server = request->server;
    struct http_file *spool = request->spool;
    bool is_step = spool->size / STEP_BYTES != (spool->size + bytes.size) / STEP_BYTES;
    if (bytes.size > SPOOLED_BYTES_MAX - server->spooled_bytes) {
        request_refuse(request, &too_many);
        return;
    }
    if (is_step && disk_is_full(spool->fd)) {
        refuse_disk(request, "less than 256 MiB are free");
        return;
    }
    int r = fd_write_all(spool->fd, bytes);
    if (r < 0) {
        refuse_disk(request, strerror(-r));
        return;
    }
    spool->size += bytes.size;
    server->spooled_bytes += bytes.size;
    if (is_step && !request->client->cut)
        deadline_set(server, request->client, DEADLINE_REQUEST);
}

void spool_take(struct http_request *request, struct slice bytes) {
    if (!request->spool) {
        if (spool_begin(request) < 0)
            return;
        spool_add(request, buffer_slice(&request->body));
    }
    if (request->state != REQUEST_REFUSED)
        spool_add(request, bytes);
}

void spool_drop(struct http_request *request) {
    if (!request->spool)
        return;
    request->server->spooled_bytes -= request->spool->size;
    close(request->spool->fd);
    free(request->spool);
    request->spool = NULL;
}
