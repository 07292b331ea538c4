/* SPDX-License-Identifier: Apache-2.0 */
/* The section alerts: of the config. */
#include "base/text.h"
#include "wire/config_reader.h"
#include <errno.h>

enum { RULES_MAX = 50, MUTE_S_MAX = 86400 };

/* ---- what is muted by what ---- */

#define PATTERN(field) offsetof(struct alert_pattern, field)
static const struct reader_option pattern_options[] = {
    {{"type", OPTION_TEXT, PATTERN(type), NULL, 0, 0, NULL, "With * and ? as in a shell."}, NULL},
    {{"service", OPTION_TEXT, PATTERN(service), NULL, 0, 0, NULL, "The same."}, NULL},
    {{"title", OPTION_TEXT, PATTERN(title), NULL, 0, 0, NULL, "The same."}, NULL},
    {{"text", OPTION_TEXT, PATTERN(text), NULL, 0, 0, NULL, "The same."}, NULL},
};

static int read_pattern(struct reader *reader, const struct yaml_node *node, void *field) {
    int r = reader_mapping(reader, node, pattern_options, COUNT_OF(pattern_options), field);
    const struct alert_pattern *pattern = field;
    if (r == 0 && !pattern->type && !pattern->service && !pattern->title && !pattern->text)
        return reader_error(reader, node,
                            "expected at least one of type, service, title and text: nothing at "
                            "all would mean every alert");
    return r;
}

#define RULE(field) offsetof(struct inhibit_config, field)
static const struct reader_option rule_options[] = {
    {{"when", OPTION_OTHER, RULE(when), NULL, 0, 0, NULL, "The alert that explains others."},
     read_pattern},
    {{"mute", OPTION_OTHER, RULE(mute), NULL, 0, 0, NULL, "Those that follow from it."},
     read_pattern},
    {{"until", OPTION_OTHER, RULE(until), NULL, 0, 0, NULL, "The alert that ends it sooner."},
     read_pattern},
    {{"for", OPTION_DURATION, RULE(for_ms), "10m", 1000, 86400000, NULL,
      "So long after the last one that explains them."},
     NULL},
};

static int read_rule(struct reader *reader, const struct yaml_node *node,
                     struct inhibit_config *rule) {
    reader_set_defaults(rule_options, COUNT_OF(rule_options), rule);
    int r = reader_mapping(reader, node, rule_options, COUNT_OF(rule_options), rule);
    if (r < 0)
        return r;
    if (!yaml_tree_get(node, "when") || !yaml_tree_get(node, "mute"))
        return reader_error(reader, node,
                            "a rule needs when: and mute:, such as {when: {type: exchange_down}, "
                            "mute: {service: trader}, for: 10m}");
    return 0;
}

static int read_rules(struct reader *reader, const struct yaml_node *node, void *field) {
    struct alerts_config *alerts = field;
    if (node->kind != YAML_SEQUENCE || node->count > RULES_MAX)
        return reader_error(reader, node, "expected a list of at most %d rules", RULES_MAX);
    alerts->inhibit = memory_array(node->count + 1, sizeof *alerts->inhibit);
    alerts->inhibit_count = node->count;
    for (size_t i = 0; i < node->count; i++)
        if (read_rule(reader, &node->items[i], &alerts->inhibit[i]) < 0)
            return -EINVAL;
    return 0;
}

/* ---- other ways out ---- */

static int read_receivers(struct reader *reader, const struct yaml_node *node, void *field) {
    char ***list = field;
    size_t count = node->kind == YAML_SEQUENCE ? node->count : 1;
    *list = memory_array(count + 1, sizeof **list);
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *item = node->kind == YAML_SEQUENCE ? &node->items[i] : node;
        char *text = (*list)[i] = reader_text(reader, item);
        if (!text)
            return -EINVAL;
        if (!strchr(text, '@') || strpbrk(text, " <>\r\n"))
            return reader_error(reader, item, "'%s': expected an address such as ann@example.org",
                                text);
    }
    return 0;
}

static const char *const priority_names[] = {"CRITICAL", "HIGH", "MEDIUM", "LOW", NULL};
#define WAY(field) offsetof(struct way_config, field)
static const struct reader_option way_options[] = {
    {{"webhook", OPTION_TEXT, WAY(urls[WAY_WEBHOOK]), NULL, 0, 0, NULL,
      "The alert as JSON is posted to this URL."},
     NULL},
    {{"ntfy", OPTION_TEXT, WAY(urls[WAY_NTFY]), NULL, 0, 0, NULL,
      "Topic of an ntfy server, such as https://ntfy.sh/my-topic."},
     NULL},
    {{"smtp", OPTION_TEXT, WAY(urls[WAY_SMTP]), NULL, 0, 0, NULL,
      "Mail server, smtp://host:port (STARTTLS where it is offered) or smtps://host:port."},
     NULL},
    {{"from", OPTION_ENUM, WAY(from), "HIGH", 0, 0, priority_names,
      "Alerts of this importance and above."},
     NULL},
    {{"after", OPTION_DURATION, WAY(after_ms), "0s", 0, 86400000, NULL,
      "Escalation: only what is CRITICAL and so long neither delivered nor acknowledged."},
     NULL},
    {{"token", OPTION_OTHER, WAY(token), NULL, 0, 0, NULL,
      "Bearer token of webhook and ntfy, password of smtp."},
     reader_secret},
    {{"user", OPTION_TEXT, WAY(user), NULL, 0, 0, NULL, "Of smtp; else nobody logs in."}, NULL},
    {{"sender", OPTION_TEXT, WAY(sender), NULL, 0, 0, NULL, "Of smtp: the address it comes from."},
     NULL},
    {{"to", OPTION_OTHER, WAY(to), NULL, 0, 0, NULL, "Of smtp: one address or a list."},
     read_receivers},
    {{"proxy", OPTION_TEXT, WAY(proxy), NULL, 0, 0, NULL,
      "A proxy on the way, http://host:port or socks5h://host:port."},
     NULL},
};

static bool begins_with_scheme(const char *url, enum way_kind kind) {
    static const char *const schemes[][2] = {[WAY_WEBHOOK] = {"http://", "https://"},
                                             [WAY_NTFY] = {"http://", "https://"},
                                             [WAY_SMTP] = {"smtp://", "smtps://"}};
    for (size_t i = 0; i < 2; i++)
        if (strncmp(url, schemes[kind][i], strlen(schemes[kind][i])) == 0)
            return true;
    return false;
}

static int check_mail(struct reader *reader, const struct yaml_node *node,
                      const struct way_config *way) {
    if (!way->sender || !way->to || !way->to[0])
        return reader_error(reader, node,
                            "mail needs sender: and to:, such as {smtp: \"smtp://127.0.0.1:25\", "
                            "sender: bot@example.org, to: [ann@example.org]}");
    if (!strchr(way->sender, '@') || strpbrk(way->sender, " <>\r\n"))
        return reader_error(reader, yaml_tree_get(node, "sender"),
                            "'%s': expected an address such as bot@example.org", way->sender);
    return 0;
}

/* Something behind the last slash, and a host before it. */
static bool has_topic(const char *url) {
    const char *host = strstr(url, "://") + 3, *topic = strrchr(host, '/');
    return topic && topic > host && topic[1] && !strpbrk(topic, "?#");
}

static int check_way(struct reader *reader, const struct yaml_node *node, struct way_config *way) {
    size_t kinds = 0;
    for (int kind = 0; kind < WAY_KINDS; kind++) {
        if (!way->urls[kind])
            continue;
        kinds++;
        way->kind = (enum way_kind)kind;
    }
    if (kinds != 1)
        return reader_error(reader, node, "expected exactly one of webhook:, ntfy: and smtp:");
    const char *url = way->urls[way->kind];
    if (!begins_with_scheme(url, way->kind))
        return reader_error(reader, node, "'%s': expected a URL with %s", url,
                            way->kind == WAY_SMTP ? "smtp:// or smtps://" : "http:// or https://");
    if (way->kind == WAY_NTFY && !has_topic(url))
        return reader_error(reader, node,
                            "'%s': expected a server and a topic, such as "
                            "https://ntfy.sh/my-topic",
                            url);
    return way->kind == WAY_SMTP ? check_mail(reader, node, way) : 0;
}

static int read_ways(struct reader *reader, const struct yaml_node *node, void *field) {
    struct alerts_config *alerts = field;
    if (node->kind != YAML_MAPPING || node->count > ALERT_WAYS_MAX)
        return reader_error(reader, node,
                            "expected names of at most %d other ways with their settings below",
                            ALERT_WAYS_MAX);
    alerts->ways = memory_array(node->count + 1, sizeof *alerts->ways);
    alerts->way_count = node->count;
    for (size_t i = 0; i < node->count; i++) {
        struct way_config *way = &alerts->ways[i];
        const struct yaml_node *key = &node->keys[i];
        way->name = text_copy(key->text);
        reader_set_defaults(way_options, COUNT_OF(way_options), way);
        if (strcmp(key->text, "telegram") == 0)
            reader_error(reader, key, "'telegram' is the way of alerts.bot; choose another name");
        else if (!reader_name_is_good(key->text))
            reader_error(reader, key, "'%s': a name is 1 to 32 of a-z, 0-9, '-' and '_'",
                         key->text);
        else if (reader_mapping(reader, &node->items[i], way_options, COUNT_OF(way_options), way) ==
                 0)
            (void)check_way(reader, &node->items[i], way);
    }
    return 0;
}

/* ---- times of day ---- */

static int read_time(struct reader *reader, const struct yaml_node *node, const char *text,
                     int64_t *ret_s) {
    if (reader_time_of_day(text, ret_s) == 0)
        return 0;
    return reader_error(reader, node,
                        "'%s' is not a time of day; expected HH:MM, such as \"08:00\"", text);
}

static int read_mute(struct reader *reader, const struct yaml_node *node, void *field) {
    struct alerts_config *alerts = field;
    AUTO_FREE char *text = reader_text(reader, node);
    char *dash = text ? strchr(text, '-') : NULL;
    if (!text)
        return -EINVAL;
    if (!dash)
        return reader_error(reader, node, "'%s': expected two times, such as \"23:00-07:00\"",
                            text);
    *dash = 0;
    int r = read_time(reader, node, text, &alerts->mute_from_s);
    r = r < 0 ? r : read_time(reader, node, dash + 1, &alerts->mute_until_s);
    if (r == 0 && alerts->mute_from_s == alerts->mute_until_s)
        return reader_error(reader, node, "'%s-%s' would mute for ever", text, dash + 1);
    alerts->mutes = r == 0;
    return r;
}

static int read_report(struct reader *reader, const struct yaml_node *node, void *field) {
    struct alerts_config *alerts = field;
    AUTO_FREE char *text = reader_text(reader, node);
    int r = text ? read_time(reader, node, text, &alerts->report_s) : -EINVAL;
    alerts->reports = r == 0;
    return r;
}

/* ---- all of it ---- */

#define ALERTS(field) offsetof(struct alerts_config, field)
static const char *const buttons_names[] = {"auto", "always", "never", NULL};
static const struct reader_option alerts_options[] = {
    {{"bot", OPTION_TEXT, ALERTS(bot), NULL, 0, 0, NULL, "Name in bots."}, NULL},
    {{"chat", OPTION_INT, ALERTS(chat), NULL, INT64_MIN, INT64_MAX, NULL, "Chat id."}, NULL},
    {{"buttons", OPTION_ENUM, ALERTS(buttons), "auto", 0, 0, buttons_names,
      "Acknowledge, Restart, Logs, Silence below CRITICAL alerts. auto: where a program reads the "
      "bot through Holdfast; always: the bot is polled for them alone, too."},
     NULL},
    {{"repeat_interval", OPTION_DURATION, ALERTS(repeat_interval_ms), "5m", 0, 86400000, NULL,
      "What CRITICAL alerts said is said again so long after, then after longer pauses, until "
      "somebody acknowledges it; 0s: never."},
     NULL},
    {{"group_interval", OPTION_DURATION, ALERTS(group_interval_ms), "30s", 0, 3600000, NULL,
      "After a message, the next alerts of the same group wait so long and come as one; 0s: each "
      "alone."},
     NULL},
    {{"mute", OPTION_OTHER, 0, NULL, 0, 0, NULL,
      "Times of day, such as \"23:00-07:00\", in which MEDIUM and LOW alerts wait."},
     read_mute},
    {{"report", OPTION_OTHER, 0, NULL, 0, 0, NULL,
      "Time of day, such as \"08:00\", of a daily report."},
     read_report},
    {{"inhibit", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Which alerts mute which others."}, read_rules},
    {{"also", OPTION_OTHER, 0, NULL, 0, 0, NULL, "Other ways out, by name."}, read_ways},
};

const struct config_section reader_alerts_sections[] = {
    {"alerts", "Where alerts go.", alerts_options, COUNT_OF(alerts_options)},
    {"alerts.also.NAME", "A way out beside Telegram.", way_options, COUNT_OF(way_options)},
    {"alerts.inhibit", "A list of such rules.", rule_options, COUNT_OF(rule_options)},
    {"alerts.inhibit.when, .mute and .until", "What an alert must fit, with * and ? as in a shell.",
     pattern_options, COUNT_OF(pattern_options)},
    {0}};

int reader_alerts(struct reader *reader, const struct yaml_node *node, void *field) {
    reader->alerts_place = node;
    reader->has_hub = true;
    return reader_mapping(reader, node, alerts_options, COUNT_OF(alerts_options), field);
}

void reader_alerts_defaults(struct alerts_config *alerts) {
    reader_set_defaults(alerts_options, COUNT_OF(alerts_options), alerts);
}

void reader_check_alerts(struct reader *reader, const struct config *config) {
    const struct alerts_config *alerts = &config->alerts;
    if (alerts->bot && !config_bot(config, alerts->bot))
        reader_error(reader, yaml_tree_get(reader->alerts_place, "bot"),
                     "'%s' is not among bots:", alerts->bot);
    if (alerts->bot && alerts->chat == 0)
        reader_error(reader, reader->alerts_place,
                     "chat: is missing: whom should alerts reach? (your Telegram user id)");
}
