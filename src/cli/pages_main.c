/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "cli/pages.h"
#include <sysexits.h>

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*print)(void);
    } pages[] = {{"bash", pages_bash},
                 {"zsh", pages_zsh},
                 {"fish", pages_fish},
                 {"holdfast.1", pages_man_command},
                 {"holdfast.yaml.5", pages_man_config}};
    for (size_t i = 0; argc == 2 && i < COUNT_OF(pages); i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            pages[i].print();
            return 0;
        }
    }
    fatal(EX_USAGE, "expected bash, zsh, fish, holdfast.1 or holdfast.yaml.5");
}
