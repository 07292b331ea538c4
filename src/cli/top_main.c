/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-top RUN DATA: what `holdfast top` becomes. A program of its own, so that ncurses is
 * loaded only where it is needed. */
#include "base/log.h"
#include "cli/top.h"
#include <sysexits.h>

int main(int argc, char **argv) {
    log_open("holdfast");
    if (argc != 3)
        fatal(EX_USAGE, "holdfast-top is started by `holdfast top`");
    return top_run(argv[1], argv[2]);
}
