/* message: the parts that text, HTML and files become, judged by GMime. */
#include <unistd.h>

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

static void assert_type(const char *name, const char *data, size_t n, const char *types_file,
    const char *type, const char *charset)
{
    ComposePart part = {.source = compose_bytes(data, n), .name = name};
    Compose c = letter();
    GMimeMessage *message;
    GMimeObject *attached;

    c.parts = &part, c.n_parts = 1;
    c.style.types_file = types_file;
    message = compose_and_parse(&c);
    attached = child(g_mime_message_get_mime_part(message), 1, "mixed", 2);
    ck_assert_msg(g_mime_content_type_is_type(g_mime_object_get_content_type(attached),
                      strndupa(type, strcspn(type, "/")), strchr(type, '/') + 1),
        "%s", name);
    ck_assert_pstr_eq(g_mime_object_get_content_type_parameter(attached, "charset"), charset);
    g_object_unref(message);
}

START_TEST(a_file_without_a_known_ending_is_what_it_holds)
{
    static const struct {
        const char *data;
        size_t n;
        const char *type, *charset;
    } cases[] = {
        {"", 0, "application/octet-stream", NULL},
        {"hällo\n", 7, "text/plain", "utf-8"},
        {"a\tb\r\n\f", 6, "text/plain", "utf-8"},
        {"h\xe4llo\n", 6, "application/octet-stream", NULL}, /* nobody knows of which set */
        {"a\0b", 3, "application/octet-stream", NULL},
        {"a\x1b[1m", 5, "application/octet-stream", NULL},
        {"%PDF-1.7\n", 9, "application/pdf", NULL},
        {"%PDF", 4, "text/plain", "utf-8"},
        {"\x89PNG\r\n\x1a\n\0", 9, "image/png", NULL},
        {"\xff\xd8\xff\xe0", 4, "image/jpeg", NULL},
        {"GIF89a\1", 7, "image/gif", NULL},
        {"RIFF\1\2\3\4WEBPVP8 ", 16, "image/webp", NULL},
        {"RIFX\1\2\3\4WEBPVP8 ", 16, "application/octet-stream", NULL},
        {"RIFF\1\2\3\4WAVEfmt ", 16, "audio/wav", NULL},
        {"PK\3\4\24\0", 6, "application/zip", NULL},
        {"\x1f\x8b\x08\0", 4, "application/gzip", NULL},
        {"\xfd"
         "7zXZ\0",
            6, "application/x-xz", NULL},
        {"BZh91AY&SY", 10, "application/x-bzip2", NULL},
        {"BZh9 is a text", 14, "text/plain", "utf-8"},
    };
    char tar[512] = "a";

    memcpy(tar + 257, "ustar", 5);
    assert_type("backup", tar, sizeof(tar), NULL, "application/x-tar", NULL);
    assert_type("short", tar, 261, NULL, "application/octet-stream", NULL);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_type("report", cases[i].data, cases[i].n, NULL, cases[i].type, cases[i].charset);
        assert_type("", cases[i].data, cases[i].n, NULL, cases[i].type, cases[i].charset);
        assert_type(
            "x.no-such-ending", cases[i].data, cases[i].n, NULL, cases[i].type, cases[i].charset);
    }
    /* What the name says counts, be it wrong. */
    assert_type("a.PNG", "text", 4, NULL, "image/png", NULL);
    assert_type(".png", "text", 4, NULL, "image/png", NULL);
    assert_type("a.", "text", 4, NULL, "text/plain", "utf-8");
}
END_TEST

/* A text is one to its end: that of a long file is looked at, too. */
START_TEST(a_file_is_no_text_for_its_beginning)
{
    static char data[100000];

    memset(data, 'a', sizeof(data));
    assert_type("a", data, sizeof(data), NULL, "text/plain", "utf-8");
    data[sizeof(data) - 1] = '\xc3';
    assert_type("a", data, sizeof(data), NULL, "application/octet-stream", NULL);
    data[sizeof(data) - 1] = '\0';
    assert_type("a", data, sizeof(data), NULL, "application/octet-stream", NULL);
}
END_TEST

START_TEST(the_system_s_file_of_types_is_asked)
{
    static const char types[] = "# a comment doc1\n"
                                "application/x-one\t\t\tone uno\n"
                                "application/x-none\n"
                                "text/x-two two\n"
                                "application/x-later one\r\n"
                                "image/png png2\n"
                                "multipart/mixed  parts\n"
                                "message/rfc822   letter\n"
                                "no-type bad1\n"
                                "bad/type; bad2\n"
                                "/bad bad3\n"
                                "bad/ bad4\n"
                                "x/y\nX-Injected: 1 bad5\n"
                                "application/pdf-of-theirs pdf\n"
                                "application/x-last last";
    char path[] = "/tmp/outbox-types-XXXXXX";
    int fd = mkstemp(path);
    static const struct {
        const char *name, *type, *charset;
    } cases[] = {
        {"a.one", "application/x-one", NULL},
        {"a.tar.UNO", "application/x-one", NULL},
        {"a.two", "text/x-two", "utf-8"},
        {"a.png2", "image/png", NULL},
        {"a.last", "application/x-last", NULL},
        {"a.pdf", "application/pdf", NULL},
        {"a.parts", "text/plain", "utf-8"},
        {"a.letter", "text/plain", "utf-8"},
        {"a.on", "text/plain", "utf-8"},
        {"a.doc1", "text/plain", "utf-8"},
        {"a.bad1", "text/plain", "utf-8"},
        {"a.bad2", "text/plain", "utf-8"},
        {"a.bad3", "text/plain", "utf-8"},
        {"a.bad4", "text/plain", "utf-8"},
        {"a.bad5", "text/plain", "utf-8"},
        {"a.x/last", "text/plain", "utf-8"},
        {".last", "text/plain", "utf-8"},
    };

    ck_assert_int_eq(write(fd, types, sizeof(types) - 1), sizeof(types) - 1);
    close(fd);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        assert_type(cases[i].name, "text", 4, path, cases[i].type, cases[i].charset);
    unlink(path);
    assert_type("a.one", "text", 4, path, "text/plain", "utf-8");
    assert_type("a.one", "text", 4, "/", "text/plain", "utf-8");
}
END_TEST

/* One message with several: what was said of the first still holds. */
START_TEST(several_files_are_looked_up_in_one_file)
{
    char path[] = "/tmp/outbox-types-XXXXXX";
    int fd = mkstemp(path);
    ComposePart parts[] = {
        {.source = compose_text("a"), .name = "a.one"},
        {.source = compose_text("a"), .name = "a.two"},
        {.source = compose_text("a"), .name = "b.one"},
    };
    Compose c = letter();
    GMimeMessage *message;

    ck_assert_int_eq(write(fd, "a/one one\na/two two\n", 20), 20);
    close(fd);
    c.parts = parts, c.n_parts = ELEMENTSOF(parts);
    c.style.types_file = path;
    message = compose_and_parse(&c);
    assert_content(child(g_mime_message_get_mime_part(message), 1, "mixed", 4), "a/one", "a");
    assert_content(child(g_mime_message_get_mime_part(message), 2, "mixed", 4), "a/two", "a");
    assert_content(child(g_mime_message_get_mime_part(message), 3, "mixed", 4), "a/one", "a");
    g_object_unref(message);
    unlink(path);
}
END_TEST

START_TEST(types_and_ids_that_cannot_be_are_refused)
{
    char id[202];

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
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    part.content_id = id;
    assert_refused(&c, ERROR_MESSAGE, "content id: \"xxx");
    id[200] = '\0';
    g_object_unref(compose_and_parse(&c));
    part.content_id = NULL;
    part.name = "a.png";
    c.parts = (const ComposePart[]){
        part, {.source = compose_text("x"), .name = "/tmp/a.png", .is_inline = true}};
    c.n_parts = 2;
    assert_refused(&c, ERROR_MESSAGE, "two inline parts have the id \"a.png\"");
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
    tcase_add_test(tcase, a_file_without_a_known_ending_is_what_it_holds);
    tcase_add_test(tcase, a_file_is_no_text_for_its_beginning);
    tcase_add_test(tcase, the_system_s_file_of_types_is_asked);
    tcase_add_test(tcase, several_files_are_looked_up_in_one_file);
    tcase_add_test(tcase, types_and_ids_that_cannot_be_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
