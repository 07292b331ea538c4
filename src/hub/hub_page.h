/* SPDX-License-Identifier: Apache-2.0 */
/* hub_page.h - the files of the dashboard, embedded at build time by web/embed.py. */
#pragma once
#include <stddef.h>

struct dashboard_file {
    const char *path, *content_type;
    const unsigned char *bytes;
    size_t size;
    const unsigned char *gzip;
    size_t gzip_size;
    const char *tag; /* of the content, with its quotes */
};
extern const struct dashboard_file dashboard_files[]; /* ends with a NULL path */
