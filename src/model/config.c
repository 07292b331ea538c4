/* SPDX-License-Identifier: Apache-2.0 */
#include "model/config.h"
#include "base/text.h"

static void probe_deinit(struct probe_config *probe) {
    free(probe->host);
    free(probe->path);
    free(probe->body_has);
    text_list_free(probe->argv);
    free(probe->file);
}

static void service_deinit(struct service_config *service) {
    free(service->name);
    free(service->place);
    text_list_free(service->argv);
    free(service->group);
    text_list_free(service->before_start);
    text_list_free(service->after_stop);
    free(service->folder);
    text_list_free(service->env);
    text_list_free(service->needs);
    text_list_free(service->log_patterns);
    free(service->user);
    free(service->consumer);
    probe_deinit(&service->ready);
    probe_deinit(&service->health);
    free(service->schedule.at_s);
    free(service->schedule.zone);
    text_list_free(service->deploy.pull);
    text_list_free(service->deploy.check);
}

static void bot_deinit(struct bot_config *bot) {
    free(bot->name);
    secret_deinit(&bot->token);
    free(bot->admins);
    free(bot->api_url);
    free(bot->proxy);
}

static void pattern_deinit(struct alert_pattern *pattern) {
    free(pattern->type);
    free(pattern->service);
    free(pattern->title);
    free(pattern->text);
}

static void way_deinit(struct way_config *way) {
    free(way->name);
    for (size_t i = 0; i < WAY_KINDS; i++)
        free(way->urls[i]);
    secret_deinit(&way->token);
    free(way->user);
    free(way->sender);
    text_list_free(way->to);
    free(way->proxy);
}

static void alerts_deinit(struct alerts_config *alerts) {
    for (size_t i = 0; i < alerts->inhibit_count; i++) {
        pattern_deinit(&alerts->inhibit[i].when);
        pattern_deinit(&alerts->inhibit[i].mute);
        pattern_deinit(&alerts->inhibit[i].until);
    }
    for (size_t i = 0; i < alerts->way_count; i++)
        way_deinit(&alerts->ways[i]);
    free(alerts->inhibit);
    free(alerts->ways);
    free(alerts->bot);
}

struct config *config_free(struct config *config) {
    if (!config)
        return NULL;
    free(config->path);
    free(config->folder);
    free(config->name);
    free(config->timezone);
    free(config->data);
    free(config->run);
    text_list_free(config->environment);
    text_list_free(config->environment_bare);
    free(config->http.host);
    secret_deinit(&config->http.token);
    alerts_deinit(&config->alerts);
    free(config->heartbeat.url);
    free(config->heartbeat.fail_url);
    free(config->heartbeat.proxy);
    free(config->trader.bot);
    free(config->trader.api_url);
    secret_deinit(&config->trader.api_key);
    secret_deinit(&config->trader.api_secret);
    for (size_t i = 0; i < config->bot_count; i++)
        bot_deinit(&config->bots[i]);
    free(config->bots);
    for (size_t i = 0; i < config->service_count; i++)
        service_deinit(&config->services[i]);
    free(config->services);
    free(config);
    return NULL;
}

const struct service_config *config_service(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->service_count; i++)
        if (strcmp(config->services[i].name, name) == 0)
            return &config->services[i];
    return NULL;
}

bool service_is_called(const struct service_config *service, const char *name) {
    return strcmp(service->name, name) == 0 ||
           (service->group && strcmp(service->group, name) == 0);
}

const struct bot_config *config_bot(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->bot_count; i++)
        if (strcmp(config->bots[i].name, name) == 0)
            return &config->bots[i];
    return NULL;
}

static bool text_same(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool list_same(char *const *a, char *const *b) {
    size_t count = text_list_count(a);
    if (count != text_list_count(b))
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

static bool probe_same(const struct probe_config *a, const struct probe_config *b) {
    return a->kind == b->kind && text_same(a->host, b->host) && a->port == b->port &&
           text_same(a->path, b->path) && text_same(a->body_has, b->body_has) &&
           a->status == b->status && list_same(a->argv, b->argv) && text_same(a->file, b->file) &&
           a->max_age_ms == b->max_age_ms && a->every_ms == b->every_ms &&
           a->timeout_ms == b->timeout_ms && a->failures == b->failures;
}

static bool restart_same(const struct restart_config *a, const struct restart_config *b) {
    return a->mode == b->mode && a->max == b->max && a->delay_ms == b->delay_ms &&
           a->delay_max_ms == b->delay_max_ms && a->stable_ms == b->stable_ms &&
           a->retry_ms == b->retry_ms && a->give_up == b->give_up;
}

bool service_is_ours(const struct service_config *service) {
    const char *word = service->argv && service->argv[0] ? service->argv[0] : "";
    const char *name = strrchr(word, '/') ? strrchr(word, '/') + 1 : word;
    return strcmp(name, "holdfast") == 0 || strncmp(name, "holdfast-", 9) == 0;
}

static bool limits_same(const struct limits_config *a, const struct limits_config *b) {
    return a->processes == b->processes && a->core == b->core &&
           a->address_space == b->address_space && a->nice == b->nice &&
           a->oom_score_adj == b->oom_score_adj;
}

bool service_is_job(const struct service_config *service) {
    return service->schedule.every_ms || service->schedule.at_count;
}

bool schedule_equal(const struct schedule_config *a, const struct schedule_config *b) {
    return a->every_ms == b->every_ms && a->at_count == b->at_count && a->days == b->days &&
           text_same(a->zone, b->zone) &&
           (a->at_count == 0 || memcmp(a->at_s, b->at_s, a->at_count * sizeof *a->at_s) == 0);
}

static bool job_same(const struct schedule_config *a, const struct schedule_config *b) {
    return schedule_equal(a, b) && a->late_ms == b->late_ms && a->timeout_ms == b->timeout_ms &&
           a->retry == b->retry;
}

/* Without deploy, watch and log: they change under a running process. */
bool service_config_equal(const struct service_config *a, const struct service_config *b) {
    return text_same(a->name, b->name) && text_same(a->group, b->group) &&
           list_same(a->argv, b->argv) && list_same(a->before_start, b->before_start) &&
           list_same(a->after_stop, b->after_stop) && text_same(a->folder, b->folder) &&
           list_same(a->env, b->env) && list_same(a->env_inherited, b->env_inherited) &&
           list_same(a->needs, b->needs) && text_same(a->user, b->user) &&
           text_same(a->consumer, b->consumer) && a->umask == b->umask && a->nofile == b->nofile &&
           a->stop_signal == b->stop_signal && a->stop_timeout_ms == b->stop_timeout_ms &&
           a->start_timeout_ms == b->start_timeout_ms && a->watchdog_ms == b->watchdog_ms &&
           a->critical == b->critical && a->part == b->part && probe_same(&a->ready, &b->ready) &&
           probe_same(&a->health, &b->health) && restart_same(&a->restart, &b->restart) &&
           limits_same(&a->limits, &b->limits) && job_same(&a->schedule, &b->schedule);
}

static bool bot_same(const struct bot_config *a, const struct bot_config *b) {
    return text_same(a->name, b->name) && text_same(a->token.value, b->token.value) &&
           a->owner == b->owner && a->admin_count == b->admin_count &&
           (a->admin_count == 0 ||
            memcmp(a->admins, b->admins, a->admin_count * sizeof *a->admins) == 0) &&
           text_same(a->api_url, b->api_url) && text_same(a->proxy, b->proxy) &&
           a->old_after_ms == b->old_after_ms;
}

static bool consumers_same(const struct config *a, const struct config *b) {
    for (size_t i = 0; i < a->service_count; i++) {
        const struct service_config *other = config_service(b, a->services[i].name);
        const char *consumer = a->services[i].consumer;
        if (consumer && (!other || !text_same(other->consumer, consumer)))
            return false;
    }
    return true;
}

static bool pattern_same(const struct alert_pattern *a, const struct alert_pattern *b) {
    return text_same(a->type, b->type) && text_same(a->service, b->service) &&
           text_same(a->title, b->title) && text_same(a->text, b->text);
}

static bool inhibit_same(const struct inhibit_config *a, const struct inhibit_config *b) {
    return pattern_same(&a->when, &b->when) && pattern_same(&a->mute, &b->mute) &&
           pattern_same(&a->until, &b->until) && a->for_ms == b->for_ms;
}

static bool way_same(const struct way_config *a, const struct way_config *b) {
    return text_same(a->name, b->name) && a->kind == b->kind &&
           text_same(a->urls[a->kind], b->urls[b->kind]) && a->from == b->from &&
           a->after_ms == b->after_ms && text_same(a->token.value, b->token.value) &&
           text_same(a->user, b->user) && text_same(a->sender, b->sender) &&
           list_same(a->to, b->to) && text_same(a->proxy, b->proxy);
}

static bool alerts_same(const struct alerts_config *a, const struct alerts_config *b) {
    bool same = text_same(a->bot, b->bot) && a->chat == b->chat && a->buttons == b->buttons &&
                a->repeat_interval_ms == b->repeat_interval_ms &&
                a->group_interval_ms == b->group_interval_ms && a->mutes == b->mutes &&
                a->mute_from_s == b->mute_from_s && a->mute_until_s == b->mute_until_s &&
                a->reports == b->reports && a->report_s == b->report_s &&
                a->inhibit_count == b->inhibit_count && a->way_count == b->way_count;
    for (size_t i = 0; same && i < a->inhibit_count; i++)
        same = inhibit_same(&a->inhibit[i], &b->inhibit[i]);
    for (size_t i = 0; same && i < a->way_count; i++)
        same = way_same(&a->ways[i], &b->ways[i]);
    return same;
}

static bool heartbeat_same(const struct heartbeat_config *a, const struct heartbeat_config *b) {
    return text_same(a->url, b->url) && text_same(a->fail_url, b->fail_url) &&
           text_same(a->proxy, b->proxy) && a->every_ms == b->every_ms;
}

static bool hub_same(const struct config *a, const struct config *b) {
    if (!text_same(a->http.host, b->http.host) || a->http.port != b->http.port ||
        !text_same(a->http.token.value, b->http.token.value) ||
        a->http.behind_proxy != b->http.behind_proxy || !alerts_same(&a->alerts, &b->alerts) ||
        !text_same(a->timezone, b->timezone) || !heartbeat_same(&a->heartbeat, &b->heartbeat) ||
        a->bot_count != b->bot_count)
        return false;
    for (size_t i = 0; i < a->bot_count; i++)
        if (!bot_same(&a->bots[i], &b->bots[i]))
            return false;
    return consumers_same(a, b) && consumers_same(b, a);
}

static bool trader_same(const struct config *a, const struct config *b) {
    const struct trader_config *x = &a->trader, *y = &b->trader;
    if (!text_same(x->bot, y->bot) || x->mode != y->mode || !text_same(x->api_url, y->api_url) ||
        !text_same(x->api_key.value, y->api_key.value) ||
        !text_same(x->api_secret.value, y->api_secret.value) || !decimal_equal(x->risk, y->risk) ||
        !decimal_equal(x->rr, y->rr))
        return false;
    const struct bot_config *bot = x->bot ? config_bot(a, x->bot) : NULL;
    const struct bot_config *other = y->bot ? config_bot(b, y->bot) : NULL;
    return (!bot && !other) || (bot && other && bot_same(bot, other));
}

bool config_part_equal(const struct config *a, const struct config *b, enum service_part part) {
    return part == PART_HUB ? hub_same(a, b)
           : part == PART_TRADER
               ? trader_same(a, b) && text_same(a->http.token.value, b->http.token.value)
               : true;
}
