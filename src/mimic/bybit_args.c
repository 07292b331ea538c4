/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in (queries, bodies, decimals) and goes out, and sums that cannot overflow. */
#include "base/text.h"
#include "mimic/bybit_state.h"

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static char *decoded(const char *text, size_t size) {
    char *ret = memory_new(size + 1);
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        bool escaped = text[i] == '%' && i + 2 < size && hex_digit(text[i + 1]) >= 0 &&
                       hex_digit(text[i + 2]) >= 0;
        ret[length++] = escaped ? (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]))
                        : text[i] == '+' ? ' '
                                         : text[i];
        i += escaped ? 2 : 0;
    }
    return ret;
}

json_t *paper_args_of_query(const char *query) {
    json_t *args = json_object();
    for (const char *at = query; at && *at;) {
        size_t size = strcspn(at, "&"), name_size = strcspn(at, "=&");
        AUTO_FREE char *name = decoded(at, name_size);
        AUTO_FREE char *value =
            name_size < size ? decoded(at + name_size + 1, size - name_size - 1) : text_copy("");
        (void)json_object_set_new(args, name,
                                  json_string(value)); /* what is not UTF-8 is dropped */
        at += size + (at[size] == '&');
    }
    return args;
}

const char *paper_arg(const json_t *args, const char *name) {
    const char *text = json_string_value(json_object_get(args, name));
    return text ? text : "";
}

int64_t paper_arg_int(const json_t *args, const char *name, int64_t otherwise) {
    const json_t *value = json_object_get(args, name);
    int64_t ret = otherwise;
    if (json_is_integer(value))
        return json_integer_value(value);
    if (json_is_string(value) &&
        text_to_int(json_string_value(value), INT64_MIN + 1, INT64_MAX, &ret) == 0)
        return ret;
    return otherwise;
}

bool paper_arg_bool(const json_t *args, const char *name) {
    return json_is_true(json_object_get(args, name)) || strcmp(paper_arg(args, name), "true") == 0;
}

/* At most 1e9 and 9 places: everything that real orders have, and no product of two overflows. */
static bool decimal_of_text(const char *text, struct decimal *ret) {
    struct decimal value = {0};
    if (*text && decimal_read(slice_of(text), &value) != 0)
        return false;
    value = decimal_trim(value);
    if (decimal_sign(value) < 0 || value.scale > 9 ||
        decimal_compare(value, decimal_of(1000000000)) > 0)
        return false;
    *ret = value;
    return true;
}

bool paper_arg_decimal(const json_t *args, const char *name, struct decimal *ret) {
    const json_t *value = json_object_get(args, name);
    *ret = decimal_of(0);
    if (!value || json_is_null(value))
        return true;
    return json_is_string(value) && decimal_of_text(json_string_value(value), ret);
}

bool paper_arg_number(const json_t *args, const char *name, struct decimal *ret) {
    const json_t *value = json_object_get(args, name);
    if (!json_is_number(value))
        return paper_arg_decimal(args, name, ret);
    AUTO_FREE char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    *ret = decimal_of(0);
    return decimal_of_text(text, ret);
}

void paper_put_text(json_t *object, const char *name, const char *text) {
    json_object_set_new(object, name, json_string(text));
}

void paper_put(json_t *object, const char *name, struct decimal value) {
    char text[DECIMAL_TEXT_BYTES];
    paper_put_text(object, name, decimal_print(decimal_trim(value), text));
}

void paper_put_like(json_t *object, const char *name, struct decimal value, struct decimal step) {
    char text[DECIMAL_TEXT_BYTES];
    paper_put_text(object, name, decimal_print_places(value, step.scale, text));
}

void paper_put_time(json_t *object, const char *name, int64_t ms) {
    paper_put(object, name, decimal_of(ms));
}

/* --- figures ------------------------------------------------------------------------------ */

static struct decimal money(struct decimal value) {
    struct decimal rounded;
    if (value.scale <= PAPER_MONEY_PLACES ||
        decimal_round(value, (struct decimal){1, PAPER_MONEY_PLACES}, DECIMAL_NEAREST, &rounded))
        return decimal_trim(value);
    return decimal_trim(rounded);
}

struct decimal paper_plus(struct decimal a, struct decimal b) {
    struct decimal sum;
    return decimal_add(a, b, &sum) ? a : money(sum);
}

struct decimal paper_minus(struct decimal a, struct decimal b) {
    return paper_plus(a, decimal_negate(b));
}

struct decimal paper_times(struct decimal a, struct decimal b) {
    struct decimal product;
    return decimal_mul(a, b, &product) ? a : money(product);
}

struct decimal paper_divided(struct decimal a, struct decimal b) {
    struct decimal quotient;
    return decimal_div(a, b, PAPER_MONEY_PLACES, DECIMAL_NEAREST, &quotient)
               ? a
               : decimal_trim(quotient);
}
