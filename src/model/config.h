/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - holdfast.yaml as plain values. Made by wire/config.h, read by everybody, changed by
 * nobody. Lists of text are NULL-ended; lists of structs have a count. Times are milliseconds. */
#pragma once
#include "base/common.h"
#include "base/secret.h"
#include "model/trade.h"

enum probe_kind { PROBE_NONE, PROBE_NOTIFY, PROBE_TCP, PROBE_HTTP, PROBE_EXEC, PROBE_FILE };

struct probe_config {
    enum probe_kind kind;
    char *host; /* tcp, http: an address or name */
    uint16_t port;
    char *path;         /* http: begins with '/' */
    char *body_has;     /* http: text that the answer must contain; may be NULL */
    int64_t status;     /* http: expected status; 0 = any 2xx or 3xx */
    char **argv;        /* exec */
    char *file;         /* file: absolute */
    int64_t max_age_ms; /* file: since it was last changed */
    int64_t every_ms;   /* between the end of one probe and the start of the next */
    int64_t timeout_ms; /* of one probe */
    int64_t failures;   /* in a row that make it unhealthy */
};

/* Of a service's log. */
enum { LOG_PATTERN_BYTES_MIN = 3, LOG_PATTERN_BYTES_MAX = 64, LOG_PATTERNS_MAX = 16 };

enum restart_mode { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };

struct restart_config {
    int mode;             /* enum restart_mode */
    int64_t max;          /* restarts without stability before the service is failed */
    int64_t delay_ms;     /* first wait; doubles */
    int64_t delay_max_ms; /* cap of the wait */
    int64_t stable_ms;    /* this long ready: the counter starts anew */
    int64_t retry_ms;     /* a failed service is tried again this often */
    bool give_up;         /* ... or not at all */
};

/* LIMIT_INHERITED: as the keeper has it. */
#define LIMIT_INHERITED INT64_MIN
struct limits_config {
    int64_t processes;     /* of the user, RLIMIT_NPROC */
    int64_t core;          /* bytes of a core file, RLIMIT_CORE */
    int64_t address_space; /* bytes, RLIMIT_AS */
    int64_t nice;          /* -20..19 */
    int64_t oom_score_adj; /* -1000..1000: who is killed first without memory */
};

/* When a job runs, see policy/calendar.h; all zero: it is a service. */
struct schedule_config {
    int64_t every_ms;
    int64_t *at_s; /* seconds after local midnight, ascending, each once; at_count of them */
    size_t at_count;
    unsigned days;      /* bit 0 Monday ... bit 6 Sunday; 0: every day */
    char *zone;         /* IANA name */
    int64_t late_ms;    /* a missed slot still runs when it is not older */
    int64_t timeout_ms; /* a run that takes longer is stopped; 0: no limit */
    int64_t retry;      /* a failed run is tried again so often */
};

struct watch_config {     /* above that is told; 0: not watched */
    int64_t memory_bytes; /* of the whole tree */
    int64_t cpu_percent;  /* of one core, ... */
    int64_t cpu_for_ms;   /* ... for that long */
};

struct deploy_config {  /* how a new version comes; read by the command line alone */
    char **pull;        /* NULL: only from archives */
    char **check;       /* exits 0 when the new version may start; NULL: none */
    int64_t keep;       /* unpacked releases, the current one included */
    int64_t timeout_ms; /* of pull and of check */
    int64_t stays_ms;   /* ready without a break for so long: the new version is well */
};

/* Services that the config implies; they read more of it than their own definition. */
enum service_part { PART_NONE, PART_HUB, PART_TRADER };

struct service_config {
    char *name;
    char *place; /* where it is defined: "holdfast.yaml:12:3" */
    char *group; /* of instances: the name in the file, theirs are NAME-1, NAME-2, ...; or NULL */
    int64_t instances; /* how many of them */
    char **argv;
    char **before_start;  /* hook: a command that must end well first; NULL: none */
    char **after_stop;    /* hook: run after each end */
    char *folder;         /* working folder, absolute */
    char **env;           /* NAME=value of its own, on top of: */
    char **env_inherited; /* borrowed from the config */
    char **needs;         /* names of services */
    char *user;           /* NULL: as the keeper */
    char *consumer;       /* name of the bot whose updates it reads through the gateway, or NULL */
    int64_t umask;        /* -1: inherited */
    int64_t nofile;       /* soft limit of open files; 0: inherited */
    struct limits_config limits;
    int stop_signal;
    int64_t stop_timeout_ms;    /* from the stop signal to SIGKILL */
    int64_t start_timeout_ms;   /* from start to ready */
    int64_t watchdog_ms;        /* sd_notify WATCHDOG=1 at least this often; 0: not watched */
    bool critical;              /* failed: the whole is unhealthy */
    struct probe_config ready;  /* kind NONE: ready once it runs */
    struct probe_config health; /* kind NONE: only the process is watched */
    struct restart_config restart;
    struct schedule_config schedule; /* of a job */
    struct watch_config watch;
    int64_t log_bytes_max;   /* one log file */
    int64_t log_files;       /* the current one included */
    char **log_patterns;     /* words that raise an event when it prints them */
    int64_t log_cooldown_ms; /* after which the same word raises one again */
    int part;                /* enum service_part */
    struct deploy_config deploy;
};

struct bot_config {
    char *name;
    struct secret token;
    int64_t owner;   /* Telegram user id; 0 = not set */
    int64_t *admins; /* user ids */
    size_t admin_count;
    char *api_url;        /* "https://api.telegram.org" unless set; no slash at the end */
    char *proxy;          /* curl syntax, NULL = none */
    int64_t old_after_ms; /* words and presses older than this are let go; 0: never */
};

struct http_config {
    char *host;
    uint16_t port;
    struct secret token;
    bool behind_proxy; /* may listen beyond loopback: a proxy in front does TLS and login */
};

/* What fits an alert, with * and ? as in a shell; NULL: anything. */
struct alert_pattern {
    char *type, *service, *title, *text;
};
struct inhibit_config {                     /* alerts that follow from another */
    struct alert_pattern when, mute, until; /* until: all NULL when nothing ends it sooner */
    int64_t for_ms;
};
enum way_kind { WAY_WEBHOOK, WAY_NTFY, WAY_SMTP };
enum { WAY_KINDS = 3, ALERT_WAYS_MAX = 8 };
struct way_config { /* a way out beside Telegram */
    char *name;
    enum way_kind kind;
    char *urls[WAY_KINDS]; /* that of its kind is set */
    int from;              /* enum alert_priority: this one and more important ones */
    int64_t after_ms;      /* escalation; 0: every alert at once */
    struct secret token;
    char *user, *sender, **to, *proxy;
};
enum buttons { BUTTONS_AUTO, BUTTONS_ALWAYS, BUTTONS_NEVER };
struct alerts_config {
    char *bot;                  /* name in bots; NULL: alerts are kept but have no way out */
    int64_t chat;               /* Telegram chat id; 0 = not set */
    int buttons;                /* enum buttons; AUTO: where the bot is read through Holdfast */
    int64_t repeat_interval_ms; /* CRITICAL ones until acknowledged; 0: never again */
    bool mutes;                 /* MEDIUM and LOW wait ... */
    int64_t mute_from_s, mute_until_s; /* ... between these times of day */
    bool reports;                      /* a daily report ... */
    int64_t report_s;                  /* ... at this time of day */
    struct inhibit_config *inhibit;
    size_t inhibit_count;
    struct way_config *ways;
    size_t way_count;
    int64_t group_interval_ms; /* between messages of one group; 0: none is grouped */
};

struct trader_config {     /* bot NULL: no trader */
    char *bot;             /* name in bots: whose chat it is */
    int mode;              /* enum trade_mode */
    char *api_url;         /* of the exchange; no slash at the end */
    struct secret api_key; /* of the exchange */
    struct secret api_secret;
    struct decimal risk; /* money a trade, > 0 */
    struct decimal rr;   /* target in multiples of the risk, 0 < rr <= 10 */
};

struct heartbeat_config {         /* url NULL: nobody hears of us */
    char *url, *fail_url, *proxy; /* fail_url NULL: "/fail" behind url */
    int64_t every_ms;
};

enum profile { PROFILE_PRODUCTION, PROFILE_DEVELOPMENT };

struct config {
    char *path;              /* of the file, absolute */
    char *folder;            /* that holds it; relative paths start here */
    char *name;              /* of this installation */
    char *timezone;          /* IANA name */
    char **environment;      /* NAME=value that services inherit: ours, then .env */
    char **environment_bare; /* that Holdfast's own inherit: ours */
    int profile;             /* enum profile */
    bool cgroup;             /* a cgroup v2 for each service, where one can be made */
    char *data;              /* folder, absolute: what must survive */
    char *run;               /* folder, absolute, on tmpfs: sockets, run state */
    struct http_config http;
    struct alerts_config alerts;
    struct heartbeat_config heartbeat;
    struct trader_config trader;
    struct bot_config *bots;
    size_t bot_count;
    struct service_config *services; /* in the order of the file; the hub's first when implied */
    size_t service_count;
};

struct config *config_free(struct config *config); /* NULL is fine; wipes secrets */
const struct service_config *config_service(const struct config *config, const char *name);
/* Its own name, or the one that it has in common with other instances. */
bool service_is_called(const struct service_config *service, const char *name);
const struct bot_config *config_bot(const struct config *config, const char *name);
bool service_is_job(const struct service_config *service);
/* Their slots are the same. */
bool schedule_equal(const struct schedule_config *a, const struct schedule_config *b);
/* Whether it runs a program of Holdfast: hub, trader, simulator. */
bool service_is_ours(const struct service_config *service);
/* Same definition: a reload leaves the running process alone. What it is watched for, how its log
 * is kept and how its next version comes are no part of it: they change under a running process. */
bool service_config_equal(const struct service_config *a, const struct service_config *b);
/* Whether all that a service of this part reads beside its own definition is the same: a reload
 * then leaves it alone. The hub reads bots, http and alerts; the trader its own section and its
 * bot. */
bool config_part_equal(const struct config *a, const struct config *b, enum service_part part);
