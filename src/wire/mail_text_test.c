/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "wire/mail_text.h"

static void test_a_mail(void **state) {
    char *to[] = {(char *)"ann@example.org", (char *)"bob@example.org", NULL};
    AUTO_BUFFER struct buffer mail = {0};
    mail_add(&(struct mail_head){.sender = "bot@example.org",
                                 .subject = "CRITICAL - db: down",
                                 .id = "x@example.org",
                                 .to = to,
                                 .at_s = 1795000000},
             slice_of("a = b \n.\nend"), &mail);
    assert_string_equal(
        mail.data, "From: <bot@example.org>\r\nTo: <ann@example.org>,\r\n <bob@example.org>\r\n"
                   "Subject: CRITICAL - db: down\r\nDate: Wed, 18 Nov 2026 11:06:40 +0000\r\n"
                   "Message-ID: <x@example.org>\r\nAuto-Submitted: auto-generated\r\n"
                   "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                   "a =3D b=20\r\n=2E\r\nend\r\n");
}

static void test_no_line_is_long_and_no_head_is_made_by_words(void **state) {
    char *to[] = {(char *)"ann@example.org", NULL};
    AUTO_BUFFER struct buffer mail = {0}, subject = {0}, text = {0};
    for (int i = 0; i < 300; i++)
        buffer_add_text(&text, "\xe1\xba\xbf. ");
    struct alert alert = {
        .text = text.data, .service = (char *)"db", .title = (char *)"x\r\nTo: y"};
    alert_add_subject(&alert, 0, &subject);
    mail_add(&(struct mail_head){.sender = "b@c", .subject = subject.data, .id = "i", .to = to},
             buffer_slice(&text), &mail);
    assert_null(strstr(mail.data, "\nTo: y"));
    size_t line = 0;
    for (const char *c = mail.data; *c; c++) {
        assert_true((unsigned char)*c < 127);
        line = *c == '\n' ? 0 : line + 1;
        assert_true(line <= 77);
    }
}

static void test_several_are_a_line_each(void **state) {
    AUTO_BUFFER struct buffer subject = {0}, body = {0};
    struct alert one = {.text = (char *)"down", .service = (char *)"db"};
    struct alert two = {.text = (char *)"full", .title = (char *)"disk", .maybe_sent = true};
    const struct alert *others[] = {&two};
    alert_add_subject(&one, 1, &subject);
    alert_add_body(&one, others, 1, &body);
    assert_string_equal(subject.data, "CRITICAL - 2 alerts");
    assert_string_equal(body.data, "* db: down\n* disk: full (possible repeat)\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mail),
        cmocka_unit_test(test_no_line_is_long_and_no_head_is_made_by_words),
        cmocka_unit_test(test_several_are_a_line_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
