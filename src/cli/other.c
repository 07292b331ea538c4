/* SPDX-License-Identifier: Apache-2.0 */
/* init, health, sim, top, names, version. */
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/hub_client.h"
#include "wire/config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static const char first_config[] =
    "# holdfast.yaml: what is kept running here. `holdfast check` finds every error.\n"
    "name: my-server\n"
    "timezone: UTC\n"
    "data: ./data                      # logs and stores\n"
    "\n"
    "# The hub: stands between your bots and Telegram, answers /health, sends alerts.\n"
    "http: {listen: 127.0.0.1:8001, token: \"${HOLDFAST_TOKEN:-}\"}\n"
    "bots:\n"
    "  main: {token: \"${BOT_TOKEN}\", owner: \"${OWNER_USER_ID:-}\"}\n"
    "# alerts: {bot: main, chat: \"${OWNER_USER_ID}\"}\n"
    "\n"
    "services:\n"
    "  bot:\n"
    "    command: python3 bot.py       # any language; a list of words works too\n"
    "    consumer: main                # its base URL is then $TELEGRAM_BASE_URL\n"
    "    # needs: [db]                 # started after, stopped before\n"
    "    # health: {http: \"http://127.0.0.1:8100/health\", every: 30s}\n"
    "    # restart: {when: always, max: 10, delay: 5s, max_delay: 5m}\n";

static const char first_dotenv[] = "# From @BotFather\nBOT_TOKEN=\n"
                                   "# Your Telegram user id (@userinfobot tells it)\n"
                                   "OWNER_USER_ID=\n"
                                   "# For buttons and POSTs that change something: any long word\n"
                                   "HOLDFAST_TOKEN=\n";

static bool write_new(const char *path, const char *text, mode_t mode) {
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return false;
    if (fd < 0 || fd_write_all(fd, slice_of(text)) < 0)
        fatal(EX_CANTCREAT, "%s cannot be written: %s", path, strerror(errno));
    return true;
}

int command_init(const struct cli *cli) {
    if (!write_new(cli->config_path, first_config, 0640))
        fatal(EX_CANTCREAT, "%s is there already; edit it, or name another with -c FILE",
              cli->config_path);
    const char *slash = strrchr(cli->config_path, '/');
    AUTO_FREE char *env =
        text_format("%.*s.env", slash ? (int)(slash - cli->config_path + 1) : 0, cli->config_path);
    bool made = write_new(env, first_dotenv, 0600);
    if (cli->json)
        printf("{\"config\":\"%s\",\"env\":%s}\n", cli->config_path, made ? "true" : "false");
    else
        printf("wrote %s%s%s\nnext: put your token into %s, your bot's command into %s, then\n"
               "  holdfast check && holdfast up\n",
               cli->config_path, made ? " and " : "", made ? env : "", env, cli->config_path);
    return 0;
}

/* ---- health ---- */

static int say_down(const struct cli *cli, uint16_t port, const char *why) {
    if (cli->json)
        printf("{\"status\":\"down\",\"port\":%u,\"error\":\"%s\"}\n", port, why);
    else
        printf("down: no answer on 127.0.0.1:%u (%s); `holdfast status` shows the hub\n", port,
               why);
    return 1;
}

/* --port needs no config: a container asks itself. */
static struct hub_peer peer_of(const struct cli *cli) {
    struct hub_peer peer = {.port = cli->port, .wait_ms = 5000};
    if (peer.port)
        return peer;
    AUTO_PLACES struct places places = places_find(cli);
    peer.port = hub_port(cli, &places, 8001);
    return peer;
}

int command_health(const struct cli *cli) {
    AUTO_HUB struct hub_peer peer = peer_of(cli);
    struct hub_answer answer;
    int r = hub_ask(&peer, "/health", NULL, &answer);
    const char *status = json_text(answer.body, "status");
    if (r < 0 || !status[0]) {
        json_decref(answer.body);
        return say_down(cli, peer.port,
                        r < 0 && r != -EPROTO ? strerror(-r) : "the answer is not the hub's");
    }
    int code = strcmp(status, "healthy") == 0    ? 0
               : strcmp(status, "degraded") == 0 ? cli->strict
                                                 : 1;
    if (cli->json)
        json_print(json_incref(answer.body));
    else
        puts(status);
    json_decref(answer.body);
    return code;
}

/* ---- the rest ---- */

/* Becomes another of our programs; `words` may be NULL-ended with nothing. */
static _Noreturn void become(const char *name, char *const *words) {
    char *folder = program_folder();
    char *path = text_format("%s/%s", folder, name);
    size_t count = 0;
    free(folder);
    while (words[count])
        count++;
    char **argv = memory_array(count + 2, sizeof *argv);
    argv[0] = path;
    memcpy(argv + 1, words, count * sizeof *argv);
    execv(path, argv);
    fatal(EX_OSFILE, "%s cannot be run: %s; the installation is not whole", path, strerror(errno));
}

int command_sim(const struct cli *cli) {
    become("holdfast-sim", cli->words);
}

/* The screen is a program of its own: only it needs ncurses. */
int command_top(const struct cli *cli) {
    AUTO_PLACES struct places places = places_find(cli);
    int code = 0;
    json_t *status = keeper_ask(places.run, json_pack("{s:i,s:s}", "id", 1, "do", "status"), &code);
    if (!status)
        return code;
    if (cli->json) {
        json_t *figures = keeper_try(places.run, json_pack("{s:i,s:s}", "id", 1, "do", "figures"));
        json_print(json_pack("{s:o,s:o?}", "status", status, "figures", figures));
        return 0;
    }
    json_decref(status);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        fatal(EX_USAGE, "top needs a terminal; `holdfast status`, or --json, needs none");
    places_use_timezone(&places);
    char *words[] = {places.run, places.data, NULL};
    become("holdfast-top", words);
}

/* For the completions of shells: without a word when there is nothing to say. */
int command_names(const struct cli *cli) {
    struct config *config = NULL;
    struct config_errors errors = {0};
    if (config_load(cli->config_path, cli->run, &config, &errors) == 0) {
        for (size_t i = 0; i < config->service_count; i++)
            puts(config->services[i].name);
        config_free(config);
    }
    config_errors_deinit(&errors);
    return 0;
}

int command_version(const struct cli *cli) {
    puts(cli->json ? "{\"version\":\"" HOLDFAST_VERSION "\"}" : "holdfast " HOLDFAST_VERSION);
    return 0;
}
