/* SPDX-License-Identifier: Apache-2.0 */
/* config_sections.h - the tables by which holdfast.yaml is read, to be shown to people: the page
 * holdfast.yaml(5) is made from them, so it cannot say what the program does not do. */
#pragma once
#include "base/option.h"

struct reader_option;
struct config_section {
    const char *name; /* "services.NAME.ready"; "" for the top of the file */
    const char *about;
    const struct reader_option *options;
    size_t count;
};
const struct config_section *config_section(size_t index); /* NULL past the last */
const struct option_def *config_section_option(const struct config_section *section, size_t index);
