/* SPDX-License-Identifier: Apache-2.0 */
/* What people set and what the screens show. */
#include "mimic/bybit_control.h"
#include "base/text.h"
#include "mimic/bybit_state.h"
#include <errno.h>

struct control {
    struct exchange_sim *sim;
    const json_t *args;
    int status;
    json_t *ret;
};

static void complain(struct control *c, int status, const char *why) {
    must(!c->ret);
    c->status = status;
    c->ret = json_pack("{s:s}", "error", why);
}

/* --- the market --------------------------------------------------------------------------- */

static json_t *points_of(const struct paper_market *market, struct decimal tick) {
    size_t room = EXCHANGE_SIM_POINTS_MAX, next = market->point_next;
    json_t *list = json_array();
    for (size_t i = next > room ? next - room : 0; i < next; i++) {
        const struct paper_point *point = &market->points[i % room];
        char text[DECIMAL_TEXT_BYTES];
        json_array_append_new(list,
                              json_pack("{s:I, s:s}", "at", (json_int_t)point->at, "price",
                                        decimal_print_places(point->price, tick.scale, text)));
    }
    return list;
}

static json_t *symbol_json(const struct exchange_sim *sim, size_t symbol) {
    const struct paper_market *market = &sim->markets[symbol];
    struct decimal tick = paper_instruments[symbol].tick;
    struct decimal change = paper_times(
        paper_divided(paper_minus(market->last, market->start), market->start), decimal_of(100));
    json_t *json = json_object();
    paper_put_text(json, "symbol", paper_instruments[symbol].symbol);
    paper_put_like(json, "last", market->last, tick);
    paper_put_like(json, "bid", paper_bid(sim, symbol), tick);
    paper_put_like(json, "ask", paper_ask(sim, symbol), tick);
    paper_put_like(json, "start", market->start, tick);
    paper_put_like(json, "change_percent", change, (struct decimal){1, 4});
    paper_put(json, "depth", market->depth);
    json_object_set_new(json, "points", points_of(market, tick));
    return json;
}

static const char *const mode_names[] = {"still", "walk", "script"};

static void show_market(struct control *c) {
    json_t *list = json_array();
    for (size_t i = 0; i < PAPER_SYMBOLS; i++)
        json_array_append_new(list, symbol_json(c->sim, i));
    bool changed = (int64_t)c->sim->market_seq > paper_arg_int(c->args, "after", 0);
    c->ret = json_pack("{s:s, s:I, s:o, s:I, s:b, s:I, s:b}", "mode", mode_names[c->sim->mode],
                       "volatility", (json_int_t)c->sim->volatility, "symbols", list, "next",
                       (json_int_t)c->sim->market_seq, "changed", changed, "now_ms",
                       (json_int_t)paper_time(c->sim), "used", c->sim->next_call > 1);
}

/* The symbol that is meant; false: it has complained. */
static bool symbol_of(struct control *c, const json_t *args, size_t *ret) {
    *ret = paper_symbol_find(paper_arg(args, "symbol"));
    if (*ret < PAPER_SYMBOLS)
        return true;
    complain(c, 404, "symbol must be BTCUSDT, ETHUSDT or SOLUSDT");
    return false;
}

static void set_price(struct control *c) {
    size_t symbol;
    struct decimal price, hundred = decimal_of(100);
    if (!symbol_of(c, c->args, &symbol))
        return;
    if (json_object_get(c->args, "percent")) {
        const json_t *given = json_object_get(c->args, "percent");
        AUTO_FREE char *text = json_is_string(given)
                                   ? text_copy(json_string_value(given))
                                   : json_dumps(given, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        struct decimal percent;
        if (!text || decimal_read(slice_of(text), &percent) != 0 ||
            paper_less(percent, decimal_of(-99)) || paper_less(decimal_of(10000), percent)) {
            complain(c, 400, "percent must be a number from -99 to 10000");
            return;
        }
        price = paper_times(c->sim->markets[symbol].last,
                            paper_divided(paper_plus(hundred, percent), hundred));
    } else if (!paper_arg_number(c->args, "price", &price) || decimal_is_zero(price)) {
        complain(c, 400, "price must be a number above zero, or give percent");
        return;
    }
    paper_move(c->sim, symbol, paper_market_round(symbol, price));
    c->ret = symbol_json(c->sim, symbol);
    json_object_del(c->ret, "points");
}

/* [{after_ms, symbol, price}], in any order; false: it has complained. */
static bool read_script(struct control *c, const json_t *script) {
    size_t count = json_array_size(script), i;
    const json_t *each;
    struct paper_script_move *moves = memory_array(count ? count : 1, sizeof *moves);
    if (count == 0 || count > EXCHANGE_SIM_SCRIPT_MAX)
        complain(c, 400, "script must be a list of 1 to 1000 moves {after_ms, symbol, price}");
    json_array_foreach(script, i, each) {
        int64_t after = paper_arg_int(each, "after_ms", -1);
        if (c->ret || !symbol_of(c, each, &moves[i].symbol))
            break;
        if (after < 0 || after > PAPER_DAY_MS ||
            !paper_arg_number(each, "price", &moves[i].price) || decimal_is_zero(moves[i].price)) {
            complain(c, 400, "a move needs after_ms (0..86400000) and a price above zero");
            break;
        }
        moves[i].at = c->sim->now + after;
        moves[i].price = paper_market_round(moves[i].symbol, moves[i].price);
        if (i > 0 && moves[i].at < moves[i - 1].at)
            complain(c, 400, "the moves of a script must be in the order of after_ms");
    }
    if (c->ret) {
        free(moves);
        return false;
    }
    free(c->sim->script);
    c->sim->script = moves;
    c->sim->script_count = count;
    c->sim->script_next = 0;
    return true;
}

static void set_depth(struct control *c) {
    struct decimal depth;
    size_t only = PAPER_SYMBOLS;
    if (*paper_arg(c->args, "symbol") && !symbol_of(c, c->args, &only))
        return;
    if (!paper_arg_number(c->args, "depth", &depth)) {
        complain(c, 400, "depth must be a quantity, 0: no end");
        return;
    }
    for (size_t i = 0; i < PAPER_SYMBOLS; i++) {
        struct paper_market *market = &c->sim->markets[i];
        struct decimal rounded;
        if ((only < PAPER_SYMBOLS && only != i) ||
            decimal_round(depth, paper_instruments[i].step, DECIMAL_UP, &rounded) != 0)
            continue;
        market->depth = market->available = rounded;
    }
}

static void set_market(struct control *c) {
    const char *mode = paper_arg(c->args, "mode");
    size_t named = 0;
    while (named < COUNT_OF(mode_names) && strcmp(mode_names[named], mode) != 0)
        named++;
    int64_t volatility = paper_arg_int(c->args, "volatility", c->sim->volatility);
    json_t *script = json_object_get(c->args, "script");
    json_t *parsed = json_is_string(script) ? json_loads(json_string_value(script), 0, NULL)
                                            : json_incref(script);
    if (*mode && named == COUNT_OF(mode_names))
        complain(c, 400, "mode must be still, walk or script");
    else if (volatility < 0 || volatility > 100000)
        complain(c, 400, "volatility must be 0..100000 (millionths of the price a step)");
    else if (json_object_get(c->args, "depth"))
        set_depth(c);
    bool script_wanted = named == EXCHANGE_SIM_SCRIPT;
    if (!c->ret && script_wanted)
        (void)read_script(c, parsed);
    json_decref(parsed);
    if (c->ret)
        return;
    c->sim->volatility = volatility;
    exchange_sim_set_mode(c->sim, *mode ? (enum exchange_sim_mode)named : c->sim->mode,
                          c->sim->now);
    show_market(c);
}

/* --- accounts and books ------------------------------------------------------------------- */

static void add_account(struct control *c) {
    struct decimal balance;
    if (!json_object_get(c->args, "balance"))
        balance = decimal_of(10000);
    else if (!paper_arg_number(c->args, "balance", &balance)) {
        complain(c, 400, "balance must be a number");
        return;
    }
    int r = exchange_sim_add_account(c->sim, paper_arg(c->args, "key"),
                                     paper_arg(c->args, "secret"), balance);
    if (r == -EINVAL)
        complain(c, 400, "key and secret must be 1..64 characters, balance 0..100000000");
    else if (r < 0)
        complain(c, 409, r == -EEXIST ? "there is an account with this key" : "too many accounts");
    if (r < 0)
        return;
    struct paper_account *account = paper_account_find(c->sim, paper_arg(c->args, "key"));
    account->withdraw = paper_arg_bool(c->args, "withdraw");
    account->read_only = paper_arg_bool(c->args, "read_only");
    c->ret = json_pack("{s:s}", "key", account->key);
}

static json_t *orders_of(const struct paper_account *account) {
    json_t *list = json_array();
    for (size_t i = account->order_count; i-- > 0;)
        json_array_append_new(list, paper_order_row(account->orders[i]));
    return list;
}

static json_t *executions_of(const struct paper_account *account) {
    uint64_t end = account->execution_next;
    uint64_t oldest = end > EXCHANGE_SIM_EXECUTIONS_MAX ? end - EXCHANGE_SIM_EXECUTIONS_MAX : 1;
    json_t *list = json_array();
    for (uint64_t i = end; i-- > oldest;)
        json_array_append_new(
            list, paper_execution_row(&account->executions[i % EXCHANGE_SIM_EXECUTIONS_MAX]));
    return list;
}

/* Everything of one account, newest first. Without a key: the first account. */
static void show_books(struct control *c) {
    const char *key = paper_arg(c->args, "key");
    struct paper_account *account = *key                    ? paper_account_find(c->sim, key)
                                    : c->sim->account_count ? c->sim->accounts[0]
                                                            : NULL;
    if (!account) {
        complain(c, 404, "there is no account with this key");
        return;
    }
    json_t *positions = json_array();
    for (size_t i = 0; i < PAPER_SYMBOLS; i++) {
        if (account->positions[i].side != SIDE_NONE)
            json_array_append_new(positions, paper_position_row(account, i));
    }
    bool changed = (int64_t)account->seq > paper_arg_int(c->args, "after", 0);
    c->ret = json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:b}", "key", account->key, "orders",
                       orders_of(account), "positions", positions, "executions",
                       executions_of(account), "wallet", paper_wallet_row(account), "next",
                       (json_int_t)account->seq, "changed", changed);
}

/* --- faults, limits, the clock, calls ----------------------------------------------------- */

static void arm_fault(struct control *c) {
    uint64_t id = 0;
    const char *why = paper_fault_arm(c->sim, c->args, &id);
    if (why)
        complain(c, 400, why);
    else
        c->ret = json_pack("{s:I}", "id", (json_int_t)id);
}

static void show_faults(struct control *c) {
    c->ret = json_pack("{s:o}", "faults", paper_faults_json(c->sim));
}

static void clear_faults(struct control *c) {
    int64_t id = paper_arg_int(c->args, "id", json_object_get(c->args, "id") ? -1 : 0);
    if (id < 0)
        complain(c, 400, "id must be the id of a fault");
    else
        c->ret = json_pack("{s:I}", "cleared", (json_int_t)paper_fault_clear(c->sim, (uint64_t)id));
}

static void show_limits(struct control *c) {
    c->ret = json_pack("{s:I, s:I}", "percent", (json_int_t)c->sim->limit_percent, "address",
                       (json_int_t)c->sim->limit_address);
}

static void set_limits(struct control *c) {
    int64_t percent = paper_arg_int(c->args, "percent", c->sim->limit_percent);
    int64_t address = paper_arg_int(c->args, "address", c->sim->limit_address);
    if (percent < 0 || percent > 10000 || address < 0 || address > 1000000) {
        complain(c, 400, "percent must be 0..10000, address 0..1000000; 0: off");
        return;
    }
    c->sim->limit_percent = percent;
    c->sim->limit_address = address;
    c->sim->changes++;
    show_limits(c);
}

static void set_clock(struct control *c) {
    int64_t skew = paper_arg_int(c->args, "skew_ms", INT64_MAX);
    if (skew < -PAPER_DAY_MS || skew > PAPER_DAY_MS) {
        complain(c, 400, "skew_ms must be -86400000..86400000");
        return;
    }
    c->sim->skew = skew;
    c->sim->changes++;
    c->ret = json_pack("{s:I, s:I}", "skew_ms", (json_int_t)skew, "now_ms",
                       (json_int_t)paper_time(c->sim));
}

static json_t *logged_json(const struct paper_logged *logged) {
    json_t *json =
        json_pack("{s:I, s:I, s:s, s:s, s:s, s:i, s:I}", "number", (json_int_t)logged->number, "at",
                  (json_int_t)logged->at, "path", logged->path, "key", logged->key, "orderLinkId",
                  logged->link_id, "status", logged->status, "retCode", (json_int_t)logged->code);
    if (logged->fault)
        paper_put_text(json, "fault", logged->fault);
    return json;
}

static void show_calls(struct control *c) {
    int64_t after = paper_arg_int(c->args, "after", 0);
    const char *path = paper_arg(c->args, "path");
    uint64_t end = c->sim->next_call;
    uint64_t oldest = end > EXCHANGE_SIM_CALLS_MAX ? end - EXCHANGE_SIM_CALLS_MAX : 1;
    json_t *list = json_array();
    for (uint64_t i = oldest; i < end; i++) {
        const struct paper_logged *logged = &c->sim->calls[i % EXCHANGE_SIM_CALLS_MAX];
        if ((int64_t)i > after && (!*path || strcmp(path, logged->path) == 0))
            json_array_append_new(list, logged_json(logged));
    }
    c->ret = json_pack("{s:o, s:I}", "calls", list, "next", (json_int_t)(end - 1));
}

static const struct {
    const char *name;
    void (*run)(struct control *c);
} controls[] = {
    {"market", show_market},    {"set_price", set_price},       {"set_market", set_market},
    {"books", show_books},      {"add_account", add_account},   {"arm_fault", arm_fault},
    {"faults", show_faults},    {"clear_faults", clear_faults}, {"limits", show_limits},
    {"set_limits", set_limits}, {"set_clock", set_clock},       {"calls", show_calls},
};

int exchange_sim_control(struct exchange_sim *sim, const char *name, const json_t *request,
                         int64_t now, json_t **ret) {
    struct control c = {.sim = sim, .args = request};
    paper_market_advance(sim, now);
    for (size_t i = 0; i < COUNT_OF(controls) && !c.ret; i++) {
        if (strcmp(controls[i].name, name) == 0)
            controls[i].run(&c);
    }
    if (!c.ret)
        complain(&c, 404, "there is no such control");
    for (size_t i = 0; i < sim->account_count; i++)
        paper_orders_trim(sim->accounts[i]);
    *ret = c.ret;
    return c.status;
}
