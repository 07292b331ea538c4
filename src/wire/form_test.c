/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "base/test.h"
#include "wire/form.h"

static void check(const char *type, const char *body, int result, const char *values) {
    struct form form = {0};
    assert_int_equal(form_read(&form, type, slice_of(body)), result);
    if (values) {
        AUTO_FREE char *text = json_dumps(form.values, JSON_COMPACT);
        assert_string_equal(text, values);
    }
    form_deinit(&form);
}

static void test_json(void **state) {
    check("application/json", "{\"a\":1,\"b\":{\"c\":\"x\"}}", FORM_DONE,
          "{\"a\":1,\"b\":{\"c\":\"x\"}}");
    check("application/json; charset=utf-8", "{}", FORM_DONE, "{}");
    check("Application/JSON", "", FORM_DONE, "{}");
    check("application/json", "[1]", FORM_NOT_JSON, NULL);
    check("application/json", "{\"a\":1", FORM_NOT_JSON, NULL);
    check("application/json", "{\"a\":\"\xff\"}", FORM_NOT_UTF8, NULL);
}

static void test_json_depth_is_bounded(void **state) {
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_text(&body, "{\"a\":");
    for (int i = 0; i < 100000; i++)
        buffer_add_text(&body, "[");
    struct form form = {0};
    assert_int_equal(form_read(&form, "application/json", buffer_slice(&body)), FORM_NOT_JSON);
    form_deinit(&form);
    check("application/json", "{\"a\":\"[[[[\\\"[[\"}", FORM_DONE, "{\"a\":\"[[[[\\\"[[\"}");
}

static void test_urlencoded(void **state) {
    check("application/x-www-form-urlencoded", "chat_id=42&text=a+b%26c%20%E2%82%AC&x=", FORM_DONE,
          "{\"chat_id\":\"42\",\"text\":\"a b&c €\",\"x\":\"\"}");
    check(NULL, "a=1&&b&=2&c=100%", FORM_DONE, "{\"a\":\"1\",\"b\":\"\",\"c\":\"100%\"}");
    check(NULL, "a=%00", FORM_NOT_UTF8, NULL);
    check(NULL, "a=%ff", FORM_NOT_UTF8, NULL);
    check(NULL, "a=%4", FORM_DONE, "{\"a\":\"%4\"}");
}

static void test_values_are_bounded(void **state) {
    AUTO_BUFFER struct buffer body = {0};
    for (int i = 0; i < FORM_VALUES_MAX + 1; i++)
        buffer_print(&body, "n%d=1&", i);
    struct form form = {0};
    assert_int_equal(form_read(&form, NULL, buffer_slice(&body)), FORM_TOO_MANY);
    form_deinit(&form);
}

static const char multipart[] =
    "--XX\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n"
    "--XX\r\ncontent-disposition: form-data; name=\"photo\"; "
    "filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\0\1\r\n--X\r\n"
    "--XX--\r\n";

static void test_multipart(void **state) {
    struct form form = {0};
    struct slice body = {multipart, sizeof multipart - 1};
    assert_int_equal(form_read(&form, "multipart/form-data; boundary=XX", body), FORM_DONE);
    assert_string_equal(json_string_value(json_object_get(form.values, "chat_id")), "42");
    assert_int_equal(form.file_count, 1);
    assert_string_equal(form.files[0].field, "photo");
    assert_string_equal(form.files[0].name, "a.png");
    assert_string_equal(form.files[0].content_type, "image/png");
    assert_int_equal(form.files[0].bytes.size, 7);
    assert_memory_equal(form.files[0].bytes.data, "\0\1\r\n--X", 7);
    form_deinit(&form);
}

/* Cut anywhere, a multipart body is refused and never read past its end (ASan watches). */
static void test_multipart_cut_anywhere(void **state) {
    for (size_t n = 1; n < sizeof multipart - 5; n++) {
        AUTO_FREE char *cut = memory_new(n);
        memcpy(cut, multipart, n);
        struct form form = {0};
        assert_int_equal(
            form_read(&form, "multipart/form-data; boundary=\"XX\"", (struct slice){cut, n}),
            FORM_BROKEN);
        form_deinit(&form);
    }
    check("multipart/form-data", "--XX--", FORM_BROKEN, NULL);
    check("multipart/form-data; boundary=", "--", FORM_BROKEN, NULL);
    check("multipart/form-data; boundary=XX", "--XX\r\n\r\nx\r\n--XX--", FORM_BROKEN, NULL);
}

static void test_query_then_body(void **state) {
    struct form form = {0};
    assert_int_equal(form_add(&form, slice_of("a"), slice_of("1")), FORM_DONE);
    assert_int_equal(form_add(&form, slice_of("b"), slice_of("1")), FORM_DONE);
    assert_int_equal(form_read(&form, "application/json", slice_of("{\"a\":2}")), FORM_DONE);
    AUTO_FREE char *text = json_dumps(form.values, JSON_COMPACT);
    assert_string_equal(text, "{\"a\":2,\"b\":\"1\"}");
    form_deinit(&form);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_depth_is_bounded),
        cmocka_unit_test(test_urlencoded),
        cmocka_unit_test(test_values_are_bounded),
        cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_multipart_cut_anywhere),
        cmocka_unit_test(test_query_then_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
