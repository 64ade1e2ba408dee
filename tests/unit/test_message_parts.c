/* message: the parts that text, HTML and files become, judged by GMime. */
#include "base/errors.h"
#include "composing.h"

START_TEST(html_stands_beside_the_text_and_what_it_shows)
{
    ComposePart parts[] = {
        {.source = compose_bytes("data", 4), .name = "Übersicht.pdf"},
        {.source = compose_bytes("\x89PNG", 4), .name = "logo.png", .is_inline = true},
        {.source = compose_bytes("GIF", 3),
            .content_id = "x.1@lab.test",
            .type = "image/gif",
            .is_inline = true},
    };
    Compose c = letter();
    GMimeMessage *message;
    GMimeObject *mixed, *related, *alternative;

    c.body = compose_text("Grüße\n");
    c.html = compose_text("<p>Grüße <img src=\"cid:logo.png\"></p>\n");
    c.parts = parts, c.n_parts = ELEMENTSOF(parts);
    message = compose_and_parse(&c);
    mixed = g_mime_message_get_mime_part(message);
    related = child(mixed, 0, "mixed", 2);
    alternative = child(related, 0, "related", 3);
    ck_assert_str_eq(g_mime_object_get_content_type_parameter(related, "type"), /* RFC 2387 */
        "multipart/alternative");
    assert_content(child(alternative, 0, "alternative", 2), "text/plain", "Grüße\r\n");
    ck_assert_ptr_nonnull(strstr("Grüße", "ü"));
    ck_assert_str_eq(g_mime_object_get_content_type_parameter(
                         child(alternative, 1, "alternative", 2), "charset"),
        "utf-8");
    ck_assert_str_eq(g_mime_object_get_content_id(child(related, 1, "related", 3)), "logo.png");
    ck_assert_str_eq(g_mime_object_get_disposition(child(related, 1, "related", 3)), "inline");
    assert_content(child(related, 1, "related", 3), "image/png", "\x89PNG");
    ck_assert_str_eq(g_mime_object_get_content_id(child(related, 2, "related", 3)), "x.1@lab.test");
    assert_content(child(related, 2, "related", 3), "image/gif", "GIF");
    ck_assert_str_eq(
        g_mime_part_get_filename(GMIME_PART(child(mixed, 1, "mixed", 2))), "Übersicht.pdf");
    assert_content(child(mixed, 1, "mixed", 2), "application/pdf", "data");
    g_object_unref(message);
}
END_TEST

START_TEST(html_may_be_alone)
{
    ComposePart logo = {.source = compose_bytes("x", 1), .name = "a.png", .is_inline = true};
    Compose c = letter();
    GMimeMessage *message;
    GMimeObject *root;

    c.html = compose_text("<p>hello</p>\n");
    message = compose_and_parse(&c);
    assert_content(g_mime_message_get_mime_part(message), "text/html", "<p>hello</p>\n");
    g_object_unref(message);
    c.parts = &logo, c.n_parts = 1;
    message = compose_and_parse(&c);
    root = g_mime_message_get_mime_part(message);
    assert_content(child(root, 0, "related", 2), "text/html", "<p>hello</p>\n");
    ck_assert_str_eq(g_mime_object_get_content_type_parameter(root, "type"), "text/html");
    g_object_unref(message);
    c.html = (ComposeSource){0};
    assert_refused(&c, ERROR_MESSAGE, "an inline part is shown by an HTML text");
}
END_TEST

START_TEST(files_have_the_type_and_name_that_is_said)
{
    ComposePart parts[] = {
        {.source = compose_bytes("\xe4;1\n", 4),
            .name = "t.bin",
            .type = "text/csv; charset=iso-8859-1; header=present"},
        {.source = compose_text("ä\n"), .name = "t.csv"},
        {.source = compose_text("x"), .name = "", .type = "application/x-own; name=\"given.x\""},
        {.source = compose_text("Subject: a\r\n\r\nb\r\n"), .name = "old.eml"},
        {.source = compose_text("Subject: ä\n\nb\n"), .name = "old.eml"},
    };
    Compose c = letter();
    GMimeMessage *message;
    GMimeObject *root;

    c.parts = parts, c.n_parts = ELEMENTSOF(parts);
    message = compose_and_parse(&c);
    root = g_mime_message_get_mime_part(message);
    assert_content(child(root, 1, "mixed", 6), "text/csv", "\xe4;1\n");
    ck_assert_str_eq(
        g_mime_object_get_content_type_parameter(child(root, 1, "mixed", 6), "charset"),
        "iso-8859-1");
    ck_assert_str_eq(
        g_mime_object_get_content_type_parameter(child(root, 2, "mixed", 6), "charset"), "utf-8");
    ck_assert_str_eq(
        g_mime_object_get_content_type_parameter(child(root, 3, "mixed", 6), "name"), "given.x");
    ck_assert_ptr_null(
        g_mime_object_get_content_disposition_parameter(child(root, 3, "mixed", 6), "filename"));
    /* A message cannot be encoded (RFC 2046, 5.2.1): it goes as it is, or as any file. */
    ck_assert(GMIME_IS_MESSAGE_PART(child(root, 4, "mixed", 6)));
    assert_content(child(root, 5, "mixed", 6), "application/octet-stream", "Subject: ä\n\nb\n");
    g_object_unref(message);
}
END_TEST

START_TEST(types_and_ids_that_cannot_be_are_refused)
{
    ComposePart part = {.source = compose_text("x\n\n\xff"), .name = "a"};
    Compose c = letter();

    c.parts = &part, c.n_parts = 1;
    c.html = compose_text("<p>");
    part.type = "text";
    assert_refused(&c, ERROR_MESSAGE, "content type: this is no content type");
    part.type = "text/plain; x";
    assert_refused(&c, ERROR_MESSAGE, "content type: the parameters are malformed");
    part.type = "text/plain\nX-Injected: 1";
    assert_refused(&c, ERROR_MESSAGE, "content type: a line break");
    part.type = "multipart/mixed; boundary=x";
    assert_refused(&c, ERROR_ATTACHMENT, "cannot be of a type multipart");
    part.type = "message/rfc822";
    assert_refused(&c, ERROR_ATTACHMENT, "is no message that can go as it is");
    part.type = NULL, part.is_inline = true, part.content_id = "a b";
    assert_refused(&c, ERROR_MESSAGE, "content id: \"a b\" cannot stand in cid:");
    part.content_id = "";
    assert_refused(&c, ERROR_MESSAGE, "content id");
    part.content_id = NULL, part.name = "ä.png";
    assert_refused(&c, ERROR_MESSAGE, "content id: \"ä.png\"");
    c.headers = LIST("Content-Type: text/x");
    c.n_parts = 0;
    assert_refused(&c, ERROR_MESSAGE, "an HTML text cannot be added");
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/parts");
    TCase *tcase = tcase_create("parts");

    setenv("TZ", "UTC", 1);
    g_mime_init();
    tcase_add_test(tcase, html_stands_beside_the_text_and_what_it_shows);
    tcase_add_test(tcase, html_may_be_alone);
    tcase_add_test(tcase, files_have_the_type_and_name_that_is_said);
    tcase_add_test(tcase, types_and_ids_that_cannot_be_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
