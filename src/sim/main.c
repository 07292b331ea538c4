/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast-sim: the services that bots talk to, on this machine. */
#include "base/log.h"
#include "base/notify.h"
#include "sim/options.h"
#include "sim/sim.h"
#include <errno.h>
#include <sysexits.h>

enum { ANN = 42 };

static void add_bots(struct sim *sim, const struct options *options) {
    must(telegram_add_person(sim->telegram, ANN, "Ann") == 0);
    for (size_t i = 0; i < options->chat_count; i++) {
        if (options->chats[i] != ANN)
            must(telegram_add_person(sim->telegram, options->chats[i], "Ann") == 0);
    }
    for (size_t i = 0; i < options->bot_count; i++) {
        const char *username = options->bots[i].username;
        int r = telegram_add_bot(sim->telegram, options->bots[i].token, username);
        if (r < 0)
            fatal(EX_USAGE, "--bot ...=%s: %s", username,
                  r == -EEXIST ? "this token is given twice"
                               : "a token is digits, ':' and letters, e.g. 1001:demo");
    }
}

static void add_accounts(struct sim *sim, const struct options *options) {
    for (size_t i = 0; i < options->account_count; i++) {
        const char *key = options->accounts[i].key;
        int r = exchange_sim_add_account(sim->exchange, key, options->accounts[i].secret,
                                         options->balance);
        if (r < 0)
            fatal(EX_USAGE, "--account %s=...: %s", key,
                  r == -EEXIST ? "this key is given twice"
                               : "key and secret are 1 to 64 characters");
    }
    if (!options->still)
        exchange_sim_set_mode(sim->exchange, EXCHANGE_SIM_WALK, sim_now(sim));
}

static void open_server(struct sim *sim, const struct options *options) {
    struct http_server_options server = {.host = options->listen, .port = options->port};
    int r = http_server_open(sim->loop, &server, sim_handle, sim, &sim->server);
    if (r == -EADDRINUSE)
        fatal(EX_UNAVAILABLE,
              "port %u on %s is taken: stop its owner or choose another with --port", options->port,
              options->listen);
    if (r < 0)
        fatal(EX_USAGE, "cannot listen on %s: %s", options->listen, strerror(-r));
    log_info("Telegram and Bybit are simulated at http://%s:%u (chat page: open it in a browser)",
             options->listen, http_server_port(sim->server));
    r = notify_send("READY=1");
    if (r < 0)
        log_warning("the supervisor at NOTIFY_SOCKET cannot be reached: %s", strerror(-r));
}

static uv_signal_t signals[2];

static void on_closed(void *context) {
    struct sim *sim = context;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
    uv_close((uv_handle_t *)&sim->timer, NULL);
}

/* The loop ends by itself when everything on it is closed. */
static void on_signal(uv_signal_t *signal, int number) {
    struct sim *sim = signal->data;
    if (!sim->server)
        return; /* already closing */
    (void)notify_send("STOPPING=1");
    sim_forget(sim);
    http_server_close(sim->server, on_closed, sim);
    sim->server = NULL;
}

int main(int argc, char **argv) {
    struct options options;
    struct sim sim;
    uv_loop_t loop;
    log_open("sim");
    options_read(&options, argc, argv);
    must(uv_loop_init(&loop) == 0);
    sim_init(&sim, &loop, options.seed);
    for (int i = 0; i < 2; i++) {
        must(uv_signal_init(&loop, &signals[i]) == 0);
        signals[i].data = &sim;
        must(uv_signal_start(&signals[i], on_signal, i ? SIGINT : SIGTERM) == 0);
    }
    add_bots(&sim, &options);
    add_accounts(&sim, &options);
    open_server(&sim, &options);
    uv_run(&loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop) == 0);
    sim_deinit(&sim);
    options_deinit(&options);
    return EXIT_SUCCESS;
}
