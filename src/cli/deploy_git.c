/* SPDX-License-Identifier: Apache-2.0 */
/* A new version by `pull:` into a git work tree; the way back is the commit that was there. */
#include "base/text.h"
#include "cli/deploy.h"
#include <stdio.h>

static int git(struct deploy *deploy, const char *const *words) {
    const char *argv[16] = {"git"};
    size_t count = 1;
    while (*words && count + 1 < COUNT_OF(argv))
        argv[count++] = *words++;
    int r = deploy_run(deploy, deploy->service->folder, (char *const *)(uintptr_t)argv);
    buffer_add(&deploy->output, "", 1); /* ends as text */
    deploy->output.size--;
    return r;
}

static char *commit_now(struct deploy *deploy) {
    if (git(deploy, (const char *const[]){"rev-parse", "--verify", "HEAD", NULL}) != 0)
        return NULL;
    return text_copy_n(deploy->output.data, strcspn(deploy->output.data, "\r\n"));
}

bool deploy_git_back(struct deploy *deploy) {
    if (git(deploy, (const char *const[]){"reset", "--hard", "--quiet", deploy->before, NULL}) == 0)
        return true;
    deploy_tell(deploy, "the way back failed: git reset --hard %s: %s", deploy->before,
                deploy->output.data);
    return false;
}

static enum deploy_outcome fail(struct deploy *deploy, const char *what, int code) {
    deploy_tell(deploy, "%s failed (%s%d): the version before stays, nothing was restarted", what,
                code < 0 ? "" : "exit code ", code);
    deploy_print_output(deploy);
    (void)deploy_git_back(deploy);
    return DEPLOY_FAILED;
}

/* False: there would be no way back, or it would cost somebody's work. */
static bool may_pull(struct deploy *deploy) {
    AUTO_FREE char *commit = commit_now(deploy);
    if (!commit) {
        deploy_tell(deploy,
                    "refused: %s is not a git work tree with a commit, so there is no way "
                    "back; use --from FILE.tar.gz",
                    deploy->service->folder);
        return false;
    }
    if (git(deploy, (const char *const[]){"status", "--porcelain", "--untracked-files=no", NULL}) !=
            0 ||
        deploy->output.size > 0) {
        deploy_tell(deploy,
                    "refused: %s has changes that are not committed, and the way back would "
                    "lose them: %s",
                    deploy->service->folder, deploy->output.data);
        return false;
    }
    if (!deploy->before)
        deploy->before = TAKE(commit);
    return true;
}

enum deploy_outcome deploy_git(struct deploy *deploy) {
    const struct deploy_config *options = &deploy->service->deploy;
    if (!may_pull(deploy))
        return DEPLOY_FAILED;
    deploy_note(deploy, "pull");
    int r = deploy_run(deploy, deploy->service->folder, options->pull);
    if (r != 0)
        return fail(deploy, "pull:", r);
    deploy->now = commit_now(deploy);
    if (!deploy->now)
        return fail(deploy, "git rev-parse after pull:", 0);
    if (strcmp(deploy->now, deploy->before) == 0 && !deploy->interrupted)
        return DEPLOY_NOTHING_NEW;
    deploy->switched = true;
    deploy_tell(deploy, "pulled: %.12s to %.12s", deploy->before, deploy->now);
    deploy_note(deploy, "check");
    r = options->check ? deploy_run(deploy, deploy->service->folder, options->check) : 0;
    if (r != 0)
        return fail(deploy, "check:", r);
    if (options->check)
        deploy_tell(deploy, "the check is passed");
    return DEPLOY_NEW;
}
