/* SPDX-License-Identifier: Apache-2.0 */
/* What people type for numbers and symbols: what is read is above 0 and reads back as the same,
 * what is refused has a sentence. */
#include "base/text.h"
#include "engine/order_rules.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct instrument list[] = {{.symbol = "BTCUSDT", .trading = true},
                                {.symbol = "1000PEPEUSDT", .trading = true}};
    const struct instruments instruments = {list, COUNT_OF(list)};
    AUTO_FREE char *typed = text_copy_n((const char *)data, size);
    char sentence[RULE_SENTENCE_BYTES] = "", print[DECIMAL_TEXT_BYTES];
    struct decimal value, again;
    for (size_t i = 0; i < COUNT_OF(list); i++)
        list[i].tick = list[i].qty_step = (struct decimal){1, 1};
    if (rule_number(typed, &value, sentence) == 0) {
        must(decimal_sign(value) > 0);
        must(rule_number(decimal_print_grouped(value, print), &again, sentence) == 0);
        must(decimal_equal(value, again) && value.scale == again.scale);
    } else {
        must(sentence[0] && text_is_utf8(slice_of(sentence), NULL));
    }
    sentence[0] = 0;
    const struct instrument *found = rule_symbol(&instruments, typed, sentence);
    must(found || (sentence[0] && text_is_utf8(slice_of(sentence), NULL)));
    return 0;
}
