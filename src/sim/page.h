/* SPDX-License-Identifier: Apache-2.0 */
/* page.h - the files of the chat page, embedded at build time by web/embed.py. */
#pragma once
#include <stddef.h>

struct page_file {
    const char *path, *content_type;
    const unsigned char *bytes;
    size_t size;
};
extern const struct page_file page_files[]; /* ends with a NULL path */
