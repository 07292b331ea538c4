/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: the top retCode says nothing about the orders; each has its own code in retExtInfo. */
#include "mimic/bybit_state.h"

/* The item as a call of its own: its arguments with the category of the batch. */
static void run_item(struct paper_call *call, const json_t *item, bool allowed,
                     void (*handle)(struct paper_call *call), json_t *list, json_t *codes) {
    json_t *args = json_is_object(item) ? json_copy((json_t *)item) : json_object();
    paper_put_text(args, "category", paper_arg(call->args, "category"));
    struct paper_call one = {.sim = call->sim, .account = call->account, .args = args};
    if (allowed)
        handle(&one);
    else
        paper_fail(&one, 10006, "Too many visits. Exceeded the API Rate Limit.");
    const char *id = one.result ? paper_arg(one.result, "orderId") : "";
    const char *link_id = paper_arg(args, "orderLinkId");
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s}", "category", paper_arg(args, "category"), "symbol",
                  paper_arg(args, "symbol"), "orderId", id, "orderLinkId", link_id);
    if (handle == paper_handle_create)
        paper_put_time(row, "createAt", one.result ? paper_time(call->sim) : 0);
    json_array_append_new(list, row);
    json_array_append_new(
        codes, json_pack("{s:I, s:s}", "code", (json_int_t)one.code, "msg", one.message));
    json_decref(one.result);
    json_decref(args);
}

static void run(struct paper_call *call, void (*handle)(struct paper_call *call)) {
    const json_t *request = json_object_get(call->args, "request");
    size_t count = json_array_size(request);
    if (strcmp(paper_arg(call->args, "category"), "linear") != 0) {
        paper_fail(call, 10001, "Not supported category");
        return;
    }
    if (count == 0 || count > EXCHANGE_SIM_ROWS_MAX) {
        paper_fail(call, 10001, "The number of orders in a batch must be 1 to %d",
                   EXCHANGE_SIM_ROWS_MAX);
        return;
    }
    json_t *list = json_array(), *codes = json_array();
    for (size_t i = 0; i < count; i++)
        run_item(call, json_array_get(request, i), (int64_t)i < call->allowed, handle, list, codes);
    call->extra = json_pack("{s:o}", "list", codes);
    paper_succeed(call, json_pack("{s:o}", "list", list));
}

void paper_handle_create_batch(struct paper_call *call) {
    run(call, paper_handle_create);
}

void paper_handle_amend_batch(struct paper_call *call) {
    run(call, paper_handle_amend);
}

void paper_handle_cancel_batch(struct paper_call *call) {
    run(call, paper_handle_cancel);
}
