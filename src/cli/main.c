/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast - the command line. */
#include "base/log.h"
#include "cli/table.h"

int main(int argc, char **argv) {
    struct cli cli = {0};
    log_open("holdfast");
    int code = command_line_read(&cli, argv)->run(&cli);
    command_line_deinit(&cli);
    return code;
}
