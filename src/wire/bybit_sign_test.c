/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/bybit_sign.h"

/* Computed with openssl dgst -sha256 -hmac. */
static void test_vectors(void **state) {
    static const struct {
        const char *parts[4], *hex;
    } vectors[] = {
        {{"1658384314791", "XXXXXXXXXX", "5000", "category=option&symbol=BTC-29JUL22-25000-C"},
         "d54ef4b8574c386efbbd899379e8a18667712f78f21f2efa7dbf7743094f483c"},
        {{"1658385579423", "XXXXXXXXXX", "5000", "{\"category\": \"option\"}"},
         "6247f139388549d4d7517cf17f7ec748270cbc0e2f9707e8be61ba937d2f2551"},
        {{"GET/realtime", "1662350400000", "", ""},
         "b38c4f23eca76c513b6542823c0882c502bdea24e31f6d6af028af804c5c850a"},
    };
    struct bybit_signer *signer = bybit_signer_new(slice_of("testsecret"));
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct slice parts[4];
        char hex[BYBIT_SIGNATURE_BYTES];
        for (size_t p = 0; p < 4; p++)
            parts[p] = slice_of(vectors[i].parts[p]);
        bybit_sign(signer, parts, 4, hex);
        assert_string_equal(hex, vectors[i].hex);
    }
    bybit_signer_free(signer);
}

static void test_empty_secret(void **state) {
    struct bybit_signer *signer = bybit_signer_new(slice_of(""));
    char hex[BYBIT_SIGNATURE_BYTES];
    bybit_sign(signer, NULL, 0, hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    bybit_signer_free(signer);
    assert_null(bybit_signer_free(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_empty_secret)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
