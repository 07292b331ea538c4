/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - whole files and folders. Paths are borrowed. All return 0 or -errno. */
#pragma once
#include "base/common.h"

/* -EFBIG past bytes_max. *ret is NUL-terminated; the caller frees it. */
MUST_CHECK int file_read(const char *path, size_t bytes_max, char **ret, size_t *ret_size);
/* Replaces the file whole: temp, fsync, rename, fsync of the folder. A crash leaves old or new. */
MUST_CHECK int file_replace(const char *path, struct slice bytes, mode_t mode);
/* The same without fsync: for the run folder on tmpfs, which a crash of the machine empties. */
MUST_CHECK int file_replace_fast(const char *path, struct slice bytes, mode_t mode);
MUST_CHECK int folder_make(const char *path, mode_t mode); /* with parents; existing is fine */
MUST_CHECK int fd_write_all(int fd, struct slice bytes);   /* EINTR and short writes handled */
/* An absolute path without ".", ".." and double slashes, by its text alone; the caller frees. */
char *path_normal(const char *path);
/* Joins folder and name unless name is absolute; the caller frees. */
char *path_join(const char *folder, const char *name);
