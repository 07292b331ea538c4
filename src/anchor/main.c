/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-anchor [--resume FD] RUN_FOLDER KEEPER ARG...   (started by `holdfast up`; the lock on
 * the data folder comes along as an inherited descriptor and ends with this process; --resume by
 * itself, after an upgrade)
 * holdfast-anchor --version */
#include "anchor/anchor.h"
#include "base/log.h"
#include <stdio.h>
#include <sysexits.h>

int main(int argc, char **argv) {
    struct anchor_options options = {.program = argv[0], .resume_fd = -1};
    log_open("holdfast-anchor");
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(HOLDFAST_VERSION);
        return 0;
    }
    if (argc > 3 && strcmp(argv[1], "--resume") == 0) {
        options.resume_fd = atoi(argv[2]);
        argv += 2;
        argc -= 2;
    }
    if (argc < 3)
        fatal(EX_USAGE, "started by `holdfast up`, not by hand");
    options.run = argv[1];
    options.keeper_argv = argv + 2;
    return anchor_run(&options);
}
