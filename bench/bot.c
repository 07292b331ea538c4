/* SPDX-License-Identifier: Apache-2.0 */
/* bench-bot - a bot as fast as a bot can be: one thread reads updates, 100 at a time and confirmed
 * with the next question, others answer each with a sendMessage, on a connection each.
 *
 *   bench-bot COUNT SENDERS PORT PATH
 *
 * Ends when COUNT updates were answered. Prints a line of JSON: seconds from the first question. */
#include "base/text.h"
#include "bot_api.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { COUNT_MAX = 10000000, SENDERS_MAX = 256, ANSWER_BYTES = 1 << 20 };

static struct {
    uint16_t port;
    const char *path;
    int64_t count;
    pthread_mutex_t lock;
    pthread_cond_t more;
    int64_t read, taken; /* guarded by lock: updates that came, of them in the hands of a sender */
    atomic_int_fast64_t answered;
} bot = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static bool take_one(void) {
    pthread_mutex_lock(&bot.lock);
    while (bot.taken == bot.read && bot.taken < bot.count)
        pthread_cond_wait(&bot.more, &bot.lock);
    bool took = bot.taken < bot.count;
    bot.taken += took;
    pthread_mutex_unlock(&bot.lock);
    return took;
}

static void *send_answers(void *nothing) {
    static const char body[] = "{\"chat_id\":42,\"text\":\"BTCUSDT 64,250.50\"}";
    char *answer = memory_new(ANSWER_BYTES);
    int fd = connect_to(bot.port);
    while (take_one()) {
        write_request(fd, bot.path, "sendMessage", body);
        read_answer(fd, answer, ANSWER_BYTES);
        bot.answered++;
    }
    free(answer);
    return NULL;
}

static int64_t count_updates(const char *text) {
    int64_t count = 0;
    for (; (text = strstr(text, "\"update_id\":")); text++)
        count++;
    return count;
}

static void read_updates(void) {
    char *answer = memory_new(ANSWER_BYTES), body[80];
    int64_t next = 0, got = 0;
    int fd = connect_to(bot.port);
    while (got < bot.count) {
        snprintf(body, sizeof body, "{\"offset\":%lld,\"timeout\":20,\"limit\":100}",
                 (long long)next);
        write_request(fd, bot.path, "getUpdates", body);
        const char *text = read_answer(fd, answer, ANSWER_BYTES);
        int64_t count = count_updates(text);
        if (count == 0)
            give_up("no update for 20 s");
        next = next_update(text, next);
        got += count;
        pthread_mutex_lock(&bot.lock);
        bot.read = got < bot.count ? got : bot.count;
        pthread_cond_broadcast(&bot.more);
        pthread_mutex_unlock(&bot.lock);
    }
    free(answer);
}

int main(int argc, char **arguments) {
    int64_t senders, port;
    pthread_t threads[SENDERS_MAX];
    if (argc != 5 || text_to_int(arguments[1], 1, COUNT_MAX, &bot.count) < 0 ||
        text_to_int(arguments[2], 1, SENDERS_MAX, &senders) < 0 ||
        text_to_int(arguments[3], 1, 65535, &port) < 0)
        give_up("see the top of bench/bot.c for its arguments");
    bot.port = (uint16_t)port;
    bot.path = arguments[4];
    int64_t start = now_ns();
    for (int64_t i = 0; i < senders; i++)
        if (pthread_create(&threads[i], NULL, send_answers, NULL) != 0)
            give_up("no thread");
    read_updates();
    for (int64_t i = 0; i < senders; i++)
        pthread_join(threads[i], NULL);
    printf("{\"answered\":%lld,\"seconds\":%.6f}\n", (long long)bot.answered,
           (double)(now_ns() - start) / 1e9);
    return 0;
}
