/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/config_sections.h"
#include "wire/config_reader.h"

const struct config_section *config_section(size_t index) {
    const struct config_section *const tables[] = {reader_top_sections, reader_service_sections,
                                                   reader_alerts_sections, reader_trader_sections};
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        for (const struct config_section *section = tables[i]; section->options; section++)
            if (index-- == 0)
                return section;
    return NULL;
}

const struct option_def *config_section_option(const struct config_section *section, size_t index) {
    return index < section->count ? &section->options[index].def : NULL;
}
