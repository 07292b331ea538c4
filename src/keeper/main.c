/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-keeper --run FOLDER --config FILE   (started by holdfast-anchor, its socket is fd 3) */
#include "base/log.h"
#include "keeper/keeper.h"
#include <stdio.h>
#include <sys/socket.h>
#include <sysexits.h>

static bool has_anchor(void) {
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(LAUNCH_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int main(int argc, char **argv) {
    log_open("holdfast");
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(HOLDFAST_VERSION);
        return 0;
    }
    if (argc != 5 || strcmp(argv[1], "--run") != 0 || strcmp(argv[3], "--config") != 0 ||
        !has_anchor())
        fatal(EX_USAGE, "holdfast-keeper is started by `holdfast up`, not by hand");
    return keeper_run(argv[2], argv[4]);
}
