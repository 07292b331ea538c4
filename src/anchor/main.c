/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-anchor RUN_FOLDER KEEPER ARG...   (started by `holdfast up`; the lock on the data folder
 * comes along as an inherited descriptor and ends with this process) */
#include "anchor/anchor.h"
#include "base/log.h"
#include <sysexits.h>

int main(int argc, char **argv) {
    log_open("holdfast-anchor");
    if (argc < 3)
        fatal(EX_USAGE, "started by `holdfast up`, not by hand");
    struct anchor_options options = {.run = argv[1], .keeper_argv = argv + 2};
    return anchor_run(&options);
}
