/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are: the folders of the installation, and of our own programs. */
#include "base/log.h"
#include "cli/cli.h"
#include "wire/config.h"
#include <limits.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

struct places places_find(const struct cli *cli) {
    struct places places = {0};
    int r = config_locate(cli->config_path, cli->run, &places.data, &places.run, &places.timezone);
    if (r < 0)
        fatal(EX_NOINPUT,
              "%s: cannot be read: %s; `holdfast init` writes a first config, -c FILE "
              "names another",
              cli->config_path, strerror(-r));
    return places;
}

void places_deinit(struct places *places) {
    free(places->data);
    free(places->run);
    free(places->timezone);
}

void places_use_timezone(const struct places *places) {
    setenv("TZ", places->timezone, 1);
    tzset();
}

char *program_folder(void) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return text_copy("/usr/bin");
    path[n] = 0;
    *strrchr(path, '/') = 0;
    return text_copy(path[0] ? path : "/");
}
