/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include "base/test.h"
/* clang-format on */
#include "mimic/bybit_control.h"

enum { NOW = 1795310513 };

static bool used(struct exchange_sim *sim) {
    json_t *args = json_object(), *market = NULL;
    assert_int_equal(exchange_sim_control(sim, "market", args, NOW, &market), 0);
    const json_t *used = json_object_get(market, "used");
    assert_true(json_is_boolean(used));
    bool ret = json_is_true(used);
    json_decref(market);
    json_decref(args);
    return ret;
}

/* Looking at the market is no use of the exchange; a call is, refused or not. */
static void test_used_since_the_first_call(void **state) {
    (void)state;
    struct exchange_sim *sim = exchange_sim_new(1);
    assert_false(used(sim));
    assert_false(used(sim));
    struct exchange_sim_call call = {
        .ticket = 1, .method = "GET", .path = "/v5/no/such", .query = ""};
    exchange_sim_call(sim, &call, NOW);
    assert_true(used(sim));
    exchange_sim_free(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_used_since_the_first_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
