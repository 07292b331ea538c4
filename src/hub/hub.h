/* SPDX-License-Identifier: Apache-2.0 */
/* hub.h - the inside of holdfast-hub: engines, store and links on one loop. One file a role:
 *   hub.c          start, stop, the clock, the one timer
 *   hub_http.c     the table of paths
 *   hub_telegram.c the Bot API for consumers
 *   hub_webhook.c  gives updates by POST to those who said setWebhook
 *   hub_gateway.c  carries out what the gateway engines say
 *   hub_alerts.c   the same for the alerts engine, and the API for alerts
 *   hub_silences.c the API for silences
 *   hub_stats.c    GET /v1/alerts/stats
 *   hub_ways.c     ways out for alerts beside Telegram: webhook, ntfy, mail
 *   hub_heartbeat.c  tells a watcher elsewhere that this hub lives
 *   hub_day.c      times of day: mute hours, the daily report
 *   hub_buttons.c  what people say to Holdfast in a chat: buttons, /holdfast
 *   hub_health.c   /, /ping, /health
 *   hub_metrics.c  /metrics, for Prometheus
 *   hub_process.c  what /proc says of this process
 *   hub_times.c    how long answers took
 *   hub_monitors.c what bots tell of themselves
 *   hub_incidents.c  the timeline of what was not well; badges
 *   hub_events.c   server-sent events
 *   hub_page.c     the dashboard's files
 *   hub_files.c    downloads from Telegram
 *   hub_keeper.c   the keeper's control socket: services, restarts
 * Nothing here decides; it asks an engine, carries the commands out in order, and feeds back what
 * came of them. */
#pragma once
#include "base/buffer.h"
#include "engine/alerts.h"
#include "engine/gateway.h"
#include "engine/incidents.h"
#include "engine/monitors.h"
#include "link/http_client.h"
#include "link/http_server.h"
#include "link/line_socket.h"
#include "model/config.h"
#include "policy/calendar.h"
#include "policy/quota.h"
#include "store/store.h"
#include "wire/metrics_text.h"
#include "wire/telegram_webhook.h"
#include <uv.h>

struct hub;
struct hub_options { /* of the command line */
    const char *config, *run;
    int64_t sends_per_second, chat_sends_per_second, group_sends_per_minute; /* -1: the usual */
    int64_t breaker_open_ms, monitor_check_ms;                               /* -1: the usual */
    bool check_online, running;
};
struct hub_bot {
    struct hub *hub;
    const struct bot_config *config;
    struct gateway *gateway;
    const char *consumer; /* who reads when the URL names nobody */
    struct http_call *poll;
    struct exchange *exchanges; /* all that are under way */
    char *problem;              /* as it was logged last */
    bool link_down;             /* the last poll failed */
    uint64_t old_told;          /* updates let go for their age, as it was logged last */
    struct {                    /* hub_buttons.c */
        int64_t offset;         /* what was said up to here is done */
        int64_t due_ms;         /* when the next may be asked for, 0: not now */
        int64_t stranger_ms;    /* when one who may not was last told so */
        char *name;             /* the bot's in Telegram, without @; NULL: not known */
    } presses;
};
enum exchange_kind { EXCHANGE_CALL, EXCHANGE_ALERT, EXCHANGE_OWN };
struct press;
struct webhook;
/* One request to a gateway engine; its address is its number there. */
struct exchange {
    struct exchange *next, **place; /* among those of its bot */
    enum exchange_kind kind;
    struct hub_bot *bot;
    struct http_request *request; /* CALL: of the consumer */
    char *method;                 /* CALL, OWN: of the Bot API; NULL: a poll of our own */
    struct press *press;          /* OWN: waits for the answer, or NULL */
    struct webhook *webhook;      /* OWN: whose question it is, or NULL */
    const char *done;   /* CALL: what to say when the engine has done it, or NULL: its own answer */
    char *content_type; /* OWN: of body; NULL: JSON */
    int64_t alert;      /* ALERT: its id */
    const struct http_answer *answer; /* while it is being handled */
    struct buffer body;               /* ALERT, OWN */
    const struct gateway_event *came; /* ALERT: while it is being handled */
    bool flying;
    struct http_call *call;     /* CALL of a file */
    struct http_stream *stream; /* CALL of a file that has begun to come */
};
struct keeper_service {
    char *name, *state, *health;
    bool critical;
    int64_t restarts;
};
struct keeper { /* hub_keeper.c */
    struct line_connection *connection;
    uv_timer_t retry, retell;
    char *path, *events_path;
    bool connected, known, asking, ask_again, closing;
    int64_t retry_ms, request_last, status_id, figures_id, asked_ms;
    int64_t last_event; /* all up to it were read, and told if need be */
    int64_t untold;     /* the first one whose alert the disk refused, 0: none */
    size_t telling;     /* alerts on their way to the disk */
    struct keeper_service *services;
    size_t service_count;
    struct restart_wait *waits;
};
struct heartbeat { /* hub_heartbeat.c */
    uv_timer_t timer;
    struct http_call *call; /* under way, or NULL */
    int64_t told_ms;        /* clock_ms(); 0: never */
    bool tells_bad, told_bad, no_network;
    char *problem; /* of the last try, or NULL */
};
enum { HUB_TOPICS = 2 };
struct hub_topic { /* of events: as it was told last */
    struct buffer text;
    struct http_shared *shared;
};
enum { HUB_ROUTES = 7, HUB_TIMES = 9 };
struct hub_times { /* how long answers of one class of paths took */
    uint64_t counts[HUB_TIMES + 1], sum_us;
};
struct hub {
    uv_loop_t loop;
    struct hub_options options;
    const struct config *config;
    int64_t started_ms, wall_offset_ms;
    uint64_t seed;
    struct store *store;
    int store_error; /* of its last commit, as it was logged */
    uv_poll_t store_poll;
    struct http_client *client;
    struct http_server *server;
    uv_prepare_t prepare;
    uv_timer_t timer, watchdog, stop_timer;
    uv_signal_t signals[2];
    struct hub_bot *bots;
    size_t bot_count;
    struct alerts *alerts;
    struct hub_bot *alerts_bot; /* NULL: no way out */
    struct exchange *alerts_flying[ALERT_PRIORITIES];
    struct alerts_way_options *ways; /* beside Telegram */
    struct monitors *monitors;
    uv_timer_t monitor_timer; /* runs while there are some */
    struct {                  /* hub_events.c */
        struct listener *listeners;
        size_t count;
        uv_timer_t timer; /* runs while somebody listens */
        uv_timer_t soon;  /* something has changed */
        uint64_t tick;
        struct hub_topic topics[HUB_TOPICS];
    } events;
    struct incidents *incidents;
    uv_timer_t look_timer;
    int64_t alive_ms; /* as the disk has it */
    struct {
        char service[64], how[200];
    } last_exit; /* that the keeper told of */
    bool breakers_were_open[ALERTS_WAYS_MAX];
    struct keeper keeper;
    struct heartbeat heartbeat;
    struct quota wrong_tokens;
    struct { /* hub_health.c */
        struct buffer body;
        int status;
        const char *word;
        int64_t built_ms;
    } health;
    struct hub_times times[HUB_ROUTES]; /* hub_times.c */
    int64_t process_started_ms;         /* hub_process.c: wall clock; 0: not yet asked */
    uint16_t port;
    int64_t stop_at_ms, drained_at_ms;
    int64_t given_ms; /* a consumer was last given updates, clock_ms(); 0: never */
    struct zone zone; /* of the config */
    int64_t day_due_ms,
        reported_ms; /* hub_day.c; INT64_MAX: nothing is due; the last report's slot */
    bool counting;   /* hub_stats.c: it reads what became of alerts */
    struct webhook *webhooks;
    size_t works;                    /* in other threads, and updates on their way to a webhook */
    size_t commits;                  /* handed to the store and not yet told of */
    bool draining, stopping, closed; /* one after the other */
};

/* hub.c */
int hub_run(struct hub *hub, const struct config *config, const struct hub_options *options);
/* hub_check.c: prints what Telegram says of tokens and chats; running: a hub polls already. */
int hub_check_online(const struct config *config, bool running);
int64_t hub_now(const struct hub *hub); /* for engines: never back, goes on over restarts */
struct hub_bot *hub_bot(struct hub *hub, const char *name);
/* Hands records to the store; `done` as in store.h. */
void hub_persist(struct hub *hub, struct records *records, store_done *done, void *context);

/* hub_http.c */
void hub_on_request(void *context, struct http_request *request);
void hub_on_refuse(void *context, struct http_request *request); /* the hub is shutting down */
bool hub_takes_files(void *context, const struct http_request *request); /* for its spool */
/* Has the token, or none is configured and only this machine asks. Answers nothing. */
bool hub_is_trusted(const struct hub *hub, const struct http_request *request);
bool hub_may_change(struct hub *hub, struct http_request *request); /* false: it was answered */
void hub_problem(struct http_request *request, int status, const char *title, const char *detail,
                 int64_t retry_after_s);
void hub_refuse_unread(struct http_request *request, int r); /* the store cannot be read */
void hub_add_timestamp(struct buffer *ret, const char *name);

/* hub_telegram.c: `path` is what stands behind "/telegram". */
bool telegram_takes_files(struct hub *hub, const struct http_request *request, const char *path);
void hub_telegram(struct hub *hub, struct http_request *request, const char *path);
void hub_respond_error(struct http_request *request, int code, const char *description,
                       int64_t retry_after_s);
/* A call for somebody who hears no more of it; content_type and body are those of a request. */
void telegram_call(struct hub_bot *bot, const char *name, const char *content_type,
                   struct slice body);
/* {"ok":true,"result":true,"description":...} */
void telegram_say_done(struct http_request *request, const char *description);
/* Lets go of all that waits for a consumer, then answers true with this description (a constant).
 */
void telegram_drop(struct hub_bot *bot, const char *consumer, struct http_request *request,
                   const char *description);

/* hub_files.c: answers with what Telegram has under `path`. */
void files_get(struct hub_bot *bot, struct http_request *request, const char *path);

/* hub_webhook.c */
struct webhook_wish {
    struct telegram_webhook to; /* no url: delete it; texts borrowed */
    bool drops;                 /* what waits is let go */
};
/* Answers the request. */
void webhook_set(struct hub_bot *bot, const char *consumer, struct http_request *request,
                 const struct webhook_wish *wish);
bool webhook_is_set(const struct hub_bot *bot, const char *consumer);
void webhook_add_info(const struct hub_bot *bot, const char *consumer, size_t waiting,
                      struct buffer *ret);     /* the result of getWebhookInfo */
bool webhooks_fail(const struct hub_bot *bot); /* one of them has not taken its update */
void webhook_add_health(const struct hub_bot *bot, const char *consumer, struct buffer *ret);
void webhook_restore(struct hub_bot *bot, const struct record *record);
void webhook_updates(struct webhook *hook, struct slice answer); /* of its question */
void webhook_refused(struct webhook *hook, const char *why);
void webhooks_turn(struct hub *hub);
bool webhooks_deliver(const struct hub *hub);    /* one has not answered, or is not confirmed */
int64_t webhooks_next_ms(const struct hub *hub); /* hub_now(); INT64_MAX: nothing is due */
void webhooks_close(struct hub *hub);

/* hub_monitors.c */
void hub_put_monitor(struct hub *hub, struct http_request *request, const char *rest);
void hub_post_monitor(struct hub *hub, struct http_request *request, const char *rest);
void hub_delete_monitor(struct hub *hub, struct http_request *request, const char *rest);
void hub_get_monitors(struct hub *hub, struct http_request *request, const char *rest);
struct monitors_health {
    size_t counts[MONITOR_STATES];
    size_t ill;
    bool fatal; /* one is critical that may not be */
};
/* Adds the first ill ones as members of a JSON object. */
void hub_monitors_judge(const struct hub *hub, struct monitors_health *ret, struct buffer *ill);
void hub_monitors_open(struct hub *hub);
void hub_monitors_save(struct hub *hub); /* the hub stops */

/* hub_events.c */
void hub_get_events(struct hub *hub, struct http_request *request, const char *rest);
void hub_events_figures(struct hub *hub, struct slice result); /* the keeper's, as it came */
void hub_events_changed(struct hub *hub); /* perhaps: it is looked at in a moment */
void hub_events_open(struct hub *hub);
void hub_events_close(struct hub *hub);
/* hub_page.c */
bool page_is_wanted(const struct http_request *request); /* by a browser */
void hub_get_page(struct hub *hub, struct http_request *request, const char *rest);

/* hub_incidents.c */
void hub_incidents_restore(struct hub *hub, const struct record *record);
void hub_incidents_open(struct hub *hub);
void hub_incidents_save(struct hub *hub); /* the hub stops */
void hub_incidents_look(struct hub *hub);
void hub_incidents_changed(struct hub *hub); /* perhaps: it looks in a moment */
/* An event of the keeper, and when it was. */
void hub_incidents_event(struct hub *hub, const char *service, const char *what, const char *text,
                         int64_t at_ms);
void hub_incidents_done(struct hub *hub, const char *kind, const char *name, const char *done);
void hub_get_incidents(struct hub *hub, struct http_request *request, const char *rest);
void hub_get_badge(struct hub *hub, struct http_request *request, const char *rest);

/* hub_gateway.c */
void gateway_feed(struct hub_bot *bot, const struct gateway_event *event);
void gateway_start_call(struct exchange *exchange);
void gateway_stop_polls(struct hub *hub);
http_answered gateway_on_answer; /* of a send; context: its exchange */
struct exchange *exchange_new(enum exchange_kind kind, struct hub_bot *bot);
void exchange_free(struct exchange *exchange);
/* The address of a method: api_url/bot<token>/method. */
void bot_add_url(const struct hub_bot *bot, const char *folder, struct buffer *ret);

/* hub_alerts.c */
void alerts_feed(struct hub *hub, const struct alerts_event *event);
void alerts_turn(struct exchange *exchange); /* the gateway says go */
void alerts_sent(struct exchange *exchange, const struct gateway_event *event);
void alerts_forget(struct exchange *exchange); /* its turn is over */
/* One of our own; texts are copied. */
void hub_alert(struct hub *hub, enum alert_priority priority, const char *type, const char *service,
               const char *text, const char *dedup_key);
/* The same for an event of the keeper: keeper_told() follows. */
void hub_alert_event(struct hub *hub, const struct alert *alert, int64_t event);
/* The number of a request that an ACCEPT with one id answers with `status`, a REFUSE otherwise. */
uint64_t alerts_wait(struct http_request *request, int status);
/* The same for who is no request; called once. code: 0 done, with so many; else as an HTTP status
 * why not, and the refusal for people. */
typedef void hub_answered(struct hub *hub, void *context, int code, const char *refusal,
                          size_t count);
uint64_t alerts_wait_call(hub_answered *answered, void *context);
void hub_post_silences(struct hub *hub, struct http_request *request, const char *rest);
void hub_get_silences(struct hub *hub, struct http_request *request, const char *rest);
void hub_post_alerts(struct hub *hub, struct http_request *request, const char *rest);
void hub_get_alerts(struct hub *hub, struct http_request *request, const char *rest);

/* hub_ways.c */
void ways_send(struct hub *hub, const struct alerts_command *command);

/* hub_heartbeat.c */
void heartbeat_open(struct hub *hub);
void heartbeat_close(struct hub *hub);

/* hub_day.c */
void day_restore(struct hub *hub, const struct record *record);
void day_turn(struct hub *hub); /* at the start, and when hub->day_due_ms has come */

/* hub_buttons.c */
void buttons_open(struct hub *hub);
void buttons_turn(struct hub_bot *bot);                         /* asks for the next one */
void buttons_updates(struct hub_bot *bot, struct slice answer); /* of that question */
/* Its call came back with this body; NULL: with none that is good. */
void buttons_called(struct press *press, const struct slice *body);
void buttons_refused(struct hub_bot *bot); /* the gateway does not let us read */
void buttons_close(struct hub_bot *bot);
bool buttons_are_read(struct hub *hub); /* else there is no use in sending any */

/* hub_stats.c */
void hub_get_stats(struct hub *hub, struct http_request *request, const char *rest);

/* hub_health.c */
struct slice
hub_health_body(struct hub *hub); /* as GET /health shows it; until the next question */
/* Bots, ways out for alerts, the store, the heartbeat: each as /health judges it. */
typedef void hub_health_part(void *context, const char *kind, const char *name, const char *level,
                             const char *problem);
void hub_health_each(struct hub *hub, hub_health_part *each, void *context);
const char *hub_health_word(struct hub *hub); /* "healthy", "degraded", "unhealthy" */
const char *hub_service_level(const struct keeper_service *service); /* "unknown" too */
bool hub_health_is_bad(struct hub *hub);                             /* "unhealthy" */
bool hub_services_are_known(const struct hub *hub);                  /* the keeper answers */
bool hub_service_is_ill(const struct keeper_service *service);       /* it makes /health worse */
void hub_add_service(const struct keeper_service *service, struct buffer *ret); /* for people */
void hub_health_changed(struct hub *hub); /* by somebody who may look at once */
void hub_get_root(struct hub *hub, struct http_request *request, const char *rest);
void hub_get_ping(struct hub *hub, struct http_request *request, const char *rest);
void hub_get_health(struct hub *hub, struct http_request *request, const char *rest);

/* hub_metrics.c */
void hub_get_metrics(struct hub *hub, struct http_request *request, const char *rest);

/* hub_times.c */
void times_on_answer(void *context, const struct http_request *request, int64_t took_us);
void times_add_metrics(const struct hub *hub, struct metrics_text *text);

/* hub_process.c */
void process_add_metrics(struct hub *hub, struct metrics_text *text);

/* hub_keeper.c */
void keeper_open(struct hub *hub);
void keeper_stop(struct hub *hub); /* answers who waits for it */
void keeper_close(struct hub *hub);
/* Asks again when what is known is old; silent: a question has had no answer for seconds. */
void keeper_look(struct hub *hub);
bool keeper_is_silent(const struct hub *hub);
void keeper_expire(struct hub *hub);           /* who has waited too long is told so */
int64_t keeper_next_ms(const struct hub *hub); /* hub_now(); INT64_MAX: nobody waits */
/* The alert made of this event is on disk, or could not be written. */
void keeper_told(struct hub *hub, int64_t event, bool kept);
void keeper_restart(struct hub *hub, const char *service, hub_answered *answered, void *context);
void keeper_ask_figures(struct hub *hub); /* hub_events_figures() gets them */
void keeper_stop_service(struct hub *hub, const char *service, hub_answered *answered,
                         void *context);
void hub_post_restart(struct hub *hub, struct http_request *request, const char *rest);
