/* SPDX-License-Identifier: Apache-2.0 */
/* Error texts and byte offsets are those of tdlib's own tests where it has them. */
#include "base/test.h"
#include "mimic/telegram_text.h"

/* Entities as "bold 0+3, text_link 4+1". */
static void formats(const char *mode, const char *text, const char *wanted, const char *entities) {
    AUTO_FORMATTED struct formatted formatted = {0};
    AUTO_FREE char *why = telegram_format(text, mode, "", &formatted);
    assert_string_equal(why ? why : "", "");
    assert_string_equal(formatted.text, wanted);
    AUTO_FREE char *list = text_copy("");
    size_t i;
    json_t *entity;
    json_array_foreach(formatted.entities, i, entity) {
        char *longer = text_format("%s%s%s %lld+%lld", list, i ? ", " : "",
                                   json_string_value(json_object_get(entity, "type")),
                                   json_integer_value(json_object_get(entity, "offset")),
                                   json_integer_value(json_object_get(entity, "length")));
        free(list);
        list = longer;
    }
    assert_string_equal(list, entities);
}

static void refuses(const char *mode, const char *text, const char *wanted) {
    AUTO_FORMATTED struct formatted formatted = {0};
    AUTO_FREE char *why = telegram_format(text, mode, "", &formatted);
    assert_non_null(why);
    AUTO_FREE char *whole = text_format("can't parse entities: %s", wanted);
    assert_string_equal(why, whole);
}

static void test_html(void **state) {
    formats("HTML", "<b>a</b> <strong>b</strong>", "a b", "bold 0+1, bold 2+1");
    formats("html", "<i>a<u>b</u></i>", "ab", "italic 0+2, underline 1+1");
    formats("HTML", "😀<s>é</s>", "😀é", "strikethrough 2+1"); /* UTF-16 units */
    formats("HTML", "&lt;b&gt;&amp;&quot;&#65;&#x1F600;&nope;", "<b>&\"A😀&nope;", "");
    formats("HTML", "<a href=\"http://x/?a&amp;b\">l</a>", "l", "text_link 0+1");
    formats("HTML", "<a href=x.org>l</a>", "l", "text_link 0+1");
    formats("HTML", "<pre><code class=\"language-c\">int</code></pre>", "int", "pre 0+3");
    formats("HTML", "<code>x</code><span class='tg-spoiler'>y</span>", "xy",
            "code 0+1, spoiler 1+1");
    formats("HTML", "<blockquote expandable>q</blockquote>", "q", "expandable_blockquote 0+1");
    formats("HTML", " \n<b> a </b>\n ", "a", "bold 0+1"); /* trimmed */
    formats("HTML", "<b></b>x", "x", "");
    formats("HTML", "<B>x</b>", "x", "bold 0+1");
}

static void test_html_errors(void **state) {
    refuses("HTML", "a<b", "Unclosed start tag at byte offset 1");
    refuses("HTML", "é<x>", "Unsupported start tag \"x\" at byte offset 2");
    refuses("HTML", "</b>", "Unexpected end tag at byte offset 0");
    refuses("HTML", "<b>x</i>",
            "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\"");
    refuses("HTML", "<b>x</b", "Unclosed end tag at byte offset 4");
    refuses("HTML", "<b>x", "Can't find end tag corresponding to start tag \"b\"");
    refuses("HTML", "<a =x>", "Empty attribute name in the tag \"a\" at byte offset 0");
    refuses("HTML", "<a href>",
            "Expected equal sign in declaration of an attribute of the tag \"a\" at byte offset 0");
    refuses("HTML", "<a href=\"x", "Unclosed start tag \"a\" at byte offset 0");
    refuses("HTML", "<a href=x/>", "Unexpected end of name token at byte offset 8");
    refuses("HTML", "<span>x</span>",
            "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0");
}

static void test_markdown_v2(void **state) {
    formats("MarkdownV2", "*a* _b_ __c__ ~d~ ||e|| `f`", "a b c d e f",
            "bold 0+1, italic 2+1, underline 4+1, strikethrough 6+1, spoiler 8+1, code 10+1");
    formats("MarkdownV2", "*a _b_*", "a b", "bold 0+3, italic 2+1");
    formats("MarkdownV2", "1\\.5 \\- \\\\", "1.5 - \\", "");
    formats("MarkdownV2", "[l](http://x/a\\)b)", "l", "text_link 0+1");
    formats("MarkdownV2", "```c\nint x = 1;\n```", "int x = 1;", "pre 0+10");
    formats("MarkdownV2", "```\na.b\n```", "a.b", "pre 0+3");
    formats("MarkdownV2", "`a*b`", "a*b", "code 0+3");
    formats("MarkdownV2", ">q\n>r\nx", "q\nr\nx", "blockquote 0+3");
    formats("MarkdownV2", "\n>q", "q", "blockquote 0+1");
}

static void test_markdown_v2_errors(void **state) {
    static const char reserved[] = "]()#+-=|{}.!";
    for (const char *c = reserved; *c; c++) {
        char text[] = {*c, 0};
        AUTO_FREE char *why = text_format(
            "Character '%c' is reserved and must be escaped with the preceding '\\'", *c);
        refuses("MarkdownV2", text, why);
        char escaped[] = {'\\', *c, 0};
        formats("MarkdownV2", escaped, text, "");
    }
    refuses("MarkdownV2", "🏟 🏟_abacaba", "Can't find end of Italic entity at byte offset 9");
    refuses("MarkdownV2", "🏟 🏟_abac * asd ",
            "Can't find end of Bold entity at byte offset 15");
    refuses("MarkdownV2", "🏟 🏟_abac * asd _",
            "Can't find end of Italic entity at byte offset 21");
    refuses("MarkdownV2", "🏟 🏟`", "Can't find end of Code entity at byte offset 9");
    refuses("MarkdownV2", "🏟 🏟```", "Can't find end of Pre entity at byte offset 9");
    refuses("MarkdownV2", "🏟 🏟```a", "Can't find end of Pre entity at byte offset 9");
    refuses("MarkdownV2", "🏟 🏟```a ", "Can't find end of PreCode entity at byte offset 9");
    refuses("MarkdownV2", "🏟 🏟__🏟 🏟_",
            "Can't find end of Italic entity at byte offset 20");
    refuses("MarkdownV2", "🏟 🏟_🏟 🏟__",
            "Can't find end of Underline entity at byte offset 19");
    refuses("MarkdownV2", "[a](b", "Can't find end of a URL at byte offset 4");
}

static void test_old_markdown(void **state) {
    formats("Markdown", "*a* _b_ `c` [l](http://x)", "a b c l",
            "bold 0+1, italic 2+1, code 4+1, text_link 6+1");
    formats("Markdown", "1.5 - \\_x", "1.5 - _x", "");
    formats("Markdown", "```\nx\n```", "x", "pre 0+1");
    refuses("Markdown", "a *b", "Can't find end of the entity starting at byte offset 2");
}

static void test_found_in_plain_text(void **state) {
    formats("", "/buy BTC", "/buy BTC", "bot_command 0+4");
    formats("", "/buy@demo_bot x", "/buy@demo_bot x", "bot_command 0+13");
    formats("", "a/b /c/ /", "a/b /c/ /", "");
    formats("", "😀 /x", "😀 /x", "bot_command 3+2");
    formats("", "@annie #tag https://x.org/a.", "@annie #tag https://x.org/a.",
            "mention 0+6, hashtag 7+4, url 12+15");
    formats("HTML", "<code>/no</code> /yes", "/no /yes", "code 0+3, bot_command 4+4");
    formats("",
            "a\r\nb\x01"
            "c",
            "a\nb c", "");
}

static void test_given_entities(void **state) {
    AUTO_FORMATTED struct formatted formatted = {0};
    AUTO_FREE char *why = telegram_format("abc", "",
                                          "[{\"type\":\"bold\",\"offset\":0,\"length\":2},{"
                                          "\"type\":\"bold\",\"offset\":2,\"length\":9},"
                                          "{\"type\":\"bot_command\",\"offset\":0,\"length\":1},7]",
                                          &formatted);
    assert_null(why);
    assert_int_equal(json_array_size(formatted.entities), 1);
}

static void test_utf16(void **state) {
    assert_int_equal(telegram_utf16_length("aé€😀", strlen("aé€😀")), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_html),           cmocka_unit_test(test_html_errors),
        cmocka_unit_test(test_markdown_v2),    cmocka_unit_test(test_markdown_v2_errors),
        cmocka_unit_test(test_old_markdown),   cmocka_unit_test(test_found_in_plain_text),
        cmocka_unit_test(test_given_entities), cmocka_unit_test(test_utf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
