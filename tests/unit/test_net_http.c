/* net/http: responses whole and byte by byte, and what is none; net/http_url: URLs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/http.h"
#include "net/http_url.h"
#include "unit.h"

#define BODY_MAX ((size_t)64 * 1024)

typedef struct Response {
    const char *text;
    int result; /* 1: whole, 0: whole at the end of the connection, else an errno */
    int status;
    const char *body;
} Response;

static const Response responses[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1, 200, "hello"},
    {"HTTP/1.0 200\nContent-Length:5 \n\nhello", 1, 200, "hello"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\nhello, and more", 1, 200,
        "hello"},
    {"HTTP/1.1 400 Bad\r\n\r\nto the end", 0, 400, "to the end"},
    {"HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx", 0, 200, "x"},
    {"HTTP/1.1 204 No Content\r\n\r\n", 1, 204, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1, 200, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n"
     "0\r\nTrailer: x\r\n\r\n",
        1, 200, "abc0123456789"},
    {"HTTP/1.1 302 Found\r\nLocation: https://x/\r\nLocation: https://y/\r\n\r\n", 0, 302, ""},

    {"220 mail.example.com ESMTP\r\n", -EBADMSG, 0, ""},
    {"HTTP/2 200\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 20\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 2x0 OK\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 2000 OK\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 099 OK\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nno field\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\n: x\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n", -EMSGSIZE, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n", -EMSGSIZE, 0, ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", -ECONNRESET, 0, ""},
    {"HTTP/1.1 200 O", -ECONNRESET, 0, ""},
    {"HT", -ECONNRESET, 0, ""},
    {"HTTP/1.1 100 Continue\r\n\r\n", -ECONNRESET, 0, ""},
    {"", -ENODATA, 0, ""},
    {"220 mail", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", -EMSGSIZE, 0,
        ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", -EBADMSG, 0, ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", -ECONNRESET, 0, ""},
};

/* `piece` bytes at a time. */
static int feed(HttpResponse *response, const char *text, size_t n, size_t piece)
{
    int r = 0;

    for (size_t at = 0; at < n && r == 0; at += piece)
        r = http_response_feed(response, text + at, MIN(piece, n - at));
    return r == 0 ? http_response_end(response) : r;
}

START_TEST(responses_are_read_in_any_pieces)
{
    const Response *x = &responses[_i];
    static const size_t pieces[] = {1, 2, 7, 4096};

    for (size_t i = 0; i < ELEMENTSOF(pieces); i++) {
        HttpResponse response;

        ck_assert_int_eq(http_response_init(&response, BODY_MAX), 0);
        ck_assert_int_eq(feed(&response, x->text, strlen(x->text), pieces[i]), x->result);
        if (x->result >= 0) {
            ck_assert_int_eq(response.status, x->status);
            ck_assert_uint_eq(buffer_size(&response.body), strlen(x->body));
            ck_assert_mem_eq(buffer_data(&response.body), x->body, strlen(x->body));
        }
        if (x->status == 302)
            ck_assert_str_eq(response.location, "https://x/");
        http_response_done(&response);
    }
}
END_TEST

static int feed_long(size_t fields, size_t body)
{
    static const char status[] = "HTTP/1.1 200 OK\r\nX: ";
    Buffer text = {0};
    HttpResponse response;
    int r;

    ck_assert_int_eq(buffer_append_string(&text, status), 0);
    ck_assert_ptr_nonnull(memset(buffer_reserve(&text, fields), 'x', fields));
    buffer_commit(&text, fields);
    ck_assert_int_eq(buffer_append_string(&text, "\r\n\r\n"), 0);
    ck_assert_ptr_nonnull(memset(buffer_reserve(&text, body + 1), 'y', body));
    buffer_commit(&text, body);
    ck_assert_int_eq(http_response_init(&response, BODY_MAX), 0);
    r = feed(&response, buffer_data(&text), buffer_size(&text), 1000);
    ck_assert_uint_le(buffer_size(&response.body), BODY_MAX);
    http_response_done(&response);
    buffer_done(&text);
    return r;
}

START_TEST(limits_hold)
{
    size_t head = strlen("HTTP/1.1 200 OK\r\nX: \r\n\r\n");

    ck_assert_int_eq(feed_long(5, BODY_MAX), 0);
    ck_assert_int_eq(feed_long(5, BODY_MAX + 1), -EMSGSIZE);
    ck_assert_int_eq(feed_long(HTTP_HEAD_MAX - head - 1000, 1), 0);
    ck_assert_int_eq(feed_long(HTTP_HEAD_MAX, 1), -EMSGSIZE);
}
END_TEST

/* Small chunks of a large body are no trouble, and sizes alone are. */
START_TEST(chunks_may_be_of_any_size_but_nothing)
{
    static const char status[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const struct {
        const char *chunk;
        size_t times;
        int result;
    } rows[] = {
        {"20\r\n01234567890123456789012345678901\r\n", 30000, 0},
        {"1;much=more\r\nx\r\n", 30000, -EMSGSIZE},
        {"1;much=more\r\nx\r\n", 1000, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        HttpResponse response;
        int r;

        ck_assert_int_eq(http_response_init(&response, (size_t)1 << 20), 0);
        r = http_response_feed(&response, status, strlen(status));
        for (size_t k = 0; k < rows[i].times && r == 0; k++)
            r = http_response_feed(&response, rows[i].chunk, strlen(rows[i].chunk));
        ck_assert_int_eq(r, rows[i].result);
        http_response_done(&response);
    }
}
END_TEST

START_TEST(the_media_type_is_kept)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n\r\n";
    HttpResponse response;

    ck_assert_int_eq(http_response_init(&response, 1), 0);
    ck_assert_int_eq(http_response_feed(&response, text, strlen(text)), 1);
    ck_assert_str_eq(response.type, "text/plain; charset=utf-8");
    http_response_done(&response);
}
END_TEST

START_TEST(urls_are_those_of_http)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: it is none */
        unsigned port;
        const char *path;
    } urls[] = {
        {"https://login.example.com/a/token?b=c", "login.example.com", 443, "/a/token?b=c"},
        {"HTTPS://login.example.com", "login.example.com", 443, "/"},
        {"https://localhost:8443?x", "localhost", 8443, "/?x"},
        {"https://[2001:db8::1]:8443/t", "2001:db8::1", 8443, "/t"},
        {"https://[::1]", "::1", 443, "/"},
        {"http://localhost/", "localhost", 80, "/"},
        {"HTTP://crl.example.com:8080/a.crl", "crl.example.com", 8080, "/a.crl"},
        {"ftp://localhost/", NULL},
        {"localhost", NULL},
        {"https://", NULL},
        {"https:///x", NULL},
        {"https://a:0/", NULL},
        {"https://a:65536/", NULL},
        {"https://a:99999999999999999999/", NULL},
        {"https://a:x/", NULL},
        {"https://[::1/", NULL},
        {"https://[::1]x/", NULL},
        {"https://user:word@a/", NULL},
        {"https://a/ b", NULL},
        {"https://a/\r\nX: y", NULL},
        {"https://a/#b", NULL},
        {"https://b\xc3\xbc"
         "cher.example/",
            NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
        HttpUrl url;
        int r = http_url_parse(urls[i].text, &url);

        ck_assert_msg(r == (urls[i].host ? 0 : -EINVAL), "%s: %d", urls[i].text, r);
        if (r < 0)
            continue;
        ck_assert_str_eq(url.host, urls[i].host);
        ck_assert_uint_eq(url.port, urls[i].port);
        ck_assert_str_eq(url.path, urls[i].path);
        http_url_done(&url);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_http");
    TCase *t = tcase_create("all");

    tcase_add_loop_test(t, responses_are_read_in_any_pieces, 0, ELEMENTSOF(responses));
    tcase_add_test(t, limits_hold);
    tcase_add_test(t, chunks_may_be_of_any_size_but_nothing);
    tcase_add_test(t, the_media_type_is_kept);
    tcase_add_test(t, urls_are_those_of_http);
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
