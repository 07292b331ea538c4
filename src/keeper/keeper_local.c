/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a service's program and folder lie on local disks, so that its exec may be waited for
 * (anchor_child.c). A file system of the network, or of a program, may hang whoever asks: the
 * question is a thread's, and what it cannot say in time counts as not local. */
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "wire/config.h"
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { WAIT_MS = 100 };

struct question {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool left, done; /* by who asked; by the thread: the last of them frees */
    size_t count;
    struct one {
        char *word, *folder, *path; /* argv[0], PATH */
        bool local;
    } list[];
};

char *local_find_program(const char *word, const char *folder, const char *path) {
    if (strchr(word, '/'))
        return path_join(folder, word);
    AUTO_FREE char *copy = text_copy(path ? path : "/usr/local/bin:/usr/bin:/bin");
    char *rest = copy;
    for (char *part; (part = strsep(&rest, ":"));) {
        char *file = text_format("%s/%s", part[0] ? part : folder, word);
        struct stat found;
        if (stat(file, &found) == 0 && S_ISREG(found.st_mode) && access(file, X_OK) == 0)
            return file;
        free(file);
    }
    return NULL;
}

static bool is_local(const char *path) {
    static const uint32_t local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,      BTRFS_SUPER_MAGIC,
                                     F2FS_SUPER_MAGIC, TMPFS_MAGIC,          RAMFS_MAGIC,
                                     SQUASHFS_MAGIC,   OVERLAYFS_SUPER_MAGIC};
    struct statfs found;
    if (!path || statfs(path, &found) < 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(local); i++)
        if ((uint32_t)found.f_type == local[i])
            return true;
    return false;
}

static void question_free(struct question *question) {
    for (size_t i = 0; i < question->count; i++) {
        free(question->list[i].word);
        free(question->list[i].folder);
        free(question->list[i].path);
    }
    pthread_mutex_destroy(&question->mutex);
    pthread_cond_destroy(&question->answered);
    free(question);
}

static void *answer(void *context) {
    struct question *question = context;
    for (size_t i = 0; i < question->count; i++) {
        struct one *one = &question->list[i];
        AUTO_FREE char *program = local_find_program(one->word, one->folder, one->path);
        bool local = is_local(program) && is_local(one->folder);
        pthread_mutex_lock(&question->mutex);
        one->local = local;
        pthread_mutex_unlock(&question->mutex);
    }
    pthread_mutex_lock(&question->mutex);
    question->done = true;
    bool last = question->left;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
    if (last)
        question_free(question);
    return NULL;
}

static struct question *question_about(const struct keeper *keeper) {
    size_t count = keeper->services.count;
    struct question *question = memory_new(sizeof *question + count * sizeof question->list[0]);
    pthread_mutex_init(&question->mutex, NULL);
    pthread_cond_init(&question->answered, NULL);
    question->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct service_config *config = keeper->services.list[i].config;
        const char *path = config_service_env_get(config, "PATH");
        question->list[i] = (struct one){.word = text_copy(config->argv[0]),
                                         .folder = text_copy(config->folder),
                                         .path = path ? text_copy(path) : NULL};
    }
    return question;
}

static bool ask(struct question *question) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &attributes, answer, question);
    pthread_attr_destroy(&attributes);
    return r == 0;
}

void local_look(struct keeper *keeper) {
    struct question *question = question_about(keeper);
    if (!ask(question)) {
        question_free(question);
        return;
    }
    struct timespec until = clock_deadline(WAIT_MS);
    int r = 0;
    pthread_mutex_lock(&question->mutex);
    while (!question->done && r == 0)
        r = pthread_cond_clockwait(&question->answered, &question->mutex, CLOCK_MONOTONIC, &until);
    for (size_t i = 0; i < question->count; i++)
        keeper->units[i]->exec_is_quick = question->list[i].local;
    question->left = true;
    bool last = question->done;
    pthread_mutex_unlock(&question->mutex);
    if (last)
        question_free(question);
}
