/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/test.h"
#include "base/text.h"
#include "wire/config.h"
#include "wire/config_files.h"
#include "wire/dotenv.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static char folder[64];
static char *config_path, *env_path;
static struct config *config;
static struct config_errors errors;

static int setup(void **state) {
    snprintf(folder, sizeof folder, "/tmp/holdfast-config-XXXXXX");
    assert_non_null(mkdtemp(folder));
    config_path = path_join(folder, "holdfast.yaml");
    env_path = path_join(folder, ".env");
    config = NULL;
    return 0;
}

static int teardown(void **state) {
    config = config_free(config);
    config_errors_deinit(&errors);
    unlink(config_path);
    unlink(env_path);
    rmdir(folder);
    free(config_path);
    free(env_path);
    return 0;
}

static int load(const char *yaml, const char *dotenv) {
    assert_int_equal(file_replace_fast(config_path, slice_of(yaml), 0600), 0);
    if (dotenv)
        assert_int_equal(file_replace_fast(env_path, slice_of(dotenv), 0600), 0);
    return config_load(config_path, "/tmp/run", &config, &errors);
}

/* One of the errors is at `place` and holds `words`. */
static void assert_error(const char *place, const char *words) {
    for (size_t i = 0; i < errors.count; i++)
        if (strcmp(errors.list[i].place, place) == 0 && strstr(errors.list[i].text, words))
            return;
    for (size_t i = 0; i < errors.count; i++)
        print_message("%s: %s\n", errors.list[i].place, errors.list[i].text);
    print_message("expected %s: ...%s...\n", place, words);
    fail();
}

static const char whole[] =
    "name: my-vps\n"
    "timezone: Asia/Ho_Chi_Minh\n"
    "http: {listen: 127.0.0.1:8001, token: ${HOLDFAST_TOKEN}}\n"
    "bots:\n"
    "  main: {token: ${BOT_TOKEN}, owner: ${OWNER_USER_ID}, admins: ${ADMIN_USER_IDS:-}}\n"
    "alerts: {bot: main, chat: ${OWNER_USER_ID}}\n"
    "services:\n"
    "  db:  {command: [postgres, -D, pg], ready: {tcp: 127.0.0.1:5433}, stop_signal: INT}\n"
    "  api: {command: uvicorn api:app --port 8100, needs: [db],\n"
    "        health: {http: \"http://127.0.0.1:8100/health\"}}\n"
    "  bot: {command: python3 bot.py, needs: [api], consumer: main,\n"
    "        restart: {max: 10, delay: 5s, max_delay: 5m}, env: {A: 'x ${B:-y}'}}\n";

static void test_reads_the_config_of_the_docs(void **state) {
    assert_int_equal(load(whole, "HOLDFAST_TOKEN=very-secret\nBOT_TOKEN=123456:abcdefgh\n"
                                 "export OWNER_USER_ID='42'\n"),
                     0);
    assert_int_equal(config->service_count, 4);
    assert_int_equal(config->services[0].part, PART_HUB);
    assert_string_equal(config->http.token.value, "very-secret");
    assert_int_equal(config->bots[0].owner, 42);
    assert_int_equal(config->bots[0].admin_count, 0);
    assert_string_equal(config->bots[0].api_url, "https://api.telegram.org");
    assert_int_equal(config->alerts.chat, 42);
    const struct service_config *db = config_service(config, "db");
    assert_int_equal(db->stop_signal, 2);
    assert_int_equal(db->ready.kind, PROBE_TCP);
    assert_int_equal(db->ready.port, 5433);
    const struct service_config *api = config_service(config, "api");
    assert_string_equal(api->argv[3], "8100");
    assert_string_equal(api->health.path, "/health");
    assert_int_equal(api->health.every_ms, 30000);
    const struct service_config *bot = config_service(config, "bot");
    assert_int_equal(bot->restart.delay_max_ms, 300000);
    assert_string_equal(config_service_env_get(bot, "A"), "x y");
    assert_string_equal(config_service_env_get(bot, "OWNER_USER_ID"), "42");
    assert_true(service_config_equal(bot, bot));
    assert_false(service_config_equal(bot, api));
}

static void test_tells_every_error_with_its_place(void **state) {
    const char *bad = "nmae: x\n"                                                  /* 1 */
                      "http: {listen: 8001}\n"                                     /* 2 */
                      "bots: {main: {token: ${BOT_TOKEN}}}\n"                      /* 3 */
                      "services:\n"                                                /* 4 */
                      "  a: {command: 'x \"y', needs: [bb]}\n"                     /* 5 */
                      "  b: {command: uvicorn app --reload, stop_timeout: soon}\n" /* 6 */
                      "  c: {restart: sometimes, ready: {tcp: nowhere}}\n"         /* 7 */
                      "  Bad Name: {command: x}\n";                                /* 8 */
    assert_int_equal(load(bad, NULL), CONFIG_INVALID);
    assert_error("holdfast.yaml:1:1", "did you mean 'name'");
    assert_error("holdfast.yaml:2:16", "ADDRESS:PORT");
    assert_error("holdfast.yaml:3:22", "BOT_TOKEN is not set");
    assert_error("holdfast.yaml:5:16", "never closed");
    assert_error("holdfast.yaml:6:16", "--reload");
    assert_error("holdfast.yaml:6:52", "a duration");
    assert_error("holdfast.yaml:7:16", "on-failure");
    assert_error("holdfast.yaml:7:40", "ADDRESS:PORT");
    assert_error("holdfast.yaml:7:3", "has no command");
    assert_error("holdfast.yaml:8:3", "a name is");
}

static void test_checks_what_belongs_together(void **state) {
    const char *bad = "http: {listen: 0.0.0.0:8001}\n"
                      "alerts: {bot: mian, chat: 5}\n"
                      "services:\n"
                      "  a: {command: x, needs: [c]}\n"
                      "  b: {command: x, needs: [a], consumer: nobody}\n"
                      "  c: {command: x, needs: [b, d]}\n";
    assert_int_equal(load(bad, NULL), CONFIG_INVALID);
    assert_error("holdfast.yaml:1:16", "behind_proxy");
    assert_error("holdfast.yaml:2:15", "'mian' is not among bots");
    assert_error("holdfast.yaml:4:26", "in a circle");
    assert_error("holdfast.yaml:5:41", "'nobody' is not among bots");
    assert_error("holdfast.yaml:6:26", "'d' is not among services");
}

static void test_ways_and_rules_of_alerts(void **state) {
    assert_int_equal(load("bots: {main: {token: '123456:abcdefgh', owner: 42}}\n"
                          "alerts:\n"
                          "  bot: main\n"
                          "  chat: 42\n"
                          "  mute: '23:00-7:00'\n"
                          "  report: '08:00'\n"
                          "  inhibit: [{when: {type: down}, mute: {service: 'tr*'}, for: 5m}]\n"
                          "  also:\n"
                          "    mail: {smtp: 'smtp://127.0.0.1', sender: a@b, to: c@d, from: LOW}\n"
                          "    push: {ntfy: 'https://ntfy.sh/t', after: 2m, token: secret-word}\n"
                          "services: {a: {command: x}}\n",
                          NULL),
                     0);
    const struct alerts_config *alerts = &config->alerts;
    assert_true(alerts->mutes && alerts->mute_from_s == 82800 && alerts->mute_until_s == 25200);
    assert_true(alerts->reports && alerts->report_s == 28800);
    assert_int_equal(alerts->inhibit_count, 1);
    assert_string_equal(alerts->inhibit[0].mute.service, "tr*");
    assert_int_equal(alerts->inhibit[0].for_ms, 300000);
    assert_int_equal(alerts->way_count, 2);
    assert_int_equal(alerts->ways[0].kind, WAY_SMTP);
    assert_int_equal(alerts->ways[0].from, 3); /* LOW, see model/alert.h */
    assert_string_equal(alerts->ways[0].to[0], "c@d");
    assert_int_equal(alerts->ways[1].after_ms, 120000);
    const char *bad = "bots: {main: {token: '123456:abcdefgh', owner: 42}}\n"
                      "alerts:\n"
                      "  bot: main\n"
                      "  chat: 42\n"
                      "  mute: '23:00'\n"
                      "  report: '25:00'\n"
                      "  inhibit: [{when: {type: down}, mute: {}}]\n"
                      "  also:\n"
                      "    mail: {smtp: 'smtp://127.0.0.1', sender: a@b}\n"
                      "    both: {ntfy: 'https://x/t', webhook: 'https://x'}\n"
                      "    hook: {webhook: 'ftp://x'}\n";
    assert_int_equal(load(bad, NULL), CONFIG_INVALID);
    assert_error("holdfast.yaml:5:9", "expected two times");
    assert_error("holdfast.yaml:6:11", "not a time of day");
    assert_error("holdfast.yaml:7:40", "at least one of type");
    assert_error("holdfast.yaml:9:11", "sender: and to:");
    assert_error("holdfast.yaml:10:11", "exactly one of");
    assert_error("holdfast.yaml:11:11", "http:// or https://");
}

static void test_trader(void **state) {
    assert_int_equal(load("bots: {main: {token: '123456:abcdefgh', owner: 42}}\n"
                          "trader: {bot: main}\n",
                          NULL),
                     0);
    assert_int_equal(config->service_count, 2);
    assert_int_equal(config->services[1].part, PART_TRADER);
    assert_string_equal(config->services[1].consumer, "main");
    assert_int_equal(config->trader.mode, TRADE_PAPER); /* real money only when it is named */
    assert_string_equal(config->trader.api_url, "http://127.0.0.1:8090");
    assert_string_equal(config->trader.api_key.value, "paper");
    assert_true(decimal_equal(config->trader.risk, decimal_of(100)));
    struct config *first = TAKE(config);
    assert_int_equal(load("bots: {main: {token: '123456:abcdefgh', owner: 42}}\n"
                          "trader: {bot: main, mode: live, api_key: k, api_secret: s,\n"
                          "         risk: 12.50, rr: 1.5}\n",
                          NULL),
                     0);
    assert_string_equal(config->trader.api_url, "https://api.bybit.com");
    assert_false(config_part_equal(first, config, PART_TRADER));
    assert_true(config_part_equal(first, config, PART_HUB));
    config_free(first);
}

static void test_trader_mistakes(void **state) {
    const char *bad = "bots: {main: {token: '123456:abcdefgh'}}\n"
                      "trader: {bot: main, mode: live, api_url: 'http://bybit.example',\n"
                      "         risk: -5, rr: 11}\n"
                      "services: {trader: {command: x}}\n";
    assert_int_equal(load(bad, NULL), CONFIG_INVALID);
    assert_error("holdfast.yaml:2:15", "has no owner");
    assert_error("holdfast.yaml:2:42", "expected https://");
    assert_error("holdfast.yaml:2:9", "api_secret: ${BYBIT_API_SECRET}");
    assert_error("holdfast.yaml:3:16", "a number above 0");
    assert_error("holdfast.yaml:3:24", "at most 10");
    assert_error("holdfast.yaml:4:12", "Holdfast's own service");
    config_errors_deinit(&errors);
    assert_int_equal(load("bots: {main: {token: '123456:abcdefgh'}}\ntrader: {bot: mian}\n", NULL),
                     CONFIG_INVALID);
    assert_error("holdfast.yaml:2:15", "'mian' is not among bots");
    assert_int_equal(errors.count, 1); /* said once, not for the implied service too */
    config_errors_deinit(&errors);
    assert_int_equal(load("trader: {mode: papr, bott: x}\nservices: {a: {command: x}}\n", NULL),
                     CONFIG_INVALID);
    assert_error("holdfast.yaml:1:9", "bot: is missing");
    assert_error("holdfast.yaml:1:16", "paper");
    assert_error("holdfast.yaml:1:22", "did you mean 'bot'");
}

static void test_yaml_traps(void **state) {
    assert_int_equal(load("services: {a: {command: x}\n", NULL), CONFIG_INVALID);
    config_errors_deinit(&errors);
    assert_int_equal(load("a: &x 1\nservices: *x\n", NULL), CONFIG_INVALID);
    assert_error("holdfast.yaml:1:4", "anchors");
    config_errors_deinit(&errors);
    assert_int_equal(load("services: {a: {command: x}, a: {command: y}}\n", NULL), CONFIG_INVALID);
    assert_error("holdfast.yaml:1:29", "twice");
    config_errors_deinit(&errors);
    assert_int_equal(load("", NULL), CONFIG_INVALID);
    assert_error("holdfast.yaml:1:1", "empty");
    config_errors_deinit(&errors);
    assert_int_equal(load("\x01\xff", NULL), CONFIG_INVALID);
    config_errors_deinit(&errors);
    assert_int_equal(load("[1, 2]", NULL), CONFIG_INVALID);
    config_errors_deinit(&errors);
    assert_int_equal(load("services: {a: {command: no}}", NULL), 0);
    assert_string_equal(config->services[0].argv[0], "no"); /* a word, not false */
}

static void test_dotenv_errors_have_places(void **state) {
    assert_int_equal(load("services: {a: {command: x}}", "A=1\nB 2\n"), CONFIG_INVALID);
    assert_error(".env:2:3", "NAME=value");
}

static void test_aliases_and_files(void **state) {
    AUTO_FREE char *secret = path_join(folder, "secret");
    AUTO_FREE char *env = text_format("TELEGRAM_BOT_TOKEN_FILE=%s\n", secret);
    assert_int_equal(file_replace_fast(secret, slice_of("777777:from-a-file\n"), 0600), 0);
    int r = load("bots: {m: {token: ${BOT_TOKEN}}}\nservices: {a: {command: x}}\n", env);
    unlink(secret);
    assert_int_equal(r, 0);
    assert_string_equal(config->bots[0].token.value, "777777:from-a-file");
}

static void test_systemd_credentials(void **state) {
    AUTO_FREE char *credential = path_join(folder, "BOT_TOKEN");
    assert_int_equal(file_replace_fast(credential, slice_of("888888:from-systemd\n"), 0600), 0);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    int r = load("bots: {m: {token: ${BOT_TOKEN}}}\nservices: {a: {command: x}}\n", NULL);
    unsetenv("CREDENTIALS_DIRECTORY");
    unlink(credential);
    assert_int_equal(r, 0);
    assert_string_equal(config->bots[0].token.value, "888888:from-systemd");
}

/* What was in force is read again whole, whatever became of the files. */
static void test_record_and_replay(void **state) {
    AUTO_FREE char *record = path_join(folder, "record");
    const char *yaml = "bots: {m: {token: ${BOT_TOKEN}}}\nservices: {a: {command: x}}\n";
    assert_int_equal(load(yaml, "BOT_TOKEN=999999:recorded\n"), 0);
    struct config_files files = {0};
    config = config_free(config);
    assert_int_equal(config_load_files(config_path, "/tmp/run", &files, &config, &errors), 0);
    assert_int_equal(config_files_save(&files, record), 0);
    config_files_deinit(&files);
    config = config_free(config);
    AUTO_FREE char *absolute = text_copy(config_path);
    unlink(config_path);
    unlink(env_path);
    assert_int_equal(config_files_open(record, &files), 0);
    int r = config_load_files(absolute, "/tmp/run", &files, &config, &errors);
    config_files_deinit(&files);
    assert_int_equal(file_replace_fast(record, slice_of("/x\n99\nshort\n"), 0600), 0);
    assert_int_equal(config_files_open(record, &files), -EPROTO);
    unlink(record);
    assert_int_equal(r, 0);
    assert_string_equal(config->bots[0].token.value, "999999:recorded");
}

static void test_an_empty_token_is_missing(void **state) {
    const char *yaml = "bots: {m: {token: ${BOT_TOKEN}}}\nservices: {a: {command: x}}\n";
    assert_int_equal(load(yaml, "BOT_TOKEN=\n"), CONFIG_INVALID);
    assert_error("holdfast.yaml:1:19", "is empty");
}

static void test_missing_file(void **state) {
    assert_int_equal(config_load("/nonexistent/x.yaml", NULL, &config, &errors), -ENOENT);
}

static void test_dotenv_values(void **state) {
    char **list = NULL;
    struct dotenv_problem problem;
    const char *text =
        "# c\nA=1 # no\nB='a # b'\nC=\"x\\ny\\\"\"\nD=\nexport E = v \r\nF=a#b\nA=2\n";
    assert_int_equal(dotenv_parse(slice_of(text), &list, &problem), 0);
    assert_string_equal(env_get(list, "A"), "2");
    assert_string_equal(env_get(list, "B"), "a # b");
    assert_string_equal(env_get(list, "C"), "x\ny\"");
    assert_string_equal(env_get(list, "D"), "");
    assert_string_equal(env_get(list, "E"), "v");
    assert_string_equal(env_get(list, "F"), "a#b");
    assert_null(env_get(list, "G"));
    text_list_free(list);
}

static void test_jobs(void **state) {
    assert_int_equal(
        load("timezone: Asia/Ho_Chi_Minh\n"
             "services:\n"
             "  a: {command: x, every: 6h}\n"
             "  b: {command: x, at: \"03:00\", timeout: 5m, retry: 2}\n"
             "  c: {command: x, at: [\"23:59:30\", \"3:00\", \"03:00\"], days: [mon, fri],\n"
             "      timezone: Europe/Berlin, late: 0}\n"
             "  d: {command: x, health: {file: beat, max_age: 5s}}\n",
             NULL),
        0);
    const struct schedule_config *a = &config->services[0].schedule,
                                 *b = &config->services[1].schedule,
                                 *c = &config->services[2].schedule;
    assert_int_equal(a->every_ms, 6 * 3600000);
    assert_int_equal(a->late_ms, 0);
    assert_int_equal(b->at_count, 1);
    assert_int_equal(b->at_s[0], 3 * 3600);
    assert_int_equal(b->late_ms, 3600000);
    assert_int_equal(b->timeout_ms, 300000);
    assert_int_equal(b->retry, 2);
    assert_string_equal(b->zone, "Asia/Ho_Chi_Minh");
    assert_int_equal(c->at_count, 2);
    assert_int_equal(c->at_s[0], 3 * 3600);
    assert_int_equal(c->at_s[1], 86370);
    assert_int_equal(c->days, 1 | 1 << 4);
    assert_string_equal(c->zone, "Europe/Berlin");
    assert_int_equal(c->late_ms, 0);
    assert_false(service_is_job(&config->services[3]));
    assert_int_equal(config->services[3].health.kind, PROBE_FILE);
    assert_int_equal(config->services[3].health.max_age_ms, 5000);
    AUTO_FREE char *beat = path_join(folder, "beat");
    assert_string_equal(config->services[3].health.file, beat);
}

static void test_wrong_jobs(void **state) {
    assert_int_equal(load("timezone: Asia/Saigon2\n"
                          "services:\n"
                          "  a: {command: x, every: 6h, at: \"03:00\"}\n"
                          "  b: {command: x, at: \"24:00\"}\n"
                          "  c: {command: x, at: \"3\"}\n"
                          "  d: {command: x, at: \"03:00\", days: [monday]}\n"
                          "  e: {command: x, at: \"03:00\", timezone: Europe/Berlim}\n"
                          "  f: {command: x, every: 6h, days: [mon]}\n"
                          "  g: {command: x, retry: 3}\n"
                          "  h: {command: x, every: 6h, ready: notify}\n"
                          "  i: {command: x, needs: [h]}\n"
                          "  j: {command: x, every: 10ms}\n"
                          "  k: {command: x, at: []}\n"
                          "  l: {command: x, at: \"03:00:00:00\"}\n",
                          NULL),
                     CONFIG_INVALID);
    assert_error("holdfast.yaml:1:11", "'Asia/Saigon2' is not a time zone");
    assert_error("holdfast.yaml:3:3", "exclude each other");
    assert_error("holdfast.yaml:4:23", "'24:00' is not a time of day");
    assert_error("holdfast.yaml:5:23", "'3' is not a time of day");
    assert_error("holdfast.yaml:6:39", "'monday' is not a day");
    assert_error("holdfast.yaml:7:42", "'Europe/Berlim' is not a time zone");
    assert_error("holdfast.yaml:8:36", "goes with at:");
    assert_error("holdfast.yaml:9:26", "belongs to a job");
    assert_error("holdfast.yaml:10:37", "a job is not waited for");
    assert_error("holdfast.yaml:11:26", "is a job: it ends");
    assert_error("holdfast.yaml:12:26", "10ms");
    assert_error("holdfast.yaml:13:23", "expected one value or a list");
    assert_error("holdfast.yaml:14:23", "is not a time of day");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_reads_the_config_of_the_docs),
        TEST(test_tells_every_error_with_its_place),
        TEST(test_checks_what_belongs_together),
        TEST(test_yaml_traps),
        TEST(test_jobs),
        TEST(test_wrong_jobs),
        TEST(test_ways_and_rules_of_alerts),
        TEST(test_trader),
        TEST(test_trader_mistakes),
        TEST(test_dotenv_errors_have_places),
        TEST(test_aliases_and_files),
        TEST(test_systemd_credentials),
        TEST(test_record_and_replay),
        TEST(test_an_empty_token_is_missing),
        TEST(test_missing_file),
        cmocka_unit_test(test_dotenv_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
