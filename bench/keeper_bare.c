/* SPDX-License-Identifier: Apache-2.0 */
/* bench-keeper-bare PROGRAM RECORD NAME...: the least a supervisor can do: starts PROGRAM RECORD
 * NAME for each NAME, and again when it ends. No logs, no state, no config: what is left is the
 * kernel's part, the floor under the times of `bench/run keeper`. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char **argv, char *name) {
    char *words[] = {argv[1], argv[2], name, NULL};
    pid_t pid = vfork(); /* no copy of page tables: the least */
    if (pid == 0) {
        setsid();
        execv(words[0], words);
        _exit(127);
    }
    return pid;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 64;
    pid_t *pids = calloc((size_t)argc, sizeof *pids);
    for (int i = 3; pids && i < argc; i++)
        pids[i] = start(argv, argv[i]);
    for (pid_t ended; pids && (ended = wait(NULL)) > 0;)
        for (int i = 3; i < argc; i++)
            if (pids[i] == ended)
                pids[i] = start(argv, argv[i]);
    return 1;
}
